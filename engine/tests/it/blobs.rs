//! Objects in Azure Blob Storage: against the emulator, through a line that fails on demand.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use elb_engine::{
    breaker::BreakerState,
    clock::SystemClock,
    objects::{
        Kind, ObjectError, Objects,
        blobs::{BlobAccess, BlobClient, BlobsConfig},
    },
};
use elb_testkit::{
    Azurite, Behaviour, FaultProxy,
    azurite::{ACCOUNT, KEY},
};
use futures::StreamExt;
use tempfile::TempDir;

/// More than a request may take with all its repetitions.
const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    proxy: FaultProxy,
    objects: Objects,
    folder: TempDir,
}

fn config(endpoint: String, container: &str, copies: PathBuf) -> BlobsConfig {
    BlobsConfig {
        account: ACCOUNT.to_owned(),
        container: container.to_owned(),
        endpoint,
        access: BlobAccess::Key(KEY.to_owned()),
        client: BlobClient::new("objects", Arc::new(SystemClock)),
        create: true,
        copies,
        copies_bytes: 1_000_000_000,
    }
}

fn new_name() -> String {
    format!("c{}", uuid::Uuid::new_v4().simple())
}

/// Waits until the store is asked again, which it is not for a moment after it was away.
async fn answers_again(objects: &Objects) {
    let answered = async {
        while objects.of_job("a-job").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.unwrap();
}

async fn world() -> World {
    let azurite = Azurite::shared();
    let proxy = FaultProxy::before(azurite.blob_url()).await;
    let folder = tempfile::tempdir().unwrap();
    let endpoint = proxy.instead_of(azurite.blob_url());
    let config = config(endpoint, &new_name(), folder.path().join("copies"));
    let objects = Objects::in_blobs(config).await.unwrap();
    proxy.take_requests();
    World {
        proxy,
        objects,
        folder,
    }
}

/// Bytes that are different everywhere, so that no part can be taken for another.
fn bytes(count: usize) -> Vec<u8> {
    let numbers = (0_u64..).flat_map(|number| (number ^ 0x5bd1_e995).to_le_bytes());
    numbers.take(count).collect()
}

async fn read(objects: &Objects, kind: Kind) -> Result<Vec<u8>, String> {
    let found = objects.get("a-job", kind, 1).await;
    let (size, mut pieces) = found.map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    while let Some(piece) = pieces.next().await {
        all.extend_from_slice(&piece.map_err(|error| error.to_string())?);
    }
    assert_eq!(all.len() as u64, size, "a short stream ended well");
    Ok(all)
}

async fn put(
    objects: &Objects,
    kind: Kind,
    attempt: u32,
    bytes: &[u8],
) -> Result<u64, ObjectError> {
    objects.put("a-job", kind, attempt, bytes).await
}

#[tokio::test]
async fn a_large_object_goes_up_and_down_in_bounded_parts() {
    let World {
        proxy,
        objects,
        folder: _folder,
    } = world().await;
    let sent = bytes(40_000_003);
    let stored = put(&objects, Kind::Archive, 1, &sent).await.unwrap();
    assert_eq!(stored, sent.len() as u64);
    // Ten parts of 4 MiB, a look whether it is there, and the list of parts.
    assert_eq!(proxy.count("PUT", "archive.asn"), 11);
    assert_eq!(proxy.take_requests().len(), 12);
    assert!(read(&objects, Kind::Archive).await.unwrap() == sent);
    assert_eq!(proxy.count("GET", "archive.asn"), 10);
    assert_eq!(proxy.count("HEAD", "archive.asn"), 1);
    let head = objects
        .head("a-job", Kind::Archive, 1, 1_000)
        .await
        .unwrap();
    assert_eq!(head, sent[..1_000]);
}

#[tokio::test]
async fn a_small_object_costs_one_request_and_an_empty_one_is_an_object() {
    let World {
        proxy,
        objects,
        folder: _folder,
    } = world().await;
    put(&objects, Kind::Query, 1, b">a\nACGT\n").await.unwrap();
    assert_eq!(proxy.take_requests().len(), 1);
    assert_eq!(read(&objects, Kind::Query).await.unwrap(), b">a\nACGT\n");
    put(&objects, Kind::Hits, 1, b"").await.unwrap();
    assert_eq!(read(&objects, Kind::Hits).await.unwrap(), b"");
    let head = objects.head("a-job", Kind::Hits, 1, 10).await.unwrap();
    assert_eq!(head, Bytes::new());
}

#[tokio::test]
async fn what_is_there_is_never_replaced_and_each_attempt_has_its_own() {
    let World {
        proxy: _proxy,
        objects,
        folder: _folder,
    } = world().await;
    let (large, larger) = (vec![1; 5 << 20], vec![2; 6 << 20]);
    for (first, late) in [(&b"first"[..], &b"late"[..]), (&large[..], &larger[..])] {
        objects.remove_all("a-job").await.unwrap();
        put(&objects, Kind::Archive, 1, first).await.unwrap();
        put(&objects, Kind::Archive, 1, late).await.unwrap();
        assert!(read(&objects, Kind::Archive).await.unwrap() == first);
        put(&objects, Kind::Archive, 2, late).await.unwrap();
        assert!(read(&objects, Kind::Archive).await.unwrap() == first);
        let second = objects.file("a-job", Kind::Archive, 2).await.unwrap();
        assert!(std::fs::read(second.path()).unwrap() == late);
    }
    put(&objects, Kind::Query, 1, b"query").await.unwrap();
    objects.remove_before("a-job", 2).await.unwrap();
    let mut left: Vec<(Kind, u32)> = objects
        .of_job("a-job")
        .await
        .unwrap()
        .iter()
        .map(|present| (present.kind, present.attempt))
        .collect();
    left.sort_by_key(|(_, attempt)| *attempt);
    assert_eq!(left, [(Kind::Query, 1), (Kind::Archive, 2)]);
}

#[tokio::test]
async fn what_is_not_there_is_missing() {
    let World {
        proxy: _proxy,
        objects,
        folder: _folder,
    } = world().await;
    let missing =
        |error: ObjectError| assert!(matches!(error, ObjectError::Missing { .. }), "{error}");
    missing(
        objects
            .get("a-job", Kind::Hits, 1)
            .await
            .map(|_| ())
            .unwrap_err(),
    );
    missing(objects.head("a-job", Kind::Hits, 1, 5).await.unwrap_err());
    missing(
        objects
            .file("a-job", Kind::Hits, 1)
            .await
            .map(|_| ())
            .unwrap_err(),
    );
    assert!(objects.of_job("a-job").await.unwrap().is_empty());
    objects.remove_all("a-job").await.unwrap();
    let error = objects.remove_all("../a").await.unwrap_err();
    assert!(matches!(error, ObjectError::BadId(_)));
}

#[tokio::test]
async fn jobs_are_listed_by_prefix_and_removed_whole() {
    let World {
        proxy: _proxy,
        objects,
        folder: _folder,
    } = world().await;
    let mut expected = Vec::new();
    for number in 0..60 {
        let id = format!("job-{number:03}");
        for kind in Kind::ALL {
            objects.put(&id, kind, 1, &b"x"[..]).await.unwrap();
        }
        expected.push(id);
    }
    let mut jobs = objects.jobs().await.unwrap();
    jobs.sort();
    assert_eq!(jobs, expected);
    objects.remove_all("job-007").await.unwrap();
    assert!(objects.of_job("job-007").await.unwrap().is_empty());
    assert_eq!(
        objects.of_job("job-008").await.unwrap().len(),
        Kind::ALL.len()
    );
    assert_eq!(objects.jobs().await.unwrap().len(), 59);
}

#[tokio::test]
async fn a_local_copy_is_fetched_once_and_goes_with_its_object() {
    let World {
        proxy,
        objects,
        folder,
    } = world().await;
    put(&objects, Kind::Hits, 1, b"hits").await.unwrap();
    proxy.take_requests();
    let asking = (0..10).map(|_| objects.file("a-job", Kind::Hits, 1));
    let files = futures::future::join_all(asking).await;
    for file in &files {
        let path = file.as_ref().unwrap().path();
        assert_eq!(std::fs::read(path).unwrap(), b"hits");
    }
    assert_eq!(proxy.take_requests().len(), 2);
    objects.remove_all("a-job").await.unwrap();
    let left = std::fs::read_dir(folder.path().join("copies")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn a_busy_service_is_asked_again_and_not_before_it_said() {
    let World {
        proxy,
        objects,
        folder: _folder,
    } = world().await;
    put(&objects, Kind::Query, 1, b"query").await.unwrap();
    proxy.set_next(
        2,
        Behaviour::Answer {
            status: 503,
            retry_after: Some(1),
        },
    );
    let began = Instant::now();
    assert_eq!(read(&objects, Kind::Query).await.unwrap(), b"query");
    assert!(began.elapsed() >= Duration::from_secs(2));
    // Nobody waits for a minute: it is told.
    proxy.set(Behaviour::Answer {
        status: 429,
        retry_after: Some(60),
    });
    let began = Instant::now();
    let error = objects.of_job("a-job").await.unwrap_err();
    assert!(matches!(error, ObjectError::Away(_)), "{error}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_line_that_is_cut_in_the_middle_of_a_download_is_an_error_and_never_an_end() {
    let World {
        proxy,
        objects,
        folder: _folder,
    } = world().await;
    put(&objects, Kind::Archive, 1, &bytes(30_000_000))
        .await
        .unwrap();
    let (size, mut pieces) = objects.get("a-job", Kind::Archive, 1).await.unwrap();
    let mut got = pieces.next().await.unwrap().unwrap().len() as u64;
    proxy.set(Behaviour::Cut);
    let error = loop {
        let next = tokio::time::timeout(PATIENCE, pieces.next()).await.unwrap();
        match next.expect("it ended as if that were all") {
            Ok(piece) => got += piece.len() as u64,
            Err(error) => break error,
        }
    };
    assert!(got < size);
    assert!(error.to_string().contains("away"), "{error}");
    assert!(pieces.next().await.is_none());
    // Mended, and reset once more: that part is asked for again.
    proxy.set(Behaviour::Pass);
    answers_again(&objects).await;
    proxy.set_next_where(
        1,
        |seen| seen.method == "GET",
        Behaviour::Reset { after: 1_000_000 },
    );
    assert_eq!(
        read(&objects, Kind::Archive).await.unwrap().len(),
        30_000_000
    );
}

#[tokio::test]
async fn a_line_that_swallows_everything_is_given_up_in_time() {
    let World {
        proxy,
        objects,
        folder: _folder,
    } = world().await;
    proxy.set(Behaviour::HalfOpen);
    let looking = tokio::time::timeout(PATIENCE, objects.of_job("a-job"));
    let error = looking.await.unwrap().unwrap_err();
    assert!(matches!(error, ObjectError::Away(_)), "{error}");
}

#[tokio::test]
async fn an_upload_whose_answer_is_lost_is_stored_once() {
    let World {
        proxy,
        objects,
        folder: _folder,
    } = world().await;
    proxy.set_next(1, Behaviour::LoseAnswer);
    put(&objects, Kind::Query, 1, b"query").await.unwrap();
    assert_eq!(read(&objects, Kind::Query).await.unwrap(), b"query");
    // One part among many, and the list of parts.
    proxy.set_next_where(
        1,
        |seen| seen.target.contains("comp=block&"),
        Behaviour::LoseAnswer,
    );
    proxy.set_next_where(
        1,
        |seen| seen.target.contains("comp=blocklist"),
        Behaviour::LoseAnswer,
    );
    let sent = bytes(9_000_000);
    put(&objects, Kind::Archive, 1, &sent).await.unwrap();
    assert!(read(&objects, Kind::Archive).await.unwrap() == sent);
}

#[tokio::test]
async fn who_lacks_the_role_is_told_its_name() {
    let World {
        proxy,
        objects,
        folder: _folder,
    } = world().await;
    proxy.set(Behaviour::Answer {
        status: 403,
        retry_after: None,
    });
    let error = objects
        .get("a-job", Kind::Query, 1)
        .await
        .map(|_| ())
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("\"Storage Blob Data Contributor\""),
        "{error}"
    );
    let error = put(&objects, Kind::Query, 1, b"x").await.unwrap_err();
    assert!(matches!(error, ObjectError::Denied(_)), "{error}");
}

async fn opened(endpoint: &str, container: &str, folder: &Path) -> Result<Objects, ObjectError> {
    Objects::in_blobs(config(endpoint.to_owned(), container, folder.to_owned())).await
}

#[tokio::test]
async fn the_container_is_created_if_that_is_allowed_and_else_it_is_said_what_is_missing() {
    let azurite = Azurite::shared();
    let proxy = FaultProxy::before(azurite.blob_url()).await;
    let endpoint = proxy.instead_of(azurite.blob_url());
    let folder = tempfile::tempdir().unwrap();
    let name = new_name();
    let methods = || -> Vec<String> {
        let seen = proxy.take_requests();
        seen.into_iter().map(|seen| seen.method).collect()
    };
    opened(&endpoint, &name, folder.path()).await.unwrap();
    assert_eq!(methods(), ["GET", "PUT"]);
    opened(&endpoint, &name, folder.path()).await.unwrap();
    assert_eq!(methods(), ["GET"]);
    let refusal = |status| Behaviour::Answer {
        status,
        retry_after: None,
    };
    proxy.set_next_where(1, |seen| seen.method == "PUT", refusal(403));
    let error = opened(&endpoint, &new_name(), folder.path())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("does not exist and cannot be created")
            && text.contains("\"Storage Blob Data Contributor\""),
        "{text}"
    );
    proxy.set(refusal(403));
    let error = opened(&endpoint, &name, folder.path()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("\"Storage Blob Data Contributor\""),
        "{error}"
    );
    proxy.set(Behaviour::Cut);
    let error = opened(&endpoint, &name, folder.path()).await.unwrap_err();
    assert!(matches!(error, ObjectError::Away(_)), "{error}");
}

#[tokio::test]
async fn tokens_are_never_sent_over_plain_http() {
    use elb_engine::azure::{AzureCredential, Identity};
    let folder = tempfile::tempdir().unwrap();
    let nothing = |_: &str| None;
    let clock = Arc::new(SystemClock);
    let credential = AzureCredential::new(Identity::Cli, &nothing, clock).unwrap();
    let config = BlobsConfig {
        access: BlobAccess::Identity(credential),
        ..config(
            "http://127.0.0.1:1/x".to_owned(),
            "c",
            folder.path().to_owned(),
        )
    };
    let error = Objects::in_blobs(config).await.unwrap_err();
    assert!(error.to_string().contains("no https address"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_overloaded_is_left_alone_for_a_moment() {
    let world = world().await;
    let breaker = world.objects.breaker().unwrap();
    world.proxy.set(Behaviour::Answer {
        status: 503,
        retry_after: None,
    });
    let asking = || world.objects.of_job("job");
    asking().await.unwrap_err();
    assert_eq!(breaker.report().state, BreakerState::Open);
    world.proxy.take_requests();
    let begin = Instant::now();
    let error = asking().await.unwrap_err().to_string();
    assert!(error.contains("it answers 503"), "{error}");
    // Whoever asks now waits for nothing: no request goes out.
    assert!(world.proxy.take_requests().is_empty());
    assert!(begin.elapsed() < Duration::from_secs(2));
    world.proxy.set(Behaviour::Pass);
    answers_again(&world.objects).await;
    assert_eq!(breaker.report().state, BreakerState::Closed);
}
