//! A real Kubernetes cluster, as a child process that never outlives its test.
//!
//! Owns how it is found, started and ended: the one that `KUBECONFIG` names, or else one of our own
//! (`scripts/cluster.sh`, docs/KUBERNETES.md), which is built when it is needed for the first time. Ours
//! ends when its [`Cluster`] is dropped, and by itself when the test process is gone, even if that was
//! killed. Tests share it, so each makes a namespace of its own.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Write},
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{OnceLock, mpsc},
    time::{Duration, Instant},
};

mod stopping;

pub use stopping::Stopped;

/// Names the cluster to use, as everywhere. `ELB_CLUSTER_IMAGE`, `ELB_CLUSTER_HOST` and
/// `ELB_CLUSTER_KUBECTL` may say of it what a cluster of ours says of itself.
const GIVEN: &str = "KUBECONFIG";
/// How long it may take until it is ready. Ten seconds, but the first time it is built before that, which
/// takes minutes on an idle machine and many on a busy one.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How long it may take to end; a second or two.
const END_PATIENCE: Duration = Duration::from_secs(60);
/// The exit code that says: this machine cannot run pods.
const MISSING_CAPABILITY: i32 = 3;
/// The oldest version (1.x) of Kubernetes that knows everything a Job of ours has by default.
const OLDEST_IN_SUPPORT: u32 = 33;
/// The last thing that it says once it can be used.
const READY: &str = "ready";

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    /// Ours, and its input, which is open for as long as we are there: that is what it watches.
    child: Option<(Child, ChildStdin)>,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    /// Both only where pods run.
    image: Option<String>,
    host: Option<IpAddr>,
}

impl Cluster {
    /// Starts one and waits until it is ready. Blocks for about ten seconds, the first time for minutes.
    ///
    /// On a machine that cannot run pods, it is one that has no node: [`Self::image`] says so then.
    ///
    /// # Panics
    /// If it cannot be built, or does not come up.
    #[must_use]
    pub fn start() -> Self {
        Self::try_start(&[]).unwrap_or_else(Self::control_plane_only)
    }

