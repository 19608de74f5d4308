//! The parts of a file that is handed in, to a file of ours. Understands nothing of it.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Code, Status, Streaming};

use crate::engine::{Engine, Upload};
use crate::grpc::access::Caller;
use crate::grpc::status::{Refusal, invalid_field};
use crate::grpc::v1::import_list_request::Part;
use crate::grpc::v1::{self, ErrorReason};

/// The largest part of an import, in bytes.
const MAX_IMPORT_CHUNK: usize = 1 << 20;

/// How long the next part of a file is waited for.
const PART_TIMEOUT: Duration = Duration::from_secs(30);

/// How long all parts of a file may take: 900 KB a second for the largest.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(600);

/// When all parts of an upload that begins now must have come.
pub(super) fn deadline() -> Instant {
    Instant::now() + UPLOAD_TIMEOUT
}

/// A file of ours for a file of a caller.
pub(super) fn begin(engine: &Engine, file_name: &str, caller: &Caller) -> Result<Upload, Status> {
    let upload = engine.begin_upload(file_name, caller.identity.clone()).map_err(Refusal::from)?;
    Ok(upload)
}

/// Takes the parts after the header.
pub(super) async fn receive(
    engine: &Engine,
    file_name: &str,
    caller: &Caller,
    parts: &mut Streaming<v1::ImportListRequest>,
) -> Result<Upload, Status> {
    let mut upload = begin(engine, file_name, caller)?;
    let until = deadline();
    while let Some(message) = next_part(parts, until).await? {
        let Some(Part::Chunk(chunk)) = message.part else {
            return Err(invalid_field("part", "after the header come chunks only").into());
        };
        write(&mut upload, &chunk)?;
    }
    Ok(upload)
}

/// Adds a chunk to a file.
pub(super) fn write(upload: &mut Upload, chunk: &[u8]) -> Result<(), Status> {
    if chunk.len() > MAX_IMPORT_CHUNK {
        let message = format!("{} bytes, at most {MAX_IMPORT_CHUNK}", chunk.len());
        return Err(Refusal::invalid(ErrorReason::TooManyItems, "chunk", message).into());
    }
    // A page-cache write of at most 1 MiB: shorter than handing it to another thread.
    upload.write(chunk).map_err(Refusal::from)?;
    Ok(())
}

/// The next part of a file; refused where it does not come in time: what came so far lies on the disk.
pub(super) async fn next_part<T>(
    parts: &mut Streaming<T>,
    until: Instant,
) -> Result<Option<T>, Status> {
    let until = until.min(Instant::now() + PART_TIMEOUT);
    match tokio::time::timeout_at(until, parts.message()).await {
        Ok(part) => part,
        Err(_) => {
            let (part, all) = (PART_TIMEOUT.as_secs(), UPLOAD_TIMEOUT.as_secs());
            let message = format!("no part came for {part} s, or not all came in {all} s");
            let reason = ErrorReason::DeadlineExceeded;
            Err(Refusal::new(Code::DeadlineExceeded, reason, message).into())
        }
    }
}
