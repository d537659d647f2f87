//! Two real databases to begin with, made from what Debian packages ship.
//!
//! Owns their names, sources and titles. Made in the background at the first start; a package that is
//! not installed is said, with its name, and is no error.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
    sync::Arc,
};

use elb_core::{
    database::{BuildState, Origin},
    molecule::Molecule,
};
use flate2::read::MultiGzDecoder;

use super::{Catalogue, DatabaseError, make};

struct Example {
    name: &'static str,
    title: &'static str,
    molecule: Molecule,
    package: &'static str,
    path: &'static str,
    source: &'static str,
}

const EXAMPLES: [Example; 2] = [
    Example {
        name: "16S_rRNA",
        title: "16S ribosomal RNA genes, gold reference set",
        molecule: Molecule::Nucleotide,
        package: "microbiomeutil-data",
        path: "/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta",
        source: "Broad Institute microbiome utilities, rRNA16S.gold (BSD-3-Clause)",
    },
    Example {
        name: "uniprot_sample",
        title: "UniProt proteins, sample of 20,000",
        molecule: Molecule::Protein,
        package: "mmseqs2-examples",
        path: "/usr/share/doc/mmseqs2/example-data/DB.fasta.gz",
        source: "UniProt (CC BY 4.0), sampled by MMseqs2 for its example",
    },
];

/// The origin of an example by the path of its files.
pub(super) fn origin_of(path: &Path) -> Option<Origin> {
    let name = path.file_name()?.to_str()?;
    let example = EXAMPLES.iter().find(|example| example.name == name)?;
    Some(Origin::Example {
        package: example.package.to_owned(),
        source: example.source.to_owned(),
    })
}

/// Makes those that are not there.
pub(super) async fn make_missing(catalogue: &Arc<Catalogue>) {
    for example in &EXAMPLES {
        let target = catalogue.config().own.join("examples").join(example.name);
        if target.is_dir() {
            continue;
        }
        let begun = catalogue.begin_build(
            example.name,
            example.title,
            BuildState::Building { sequences: 0 },
        );
        let Some(id) = begun else {
            continue;
        };
        if !Path::new(example.path).is_file() {
            let message = format!(
                "install the Debian package {} and restart to have this example",
                example.package
            );
            catalogue.set_build(&id, BuildState::Failed { message });
            continue;
        }
        match make_one(catalogue, example, &target).await {
            Ok(()) => {
                catalogue.refresh().await;
                catalogue.set_build(&id, BuildState::Done);
                tracing::info!(database = example.name, "example database made");
            }
            Err(error) => {
                tracing::warn!(database = example.name, %error, "an example database cannot be made");
                catalogue.set_build(
                    &id,
                    BuildState::Failed {
                        message: error.to_string(),
                    },
                );
            }
        }
    }
}

async fn make_one(
    catalogue: &Catalogue,
    example: &'static Example,
    target: &Path,
) -> Result<(), DatabaseError> {
    let draft = make::Draft::begin(&catalogue.config().own)?;
    let copy = draft.path().join(make::SOURCE);
    let copied = tokio::task::spawn_blocking(move || copy_readable(Path::new(example.path), &copy));
    copied.await.map_err(io::Error::other)??;
    make::makeblastdb(
        &catalogue.toolkit,
        &draft,
        example.name,
        example.molecule,
        example.title,
    )
    .await?;
    draft.keep(target)?;
    Ok(())
}

/// Copies a FASTA, with headers made readable where they are tables.
fn copy_readable(source: &Path, target: &Path) -> io::Result<()> {
    let file = File::open(source)?;
    let gzip = source.extension().is_some_and(|ending| ending == "gz");
    let plain: Box<dyn Read> = if gzip {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut out = BufWriter::new(File::create(target)?);
    for line in BufReader::new(plain).split(b'\n') {
        let line = line?;
        if line.starts_with(b">") {
            out.write_all(readable(&String::from_utf8_lossy(&line)).as_bytes())?;
        } else {
            out.write_all(&line)?;
        }
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// A header whose fields are separated by tabs: identifier, name, more, lineage.
fn readable(header: &str) -> String {
    let fields: Vec<&str> = header
        .split('\t')
        .map(str::trim)
        .filter(|field| !field.is_empty())
        .collect();
    match fields.as_slice() {
        [id, name, .., lineage] if lineage.contains(';') => format!("{id} {name} [{lineage}]"),
        _ => fields.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_is_a_table_becomes_name_and_lineage() {
        let header =
            ">70\tAcidothermus cellulolyticus 11B. \t70|16s|ATC1\tBacteria; Actinobacteria";
        assert_eq!(
            readable(header),
            ">70 Acidothermus cellulolyticus 11B. [Bacteria; Actinobacteria]"
        );
        assert_eq!(readable(">tr|A|B Some protein"), ">tr|A|B Some protein");
    }
}
