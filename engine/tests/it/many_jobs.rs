//! A table with more jobs than the emulator can hold: their rows are made when they are asked for.
//!
//! Owns how a page of rows looks (`docs/AZURE.md` has the layout). Everything else is the emulator's. Also
//! used by the benchmark of tables.

use std::fmt::Write;

use elb_core::{
    job::Job,
    phase::Phase,
    search::{Program, SearchOptions, SearchSpec},
    time::Timestamp,
};
use elb_testkit::{FaultProxy, Seen};

/// Partitions of rows.
pub const PARTITIONS: u64 = 8;
/// Rows of a page, as many as the service gives at most.
pub const PAGE: u64 = 1_000;

/// When the first of them was created, in milliseconds.
const BEGIN: i64 = 1_700_000_000_000;

/// A search of this id and phase; what has ended did so at once.
pub fn job(id: String, number: u64, phase: Phase) -> Job {
    let at = Timestamp(BEGIN + i64::try_from(number).unwrap() * 1_000);
    let ended = (!phase.is_active()).then_some(at);
    Job {
        phase,
        started_at: ended,
        completed_at: ended,
        ..Job::new(
            id,
            "local".to_owned(),
            format!("Search number {number}"),
            SearchSpec {
                program: Program::Blastn,
                task: None,
                database: "16S".to_owned(),
                options: SearchOptions::default(),
            },
            at,
        )
    }
}

/// The rows `from..to` of a partition, the newest first, as the service writes them.
fn rows(partition: u64, from: u64, to: u64) -> String {
    let mut text = String::from("{\"odata.metadata\":\"\",\"value\":[");
    for number in (from..to).rev() {
        let id = format!("many-{partition}-{number}");
        let job = job(id, number, Phase::Completed);
        let created = job.created_at.0;
        let row = i128::from(i64::MAX) - i128::from(created);
        let document = serde_json::to_string(&job).unwrap();
        let document = serde_json::to_string(&document).unwrap();
        write!(
            text,
            "{}{{\"odata.etag\":\"W/\\\"1\\\"\",\"PartitionKey\":\"jobs-{partition}\",\"RowKey\":\"job~{row:020}~{id}\",\"Id\":\"{id}\",\"Version\":\"1\",\"Created\":\"{created}\",\"Active\":\"0\",\"Phase\":\"completed\",\"Holder\":\"\",\"Epoch\":\"1\",\"Doc00\":{document}}}",
            if number + 1 == to { "" } else { "," },
            id = job.id,
        )
        .unwrap();
    }
    text.push_str("]}");
    text
}

/// The answer to a question for rows; `None` if it is none.
fn answer(seen: &Seen, in_each: u64) -> Option<String> {
    let target = seen.target.replace("%20", " ").replace('+', " ");
    let target = target.replace("%27", "'").replace("%7E", "~");
    if seen.method != "GET" || !target.contains("'job~") {
        return None;
    }
    let (_, rest) = target.split_once("PartitionKey eq 'jobs-")?;
    let partition: u64 = rest.split_once('\'')?.0.parse().ok()?;
    // How many are left: what a page before has said, or what comes after the last row that was seen.
    let left = match target.split_once("RowKey gt 'job~") {
        Some((_, rest)) => {
            let row: i128 = rest.split_once('~')?.0.parse().ok()?;
            let created = i128::from(i64::MAX) - row;
            u64::try_from((created - i128::from(BEGIN)) / 1_000).ok()?
        }
        None => in_each,
    };
    let from = left.saturating_sub(PAGE);
    let body = rows(partition, from, left);
    let more = if from == 0 {
        String::new()
    } else {
        format!(
            "x-ms-continuation-NextPartitionKey: jobs-{partition}\r\nx-ms-continuation-NextRowKey: {from}\r\n"
        )
    };
    Some(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nserver: test\r\nx-ms-request-id: 00000000-0000-0000-0000-000000000000\r\nx-ms-version: 2019-02-02\r\ndate: Thu, 26 Nov 2026 00:00:00 GMT\r\n{more}content-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// Lets a proxy answer as if there were so many jobs in each partition.
pub fn hold(proxy: &FaultProxy, in_each: u64) {
    proxy.answer_with(move |seen| answer(seen, in_each).map(Into::into));
}
