//! Azurite, the emulator of Azure Storage, as a child process that never outlives its test.
//!
//! Owns how it is found, started and ended. It keeps everything in memory, takes free ports, and
//! checks keys, versions and conditions as the real service does (`--loose` is not used). It ends when
//! its [`Azurite`] is dropped, and by itself when the test process is gone, even if that was killed.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{OnceLock, mpsc},
    time::{Duration, Instant},
};

use crate::Authority;

/// The only account of an emulator that was told of no other.
pub const ACCOUNT: &str = "devstoreaccount1";
/// Its key, which is public and the same everywhere; documented by Microsoft for emulators.
pub const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Names the executable to those who have it elsewhere.
const EXECUTABLE: &str = "ELB_AZURITE";
/// How long it may take until it listens; far above what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// What it writes for each of its services once that listens: this, then the address.
const LISTENS: &str = "service is successfully listening at ";

/// A running emulator with nothing in it.
#[derive(Debug)]
pub struct Azurite {
    child: Child,
    /// Open for as long as we are there, which is what the child watches.
    alive: Option<ChildStdin>,
    blob: String,
    table: String,
}

impl Azurite {
    /// Starts one and waits until blobs and tables are served. Blocks for a second or two.
    ///
    /// # Panics
    /// If it is not installed, or does not come up.
    #[must_use]
    pub fn start() -> Self {
        Self::started(&[])
    }

    /// One that is served over TLS and takes tokens, as well as keys: it looks at their audience, issuer
    /// and times, and at no signature.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn over_tls(authority: &Authority) -> Self {
        // Read when it starts, and not needed any more when it listens.
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = authority.service_files_in(folder.path());
        Self::started(&[
            "--oauth".into(),
            "basic".into(),
            "--cert".into(),
            certificate.into(),
            "--key".into(),
            key.into(),
        ])
    }

    /// One that pods reach too, at an address of this machine: [`Self::blob_url_at`].
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn for_pods() -> Self {
        let mut azurite = Self::started(&["--blobHost".into(), "0.0.0.0".into()]);
        azurite.blob = azurite.blob.replace("//0.0.0.0:", "//127.0.0.1:");
        azurite
    }

    /// Where blobs are served to whoever reaches this machine at another address, of one [`Self::for_pods`].
    #[must_use]
    pub fn blob_url_at(&self, host: std::net::IpAddr) -> String {
        self.blob.replace("//127.0.0.1:", &format!("//{host}:"))
    }

    /// One of [`Self::over_tls`] that all tests of the process share, with their shared authority.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn shared_over_tls() -> &'static Self {
        static SHARED: OnceLock<Azurite> = OnceLock::new();
        SHARED.get_or_init(|| Self::over_tls(Authority::shared()))
    }

    fn started(more: &[OsString]) -> Self {
        let began = Instant::now();
        let mut child = Command::new("node")
            .arg("--require")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/src/ends_with_its_parent.cjs"
            ))
            .arg(executable())
            .args(["--blobPort", "0", "--queuePort", "0", "--tablePort", "0"])
            .args(["--inMemoryPersistence", "--silent", "--skipApiVersionCheck"])
            .args(["--disableProductStyleUrl", "--disableTelemetry"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is needed to run Azurite; `make setup` says what is missing");
        let alive = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, receiver) = mpsc::channel();
        // Reads to the end, so that Azurite never waits for its reader.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
        let (mut blob, mut table, mut said) = (None, None, String::new());
        while blob.is_none() || table.is_none() {
            let left = PATIENCE.saturating_sub(began.elapsed());
            let Ok(line) = receiver.recv_timeout(left) else {
                child.kill().ok();
                child.wait().ok();
                panic!(
                    "Azurite did not come up within {PATIENCE:?}; it said on standard output: {said}"
                );
            };
            if let Some((service, address)) = line.split_once(LISTENS) {
                let url = format!("{}/{ACCOUNT}", address.trim());
                match service.trim() {
                    "Azurite Blob" => blob = Some(url),
                    "Azurite Table" => table = Some(url),
                    _ => {}
                }
            }
            said.push_str(&line);
            said.push('\n');
        }
        Self {
            child,
            alive: Some(alive),
            blob: blob.unwrap(),
            table: table.unwrap(),
        }
    }

    /// One that all tests of the process share, started by the first that asks. Each test must use
    /// containers and tables of its own.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Azurite> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Where blobs are served, with or without TLS: `http://127.0.0.1:PORT/devstoreaccount1`.
    #[must_use]
    pub fn blob_url(&self) -> &str {
        &self.blob
    }

    /// Where tables are served, with or without TLS: `http://127.0.0.1:PORT/devstoreaccount1`.
    #[must_use]
    pub fn table_url(&self) -> &str {
        &self.table
    }

    /// The id of its process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        drop(self.alive.take());
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn executable() -> PathBuf {
    let path = std::env::var_os(EXECUTABLE).map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../scripts/tools/node_modules/.bin/azurite"
            ))
        },
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "Azurite, which this test needs, is not at {}: run `make setup`, or name it with {EXECUTABLE}",
        path.display()
    );
    path
}

#[cfg(test)]
mod tests {
    use std::{io::Write, net::TcpStream, path::Path};

    use super::*;

    fn address(url: &str) -> &str {
        let rest = url.strip_prefix("http://").unwrap();
        rest.strip_suffix("/devstoreaccount1").unwrap()
    }

    fn answers(url: &str) -> bool {
        let mut line = String::new();
        TcpStream::connect(address(url)).is_ok_and(|mut stream| {
            write!(stream, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            BufReader::new(stream).read_line(&mut line).unwrap();
            line.starts_with("HTTP/1.1 ")
        })
    }

    #[test]
    fn it_serves_blobs_and_tables_and_ends_when_dropped() {
        let azurite = Azurite::start();
        assert!(answers(azurite.blob_url()) && answers(azurite.table_url()));
        assert_ne!(azurite.blob_url(), azurite.table_url());
        let (url, process) = (azurite.blob_url().to_owned(), azurite.process_id());
        drop(azurite);
        assert!(!answers(&url));
        assert!(!Path::new(&format!("/proc/{process}")).exists());
    }

    #[test]
    fn it_ends_by_itself_when_nobody_holds_its_input_any_more() {
        let mut azurite = Azurite::start();
        // What the system does with the pipe of a process that was killed.
        drop(azurite.alive.take());
        assert!(azurite.child.wait().unwrap().success());
    }
}
