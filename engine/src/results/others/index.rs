//! The index of the hits, written from tables that others asked for.
//!
//! Owns where the list of queries comes from: the comments of the table, else the files of the queries, else
//! the rows alone, which is then noted in the index.

use std::path::Path;

use elb_core::search::Program;
use tokio_util::sync::CancellationToken;

use super::{
    super::{IndexBuilder, IndexMeta, QueryInput, Totals},
    Asked, MAX_UNPACKED, OthersError,
    columns::Columns,
    lines::{Bounds, Line, Lines, open},
    shards::{Parts, cut_off},
};

/// The files of one batch, on this machine.
#[derive(Debug)]
pub struct BatchFiles<P> {
    /// Its results, one a part of the database.
    pub parts: Vec<P>,
    /// Its queries, where they are there.
    pub queries: Option<P>,
    /// Whether tables with comments say where they end: BLAST+'s do, and one that does not is cut off.
    pub ends_told: bool,
}

/// Writes one index.
pub struct OthersIndex {
    builder: IndexBuilder,
    program: Program,
    format: u8,
    asked: Asked,
    bounds: Bounds,
    columns: Option<Columns>,
    queries_from_rows: bool,
}

impl OthersIndex {
    /// Begins an index that will appear as `target`, of tables in that format (6, 7 or 10).
    ///
    /// # Errors
    /// [`OthersError::NotTold`] if such a format, or its columns, do not tell enough.
    pub fn create(
        target: &Path,
        meta: &IndexMeta,
        program: Program,
        format: u8,
        asked: Asked,
        stop: CancellationToken,
    ) -> Result<Self, OthersError> {
        let columns = match format {
            7 => None,
            6 | 10 => {
                let columns = Columns::named(&asked.columns);
                columns.enough(program).map_err(OthersError::NotTold)?;
                Some(columns)
            }
            other => {
                let name = super::format_name(other);
                return Err(OthersError::NotTold(format!(
                    "its format ({name}) is not one that the pages can be made of"
                )));
            }
        };
        Ok(Self {
            builder: IndexBuilder::create(target, meta)?,
            program,
            format,
            asked,
            bounds: Bounds::new(MAX_UNPACKED, stop),
            columns,
            queries_from_rows: false,
        })
    }

    /// Adds the next batch, in the order of the queries.
    ///
    /// # Errors
    /// If its files are not whole, or do not tell enough.
    pub fn add<P: AsRef<Path>>(&mut self, batch: &BatchFiles<P>) -> Result<(), OthersError> {
        if self.format != 7 {
            match &batch.queries {
                Some(path) => {
                    let file = std::fs::File::open(path)?;
                    self.builder.add_query_file(file, || {})?;
                }
                None => self.queries_from_rows = true,
            }
        }
        match batch.parts.as_slice() {
            [table] => self.add_table(table.as_ref(), batch.queries.is_some(), batch.ends_told),
            parts => self.add_parts(parts, batch.queries.as_ref()),
        }
    }

    fn add_table(
        &mut self,
        table: &Path,
        queries_known: bool,
        end_told: bool,
    ) -> Result<(), OthersError> {
        let reader = open(table, &self.bounds)?;
        let mut lines = Lines::new(reader, self.format == 7);
        let mut query: Option<String> = None;
        let mut whole = self.format != 7;
        while let Some(line) = lines.next()? {
            match line {
                Line::Query(header) => {
                    query = Some(self.add_query(&header)?);
                    whole = false;
                }
                Line::Fields(fields) => self.told(&fields)?,
                Line::End(_) => whole = true,
                Line::Found | Line::Comment(_) => {}
                Line::Row(row) => {
                    if self.format != 7 {
                        let name = self.query_of(&row)?;
                        if query.as_ref() != Some(&name) && !queries_known {
                            self.add_query(&name)?;
                        }
                        query = Some(name);
                    }
                    let name = query.as_deref().unwrap_or_default();
                    self.add_row(&row, name)?;
                }
            }
        }
        if whole || !end_told {
            Ok(())
        } else {
            Err(cut_off())
        }
    }

    fn add_parts<P: AsRef<Path>>(
        &mut self,
        paths: &[P],
        queries: Option<&P>,
    ) -> Result<(), OthersError> {
        let mut parts = Parts::open(paths, queries, self.format, &self.asked, &self.bounds)?;
        while let Some(section) = parts.next()? {
            let name = if self.format == 7 {
                self.add_query(&section.query)?
            } else {
                section.query
            };
            if section.rows.is_empty() {
                continue;
            }
            if let Some(columns) = parts.columns() {
                columns.enough(self.program).map_err(OthersError::NotTold)?;
                self.columns = Some(columns.clone());
            }
            for row in &section.rows {
                self.add_row(row, &name)?;
            }
        }
        Ok(())
    }

    fn told(&mut self, fields: &str) -> Result<(), OthersError> {
        let columns = Columns::told(fields);
        columns.enough(self.program).map_err(OthersError::NotTold)?;
        self.columns = Some(columns);
        Ok(())
    }

    fn query_of(&self, row: &str) -> Result<String, OthersError> {
        let columns = self.columns.as_ref().ok_or_else(no_columns)?;
        let cut = columns.cut(row, self.asked.delimiter(self.format));
        let query = cut.and_then(|row| row.query().map(str::to_owned));
        query.map_err(OthersError::Broken)
    }

    /// Adds a query by its name and title; its name in the index.
    fn add_query(&mut self, header: &str) -> Result<String, OthersError> {
        let (id, title) = header
            .split_once(char::is_whitespace)
            .unwrap_or((header, ""));
        let id = match id {
            "" => "(without a name)".to_owned(),
            id => id.to_owned(),
        };
        self.builder.add_queries([QueryInput {
            id: id.clone(),
            title: title.trim().to_owned(),
            // Told by its rows, if it has any.
            letters: 0,
        }])?;
        Ok(id)
    }

    fn add_row(&mut self, row: &str, query: &str) -> Result<(), OthersError> {
        let columns = self.columns.as_ref().ok_or_else(no_columns)?;
        let cut = columns.cut(row, self.asked.delimiter(self.format));
        let normal = cut.and_then(|row| row.normal(self.program, query));
        let normal = normal.map_err(OthersError::Broken)?;
        self.builder.add_line(&normal)?;
        Ok(())
    }

    /// Ends the index; it appears under its name. What the pages must say of it is kept in it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(mut self, approximate: Option<&str>) -> Result<Totals, OthersError> {
        if let Some(why) = approximate {
            self.builder.add_note(why)?;
        }
        if self.queries_from_rows {
            self.builder.add_note(
                "Queries without a hit are missing from this list: the table does not name them, and the files of the queries are not there.",
            )?;
        }
        Ok(self.builder.finish()?)
    }
}

fn no_columns() -> OthersError {
    OthersError::Broken("the table has a row before its columns are named".to_owned())
}
