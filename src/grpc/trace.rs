//! `TraceExposure`: checks the request, and translates the engine's paths.

use std::sync::Arc;

use tonic::Status;

use super::blocking::with_engine_in_turn;
use super::concurrency::ConcurrencyLimits;
use super::convert;
use super::status::{Refusal, all, both, invalid_field, moment, wished_chain};
use super::transfers::check_address;
use super::v1;
use crate::domain::address::Reading;
use crate::domain::list::ListKind;
use crate::engine::{Engine, TraceQuery};
use crate::exposure::MAX_HOPS;

/// The paths in each direction where none are asked for, and at most.
const DEFAULT_PATHS: usize = 10;
const MAX_PATHS: usize = 100;

/// Answers a request; the search runs on the blocking pool.
pub async fn trace(
    engine: &Arc<Engine>,
    load: &ConcurrencyLimits,
    request: v1::TraceExposureRequest,
) -> Result<v1::TraceExposureResponse, Status> {
    let query = query(request)?;
    with_engine_in_turn(&load.searches, engine, move |engine| answer(engine, &query)).await
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
