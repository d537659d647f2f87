//! Writing hits out of the index, row by row: tables for spreadsheets, and FASTA.
//!
//! Owns these three forms. They are handed on piece by piece and never held whole, and they need no
//! database. A text that a spreadsheet would take for a formula gets an apostrophe in front.

use elb_core::hits::{Hsp, SubjectSummary};
use rusqlite::params;

use super::{
    ResultsError, ResultsIndex,
    subjects::{FoundQuery, SUBJECT, subject, whole},
};

/// The headings of [`ResultsIndex::descriptions_csv`].
const DESCRIPTIONS: &str = "query,subject,accession,description,scientific_names,taxids,length,max_score,total_score,query_coverage,evalue,identity,hsps";
/// The headings of [`ResultsIndex::hsps_csv`].
const HSPS: &str = "query,subject,accession,identity,length,identities,positives,mismatches,gap_openings,gaps,query_start,query_end,subject_start,subject_end,query_frame,subject_frame,evalue,bit_score,score";
/// Letters on a line of FASTA.
const FASTA_LINE: usize = 60;

/// Where the text goes: called once for some hundreds of bytes.
type Sink<'a> = dyn FnMut(&str) -> std::io::Result<()> + 'a;

impl ResultsIndex {
    /// The descriptions of one query, or of all, in BLAST+'s order, as CSV: one row a subject.
    ///
    /// # Errors
    /// [`ResultsError::NoQuery`], or what `write` says.
    pub fn descriptions_csv(
        &self,
        query: Option<u64>,
        mut write: impl FnMut(&str) -> std::io::Result<()>,
    ) -> Result<(), ResultsError> {
        write(DESCRIPTIONS)?;
        write("\r\n")?;
        self.each_query(query, |found| {
            self.each_subject(found, |subject, _| {
                let cells = [
                    text(&found.summary.id),
                    text(&subject.id),
                    text(&subject.accession),
                    text(&subject.title),
                    text(&subject.names),
                    text(&subject.taxids),
                    subject.length.to_string(),
                    subject.max_score.to_string(),
                    format!("{:.1}", subject.total_score),
                    subject.coverage.to_string(),
                    evalue(subject.evalue),
                    format!("{:.3}", subject.identity),
                    subject.hsps.to_string(),
                ];
                Ok(write(&(cells.join(",") + "\r\n"))?)
            })
        })
    }

    /// The HSPs of one query, or of all, in BLAST+'s order, as CSV: one row an HSP, without letters.
    ///
    /// # Errors
    /// [`ResultsError::NoQuery`], or what `write` says.
    pub fn hsps_csv(
        &self,
        query: Option<u64>,
        mut write: impl FnMut(&str) -> std::io::Result<()>,
    ) -> Result<(), ResultsError> {
        write(HSPS)?;
        write("\r\n")?;
        self.each_query(query, |found| {
            self.each_subject(found, |subject, first_hsp| {
                self.each_hsp(first_hsp, subject.hsps, |hsp| {
                    let names = [
                        text(&found.summary.id),
                        text(&subject.id),
                        text(&subject.accession),
                        format!("{:.3}", hsp.identity()),
                    ];
                    let counts = [
                        hsp.length,
                        hsp.identities,
                        hsp.positives,
                        hsp.mismatches,
                        hsp.gap_openings,
                        hsp.gaps,
                        hsp.query_start,
                        hsp.query_end,
                        hsp.subject_start,
                        hsp.subject_end,
                    ];
                    let scores = [
                        hsp.query_frame.to_string(),
                        hsp.subject_frame.to_string(),
                        evalue(hsp.evalue),
                        hsp.bit_score.to_string(),
                        hsp.score.to_string(),
                    ];
                    let cells: Vec<String> = names
                        .into_iter()
                        .chain(counts.map(|count| count.to_string()))
                        .chain(scores)
                        .collect();
                    write(&(cells.join(",") + "\r\n"))?;
                    Ok(true)
                })
            })
        })
    }

