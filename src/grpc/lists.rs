//! `SanctionsListService`: lists in, out and looked up. Blocking work runs on the blocking pool.

mod backfill;
mod changes;
mod check;
mod file;
mod party;
mod quarantine;
mod refused;
mod tag;
mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use self::upload::receive;
use super::access::{self, Caller};
use super::blocking::{with_engine, with_engine_in_turn};
use super::concurrency::ConcurrencyLimits;
use super::convert::{self, day};
use super::page::{self, Page};
use super::status::{Refusal, both, invalid_field, moment, not_loaded};
use super::v1::import_list_request::Part;
use super::v1::sanctions_list_service_server::SanctionsListService;
use super::v1::{self, ErrorReason};
use crate::config::Permission;
use crate::domain::list::{ListId, Row};
use crate::domain::publication::{Force, Gate};
use crate::engine::{Declaration, Engine, EngineError, Import, ListOverview, Publication};
use crate::screening::snapshot::Snapshot;

/// The largest part of an export, in bytes.
const EXPORT_CHUNK: usize = 256 << 10;

/// The longest reason to override the gates, in bytes: it is kept with the version.
const MAX_FORCE_REASON: usize = 1_024;

/// The service over the engine.
#[derive(Clone, Debug)]
pub struct Lists {
    engine: Arc<Engine>,
    load: Arc<ConcurrencyLimits>,
}

impl Lists {
    pub fn new(engine: Arc<Engine>, load: Arc<ConcurrencyLimits>) -> Self {
        Self { engine, load }
    }
}

fn parse_list_id(field: &str, text: &str) -> Result<ListId, Refusal> {
    text.parse().map_err(|error| invalid_field(field, error))
}

/// The list to which a question is narrowed; a list that is neither loaded nor configured is
/// refused, since nothing found on it would read as clean.
fn parse_list_filter(engine: &Engine, text: &str) -> Result<Option<ListId>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let id = parse_list_id("list_id", text)?;
    if engine.overview().iter().any(|list| list.id == id) {
        Ok(Some(id))
    } else {
        Err(EngineError::UnknownList(id).into())
    }
}

fn parse_day(field: &str, text: &str) -> Result<jiff::civil::Date, Refusal> {
    if text.len() != "YYYY-MM-DD".len() {
        return Err(invalid_field(field, "not a day written as YYYY-MM-DD"));
    }
    text.parse().map_err(|error| invalid_field(field, error))
}

/// The form of a file; empty means by its content.
fn parse_format<F>(field: &str, text: &str) -> Result<Option<F>, Refusal>
where
    F: FromStr<Err: Display>,
{
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|error| invalid_field(field, error)),
    }
}

/// The day of publication of a file; empty means as the file says.
fn parse_published(field: &str, text: &str) -> Result<Option<jiff::civil::Date>, Refusal> {
    if text.is_empty() { Ok(None) } else { parse_day(field, text).map(Some) }
}

#[tonic::async_trait]
impl SanctionsListService for Lists {
    async fn list_sanctions_lists(
        &self,
        _: Request<v1::ListSanctionsListsRequest>,
    ) -> Result<Response<v1::ListSanctionsListsResponse>, Status> {
        with_engine(&self.engine, |engine| {
            let now = engine.now();
            let overview = engine.overview();
            let lists = overview.iter().map(|list| sanctions_list(engine, list, now)).collect();
            Ok(Response::new(v1::ListSanctionsListsResponse { lists }))
        })
        .await
    }

    async fn list_quarantine(
        &self,
        request: Request<v1::ListQuarantineRequest>,
    ) -> Result<Response<v1::ListQuarantineResponse>, Status> {
        let mut request = request.into_inner();
        let asked = Page::take(&mut request);
        with_engine(&self.engine, move |engine| {
            let list = parse_list_filter(engine, &request.list_id);
            let (list, from) = both(list, asked.after())?;
            let from = from.map_or(0, |[_, place]| place);
            let snapshot = engine.snapshot();
            let lists = snapshot.as_deref().map_or(&[][..], Snapshot::lists);
            let mut rows = lists
                .iter()
                .filter(|each| list.as_ref().is_none_or(|list| each.id() == list))
                .flat_map(quarantine::quarantined)
                .skip(usize::try_from(from).unwrap_or(usize::MAX));
            let size = page::limit(asked.size);
            let page: Vec<_> = rows.by_ref().take(size).collect();
            let more = rows.next().is_some();
            let next_page_token =
                if more { asked.token_at([0, from + page.len() as u64]) } else { String::new() };
            Ok(Response::new(v1::ListQuarantineResponse { rows: page, next_page_token }))
        })
        .await
    }

