//! What an answer's decision is based on, read from its message.

use super::v1::{self, IncompleteReasonCode as Code};
use crate::screening::{DecidedBy, ReasonSubject};

/// What the decision of `answer` rests on.
pub fn of(answer: &v1::Screening) -> DecidedBy {
    let rule = answer.rule.as_ref().map_or("", |rule| rule.id.as_str());
    DecidedBy::of(rule, answer.incomplete_reasons.iter().map(|reason| subject(reason.code())))
}

/// What a reason is about. One that is not known may be about the address, so that a person looks.
pub fn subject(code: Code) -> ReasonSubject {
    match code {
        Code::AddressNotUnderstood
        | Code::ChecksumWrong
        | Code::ChainMismatch
        | Code::ChainNotKnown
        // The neighbourhood of this address was too large to be searched.
        | Code::SearchCutShort
        | Code::Unspecified => ReasonSubject::Address,
        Code::RequiredListMissing
        | Code::ListStale
        | Code::ListNotStored
        | Code::ListNotUnderstood
        | Code::Narrowed
        | Code::AsOfNotCovered
        | Code::AsOfBeforeFirstPublication
        | Code::TransfersMissing
        | Code::TransfersGapped
        | Code::TransfersUnpositioned
        | Code::TransfersUnvalued
        | Code::TransfersStale
        | Code::ExposureBehind
        | Code::SnapshotExposureNotKept
        | Code::DepthNarrowed => ReasonSubject::Data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_list_is_the_data_and_a_wrong_checksum_is_not() {
        let answer = |rule: &str, codes: &[Code]| {
            let reason = |code: &Code| v1::IncompleteReason {
                code: (*code).into(),
                ..v1::IncompleteReason::default()
            };
            let rule = v1::DecidingRule { id: rule.to_owned(), ..v1::DecidingRule::default() };
            of(&v1::Screening {
                rule: Some(rule),
                incomplete_reasons: codes.iter().map(reason).collect(),
                ..v1::Screening::default()
            })
        };
        assert_eq!(answer("incomplete", &[Code::ListStale]), DecidedBy::Data);
        let both = [Code::ListStale, Code::ChecksumWrong];
        assert_eq!(answer("incomplete", &both), DecidedBy::Address);
        assert_eq!(answer("incomplete", &[Code::Unspecified]), DecidedBy::Address);
        assert_eq!(answer("exposure", &[Code::ListStale]), DecidedBy::Findings);
        assert_eq!(of(&v1::Screening::default()), DecidedBy::Findings);
    }
}
