//! What tests search with: searches, forms, and BLAST+ that fails when told to.

use std::{
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::client::Form;
pub use super::sequences::{databases, genes, make_database, proteins};

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
