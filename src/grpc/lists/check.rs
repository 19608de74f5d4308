//! `CheckSource`: what a source was seen to say, as a message.

use super::sanctions_list;
use crate::domain::list::ListId;
use crate::engine::{Difference, Engine, ProbeReport, Seen, SourceCheck, SourceReport};
use crate::grpc::convert::day;
use crate::grpc::v1;

/// The answer about the list `id`.
pub(super) fn response(
    engine: &Engine,
    id: &ListId,
    report: SourceReport,
) -> v1::CheckSourceResponse {
    let overview = engine.overview();
    let list = overview.iter().find(|list| list.id == *id);
    v1::CheckSourceResponse {
        list: list.map(|list| sanctions_list(engine, list, engine.now())),
        user_agent: report.user_agent,
        checks: report.checks.into_iter().map(check).collect(),
        probe: report.probe.map(probe),
    }
}

fn check(check: SourceCheck) -> v1::SourceCheck {
    let difference = |difference: Difference| v1::SourceDifference {
        added: difference.added,
        updated: difference.updated,
        removed: difference.removed,
        removals_pending: difference.pending,
    };
    let (cause, error) = check
        .error
        .map_or_else(Default::default, |(cause, error)| (cause.as_str().to_owned(), error));
    v1::SourceCheck {
        source: check.source,
        answer: Some(answer(check.seen)),
        milliseconds: u64::try_from(check.took.as_millis()).unwrap_or(u64::MAX),
        format: check.format.map(|format| format.to_string()).unwrap_or_default(),
        rows: check.rows,
        parties: check.parties,
        published_on: day(check.published),
        difference: check.difference.map(difference),
        error,
        cause,
    }
}

fn probe(probe: ProbeReport) -> v1::ProbeCheck {
    v1::ProbeCheck {
        url: probe.url,
        answer: Some(answer(probe.seen)),
        publication: probe.publication,
        error: probe.error.unwrap_or_default(),
    }
}

fn answer(seen: Seen) -> v1::HttpAnswer {
    v1::HttpAnswer {
        redirect_hosts: seen.redirect_hosts,
        status: seen.status.unwrap_or_default().into(),
        content_type: seen.content_type,
        has_validator: seen.has_validator,
        bytes: seen.bytes,
    }
}