    /// Starts one that stores and controls objects but runs no pod: tests say themselves what becomes of
    /// a pod, by writing its status.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn control_plane_only() -> Self {
        Self::try_start(&["--control-plane-only"])
            .expect("a cluster without nodes needs nothing special of the machine")
    }

    /// One that all tests of the process share: the one of `KUBECONFIG`, or else one that is started by
    /// the first test that asks. Each test must use namespaces of its own.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::given().unwrap_or_else(Self::start))
    }

    /// Where to reach it and as whom (its administrator): the path of a kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The name of an image that has BLAST+ and a shell, and is on its node.
    ///
    /// # Panics
    /// If it runs no pods. A test that needs them fails then: what it tests was not tested.
    #[must_use]
    pub fn image(&self) -> &str {
        self.image.as_deref().expect(NO_PODS)
    }

    /// At which address a pod reaches what listens there in the test process (not on 127.0.0.1).
    ///
    /// # Panics
    /// As [`Self::image`].
    #[must_use]
    pub fn host(&self) -> IpAddr {
        self.host.expect(NO_PODS)
    }

    /// Its client, if something has to be run with it for longer.
    #[must_use]
    pub fn kubectl_path(&self) -> &Path {
        &self.kubectl
    }

    /// The name of an image with BLAST+ and this program of ours, which is put on its node. Of a cluster that
    /// `KUBECONFIG` names, `ELB_CLUSTER_IMAGE_OF_ELB_RUNNER` (or of whichever it is) says which image has both.
    ///
    /// # Panics
    /// If it cannot be made, or as [`Self::image`].
    #[must_use]
    pub fn image_of(&self, program: &Path) -> String {
        if self.child.is_none() {
            let name = program.file_name().unwrap().to_str().unwrap();
            let name = name.to_uppercase().replace('-', "_");
            return std::env::var(format!("ELB_CLUSTER_IMAGE_OF_{name}")).expect(NO_PODS);
        }
        assert!(self.image.is_some(), "{NO_PODS}");
        let folder = self.kubeconfig.parent().unwrap();
        let made = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/image.sh"))
            .args([program, folder])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{said}");
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    }

    /// What `kubectl` says when it is run with these arguments and this input: a look at the cluster that
    /// shares no code with what is tested.
    ///
    /// # Errors
    /// What it wrote to standard error, if it failed.
    ///
    /// # Panics
    /// If there is no `kubectl`.
    pub fn kubectl<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &str,
    ) -> Result<String, String> {
        let mut child = Command::new(&self.kubectl)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl is needed for a cluster that KUBECONFIG names");
        // It may end without reading it.
        child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Whether its server numbers the batches of a Job and tells failures apart by exit code, as those in support
    /// do. One that does not drops such fields without a word (Kubernetes 1.20 for one, `ELB_KUBERNETES=debian`).
    ///
    /// # Panics
    /// If it does not say its version.
    #[must_use]
    pub fn numbers_batches(&self) -> bool {
        let told = self.kubectl(["get", "--raw", "/version"], "").unwrap();
        let version: serde_json::Value = serde_json::from_str(&told).unwrap();
        let minor = version["minor"].as_str().unwrap().trim_end_matches('+');
        minor.parse::<u32>().unwrap() >= OLDEST_IN_SUPPORT
    }

    /// The one that whoever runs the tests has chosen.
    fn given() -> Option<Self> {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let kubeconfig = PathBuf::from(set(GIVEN)?);
        assert!(
            kubeconfig.is_file(),
            "{GIVEN} names {}, which is not there",
            kubeconfig.display()
        );
        Some(Self {
            child: None,
            kubeconfig,
            kubectl: set("ELB_CLUSTER_KUBECTL").map_or_else(|| "kubectl".into(), PathBuf::from),
            image: set("ELB_CLUSTER_IMAGE"),
            host: set("ELB_CLUSTER_HOST").map(|host| host.parse().unwrap()),
        })
    }

    /// `None` if this machine cannot run what was asked for.
    fn try_start(arguments: &[&str]) -> Option<Self> {
        let began = Instant::now();
        let mut child = Command::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../scripts/cluster.sh"
        ))
        .args(["start", "--ends-with-input"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("scripts/cluster.sh needs bash");
        let alive = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
        let mut said = Vec::new();
        loop {
            match receiver.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
                Ok(line) if line == READY => break,
                Ok(line) => said.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let status = child.wait().unwrap();
                    if status.code() == Some(MISSING_CAPABILITY) {
                        return None;
                    }
                    panic!(
                        "the cluster did not come up ({status}): standard error says why; \
                         `make cluster` starts one by hand"
                    );
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    drop(alive);
                    panic!("the cluster did not come up within {PATIENCE:?}");
                }
            }
        }
        let fact = |name: &str| {
            said.iter()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        };
        Some(Self {
            kubeconfig: fact("KUBECONFIG").unwrap().into(),
            kubectl: fact("ELB_CLUSTER_KUBECTL").unwrap().into(),
            image: fact("ELB_CLUSTER_IMAGE").map(str::to_owned),
            host: fact("ELB_CLUSTER_HOST").map(|host| host.parse().unwrap()),
            child: Some((child, alive)),
        })
    }
}

/// What a test says that needs pods where there are none.
const NO_PODS: &str = "this test needs a cluster that runs pods. On this machine none can be run: standard error says \
     what is missing. Or KUBECONFIG names one, and ELB_CLUSTER_IMAGE and ELB_CLUSTER_HOST do not say what to \
     run in it (docs/KUBERNETES.md)";

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some((mut child, alive)) = self.child.take() else {
            return;
        };
        drop(alive);
        let began = Instant::now();
        // It puts the machine back as it was; only if it hangs is it ended by force.
        while began.elapsed() < END_PATIENCE {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().ok();
        child.wait().ok();
    }
}

#[cfg(all(test, feature = "cluster"))]
mod tests;
