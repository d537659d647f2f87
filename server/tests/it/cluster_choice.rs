//! Where a search shall run, as one says so in the form and through the API. The clusters are the test's own;
//! the searches run here all the same.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::StatusCode;
use elb_core::{
    cluster::Health,
    job::{Found, Job, Outcome},
};
use elb_engine::executor::{Executor, ExecutorError, Handed, Observation, Plan, Readiness};
use serde_json::{Value, json};

use super::{
    clusters::{Told, place, server_with},
    search_form::led_to,
    support::{Server, search_form, small_search},
};

/// An executor that is said to be several places.
struct Several {
    here: Arc<dyn Executor>,
    places: Vec<Found>,
}

#[async_trait]
impl Executor for Several {
    fn places(&self) -> Vec<Found> {
        self.places.clone()
    }
    async fn plan(&self, job: &Job) -> Result<Plan, ExecutorError> {
        let first = self.places.first().cloned();
        let place = job.wanted_place.clone().or(first);
        let plan = self.here.plan(job).await?;
        Ok(Plan { place, ..plan })
    }
    async fn prepare(&self, job: &Job) -> Result<(), ExecutorError> {
        self.here.prepare(job).await
    }
    async fn warm_up(&self, job: &Job) -> Result<Readiness, ExecutorError> {
        self.here.warm_up(job).await
    }
    async fn stage(&self, job: &Job) -> Result<Readiness, ExecutorError> {
        self.here.stage(job).await
    }
    async fn submit(&self, job: &Job) -> Result<Handed, ExecutorError> {
        self.here.submit(job).await
    }
    async fn observe(&self, job: &Job, seen: u64) -> (u64, Observation) {
        self.here.observe(job, seen).await
    }
    async fn export(&self, job: &Job) -> Result<Outcome, ExecutorError> {
        self.here.export(job).await
    }
    async fn cancel(&self, job: &Job) -> Result<(), ExecutorError> {
        self.here.cancel(job).await
    }
    async fn cleanup(&self, job_id: &str) -> Result<(), ExecutorError> {
        self.here.cleanup(job_id).await
    }
}

/// A server whose searches may run on these.
async fn choosing(clusters: &[(&str, Health)]) -> Server {
    let views = clusters.iter();
    let views = views.map(|(name, health)| place(name, *health, Vec::new()));
    let told = Told::new(views.collect());
    let places: Vec<Found> = clusters
        .iter()
        .map(|(name, _)| Found {
            cluster: (*name).to_owned(),
            namespace: "blast".to_owned(),
        })
        .collect();
    server_with(&told, |here| Arc::new(Several { here, places })).await
}

const BOTH: [(&str, Health); 2] = [("lab", Health::Live), ("far", Health::Unreachable)];

fn chosen(place: &str) -> Value {
    let mut body = small_search();
    body["runs_on"] = json!(place);
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_offers_clusters_only_where_there_are_several() {
    for server in [Server::start().await, choosing(&BOTH[..1]).await] {
        let page = server.get("/search").await;
        assert!(!page.text().contains("name=\"runs_on\""), "{}", page.text());
    }
    let server = choosing(&BOTH).await;
    let page = server.get("/search").await;
    for words in [
        "id=\"runs_on\"",
        "value=\"lab#blast\"",
        "far, namespace blast (unreachable now)",
    ] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_is_kept_by_row_page_list_and_a_form_that_comes_back() {
    let server = choosing(&BOTH).await;
    let genes = super::support::genes(0, 1);
    let form = || search_form().field("query", &genes);
    let sent = server.send_form("/search", form().field("runs_on", "far#blast"));
    let id = led_to(&sent.await);
    let job = server.finish(&id).await;
    assert!(job.outcome.is_some(), "{:?}", job.failure);
    let body = server.get(&format!("/api/blast/jobs/{id}")).await.json();
    let far = json!({ "cluster": "far", "namespace": "blast" });
    assert_eq!((&body["place"], &body["wanted_place"]), (&far, &far));
    let list = server.get("/api/blast/jobs").await.json();
    assert_eq!(list["jobs"][0]["runs_on"], "far#blast");
    assert!(server.get("/jobs").await.text().contains("far#blast"));
    let page = server.get(&format!("/jobs/{id}")).await;
    assert!(page.text().contains("as was chosen"), "{}", page.text());
    let again = server.get(&format!("/search?from={id}")).await;
    assert!(is_selected(again.text(), "far#blast"), "{}", again.text());
    // A form that is refused for something else.
    let refused = form().field("runs_on", "far#blast").field("evalue", "-1");
    let refused = server.send_form("/search", refused).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(is_selected(refused.text(), "far#blast"));
    // One that knows of no choice leaves it open.
    let id = led_to(&server.send_form("/search", form()).await);
    let body = server.get(&format!("/api/blast/jobs/{id}")).await.json();
    assert!(body["wanted_place"].is_null(), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_not_there_is_refused_with_those_that_are() {
    let server = choosing(&BOTH).await;
    let answer = server.try_submit(&chosen("gone#blast"), None).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let problems = answer.problems().join(" ");
    assert!(problems.contains("runs_on"), "{problems}");
    for known in ["lab#blast", "far#blast"] {
        assert!(problems.contains(known), "{problems}");
    }
    let id = server.submit(&chosen("lab#blast")).await;
    let job = server.get(&format!("/api/blast/jobs/{id}")).await.json();
    assert_eq!(job["runs_on"], "lab#blast");
    // A form that still names it shows it as what it is.
    let form = search_form().field("query", &super::support::genes(0, 1));
    let form = form.field("runs_on", "gone#blast");
    let refused = server.send_form("/search", form).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(is_selected(refused.text(), "gone#blast"));
    // Where searches run here there is nothing to choose.
    let alone = Server::start().await;
    let answer = alone.try_submit(&chosen("lab#blast"), None).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().contains("run on this server"));
    alone.submit(&chosen("any")).await;
}

fn is_selected(page: &str, value: &str) -> bool {
    let option = page.split("<option ").find(|option| {
        let tag = option.split('>').next().unwrap_or_default();
        tag.contains(&format!("value=\"{value}\"")) && tag.contains("selected")
    });
    option.is_some()
}
