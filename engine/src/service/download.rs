//! Downloads: every format that BLAST+ can make of the archive, streamed and never stored.
//!
//! Owns the list of formats. The archive itself and the query come from the object store; all others
//! are written by `blast_formatter` while the reader reads (SAM before), and end with it.

use std::process::Stdio;

use bytes::Bytes;
use elb_core::{search::Program, view::JobDetail};
use futures::{StreamExt, stream::BoxStream};
use tokio::process::Command;
use tokio_util::io::ReaderStream;

use super::{Caller, JobService, ServiceError, results::Fate, sam};
use crate::{
    objects::{Kind, ObjectFile},
    toolkit::{self, Tool, exit},
};

/// How much of the formatter's error output is kept, in bytes.
const STDERR_CAP: u64 = 64 * 1_024;

/// A format that results can be downloaded in. The numbers are BLAST+'s own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `-outfmt 0`: pairwise text.
    Pairwise,
    /// `-outfmt 5`: XML.
    Xml,
    /// `-outfmt 6`: tabular.
    Tabular,
    /// `-outfmt 7`: tabular with comments.
    TabularComments,
    /// `-outfmt 10`: comma-separated values.
    Csv,
    /// `-outfmt 11`: the archive.
    Archive,
    /// `-outfmt 14`: XML2, one document a query, listed by a head document.
    Xml2,
    /// `-outfmt 15`: JSON, all queries in one document.
    Json,
    /// `-outfmt 16`: XML2, all queries in one document.
    Xml2Single,
    /// `-outfmt 17`: SAM; blastn only.
    Sam,
}

impl Format {
    /// The formats that are offered, in the order of the menu.
    pub const OFFERED: [Self; 9] = [
        Self::Tabular,
        Self::TabularComments,
        Self::Csv,
        Self::Pairwise,
        Self::Xml,
        Self::Xml2Single,
        Self::Json,
        Self::Sam,
        Self::Archive,
    ];

    /// BLAST+'s number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Pairwise => 0,
            Self::Xml => 5,
            Self::Tabular => 6,
            Self::TabularComments => 7,
            Self::Csv => 10,
            Self::Archive => 11,
            Self::Xml2 => 14,
            Self::Json => 15,
            Self::Xml2Single => 16,
            Self::Sam => 17,
        }
    }

    /// The name in the menu.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pairwise => "Pairwise text",
            Self::Xml => "XML",
            Self::Tabular => "Table (tab-separated)",
            Self::TabularComments => "Table with comment lines",
            Self::Csv => "CSV",
            Self::Archive => "BLAST archive (ASN.1)",
            Self::Xml2 => "XML2 list of files",
            Self::Json => "JSON",
            Self::Xml2Single => "XML2",
            Self::Sam => "SAM",
        }
    }

    /// The ending of the file name.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Pairwise => "txt",
            Self::Xml | Self::Xml2 | Self::Xml2Single => "xml",
            Self::Tabular | Self::TabularComments => "tsv",
            Self::Csv => "csv",
            Self::Archive => "asn",
            Self::Json => "json",
            Self::Sam => "sam",
        }
    }

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Xml | Self::Xml2 | Self::Xml2Single => "application/xml",
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Tabular | Self::TabularComments => "text/tab-separated-values; charset=utf-8",
            Self::Pairwise | Self::Archive | Self::Sam => "text/plain; charset=utf-8",
        }
    }

    /// Whether BLAST+ makes this format of this program's results.
    #[must_use]
    pub fn offered_for(self, program: Program) -> bool {
        self != Self::Sam || program == Program::Blastn
    }

    /// Reads BLAST+'s number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number: u8 = text.parse().ok()?;
        Self::OFFERED
            .into_iter()
            .find(|format| format.number() == number)
    }
}

/// Something to send, piece by piece.
pub struct Download {
    /// A file name without anything that needs quoting.
    pub file_name: String,
    /// The media type.
    pub media_type: &'static str,
    /// The size in bytes, where it is known.
    pub size: Option<u64>,
    /// The pieces. An error in the middle breaks the transfer off, so that nobody takes a part for
    /// the whole.
    pub pieces: BoxStream<'static, std::io::Result<Bytes>>,
}

impl JobService {
    /// The job's query as it was stored.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchJob`], or the object store's.
    pub async fn query_file(&self, caller: &Caller, id: &str) -> Result<Download, ServiceError> {
        require_query(&*self.detail(caller, id)?)?;
        let (size, pieces) = self.inner.objects.get(id, Kind::Query, 1).await?;
        Ok(Download {
            file_name: format!("{id}-query.fasta"),
            media_type: "text/plain; charset=utf-8",
            size: Some(size),
            pieces,
        })
    }

    /// The beginning of the job's query, for a preview or the search form.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchJob`], or the object store's.
    pub async fn query_head(
        &self,
        caller: &Caller,
        id: &str,
        limit: u64,
    ) -> Result<String, ServiceError> {
        require_query(&*self.detail(caller, id)?)?;
        let head = self.inner.objects.head(id, Kind::Query, 1, limit).await?;
        Ok(String::from_utf8_lossy(&head).into_owned())
    }