    async fn list_listing_changes(
        &self,
        request: Request<v1::ListListingChangesRequest>,
    ) -> Result<Response<v1::ListListingChangesResponse>, Status> {
        let request = request.into_inner();
        with_engine(&self.engine, move |engine| changes::page(engine, request).map(Response::new))
            .await
    }

    async fn look_up_party(
        &self,
        request: Request<v1::LookUpPartyRequest>,
    ) -> Result<Response<v1::LookUpPartyResponse>, Status> {
        let request = request.into_inner();
        with_engine(&self.engine, move |engine| party::look_up(engine, request).map(Response::new))
            .await
    }

    async fn import_list(
        &self,
        request: Request<Streaming<v1::ImportListRequest>>,
    ) -> Result<Response<v1::ImportListResponse>, Status> {
        let caller = access::caller(&request)?;
        let mut parts = request.into_inner();
        let first = parts.message().await?.and_then(|message| message.part);
        let Some(Part::Header(header)) = first else {
            return Err(invalid_field("part", "the first part must be the header").into());
        };
        let import = import_of(header, &caller)?;
        check_import(&self.engine, &caller, &import)?;
        let upload = receive(&self.engine, &import.file_name, &caller, &mut parts).await?;
        with_engine_in_turn(&self.load.imports, &self.engine, move |engine| {
            // What a list needs may have changed while the file came.
            check_import(engine, &caller, &import)?;
            let publication = engine.import(&import, upload.path())?;
            let report = Some(report(engine, publication));
            Ok(Response::new(v1::ImportListResponse { report }))
        })
        .await
    }

    async fn add_tag(
        &self,
        request: Request<v1::AddTagRequest>,
    ) -> Result<Response<v1::AddTagResponse>, Status> {
        let caller = access::caller(&request)?;
        let tag = tag::request_of(request.into_inner(), &caller)?;
        caller.must_import(&tag.id, self.engine.is_guarded(&tag.id))?;
        with_engine_in_turn(&self.load.imports, &self.engine, move |engine| {
            // As of an import: what a list needs may have changed while it waited.
            caller.must_import(&tag.id, engine.is_guarded(&tag.id))?;
            let added = engine.add_tag(&tag)?;
            Ok(Response::new(tag::response(engine, &tag, added)))
        })
        .await
    }

    async fn backfill_list(
        &self,
        request: Request<Streaming<v1::BackfillListRequest>>,
    ) -> Result<Response<v1::BackfillListResponse>, Status> {
        let caller = access::caller(&request)?;
        let mut parts = request.into_inner();
        let first = parts.message().await?.and_then(|message| message.part);
        let Some(v1::backfill_list_request::Part::Header(header)) = first else {
            return Err(invalid_field("part", "the first part must be the header").into());
        };
        let backfill = backfill::parse(&header)?;
        backfill::check(&self.engine, &caller, &backfill)?;
        let files = backfill::receive(&self.engine, &caller, &mut parts).await?;
        with_engine_in_turn(&self.load.imports, &self.engine, move |engine| {
            backfill::check(engine, &caller, &backfill)?;
            let done = engine.backfill(&backfill, &files)?;
            Ok(Response::new(backfill::response(engine, &backfill, done)))
        })
        .await
    }

    type ExportListStream = ReceiverStream<Result<v1::ExportListResponse, Status>>;

