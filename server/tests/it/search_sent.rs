//! The search form as it is sent: once, twice, with an older query, by an island, or damaged.

use axum::http::StatusCode;

use super::{
    search_form::{led_to, totals},
    support::{Form, Server, genes, search_form},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_form_sent_twice_makes_one_search_and_an_edited_one_another() {
    let server = Server::start().await;
    let form = || {
        search_form()
            .field("key", "abc123")
            .field("query", &genes(0, 1))
    };
    let (one, other) = tokio::join!(
        server.send_form("/search", form()),
        server.send_form("/search", form())
    );
    assert_eq!(led_to(&one), led_to(&other));
    let by_island = server
        .send_form_for_json("/search", form().field("action", "run"))
        .await;
    assert_eq!(by_island.json()["job_id"], led_to(&one).as_str());
    let edited = server
        .send_form("/search", form().field("title", "another"))
        .await;
    assert_ne!(led_to(&edited), led_to(&one));
    let other_query = server
        .send_form(
            "/search",
            search_form()
                .field("key", "abc123")
                .field("query", &genes(1, 1)),
        )
        .await;
    assert_ne!(led_to(&other_query), led_to(&one));
    assert_eq!(totals(&server).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_of_an_older_search_is_taken_unless_another_is_sent() {
    let server = Server::start().await;
    let older = led_to(
        &server
            .send_form("/search", search_form().field("query", &genes(0, 2)))
            .await,
    );
    server.finish(&older).await;
    let again = search_form()
        .field("query_of", &older)
        .field("query", "")
        .file("query_file", "", "");
    let id = led_to(&server.send_form("/search", again).await);
    assert_eq!(server.finish(&id).await.row.query_records, 2);
    let replaced = search_form()
        .field("query_of", &older)
        .field("query", &genes(5, 1));
    let id = led_to(&server.send_form("/search", replaced).await);
    assert_eq!(server.finish(&id).await.row.query_records, 1);
    let refused = Form::new()
        .field("program", "blastn")
        .field("database", "nowhere")
        .field("query_of", &older)
        .field("query", "");
    let page = server.send_form("/search", refused).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.text().contains(&format!("value=\"{older}\"")),
        "the older query stays chosen"
    );
    server.delete(&older).await;
    let gone = Form::new()
        .field("program", "blastn")
        .field("database", "nowhere")
        .field("query_of", &older)
        .field("query", "");
    let page = server.send_form("/search", gone).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.text()
            .contains(&format!("There is no search {older} any more"))
    );
    assert!(
        page.text().contains("There is no database nowhere"),
        "with all the rest"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_island_is_answered_in_json() {
    let server = Server::start().await;
    let done = server
        .send_form_for_json("/search", search_form().field("query", &genes(0, 1)))
        .await;
    assert_eq!(done.status, StatusCode::ACCEPTED);
    let body = done.json();
    assert_eq!(
        body["location"],
        format!("/jobs/{}", body["job_id"].as_str().unwrap())
    );
    let refused = server
        .send_form_for_json(
            "/search",
            Form::new().field("program", "blastn").field("query", ""),
        )
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.code(), "invalid");
    assert_eq!(refused.json()["request_id"], refused.header("x-request-id"));
    assert_eq!(refused.problems().len(), 2, "{:?}", refused.problems());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_not_built_as_the_page_builds_it_is_refused() {
    let server = Server::start().await;
    let early = Form::new()
        .field("query", &genes(0, 1))
        .field("program", "blastn");
    let page = server.send_form("/search", early.clone()).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.is_html() && page.text().contains("must come before the query"));
    assert_eq!(
        server.send_form_for_json("/search", early).await.code(),
        "bad_request"
    );
    let mut many = Form::new().field("program", "blastn");
    for number in 0..201 {
        many = many.field(&format!("f{number}"), "x");
    }
    assert_eq!(
        server.send_form("/search", many).await.status,
        StatusCode::BAD_REQUEST
    );
    let long = search_form()
        .field("title", &"x".repeat(70_000))
        .field("query", &genes(0, 1));
    assert_eq!(
        server.send_form("/search", long).await.status,
        StatusCode::BAD_REQUEST
    );
    let title = search_form()
        .field("title", &"x".repeat(201))
        .field("query", "");
    let page = server.send_form("/search", title).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.text().contains("The title is longer than")
            && page.text().contains("at least one sequence")
    );
    assert_eq!(totals(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_is_left_behind_by_a_form_that_was_refused() {
    let server = Server::start().await;
    for query in [">a\nAC!T\n".to_owned(), genes(0, 2)] {
        let form = Form::new()
            .field("program", "blastn")
            .field("database", "nowhere")
            .field("query", &query);
        server.send_form("/search", form).await;
    }
    let scratch = server.folder.path().join("data/scratch");
    assert_eq!(std::fs::read_dir(scratch).unwrap().count(), 0);
}
