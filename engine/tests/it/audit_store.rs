//! The store of the audit log: ranges of keys, read page by page and never changed.

use elb_core::{
    audit_log::{AuditAction, AuditFilter, AuditKey, AuditOutcome, AuditRecord},
    time::Timestamp,
};
use elb_engine::{
    audit_log::{AuditLog, MAX_LOOKED_AT},
    repository::SqliteRepository,
};
use rusqlite::Connection;

fn record(ms: i64, actor: &str, action: AuditAction, job: &str) -> AuditRecord {
    let at = Timestamp(ms);
    AuditRecord {
        id: AuditKey::new(at, 0, ms.unsigned_abs()),
        at,
        actor: actor.to_owned(),
        action,
        job_id: Some(job.to_owned()),
        detail: format!("record {ms}"),
        outcome: AuditOutcome::Done,
        request_id: None,
    }
}

/// Every record that fits, page by page, and how many pages that took.
pub async fn walk(store: &dyn AuditLog, filter: &AuditFilter, limit: usize) -> (Vec<i64>, usize) {
    let mut before = None;
    let (mut times, mut pages) = (Vec::new(), 0);
    loop {
        let page = store.page(before.as_ref(), filter, limit).await.unwrap();
        assert!(page.records.len() <= limit);
        times.extend(page.records.iter().map(|record| record.at.0));
        pages += 1;
        before = page.next;
        if before.is_none() {
            return (times, pages);
        }
    }
}

#[tokio::test]
async fn pages_are_newest_first_without_gap_or_repeat_under_any_filter() {
    pages(&SqliteRepository::in_memory().unwrap()).await;
}

#[cfg(feature = "azure")]
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_table_are_so_too() {
    pages(&crate::azurite::open(&crate::azurite::fresh_table()).await).await;
}

async fn pages(store: &dyn AuditLog) {
    let records: Vec<_> = (1..=250)
        .map(|ms| {
            let actor = if ms % 2 == 0 { "ann" } else { "bob" };
            let action = AuditAction::ALL[usize::try_from(ms).unwrap() % 6];
            record(ms, actor, action, &format!("job-{}", ms % 10))
        })
        .collect();
    // In any order, and some of them twice: the key decides.
    let (early, late) = records.split_at(100);
    store.append(late).await.unwrap();
    store.append(early).await.unwrap();
    store.append(&records[90..110]).await.unwrap();
    let fitting = |filter: &AuditFilter| -> Vec<i64> {
        let fits = records.iter().rev().filter(|record| filter.admits(record));
        fits.map(|record| record.at.0).collect()
    };
    for (actor, action, job) in [
        (None, None, None),
        (Some("ann"), None, None),
        (None, Some(AuditAction::Retry), None),
        (None, None, Some("job-3")),
        (Some("bob"), Some(AuditAction::Delete), Some("job-1")),
        (Some("nobody"), None, None),
    ] {
        let filter = AuditFilter {
            actor: actor.map(str::to_owned),
            action,
            job_id: job.map(str::to_owned),
        };
        let expected = fitting(&filter);
        for limit in [1, 7, 125, 250, 500] {
            let (times, pages) = walk(store, &filter, limit).await;
            assert_eq!(times, expected, "{filter:?} by {limit}");
            assert_eq!(
                pages,
                expected.len().div_ceil(limit).max(1),
                "{filter:?} by {limit}"
            );
        }
    }
    let page = store.page(None, &AuditFilter::default(), 1).await.unwrap();
    assert_eq!(page.records[0], records[249], "it comes back as it was");
}

