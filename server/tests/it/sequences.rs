//! Real sequences from what Debian packages ship, and databases made of them.

use std::{io::Read, path::Path, process::Command, sync::OnceLock};

use tempfile::TempDir;

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
