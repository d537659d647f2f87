//! The search form: how a query comes, what is refused, and what comes back with the form.

use std::io::Write;

use axum::http::StatusCode;

use super::support::{Answer, Form, Server, genes, proteins, search_form};

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

/// The identifier of the search that the form led to.
pub fn led_to(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    answer
        .header("location")
        .strip_prefix("/jobs/")
        .unwrap()
        .to_owned()
}

/// What the text field of the query holds.
fn query_field(page: &Answer) -> String {
    let text = page.text().split("id=\"query\"").nth(1).unwrap();
    let inner = text
        .split_once('>')
        .unwrap()
        .1
        .split("</textarea>")
        .next()
        .unwrap();
    let inner = inner.strip_prefix('\n').unwrap_or(inner);
    inner
        .replace("<!>", "")
        .replace("&gt;", ">")
        .replace("&lt;", "<")
        .replace("&amp;", "&")
}

pub async fn totals(server: &Server) -> u64 {
    server.get("/api/blast/jobs").await.json()["totals"]["all"]
        .as_u64()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_taken_as_text_as_a_file_and_as_a_compressed_file() {
    let server = Server::start().await;
    let text = genes(0, 2);
    for form in [
        search_form()
            .field("query", &text)
            .file("query_file", "", ""),
        search_form()
            .field("query", "")
            .file("query_file", "genes.fa", &text),
        search_form()
            .field("query", " \r\n")
            .file("query_file", "genes.fa.gz", gzip(&text)),
    ] {
        let id = led_to(&server.send_form("/search", form).await);
        let job = server.finish(&id).await;
        assert!(job.outcome.is_some(), "{:?}", job.failure);
        assert_eq!(job.row.query_records, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_missing_or_given_twice_is_told_with_all_the_rest() {
    let server = Server::start().await;
    let wrong = || {
        Form::new()
            .field("program", "blastn")
            .field("database", "nowhere")
            .field("evalue", "-1")
    };
    let none = server
        .send_form(
            "/search",
            wrong().field("query", "").file("query_file", "", ""),
        )
        .await;
    let both = server
        .send_form(
            "/search",
            wrong()
                .field("query", &genes(0, 1))
                .file("query_file", "a.fa", genes(1, 1)),
        )
        .await;
    for (answer, word) in [
        (&none, "at least one sequence"),
        (&both, "Empty one of the two"),
    ] {
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        for problem in [word, "There is no database nowhere", "E-value"] {
            assert!(answer.text().contains(problem), "{problem}");
        }
    }
    assert_eq!(
        query_field(&both).trim_end(),
        genes(0, 1).trim_end(),
        "what was typed stays, not the file"
    );
    assert!(
        both.text().contains("choose it again"),
        "the file cannot be kept beside it"
    );
    assert_eq!(totals(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_form_comes_back_with_every_field_and_the_query_as_it_was_sent() {
    let server = Server::start().await;
    let sent = "not fasta & <odd>\r\n>a\r\nAC!T\r\n".to_owned();
    let form = Form::new()
        .field("key", "k1")
        .field("program", "blastp")
        .field("task", "blastp-fast")
        .field("database", "proteins")
        .field("evalue", "1e-7")
        .field("matrix", "BLOSUM80")
        .field("title", "My <title>")
        .field("extra", "-num_threads 3")
        .field("query", &sent)
        .field("action", "run");
    let page = server.send_form("/search", form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let text = page.text();
    assert_eq!(
        query_field(&page).replace("\r\n", "\n").trim_end(),
        sent.replace("\r\n", "\n").trim_end()
    );
    for kept in [
        "value=\"1e-7\"",
        "My &lt;title&gt;",
        "value=\"-num_threads 3\"",
    ] {
        assert!(text.contains(kept), "{kept}");
    }
    let chosen = |value: &str| {
        let attribute = format!("value=\"{value}\"");
        let mut options = text
            .split(&attribute)
            .skip(1)
            .map(|rest| rest.split('>').next().unwrap());
        options.any(|rest| rest.contains("selected") || rest.contains("checked"))
    };
    for value in ["blastp", "blastp-fast", "proteins", "BLOSUM80"] {
        assert!(chosen(value), "{value}");
    }
    assert!(
        text.contains("num_threads"),
        "the option that is not allowed is named"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_refused_comes_back_as_text_if_it_is_small_and_must_be_chosen_again_otherwise()
 {
    let server = Server::start().await;
    let small = ">a\nAC!T\n";
    let page = server
        .send_form("/search", search_form().file("query_file", "a.fa", small))
        .await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(query_field(&page).trim_end(), small.trim_end());
    for (name, bytes) in [
        ("a.fa.gz", gzip(small)),
        (
            "long.fa",
            format!(">a\n{}!\n", "ACGT\n".repeat(250_000)).into_bytes(),
        ),
    ] {
        let page = server
            .send_form("/search", search_form().file("query_file", name, bytes))
            .await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(query_field(&page).trim(), "");
        assert!(page.text().contains("choose it again"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_over_the_limit_is_refused_and_what_is_short_enough_comes_back() {
    let server = Server::start_with(|_, settings| settings.max_query = 2_000).await;
    let long = genes(0, 3);
    let typed = server
        .send_form(
            "/search",
            search_form().field("query", &long).field("title", "kept"),
        )
        .await;
    assert_eq!(typed.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(typed.text().contains("larger than"), "{}", typed.text());
    assert_eq!(query_field(&typed).trim_end(), long.trim_end());
    assert!(
        typed.text().contains("value=\"kept\""),
        "fields after the query are read as well"
    );
    let packed = server
        .send_form(
            "/search",
            search_form().file("query_file", "x.gz", gzip(&long)),
        )
        .await;
    assert_eq!(
        packed.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "the limit counts unpacked too"
    );
    assert_eq!(totals(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn checking_tells_what_speaks_against_a_search_and_runs_nothing() {
    let server = Server::start().await;
    let good = search_form()
        .field("query", &genes(0, 1))
        .field("action", "check");
    let page = server.send_form("/search", good.clone()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("Nothing speaks against this search"));
    assert_eq!(query_field(&page).trim_end(), genes(0, 1).trim_end());
    let json = server.send_form_for_json("/search", good).await;
    assert_eq!(
        (
            json.status,
            json.json()["problems"].as_array().unwrap().len()
        ),
        (StatusCode::OK, 0)
    );
    let bad = search_form()
        .field("query", &proteins(0, 1))
        .field("action", "check");
    let page = server.send_form("/search", bad.clone()).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!page.text().contains("Nothing speaks against this search"));
    let json = server.send_form_for_json("/search", bad).await;
    assert_eq!(json.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!json.problems().is_empty());
    assert_eq!(totals(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn drawing_the_form_anew_for_another_program_keeps_what_was_typed_and_complains_of_nothing() {
    let server = Server::start().await;
    let form = Form::new()
        .field("program", "blastp")
        .field("database", "")
        .field("query", ">x\n!!\n")
        .field("action", "refresh");
    let page = server.send_form("/search", form).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(query_field(&page).trim_end(), ">x\n!!");
    assert!(
        page.text().contains("BLOSUM62"),
        "the fields are those of blastp"
    );
    assert!(!page.text().contains("cannot be started yet"));
}
