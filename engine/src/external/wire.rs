//! What the external plane's answers say, read with patience.
//!
//! Owns the names of its fields. What is not known is passed over, what has another form than it should is
//! as if it were not there, and a row without a usable id is left out and counted.

use elb_core::{
    cluster::Batches,
    external::{ExternalDetail, ExternalFile, ExternalJob, ExternalPhase, ExternalStatus},
    search::Program,
    text,
    time::Timestamp,
};
use serde_json::Value;

use super::PlaneError;

/// The longest id that is taken (ours): it becomes part of addresses.
const MAX_ID: usize = 128;
/// The longest text that is taken, in characters.
const MAX_TEXT: usize = 2_000;
/// The longest name of a file that is shown, in characters.
const MAX_NAME: usize = 200;
/// The most files of a search that are listed (ours): one of 5,000 batches has as many.
const MAX_FILES: usize = 10_000;

/// A page of the list.
#[derive(Debug)]
pub(super) struct Page {
    pub jobs: Vec<ExternalJob>,
    pub unreadable: u64,
    /// Where the next one begins, if there is one.
    pub next: Option<String>,
}

fn json(body: &[u8]) -> Result<Value, PlaneError> {
    serde_json::from_slice(body).map_err(|error| PlaneError::Garbled(error.to_string()))
}

fn string<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn shown(value: &Value, name: &str) -> Option<String> {
    let text = string(value, name)?.trim();
    (!text.is_empty()).then(|| text::cap(text, MAX_TEXT))
}

/// Ids become parts of addresses, here and there.
pub(super) fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('.')
}

fn id(value: &Value, name: &str) -> Option<String> {
    string(value, name)
        .filter(|id| is_id(id))
        .map(str::to_owned)
}

fn number(value: &Value, name: &str) -> Option<u64> {
    value.get(name)?.as_u64()
}

/// Python writes UTC as an offset of zero, or none at all.
fn time(value: &Value, name: &str) -> Option<Timestamp> {
    let value = value.get(name)?;
    if let Some(seconds) = value.as_i64() {
        return Some(Timestamp(seconds.checked_mul(1_000)?));
    }
    let text = value.as_str()?.trim();
    let plain = text.strip_suffix("+00:00").unwrap_or(text);
    let plain = plain.strip_suffix('Z').unwrap_or(plain).replace(' ', "T");
    Timestamp::parse(&format!("{plain}Z"))
}

/// An error is a text, or an object with one.
fn error(value: &Value) -> Option<String> {
    let found = value.get("error")?;
    shown(value, "error").or_else(|| shown(found, "message"))
}

fn status(value: &Value) -> Option<ExternalStatus> {
    ExternalStatus::parse(string(value, "status")?)
}

fn job(value: &Value) -> Option<ExternalJob> {
    Some(ExternalJob {
        id: id(value, "job_id")?,
        run: id(value, "elb_job_id"),
        status: status(value),
        program: string(value, "program").and_then(Program::parse),
        database: shown(value, "db").unwrap_or_default(),
        queue_position: number(value, "queue_position"),
        created_at: time(value, "created_at"),
        started_at: time(value, "started_at"),
        updated_at: time(value, "updated_at"),
    })
}

/// A page of `GET /v1/jobs`.
pub(super) fn page(body: &[u8]) -> Result<Page, PlaneError> {
    let value = json(body)?;
    let Some(rows) = value.get("jobs").and_then(Value::as_array) else {
        return Err(PlaneError::Garbled("it holds no list of jobs".to_owned()));
    };
    let jobs: Vec<ExternalJob> = rows.iter().filter_map(job).collect();
    let unreadable = u64::try_from(rows.len() - jobs.len()).unwrap_or(u64::MAX);
    let more = value.get("has_more").and_then(Value::as_bool);
    let next = string(&value, "next_cursor").filter(|_| more != Some(false));
    Ok(Page {
        jobs,
        unreadable,
        next: next.map(str::to_owned),
    })
}

/// `GET /v1/jobs/{id}/status`.
pub(super) fn detail(body: &[u8]) -> Result<ExternalDetail, PlaneError> {
    let value = json(body)?;
    if !value.is_object() {
        return Err(PlaneError::Garbled("it is no object".to_owned()));
    }
    let none = Value::Null;
    let summary = value
        .get("kubernetes")
        .and_then(|found| found.get("summary"));
    let summary = summary.unwrap_or(&none);
    let count = |name| number(summary, name).unwrap_or(0);
    let batches = |name| u32::try_from(count(name)).unwrap_or(u32::MAX);
    Ok(ExternalDetail {
        status: status(&value),
        phase: string(&value, "phase").and_then(ExternalPhase::parse),
        queue_position: number(&value, "queue_position"),
        error: error(&value),
        batches: Batches {
            done: batches("succeeded"),
            failed: batches("failed"),
            total: batches("total").max(batches("succeeded")),
        },
        active: count("active").saturating_add(count("finalizer_active")),
        updated_at: time(&value, "updated_at"),
    })
}

