//! Results of a search that others ran on a cluster: on its page and in the API. Cluster and store are the test's
//! own, the table is BLAST+'s.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::http::StatusCode;
use elb_core::{
    cluster::{Batches, Health, Moments, PlaceView, ResultsSeen, RunView, Verdict},
    job::Found,
    phase::Phase,
    time::Timestamp,
};
use elb_engine::{
    clusters::{Clusters, ResultsPlaces, Sight},
    service::FoundNow,
};
use elb_server::api::jobs::found::FoundBody;
use flate2::{Compression, write::GzEncoder};
use object_store::{ObjectStoreExt, memory::InMemory, path::Path as Key};
use tokio::sync::watch;

use super::{clusters::server_seeing, support::Server};

const RUN: &str = "job-0123456789abcdef0123456789abcdef";
const NAME: &str = "batch_000-blastn-nt.out.gz";
const SEEN: Timestamp = Timestamp(1_764_000_000_000);
const FIELDS: &str = "query acc.ver, subject acc.ver, % identity, alignment length, mismatches, gap opens, q. start, q. end, s. start, s. end, evalue, bit score";

/// A cluster with one search, which has completed.
struct Completed(watch::Sender<u64>);

#[async_trait]
impl Clusters for Completed {
    fn places(&self) -> Vec<PlaceView> {
        let run = RunView {
            id: RUN.to_owned(),
            program: Some("blastn".to_owned()),
            database: Some("nt".to_owned()),
            results: Some("https://there.blob.core.windows.net/results".to_owned()),
            options: Some("-outfmt 7".to_owned()),
            phase: Phase::Completed,
            reason: None,
            batches: Batches::default(),
            created_at: SEEN,
            pods: Vec::new(),
        };
        vec![PlaceView {
            cluster: "aks".to_owned(),
            namespace: "default".to_owned(),
            health: Health::Live,
            reason: None,
            since: SEEN,
            as_of: Some(SEEN),
            version: None,
            requests: 0,
            copies: Vec::new(),
            runs: vec![run],
        }]
    }

    fn revision(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }

    fn see(&self, _: &Found, _: &str, _: Timestamp, _: &ResultsSeen) -> Option<Sight> {
        let batches = Batches {
            done: 1,
            failed: 0,
            total: 1,
        };
        Some(Sight {
            verdict: Verdict::Completed(batches),
            moments: Moments::default(),
        })
    }

    fn unseen(&self, _: &Found) -> Option<String> {
        None
    }

    async fn cancel(&self, _: &Found, _: &str) -> Result<(), String> {
        Ok(())
    }
}

