//! Databases in Azure Blob Storage: the real client against the emulator, through a line that fails.

use std::{sync::Arc, time::Duration};

use elb_core::database::{Readiness, RemoteList};
use elb_engine::{
    breaker::Breaker, cache::WAIT, clock::ManualClock, databases::blob::BlobDatabases,
};
use elb_testkit::{
    Azurite, Behaviour, FaultProxy,
    azurite::{ACCOUNT, KEY},
};
use object_store::{
    ObjectStore, ObjectStoreExt, RetryConfig,
    azure::{
        AzureAccessKey, AzureAuthorizer, AzureCredential, MicrosoftAzure, MicrosoftAzureBuilder,
    },
    client::{HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector},
};

use super::support::PATIENCE;

struct World {
    proxy: FaultProxy,
    store: Arc<MicrosoftAzure>,
    databases: BlobDatabases,
    clock: ManualClock,
}

fn client(endpoint: String, container: &str) -> MicrosoftAzure {
    MicrosoftAzureBuilder::new()
        .with_account(ACCOUNT)
        .with_access_key(KEY)
        .with_container_name(container)
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_retry(RetryConfig {
            max_retries: 1,
            ..RetryConfig::default()
        })
        .build()
        .unwrap()
}

async fn make_container(name: &str) {
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    let url = format!("{}/{name}?restype=container", Azurite::shared().blob_url());
    *request.method_mut() = "PUT".parse().unwrap();
    *request.uri_mut() = url.parse().unwrap();
    let key = AzureCredential::AccessKey(AzureAccessKey::try_new(KEY).unwrap());
    AzureAuthorizer::new(&key, ACCOUNT)
        .try_authorize(&mut request)
        .unwrap();
    let http = object_store::ClientOptions::new().with_allow_http(true);
    let http = ReqwestConnector::default().connect(&http).unwrap();
    assert_eq!(http.execute(request).await.unwrap().status().as_u16(), 201);
}

/// An empty container of the emulator.
pub async fn container() -> Arc<dyn ObjectStore> {
    let container = format!("c{}", uuid::Uuid::new_v4().simple());
    make_container(&container).await;
    Arc::new(client(Azurite::shared().blob_url().to_owned(), &container))
}

async fn world() -> World {
    let url = Azurite::shared().blob_url();
    let proxy = FaultProxy::before(url).await;
    let container = format!("c{}", uuid::Uuid::new_v4().simple());
    make_container(&container).await;
    let store = Arc::new(client(proxy.instead_of(url), &container));
    let clock = ManualClock::at(0);
    let databases = BlobDatabases::new(
        store.clone(),
        Breaker::new("shelf", Arc::new(clock.clone())),
        "blast-db".into(),
        format!("az://{ACCOUNT}/{container}/blast-db"),
        Arc::new(clock.clone()),
    );
    World {
        proxy,
        store,
        databases,
        clock,
    }
}

impl World {
    async fn put_database(&self, name: &str) {
        let text = format!(
            r#"{{"dbname":"{name}","dbtype":"Protein","number-of-sequences":7,"number-of-volumes":1}}"#
        );
        let files = [
            (format!("{name}-prot-metadata.json"), text),
            (format!("{name}.phr"), "x".to_owned()),
            (format!("{name}.pin"), "x".to_owned()),
            (format!("{name}.psq"), "x".to_owned()),
        ];
        for (file, text) in files {
            let key = format!("blast-db/{name}/{file}").into();
            self.store.put(&key, text.into()).await.unwrap();
        }
    }

    async fn list(&self) -> RemoteList {
        self.databases.list(WAIT).await
    }

    /// Asks until the answer is as wanted.
    async fn until(&self, wanted: impl Fn(&RemoteList) -> bool) -> RemoteList {
        let asking = async {
            loop {
                let list = self.list().await;
                if wanted(&list) {
                    return list;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_read_with_one_listing_and_one_request_for_each_metadata_object() {
    let world = world().await;
    for name in ["nr", "swissprot"] {
        world.put_database(name).await;
    }
    world.proxy.take_requests();
    let list = world.list().await;
    assert_eq!(list.problem, None);
    let names: Vec<&str> = list
        .databases
        .iter()
        .map(|each| each.name.as_str())
        .collect();
    assert_eq!(names, ["nr", "swissprot"]);
    for database in &list.databases {
        assert_eq!(database.sequences, Some(7), "{database:?}");
        assert_eq!(database.readiness, Readiness::Ready);
    }
    let requests = world.proxy.take_requests();
    let listings = requests
        .iter()
        .filter(|seen| seen.target.contains("comp=list"));
    assert_eq!((requests.len(), listings.count()), (3, 1), "{requests:?}");
    // What was read of an unchanged object is known by its tag.
    world.clock.pass(Duration::from_secs(31));
    world.until(|list| list.as_of.unwrap().0 == 31_000).await;
    assert_eq!(world.proxy.take_requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_the_service_has_its_words() {
    for (status, words) in [
        (401, "does not accept who this server says it is"),
        (403, "Storage Blob Data Reader"),
        (503, "cannot be read"),
    ] {
        let world = world().await;
        world.proxy.set(Behaviour::Answer {
            status,
            retry_after: None,
        });
        let problem = world.list().await.problem.unwrap();
        assert!(problem.contains(words), "{status}: {problem}");
        assert!(!problem.contains("<?xml"), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_not_there_is_missing_and_not_empty() {
    let databases = BlobDatabases::new(
        Arc::new(client(Azurite::shared().blob_url().to_owned(), "nowhere")),
        Breaker::new("shelf", Arc::new(ManualClock::at(0))),
        "blast-db".into(),
        "az://account/nowhere/blast-db".to_owned(),
        Arc::new(ManualClock::at(0)),
    );
    let list = databases.list(WAIT).await;
    let problem = list.problem.unwrap();
    assert!(
        problem.starts_with("there is no az://account/nowhere"),
        "{problem}"
    );
    assert_eq!(list.as_of, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_listed_outlives_a_cut_line_and_is_renewed_after_it() {
    let world = world().await;
    world.put_database("nr").await;
    assert_eq!(world.list().await.databases.len(), 1);
    world.proxy.set(Behaviour::Cut);
    world.clock.pass(Duration::from_secs(31));
    let old = world.until(|list| list.problem.is_some()).await;
    assert_eq!((old.databases.len(), old.as_of.unwrap().0), (1, 0));
    world.proxy.set(Behaviour::Pass);
    world.clock.pass(Duration::from_secs(6));
    let renewed = world.until(|list| list.problem.is_none()).await;
    assert_eq!(renewed.as_of.unwrap().0, 37_000);
}
