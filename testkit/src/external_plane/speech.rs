//! One connection: requests and their answers, as elb-openapi gives them.

use std::{io, sync::Arc};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{Asked, Fault, Job, Shared, State};
use crate::{
    form::fields,
    proxy::frame::{Head, Requests},
};

/// Between the parts of a cursor.
const UNIT: char = '\u{1f}';

/// An answer, before it is sent.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            head: "content-type: application/json\r\n".to_owned(),
            body: body.to_string().into_bytes(),
        }
    }

    fn refusal(status: u16, detail: &str) -> Self {
        Self::json(status, &json!({ "detail": detail }))
    }
}

pub(super) async fn serve(client: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (reader, mut writer) = client.into_split();
    let mut requests = Requests::new(reader);
    while let Some(head) = requests.head().await? {
        while requests.piece().await?.is_some() {}
        let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
        let asked = Asked {
            method: head.method.clone(),
            path: path.to_owned(),
            query: fields(query).collect(),
            token: header(&head, "x-elb-api-token"),
        };
        let mut changed = shared.changed.subscribe();
        shared.state().asked.push(asked.clone());
        shared.tick();
        while shared.fault(path) == Some(Fault::Silence) {
            tokio::select! {
                _ = changed.changed() => {}
                // The client has had enough of waiting.
                _ = requests.head() => return Ok(()),
            }
        }
        let (mut answer, mut cut) = (answer(&mut shared.state(), &asked), false);
        match shared.fault(path) {
            Some(Fault::Status(status, rest)) => {
                answer = Answer::json(
                    status,
                    &json!({"detail": {"code": "rate_limited", "message": "as the test says"}}),
                );
                if let Some(seconds) = rest {
                    answer.head.push_str(&format!("retry-after: {seconds}\r\n"));
                }
            }
            Some(Fault::Garbage) => answer.body = b"<html>no JSON".to_vec(),
            Some(Fault::Redirect(to)) => {
                answer = Answer::json(307, &json!({}));
                answer.head.push_str(&format!("location: {to}\r\n"));
            }
            Some(Fault::Cut) => cut = true,
            Some(Fault::Silence) | None => {}
        }
        shared.tick();
        let head = format!(
            "HTTP/1.1 {} Status\r\n{}content-length: {}\r\n\r\n",
            answer.status,
            answer.head,
            answer.body.len()
        );
        writer.write_all(head.as_bytes()).await?;
        if cut {
            let (half, _) = answer.body.split_at(answer.body.len() / 2);
            writer.write_all(half).await?;
            return writer.shutdown().await;
        }
        writer.write_all(&answer.body).await?;
    }
    Ok(())
}

fn header(head: &Head, name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(&head.bytes);
    let mut fields = text.split("\r\n").filter_map(|line| line.split_once(':'));
    let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().to_owned())
}

fn answer(state: &mut State, asked: &Asked) -> Answer {
    if asked.token.as_ref() != Some(&state.token) {
        return Answer::refusal(401, "Invalid or missing API token");
    }
    let parts: Vec<&str> = asked.path.split('/').skip(1).collect();
    match (asked.method.as_str(), parts.as_slice()) {
        ("GET", ["v1", "jobs"]) => list(state, asked),
        ("GET", ["v1", "jobs", id, "status"]) => of_job(state, id, |_, job| {
            let mut body = job.row.clone();
            body["kubernetes"] =
                json!({"summary": {"total": 0, "succeeded": 0, "failed": 0, "active": 0}});
            for (name, value) in job.detail.as_object().into_iter().flatten() {
                body[name] = value.clone();
            }
            Answer::json(200, &body)
        }),
        ("DELETE", ["v1", "jobs", id]) => of_job(state, id, |id, job| {
            if !job.stubborn {
                job.row["status"] = json!("cancelled");
            }
            Answer::json(200, &json!({"job_id": id, "status": "deleted"}))
        }),
        ("GET", ["api", "v1", "elastic-blast", "jobs", id]) => of_job(state, id, |id, job| {
            let files = job.files.iter().map(|(file, name, content)| {
                json!({"file_id": file, "filename": name, "blob_path": name, "format": "xml",
                    "size_bytes": content.len()})
            });
            let files: Vec<Value> = files.collect();
            Answer::json(
                200,
                &json!({"job_id": id, "status": "success", "result": {"files": files}}),
            )
        }),
        ("GET", ["api", "v1", "elastic-blast", "jobs", id, "files", file]) => {
            of_job(state, id, |_, job| {
                let found = job.files.iter().find(|(known, _, _)| known == file);
                found.map_or_else(
                    || Answer::refusal(404, "File not found"),
                    |(_, _, content)| Answer {
                        status: 200,
                        head: "content-type: text/html\r\n".to_owned(),
                        body: content.clone().into_bytes(),
                    },
                )
            })
        }
        _ => Answer::refusal(404, "Not Found"),
    }
}

fn of_job(state: &mut State, id: &str, tell: impl FnOnce(&str, &mut Job) -> Answer) -> Answer {
    match state.jobs.get_mut(id) {
        Some(job) => tell(id, job),
        None => Answer::refusal(404, "Job not found"),
    }
}

/// A page of the list, newest first. Cursors are in hexadecimal here: clients do not look into them.
fn list(state: &State, asked: &Asked) -> Answer {
    let field = |name: &str| {
        let mut query = asked.query.iter();
        query
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    let limit = field("limit").map_or(Some(100), |limit| limit.parse::<usize>().ok());
    let Some(limit) = limit.filter(|limit| (1..=500).contains(limit)) else {
        return Answer::refusal(422, "limit must be between 1 and 500");
    };
    let key = |job: &Job| {
        let text = |name: &str| job.row[name].as_str().unwrap_or_default().to_owned();
        format!("{}{UNIT}{}", text("created_at"), text("job_id"))
    };
    let mut keys: Vec<(String, &Job)> = state.jobs.values().map(|job| (key(job), job)).collect();
    keys.sort_by(|(one, _), (other, _)| other.cmp(one));
    let after = field("cursor").map(unhex);
    let mut rest = keys
        .iter()
        .filter(|(key, _)| after.as_ref().is_none_or(|after| key < after));
    let page: Vec<&(String, &Job)> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let rows: Vec<&Value> = page.iter().map(|(_, job)| &job.row).collect();
    let next = page.last().filter(|_| more).map(|(key, _)| hex(key));
    Answer::json(
        200,
        &json!({"jobs": rows, "count": rows.len(), "next_cursor": next, "has_more": more}),
    )
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> String {
    let digits: Vec<u32> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .collect();
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).unwrap(),
        _ => b'?',
    });
    String::from_utf8(bytes.collect()).unwrap()
}
