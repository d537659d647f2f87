//! Attempts: numbered on the page, each with its own steps; the next one that begins by itself is told.

use elb_core::phase::Phase;

use super::support::{Server, faulty_toolkit, long_search, small_search};

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_error_shows_its_next_attempt_and_when_it_begins() {
    let server = Server::start_with(|folder, settings| {
        settings.blast_bin = Some(faulty_toolkit(folder, "blastn"));
    })
    .await;
    // A program that is being written cannot be started: busy, as the system says.
    let tool = server.folder.path().join("tools/blastn");
    let busy = std::fs::OpenOptions::new()
        .append(true)
        .open(&tool)
        .unwrap();
    let id = server.submit(&small_search()).await;
    let job = server
        .wait_until(&id, |job| job.row.not_before.is_some())
        .await;
    assert_eq!((job.row.attempt, job.row.phase), (2, Phase::Queued));
    let page = server.get(&format!("/jobs/{id}")).await;
    let text = page.text();
    let told = text.split("id=\"next-attempt\"").nth(1).unwrap();
    let told = told.split("id=\"command\"").next().unwrap();
    assert!(told.contains("begins by itself"), "{told}");
    assert!(told.contains("BLAST+ cannot be started"), "{told}");
    assert!(told.contains("temporarily_unavailable"), "{told}");
    let at = job.row.not_before.unwrap();
    assert!(told.contains(&format!("data-until=\"{}\"", at.0)), "{told}");
    assert!(
        text.contains("data-keep=\"attempt-1\""),
        "the first attempt has steps of its own"
    );
    let list = server.get("/jobs").await;
    assert!(list.text().contains("begins by itself"));
    drop(busy);
    let done = server.finish(&id).await;
    assert_eq!(done.row.phase, Phase::Completed, "{:?}", done.failure);
    let page = server.get(&format!("/jobs/{id}")).await;
    assert!(!page.text().contains("id=\"next-attempt\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_is_numbered_and_keeps_its_own_steps() {
    let server = Server::start().await;
    let id = server.submit(&long_search()).await;
    let first = server.get(&format!("/jobs/{id}")).await;
    assert!(first.text().contains("<h2>Steps</h2>"));
    server.cancel(&id).await;
    server.post(&format!("/jobs/{id}/retry")).await;
    server.cancel(&id).await;
    server.post(&format!("/jobs/{id}/retry")).await;
    server.cancel(&id).await;
    let page = server.get(&format!("/jobs/{id}")).await;
    let text = page.text();
    assert!(text.contains("<h2>Attempt 3</h2>") && text.contains("Earlier attempts"));
    let second = text.find("data-keep=\"attempt-2\"").unwrap();
    let first = text.find("data-keep=\"attempt-1\"").unwrap();
    assert!(second < first, "the newest first");
    assert_eq!(text.matches("class=\"timeline\"").count(), 3);
}