    async fn export_list(
        &self,
        request: Request<v1::ExportListRequest>,
    ) -> Result<Response<Self::ExportListStream>, Status> {
        let id = parse_list_id("list_id", &request.into_inner().list_id)?;
        let turn = self.load.exports.turn().await?;
        let csv = with_engine(&self.engine, move |engine| Ok(engine.export(&id)?)).await?;
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            let _turn = turn;
            for chunk in csv.chunks(EXPORT_CHUNK) {
                let chunk = v1::ExportListResponse { chunk: chunk.to_vec() };
                if sender.send(Ok(chunk)).await.is_err() {
                    return; // the caller went away
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn refresh_list(
        &self,
        request: Request<v1::RefreshListRequest>,
    ) -> Result<Response<v1::RefreshListResponse>, Status> {
        let caller = access::caller(&request)?;
        let id = parse_list_id("list_id", &request.into_inner().list_id)?;
        caller.must_reach_list(&id)?;
        with_engine_in_turn(&self.load.imports, &self.engine, move |engine| {
            let publication = engine.refresh(&id)?;
            let report = Some(report(engine, publication));
            Ok(Response::new(v1::RefreshListResponse { report }))
        })
        .await
    }

    async fn check_source(
        &self,
        request: Request<v1::CheckSourceRequest>,
    ) -> Result<Response<v1::CheckSourceResponse>, Status> {
        let caller = access::caller(&request)?;
        let id = parse_list_id("list_id", &request.into_inner().list_id)?;
        caller.must_reach_list(&id)?;
        with_engine_in_turn(&self.load.imports, &self.engine, move |engine| {
            Ok(Response::new(check::response(engine, &id, engine.check_source(&id)?)))
        })
        .await
    }

    async fn get_snapshot(
        &self,
        request: Request<v1::GetSnapshotRequest>,
    ) -> Result<Response<v1::GetSnapshotResponse>, Status> {
        let id = request.into_inner().id;
        with_engine(&self.engine, move |engine| {
            let current = engine.snapshot();
            if let Some(current) = current.filter(|it| id.is_empty() || it.id() == id) {
                let mut message = convert::snapshot(engine, current.id(), current.record());
                convert::set_ages(&mut message, &current, engine.now());
                return Ok(Response::new(v1::GetSnapshotResponse { snapshot: Some(message) }));
            }
            if id.is_empty() {
                return Err(not_loaded());
            }
            let stored = engine.stored_snapshot(&id)?.ok_or_else(|| {
                let message = format!("no snapshot {id:?}");
                Refusal::new(Code::NotFound, ErrorReason::NotFound, message)
            })?;
            let snapshot = Some(convert::snapshot(engine, &id, &stored));
            Ok(Response::new(v1::GetSnapshotResponse { snapshot }))
        })
        .await
    }
}

/// That `caller` may import so.
fn check_import(engine: &Engine, caller: &Caller, import: &Import) -> Result<(), Refusal> {
    caller.must_import(&import.id, engine.is_guarded(&import.id))?;
    if import.force.is_some() {
        caller.must_hold(Permission::ForceGates, "an import past the gates")?;
    }
    if import.declaration.is_some() {
        let what = "an import that is declared to be a look at the list's source (--checked)";
        caller.must_hold(Permission::DeclareLooks, what)?;
    }
    if import.refreshes_age {
        let what = "an import that refreshes the age of its list";
        caller.must_hold(Permission::ImportGuardedLists, what)?;
    }
    Ok(())
}

/// The gates that are overridden, and why; `None` where none are.
fn force_of(reason: &str, gates: &[i32]) -> Result<Option<Force>, Refusal> {
    let reason = reason.trim().to_owned();
    if reason.len() > MAX_FORCE_REASON {
        let message = format!("{} bytes, at most {MAX_FORCE_REASON}", reason.len());
        return Err(invalid_field("header.force_reason", message));
    }
    let gate = |gate: &i32| {
        let known = v1::ImportGate::try_from(*gate).ok().and_then(Option::from);
        known.ok_or_else(|| invalid_field("header.force_gates", format!("{gate} is no gate")))
    };
    let gates = gates.iter().map(gate).collect::<Result<BTreeSet<Gate>, _>>()?;
    match (reason.is_empty(), gates.is_empty()) {
        (true, true) => Ok(None),
        (false, false) => Ok(Some(Force { reason, gates })),
        (false, true) => Err(invalid_field("header.force_gates", "name the gates to override")),
        (true, false) => {
            Err(invalid_field("header.force_reason", "gates are overridden for a reason"))
        }
    }
}

/// The look that an import by `caller` is declared to be; `None` where it is none.
fn declaration_of(
    look: Option<&v1::CheckDeclaration>,
    caller: &Caller,
) -> Result<Option<Declaration>, Refusal> {
    let Some(look) = look else { return Ok(None) };
    let at = moment("header.declared_check.checked_at", look.checked_at.as_ref())?;
    Ok(Some(Declaration { at, by: caller.identity.to_string() }))
}

fn import_of(header: v1::ImportListHeader, caller: &Caller) -> Result<Import, Refusal> {
    let kind = header.kind().into();
    let format = parse_format("header.format", &header.format);
    let published = parse_published("header.published_on", &header.published_on);
    let force = force_of(&header.force_reason, &header.force_gates);
    let id = parse_list_id("header.list_id", &header.list_id);
    let declaration = declaration_of(header.declared_check.as_ref(), caller);
    let published = both(published, declaration);
    let ((id, format), (force, dated)) = both(both(id, format), both(force, published))?;
    let (published, declaration) = dated;
    Ok(Import {
        id,
        kind,
        format,
        file_name: header.file_name.chars().take(256).collect(),
        force,
        published,
        refreshes_age: header.refreshes_age,
        declaration,
        is_trial: header.validate_only,
    })
}

fn report(engine: &Arc<Engine>, publication: Publication) -> v1::PublicationReport {
    let now = engine.now();
    let overview = engine.overview();
    let list = overview.iter().find(|list| list.id == publication.id);
    let lost = |change| changes::change_of_row(&publication.id, change);
    v1::PublicationReport {
        published: publication.published,
        list: list.map(|list| sanctions_list(engine, list, now)),
        added: publication.added,
        updated: publication.updated,
        removed: publication.removed,
        removals_pending: publication.removals_pending,
        removal_examples: publication.lost.into_iter().map(lost).collect(),
        file: publication.file.as_ref().map(file::message),
    }
}

fn sanctions_list(
    engine: &Engine,
    overview: &ListOverview,
    now: jiff::Timestamp,
) -> v1::SanctionsList {
    let settings = overview.settings.as_ref();
    let source = overview.source.as_ref();
    let mut message = v1::SanctionsList {
        list_id: overview.id.to_string(),
        name: settings.map_or_else(|| overview.id.to_string(), |s| s.name.clone()),
        kind: settings.map_or(v1::ListKind::Unspecified, |s| s.kind.into()).into(),
        required: settings.is_some_and(|s| s.required),
        max_age_seconds: settings.and_then(|s| s.max_age).map(|age| age.as_secs()),
        source: overview.source_name.clone(),
        last_error: source.and_then(|s| s.last_error.clone()).unwrap_or_default(),
        url_errors: source.map_or_else(Vec::new, |s| s.url_errors.clone()),
        probe_error: source.and_then(|s| s.probe.last_error.clone()).unwrap_or_default(),
        last_file: source.and_then(|s| s.last_file.as_ref()).map(file::message),
        ..Default::default()
    };
    let Some(list) = &overview.loaded else { return message };
    let state = list.state();
    let (version, check) = (&state.version, &state.check);
    let (origin, origin_name) = convert::provenance(&version.provenance);
    message.kind = v1::ListKind::from(version.kind).into();
    message.version = version.version;
    message.number_on_list = engine.number_on_list(&overview.id, version.version);
    message.digest = convert::hex(&version.digest);
    message.published_on = day(state.published());
    message.first_published_on = day(version.first_published);
    message.loaded_at = Some(convert::timestamp(version.loaded_at));
    message.checked_at = check.succeeded_at.map(convert::timestamp);
    message.declared_check = check.declared_check_in_force().map(convert::declared_check);
    message.age_seconds = list.age_at(now).map(|age| age.as_secs().unsigned_abs());
    message.max_age_seconds = list.terms().max_age.map(|age| age.as_secs().unsigned_abs());
    message.stale = list.counts_as_stale(now);
    message.server_clock = convert::clock_behind(list, now);
    message.origin = origin.into();
    message.origin_name = origin_name;
    message.force_reason = version.rows_force_reason().to_owned();
    let counts = &version.counts;
    message.counts = Some(v1::ListCounts {
        listings: counts.listings,
        quarantined: counts.quarantined,
        parties: counts.parties,
        removals_pending: counts.removals_pending,
        removed: counts.removed,
        duplicates: counts.duplicates,
        by_ticker: by_ticker(&state.rows),
    });
    message
}

fn by_ticker(rows: &[Row]) -> Vec<v1::TickerCount> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.is_listed()) {
        *counts.entry(&row.key.ticker).or_default() += 1;
    }
    let count = |(ticker, rows): (&str, u64)| v1::TickerCount { ticker: ticker.to_owned(), rows };
    counts.into_iter().map(count).collect()
}