    /// The results in one format.
    ///
    /// # Errors
    /// [`ServiceError::NoResults`] while there are none, [`ServiceError::BadRequest`] if BLAST+ does
    /// not make this format of this program's results.
    pub async fn download(
        &self,
        caller: &Caller,
        id: &str,
        format: Format,
    ) -> Result<Download, ServiceError> {
        let detail = self.detail(caller, id)?;
        require_results(&detail)?;
        if !format.offered_for(detail.row.program) {
            let program = detail.row.program.as_str();
            let message = format!("BLAST+ does not write {} for {program}", format.label());
            return Err(ServiceError::BadRequest(message));
        }
        let file_name = format!("{id}.{}", format.extension());
        let media_type = format.media_type();
        if format == Format::Archive {
            let attempt = detail.row.attempt;
            let found = self.inner.objects.get(id, Kind::Archive, attempt).await;
            let (size, pieces) = found?;
            return Ok(Download {
                file_name,
                media_type,
                size: Some(size),
                pieces,
            });
        }
        self.require_database(&detail)?;
        let mut command = self.inner.toolkit.command(Tool::BlastFormatter);
        let archive = self.result_file(&detail, Kind::Archive).await?;
        command.arg("-archive").arg(archive.path());
        command.args(["-outfmt", &format.number().to_string()]);
        limit_rows(&mut command, format, detail.spec.options.max_target_seqs);
        let pieces = if format == Format::Sam {
            sam::with_one_head(&self.inner.toolkit, command, &self.inner.scratch).await?
        } else {
            streamed(command, archive)?
        };
        Ok(Download {
            file_name,
            media_type,
            size: None,
            pieces,
        })
    }

    /// Formatting reads the subjects from the database: it must be there, as it was searched.
    fn require_database(&self, detail: &JobDetail) -> Result<(), ServiceError> {
        let name = &detail.row.database;
        let why = match self.fate_of_database(detail) {
            Fate::Same => return Ok(()),
            Fate::Elsewhere => "is where the search ran and not on this server",
            Fate::Gone => "is no longer there",
            Fate::Changed => "has changed since the search",
        };
        Err(ServiceError::NoResults(format!(
            "the database {name} {why}, so BLAST+ cannot write this format; the hits on this page, the CSV of hits, the aligned sequences and the archive remain"
        )))
    }
}

/// The query of a job that another system ran is not here.
fn require_query(detail: &JobDetail) -> Result<(), ServiceError> {
    if detail.imported.is_none() {
        return Ok(());
    }
    Err(ServiceError::NoResults(
        "the query of this search is not kept here: another system ran it".to_owned(),
    ))
}

/// Results can be read only of a job that has completed.
pub(super) fn require_results(detail: &JobDetail) -> Result<(), ServiceError> {
    if detail.outcome.is_some() && detail.row.phase == elb_core::phase::Phase::Completed {
        return Ok(());
    }
    if let Some(imported) = &detail.imported {
        let what = match &imported.found {
            Some(place) if place.is_external() => {
                format!("this search was found in {}", place.in_words())
            }
            Some(place) => format!("this search was found on cluster {}", place.cluster),
            None => "this search was imported".to_owned(),
        };
        let place = match imported.results.as_str() {
            "" => String::new(),
            place => format!(", in {place}"),
        };
        return Err(ServiceError::NoResults(format!(
            "{what}: its results are where it was run{place}"
        )));
    }
    let label = detail.row.phase.label().to_lowercase();
    Err(ServiceError::NoResults(format!(
        "there are no results yet: the search is {label}"
    )))
}

/// `blast_formatter` has a limit of its own (500), which would cut a search that asked for more.
fn limit_rows(command: &mut Command, format: Format, max_target_seqs: Option<u32>) {
    let Some(most) = max_target_seqs.map(|most| most.to_string()) else {
        return;
    };
    if format == Format::Pairwise {
        command.args(["-num_descriptions", &most, "-num_alignments", &most]);
    } else {
        command.args(["-max_target_seqs", &most]);
    }
}

/// The output of a process as a stream that ends in an error if the process does. What the process reads
/// is held until then.
fn streamed(
    mut command: Command,
    reads: ObjectFile,
) -> Result<BoxStream<'static, std::io::Result<Bytes>>, ServiceError> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| {
        ServiceError::Internal(format!("blast_formatter cannot be started: {error}"))
    })?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(ServiceError::Internal(
            "blast_formatter has no output".to_owned(),
        ));
    };
    // Read beside the output: a full pipe would stop the process in the middle.
    let reading = tokio::spawn(toolkit::read_capped(stderr, STDERR_CAP));
    let last = futures::stream::once(async move {
        let status = child.wait().await?;
        drop(reads);
        // What it wrote to stderr only explains a failure; without it the status still tells.
        let text = reading.await.unwrap_or_default();
        if status.success() {
            return Ok(Bytes::new());
        }
        Err(std::io::Error::other(
            exit::explain(status, &text).to_string(),
        ))
    });
    Ok(ReaderStream::with_capacity(stdout, 64 * 1_024)
        .chain(last)
        .boxed())
}
