//! A server that proves who it is with tokens: over TLS, from services that speak as those of Azure do, to
//! an emulator that looks at the tokens' issuer, audience and times.

use std::time::{Duration, Instant};

use elb_testkit::{
    Authority, Azurite, Behaviour, FaultProxy, IdentityService,
    azurite::ACCOUNT,
    identity::{CLIENT, HEADER, Manner, SECRET, TENANT},
    tls::Relay,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::{
    running::{Running, outcome, program},
    support::{eventually, genes},
    two_servers::completed,
};

/// The role that a refusal must name.
const ROLE: &str = "Storage Table Data Contributor";

/// A service of the emulator, with TLS on the way to it and someone who looks on.
struct Watched {
    proxy: FaultProxy,
    /// Where it is, over TLS.
    url: String,
    _tls: [Relay; 2],
}

impl Watched {
    async fn before(url: &str) -> Self {
        let authority = Authority::shared();
        let behind = authority.towards(url).await;
        let plain = behind.instead_of(url);
        let proxy = FaultProxy::before(&plain).await;
        let plain = proxy.instead_of(&plain);
        let before = authority.before(&plain).await;
        Self {
            proxy,
            url: before.instead_of(&plain),
            _tls: [before, behind],
        }
    }

    /// Refuses a token from now on, as if it had been revoked.
    fn revoke(&self, token: String) {
        self.proxy.set_next_where(
            usize::MAX,
            move |seen| seen.token.as_ref() == Some(&token),
            NOT_ACCEPTED,
        );
    }

    /// Whether a request has had this token.
    fn has_seen(&self, token: &String) -> bool {
        let requests = self.proxy.requests();
        requests.iter().any(|one| one.token.as_ref() == Some(token))
    }
}

/// What is answered to a token that is not accepted.
const NOT_ACCEPTED: Behaviour = Behaviour::Answer {
    status: 401,
    retry_after: None,
};

/// Services of Azure on this machine, and what a server must be told to find them.
struct Azure {
    folder: TempDir,
    identity: IdentityService,
    /// Puts TLS before the identity service.
    identity_tls: Relay,
    table: Watched,
    blobs: Watched,
    store: String,
    objects: String,
}

impl Azure {
    async fn start() -> Self {
        let azurite = Azurite::shared_over_tls();
        let identity = IdentityService::start().await;
        let identity_tls = Authority::shared().before(&identity.url()).await;
        let table = Watched::before(azurite.table_url()).await;
        let name = uuid::Uuid::new_v4().simple();
        Self {
            store: format!("azure-tables:{}/t{name}", table.url),
            objects: format!("az://{ACCOUNT}/c{name}"),
            folder: tempfile::tempdir().unwrap(),
            blobs: Watched::before(azurite.blob_url()).await,
            identity,
            identity_tls,
            table,
        }
    }

    /// The same program with its objects in a container.
    fn with_blobs(&self, mut command: Command) -> Command {
        command
            .env("ELB_OBJECTS", &self.objects)
            .env("ELB_AZURE_BLOB_ENDPOINT", &self.blobs.url);
        command
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn assertion_file(&self) -> std::path::PathBuf {
        self.folder.path().join("assertion")
    }

    /// Writes the file of a workload identity as Kubernetes does, and accepts nothing else from now on.
    fn assert(&self, assertion: &str) {
        self.identity.set_assertion(assertion);
        let next = self.folder.path().join("next");
        std::fs::write(&next, assertion).unwrap();
        std::fs::rename(next, self.assertion_file()).unwrap();
    }

    /// The program, told of the table, of an identity and of nothing more than that identity needs.
    fn program(&self, identity: &str) -> Command {
        let mut command = program();
        let trusted = Authority::shared().file_in(self.folder.path());
        command
            .env("SSL_CERT_FILE", trusted)
            .env("ELB_STORE", &self.store)
            .env("ELB_AZURE_AUTH", identity);
        let entra = self.identity_tls.instead_of(&self.identity.url());
        if identity == "managed-identity" {
            command
                .env("IDENTITY_ENDPOINT", format!("{entra}/msi/token"))
                .env("IDENTITY_HEADER", HEADER);
            return command;
        }
        command
            .env("AZURE_AUTHORITY_HOST", entra)
            .env("AZURE_TENANT_ID", TENANT)
            .env("AZURE_CLIENT_ID", CLIENT);
        if identity == "client-secret" {
            command.env("AZURE_CLIENT_SECRET", SECRET);
        } else {
            command.env("AZURE_FEDERATED_TOKEN_FILE", self.assertion_file());
        }
        command
    }

    async fn server(&self, command: Command) -> Running {
        Running::start_with(&self.data(), command, &[]).await
    }

    /// Starts a server that must not come up; what it says.
    async fn complaint(&self, mut command: Command) -> String {
        command.arg("--data-dir").arg(self.data());
        command.args(["--listen", "127.0.0.1:0", "--examples", "false"]);
        let (status, _, err) = outcome(command).await;
        assert!(!status.success(), "{err}");
        err
    }

    /// That all requests have had one of the tokens.
    fn assert_signed(&self) {
        let given = self.identity.given();
        let all = [&self.table, &self.blobs].map(|service| service.proxy.requests());
        for request in all.into_iter().flatten() {
            assert!(
                request
                    .token
                    .as_ref()
                    .is_some_and(|token| given.contains(token)),
                "{request:?}"
            );
        }
    }
}

fn small() -> Value {
    json!({ "program": "blastn", "database": "few_genes", "query": genes(0, 1) })
}

async fn search(server: &Running) {
    let id = server.submit(&small()).await;
    completed(server, &id).await;
}

fn warnings(server: &Running) -> Vec<String> {
    let bad = |line: &String| line.contains("WARN") || line.contains("ERROR");
    server.log().into_iter().filter(bad).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_identity_opens_table_and_objects_with_one_token() {
    let azure = Azure::start().await;
    let command = azure.with_blobs(azure.program("managed-identity"));
    let server = azure.server(command).await;
    search(&server).await;
    assert!(!azure.data().join("objects").exists());
    assert!(!azure.blobs.proxy.requests().is_empty());
    azure.assert_signed();
    let asked = azure.identity.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].path, "/msi/token");
    assert_eq!(
        asked[0].field("resource"),
        Some("https://storage.azure.com")
    );
    assert_eq!(warnings(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_identity_sends_its_file_as_it_is_at_that_time() {
    let azure = Azure::start().await;
    azure.assert("first assertion");
    azure.identity.set_life(Duration::from_secs(6));
    let server = azure.server(azure.program("workload-identity")).await;
    search(&server).await;
    azure.assert("second/assertion+");
    let before = azure.identity.given().len();
    eventually("a token for the second assertion is used", || {
        let given = azure.identity.given();
        given
            .iter()
            .skip(before)
            .any(|token| azure.table.has_seen(token))
    })
    .await;
    search(&server).await;
    azure.assert_signed();
    let sent: Vec<_> = azure
        .identity
        .asked()
        .iter()
        .map(|asked| asked.field("client_assertion").unwrap().to_owned())
        .collect();
    let second = sent.iter().position(|sent| sent == "second/assertion+");
    let (first, second) = sent.split_at(second.unwrap());
    assert!(first.iter().all(|sent| sent == "first assertion"));
    assert!(
        second.iter().all(|sent| sent == "second/assertion+"),
        "{sent:?}"
    );
    assert_eq!(warnings(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_opens_the_table_and_a_wrong_one_is_told() {
    let azure = Azure::start().await;
    let server = azure.server(azure.program("client-secret")).await;
    search(&server).await;
    azure.assert_signed();
    let asked = azure.identity.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].field("client_secret"), Some(SECRET));
    server.kill().await;
    let mut wrong = azure.program("client-secret");
    wrong.env("AZURE_CLIENT_SECRET", "wr0ng-secret");
    let error = azure.complaint(wrong).await;
    assert!(error.contains("invalid_client: AADSTS7000215"), "{error}");
    assert!(
        error.contains("check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"),
        "{error}"
    );
    assert!(!error.contains("wr0ng"), "{error}");
    assert_eq!(azure.identity.asked().len(), 2, "it is not asked again");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_before_they_end_once_each_and_no_request_fails() {
    let azure = Azure::start().await;
    let began = Instant::now();
    let life = Duration::from_secs(8);
    azure.identity.set_life(life);
    let server = azure.server(azure.program("managed-identity")).await;
    while azure.identity.given().len() < 4 {
        search(&server).await;
    }
    azure.assert_signed();
    // Each lives at least a second less than that, because their times are in whole seconds.
    let most = began.elapsed().as_secs() / (life.as_secs() / 2 - 1) + 1;
    let asked = azure.identity.asked().len();
    assert!(asked as u64 <= most, "{asked} in {:?}", began.elapsed());
    assert_eq!(warnings(&server), [""; 0]);
}

/// The token at hand is revoked for one service.
async fn revoked_for(service: impl Fn(&Azure) -> &Watched) {
    let azure = Azure::start().await;
    let command = azure.with_blobs(azure.program("managed-identity"));
    let server = azure.server(command).await;
    search(&server).await;
    let service = service(&azure);
    service.revoke(azure.identity.given().remove(0));
    search(&server).await;
    eventually("the second token is used", || {
        let given = azure.identity.given();
        given.get(1).is_some_and(|token| service.has_seen(token))
    })
    .await;
    search(&server).await;
    assert_eq!(azure.identity.asked().len(), 2);
    assert_eq!(warnings(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_table_refuses_is_asked_for_anew_once() {
    revoked_for(|azure| &azure.table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_objects_refuse_is_asked_for_anew_once() {
    revoked_for(|azure| &azure.blobs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn if_no_token_is_accepted_the_role_is_named_and_the_identity_service_is_spared() {
    let azure = Azure::start().await;
    let server = azure.server(azure.program("managed-identity")).await;
    search(&server).await;
    let began = Instant::now();
    azure.table.proxy.set(NOT_ACCEPTED);
    let list = server
        .wait_until("/api/blast/jobs", |list| list["stale"].is_string())
        .await;
    let reason = list["stale"].as_str().unwrap();
    assert!(
        reason.contains(ROLE) && reason.contains("ELB_AZURE_AUTH"),
        "{reason}"
    );
    let most = 2 + began.elapsed().as_secs() / 10;
    assert!(azure.identity.asked().len() as u64 <= most);
    azure.table.proxy.set(Behaviour::Pass);
    server
        .wait_until("/api/blast/jobs", |list| list["stale"].is_null())
        .await;
    search(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_identity_service_is_in_trouble_says_so_and_ends_in_time() {
    let azure = Azure::start().await;
    let refuses = |status, retry_after| Manner::Refuses {
        status,
        retry_after,
    };
    for (manner, words) in [
        (
            refuses(500, None),
            "managed-identity gives no token: the identity service answers 500",
        ),
        (refuses(429, Some(60)), "and asks to wait 60 s"),
        (refuses(400, None), "AZURE_CLIENT_ID names one of its own"),
        (
            Manner::Closes,
            "the identity service at 127.0.0.1 cannot be reached",
        ),
        (Manner::Waits, "has given no token within"),
    ] {
        azure.identity.set(manner.clone());
        let began = Instant::now();
        let error = azure.complaint(azure.program("managed-identity")).await;
        assert!(error.contains(words), "{manner:?}: {error}");
        // Nobody waits for the minute that one of them asks for.
        assert!(began.elapsed() < Duration::from_secs(60), "{manner:?}");
    }
    assert!(
        azure.table.proxy.requests().is_empty(),
        "nothing is asked without a token"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_token_has_ended_goes_on_when_the_identity_service_is_back() {
    let azure = Azure::start().await;
    azure.identity.set_life(Duration::from_secs(6));
    let server = azure.server(azure.program("managed-identity")).await;
    search(&server).await;
    azure.identity.set(Manner::Refuses {
        status: 503,
        retry_after: None,
    });
    let list = server
        .wait_until("/api/blast/jobs", |list| list["stale"].is_string())
        .await;
    let reason = list["stale"].as_str().unwrap();
    assert!(
        reason.contains("the identity service answers 503"),
        "{reason}"
    );
    let began = Instant::now();
    let refused = server.get("/api/health/ready").await;
    assert_eq!(refused["ready"], false, "{refused:#}");
    assert!(began.elapsed() < Duration::from_secs(30));
    azure.identity.set(Manner::Gives);
    server
        .wait_until("/api/blast/jobs", |list| list["stale"].is_null())
        .await;
    search(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_trusted_gets_neither_secret_nor_token() {
    let azure = Azure::start().await;
    let other = azure.folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let other = Authority::new().file_in(&other);
    // The identity service's certificate is of nobody whom the server knows.
    let mut command = azure.program("client-secret");
    command.env("SSL_CERT_FILE", &other);
    let error = azure.complaint(command).await;
    assert!(
        error.contains("the identity service at 127.0.0.1 is not trusted"),
        "{error}"
    );
    assert!(error.contains("SSL_CERT_FILE"), "{error}");
    assert!(azure.identity.asked().is_empty());
    // That of the table neither.
    let mut command = azure.program("managed-identity");
    command.env("SSL_CERT_FILE", &other).env(
        "IDENTITY_ENDPOINT",
        format!("{}/msi/token", azure.identity.url()),
    );
    let error = azure.complaint(command).await;
    assert!(error.contains("its certificate is not trusted"), "{error}");
    assert!(error.contains("SSL_CERT_FILE"), "{error}");
    assert_eq!(azure.identity.asked().len(), 1);
    // That of the objects neither.
    let mut command = azure.with_blobs(azure.program("managed-identity"));
    command
        .env("SSL_CERT_FILE", &other)
        .env("ELB_STORE", "sqlite:")
        .env(
            "IDENTITY_ENDPOINT",
            format!("{}/msi/token", azure.identity.url()),
        );
    let error = azure.complaint(command).await;
    assert!(
        error.contains("is not trusted: invalid peer certificate"),
        "{error}"
    );
    for service in [&azure.table, &azure.blobs] {
        assert!(service.proxy.requests().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_goes_over_plain_http() {
    let azure = Azure::start().await;
    let mut command = azure.program("managed-identity");
    command.env("IDENTITY_ENDPOINT", "http://identity.example.org/msi/token");
    let error = azure.complaint(command).await;
    assert!(
        error.contains("identity.example.org would be asked over plain http"),
        "{error}"
    );
    let mut command = azure.program("client-secret");
    command.env("AZURE_AUTHORITY_HOST", azure.identity.url());
    let error = azure.complaint(command).await;
    assert!(error.contains("HTTPS"), "{error}");
    let mut command = azure.program("managed-identity");
    command.env(
        "ELB_STORE",
        format!("azure-tables:{}", Azurite::shared().table_url()),
    );
    let error = azure.complaint(command).await;
    assert!(error.contains("no https address"), "{error}");
    assert!(azure.identity.asked().is_empty());
}

/// Everything that must never be read anywhere.
fn secrets(azure: &Azure) -> Vec<String> {
    let mut secrets = azure.identity.given();
    secrets.extend([SECRET, "an-assertion-of-the-test", HEADER].map(str::to_owned));
    // As they are in a form.
    secrets.push("s3cret-of-the-test".to_owned());
    secrets
}

fn assert_silent(azure: &Azure, text: &str) {
    for secret in secrets(azure) {
        if let Some(at) = text.find(&secret) {
            let line = text[..at].rsplit('\n').next().unwrap_or_default();
            panic!("{secret} is shown after {line:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_and_no_secret_is_ever_logged_or_shown() {
    for identity in ["managed-identity", "workload-identity", "client-secret"] {
        let azure = Azure::start().await;
        azure.assert("an-assertion-of-the-test");
        let mut command = azure.program(identity);
        command.env("ELB_LOG", "trace");
        let server = azure.server(command).await;
        search(&server).await;
        azure.table.proxy.set(NOT_ACCEPTED);
        let list = server
            .wait_until("/api/blast/jobs", |list| list["stale"].is_string())
            .await;
        let shown = format!("{list}{}", server.get("/api/health/ready").await);
        assert_silent(&azure, &shown);
        let log = server.log();
        assert!(log.iter().any(|line| line.contains("TRACE")), "it does log");
        assert_silent(&azure, &log.join("\n"));
        assert!(azure.identity.given().len() > 1);
    }
}