/// A row with letters, or one of BLAST+'s standard table.
fn table(letters: bool) -> String {
    let (fields, row) = if letters {
        (
            ", query length, subject length, score, query seq, subject seq, subject title",
            "\t40\t90\t8\tACGTACGT\tACGTACGA\ta <b>title</b>",
        )
    } else {
        ("", "")
    };
    format!(
        "# BLASTN 2.12.0+\n# Query: first <i>query</i>\n# Database: nt\n# Fields: {FIELDS}{fields}\n# 1 hits found\nfirst\tS1.1\t87.500\t8\t1\t0\t3\t10\t20\t27\t1e-5\t50.1{row}\n# BLASTN 2.12.0+\n# Query: second\n# Database: nt\n# 0 hits found\n# BLAST processed 2 queries\n"
    )
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

type Away = Arc<Mutex<Option<String>>>;

/// A server that has heard of the end of the search, whose results are these.
async fn server(table: &str) -> (Server, Away) {
    let store = Arc::new(InMemory::new());
    for (name, content) in [(NAME, packed(table)), ("secret.txt", b"a secret".to_vec())] {
        let key = Key::from(format!("{RUN}/{name}"));
        store.put(&key, content.into()).await.unwrap();
    }
    let away = Away::default();
    let shut = Arc::clone(&away);
    let places = ResultsPlaces::new(Box::new(move |_| match shut.lock().unwrap().clone() {
        Some(why) => Err(why),
        None => Ok(Arc::clone(&store) as Arc<_>),
    }));
    let clusters = Arc::new(Completed(watch::Sender::new(1)));
    let server = server_seeing(clusters, Some(places)).await;
    let (service, caller) = (&server.state.service, server.state.caller());
    let mut changes = service.subscribe();
    while !service
        .detail(&caller, RUN)
        .is_ok_and(|job| job.row.phase == Phase::Completed)
    {
        changes.recv().await.ok();
    }
    (server, away)
}

async fn found(server: &Server) -> FoundBody {
    let answer = server
        .get(&format!("/api/blast/jobs/{RUN}/results/files"))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    serde_json::from_value(answer.json()).unwrap()
}

async fn read(server: &Server) -> FoundBody {
    loop {
        let found = found(server).await;
        if found.hits != "reading" {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

fn of_file(name: &str) -> String {
    format!("/api/blast/jobs/{RUN}/results/file?name={name}")
}

#[tokio::test(flavor = "multi_thread")]
async fn its_files_can_be_had_and_nothing_else_of_their_place() {
    let text = table(false);
    let (server, _) = server(&text).await;
    let listed = found(&server).await;
    assert_eq!(
        (listed.files.len(), listed.files[0].name.as_str()),
        (1, NAME)
    );
    assert_eq!(
        (listed.format, listed.all, listed.not_joined),
        (Some(7), true, None)
    );
    let file = server.get(&of_file(NAME)).await;
    assert_eq!(file.body, packed(&text));
    assert_eq!(file.header("content-type"), "application/gzip");
    assert_eq!(
        file.header("content-disposition"),
        format!("attachment; filename=\"{NAME}\"")
    );
    let plain = server.get(&format!("{}&as=plain", of_file(NAME))).await;
    assert_eq!(plain.text(), text);
    let joined = server
        .get(&format!("/api/blast/jobs/{RUN}/results/joined"))
        .await;
    assert_eq!(joined.text(), text);
    for bad in [
        "secret.txt",
        "..%2Fsecret.txt",
        "%2e%2e/secret.txt",
        "",
        "batch_000-blastn-nt.out.gz%00",
        "%2F",
        "job-0123456789abcdef0123456789abcdef%2Fbatch_000-blastn-nt.out.gz",
    ] {
        let refused = server.get(&of_file(bad)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(!refused.text().contains("a secret"));
    }
    for bad in ["&as=gzip", "&sas=1"] {
        let refused = server.get(&format!("{}{bad}", of_file(NAME))).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let missing = server.get("/api/blast/jobs/none/results/joined").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);

    // Its page says why there are no hits to see, and has the files.
    assert_eq!(read(&server).await.hits, "not");
    let page = server.get(&format!("/jobs/{RUN}")).await;
    assert_eq!(page.status, StatusCode::OK);
    let page = page.text();
    for words in [
        "Its hits cannot be shown here",
        "qlen slen score qseq sseq",
        "results/file?name=batch_000-blastn-nt.out.gz",
        "All results in one file",
        "https://there.blob.core.windows.net/results",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("No hits") && !page.contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_hits_are_on_the_usual_pages_once_they_were_read() {
    let (server, _) = server(&table(true)).await;
    assert_eq!(read(&server).await.hits, "here");
    let page = server.get(&format!("/jobs/{RUN}")).await;
    let page = page.text();
    for words in [
        "1 hit (1 HSP) for 1 of 2 queries",
        "S1.1",
        "a &lt;b&gt;title&lt;/b&gt;",
        "Files of its results (1)",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let second = server.get(&format!("/jobs/{RUN}?query=1&view=hits")).await;
    let second = second.text();
    assert!(
        second.contains("No hits for second.") && !second.contains("0 letters"),
        "{second}"
    );
    for (view, words) in [
        ("alignments", "ACGTACGA"),
        ("queries", "second"),
        ("graphic", "svg"),
    ] {
        let page = server.get(&format!("/jobs/{RUN}?view={view}")).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text().contains(words), "{view}");
    }
    let csv = server
        .get(&format!("/api/blast/jobs/{RUN}/results?format=csv"))
        .await;
    assert!(csv.text().contains("S1.1"));
    let archive = server
        .get(&format!("/api/blast/jobs/{RUN}/results?format=11"))
        .await;
    assert_eq!(archive.status, StatusCode::CONFLICT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_away_is_said_in_words_and_is_never_no_hits() {
    let text = table(true);
    let (server, away) = server(&text).await;
    *away.lock().unwrap() = Some("the store <is> away".to_owned());
    let service = &server.state.service;
    let detail = service.detail(&server.state.caller(), RUN).unwrap();
    let now = service.found_results_now(&detail).await;
    assert_eq!(now, Some(FoundNow::Away("the store <is> away".to_owned())));
    let page = server.get(&format!("/jobs/{RUN}")).await;
    assert_eq!(page.status, StatusCode::OK);
    let page = page.text();
    assert!(
        page.contains("The store &lt;is&gt; away") && page.contains("Look again"),
        "{page}"
    );
    assert!(!page.contains("No hits"));
    for path in [
        "results/files",
        "results/joined",
        &format!("results/file?name={NAME}"),
    ] {
        let refused = server.get(&format!("/api/blast/jobs/{RUN}/{path}")).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{path}");
        assert!(refused.text().contains("away"));
    }
    // The list of jobs asks no store.
    let list = server.get("/api/blast/jobs").await;
    assert_eq!(list.json()["jobs"][0]["id"], RUN);
}
