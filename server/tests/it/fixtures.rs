//! What tests search with: real sequences, databases made of them, BLAST+ that fails when told to.

use std::{
    io::Read,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::Form;

const RRNA: &str = "/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta";
const PROTEINS: &str = "/usr/share/doc/mmseqs2/example-data/DB.fasta.gz";

/// The first records of a FASTA file, plain or gzip.
fn records(path: &str, skip: usize, count: usize) -> String {
    let mut text = String::new();
    let mut file = std::fs::File::open(path).unwrap();
    if path.ends_with(".gz") {
        flate2::read::MultiGzDecoder::new(file)
            .read_to_string(&mut text)
            .unwrap();
    } else {
        file.read_to_string(&mut text).unwrap();
    }
    let records = text.split('>').skip(1 + skip).take(count);
    records
        .map(|record| format!(">{}\n", record.trim_end()))
        .collect()
}

/// Genes with names that are one line.
pub fn genes(skip: usize, count: usize) -> String {
    records(RRNA, skip, count).replace('\t', " ")
}

pub fn proteins(skip: usize, count: usize) -> String {
    records(PROTEINS, skip, count)
}

/// Makes a database in a folder, as somebody at a terminal would.
pub fn make_database(folder: &Path, name: &str, kind: &str, fasta: &str) {
    let source = format!("{name}.source");
    std::fs::write(folder.join(&source), fasta).unwrap();
    let out = Command::new("makeblastdb")
        .current_dir(folder)
        .args([
            "-in", &source, "-out", name, "-dbtype", kind, "-title", name,
        ])
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

/// Small databases of real sequences, made once for all tests of the run.
pub fn databases() -> &'static Path {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        make_database(folder.path(), "genes", "nucl", &genes(0, 300));
        make_database(folder.path(), "few_genes", "nucl", &genes(100, 12));
        make_database(folder.path(), "proteins", "prot", &proteins(0, 500));
        folder
    });
    made.path()
}

/// BLAST+ whose `tool` does what the file `fault` says, if there is one.
pub fn faulty_toolkit(folder: &Path, tool: &str) -> PathBuf {
    let tools = folder.join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let real = std::env::split_paths(&path)
        .find(|folder| folder.join("blastn").is_file())
        .unwrap();
    for name in [
        "blastn",
        "blastp",
        "blastx",
        "tblastn",
        "tblastx",
        "blast_formatter",
        "blastdbcmd",
        "makeblastdb",
    ] {
        if name != tool {
            symlink(real.join(name), tools.join(name)).unwrap();
        }
    }
    let script = format!(
        "#!/bin/sh\nif [ $# -gt 1 ] && [ -e '{fault}' ]; then . '{fault}'; fi\nexec '{real}' \"$@\"\n",
        fault = folder.join("fault").display(),
        real = real.join(tool).display(),
    );
    std::fs::write(tools.join(tool), script).unwrap();
    std::fs::set_permissions(tools.join(tool), std::fs::Permissions::from_mode(0o755)).unwrap();
    tools
}

/// The body of a small nucleotide search.
pub fn small_search() -> Value {
    json!({ "program": "blastn", "database": "genes", "query": genes(0, 2) })
}

pub fn protein_search() -> Value {
    json!({ "program": "blastp", "database": "proteins", "query": proteins(0, 2) })
}

/// A search that is at work for long: it is meant to be stopped.
pub fn long_search() -> Value {
    json!({ "program": "tblastx", "database": "genes", "query": genes(0, 300) })
}

/// A search form with all that a search needs but the query.
pub fn search_form() -> Form {
    Form::new()
        .field("program", "blastn")
        .field("database", "genes")
}
