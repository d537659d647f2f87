//! Azure Blob Storage: the emulator, through a line that fails on demand.

use std::{fs, process::Command, time::Duration};

use elb_testkit::{
    Azurite, Behaviour, FaultProxy,
    azurite::{ACCOUNT, KEY},
};
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt,
    azure::{AzureAccessKey, AzureAuthorizer, AzureCredential, MicrosoftAzureBuilder},
    client::{HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector},
    path::Path as Key,
};
use rustix::process::Signal;

use crate::support::{BLASTN, Ended, PATIENCE, Pod, World, files, wait_until};

/// A node, and a container of its own behind a proxy.
struct Cloud {
    world: World,
    proxy: FaultProxy,
    store: Box<dyn ObjectStore>,
    container: String,
}

/// Makes a container, which a store of `object_store` cannot.
async fn make_container(name: &str) {
    let url = format!("{}/{name}?restype=container", Azurite::shared().blob_url());
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.method_mut() = "PUT".parse().unwrap();
    *request.uri_mut() = url.parse().unwrap();
    let key = AzureCredential::AccessKey(AzureAccessKey::try_new(KEY).unwrap());
    AzureAuthorizer::new(&key, ACCOUNT)
        .try_authorize(&mut request)
        .unwrap();
    let options = ClientOptions::new().with_allow_http(true);
    let client = ReqwestConnector::default().connect(&options).unwrap();
    let answer = client.execute(request).await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
}

impl Cloud {
    async fn new() -> Self {
        let container = format!("c{}", uuid::Uuid::new_v4().simple());
        make_container(&container).await;
        let store = MicrosoftAzureBuilder::new()
            .with_account(ACCOUNT)
            .with_access_key(KEY)
            .with_container_name(&container)
            .with_endpoint(Azurite::shared().blob_url().to_owned())
            .with_allow_http(true)
            .build()
            .unwrap();
        let cloud = Self {
            world: World::new(),
            proxy: FaultProxy::before(Azurite::shared().blob_url()).await,
            store: Box::new(store),
            container,
        };
        for (name, content) in files(&cloud.world.source()) {
            cloud.put(&format!("db/tiny/{name}"), content).await;
        }
        cloud.proxy.take_requests();
        cloud
    }

    async fn put(&self, key: &str, content: Vec<u8>) {
        let key = Key::parse(key).unwrap();
        self.store.put(&key, content.into()).await.unwrap();
    }

    fn connected(&self, mut command: Command) -> Command {
        let endpoint = self.proxy.instead_of(Azurite::shared().blob_url());
        command
            .env("ELB_AZURE_BLOB_ENDPOINT", endpoint)
            .env("ELB_AZURE_KEY", KEY);
        command
    }

    fn stager(&self) -> Command {
        let mut command = self.connected(self.world.stager());
        let place = format!("az://{ACCOUNT}/{}/db/tiny", self.container);
        command.env("ELB_DB_SOURCE", place);
        command
    }

    fn searcher(&self) -> Command {
        let mut command = self.connected(self.world.searcher(3, &BLASTN));
        let place = format!("az://{ACCOUNT}/{}/job", self.container);
        command
            .env("ELB_QUERY", format!("{place}/queries/{{batch}}.fa"))
            .env("ELB_BATCH_RESULTS", format!("{place}/batches/{{batch}}"));
        command
    }

    fn assert_whole(&self) {
        let mut copied = files(&self.world.copy());
        copied.remove(0);
        assert!(copied == files(&self.world.source()), "the copy is another");
        assert_eq!(self.world.leftovers(), Vec::<String>::new());
    }
}

