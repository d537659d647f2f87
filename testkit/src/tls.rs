//! TLS with certificates of an authority that is made for the test and known to nobody else.
//!
//! Owns the authority, its certificates for this machine's own addresses, and relays that put TLS before a
//! service which has none, or take it away from one that has. Private keys exist for one test.

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::aws_lc_rs::default_provider,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    },
};

/// What the certificates are for.
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// An authority, and the certificate of all its services.
pub struct Authority {
    /// Its own certificate, that of its services, and their key, as PEM.
    pem: String,
    service_pem: String,
    service_key: String,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl fmt::Debug for Authority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Authority")
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// If no key or no file can be made.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        let name = "elb-dashboard test authority";
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = NAMES.map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        let certificate = params.signed_by(&key, &authority).unwrap();

        let provider = Arc::new(default_provider());
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            pem: authority.pem(),
            service_pem: certificate.pem(),
            service_key: key.serialize_pem(),
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
        }
    }

    /// One that all tests of the process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Authority> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    /// Writes its certificate into a folder, as a client's file of trusted ones.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn file_in(&self, folder: &Path) -> PathBuf {
        written(folder, "authority.pem", &self.pem)
    }

    /// Writes the certificate and the key of its services into a folder, for one that does TLS itself.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn service_files_in(&self, folder: &Path) -> (PathBuf, PathBuf) {
        (
            written(folder, "service.pem", &self.service_pem),
            written(folder, "service.key", &self.service_key),
        )
    }

    /// Puts TLS before a service at an `http://ADDRESS:PORT/…`.
    ///
    /// # Panics
    /// As [`Self::towards`].
    pub async fn before(&self, upstream: &str) -> Relay {
        Relay::start(upstream, Way::Adds(self.acceptor.clone())).await
    }

    /// Takes TLS away from a service at an `https://ADDRESS:PORT/…` whose certificate is of this authority.
    ///
    /// # Panics
    /// If the address is not one, or there is no free port.
    pub async fn towards(&self, upstream: &str) -> Relay {
        Relay::start(upstream, Way::Takes(self.connector.clone())).await
    }
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// What a relay does with TLS.
#[derive(Clone)]
enum Way {
    Adds(TlsAcceptor),
    Takes(TlsConnector),
}

/// A relay; it ends, with all its connections, when it is dropped.
pub struct Relay {
    /// `http://ADDRESS:PORT` of the service, or the same with https.
    upstream: String,
    here: String,
    accepting: JoinHandle<()>,
}

impl fmt::Debug for Relay {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Relay from {} to {}", self.here, self.upstream)
    }
}

impl Relay {
    async fn start(upstream: &str, way: Way) -> Self {
        let (scheme, other) = match way {
            Way::Adds(_) => ("http://", "https"),
            Way::Takes(_) => ("https://", "http"),
        };
        let rest = upstream
            .strip_prefix(scheme)
            .expect("the relay was given the other scheme");
        let authority = rest.split('/').next().unwrap_or(rest);
        let to: SocketAddr = authority
            .parse()
            .expect("the relay wants an address with a port");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = format!("{other}://{}", listener.local_addr().unwrap());
        Self {
            upstream: format!("{scheme}{authority}"),
            here,
            accepting: tokio::spawn(accept(listener, to, way)),
        }
    }

    /// The address of something of the service, by way of this relay.
    #[must_use]
    pub fn instead_of(&self, url: &str) -> String {
        url.replacen(&self.upstream, &self.here, 1)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, way: Way) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(relay(client, to, way.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection to its end. How it ends is up to both sides.
async fn relay(client: TcpStream, to: SocketAddr, way: Way) -> io::Result<()> {
    client.set_nodelay(true)?;
    match way {
        Way::Adds(acceptor) => {
            let mut client = acceptor.accept(client).await?;
            let mut service = TcpStream::connect(to).await?;
            service.set_nodelay(true)?;
            copy_bidirectional(&mut client, &mut service).await?;
        }
        Way::Takes(connector) => {
            let mut client = client;
            let service = TcpStream::connect(to).await?;
            service.set_nodelay(true)?;
            let name = ServerName::from(to.ip());
            let mut service = connector.connect(name, service).await?;
            copy_bidirectional(&mut client, &mut service).await?;
        }
    }
    Ok(())
}
