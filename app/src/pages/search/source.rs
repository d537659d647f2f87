//! Where the values of the search form come from.
//!
//! Owns the order: a form that came back, an older search, an example, the address. What cannot be had
//! is said in a note, and the rest is filled in all the same.

use elb_core::search::{OptionProblem, to_form};

use crate::data::{PageContext, address_query, form_pairs};

/// The longest query that is put into the text field, in bytes; a longer one stays on the server.
const MAX_TEXT: u64 = 1_000_000;

/// The form's values and what is to be said about them.
#[derive(Debug, Clone, Default)]
pub struct Filled {
    /// Names and values.
    pub pairs: Vec<(String, String)>,
    /// What speaks against them.
    pub problems: Vec<OptionProblem>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// Whether they were checked and passed.
    pub checked: bool,
    /// Whether nothing was asked for, so that a draft may be put back.
    pub pristine: bool,
}

impl Filled {
    /// The value of a field; the last one counts, as for the server.
    pub fn value(&self, name: &str) -> &str {
        let found = self.pairs.iter().rev().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.pairs.push((name.to_owned(), value.into()));
    }
}

/// Fills the form.
pub async fn fill(context: &PageContext) -> Filled {
    if let Some(returned) = &context.returned {
        let mut notes = returned.notes.clone();
        notes.extend(returned.warnings.iter().cloned());
        return Filled {
            pairs: returned.fields.clone(),
            problems: returned.problems.clone(),
            notes,
            checked: returned.checked,
            pristine: false,
        };
    }
    let address = form_pairs(&address_query());
    let mut filled = Filled {
        pristine: address.is_empty(),
        pairs: address,
        ..Filled::default()
    };
    let (from, example) = (
        filled.value("from").to_owned(),
        filled.value("example").to_owned(),
    );
    if !from.is_empty() {
        duplicate(context, &mut filled, &from).await;
    } else if !example.is_empty() {
        take_example(context, &mut filled, &example).await;
    }
    if filled.value("database").is_empty() {
        choose_database(context, &mut filled);
    }
    filled
}

/// Everything of an older search.
async fn duplicate(context: &PageContext, filled: &mut Filled, id: &str) {
    let detail = match context.service.detail(&context.caller, id) {
        Ok(detail) => detail,
        Err(error) => {
            return filled.notes.push(format!(
                "The search to be duplicated is not there: {error}."
            ));
        }
    };
    for (name, value) in to_form(&detail.spec) {
        filled.set(name, value);
    }
    filled.set("title", detail.row.title.clone());
    if let Some(place) = &detail.wanted_place {
        filled.set("runs_on", place.spelled());
    }
    if detail.query.bytes > MAX_TEXT {
        filled.set("query_of", id);
        return;
    }
    match context
        .service
        .query_head(&context.caller, id, MAX_TEXT)
        .await
    {
        Ok(text) => filled.set("query", text),
        Err(error) => filled.notes.push(format!(
            "The query of that search cannot be read, all else is filled in: {error}."
        )),
    }
}

/// A real query of a database.
async fn take_example(context: &PageContext, filled: &mut Filled, database: &str) {
    match context.service.catalogue().example_query(database).await {
        Ok(query) => {
            filled.set("query", query);
            filled.set("database", database);
        }
        Err(error) => filled
            .notes
            .push(format!("The example cannot be had: {error}.")),
    }
}

/// The first database that the program can search.
fn choose_database(context: &PageContext, filled: &mut Filled) {
    let (spec, _) = elb_core::search::from_form(&filled.pairs);
    let fits = |database: &elb_core::database::Database| {
        database.problem.is_none() && database.molecule == spec.program.database_molecule()
    };
    let first = context.service.catalogue().list().into_iter().find(fits);
    if let Some(database) = first {
        filled.set("database", database.name);
    }
}