    /// The aligned parts of a query's subjects as FASTA, gaps removed, every HSP of the chosen
    /// subjects (by position; all if none is chosen), in BLAST+'s order. The header gives accession,
    /// positions from small to large, and the strand or frame that the letters are of.
    ///
    /// # Errors
    /// [`ResultsError::NoQuery`], [`ResultsError::NoSubject`], or what `write` says.
    pub fn aligned_fasta(
        &self,
        query: u64,
        chosen: &[u64],
        mut write: impl FnMut(&str) -> std::io::Result<()>,
    ) -> Result<(), ResultsError> {
        let found = self.find_query(query)?;
        let meta = self.meta()?;
        let (nucleotide, translated) = (meta.matrix.is_none(), meta.drawing().subject_translated);
        let mut record = |subject: SubjectSummary, first_hsp: u64| {
            self.each_hsp(first_hsp, subject.hsps, |hsp| {
                fasta_record(&subject, &hsp, nucleotide, translated, &mut write)?;
                Ok(true)
            })
        };
        if chosen.is_empty() {
            return self.each_subject(&found, record);
        }
        let mut chosen = chosen.to_vec();
        chosen.sort_unstable();
        chosen.dedup();
        for ordinal in chosen {
            let (subject, first_hsp) = self.find_subject(&found, ordinal)?;
            record(subject, first_hsp)?;
        }
        Ok(())
    }

    fn each_query(
        &self,
        query: Option<u64>,
        mut take: impl FnMut(&FoundQuery) -> Result<(), ResultsError>,
    ) -> Result<(), ResultsError> {
        if let Some(ordinal) = query {
            return take(&self.find_query(ordinal)?);
        }
        let sql = "SELECT ordinal FROM queries INDEXED BY queries_with_hits WHERE hits > 0 ORDER BY ordinal";
        let mut statement = self.connection.prepare(sql)?;
        for ordinal in statement.query_map([], |row| row.get(0))? {
            take(&self.find_query(ordinal?)?)?;
        }
        Ok(())
    }

    fn each_subject(
        &self,
        query: &FoundQuery,
        mut take: impl FnMut(SubjectSummary, u64) -> Result<(), ResultsError>,
    ) -> Result<(), ResultsError> {
        let sql = format!("{SUBJECT} WHERE number >= ?1 AND number < ?2 ORDER BY number");
        let end = query.first_subject.saturating_add(query.summary.hits);
        let mut statement = self.connection.prepare_cached(&sql)?;
        for row in statement.query_map(params![whole(query.first_subject), whole(end)], subject)? {
            let (subject, first_hsp) = row?;
            take(subject, first_hsp)?;
        }
        Ok(())
    }
}

fn fasta_record(
    subject: &SubjectSummary,
    hsp: &Hsp,
    nucleotide: bool,
    translated: bool,
    write: &mut Sink<'_>,
) -> Result<(), ResultsError> {
    let (from, to) = (
        hsp.subject_start.min(hsp.subject_end),
        hsp.subject_start.max(hsp.subject_end),
    );
    let side = if translated {
        format!(" frame={:+}", hsp.subject_frame)
    } else if nucleotide {
        format!(
            " strand={}",
            if hsp.subject_start > hsp.subject_end {
                "minus"
            } else {
                "plus"
            }
        )
    } else {
        String::new()
    };
    write(&format!(
        ">{}:{from}-{to}{side} {}\n",
        subject.accession, subject.title
    ))?;
    let letters: Vec<u8> = hsp
        .subject_letters
        .bytes()
        .filter(|letter| *letter != b'-')
        .collect();
    for line in letters.chunks(FASTA_LINE) {
        write(&String::from_utf8_lossy(line))?;
        write("\n")?;
    }
    Ok(())
}

/// An E-value that reads back as the same number, in the form of BLAST+'s tables.
fn evalue(value: f64) -> String {
    if value == 0.0 {
        "0.0".to_owned()
    } else if value < 0.001 {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

/// A cell of text.
fn text(text: &str) -> String {
    let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if risky {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}
