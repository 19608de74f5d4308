//! `TraceExposure`: checks the request, and translates the engine's paths.

use std::sync::Arc;

use tonic::Status;

use super::blocking::with_engine_in_turn;
use super::concurrency::ConcurrencyLimits;
use super::convert;
use super::recording::{CallOrigin, RecordedCall};
use super::refused_call::RefusableCall;
use super::request::ScreeningOptions;
use super::status::{Refusal, all, both, invalid_field, moment, wished_chain};
use super::transfers::check_address;
use super::v1;
use crate::domain::address::Reading;
use crate::domain::list::ListKind;
use crate::engine::decision_log::{
    ItemRecord, QueriedAddress, RecordedItem, References, TraceRecord,
};
use crate::engine::{Engine, TraceQuery};
use crate::exposure::MAX_HOPS;

/// The paths in each direction where none are asked for, and at most.
const DEFAULT_PATHS: usize = 10;
const MAX_PATHS: usize = 100;

/// Answers a request, once it is recorded; the search runs on the blocking pool.
pub async fn trace(
    engine: &Arc<Engine>,
    load: &ConcurrencyLimits,
    identity: &str,
    request: v1::TraceExposureRequest,
) -> Result<v1::TraceExposureResponse, Status> {
    let origin = CallOrigin { method: "TraceExposure", identity };
    let (address, chain) = (request.address.clone(), request.chain.clone());
    let asked = v1::AddressQuery { request_id: String::new(), address, chain };
    let queries = std::slice::from_ref(&asked);
    let refusable = RefusableCall::new(engine, origin, queries.iter());
    let answered = async {
        let query = query(request)?;
        let work = move |engine: &Arc<Engine>| answer(engine, &query);
        let mut response = with_engine_in_turn(&load.searches, engine, work).await?;
        response.record_id = record(engine, origin, &asked, &response).await?;
        Ok(response)
    };
    refusable.record(engine, answered.await).await
}

/// Records the answer without its paths; the id of the record, empty where no log is kept.
async fn record(
    engine: &Engine,
    origin: CallOrigin<'_>,
    asked: &v1::AddressQuery,
    response: &v1::TraceExposureResponse,
) -> Result<String, Refusal> {
    if engine.decision_log().is_none() {
        return Ok(String::new());
    }
    let trace = TraceRecord {
        paths: response.paths.len() as u32,
        common_inputs: response.common_inputs.len() as u32,
        max_hops: response.max_hops,
        cut_short: response.cut_short,
    };
    let query = QueriedAddress { address: &asked.address, chain: &asked.chain };
    let item = ItemRecord { trace: Some(trace), ..ItemRecord::default() };
    let item = RecordedItem::undecided(item, query, &References::default());
    let options = ScreeningOptions::default();
    let call = RecordedCall::new(origin, &options, &response.snapshot_id, engine.now());
    call.record(engine, [item.as_new()].into_iter()).await
}

fn answer(engine: &Engine, query: &TraceQuery) -> Result<v1::TraceExposureResponse, Refusal> {
    let trace = engine.trace(query)?;
    let address = Reading::from_query(&query.address, query.chain.as_ref()).first;
    let path = |path| convert::trace::path(&trace.snapshot, path);
    let joined = |joined| convert::common_input::joined(&trace.snapshot, joined);
    let cut = |source| convert::common_input::cut_at(&trace.snapshot, source);
    Ok(v1::TraceExposureResponse {
        address: address.as_ref().map(convert::understood),
        snapshot_id: trace.snapshot.id().to_owned(),
        paths: trace.paths.iter().map(path).collect(),
        common_inputs: trace.joined.iter().map(joined).collect(),
        cluster_cuts: trace.cluster_cuts.iter().map(cut).collect(),
        cut_short: trace.cut_short,
        transfers_examined: trace.examined,
        stops_met: trace.stops_met.iter().map(ToString::to_string).collect(),
        max_hops: trace.max_hops.into(),
        record_id: String::new(),
    })
}

fn query(request: v1::TraceExposureRequest) -> Result<TraceQuery, Refusal> {
    let address = check_address(&request.address, wished_chain("chain", &request.chain));
    let direction = v1::ExposureDirection::try_from(request.direction)
        .map(Option::from)
        .map_err(|_| invalid_field("direction", format!("{} is no direction", request.direction)));
    let kinds = list_kinds(&request.list_kinds);
    let max_hops = match request.max_hops {
        0 => Ok(None),
        hops => match u8::try_from(hops).ok().filter(|hops| *hops <= MAX_HOPS) {
            Some(hops) => Ok(Some(hops)),
            None => Err(invalid_field("max_hops", format!("{hops}, at most {MAX_HOPS}"))),
        },
    };
    let max_paths = match request.max_paths as usize {
        0 => Ok(DEFAULT_PATHS),
        paths if paths <= MAX_PATHS => Ok(paths),
        paths => Err(invalid_field("max_paths", format!("{paths}, at most {MAX_PATHS}"))),
    };
    let times = both(
        moment("from_time", request.from_time.as_ref()),
        moment("to_time", request.to_time.as_ref()),
    );
    let times = times.and_then(|times| match times {
        (Some(from), Some(to)) if from > to => Err(invalid_field("to_time", "before from_time")),
        times => Ok(times),
    });
    let asked = both(both(address, direction), kinds);
    let bounds = both(both(max_hops, max_paths), times);
    let (((chain, direction), kinds), ((max_hops, max_paths), (from_time, to_time))) =
        both(asked, bounds)?;
    Ok(TraceQuery {
        address: request.address,
        chain,
        direction,
        kinds,
        max_hops,
        max_paths,
        from_time,
        to_time,
        min_usd_micros: request.min_usd_micros,
    })
}

/// The kinds named, each once.
fn list_kinds(named: &[i32]) -> Result<Vec<ListKind>, Refusal> {
    let named = all(named.iter().enumerate().map(|(place, kind)| {
        let known = v1::ListKind::try_from(*kind).ok().and_then(Option::from);
        known.ok_or_else(|| {
            invalid_field(&format!("list_kinds[{place}]"), format!("{kind} is no kind of list"))
        })
    }))?;
    let mut kinds = Vec::new();
    for kind in named {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}
