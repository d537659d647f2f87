//! The databases: listed, uploaded, deleted.

use std::path::Path;

use axum::http::StatusCode;
use elb_core::database::BuildState;

use super::support::{Answer, Form, Raw, Server, faulty_toolkit, genes, proteins, small_search};

fn upload(name: &str, molecule: &str) -> Form {
    Form::new()
        .field("name", name)
        .field("title", "My genes")
        .field("molecule", molecule)
}

/// Every file under a folder that is not yet what it will be.
fn drafts(server: &Server) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                walk(&entry.path(), found);
            } else {
                found.push(entry.path().display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    for part in ["scratch", "databases"] {
        walk(&server.folder.path().join("data").join(part), &mut found);
    }
    found
}

async fn names(server: &Server) -> Vec<String> {
    let list = server.get("/api/blast/databases").await.json();
    list["databases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|database| database["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn appears(server: &Server, name: &str) {
    server
        .databases_until(|catalogue| catalogue.get(name).is_some() && catalogue.builds().is_empty())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_are_listed_with_an_example_query_of_each() {
    let server = Server::start().await;
    assert_eq!(names(&server).await, ["few_genes", "genes", "proteins"]);
    let example = server
        .get("/api/blast/databases/example?name=proteins")
        .await;
    assert_eq!(example.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(example.text().matches('>').count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_file_becomes_a_database_that_can_be_searched_and_deleted() {
    let server = Server::start().await;
    let form = upload("mine", "nucleotide").file("file", "mine.fa", genes(0, 10));
    let answer = server.send_form("/databases", form).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::SEE_OTHER, "/databases")
    );
    appears(&server, "mine").await;
    let page = server.get("/databases").await;
    assert!(page.text().contains("My genes"));
    let mut search = small_search();
    search["database"] = "mine".into();
    server.complete(&search).await;
    let delete = |name: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        super::support::request(
            axum::http::Method::POST,
            "/databases/delete",
            &headers,
            format!("name={name}").into(),
        )
    };
    let deleted = server.send(delete("mine")).await;
    assert_eq!(
        (deleted.status, deleted.header("location")),
        (StatusCode::SEE_OTHER, "/databases")
    );
    assert!(!names(&server).await.contains(&"mine".to_owned()));
    let again = server.send(delete("mine")).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    assert!(again.is_html() && again.text().contains("there is no database mine"));
    let others = server.send(delete("genes")).await;
    assert_eq!(others.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(others.text().contains("was not uploaded here"));
    let huge = server.send(delete(&"x".repeat(100_000))).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_island_hears_which_build_its_upload_is() {
    let server = Server::start().await;
    let answer = server
        .send_form_for_json(
            "/databases",
            upload("mine", "protein").file("file", "p.fa", proteins(0, 5)),
        )
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.json()["location"], "/databases");
    assert!(answer.json()["build"].is_string());
    appears(&server, "mine").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_not_acceptable_comes_back_with_the_reasons_and_leaves_nothing() {
    let server = Server::start().await;
    server
        .send_form(
            "/databases",
            upload("taken", "nucleotide").file("file", "a.fa", genes(0, 3)),
        )
        .await;
    appears(&server, "taken").await;
    let before = drafts(&server);
    let bad_names = Form::new()
        .field("name", "../x")
        .field("title", " ")
        .field("molecule", "rna")
        .file("file", "a.fa", genes(0, 1));
    for (form, words) in [
        (
            bad_names,
            vec![
                "begins with a letter or digit",
                "A title is one line",
                "nucleotide or protein",
            ],
        ),
        (
            upload("mine", "protein").file("file", "a.fa", genes(0, 3)),
            vec!["look like nucleotide"],
        ),
        (
            upload("taken", "nucleotide").file("file", "a.fa", genes(0, 3)),
            vec!["There is a database taken already"],
        ),
        (
            upload("mine", "nucleotide").file("file", "a.fa", ">a\nACGT\n>a\nACGT\n"),
            vec!["line 3"],
        ),
        (
            upload("mine", "nucleotide").file("file", "a.fa", ""),
            vec![],
        ),
        (upload("mine", "nucleotide"), vec!["Choose a FASTA file"]),
        (
            upload("mine", "nucleotide").file(
                "file",
                "a.fa",
                format!(">a\n{}\n", "ACGT\n".repeat(250_000)),
            ),
            vec!["larger than"],
        ),
    ] {
        let page = server.send_form("/databases", form.clone()).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{words:?}");
        assert!(page.is_html());
        for word in &words {
            assert!(page.text().contains(word), "{word}: {}", page.text());
        }
        assert!(
            page.text().contains("My genes") || words.len() == 3,
            "fields come back"
        );
        let json = server.send_form_for_json("/databases", form).await;
        assert_eq!(
            (json.status, json.code().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid")
        );
        let problems = json.problems().join("\n");
        for word in words {
            assert!(problems.contains(word), "{word}: {problems}");
        }
    }
    assert_eq!(drafts(&server), before, "something is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_before_its_fields_is_refused() {
    let server = Server::start().await;
    let form = Form::new()
        .file("file", "a.fa", genes(0, 1))
        .field("name", "mine")
        .field("title", "x")
        .field("molecule", "nucleotide");
    let page = server.send_form("/databases", form.clone()).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.is_html() && page.text().contains("must come before the file"));
    assert_eq!(
        server.send_form_for_json("/databases", form).await.code(),
        "bad_request"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makeblastdb_says_is_shown_if_it_fails() {
    let server = Server::start_with(|folder, settings| {
        settings.blast_bin = Some(faulty_toolkit(folder, "makeblastdb"))
    })
    .await;
    std::fs::write(
        server.folder.path().join("fault"),
        "echo 'BLAST Database creation error: Odd sequences' >&2; exit 1\n",
    )
    .unwrap();
    server
        .send_form(
            "/databases",
            upload("mine", "nucleotide").file("file", "a.fa", genes(0, 2)),
        )
        .await;
    let failed = |state: &BuildState| matches!(state, BuildState::Failed { message } if message.contains("Odd sequences"));
    server
        .databases_until(|catalogue| catalogue.builds().iter().any(|build| failed(&build.state)))
        .await;
    let builds = server.get("/api/blast/databases/builds").await.json();
    assert_eq!(
        (
            builds["builds"][0]["name"].as_str(),
            builds["builds"][0]["state"]["state"].as_str()
        ),
        (Some("mine"), Some("failed"))
    );
    let page = server.get("/databases").await;
    assert!(page.text().contains("Odd sequences"));
    assert!(!names(&server).await.contains(&"mine".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_leaves_no_build_that_waits_and_no_file() {
    let server = Server::start().await;
    let address = server.listen().await;
    let (kind, body) =
        upload("mine", "nucleotide").broken_off("file", "a.fa", genes(0, 20).as_bytes());
    let head = format!(
        "POST /databases HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: 900000\r\n\r\n"
    );
    let mut raw = Raw::connect(address).await;
    raw.send(head.as_bytes()).await;
    raw.send(&body).await;
    server
        .databases_until(|catalogue| !catalogue.builds().is_empty())
        .await;
    drop(raw);
    let failed = |state: &BuildState| matches!(state, BuildState::Failed { message } if message.contains("did not arrive whole"));
    server
        .databases_until(|catalogue| catalogue.builds().iter().all(|build| failed(&build.state)))
        .await;
    super::support::eventually("no file is left", || drafts(&server).is_empty()).await;
    // The name is free again.
    let form = upload("mine", "nucleotide").file("file", "a.fa", genes(0, 2));
    assert_eq!(
        server.send_form("/databases", form).await.status,
        StatusCode::SEE_OTHER
    );
    appears(&server, "mine").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_form_that_breaks_off_leaves_no_file() {
    let server = Server::start().await;
    let address = server.listen().await;
    let scratch = server.folder.path().join("data/scratch");
    let files = || std::fs::read_dir(&scratch).unwrap().count();
    let (kind, body) =
        super::support::search_form().broken_off("query_file", "a.fa", genes(0, 20).as_bytes());
    let head = format!(
        "POST /search HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: 900000\r\n\r\n"
    );
    let mut raw = Raw::connect(address).await;
    raw.send(head.as_bytes()).await;
    raw.send(&body).await;
    super::support::eventually("the file arrives", || files() == 1).await;
    drop(raw);
    super::support::eventually("no file is left", || files() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_a_sender_that_first_sends_everything() {
    let server = Server::start_with(|_, settings| settings.max_database = 50_000_000).await;
    let address = server.listen().await;
    let big = "ACGT\n".repeat(2_000_000);
    let form = Form::new()
        .field("name", "../x")
        .field("title", "x")
        .field("molecule", "nucleotide")
        .file("file", "a.fa", big);
    let (kind, body) = form.finish();
    let head = format!(
        "POST /databases HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut raw = Raw::connect(address).await;
    raw.send(head.as_bytes()).await;
    raw.send(&body).await;
    let answer = raw.read_all().await;
    assert!(
        answer.starts_with("HTTP/1.1 422") && answer.contains("begins with a letter or digit"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_none_is_refused() {
    let server = Server::start().await;
    let answer: Answer = server.post("/databases").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.is_html());
}
