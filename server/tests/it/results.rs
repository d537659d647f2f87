//! Results as files.

use axum::http::StatusCode;
use serde_json::json;

use super::support::{
    Raw, Server, faulty_toolkit, genes, long_search, make_database, protein_search, request,
    small_search,
};

fn address(id: &str, rest: &str) -> String {
    format!("/api/blast/jobs/{id}/results?{rest}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_is_sent_as_a_file_of_its_kind() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    for (format, kind, ending, word) in [
        ("0", "text/plain; charset=utf-8", ".txt", "Query="),
        ("5", "application/xml", ".xml", "<BlastOutput>"),
        (
            "6",
            "text/tab-separated-values; charset=utf-8",
            ".tsv",
            "\t",
        ),
        (
            "7",
            "text/tab-separated-values; charset=utf-8",
            ".tsv",
            "# BLASTN",
        ),
        ("10", "text/csv; charset=utf-8", ".csv", ","),
        ("11", "text/plain; charset=utf-8", ".asn", "Blast4-archive"),
        ("15", "application/json", ".json", "BlastOutput2"),
        ("16", "application/xml", ".xml", "BlastXML2"),
        ("17", "text/plain; charset=utf-8", ".sam", "@HD"),
        ("csv", "text/csv; charset=utf-8", "-hits.csv", ","),
        ("hsps", "text/csv; charset=utf-8", "-hsps.csv", ","),
        ("fasta", "text/plain; charset=utf-8", "-hits.fasta", ">"),
    ] {
        let answer = server.get(&address(&id, &format!("format={format}"))).await;
        assert_eq!(answer.status, StatusCode::OK, "{format}: {}", answer.text());
        assert_eq!(answer.header("content-type"), kind, "{format}");
        assert_eq!(
            answer.header("content-disposition"),
            format!("attachment; filename=\"{id}{ending}\"")
        );
        assert_eq!(
            answer.header("content-security-policy"),
            "default-src 'none'; sandbox"
        );
        assert!(answer.text().contains(word), "{format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_query_and_chosen_hits_can_be_taken_alone() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    let lines = |answer: &super::support::Answer| answer.text().lines().count();
    let all = server.get(&address(&id, "format=csv")).await;
    let first = server.get(&address(&id, "format=csv&query=0")).await;
    let second = server.get(&address(&id, "format=csv&query=1")).await;
    assert_eq!(
        lines(&all),
        lines(&first) + lines(&second) - 1,
        "the head stands once in each"
    );
    let records = |text: &str| text.lines().filter(|line| line.starts_with('>')).count();
    let whole = server.get(&address(&id, "format=fasta&query=1")).await;
    let chosen = server
        .get(&address(&id, "format=fasta&query=1&subject=0&subject=2"))
        .await;
    assert_eq!(chosen.status, StatusCode::OK);
    assert!(records(chosen.text()) >= 2 && records(chosen.text()) < records(whole.text()));
    let names = |text: &str| {
        text.lines()
            .filter(|line| line.starts_with('>'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(
        names(chosen.text())
            .iter()
            .all(|name| names(whole.text()).contains(name))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_before_the_first_byte() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    for bad in [
        "",
        "format=",
        "format=18",
        "format=8",
        "format=csv&query=2",
        "format=hsps&query=99",
        "format=fasta&query=0&subject=100000",
        "format=csv&query=x",
        "format=fasta&subject=-1",
        "format=6&rows=3",
    ] {
        let answer = server.get(&address(&id, bad)).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::BAD_REQUEST, "bad_request"),
            "{bad}"
        );
        assert_eq!(answer.header("content-disposition"), "");
    }
    let many = "&subject=0".repeat(2_001);
    let answer = server
        .get(&address(&id, &format!("format=fasta{many}")))
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn sam_is_refused_for_proteins_with_the_reason() {
    let server = Server::start().await;
    let id = server.complete(&protein_search()).await;
    let answer = server.get(&address(&id, "format=17")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(
        answer.json()["message"]
            .as_str()
            .unwrap()
            .contains("SAM for blastp")
    );
    assert_eq!(
        server.get(&address(&id, "format=6")).await.status,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_results_before_the_search_has_completed() {
    let server = Server::start().await;
    let id = server.submit(&long_search()).await;
    for format in ["6", "11", "csv", "hsps", "fasta"] {
        let answer = server.get(&address(&id, &format!("format={format}"))).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::CONFLICT, "no_results"),
            "{format}"
        );
    }
    server.cancel(&id).await;
    let answer = server.get(&address(&id, "format=6")).await;
    assert_eq!(
        answer.status,
        StatusCode::CONFLICT,
        "a cancelled search has none either"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_without_hits_has_results_that_say_so() {
    let server = Server::start().await;
    let id = server.complete(&json!({ "program": "blastn", "database": "genes", "query": format!(">none\n{}\n", "AT".repeat(40)) })).await;
    let table = server.get(&address(&id, "format=6")).await;
    assert_eq!((table.status, table.text()), (StatusCode::OK, ""));
    assert!(
        server
            .get(&address(&id, "format=7"))
            .await
            .text()
            .contains("# 0 hits found")
    );
    assert_eq!(
        server
            .get(&address(&id, "format=csv"))
            .await
            .text()
            .lines()
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_whose_formatter_fails_is_broken_off() {
    let server = Server::start_with(|folder, settings| {
        settings.blast_bin = Some(faulty_toolkit(folder, "blast_formatter"))
    })
    .await;
    let id = server.complete(&small_search()).await;
    let real = server.get(&address(&id, "format=6")).await;
    assert_eq!(real.status, StatusCode::OK);
    std::fs::write(
        server.folder.path().join("fault"),
        "echo a first part; echo broken >&2; exit 3\n",
    )
    .unwrap();
    for encoding in ["identity", "br", "gzip"] {
        let headers = [("accept-encoding", encoding)];
        let open = server
            .open(request(
                axum::http::Method::GET,
                &address(&id, "format=6"),
                &headers,
                axum::body::Body::empty(),
            ))
            .await;
        let body = axum::body::to_bytes(open.into_body(), usize::MAX).await;
        assert!(
            body.is_err(),
            "a part must not pass for the whole ({encoding})"
        );
    }
    let mut raw = Raw::connect(server.listen().await).await;
    raw.get(&address(&id, "format=6")).await;
    let bytes = raw.read_all().await;
    // How much of the part still arrives is up to the connection.
    assert!(bytes.starts_with("HTTP/1.1 200"), "{bytes}");
    assert!(
        !bytes.contains("\r\n0\r\n\r\n"),
        "the transfer must not end properly: {bytes}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_the_database_is_refused_once_it_has_gone_and_the_rest_remains() {
    let server = Server::start_with(|folder, settings| {
        make_database(folder, "passing", "nucl", &genes(0, 20));
        settings.databases.push(folder.to_owned());
    })
    .await;
    let id = server
        .complete(&json!({ "program": "blastn", "database": "passing", "query": genes(0, 1) }))
        .await;
    for entry in std::fs::read_dir(server.folder.path()).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("passing.") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    let answer = server.get(&address(&id, "format=6")).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::CONFLICT, "no_results")
    );
    assert!(
        answer.json()["message"]
            .as_str()
            .unwrap()
            .contains("passing is no longer there")
    );
    for format in ["csv", "hsps", "fasta", "11"] {
        assert_eq!(
            server
                .get(&address(&id, &format!("format={format}")))
                .await
                .status,
            StatusCode::OK,
            "{format}"
        );
    }
    let page = server.get(&format!("/jobs/{id}")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("is no longer there"));
}
