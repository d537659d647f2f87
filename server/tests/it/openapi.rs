//! The OpenAPI document: complete, and true of what is sent.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use serde_json::{Value, json};

use super::support::{Form, Server, genes, long_search, request, small_search};

async fn document(server: &Server) -> Value {
    let answer = server.get("/api/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    answer.json()
}

/// What `schema` says of the fields of an object: each with its schema, and whether it must be there.
fn fields<'a>(
    document: &'a Value,
    schema: &'a Value,
    into: &mut BTreeMap<&'a str, (&'a Value, bool)>,
) {
    let schema = resolved(document, schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        fields(document, part, into);
    }
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, of) in schema["properties"].as_object().into_iter().flatten() {
        into.insert(name, (of, required.contains(&name.as_str())));
    }
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').unwrap();
            document
                .pointer(pointer)
                .unwrap_or_else(|| panic!("{reference} is not in the document"))
        }
        None => schema,
    }
}

fn is_of_type(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("no value is of type {other}"),
    }
}

/// What of the value the schema does not know, or misses.
fn differences(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let schema = resolved(document, schema);
    for alternatives in ["oneOf", "anyOf"] {
        if let Some(list) = schema[alternatives].as_array() {
            let all: Vec<_> = list
                .iter()
                .map(|one| differences(document, one, value, at))
                .collect();
            return all.into_iter().min_by_key(Vec::len).unwrap_or_default();
        }
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is_of_type(value, kind)) {
        return vec![format!("{at}: {value} is not of type {kinds:?}")];
    }
    let mut found = Vec::new();
    let mut known = BTreeMap::new();
    fields(document, schema, &mut known);
    if let (Value::Object(object), false) = (value, known.is_empty()) {
        for (name, (of, required)) in &known {
            match object.get(*name) {
                Some(inner) => {
                    found.extend(differences(document, of, inner, &format!("{at}.{name}")))
                }
                None if *required => found.push(format!("{at}.{name} is missing")),
                None => {}
            }
        }
        found.extend(
            object
                .keys()
                .filter(|name| !known.contains_key(name.as_str()))
                .map(|name| format!("{at}.{name} is not in the document")),
        );
    }
    for (position, inner) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(differences(
            document,
            &schema["items"],
            inner,
            &format!("{at}[{position}]"),
        ));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_of_version_3_1_and_holds_every_route() {
    let server = Server::start().await;
    let document = document(&server).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        found.extend(
            item.as_object()
                .unwrap()
                .keys()
                .map(|method| format!("{} {path}", method.to_uppercase())),
        );
    }
    let expected = [
        "DELETE /api/blast/jobs/{id}",
        "DELETE /api/warmup",
        "GET /api/audit/log",
        "GET /api/blast/databases",
        "GET /api/blast/databases/builds",
        "GET /api/blast/databases/example",
        "GET /api/blast/events",
        "GET /api/blast/jobs",
        "GET /api/blast/jobs/deleted",
        "GET /api/blast/jobs/{id}",
        "GET /api/blast/jobs/{id}/files",
        "GET /api/blast/jobs/{id}/files/{file}",
        "GET /api/blast/jobs/{id}/history",
        "GET /api/blast/jobs/{id}/logs",
        "GET /api/blast/jobs/{id}/pods",
        "GET /api/blast/jobs/{id}/pods/{pod}/{container}/{restart}/logs",
        "GET /api/blast/jobs/{id}/query",
        "GET /api/blast/jobs/{id}/results",
        "GET /api/blast/jobs/{id}/results/file",
        "GET /api/blast/jobs/{id}/results/files",
        "GET /api/blast/jobs/{id}/results/joined",
        "GET /api/health",
        "GET /api/health/ready",
        "GET /api/me",
        "GET /api/monitor/clusters",
        "GET /api/monitor/external",
        "GET /api/warmup",
        "GET /metrics",
        "POST /api/blast/jobs",
        "POST /api/blast/jobs/bulk",
        "POST /api/blast/jobs/{id}/cancel",
        "POST /api/blast/jobs/{id}/restore",
        "POST /api/blast/jobs/{id}/retry",
        "POST /api/warmup",
    ];
    assert_eq!(
        found.iter().map(String::as_str).collect::<Vec<_>>(),
        expected
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_route_is_there_and_documents_the_status_that_it_answers_with() {
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    let document = document(&server).await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let responses = operation["responses"].as_object().unwrap();
            assert!(operation["summary"].is_string(), "{path} has no summary");
            // The events go on for ever, and a deletion would take the search away from the others.
            let ids = if method == Method::DELETE {
                vec!["unknown"]
            } else {
                vec!["unknown", id.as_str()]
            };
            for id in ids {
                let address = path.replace("{id}", id);
                let open = server
                    .open(request(method.clone(), &address, &[], Body::empty()))
                    .await;
                let status = open.status();
                assert!(
                    responses.contains_key(status.as_str()),
                    "{method} {address} answers {status}"
                );
                if !address.ends_with("/events") && status == StatusCode::NOT_FOUND {
                    let body = axum::body::to_bytes(open.into_body(), usize::MAX)
                        .await
                        .unwrap();
                    let body: Value = serde_json::from_slice(&body).unwrap();
                    assert_ne!(body["code"], "no_such_route", "{method} {address}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_what_the_document_describes() {
    let server = Server::start().await;
    let document = document(&server).await;
    let differ = |path: &str, method: &str, status: u16, value: &Value| {
        let content = &document["paths"][path][method]["responses"][status.to_string()]["content"]
            ["application/json"]["schema"];
        assert!(!content.is_null(), "{method} {path} {status} has no schema");
        let found = differences(&document, content, value, "");
        assert!(
            found.is_empty(),
            "{method} {path} {status}: {found:#?}\n{value:#}"
        );
    };
    let job = "/api/blast/jobs/{id}";
    let submitted = server.try_submit(&json!({ "program": "blastn", "database": "genes", "query": genes(0, 2), "options": { "word_size": 20 } }), None).await;
    differ("/api/blast/jobs", "post", 202, &submitted.json());
    let id = submitted.json()["job_id"].as_str().unwrap().to_owned();
    let done = server.finish(&id).await;
    assert!(done.outcome.is_some());
    let cancelled = server.submit(&long_search()).await;
    differ(
        job,
        "get",
        200,
        &server
            .get(&format!("/api/blast/jobs/{cancelled}"))
            .await
            .json(),
    );
    differ(
        "/api/blast/jobs/{id}/cancel",
        "post",
        202,
        &server
            .post(&format!("/api/blast/jobs/{cancelled}/cancel"))
            .await
            .json(),
    );
    server.finish(&cancelled).await;
    differ(
        "/api/blast/jobs/{id}/retry",
        "post",
        202,
        &server
            .post(&format!("/api/blast/jobs/{cancelled}/retry"))
            .await
            .json(),
    );
    server.cancel(&cancelled).await;
    for each in [&id, &cancelled] {
        differ(
            job,
            "get",
            200,
            &server.get(&format!("/api/blast/jobs/{each}")).await.json(),
        );
        differ(
            &format!("{job}/history"),
            "get",
            200,
            &server
                .get(&format!("/api/blast/jobs/{each}/history"))
                .await
                .json(),
        );
        differ(
            &format!("{job}/logs"),
            "get",
            200,
            &server
                .get(&format!("/api/blast/jobs/{each}/logs"))
                .await
                .json(),
        );
    }
    let upload = Form::new()
        .field("name", "mine")
        .field("title", "x")
        .field("molecule", "nucleotide")
        .file("file", "a", genes(0, 2));
    server.send_form("/databases", upload).await;
    differ(
        "/api/blast/databases/builds",
        "get",
        200,
        &server.get("/api/blast/databases/builds").await.json(),
    );
    server
        .databases_until(|catalogue| catalogue.get("mine").is_some())
        .await;
    differ(
        "/api/blast/databases",
        "get",
        200,
        &server.get("/api/blast/databases").await.json(),
    );
    differ(
        "/api/blast/jobs",
        "get",
        200,
        &server.get("/api/blast/jobs?limit=1").await.json(),
    );
    for path in ["/api/health", "/api/health/ready", "/api/me"] {
        differ(path, "get", 200, &server.get(path).await.json());
    }
    differ(
        "/api/blast/jobs",
        "get",
        400,
        &server.get("/api/blast/jobs?x=1").await.json(),
    );
    differ(
        "/api/blast/jobs",
        "post",
        422,
        &server.try_submit(&json!({}), None).await.json(),
    );
    differ(
        job,
        "get",
        404,
        &server.get("/api/blast/jobs/unknown").await.json(),
    );
    server.delete(&id).await;
    differ(
        "/api/blast/jobs/deleted",
        "get",
        200,
        &server.get("/api/blast/jobs/deleted").await.json(),
    );
    differ(
        "/api/blast/jobs/{id}/restore",
        "post",
        200,
        &server
            .post(&format!("/api/blast/jobs/{id}/restore"))
            .await
            .json(),
    );
    differ(
        "/api/audit/log",
        "get",
        200,
        &server.get("/api/audit/log?limit=2").await.json(),
    );
    let body = json!({ "action": "retry", "ids": [id, "unknown", cancelled] });
    let bulk = server.post_json("/api/blast/jobs/bulk", &body).await.json();
    assert!(bulk["results"][0]["error"].is_object() && bulk["results"][2]["phase"].is_string());
    differ("/api/blast/jobs/bulk", "post", 200, &bulk);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_but_health_says_that_it_may_be_busy_and_when_to_come_back() {
    let server = Server::start().await;
    let document = document(&server).await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let busy = &operation["responses"]["503"];
            if path.starts_with("/api/health") || path == "/metrics" {
                continue;
            }
            let schema = &busy["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(
                schema, "#/components/schemas/ErrorBody",
                "{method} {path}: {busy}"
            );
        }
    }
    for stream in [
        "/api/blast/events",
        "/api/blast/jobs/{id}/logs",
        "/api/blast/jobs/{id}/pods/{pod}/{container}/{restart}/logs",
    ] {
        let text = document["paths"][stream]["get"]["description"].to_string();
        assert!(text.contains("`bye`"), "{stream}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_search_is_as_the_document_describes_it_too() {
    let server = Server::start_with(|folder, settings| {
        settings.blast_bin = Some(super::support::faulty_toolkit(folder, "blastn"));
    })
    .await;
    std::fs::write(
        server.folder.path().join("fault"),
        "echo 'BLAST engine error: Odd' >&2; exit 3\n",
    )
    .unwrap();
    let id = server.submit(&small_search()).await;
    server.finish(&id).await;
    let document = document(&server).await;
    for (path, address) in [
        ("/api/blast/jobs/{id}", format!("/api/blast/jobs/{id}")),
        ("/api/blast/jobs", "/api/blast/jobs".to_owned()),
    ] {
        let schema = &document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
            ["schema"];
        let value = server.get(&address).await.json();
        assert!(value.to_string().contains("blast_failed"), "{value}");
        let found = differences(&document, schema, &value, "");
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_answers_are_read_by_the_structs_of_the_schema_without_losing_anything() {
    use elb_server::api::schema::{
        AuditBody, DatabaseBody, HistoryBody, JobBody, ListBody, LogBody,
    };
    fn survives<T: serde::de::DeserializeOwned + serde::Serialize>(value: &Value) {
        let read: T = serde_json::from_value(value.clone())
            .unwrap_or_else(|error| panic!("{error}: {value:#}"));
        let again = serde_json::to_value(read).unwrap();
        assert!(
            holds(&again, value),
            "{again:#}\nhas lost something of\n{value:#}"
        );
    }
    /// Whether every field of `part` stands in `whole` with the same value.
    fn holds(whole: &Value, part: &Value) -> bool {
        match (whole, part) {
            (Value::Object(whole), Value::Object(part)) => part
                .iter()
                .all(|(name, value)| whole.get(name).is_some_and(|known| holds(known, value))),
            (Value::Array(whole), Value::Array(part)) => {
                whole.len() == part.len()
                    && whole
                        .iter()
                        .zip(part)
                        .all(|(known, value)| holds(known, value))
            }
            _ => whole == part,
        }
    }
    let server = Server::start().await;
    let id = server.complete(&small_search()).await;
    let job = format!("/api/blast/jobs/{id}");
    survives::<ListBody>(&server.get("/api/blast/jobs").await.json());
    survives::<JobBody>(&server.get(&job).await.json());
    survives::<Vec<HistoryBody>>(&server.get(&format!("{job}/history")).await.json()["entries"]);
    survives::<Vec<LogBody>>(&server.get(&format!("{job}/logs")).await.json()["lines"]);
    survives::<Vec<AuditBody>>(&server.get("/api/audit/log").await.json()["records"]);
    survives::<Vec<DatabaseBody>>(&server.get("/api/blast/databases").await.json()["databases"]);
}
