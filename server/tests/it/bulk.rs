//! One action on many searches: through the API, and with the list's boxes.

use axum::http::StatusCode;
use elb_core::phase::Phase;
use serde_json::{Value, json};

use super::support::{Server, long_search, small_search};

const BULK: &str = "/api/blast/jobs/bulk";
const UNKNOWN: &str = "01a00000-0000-7000-8000-000000000000";

/// For each result: id, whether it took the action, status, and the error's code.
fn outcomes(answer: &Value) -> Vec<(String, bool, u64, String)> {
    let results = answer["results"].as_array().unwrap();
    let outcome = |result: &Value| {
        let ok = result["ok"].as_bool().unwrap();
        assert_eq!(ok, result["error"].is_null(), "{result}");
        assert_eq!(ok, result["phase"].is_string(), "{result}");
        (
            result["id"].as_str().unwrap().to_owned(),
            ok,
            result["status"].as_u64().unwrap(),
            result["error"]["code"].as_str().unwrap_or("").to_owned(),
        )
    };
    results.iter().map(outcome).collect()
}

async fn bulk(server: &Server, action: &str, ids: &[&str]) -> Vec<(String, bool, u64, String)> {
    let answer = server
        .post_json(BULK, &json!({ "action": action, "ids": ids }))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["action"], action);
    outcomes(&answer.json())
}

