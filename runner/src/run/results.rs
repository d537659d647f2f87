//! The results of a batch in the store.
//!
//! Owns that two attempts of a batch never mix: each stores its files under names of its own, and the object that
//! names those that count can be created only once. Who comes second removes its files again.

use std::{fs::File, io::Read, path::Path, sync::Arc};

use elb_core::{
    cluster::{BatchDone, BatchFile},
    text,
};
use futures::TryStreamExt;
use object_store::{Error, ObjectStoreExt, PutMode, PutOptions, PutPayload, buffered::BufWriter};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::{end::Failure, say, store::Place};

/// The size of a part of a file that is stored, in bytes (ours). A smaller file is one request.
const PART: usize = 8 * 1_024 * 1_024;

/// What counts for the batch, if it is done.
pub async fn find(results: &Place) -> Result<Option<BatchDone>, Failure> {
    let object = results.join(BatchDone::NAME);
    let got = object.patiently(|| async {
        let answer = object
            .store
            .get_opts(&object.key, Default::default())
            .await?;
        answer.bytes().await
    });
    match got.await {
        Ok(json) => match BatchDone::parse(&json) {
            Ok(done) => Ok(Some(done)),
            Err(error) => Err(Failure::Configuration(format!(
                "{} is not what this program writes: {error}",
                object.url
            ))),
        },
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(object.failed("it cannot be seen whether the batch is done", &error)),
    }
}

/// Stores a file under a name that no other attempt has.
pub async fn put(
    results: &Place,
    file: &Path,
    kind: &str,
    ending: &str,
) -> Result<BatchFile, Failure> {
    let path = file.to_owned();
    let digested = tokio::task::spawn_blocking(move || digest(&path)).await;
    let digested = digested.map_err(|error| Failure::TryAgain(error.to_string()))?;
    let (bytes, sha256) =
        digested.map_err(|error| Failure::disk(&format!("BLAST+ left no {kind}"), &error))?;
    let name = format!("{kind}-{}.{ending}", uuid::Uuid::new_v4().simple());
    let object = results.join(&name);
    say::line(&format!("storing {name}, {}", text::bytes(bytes)));
    let stored = object.patiently(|| async {
        let mut from = tokio::fs::File::open(file).await.map_err(local)?;
        let mut to = BufWriter::with_capacity(Arc::clone(&object.store), object.key.clone(), PART);
        match tokio::io::copy(&mut from, &mut to).await {
            Ok(_) => to.shutdown().await.map_err(local),
            Err(error) => {
                // What was stored of it so far is not kept; if that fails, the store drops it by itself.
                let _ = to.abort().await;
                Err(local(error))
            }
        }
    });
    stored
        .await
        .map_err(|error| object.failed("the results cannot be stored", &error))?;
    Ok(BatchFile {
        name,
        bytes,
        sha256,
    })
}

/// Says that the batch is done, unless another attempt has said so: what counts, and whether it is ours.
pub async fn settle(results: &Place, ours: BatchDone) -> Result<(BatchDone, bool), Failure> {
    let object = results.join(BatchDone::NAME);
    let json = ours
        .to_json()
        .map_err(|error| Failure::Configuration(error.to_string()))?;
    let created = object.patiently(|| async {
        let options = PutOptions::from(PutMode::Create);
        let payload = PutPayload::from(json.clone());
        object.store.put_opts(&object.key, payload, options).await
    });
    let counts = match created.await {
        Ok(_) => ours.clone(),
        // It may be ours all the same: of an answer that was lost.
        Err(Error::AlreadyExists { .. }) => match find(results).await? {
            Some(done) => done,
            None => {
                let message = format!("{} came and went", object.url);
                return Err(Failure::TryAgain(message));
            }
        },
        Err(error) => return Err(object.failed("the results cannot be stored", &error)),
    };
    if let Err(error) = remove_others(results, &counts).await {
        say::problem(&format!(
            "what other attempts have stored below {} stays: {}",
            results.url,
            crate::store::told(&error)
        ));
    }
    let won = counts.archive.name == ours.archive.name;
    Ok((counts, won))
}

/// Removes what does not count, of attempts that were ended in between and of those that came second.
async fn remove_others(results: &Place, counts: &BatchDone) -> object_store::Result<()> {
    let table = counts.table.as_ref().map(|table| table.name.as_str());
    let kept = [
        Some(BatchDone::NAME),
        Some(counts.archive.name.as_str()),
        table,
    ];
    let listed: Vec<_> = results.store.list(Some(&results.key)).try_collect().await?;
    for object in listed {
        if !kept.contains(&object.location.filename()) {
            match results.store.delete(&object.location).await {
                Err(Error::NotFound { .. }) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// An error on the way of a file into the store: the store's own, if it is one.
fn local(error: std::io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::Generic {
            store: "the way to the store",
            source: Box::new(error),
        },
    }
}

/// Size and SHA-256 of a file.
fn digest(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut sha256 = Sha256::new();
    let mut buffer = vec![0; 1_024 * 1_024];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            let digest = sha256.finalize();
            let hex = digest.iter().map(|byte| format!("{byte:02x}"));
            return Ok((size, hex.collect()));
        }
        sha256.update(buffer.get(..count).unwrap_or_default());
        size += count as u64;
    }
}
