//! Embeds the built site, so that the program runs from any folder.
//!
//! The browser half is built first (`make build` does both). Each file is compressed once, here, as
//! well as it can be. The address of the files holds a fingerprint of them all: a browser may keep them
//! for ever, and never mixes two versions.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// What is served; declarations for TypeScript are not.
const SERVED: [&str; 4] = ["css", "js", "svg", "wasm"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let (pkg, public) = (root.join("target/site/pkg"), root.join("public"));
    for folder in [&pkg, &public] {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    let site = served(&pkg).unwrap_or_default();
    if !site
        .iter()
        .any(|file| file.extension().is_some_and(|ending| ending == "wasm"))
    {
        return Err(
            "the browser half is not built: run `make build`, which makes target/site first".into(),
        );
    }
    let mut hash = Sha256::new();
    let mut table = String::from("&[\n");
    let folders = [("pkg", site), ("public", served(&public)?)];
    for (folder, file) in folders
        .iter()
        .flat_map(|(folder, files)| files.iter().map(move |file| (*folder, file)))
    {
        let bytes = fs::read(file)?;
        hash.update(&bytes);
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or("a file of the site has an odd name")?;
        let packed = out.join(format!("{folder}-{name}.br"));
        fs::write(&packed, brotli(&bytes)?)?;
        let plain = file.canonicalize()?;
        writeln!(
            table,
            "Asset {{ folder: {folder:?}, name: {name:?}, plain: include_bytes!({plain:?}), packed: include_bytes!({packed:?}) }},"
        )?;
    }
    table.push(']');
    fs::write(out.join("site.rs"), table)?;
    let fingerprint: String = hash
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    println!("cargo::rustc-env=SITE_FINGERPRINT={fingerprint}");
    Ok(())
}

fn served(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        if SERVED.contains(&ending) {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn brotli(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    let best = brotli::enc::BrotliEncoderParams {
        quality: 11,
        lgwin: 22,
        ..Default::default()
    };
    brotli::BrotliCompress(&mut &*bytes, &mut packed, &best)?;
    Ok(packed)
}
