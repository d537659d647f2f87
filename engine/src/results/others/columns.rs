//! The columns of a table that others asked for, and its rows in the order of our own.
//!
//! Owns which columns are enough for the pages, and what follows from others. What cannot be derived exactly
//! is missing: no figure on a page is a guess.

use std::collections::HashMap;

use elb_core::search::Program;

/// What BLAST+ writes if no column is named, and means by `std`.
const STANDARD: [&str; 12] = [
    "qaccver", "saccver", "pident", "length", "mismatch", "gapopen", "qstart", "qend", "sstart",
    "send", "evalue", "bitscore",
];

/// Columns by their name in `-outfmt` and in the line `# Fields:` (BLAST+ 2.12, `-outfmt 7`).
const FIELDS: [(&str, &str); 35] = [
    ("qseqid", "query id"),
    ("qacc", "query acc."),
    ("qaccver", "query acc.ver"),
    ("qlen", "query length"),
    ("sseqid", "subject id"),
    ("sallseqid", "subject ids"),
    ("sacc", "subject acc."),
    ("saccver", "subject acc.ver"),
    ("sallacc", "subject accs."),
    ("slen", "subject length"),
    ("qstart", "q. start"),
    ("qend", "q. end"),
    ("sstart", "s. start"),
    ("send", "s. end"),
    ("qseq", "query seq"),
    ("sseq", "subject seq"),
    ("evalue", "evalue"),
    ("bitscore", "bit score"),
    ("score", "score"),
    ("length", "alignment length"),
    ("pident", "% identity"),
    ("nident", "identical"),
    ("mismatch", "mismatches"),
    ("positive", "positives"),
    ("gapopen", "gap opens"),
    ("gaps", "gaps"),
    ("ppos", "% positives"),
    ("frames", "query/sbjct frames"),
    ("qframe", "query frame"),
    ("sframe", "sbjct frame"),
    ("staxid", "subject tax id"),
    ("ssciname", "subject sci name"),
    ("staxids", "subject tax ids"),
    ("sscinames", "subject sci names"),
    ("stitle", "subject title"),
];

const QUERY: [&str; 3] = ["qseqid", "qaccver", "qacc"];
const SUBJECT: [&str; 5] = ["sseqid", "saccver", "sacc", "sallseqid", "sallacc"];
/// What nothing else tells.
const NEEDED: [&str; 11] = [
    "qlen", "slen", "qstart", "qend", "sstart", "send", "evalue", "bitscore", "score", "qseq",
    "sseq",
];

/// Columns, by their place in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    places: HashMap<String, usize>,
    count: usize,
    /// A title may hold the separator; it is whole if it stands last.
    last_is_title: bool,
}

impl Columns {
    /// Those named in `-outfmt`; BLAST+'s own if none is.
    pub(super) fn named(names: &[String]) -> Self {
        let names: Vec<&str> = match names {
            [] => STANDARD.to_vec(),
            names => names.iter().map(String::as_str).collect(),
        };
        Self::of(names.into_iter().flat_map(|name| match name {
            "std" => STANDARD.to_vec(),
            other => vec![other],
        }))
    }

    /// Those of a line `# Fields:`.
    pub(super) fn told(fields: &str) -> Self {
        Self::of(fields.split(", ").map(|told| {
            let known = FIELDS.iter().find(|(_, field)| *field == told.trim());
            known.map_or(told, |(name, _)| name)
        }))
    }

    fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.collect();
        let last_is_title = names.last() == Some(&"stitle");
        let mut places = HashMap::new();
        for (place, name) in names.iter().enumerate() {
            places.entry((*name).to_owned()).or_insert(place);
        }
        Self {
            places,
            count: names.len(),
            last_is_title,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// Whether the pages can be made of them; if not, which are missing.
    pub(super) fn enough(&self, program: Program) -> Result<(), String> {
        let any = |names: &[&str]| names.iter().any(|name| self.has(name));
        let mut missing: Vec<&str> = Vec::new();
        if !any(&QUERY) {
            missing.push("qaccver");
        }
        if !any(&SUBJECT) {
            missing.push("saccver");
        }
        missing.extend(NEEDED.iter().filter(|name| !self.has(name)));
        if program != Program::Blastn && !any(&["positive", "ppos"]) {
            missing.push("positive");
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(format!(
            "its table does not have the columns {}, without which hits and alignments cannot be drawn; a search with -outfmt 11, or with these columns too, can be shown",
            missing.join(" ")
        ))
    }

    /// A row cut into its columns.
    pub(super) fn cut<'a>(&self, line: &'a str, delimiter: char) -> Result<Row<'a, '_>, String> {
        let cells: Vec<&str> = if self.last_is_title {
            line.splitn(self.count, delimiter).collect()
        } else {
            line.split(delimiter).collect()
        };
        if cells.len() != self.count {
            return Err(format!(
                "a row of its table has {} columns instead of {}",
                cells.len(),
                self.count
            ));
        }
        Ok(Row {
            cells,
            columns: self,
        })
    }
}

/// A row of a table.
#[derive(Debug)]
pub(super) struct Row<'a, 'c> {
    cells: Vec<&'a str>,
    columns: &'c Columns,
}

impl<'a> Row<'a, '_> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let place = self.columns.places.get(name)?;
        self.cells.get(*place).map(|cell| cell.trim())
    }

    fn first(&self, names: &[&str]) -> Option<&'a str> {
        names.iter().find_map(|name| self.get(name))
    }

    pub(super) fn query(&self) -> Result<&'a str, String> {
        self.first(&QUERY)
            .ok_or_else(|| "its table does not name the query".to_owned())
    }

    pub(super) fn subject(&self) -> Result<&'a str, String> {
        self.first(&SUBJECT)
            .ok_or_else(|| "its table does not name the subject".to_owned())
    }

    /// A number of a column.
    pub(super) fn real(&self, name: &str) -> Result<f64, String> {
        let cell = self.get(name);
        let cell = cell.ok_or_else(|| format!("its table does not have the column {name}"))?;
        let number: Option<f64> = cell.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| {
            let cell = elb_core::text::cap(cell, 40);
            format!("{name} is \"{cell}\" in its table, which is no number")
        })
    }

    fn whole(&self, name: &str) -> Result<u64, String> {
        let cell = self.get(name).unwrap_or_default();
        cell.parse().map_err(|_| {
            let cell = elb_core::text::cap(cell, 40);
            format!("{name} is \"{cell}\" in its table, which is no whole number")
        })
    }

    /// The row as our own table has it (`elb_core::hits::TABULAR_FIELDS`), of that query.
    pub(super) fn normal(&self, program: Program, query: &str) -> Result<String, String> {
        let letters = |name| self.get(name).unwrap_or_default();
        let (query_letters, subject_letters) = (letters("qseq"), letters("sseq"));
        let length = query_letters.len() as u64;
        let of_length =
            |percent: &str| -> Result<u64, String> { share(self.real(percent)?, length) };
        let same = if self.get("nident").is_some() {
            self.whole("nident")?
        } else if self.get("pident").is_some() {
            of_length("pident")?
        } else {
            identical(query_letters, subject_letters)
        };
        let positive = if self.get("positive").is_some() {
            self.whole("positive")?
        } else if program == Program::Blastn {
            same
        } else {
            of_length("ppos")?
        };
        let counted =
            |letters: &str| letters.bytes().filter(|letter| *letter == b'-').count() as u64;
        let gaps = counted(query_letters) + counted(subject_letters);
        let openings = runs_of_gaps(query_letters) + runs_of_gaps(subject_letters);
        let mismatches = length.saturating_sub(same).saturating_sub(gaps);
        let (query_frame, subject_frame) = self.frames(program)?;
        let accession = self.first(&["saccver", "sacc"]).unwrap_or("N/A");
        let cell = |name: &str| self.get(name).unwrap_or("N/A").to_owned();
        let cells: [String; 25] = [
            query.to_owned(),
            self.subject()?.to_owned(),
            accession.to_owned(),
            self.whole("qlen")?.to_string(),
            self.whole("slen")?.to_string(),
            self.whole("qstart")?.to_string(),
            self.whole("qend")?.to_string(),
            self.whole("sstart")?.to_string(),
            self.whole("send")?.to_string(),
            cell("evalue"),
            cell("bitscore"),
            self.whole("score")?.to_string(),
            length.to_string(),
            same.to_string(),
            positive.to_string(),
            mismatches.to_string(),
            openings.to_string(),
            gaps.to_string(),
            query_frame.to_string(),
            subject_frame.to_string(),
            self.first(&["staxids", "staxid"])
                .unwrap_or("N/A")
                .to_owned(),
            self.first(&["sscinames", "ssciname"])
                .unwrap_or("N/A")
                .to_owned(),
            query_letters.to_owned(),
            subject_letters.to_owned(),
            cell("stitle"),
        ];
        Ok(cells.join("\t"))
    }

    /// Frames of query and subject: told, or those that the positions have.
    fn frames(&self, program: Program) -> Result<(i8, i8), String> {
        let told = |name: &str| self.get(name).and_then(|frame| frame.parse::<i8>().ok());
        let both = self.get("frames").and_then(|frames| frames.split_once('/'));
        let both = both.and_then(|(query, subject)| {
            Some((query.parse::<i8>().ok()?, subject.parse::<i8>().ok()?))
        });
        let query = (
            self.whole("qstart")?,
            self.whole("qend")?,
            self.whole("qlen")?,
        );
        let subject = (
            self.whole("sstart")?,
            self.whole("send")?,
            self.whole("slen")?,
        );
        let derived = match program {
            Program::Blastn => (strand(query), strand(subject)),
            Program::Blastp => (0, 0),
            Program::Blastx => (frame(query), 0),
            Program::Tblastn => (0, frame(subject)),
            Program::Tblastx => (frame(query), frame(subject)),
        };
        let derived = both.unwrap_or(derived);
        Ok((
            told("qframe").unwrap_or(derived.0),
            told("sframe").unwrap_or(derived.1),
        ))
    }
}

/// Positions from first to last, and the length of the whole.
type Span = (u64, u64, u64);

const fn strand((first, last, _): Span) -> i8 {
    if first > last { -1 } else { 1 }
}

/// The reading frame that begins at the first position.
fn frame((first, last, length): Span) -> i8 {
    let (before, sign) = if first > last {
        (length.saturating_sub(first), -1)
    } else {
        (first.saturating_sub(1), 1)
    };
    let number = i8::try_from(before % 3).unwrap_or_default();
    sign * (number + 1)
}

/// So many percent of a length, to the nearest whole.
fn share(percent: f64, length: u64) -> Result<u64, String> {
    #[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
    let of = (percent * length as f64 / 100.0).round();
    if !(0.0..=100.0).contains(&percent) {
        return Err(format!("its table has {percent} as a percentage"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the length"
    )]
    let of = of as u64;
    Ok(of)
}

fn identical(query: &str, subject: &str) -> u64 {
    let pairs = query.bytes().zip(subject.bytes());
    let same = |(query, subject): &(u8, u8)| *query != b'-' && query.eq_ignore_ascii_case(subject);
    pairs.filter(same).count() as u64
}

fn runs_of_gaps(letters: &str) -> u64 {
    let runs = letters.split(|letter| letter != '-');
    runs.filter(|run| !run.is_empty()).count() as u64
}
