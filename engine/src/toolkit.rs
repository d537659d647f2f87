//! The NCBI BLAST+ programs: found once, started with a clean environment and never through a shell.
//!
//! Owns where they are, which version they are, and how a process of theirs is prepared. What their
//! exit codes mean stands in [`exit`].

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use elb_core::search::Program;
use thiserror::Error;
use tokio::process::Command;

pub mod exit;

/// A program of BLAST+.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// A search program.
    Search(Program),
    /// Writes other formats from an archive.
    BlastFormatter,
    /// Reads databases.
    BlastDbCmd,
    /// Makes databases.
    MakeBlastDb,
}

impl Tool {
    const ALL: [Self; 8] = [
        Self::Search(Program::Blastn),
        Self::Search(Program::Blastp),
        Self::Search(Program::Blastx),
        Self::Search(Program::Tblastn),
        Self::Search(Program::Tblastx),
        Self::BlastFormatter,
        Self::BlastDbCmd,
        Self::MakeBlastDb,
    ];

    /// The tool of a search program.
    #[must_use]
    pub const fn of_program(program: Program) -> Self {
        Self::Search(program)
    }

    /// The name of the executable.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Search(program) => program.as_str(),
            Self::BlastFormatter => "blast_formatter",
            Self::BlastDbCmd => "blastdbcmd",
            Self::MakeBlastDb => "makeblastdb",
        }
    }
}

/// What is wrong with the programs.
#[derive(Debug, Error)]
pub enum ToolkitError {
    /// One is not there.
    #[error(
        "{program} is not in {place}: install the Debian package ncbi-blast+, or point ELB_BLAST_BIN to the folder that has it"
    )]
    Missing {
        /// Which.
        program: &'static str,
        /// Where it was looked for.
        place: String,
    },
    /// One cannot be started, or takes too long.
    #[error("{program} does not work: {why}")]
    Broken {
        /// Which.
        program: &'static str,
        /// Why.
        why: String,
    },
    /// One ended with an error.
    #[error("{0}")]
    Failed(exit::ToolFailure),
}

/// What a finished process wrote.
#[derive(Debug, Clone)]
pub struct Captured {
    /// Standard output, up to the cap.
    pub stdout: Vec<u8>,
    /// Standard error, up to the cap.
    pub stderr: String,
}

/// The programs.
#[derive(Debug, Clone)]
pub struct Toolkit {
    folder: PathBuf,
    version: String,
}

/// The most that is kept of a small program's output, in bytes.
const OUTPUT_CAP: u64 = 16 * 1_024 * 1_024;
/// How long a question to a program may take.
const QUESTION: Duration = Duration::from_secs(60);

impl Toolkit {
    /// Finds the programs in `folder`, or else on `PATH`, and asks for their version.
    ///
    /// # Errors
    /// Which program is missing or does not work, and what to install.
    pub async fn locate(folder: Option<&Path>) -> Result<Self, ToolkitError> {
        let folders: Vec<PathBuf> = match folder {
            Some(folder) => vec![folder.to_owned()],
            None => std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect(),
        };
        let place = match folder {
            Some(folder) => folder.display().to_string(),
            None => "any folder of PATH".to_owned(),
        };
        let first = Tool::Search(Program::Blastn);
        let home = folders
            .into_iter()
            .find(|folder| folder.join(first.as_str()).is_file());
        let missing = |tool: Tool| ToolkitError::Missing {
            program: tool.as_str(),
            place: place.clone(),
        };
        let home = home.ok_or_else(|| missing(first))?;
        if let Some(tool) = Tool::ALL
            .into_iter()
            .find(|tool| !home.join(tool.as_str()).is_file())
        {
            return Err(missing(tool));
        }
        let mut toolkit = Self {
            folder: home,
            version: String::new(),
        };
        let mut ask = toolkit.command(first);
        ask.arg("-version");
        let answer = toolkit.ask(ask, first).await?;
        let text = String::from_utf8_lossy(&answer.stdout);
        toolkit.version = text
            .lines()
            .next()
            .and_then(|line| line.split_whitespace().last())
            .unwrap_or("unknown")
            .to_owned();
        Ok(toolkit)
    }

    /// The version, for example `2.12.0+`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// A process to be: clean environment, no input, a process group of its own, ended with its handle.
    #[must_use]
    pub fn command(&self, tool: Tool) -> Command {
        elb_process::command(&self.folder.join(tool.as_str()))
    }

    /// Runs a small program to its end.
    ///
    /// # Errors
    /// If it cannot be started, takes longer than a minute, or ends with an error.
    pub async fn ask(&self, mut command: Command, tool: Tool) -> Result<Captured, ToolkitError> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.run(command, tool, QUESTION).await
    }

    /// Runs a program to its end within a time.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn run(
        &self,
        mut command: Command,
        tool: Tool,
        within: Duration,
    ) -> Result<Captured, ToolkitError> {
        let program = tool.as_str();
        let broken = |why: String| ToolkitError::Broken { program, why };
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| broken(error.to_string()))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let work = async {
            let (stdout, stderr) = tokio::join!(capture(stdout), capture(stderr));
            (stdout, stderr, child.wait().await)
        };
        let Ok((stdout, stderr, status)) = tokio::time::timeout(within, work).await else {
            return Err(broken(format!("no end after {} s", within.as_secs())));
        };
        let status = status.map_err(|error| broken(error.to_string()))?;
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        if status.success() {
            return Ok(Captured { stdout, stderr });
        }
        Err(ToolkitError::Failed(exit::explain(status, &stderr)))
    }
}

/// Reads to the end, keeps up to the cap.
async fn capture(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> Vec<u8> {
    match pipe {
        Some(pipe) => capped(pipe, OUTPUT_CAP).await,
        None => Vec::new(),
    }
}

/// What goes over the cap is read and dropped: a full pipe would stop the process.
async fn capped(mut pipe: impl tokio::io::AsyncRead + Unpin, cap: u64) -> Vec<u8> {
    use tokio::io::AsyncReadExt;
    let mut kept = Vec::new();
    // A pipe that breaks says no more than its end; the exit status tells the rest.
    let _ = (&mut pipe).take(cap).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    kept
}

/// The error output of a process as text, read to its end.
pub(crate) async fn read_capped(pipe: impl tokio::io::AsyncRead + Unpin, cap: u64) -> String {
    String::from_utf8_lossy(&capped(pipe, cap).await).into_owned()
}
