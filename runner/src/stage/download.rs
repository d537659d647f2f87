//! The files of a database, from the store to the disk.
//!
//! Owns how much is on its way at once: parts of all files share one number of requests, and a part counts
//! until it is written, so that memory is bounded. A file's parts are written in order; its size, and its MD5
//! where the store has one, are compared before it counts as there.

use std::{
    fs::File,
    io::Write,
    ops::Range,
    path::Path,
    sync::{Arc, OnceLock},
};

use base64::Engine as _;
use bytes::Bytes;
use elb_core::text;
use futures::{StreamExt, TryStreamExt, stream};
use md5::{Digest, Md5};
use object_store::{GetOptions, GetRange};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::progress::Progress;
use crate::{
    copy::{FileMark, Marker},
    end::Failure,
    say,
    store::{ContentMd5, Place},
};

/// The size of a part in bytes (ours): large enough that its request costs little.
const PART: u64 = 8 * 1_024 * 1_024;
/// Files at once (ours): volumes are large, and their neighbours are small.
const FILES: usize = 4;

/// A part that has come, and its place among those on their way.
type Part = (Bytes, OwnedSemaphorePermit);

/// Brings all files of `wanted` into `folder`, and tells what they are.
pub async fn all(
    source: &Place,
    wanted: Marker,
    folder: &Path,
    parallel: usize,
) -> Result<Marker, Failure> {
    let what = format!("{} {}", wanted.db, wanted.version);
    say::line(&format!(
        "{what}: {}, {}, from {}",
        text::counted(wanted.files.len() as u64, "file", "files"),
        text::bytes(wanted.bytes()),
        source.url
    ));
    let progress = Progress::new(what, wanted.bytes());
    let requests = Arc::new(Semaphore::new(parallel));
    let files = stream::iter(wanted.files.iter().cloned())
        .map(|file| {
            let object = source.join(&file.name);
            let (requests, progress) = (&requests, &progress);
            async move { one(&object, file, folder, requests, parallel, progress).await }
        })
        .buffered(FILES)
        .try_collect();
    let files: Vec<FileMark> = progress.beside(files).await?;
    say::line(&progress.line());
    Ok(Marker { files, ..wanted })
}

async fn one(
    object: &Place,
    mut file: FileMark,
    folder: &Path,
    requests: &Arc<Semaphore>,
    parallel: usize,
    progress: &Progress,
) -> Result<FileMark, Failure> {
    let path = folder.join(&file.name);
    let failed = |error| Failure::disk(&format!("{} cannot be written", path.display()), &error);
    let mut target = Target::new(File::create(&path).map_err(failed)?);
    let told_md5 = OnceLock::new();
    {
        let mut parts = stream::iter(ranges(file.size))
            .map(|range| part(object, file.etag.as_deref(), range, requests, &told_md5))
            .buffered(parallel);
        while let Some(next) = parts.next().await {
            let (bytes, permit) = next?;
            let length = bytes.len() as u64;
            let md5_wanted = told_md5.get().is_some();
            let written = tokio::task::spawn_blocking(move || target.take(&bytes, md5_wanted));
            target = written
                .await
                .map_err(|error| {
                    Failure::TryAgain(format!("a part could not be written: {error}"))
                })?
                .map_err(failed)?;
            progress.add(length);
            drop(permit);
        }
    }
    let closed = tokio::task::spawn_blocking(move || target.close());
    let (size, md5) = closed
        .await
        .map_err(|error| Failure::TryAgain(format!("a file could not be closed: {error}")))?
        .map_err(failed)?;
    let name = &file.name;
    if size != file.size {
        return Err(Failure::BadCopy(format!(
            "{name} came with {size} bytes instead of {}",
            file.size
        )));
    }
    if let Some(ContentMd5(told)) = told_md5.into_inner() {
        if told != md5 {
            return Err(Failure::BadCopy(format!(
                "the content of {name} is not what its checksum says (MD5 {md5} instead of {told}): either it was damaged on its way, or {} is damaged",
                object.url
            )));
        }
        file.md5 = Some(told);
    }
    Ok(file)
}

/// The parts of a file; none of an empty one.
fn ranges(size: u64) -> impl Iterator<Item = Range<u64>> {
    (0..size.div_ceil(PART)).map(move |part| part * PART..((part + 1) * PART).min(size))
}

/// Brings one part of this content: what was changed meanwhile is an error.
async fn part(
    object: &Place,
    etag: Option<&str>,
    range: Range<u64>,
    requests: &Arc<Semaphore>,
    md5: &OnceLock<ContentMd5>,
) -> Result<Part, Failure> {
    let permit = Arc::clone(requests).acquire_owned().await;
    let permit = permit.map_err(|error| Failure::TryAgain(error.to_string()))?;
    let length = range.end - range.start;
    let bytes = object.patiently(|| async {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: etag.map(ToOwned::to_owned),
            ..GetOptions::default()
        };
        let answer = object.store.get_opts(&object.key, options).await?;
        if let Some(told) = answer.extensions.get::<ContentMd5>() {
            let _ = md5.set(told.clone());
        }
        let bytes = answer.bytes().await?;
        match bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(object_store::Error::Generic {
                store: "the store",
                source: format!("{} bytes came instead of {length}", bytes.len()).into(),
            }),
        }
    });
    let bytes = bytes
        .await
        .map_err(|error| object.failed("a file of the database cannot be read", &error))?;
    Ok((bytes, permit))
}

/// A file that is written.
struct Target {
    file: File,
    size: u64,
    md5: Md5,
}

impl Target {
    fn new(file: File) -> Self {
        Self {
            file,
            size: 0,
            md5: Md5::new(),
        }
    }

    fn take(mut self, bytes: &[u8], md5_wanted: bool) -> std::io::Result<Self> {
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        if md5_wanted {
            self.md5.update(bytes);
        }
        Ok(self)
    }

    /// Has it on the disk; its size, and the MD5 in base64 if that was wanted.
    fn close(self) -> std::io::Result<(u64, String)> {
        self.file.sync_all()?;
        let md5 = base64::engine::general_purpose::STANDARD.encode(self.md5.finalize());
        Ok((self.size, md5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_a_file_once() {
        assert_eq!(ranges(0).count(), 0);
        for size in [1, PART - 1, PART, PART + 1, 3 * PART] {
            let mut next = 0;
            for range in ranges(size) {
                assert_eq!(range.start, next);
                assert!(range.end - range.start <= PART && !range.is_empty());
                next = range.end;
            }
            assert_eq!(next, size);
        }
    }
}
