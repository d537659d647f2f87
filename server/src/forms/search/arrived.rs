//! A search form as it arrived: small fields, and the query by one of three ways.
//!
//! Owns the streaming of the query to a file, and what of it is sent back with a form that could not be
//! carried out. Whatever speaks against the query is gathered, so that it is shown with all the rest.

use axum::extract::Multipart;
use elb_app::data::Returned;
use elb_core::search::{OptionProblem, from_form};
use elb_engine::{intake::Intake, service::ServiceError};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::{InspectReader, StreamReader};

use crate::{error::ApiError, forms::multipart, state::AppState};

/// The longest query that is sent back within the page, in bytes.
const ECHOED: usize = 1_000_000;
/// A query shorter than this and of blanks alone is none.
const BLANK: u64 = 16;

/// One way in which a query can come.
#[derive(Default)]
struct Part {
    /// The query, if it could be taken in.
    intake: Option<Intake>,
    /// As it was sent, up to a limit: the checked copy has lost what was wrong with it.
    sent: Option<Vec<u8>>,
}

impl Part {
    /// The text, if it can be sent back within the page.
    fn echo(&self) -> Option<String> {
        let sent = self.sent.as_ref().filter(|sent| sent.len() <= ECHOED)?;
        String::from_utf8(sent.clone()).ok()
    }
}

/// A form as it arrived.
#[derive(Default)]
pub struct Arrived {
    /// The small fields, in order.
    pub fields: Vec<(String, String)>,
    text: Part,
    file: Part,
    older: Part,
    /// What spoke against the query before it could be checked.
    refused: Vec<OptionProblem>,
}

impl Arrived {
    /// The value of a field; the last one counts.
    pub fn value(&self, name: &str) -> &str {
        let found = self.fields.iter().rev().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// Takes the form in, up to its end or the first thing that makes it no form of ours.
    ///
    /// # Errors
    /// If it breaks off or is not built as the page builds it.
    pub async fn receive(
        &mut self,
        state: &AppState,
        form: &mut Multipart,
    ) -> Result<(), ApiError> {
        while let Some(field) = multipart::next(form).await? {
            let name = field.name().unwrap_or_default().to_owned();
            if matches!(name.as_str(), "query" | "query_file") {
                if self.value("program").is_empty() {
                    return Err(ApiError::bad_request(
                        "The field program must come before the query.",
                    ));
                }
                let part = self.take(state, multipart::stream(field)).await?;
                if name == "query" {
                    self.text = part;
                } else {
                    self.file = part;
                }
                continue;
            }
            if self.fields.len() == multipart::MAX_FIELDS {
                return Err(ApiError::bad_request("The form has too many fields."));
            }
            let value = multipart::small(&name, field).await?;
            self.fields.push((name, value));
        }
        self.take_older(state).await
    }

    /// The query of an older search, which counts only if no other was sent.
    async fn take_older(&mut self, state: &AppState) -> Result<(), ApiError> {
        let of = self.value("query_of").to_owned();
        if of.is_empty() || self.text.sent.is_some() || self.file.sent.is_some() {
            return Ok(());
        }
        match state.service.query_file(&state.caller(), &of).await {
            Ok(query) => {
                self.older = self.take(state, StreamReader::new(query.pieces)).await?;
                Ok(())
            }
            Err(ServiceError::NoSuchJob(id)) => {
                let message = format!(
                    "There is no search {id} any more whose query could be taken. Paste or choose the query."
                );
                self.refused.push(OptionProblem::new("query", message));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn take(
        &mut self,
        state: &AppState,
        source: impl AsyncRead + Unpin + Send,
    ) -> Result<Part, ApiError> {
        let mut source = source;
        let mut begin = Vec::new();
        let reading = (&mut source).take(BLANK).read_to_end(&mut begin).await;
        reading.map_err(|error| {
            ApiError::bad_request(format!(
                "The form did not arrive whole: {error}. Send it again."
            ))
        })?;
        // An empty field, or a file that was not chosen, is no query.
        if (begin.len() as u64) < BLANK && begin.iter().all(u8::is_ascii_whitespace) {
            return Ok(Part::default());
        }
        let mut sent = Vec::new();
        let joined = std::io::Cursor::new(begin).chain(source);
        let copied = InspectReader::new(joined, |bytes: &[u8]| {
            if sent.len() <= ECHOED {
                sent.extend_from_slice(bytes);
            }
        });
        let (spec, _) = from_form(&self.fields);
        let intake = match state
            .service
            .receive_query(copied, spec.program.query_molecule())
            .await
        {
            Ok(intake) => Some(intake),
            Err(ServiceError::BadRequest(message)) => {
                self.refused.push(OptionProblem::new("query", message));
                None
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Part {
            intake,
            sent: Some(sent),
        })
    }

    /// The queries that could be taken in.
    pub fn queries(&self) -> impl Iterator<Item = &Intake> {
        [&self.text, &self.file, &self.older]
            .into_iter()
            .filter_map(|part| part.intake.as_ref())
    }

    /// What spoke against the query before it could be checked.
    pub fn query_problems(&self) -> Vec<OptionProblem> {
        let mut problems = self.refused.clone();
        let missing = problems.is_empty() && self.queries().next().is_none();
        if missing {
            problems.push(OptionProblem::new(
                "query",
                "Paste or choose at least one sequence.",
            ));
        }
        if self.text.sent.is_some() && self.file.sent.is_some() {
            let message = "There is a query as text and one as a file. Empty one of the two.";
            problems.push(OptionProblem::new("query", message));
        }
        problems
    }

    /// The fields and the one query.
    pub fn into_parts(self) -> (Vec<(String, String)>, Option<Intake>) {
        let query = self.text.intake.or(self.file.intake).or(self.older.intake);
        (self.fields, query)
    }

    /// All that goes back into the page. The query of an older search is kept by its field.
    pub fn returned(&self) -> Returned {
        let mut returned = Returned {
            fields: self.fields.clone(),
            ..Returned::default()
        };
        let (text, file) = (self.text.echo(), self.file.echo());
        let both = self.text.sent.is_some() && self.file.sent.is_some();
        if self.text.sent.is_some() && text.is_none() {
            let note = "The query is too long to be sent back: go back one page to find it, or give it as a file. Everything else is here.";
            returned.notes.push(note.to_owned());
        }
        if self.file.sent.is_some() && (both || file.is_none()) {
            let note =
                "The file cannot be kept in the page: choose it again. Everything else is here.";
            returned.notes.push(note.to_owned());
        }
        let query = text.or(file.filter(|_| !both));
        returned
            .fields
            .extend(query.map(|query| ("query".to_owned(), query)));
        let warnings = self.queries().flat_map(|query| &query.report.warnings);
        returned.warnings = warnings
            .map(|warning| {
                format!(
                    "Query line {}: {} {}",
                    warning.line, warning.message, warning.fix
                )
            })
            .collect();
        returned
    }
}
