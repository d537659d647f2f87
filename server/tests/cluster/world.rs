//! A namespace, a store that pods reach with databases in it, and the program.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use elb_testkit::{
    Azurite, Cluster,
    azurite::{ACCOUNT, KEY},
};
use object_store::{
    ClientOptions, ObjectStoreExt,
    azure::{
        AzureAccessKey, AzureAuthorizer, AzureCredential, MicrosoftAzure, MicrosoftAzureBuilder,
    },
    client::{HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::{Mutex, MutexGuard, OnceCell},
};

use super::{
    client::{self, Answer},
    sequences::databases,
};

/// How long anything that must happen may take; far above what it takes.
pub const PATIENCE: Duration = Duration::from_secs(240);
/// How often a test looks that waits for what no event tells of.
const LOOK: Duration = Duration::from_millis(50);
/// The container of the databases.
const DATABASES: &str = "data";
/// The databases that are put there.
const NAMES: [&str; 2] = ["genes", "proteins"];

/// What all tests of the run share.
pub struct Shared {
    pub cluster: &'static Cluster,
    pub azurite: Azurite,
    /// The image of the pods.
    pub image: String,
}

impl Shared {
    /// The image of the program itself.
    pub async fn dashboard_image(&'static self) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_elb-dashboard"));
        let making = tokio::task::spawn_blocking(|| self.cluster.image_of(program));
        making.await.unwrap()
    }
}

impl Shared {
    fn on(cluster: &'static Cluster) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_elb-dashboard"));
        let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
        let folders = program.ancestors().nth(2).expect("the target folder");
        let runner = folders.join(&target).join("debug/elb-runner");
        assert!(
            runner.is_file(),
            "{} is not there; build it: cargo build --package elb-runner --target {target}",
            runner.display()
        );
        Self {
            cluster,
            azurite: Azurite::for_pods(),
            image: cluster.image_of(&runner),
        }
    }
}

/// A cluster for tests that take something away from all of it, one after the other. It ends with the process.
pub struct Apart {
    pub shared: &'static Shared,
    /// The turn of the test that has it.
    pub turn: MutexGuard<'static, ()>,
}

/// Such a cluster, made by the first test that asks.
pub async fn apart() -> Apart {
    static APART: OnceCell<Shared> = OnceCell::const_new();
    static TURN: Mutex<()> = Mutex::const_new(());
    let turn = TURN.lock().await;
    let shared = APART.get_or_init(|| async {
        let making =
            tokio::task::spawn_blocking(|| Shared::on(Box::leak(Box::new(Cluster::start()))));
        let shared = making.await.unwrap();
        fill(&shared).await;
        shared
    });
    Apart {
        shared: shared.await,
        turn,
    }
}

/// Made by the first test that asks.
pub async fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    static FILLED: OnceCell<()> = OnceCell::const_new();
    let making =
        tokio::task::spawn_blocking(|| SHARED.get_or_init(|| Shared::on(Cluster::shared())));
    let shared = making.await.unwrap();
    FILLED.get_or_init(|| fill(shared)).await;
    shared
}

/// Puts the databases into the store.
async fn fill(shared: &Shared) {
    let url = shared.azurite.blob_url();
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.method_mut() = "PUT".parse().unwrap();
    *request.uri_mut() = format!("{url}/{DATABASES}?restype=container")
        .parse()
        .unwrap();
    let key = AzureCredential::AccessKey(AzureAccessKey::try_new(KEY).unwrap());
    AzureAuthorizer::new(&key, ACCOUNT)
        .try_authorize(&mut request)
        .unwrap();
    let options = ClientOptions::new().with_allow_http(true);
    let http = ReqwestConnector::default().connect(&options).unwrap();
    assert_eq!(http.execute(request).await.unwrap().status().as_u16(), 201);
    let store = shared.store();
    for entry in std::fs::read_dir(databases()).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        let database = file.split('.').next().unwrap();
        if NAMES.contains(&database) && !file.ends_with(".source") {
            let key = format!("blast-db/{database}/{file}");
            let content = std::fs::read(&path).unwrap();
            store.put(&key.into(), content.into()).await.unwrap();
        }
    }
}

impl Shared {
    /// The container of the databases.
    fn store(&self) -> MicrosoftAzure {
        MicrosoftAzureBuilder::new()
            .with_account(ACCOUNT)
            .with_access_key(KEY)
            .with_container_name(DATABASES)
            .with_endpoint(self.azurite.blob_url().to_owned())
            .with_allow_http(true)
            .build()
            .unwrap()
    }

    /// Puts a file of a database into the store.
    pub async fn put(&self, database: &str, file: &str, content: Vec<u8>) {
        let key = format!("blast-db/{database}/{file}");
        self.store().put(&key.into(), content.into()).await.unwrap();
    }
}

