//! A stand-in for the services that give tokens to Azure's identities.
//!
//! Owns the tokens that it has given and the requests that came. It speaks as Microsoft Entra does (client
//! secret, client assertion) and as a host does for its managed identity (App Service, virtual machine),
//! and refuses what they refuse. Tokens are signed by nobody, which the emulator of Azure Storage accepts;
//! their times count. It speaks plain HTTP: [`Authority::before`](crate::tls::Authority::before) adds TLS.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
};

mod speech;
mod token;

/// The tenant that it knows.
pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";
/// The application, or user-assigned identity, that it knows.
pub const CLIENT: &str = "66666666-7777-8888-9999-000000000000";
/// Its secret.
pub const SECRET: &str = "s3cret-of-the-test/+&=";
/// What the host of a managed identity demands in `x-identity-header`.
pub const HEADER: &str = "header-of-the-test";
/// What a token must be asked for.
const RESOURCE: &str = "https://storage.azure.com";

/// What it does with requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manner {
    /// Gives tokens to who may have them.
    Gives,
    /// Answers everything with this status, and in its service's words.
    Refuses {
        /// The status.
        status: u16,
        /// Seconds of a `Retry-After` head.
        retry_after: Option<u32>,
    },
    /// Takes requests and does not answer until that changes.
    Waits,
    /// Closes each connection when a request comes.
    Closes,
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The path.
    pub path: String,
    /// What was given in the query or in the form, decoded.
    pub fields: Vec<(String, String)>,
}

impl Asked {
    /// A field's value.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What all connections share.
struct Shared {
    manner: watch::Sender<Manner>,
    state: Mutex<State>,
}

struct State {
    asked: Vec<Asked>,
    given: Vec<String>,
    /// How long tokens live.
    life: Duration,
    /// The one assertion that is accepted.
    assertion: String,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stand-in; it ends, with all its connections, when it is dropped.
pub struct IdentityService {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl fmt::Debug for IdentityService {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("IdentityService")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl IdentityService {
    /// Starts one on a free port. Its tokens live an hour.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            manner: watch::Sender::new(Manner::Gives),
            state: Mutex::new(State {
                asked: Vec::new(),
                given: Vec::new(),
                life: Duration::from_secs(3_600),
                assertion: String::new(),
            }),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// `http://ADDRESS:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it does from now on.
    pub fn set(&self, manner: Manner) {
        self.shared.manner.send_replace(manner);
    }

    /// How long tokens live from now on, in whole seconds.
    pub fn set_life(&self, life: Duration) {
        self.shared.state().life = life;
    }

    /// The one client assertion that is accepted from now on.
    pub fn set_assertion(&self, assertion: &str) {
        assertion.clone_into(&mut self.shared.state().assertion);
    }

    /// The requests that have come, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.state().asked.clone()
    }

    /// The tokens that were given, in order.
    #[must_use]
    pub fn given(&self) -> Vec<String> {
        self.shared.state().given.clone()
    }
}

impl Drop for IdentityService {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(speech::serve(client, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

fn seconds_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}
