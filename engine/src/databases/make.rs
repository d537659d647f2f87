//! Making a database from a FASTA file: received, checked, built, and then there, or not at all.
//!
//! Owns the drafts. A draft is a folder of its own beside the finished databases; it becomes one by
//! rename. What a killed process left is removed at the next start.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use elb_core::{
    database::{BuildState, check_name, check_title},
    fasta::{Checker, Expect, Limits, Report},
    molecule::Molecule,
    text,
    time::Timestamp,
};
use tokio::io::AsyncRead;

use super::{Catalogue, DatabaseError};
use crate::{
    intake::{self, Intake},
    toolkit::{Tool, Toolkit},
};

/// How long `makeblastdb` may take.
const MAKE_LIMIT: Duration = Duration::from_secs(6 * 3_600);
/// Beginning of the names of drafts.
const DRAFT: &str = ".draft-";
/// How often the progress of an upload is told, in bytes.
const TELL_EVERY: u64 = 1_000_000;

/// A database that somebody wants made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRequest {
    /// Name in the catalogue.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// What the person says it is made of.
    pub molecule: Molecule,
}

pub(super) fn clear_drafts(own: &Path) -> io::Result<()> {
    for entry in fs::read_dir(own)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(DRAFT) {
            tracing::warn!(draft = %entry.path().display(), "the making of a database was interrupted; its draft is removed");
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Whether the path lies in a draft, which is no database yet.
pub(super) fn is_draft(own: &Path, path: &Path) -> bool {
    let inside = path.strip_prefix(own).ok();
    let first = inside.and_then(|inside| inside.components().next());
    first.is_some_and(|part| part.as_os_str().to_string_lossy().starts_with(DRAFT))
}

pub(super) fn made_at(path: &Path) -> Option<Timestamp> {
    let modified = fs::metadata(path.parent()?).ok()?.modified().ok()?;
    let since = modified.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Timestamp)
}

pub(super) fn remove_uploaded(own: &Path, name: &str) -> Result<(), DatabaseError> {
    check_name(name).map_err(DatabaseError::Refused)?;
    let folder = own.join("uploaded").join(name);
    // Out of the catalogue's sight first, so that nobody sees half of it.
    let gone = own.join(format!("{DRAFT}{}", uuid::Uuid::new_v4().simple()));
    fs::rename(folder, &gone)?;
    fs::remove_dir_all(gone)?;
    Ok(())
}

/// A folder that vanishes with the value unless it is kept.
pub(super) struct Draft(PathBuf);

impl Draft {
    pub(super) fn begin(own: &Path) -> io::Result<Self> {
        let path = own.join(format!("{DRAFT}{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Moves the draft to where it stays.
    pub(super) fn keep(self, target: &Path) -> io::Result<()> {
        fs::rename(&self.0, target)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(draft = %self.0.display(), %error, "a draft stays behind until the next start");
        }
    }
}

/// The name of the FASTA within a draft.
pub(super) const SOURCE: &str = "source.fasta";

/// Runs `makeblastdb` on the FASTA of a draft and removes that; with identifiers if they allow it.
pub(super) async fn makeblastdb(
    toolkit: &Toolkit,
    draft: &Draft,
    name: &str,
    molecule: Molecule,
    title: &str,
) -> Result<(), DatabaseError> {
    let attempt = |ids: bool| {
        let mut command = toolkit.command(Tool::MakeBlastDb);
        // Names instead of paths: it splits a path at blanks, and a quoted one it does not take.
        command.current_dir(draft.path());
        command.args(["-in", SOURCE, "-out", name]);
        command.args([
            "-dbtype",
            molecule.dbtype(),
            "-title",
            title,
            "-blastdb_version",
            "5",
        ]);
        if ids {
            command.arg("-parse_seqids");
        }
        toolkit.run(command, Tool::MakeBlastDb, MAKE_LIMIT)
    };
    // Identifiers that BLAST+ cannot parse (long, doubled, oddly formed) are no reason to have no
    // database: without them it can be searched all the same.
    if let Err(error) = attempt(true).await {
        tracing::info!(database = name, %error, "made again without reading its identifiers");
        attempt(false).await?;
    }
    fs::remove_file(draft.path().join(SOURCE))?;
    Ok(())
}

/// A build on the list, which ends as failed unless it is told how it ended: whoever sends the file
/// may go away in the middle, and a build that nobody makes must not seem to go on.
struct Watched {
    catalogue: Arc<Catalogue>,
    id: String,
    ended: bool,
}

impl Watched {
    fn tell(&self, state: BuildState) {
        self.catalogue.set_build(&self.id, state);
    }

    fn end(mut self, state: BuildState) {
        self.ended = true;
        self.tell(state);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.ended {
            let message = "The file did not arrive whole. Send it again.".to_owned();
            self.tell(BuildState::Failed { message });
        }
    }
}

fn failed(error: &DatabaseError) -> BuildState {
    BuildState::Failed {
        message: error.to_string(),
    }
}

impl Catalogue {
    /// Receives a FASTA file (plain or gzip), checks it and starts to make a database of it. Returns
    /// once the file is accepted; [`Catalogue::builds`] tells the rest.
    ///
    /// # Errors
    /// [`DatabaseError::Refused`] with every reason why the file or the names are not acceptable.
    pub async fn upload(
        self: &Arc<Self>,
        request: UploadRequest,
        source: impl AsyncRead + Unpin + Send,
    ) -> Result<String, DatabaseError> {
        check_name(&request.name).map_err(DatabaseError::Refused)?;
        check_title(&request.title).map_err(DatabaseError::Refused)?;
        let target = self.config.own.join("uploaded").join(&request.name);
        let taken = self.get(&request.name).is_some() || target.exists();
        let begun = (!taken)
            .then(|| {
                self.begin_build(
                    &request.name,
                    &request.title,
                    BuildState::Receiving { bytes: 0 },
                )
            })
            .flatten();
        let Some(id) = begun else {
            let message = format!(
                "There is a database {} already, or one is being made. Choose another name, or delete that one first.",
                request.name
            );
            return Err(DatabaseError::Refused(message));
        };
        let build = Watched {
            catalogue: Arc::clone(self),
            id: id.clone(),
            ended: false,
        };
        match self.receive(&build, &request, source).await {
            Ok((draft, sequences)) => {
                build.tell(BuildState::Building { sequences });
                tokio::spawn(make(build, request, draft, target));
                Ok(id)
            }
            Err(error) => {
                build.end(failed(&error));
                Err(error)
            }
        }
    }

    async fn receive(
        &self,
        build: &Watched,
        request: &UploadRequest,
        source: impl AsyncRead + Unpin + Send,
    ) -> Result<(Draft, u64), DatabaseError> {
        let draft = Draft::begin(&self.config.own)?;
        let limits = Limits {
            bytes: self.config.max_upload_bytes,
            records: u64::MAX,
            problems: 20,
            listed: 0,
        };
        let checker = Checker::new(Expect::Any, limits);
        let mut told = 0;
        let received = intake::receive(
            source,
            checker,
            self.config.max_upload_bytes,
            draft.path(),
            |bytes| {
                if bytes >= told + TELL_EVERY {
                    told = bytes;
                    build.tell(BuildState::Receiving { bytes });
                }
            },
        );
        let Intake { file, report, .. } = received.await.map_err(|error| match error {
            intake::IntakeError::Unacceptable(message) => DatabaseError::Refused(message),
            intake::IntakeError::Io(error) => DatabaseError::Io(error),
        })?;
        accept(&report, request.molecule)?;
        file.persist(draft.path().join(SOURCE))
            .map_err(|error| error.error)?;
        Ok((draft, report.records_total))
    }
}

async fn make(build: Watched, request: UploadRequest, draft: Draft, target: PathBuf) {
    let catalogue = Arc::clone(&build.catalogue);
    let (name, title) = (&request.name, request.title.trim());
    let made = async {
        makeblastdb(&catalogue.toolkit, &draft, name, request.molecule, title).await?;
        draft.keep(&target)?;
        Ok::<(), DatabaseError>(())
    };
    match made.await {
        Ok(()) => {
            catalogue.refresh().await;
            build.end(BuildState::Done);
        }
        Err(error) => build.end(failed(&error)),
    }
}

/// What speaks against the file.
fn accept(report: &Report, molecule: Molecule) -> Result<(), DatabaseError> {
    if !report.is_ok() {
        let shown =
            report.problems.iter().take(5).map(|problem| {
                format!("line {}: {} {}", problem.line, problem.message, problem.fix)
            });
        let mut message = shown.collect::<Vec<_>>().join(" · ");
        let more = report.problems_total.saturating_sub(5);
        if more > 0 {
            message.push_str(&format!(
                " · and {}",
                text::counted(more, "more problem", "more problems")
            ));
        }
        return Err(DatabaseError::Refused(message));
    }
    match report.molecule {
        Some(found) if found != molecule => {
            let message = format!(
                "You said {molecule}, but the sequences look like {found}. Choose {found} if that is what they are."
            );
            Err(DatabaseError::Refused(message))
        }
        _ => Ok(()),
    }
}
