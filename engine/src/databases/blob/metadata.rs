//! The metadata object of a database: a small JSON document that NCBI publishes with each of its
//! databases (`<name>-nucl-metadata.json`, `<name>-prot-metadata.json`) and that newer releases of
//! `makeblastdb` write beside its files (`<name>.njs`, `<name>.pjs`; 2.12 does not).
//!
//! Every field may be missing, and a number may be a string: only what is no JSON at all, or is of
//! another database, is refused.

use elb_core::{database::MAX_TITLE, molecule::Molecule, text};
use serde::{Deserialize, Deserializer};

/// What a metadata object tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) title: Option<String>,
    pub(super) sequences: Option<u64>,
    pub(super) letters: Option<u64>,
    pub(super) bytes_to_cache: Option<u64>,
    pub(super) updated: Option<String>,
    pub(super) volumes: Option<u64>,
    /// Names of its files, without folders. Empty if it names none, or archives to be unpacked.
    pub(super) files: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    dbname: Option<String>,
    dbtype: Option<String>,
    description: Option<String>,
    #[serde(default, deserialize_with = "number")]
    number_of_letters: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    number_of_sequences: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    number_of_volumes: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    bytes_to_cache: Option<u64>,
    last_updated: Option<String>,
    #[serde(default)]
    files: Vec<String>,
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Number(u64),
        Text(String),
    }
    match Option::<Number>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Number::Number(number)) => Ok(Some(number)),
        Some(Number::Text(text)) => {
            let number = text.trim().parse().map_err(serde::de::Error::custom)?;
            Ok(Some(number))
        }
    }
}

/// The molecule of which a file of this name, in the folder of this database, tells, and whether it
/// is the better source: what is published with a database names all that belongs to it.
pub(super) fn is_metadata(name: &str, file: &str) -> Option<(Molecule, bool)> {
    match file.strip_prefix(name)? {
        "-nucl-metadata.json" => Some((Molecule::Nucleotide, true)),
        "-prot-metadata.json" => Some((Molecule::Protein, true)),
        ".njs" => Some((Molecule::Nucleotide, false)),
        ".pjs" => Some((Molecule::Protein, false)),
        _ => None,
    }
}

fn is_of(molecule: Molecule, dbtype: &str) -> bool {
    let expected = match molecule {
        Molecule::Nucleotide => "nucl",
        Molecule::Protein => "prot",
    };
    dbtype.to_ascii_lowercase().starts_with(expected)
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl Metadata {
    /// Reads the metadata object of a database.
    ///
    /// # Errors
    /// Why it is of no use.
    pub(super) fn read(bytes: &[u8], name: &str, molecule: Molecule) -> Result<Self, String> {
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| format!("it is damaged: {error}"))?;
        let of = document.dbname.as_deref().map(last_part);
        if let Some(of) = of.filter(|of| *of != name) {
            return Err(format!("it is that of another database, {of}"));
        }
        let dbtype = document.dbtype.as_deref();
        if let Some(dbtype) = dbtype.filter(|dbtype| !is_of(molecule, dbtype)) {
            return Err(format!(
                "it is that of a database of another type, {dbtype}"
            ));
        }
        let told = |text: Option<String>| {
            let text = text.unwrap_or_default();
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            (!words.is_empty()).then(|| text::cap(&words, MAX_TITLE))
        };
        let named = document.files.iter().map(|path| last_part(path));
        let mut files: Vec<String> = named
            .filter(|file| {
                file.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('.'))
            })
            .filter(|file| !file.ends_with(".tar.gz"))
            .map(str::to_owned)
            .collect();
        files.sort_unstable();
        files.dedup();
        Ok(Self {
            title: told(document.description),
            sequences: document.number_of_sequences,
            letters: document.number_of_letters,
            bytes_to_cache: document.bytes_to_cache,
            updated: told(document.last_updated),
            volumes: document.number_of_volumes,
            files,
        })
    }
}
