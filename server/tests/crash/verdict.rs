//! The end of the run: everything settled, then judged from outside and from the store.

use std::{fmt::Write, net::SocketAddr, sync::Arc};

use elb_core::{
    invariants::{self, Acknowledged, Circumstances, Evidence, Execution, JobEvidence, StreamSeen},
    phase::Phase,
    time::Timestamp,
};
use elb_engine::{
    audit::{self, Row},
    clock::SystemClock,
    objects::Objects,
};
use elb_server::{
    settings::{AzureSettings, StoreAddress},
    wiring::store,
};
use serde_json::Value;

use super::{
    PATIENCE, client,
    follower::Follower,
    kinds,
    life::{Running, Setting},
    now_ms, processes,
    workload::{CANCELLED, COMPLETED, Counts, DELETED, Ends, World},
};

/// What was there when all work had come to its end.
pub struct Settled {
    jobs: Vec<JobEvidence>,
    listed: Vec<String>,
    tables: Vec<(String, Vec<u8>)>,
    last_reader: Follower,
    counts: Counts,
    /// From the start of a process to its last takeover, in milliseconds, for each that took any.
    resumed_ms: Vec<i64>,
    wrong: Vec<String>,
}

impl Settled {
    /// What the table of the report ends with.
    pub fn told(&self) -> String {
        let mut text = String::new();
        let completed = self.tables.len();
        let counts = self.counts;
        writeln!(
            text,
            "{} searches, {completed} with results; acknowledged: {} cancels, {} deletes, {} restores, {} retries",
            self.jobs.len(),
            counts.cancels,
            counts.deletes,
            counts.restores,
            counts.retries
        )
        .unwrap();
        let mut resumed = self.resumed_ms.clone();
        resumed.sort_unstable();
        if let (Some(median), Some(most)) = (resumed.get(resumed.len() / 2), resumed.last()) {
            writeln!(
                text,
                "start of the process to all searches resumed: median {median} ms, at most {most} ms ({} starts)",
                resumed.len()
            )
            .unwrap();
        }
        text
    }
}

/// Lets a server live until everything has ended, looks at it from outside, and ends it.
pub async fn settle(setting: &Setting, world: &World) -> Settled {
    let server = setting.last().await;
    let address = server.address;
    let (old_reader, last_reader) = (world.follower.clone(), Follower::default());
    let (old, last) = (old_reader.clone(), last_reader.clone());
    let reading = tokio::spawn(async move { tokio::join!(old.read(address), last.read(address)) });
    let settling = async {
        world.send_the_rest(address).await;
        loop {
            let active = listed(address, "&status=running").await;
            let queued = listed(address, "&status=queued").await;
            let Some(id) = active.first().or(queued.first()) else {
                break;
            };
            server.follow_to_end(id).await;
        }
    };
    if tokio::time::timeout(PATIENCE, settling).await.is_err() {
        panic!("work does not come to its end:\n{}", setting.log_tail());
    }
    let listed = listed(address, "").await;
    let mut wrong = Vec::new();
    let tables = tables(&server, world).await;
    note_check(setting, &mut wrong, "beside the server").await;
    server.stop().await;
    reading.await.unwrap();
    note_check(setting, &mut wrong, "after the server").await;
    let jobs = jobs(setting).await;
    Settled {
        resumed_ms: resumed(&jobs, &setting.starts()),
        jobs,
        listed,
        tables,
        last_reader,
        counts: world.counts(),
        wrong,
    }
}

async fn note_check(setting: &Setting, wrong: &mut Vec<String>, when: &str) {
    let (code, told) = setting.check().await;
    if code != Some(0) {
        wrong.push(format!(
            "elb-dashboard check {when} ends with {code:?}:\n{told}"
        ));
    }
}