#[tokio::test]
async fn a_page_looks_at_a_bounded_number_of_records_and_says_where_to_go_on() {
    let store = SqliteRepository::in_memory().unwrap();
    let many = i64::try_from(MAX_LOOKED_AT).unwrap() + 10;
    let mut records = vec![record(1, "ann", AuditAction::Delete, "wanted")];
    records.extend((2..=many).map(|ms| record(ms, "bob", AuditAction::Submit, "another")));
    store.append(&records).await.unwrap();
    let of_ann = AuditFilter {
        actor: Some("ann".to_owned()),
        ..AuditFilter::default()
    };
    let first = store.page(None, &of_ann, 100).await.unwrap();
    assert!(first.records.is_empty() && first.next.is_some());
    let second = store.page(first.next.as_ref(), &of_ann, 100).await.unwrap();
    assert_eq!((second.records.len(), second.next), (1, None));
    // The records of one search have a range of their own.
    let of_job = AuditFilter {
        job_id: Some("wanted".to_owned()),
        ..AuditFilter::default()
    };
    let page = store.page(None, &of_job, 100).await.unwrap();
    assert_eq!((page.records.len(), page.next), (1, None));
}

#[tokio::test]
async fn records_are_trimmed_by_age_a_piece_at_a_time_and_never_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.sqlite");
    let store = SqliteRepository::open(&path).unwrap();
    let records: Vec<_> = (1..=10)
        .map(|ms| record(ms, "ann", AuditAction::Submit, "a"))
        .collect();
    store.append(&records).await.unwrap();
    assert_eq!(store.trim(Timestamp(8), 5).await.unwrap(), 5);
    assert_eq!(store.trim(Timestamp(8), 5).await.unwrap(), 2);
    assert_eq!(store.trim(Timestamp(8), 5).await.unwrap(), 0);
    let (times, _) = walk(&store, &AuditFilter::default(), 100).await;
    assert_eq!(times, [10, 9, 8]);
    // The same key with another content changes nothing.
    let forged = AuditRecord {
        actor: "eve".to_owned(),
        ..records[9].clone()
    };
    store.append(&[forged]).await.unwrap();
    let page = store.page(None, &AuditFilter::default(), 1).await.unwrap();
    assert_eq!(page.records[0], records[9]);
    let file = Connection::open(&path).unwrap();
    let refused = file.execute("UPDATE audit_log SET actor = 'eve'", []);
    assert!(refused.unwrap_err().to_string().contains("append-only"));
    // What a newer program wrote is told, and hides nothing.
    file.execute(
        "INSERT INTO audit_log (id, actor, action, detail, outcome) \
         VALUES ('000000000009ffffffffffffffffffff', 'ann', 'rename', '', 'done')",
        [],
    )
    .unwrap();
    let page = store.page(None, &AuditFilter::default(), 10).await.unwrap();
    assert_eq!((page.records.len(), page.unreadable), (3, 1));
}

#[cfg(feature = "azure")]
#[tokio::test(flavor = "multi_thread")]
async fn a_table_keeps_years_apart_and_trims_the_oldest_first() {
    const DAY: i64 = 86_400_000;
    let store = crate::azurite::open(&crate::azurite::fresh_table()).await;
    // A record every ten days of two years: some fifteen partitions.
    let records: Vec<_> = (0..73)
        .map(|number| record(1 + number * 10 * DAY, "ann", AuditAction::Submit, "a"))
        .collect();
    store.append(&records).await.unwrap();
    let all: Vec<i64> = records.iter().rev().map(|record| record.at.0).collect();
    assert_eq!(walk(&store, &AuditFilter::default(), 10).await.0, all);
    let then = Timestamp(1 + 365 * DAY);
    let mut trimmed = 0;
    loop {
        match store.trim(then, 20).await.unwrap() {
            0 => break,
            some => trimmed += some,
        }
    }
    assert_eq!(trimmed, 37);
    let left = walk(&store, &AuditFilter::default(), 100).await.0;
    assert_eq!(left, all[..73 - 37]);
    // The same key with another content changes nothing.
    let forged = AuditRecord {
        actor: "eve".to_owned(),
        ..records[72].clone()
    };
    store.append(&[forged, records[0].clone()]).await.unwrap();
    let page = store.page(None, &AuditFilter::default(), 1).await.unwrap();
    assert_eq!(page.records[0], records[72]);
}
