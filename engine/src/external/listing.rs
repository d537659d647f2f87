//! One look at the external plane's list: no more pages than it takes to know what has changed.
//!
//! Owns when to stop. Searches that have ended stay as they are, so once everything is known, a look ends
//! at the first page that shows nothing new and behind which nothing is at work. Every so often the whole
//! list is read again, and always if it is not in the order that this depends on.

use std::collections::HashSet;

use elb_core::{external::ExternalJob, time::Timestamp};
use reqwest::Method;

use super::{Listed, PlaneError, client::Client, wire};

/// Rows of a page: the most that the service gives.
const PAGE: usize = 500;
/// The most pages that are read (ours): 5,000 searches, the newest.
const MAX_PAGES: usize = 10;

/// Reads the list; `whole` however much of it is known.
pub(super) async fn look(
    client: &Client,
    known: &Listed,
    whole: bool,
    now: Timestamp,
) -> Result<Listed, PlaneError> {
    let mut at_work: HashSet<&str> = known
        .jobs
        .values()
        .filter(|job| !job.has_ended())
        .map(|job| job.id.as_str())
        .collect();
    let mut listed = Listed {
        as_of: Some(now),
        ..Listed::default()
    };
    let mut cursor: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let path = match &cursor {
            Some(cursor) => format!("/v1/jobs?limit={PAGE}&cursor={}", encoded(cursor)),
            None => format!("/v1/jobs?limit={PAGE}"),
        };
        let page = wire::page(&client.call(Method::GET, &path).await?)?;
        let ordered = is_newest_first(&page.jobs);
        let mut news = false;
        for mut job in page.jobs {
            at_work.remove(job.id.as_str());
            match known.jobs.get(&job.id) {
                // Once told, its id on the cluster stays: an old list has it not yet.
                Some(before) if before.run.is_some() => job.run.clone_from(&before.run),
                Some(_) => {}
                None => news = true,
            }
            put(&mut listed, job);
        }
        listed.unreadable += page.unreadable;
        let Some(next) = page.next else {
            return Ok(listed);
        };
        if cursor.as_ref() == Some(&next) {
            let why = "its list goes round in circles".to_owned();
            return Err(PlaneError::Garbled(why));
        }
        cursor = Some(next);
        if !whole && ordered && !news && at_work.is_empty() {
            listed.more = known.more;
            listed.unreadable = known.unreadable.max(listed.unreadable);
            for job in known.jobs.values() {
                if !listed.jobs.contains_key(&job.id) {
                    put(&mut listed, job.clone());
                }
            }
            return Ok(listed);
        }
    }
    listed.more = true;
    Ok(listed)
}

/// Takes a row in. An id on a cluster is only ever one search's.
fn put(listed: &mut Listed, job: ExternalJob) {
    if let Some(run) = &job.run {
        listed.runs.insert(run.clone(), job.id.clone());
    }
    listed.jobs.insert(job.id.clone(), job);
}

fn is_newest_first(jobs: &[ExternalJob]) -> bool {
    let times: Option<Vec<Timestamp>> = jobs.iter().map(|job| job.created_at).collect();
    times.is_some_and(|times| times.windows(2).all(|pair| pair.first() >= pair.last()))
}

/// A value for an address.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    elb_core::list::percent_encode(text, &mut out);
    out
}