/// Ids of the whole list.
async fn listed(address: SocketAddr, filter: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/blast/jobs?limit=200{filter}{cursor}");
        let page: Value = client::get(address, &path).await.unwrap().json();
        let rows = page["jobs"].as_array().unwrap();
        ids.extend(
            rows.iter()
                .map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

/// The tables of all searches that have results.
async fn tables(server: &Running, world: &World) -> Vec<(String, Vec<u8>)> {
    let mut tables = Vec::new();
    for id in world.wanted().into_iter().filter_map(|wanted| wanted.id) {
        let path = format!("/api/blast/jobs/{id}");
        let answer = client::get(server.address, &path).await.unwrap();
        if answer.status == 200 && answer.json()["status"] == "completed" {
            let table = kinds::table(server, &id).await;
            tables.push((id, table));
        }
    }
    tables
}

async fn jobs(setting: &Setting) -> Vec<JobEvidence> {
    let data = setting.data();
    let address = StoreAddress::parse(setting.store()).unwrap();
    let azure = AzureSettings::identity("auto");
    let clock = Arc::new(SystemClock);
    let store = store::open_to_read(&address, &azure, &data, clock)
        .await
        .unwrap();
    let objects = Objects::in_existing_folder(&data.join("objects")).unwrap();
    let mut jobs = Vec::new();
    let gathering = audit::each_row(store.as_ref(), &objects, |row| match row {
        Row::Job(job) => jobs.push(*job),
        Row::Unreadable(error) => panic!("{error}"),
    });
    gathering.await.unwrap();
    jobs
}

/// How long each start took to take over what the one before had left, as the histories tell.
fn resumed(jobs: &[JobEvidence], starts: &[i64]) -> Vec<i64> {
    let mut last: Vec<Option<i64>> = vec![None; starts.len()];
    let entries = jobs.iter().flat_map(|job| &job.history);
    for entry in entries.filter(|entry| entry.note.starts_with("taken over")) {
        let after = starts.partition_point(|start| *start <= entry.at.0);
        if let Some(index) = after.checked_sub(1) {
            let took = entry.at.0 - starts[index];
            last[index] = last[index].max(Some(took));
        }
    }
    last.into_iter().flatten().collect()
}

/// Fails with everything that is wrong.
pub async fn judge(
    setting: &Setting,
    world: &World,
    expected: &[Vec<u8>],
    settled: Settled,
    executions: Vec<Execution>,
) {
    let wanted = world.wanted();
    let mut wrong = settled.wrong.clone();
    let acknowledged = wanted.iter().map(|one| Acknowledged {
        id: one.id.clone().unwrap(),
        key: Some(one.key.clone()),
    });
    let seen = |follower: &Follower, up_to_date| StreamSeen {
        changes: follower.seen(),
        up_to_date,
    };
    assert!(!executions.is_empty(), "no search was seen at work");
    assert!(world.follower.count() > 0, "no change was seen on a stream");
    let evidence = Evidence {
        acknowledged: acknowledged.collect(),
        executions,
        listed: Some(settled.listed.clone()),
        streams: vec![
            seen(&world.follower, false),
            seen(&settled.last_reader, true),
        ],
        jobs: settled.jobs,
        leftovers: Vec::new(),
        circumstances: Circumstances {
            now: Timestamp(now_ms()),
            settled: true,
            ..Circumstances::default()
        },
    };
    wrong.extend(invariants::check(&evidence).iter().map(ToString::to_string));
    if evidence.jobs.len() != wanted.len() {
        wrong.push(format!(
            "{} submissions made {} searches",
            wanted.len(),
            evidence.jobs.len()
        ));
    }
    for one in &wanted {
        let id = one.id.as_deref().unwrap();
        let Some(found) = evidence.jobs.iter().find(|job| job.job.id == id) else {
            continue;
        };
        if one.ends & end_of(found.job.phase) == 0 {
            wrong.push(format!(
                "job {id} ({}) is {}, it may be {}: {:?}",
                one.key,
                found.job.phase.as_str(),
                names(one.ends),
                found.job.error
            ));
        }
        let table = settled.tables.iter().find(|(table, _)| table == id);
        if table.is_some_and(|(_, table)| *table != expected[one.kind]) {
            wrong.push(format!(
                "job {id} found something else than an undisturbed search"
            ));
        }
        if table.is_none() && found.job.phase == Phase::Completed {
            wrong.push(format!("job {id} has completed and shows no results"));
        }
    }
    wrong.extend(processes::left(&setting.data()));
    for line in &wrong {
        println!("VIOLATION {line}");
    }
    println!("{} violations", wrong.len());
    assert!(wrong.is_empty(), "{} violations, see above", wrong.len());
}

const fn end_of(phase: Phase) -> Ends {
    match phase {
        Phase::Completed => COMPLETED,
        Phase::Cancelled => CANCELLED,
        Phase::Deleted => DELETED,
        _ => 0,
    }
}

fn names(ends: Ends) -> String {
    let all = [
        (COMPLETED, "completed"),
        (CANCELLED, "cancelled"),
        (DELETED, "deleted"),
    ];
    let named = all.into_iter().filter(|(end, _)| ends & end != 0);
    named.map(|(_, name)| name).collect::<Vec<_>>().join(" or ")
}