/// A namespace and a data folder of its own.
pub struct World {
    pub shared: &'static Shared,
    pub namespace: String,
    folder: TempDir,
    settings: Vec<(String, String)>,
}

impl World {
    pub async fn new() -> Self {
        Self::on(shared().await)
    }

    /// One on that cluster.
    pub fn on(shared: &'static Shared) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("elb-server-{}-{number}", std::process::id());
        let world = Self {
            shared,
            namespace: namespace.clone(),
            folder: tempfile::tempdir().unwrap(),
            settings: Vec::new(),
        };
        world.create(&json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace },
        }));
        let context = shared
            .cluster
            .kubectl(["config", "current-context"], "")
            .unwrap();
        let url = shared.azurite.blob_url();
        let at_host = shared.azurite.blob_url_at(shared.cluster.host());
        world
            .set("ELB_EXECUTOR", "kubernetes")
            .set("ELB_CLUSTERS", &format!("{}#{namespace}", context.trim()))
            .set(
                "ELB_KUBECONFIG",
                shared.cluster.kubeconfig().to_str().unwrap(),
            )
            .set("ELB_OBJECTS", &format!("az://{ACCOUNT}/objects-{number}"))
            .set(
                "ELB_DATABASES_BLOB",
                &format!("az://{ACCOUNT}/{DATABASES}/blast-db"),
            )
            .set("ELB_AZURE_BLOB_ENDPOINT", url)
            .set("ELB_POD_BLOB_ENDPOINT", &at_host)
            .set("ELB_RUNNER_IMAGE", &shared.image)
            .set("ELB_POD_CPU", "250m")
            .set("ELB_POD_MEMORY", "512Mi")
            .set("ELB_POD_PARALLEL", "2")
            // A test must not find what another one has left on the node.
            .set("ELB_POD_DATABASES", &format!("/tmp/{namespace}"))
    }

    /// With another setting.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments).unwrap()
    }

    pub fn try_kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let mut all = vec!["-n", &self.namespace];
        all.extend(arguments);
        self.shared.cluster.kubectl(all, "")
    }

    pub fn create(&self, object: &Value) {
        let arguments = ["-n", &self.namespace, "create", "-f", "-"];
        let object = object.to_string();
        self.shared.cluster.kubectl(arguments, &object).unwrap();
    }

    /// Waits until a field of an object is there: a controller writes it.
    pub async fn field(&self, object: &str, path: &str) {
        let began = Instant::now();
        let mut often = tokio::time::interval(LOOK);
        let path = format!("jsonpath={{{path}}}");
        while self.kubectl(&["get", object, "-o", &path]).is_empty() {
            assert!(began.elapsed() < PATIENCE, "{object} never gets {path}");
            often.tick().await;
        }
    }

    /// A search was made once: it has one Job, or where the server cannot number batches, one for each.
    pub fn made_once(&self, job: &Value) {
        let label = format!("elb-dashboard/job={}", job["id"].as_str().unwrap());
        let jobs = self.names("jobs", &label);
        let expected = if self.shared.cluster.numbers_batches() {
            Some(1)
        } else {
            job["progress"]["batches_total"].as_u64()
        };
        assert_eq!(Some(jobs.len() as u64), expected, "{jobs:?}");
    }

    /// Makes or changes what a manifest has.
    pub fn apply(&self, manifest: &str) {
        let arguments = ["-n", &self.namespace, "apply", "-f", "-"];
        self.shared.cluster.kubectl(arguments, manifest).unwrap();
    }

    /// Names of what is there of a kind, with this label if one is given.
    pub fn names(&self, kind: &str, label: &str) -> Vec<String> {
        let mut arguments = vec!["get", kind, "-o", "name"];
        if !label.is_empty() {
            arguments.extend(["-l", label]);
        }
        self.kubectl(&arguments)
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_elb-dashboard"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .arg("--data-dir")
            .arg(self.data())
            .args(["--listen", "127.0.0.1:0", "--examples", "false"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        command
    }

    /// The program with its searches on the cluster.
    pub async fn start(&self) -> Program {
        let mut command = self.command();
        command.envs(self.settings.iter().cloned());
        Program::start(command).await
    }

    /// The same, which is killed at a point between two side effects.
    pub async fn start_to_be_killed(&self, point: &str) -> Program {
        let mut command = self.command();
        command.envs(self.settings.iter().cloned());
        command.env("ELB_CRASH_AT", point);
        Program::start(command).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let arguments = ["delete", "namespace", &self.namespace, "--wait=false"];
        self.shared.cluster.kubectl(arguments, "").ok();
    }
}

/// The program on this machine alone, with the same databases in a folder.
pub async fn alone(data: &Path) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elb-dashboard"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .arg("--data-dir")
        .arg(data)
        .arg("--databases")
        .arg(databases())
        .args(["--listen", "127.0.0.1:0", "--examples", "false"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    Program::start(command).await
}

/// The program, while it runs.
pub struct Program {
    child: Child,
    pub address: SocketAddr,
}

impl Program {
    async fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = loop {
            let line = lines.next_line().await.unwrap();
            let Some(line) = line else {
                panic!("the program ends before it listens: {said:#?}");
            };
            if let Some(address) = line.strip_prefix("listening on http://") {
                break address.trim().parse().unwrap();
            }
            said.push(line);
        };
        // Read on, so that the program never waits for its reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, address }
    }

    /// The one that runs in the cluster, by way of the API server.
    pub async fn forwarded(world: &World) -> Self {
        let cluster = world.shared.cluster;
        let mut command = Command::new(cluster.kubectl_path());
        command
            .env("KUBECONFIG", cluster.kubeconfig())
            .args([
                "-n",
                &world.namespace,
                "port-forward",
                "deployment/elb-dashboard",
                ":3000",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines
            .next_line()
            .await
            .unwrap()
            .expect("nothing is forwarded");
        let address = line
            .strip_prefix("Forwarding from ")
            .and_then(|rest| rest.split_once(" ->"))
            .and_then(|(address, _)| address.parse().ok());
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            child,
            address: address.unwrap_or_else(|| panic!("{line}")),
        }
    }

    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it does not end").unwrap()
    }

    pub async fn try_submit(
        &self,
        program: &str,
        database: &str,
        query: &str,
    ) -> std::io::Result<Answer> {
        let body = json!({ "program": program, "database": database, "query": query }).to_string();
        let headers = [("content-type", "application/json")];
        client::ask(self.address, "POST", "/api/blast/jobs", &headers, &body).await
    }

    /// Submits a search; its id.
    pub async fn submit(&self, program: &str, database: &str, query: &str) -> String {
        let answer = self.try_submit(program, database, query).await.unwrap();
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()["job_id"].as_str().unwrap().to_owned()
    }

    pub async fn post(&self, path: &str) -> Value {
        let headers = [("content-type", "application/json")];
        let answer = client::ask(self.address, "POST", path, &headers, "")
            .await
            .unwrap();
        assert!(answer.is_success(), "{}", answer.text());
        answer.json()
    }

    /// What is told of the only namespace that is watched.
    pub async fn place(&self) -> Value {
        let answer = client::get(self.address, "/api/monitor/clusters").await;
        answer.unwrap().json()["clusters"][0].clone()
    }

    /// Looks at it again and again until it is as wanted.
    pub async fn until_place(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut looks = tokio::time::interval(LOOK);
        let looking = async {
            loop {
                looks.tick().await;
                let place = self.place().await;
                if wanted(&place) {
                    return place;
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, looking).await;
        found.unwrap_or_else(|_| panic!("it is never seen so"))
    }

    pub async fn job(&self, id: &str) -> Value {
        let answer = client::get(self.address, &format!("/api/blast/jobs/{id}")).await;
        answer.unwrap().json()
    }

    /// Waits until the job is as wanted, woken by the stream of events.
    pub async fn until(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let job = self.job(id).await;
            if wanted(&job) {
                return job;
            }
            let left = PATIENCE.saturating_sub(began.elapsed());
            // The stream begins with what has happened since the revision that is known, if any.
            let mut events = 0;
            let next = client::follow(self.address, "/api/blast/events", None, |line| {
                events += usize::from(line.starts_with("data:") && line.contains(id));
                // The first is what there is; a look after it misses nothing.
                events < 2
            });
            let seen = tokio::time::timeout(left.min(Duration::from_secs(2)), next).await;
            drop(seen);
            assert!(!left.is_zero(), "it never becomes so: {job:#}");
        }
    }

    /// Waits for its end; it must be a good one.
    pub async fn complete(&self, id: &str) -> Value {
        let job = self.until(id, has_ended).await;
        assert_eq!(job["phase"], "completed", "{job:#}");
        job
    }

    /// The table of its HSPs, all of them.
    pub async fn hsps(&self, id: &str) -> String {
        let path = format!("/api/blast/jobs/{id}/results?format=hsps");
        let answer = client::get(self.address, &path).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }
}

pub fn has_ended(job: &Value) -> bool {
    ["completed", "failed", "cancelled", "worker_lost"]
        .iter()
        .any(|phase| job["phase"] == *phase)
}

/// Why it stands still.
pub fn reason(job: &Value) -> &str {
    job["reason"].as_str().unwrap_or_default()
}
