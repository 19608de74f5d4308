//! `QueryScreenings`: checks the request, and answers a page.

use super::record::{self, RowNames};
use super::{MAX_TEXT, log};
use crate::engine::Engine;
use crate::engine::decision_log::{LeafPlace, QueryCursor, RecordPageRequest, RecordQuery};
use crate::grpc::page::{self, Page};
use crate::grpc::request::MAX_REQUEST_ID;
use crate::grpc::status::{Refusal, both, invalid_field, moment};
use crate::grpc::v1;

/// A query, checked.
pub(super) struct CheckedQuery {
    wanted: RecordQuery,
    after: Option<QueryCursor>,
    page: Page,
}

impl CheckedQuery {
    pub(super) fn new(mut request: v1::QueryScreeningsRequest) -> Result<Self, Refusal> {
        let page = Page::take(&mut request);
        let (wanted, after) = both(record_query(&request), page.position(cursor))?;
        Ok(Self { wanted, after, page })
    }

    /// Blocks: reads the logs.
    pub(super) fn answer(&self, engine: &Engine) -> Result<v1::QueryScreeningsResponse, Refusal> {
        let snapshot = engine.snapshot();
        let limit = page::heavy_limit(self.page.size);
        let page = RecordPageRequest { wanted: &self.wanted, after: self.after, limit };
        let found = log(engine)?.records(page, snapshot.as_deref(), engine.now())?;
        let mut rows = RowNames::new(snapshot.as_deref());
        let message = |found| record::message(found, &mut rows);
        let next = found.next.map(|next| self.page.token(&position(&next)));
        Ok(v1::QueryScreeningsResponse {
            records: found.records.iter().map(message).collect(),
            next_page_token: next.unwrap_or_default(),
            incomplete: found.incomplete,
        })
    }
}

fn position(cursor: &QueryCursor) -> Vec<u8> {
    let QueryCursor { next, item, end } = cursor;
    let numbers = [next.log, next.leaf, *item, end.log, end.leaf];
    numbers.map(u64::to_be_bytes).concat()
}

fn cursor(position: &[u8]) -> Option<QueryCursor> {
    let [log, leaf, item, end_log, end_leaf] = page::numbers(position)?;
    let end = LeafPlace { log: end_log, leaf: end_leaf };
    Some(QueryCursor { next: LeafPlace { log, leaf }, item, end })
}

fn record_query(request: &v1::QueryScreeningsRequest) -> Result<RecordQuery, Refusal> {
    let times = both(
        moment("from_time", request.from_time.as_ref()),
        moment("to_time", request.to_time.as_ref()),
    );
    let times = times.and_then(|times| match times {
        (Some(from), Some(to)) if from >= to => {
            Err(invalid_field("to_time", "not after from_time"))
        }
        times => Ok(times),
    });
    let texts = [
        ("address", &request.address, MAX_TEXT),
        ("identity", &request.identity, MAX_TEXT),
        ("request_id", &request.request_id, MAX_REQUEST_ID),
        ("rule_id", &request.rule_id, MAX_TEXT),
        ("list_id", &request.list_id, MAX_TEXT),
        ("party", &request.party, MAX_TEXT),
    ];
    let too_long = texts.iter().find(|(_, text, most)| text.len() > *most);
    let texts = match too_long {
        Some((field, text, most)) => {
            Err(invalid_field(field, format!("{} bytes, at most {most}", text.len())))
        }
        None => Ok(()),
    };
    let known = match v1::Decision::try_from(request.decision) {
        Ok(_) => Ok(()),
        Err(_) => Err(invalid_field("decision", format!("{} is no decision", request.decision))),
    };
    let known = both(
        known,
        match v1::ScreeningStatus::try_from(request.status) {
            Ok(_) => Ok(()),
            Err(_) => Err(invalid_field("status", format!("{} is no status", request.status))),
        },
    );
    let ((from, to), _) = both(times, both(texts, known))?;
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    Ok(RecordQuery {
        from,
        to,
        decision: request.decision().into(),
        complete: match request.status() {
            v1::ScreeningStatus::Unspecified => None,
            v1::ScreeningStatus::Complete => Some(true),
            v1::ScreeningStatus::Incomplete => Some(false),
        },
        address: given(&request.address),
        identity: given(&request.identity),
        request_id: given(&request.request_id),
        rule: given(&request.rule_id),
        list: given(&request.list_id),
        party: given(&request.party),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back() {
        let [next, end] = [(1, 70), (2, u64::MAX)].map(|(log, leaf)| LeafPlace { log, leaf });
        let at = QueryCursor { next, item: 15, end };
        assert_eq!(cursor(&position(&at)), Some(at));
        assert_eq!(cursor(&position(&at)[1..]), None);
    }
}