/// Runs a pod to its end beside the proxy.
async fn ended(command: Command) -> Ended {
    let pod = tokio::task::spawn_blocking(|| Pod::start(command).end());
    let ended = tokio::time::timeout(PATIENCE, pod).await.unwrap().unwrap();
    let told = format!("{ended:?}");
    assert!(!told.contains(KEY), "a secret was told: {told}");
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_comes_from_blobs_once_and_its_checksums_are_kept() {
    let cloud = Cloud::new().await;
    ended(cloud.stager()).await.expect(0);
    cloud.assert_whole();
    let marker = fs::read_to_string(cloud.world.copy().join(".complete.json")).unwrap();
    assert!(marker.contains("\"md5\": \""), "{marker}");
    assert!(cloud.proxy.count("GET", "tiny.nsq") == 1);
    cloud.proxy.take_requests();
    let again = ended(cloud.stager()).await.expect(0);
    assert!(again.report().already);
    // One listing, and nothing of a file.
    assert_eq!(cloud.proxy.take_requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_was_killed_in_the_middle_leaves_nothing_to_the_next() {
    let cloud = Cloud::new().await;
    let waits = Behaviour::Slow(Duration::from_secs(3_600));
    cloud
        .proxy
        .set_next_where(1, |seen| seen.path().ends_with("tiny.nsq"), waits);
    let pod = Pod::start(cloud.stager());
    let proxy = &cloud.proxy;
    tokio::task::block_in_place(|| {
        wait_until("the middle", || proxy.count("GET", "tiny.nsq") == 1);
    });
    assert_eq!(cloud.world.leftovers().len(), 1);
    pod.signal(Signal::KILL);
    let killed = tokio::task::spawn_blocking(|| pod.end()).await.unwrap();
    assert_eq!((killed.code, killed.report), (None, None));
    assert!(!cloud.world.copy().exists());
    let next = ended(cloud.stager()).await.expect(0);
    assert!(
        next.stdout.contains("left by an earlier attempt"),
        "{}",
        next.stdout
    );
    cloud.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_told_to_end_in_the_middle_removes_what_it_has() {
    let cloud = Cloud::new().await;
    let waits = Behaviour::Slow(Duration::from_secs(3_600));
    cloud
        .proxy
        .set_next_where(1, |seen| seen.path().ends_with("tiny.nsq"), waits);
    let pod = Pod::start(cloud.stager());
    let proxy = &cloud.proxy;
    tokio::task::block_in_place(|| {
        wait_until("the middle", || proxy.count("GET", "tiny.nsq") == 1);
    });
    pod.signal(Signal::TERM);
    tokio::task::spawn_blocking(|| pod.end())
        .await
        .unwrap()
        .expect(143);
    assert!(!cloud.world.copy().exists());
    assert_eq!(cloud.world.leftovers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_outage_is_waited_for_and_a_long_one_ends_in_75() {
    let cloud = Cloud::new().await;
    let busy = Behaviour::Answer {
        status: 503,
        retry_after: None,
    };
    // More than the store's client repeats by itself.
    cloud.proxy.set_next(4, busy.clone());
    let mut patient = cloud.stager();
    patient.env("ELB_RETRY_FOR", "60");
    let waited = ended(patient).await.expect(0);
    assert!(waited.stdout.contains("once more in"), "{}", waited.stdout);
    cloud.assert_whole();
    cloud.proxy.set(busy);
    let given_up = ended(cloud.stager()).await.expect(75);
    assert!(given_up.error().contains("db/tiny"), "{}", given_up.error());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_not_there_is_a_wrong_setting() {
    let cloud = Cloud::new().await;
    let mut command = cloud.stager();
    command.env("ELB_DB_SOURCE", format!("az://{ACCOUNT}/nowhere/db/tiny"));
    let refused = ended(command).await.expect(78);
    assert!(
        refused.error().contains("there is no az://"),
        "{}",
        refused.error()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_that_is_not_what_its_checksum_says_does_not_stay() {
    let cloud = Cloud::new().await;
    let head = cloud
        .store
        .head(&Key::from("db/tiny/tiny.nsq"))
        .await
        .unwrap();
    let size = head.size;
    let answer = [
        "HTTP/1.1 206 Partial Content".to_owned(),
        format!("content-length: {size}"),
        format!("content-range: bytes 0-{}/{size}", size - 1),
        format!("etag: {}", head.e_tag.unwrap()),
        "last-modified: Mon, 02 Jan 2023 03:04:05 GMT".to_owned(),
        "x-ms-blob-content-md5: Q2hlY2sgSW50ZWdyaXR5IQ==".to_owned(),
        "\r\n".to_owned(),
    ];
    let mut answer = answer.join("\r\n").into_bytes();
    answer.extend(fs::read(cloud.world.source().join("tiny.nsq")).unwrap());
    let chosen = |seen: &elb_testkit::Seen| seen.path().ends_with("tiny.nsq");
    cloud
        .proxy
        .set_next_where(1, chosen, Behaviour::Give(answer.into()));
    let refused = ended(cloud.stager()).await.expect(76);
    assert!(
        refused
            .error()
            .contains("tiny.nsq is not what its checksum"),
        "{}",
        refused.error()
    );
    assert!(!cloud.world.copy().exists());
    assert_eq!(cloud.world.leftovers(), Vec::<String>::new());
    ended(cloud.stager()).await.expect(0);
    cloud.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_from_blobs_to_blobs_and_is_done_once_even_if_an_answer_is_lost() {
    let cloud = Cloud::new().await;
    ended(cloud.stager()).await.expect(0);
    cloud.world.put_query(3);
    let query = fs::read(cloud.world.path("queries/00003.fa")).unwrap();
    cloud.put("job/queries/00003.fa", query).await;
    let marks =
        |seen: &elb_testkit::Seen| seen.method == "PUT" && seen.path().ends_with("done.json");
    cloud.proxy.set_next_where(1, marks, Behaviour::LoseAnswer);
    let first = ended(cloud.searcher()).await.expect(0);
    assert!(!first.report().already, "{first:?}");
    let again = ended(cloud.searcher()).await.expect(0);
    assert!(again.report().already && !again.stdout.contains("blastn begins"));
    assert_eq!(again.report().sha256, first.report().sha256);
    let folder = Key::from("job/batches/00003");
    let listed = cloud
        .store
        .list_with_delimiter(Some(&folder))
        .await
        .unwrap();
    let sizes: Vec<u64> = listed.objects.iter().map(|object| object.size).collect();
    assert_eq!((sizes.len(), sizes[0]), (2, first.report().bytes));
}