fn outcome(id: &str, ok: bool, status: u64, code: &str) -> (String, bool, u64, String) {
    (id.to_owned(), ok, status, code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_search_has_its_own_outcome_and_one_that_refuses_stops_no_other() {
    let server = Server::start().await;
    let done = server.complete(&small_search()).await;
    let running = server.submit(&long_search()).await;
    server
        .wait_until(&running, |job| job.row.phase == Phase::Running)
        .await;
    let ids = [done.as_str(), UNKNOWN, running.as_str(), done.as_str()];
    assert_eq!(
        bulk(&server, "cancel", &ids).await,
        [
            outcome(&done, false, 409, "not_now"),
            outcome(UNKNOWN, false, 404, "no_such_job"),
            outcome(&running, true, 202, ""),
        ],
        "in their order, and one that is named twice once"
    );
    assert_eq!(server.finish(&running).await.row.phase, Phase::Cancelled);
    assert_eq!(
        bulk(&server, "retry", &[&done, &running]).await,
        [
            outcome(&done, false, 409, "not_now"),
            outcome(&running, true, 202, ""),
        ]
    );
    assert_eq!(
        bulk(&server, "delete", &[&done, &running]).await,
        [
            outcome(&done, true, 204, ""),
            outcome(&running, true, 202, ""),
        ],
        "what runs is cancelled first"
    );
    server.wait_until_gone(&running).await;
    assert_eq!(
        bulk(&server, "restore", &[&done, &running, UNKNOWN]).await,
        [
            outcome(&done, true, 200, ""),
            outcome(&running, true, 200, ""),
            outcome(UNKNOWN, false, 404, "no_such_job"),
        ]
    );
    let list = server.get("/api/blast/jobs").await.json();
    assert_eq!(
        (
            list["totals"]["completed"].as_u64(),
            list["totals"]["cancelled"].as_u64()
        ),
        (Some(1), Some(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_makes_no_sense_does_nothing() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    let many: Vec<String> = (0..201)
        .map(|number| format!("{UNKNOWN}{number}"))
        .collect();
    for (body, status, code) in [
        (json!({}), 422, "invalid"),
        (json!([id]), 422, "invalid"),
        (json!({ "action": "delete" }), 422, "invalid"),
        (json!({ "action": "delete", "ids": id }), 422, "invalid"),
        (
            json!({ "action": "delete", "ids": [id], "sure": true }),
            422,
            "invalid",
        ),
        (json!({ "action": "destroy", "ids": [id] }), 422, "invalid"),
        (json!({ "action": "delete", "ids": [] }), 400, "bad_request"),
        (
            json!({ "action": "delete", "ids": many }),
            400,
            "bad_request",
        ),
    ] {
        let answer = server.post_json(BULK, &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{body}"
        );
    }
    let long = json!({ "action": "delete", "ids": ["x".repeat(100_000)] });
    let answer = server.post_json(BULK, &long).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "too_large")
    );
    assert_eq!(
        server.get("/api/blast/jobs").await.json()["totals"]["all"],
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn boxes_of_the_list_act_without_scripts_and_the_list_tells_what_became_of_each() {
    let server = Server::start().await;
    let done = server.complete(&small_search()).await;
    let mut body = long_search();
    body["title"] = json!("a long one");
    let running = server.submit(&body).await;
    let page = server.get("/jobs?sort=title").await;
    for id in [&done, &running] {
        let choice = format!("name=\"id\" form=\"chosen\" value=\"{id}\"");
        assert!(page.text().contains(&choice), "{choice}");
    }
    assert!(page.text().contains("action=\"/jobs/bulk\""));
    let send = async |action: &str, ids: &[&str]| {
        let mut fields = vec![
            ("back", "list"),
            ("list", "?sort=title"),
            ("action", action),
        ];
        fields.extend(ids.iter().map(|id| ("id", *id)));
        let answer = server.post_fields("/jobs/bulk", &fields).await;
        let to = answer.header("location").to_owned();
        assert!(to.starts_with("/jobs?sort=title&notice="), "{to}");
        let page = server.follow_redirect(&answer).await;
        assert_eq!(page.status, StatusCode::OK);
        let again = server.get(&to).await;
        let notice = |text: &str| {
            let begin = text.find("class=\"notice\"").expect("a notice");
            text[begin..text.find("id=\"jobs-part\"").unwrap()].to_owned()
        };
        let told = notice(page.text());
        assert_eq!(told, notice(again.text()), "a reload tells it again");
        told
    };
    let none = send("delete", &[]).await;
    assert!(none.contains("No search was chosen"), "{none}");
    let cancelled = send("cancel", &[&running, &done]).await;
    assert!(cancelled.contains("1 search told to stop"), "{cancelled}");
    assert!(
        cancelled.contains("1 search was left as it was") && cancelled.contains("it has ended"),
        "{cancelled}"
    );
    server.finish(&running).await;
    let deleted = send("delete", &[&running, &done, UNKNOWN]).await;
    assert!(deleted.contains("2 searches deleted"), "{deleted}");
    assert!(deleted.contains("there is no job"), "{deleted}");
    assert!(deleted.contains("Undo is possible until"), "{deleted}");
    for id in [&running, &done] {
        assert!(
            deleted.contains(&format!("name=\"id\" value=\"{id}\"")),
            "{deleted}"
        );
    }
    let restored = send("restore", &[&running, &done]).await;
    assert!(restored.contains("2 searches restored"), "{restored}");
    let foreign = server.get("/jobs?notice=unknown").await;
    assert!(!foreign.text().contains("class=\"notice\""));
    let odd = server
        .post_fields("/jobs/bulk", &[("action", "destroy"), ("id", &done)])
        .await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST);
    assert!(odd.is_html());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_leads_back_to_the_list_and_nowhere_else() {
    let server = Server::start().await;
    for list in ["//elsewhere.org", "https://elsewhere.org/", "?status=x", ""] {
        let fields = [("list", list), ("action", "cancel"), ("id", UNKNOWN)];
        let answer = server.post_fields("/jobs/bulk", &fields).await;
        let to = answer.header("location");
        assert!(to.starts_with("/jobs?notice="), "{list}: {to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_be_restored_deleting_many_needs_a_second_word() {
    let server = Server::start_with(|_, settings| {
        settings.retention.deleted = std::time::Duration::ZERO;
    })
    .await;
    let id = server.complete(&small_search()).await;
    assert!(server.get("/jobs").await.text().contains("name=\"sure\""));
    let fields = [("action", "delete"), ("id", id.as_str())];
    let asked = server.post_fields("/jobs/bulk", &fields).await;
    let page = server.follow_redirect(&asked).await;
    assert!(page.text().contains("Nothing was deleted"));
    let fields = [("action", "delete"), ("id", id.as_str()), ("sure", "yes")];
    let sure = server.post_fields("/jobs/bulk", &fields).await;
    let page = server.follow_redirect(&sure).await;
    assert!(page.text().contains("1 search deleted"));
    assert!(!page.text().contains("Undo"));
}