/// The files of `GET /api/v1/elastic-blast/jobs/{id}`.
pub(super) fn files(body: &[u8]) -> Result<Vec<ExternalFile>, PlaneError> {
    let value = json(body)?;
    let listed = value.get("result").and_then(|result| result.get("files"));
    let files = listed.and_then(Value::as_array).into_iter().flatten();
    let files = files.filter_map(|file| {
        let id = id(file, "file_id")?;
        let name = string(file, "filename").map_or_else(|| id.clone(), file_name);
        Some(ExternalFile {
            id,
            name,
            format: shown(file, "format").map(|format| text::cap(&format, MAX_NAME)),
            size: number(file, "size_bytes"),
        })
    });
    Ok(files.take(MAX_FILES).collect())
}

/// The last part of a name, with nothing in it that needs quoting.
fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let kept = last
        .chars()
        .map(|letter| if plain(letter) { letter } else { '_' });
    let kept: String = kept.take(MAX_NAME).collect();
    match kept.trim_start_matches('.') {
        "" => "results".to_owned(),
        kept => kept.to_owned(),
    }
}

/// What an answer that refuses says: FastAPI has `detail`, the service its own `message`.
pub(super) fn refusal(body: &[u8]) -> String {
    let said = json(body).ok().and_then(|value| {
        let inner = value.get("detail").filter(|detail| detail.is_object());
        let of = inner.unwrap_or(&value);
        shown(of, "message")
            .or_else(|| shown(of, "detail"))
            .or_else(|| error(of))
    });
    let said = said.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned());
    match text::cap(&said, 300) {
        empty if empty.is_empty() => "it says nothing more".to_owned(),
        said => said,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_is_read_and_what_is_not_known_or_makes_no_sense_is_passed_over() {
        let body = json!({
            "jobs": [
                {"job_id": "0123456789ab", "status": "running", "program": "blastn", "db": "nt",
                 "elb_job_id": "job-1", "created_at": "2025-11-26T12:00:00.123456+00:00",
                 "started_at": "2025-11-26 12:00:05", "updated_at": 1_764_158_409, "mode": "B", "new": [1]},
                {"job_id": "b", "status": "sleeping", "program": "psiblast", "queue_position": "2",
                 "created_at": "yesterday", "elb_job_id": "../etc"},
                {"job_id": "../x", "status": "running"},
                {"status": "running"},
                7,
            ],
            "count": 5, "next_cursor": "abc", "has_more": true,
        });
        let page = page(body.to_string().as_bytes()).unwrap();
        assert_eq!((page.unreadable, page.next.as_deref()), (3, Some("abc")));
        let (first, second) = (&page.jobs[0], &page.jobs[1]);
        assert_eq!(first.row_id(), "job-1");
        assert_eq!(first.created_at, Some(Timestamp(1_764_158_400_123)));
        assert_eq!(first.started_at, Some(Timestamp(1_764_158_405_000)));
        assert_eq!(first.updated_at, Some(Timestamp(1_764_158_409_000)));
        assert_eq!(second.row_id(), "b");
        assert_eq!((second.status, second.program), (None, None));
        assert_eq!((second.created_at, second.queue_position), (None, None));
    }

    #[test]
    fn the_last_page_has_no_next_one_whatever_its_cursor_says() {
        let last = json!({"jobs": [], "next_cursor": "abc", "has_more": false});
        assert_eq!(page(last.to_string().as_bytes()).unwrap().next, None);
        for body in ["", "{}", "[]", "<html>", r#"{"jobs": {}}"#] {
            let error = page(body.as_bytes()).unwrap_err();
            assert!(matches!(error, PlaneError::Garbled(_)), "{error}");
        }
    }

    #[test]
    fn a_status_has_its_error_in_either_form() {
        let body = json!({"status": "failed", "phase": "blast_failed", "error": {"message": " no "},
            "kubernetes": {"summary": {"total": 4, "succeeded": 1, "failed": 1, "active": 2}}});
        let read = detail(body.to_string().as_bytes()).unwrap();
        assert_eq!(read.error.as_deref(), Some("no"));
        assert_eq!((read.batches.total, read.active), (4, 2));
        let plain = json!({"status": "failed", "error": "no"});
        let read = detail(plain.to_string().as_bytes()).unwrap();
        assert_eq!(read.error.as_deref(), Some("no"));
    }

    #[test]
    fn names_of_files_lead_nowhere() {
        let body = json!({"result": {"files": [
            {"file_id": "result-001", "filename": "../../a b\"\r\n.gz", "size_bytes": 3, "format": "xml"},
            {"file_id": "result-002", "filename": "..."},
            {"file_id": "x/y", "filename": "z"},
        ]}});
        let read = files(body.to_string().as_bytes()).unwrap();
        let names: Vec<&str> = read.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a_b___.gz", "results"]);
    }

    #[test]
    fn a_refusal_is_told_in_its_own_words() {
        let told = |body: &str| refusal(body.as_bytes());
        assert_eq!(told(r#"{"detail": "Not here"}"#), "Not here");
        assert_eq!(
            told(r#"{"detail": {"code": "x", "message": "No nodes"}}"#),
            "No nodes"
        );
        assert_eq!(told("gateway"), "gateway");
        assert_eq!(told(""), "it says nothing more");
    }
}
