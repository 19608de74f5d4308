//! `BackfillList`: the parts of old publications to files of ours, and what became of them.

use std::sync::Arc;

use tonic::{Status, Streaming};

use super::upload::{begin, deadline, next_part, write};
use super::{parse_format, parse_list_id, parse_published, sanctions_list};
use crate::config::Permission;
use crate::domain::publication::Backfilled;
use crate::engine::{Backfill, BackfillFile, Engine, Upload};
use crate::grpc::access::Caller;
use crate::grpc::convert::day;
use crate::grpc::status::{Refusal, both, invalid_field};
use crate::grpc::v1::backfill_list_request::Part;
use crate::grpc::v1::{self, ErrorReason};

/// The most files of one backfill.
const MAX_FILES: usize = 200;

/// What the header asks for.
pub(super) fn parse(header: &v1::BackfillListHeader) -> Result<Backfill, Refusal> {
    let id = parse_list_id("header.list_id", &header.list_id)?;
    Ok(Backfill { id, is_trial: header.validate_only })
}

/// That `caller` may fill the past of the list.
pub(super) fn check(engine: &Engine, caller: &Caller, backfill: &Backfill) -> Result<(), Refusal> {
    caller.must_import(&backfill.id, engine.is_guarded(&backfill.id))?;
    caller.must_hold(Permission::ForceGates, "a backfill, which no gate looks at")
}

/// Takes the parts after the header.
pub(super) async fn receive(
    engine: &Engine,
    caller: &Caller,
    parts: &mut Streaming<v1::BackfillListRequest>,
) -> Result<Vec<(BackfillFile, Upload)>, Status> {
    let mut files: Vec<(BackfillFile, Upload)> = Vec::new();
    let until = deadline();
    while let Some(message) = next_part(parts, until).await? {
        match message.part {
            Some(Part::File(_)) if files.len() == MAX_FILES => {
                let message = format!("more than {MAX_FILES} files: backfill them in turns");
                return Err(Refusal::invalid(ErrorReason::TooManyItems, "file", message).into());
            }
            Some(Part::File(file)) => {
                let upload = begin(engine, &file.file_name, caller)?;
                files.push((file_of(file)?, upload));
            }
            Some(Part::Chunk(chunk)) => match files.last_mut() {
                Some((_, upload)) => write(upload, &chunk)?,
                None => {
                    return Err(
                        invalid_field("part", "a chunk of no file: file comes first").into()
                    );
                }
            },
            Some(Part::Header(_)) | None => {
                let what = "after the header come files and their chunks only";
                return Err(invalid_field("part", what).into());
            }
        }
    }
    if files.is_empty() {
        return Err(invalid_field("part", "no file came").into());
    }
    Ok(files)
}

fn file_of(file: v1::BackfillFile) -> Result<BackfillFile, Refusal> {
    let format = parse_format("file.format", &file.format);
    let published = parse_published("file.published_on", &file.published_on);
    let (format, published) = both(format, published)?;
    // The name stands in errors.
    if file.file_name.chars().any(char::is_control) {
        return Err(invalid_field("file.file_name", "control characters in the name of a file"));
    }
    let name = file.file_name.chars().take(256).collect();
    Ok(BackfillFile { name, format, published })
}

/// What was done, as the answer.
pub(super) fn response(
    engine: &Arc<Engine>,
    backfill: &Backfill,
    done: Backfilled,
) -> v1::BackfillListResponse {
    let now = engine.now();
    let overview = engine.overview();
    let list = overview.iter().find(|list| list.id == backfill.id);
    let files = done.files.into_iter().map(|file| v1::BackfilledFile {
        file_name: file.name,
        published_on: day(Some(file.published)),
        rows: file.rows,
        already_known: file.was_known,
        next_rows: file.next_rows,
        missing_rows: file.lacks,
    });
    v1::BackfillListResponse {
        published: done.state.is_some(),
        list: list.map(|list| sanctions_list(engine, list, now)),
        files: files.collect(),
        rows_found: done.rows_found,
        rows_redated: done.rows_redated,
    }
}
