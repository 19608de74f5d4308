//! Enums of the program and of the proto that say the same. A variant of the one that the other lacks
//! does not compile.

use crate::domain::address::{Checksum, Encoding};
use crate::domain::coverage::{GapCause, Verdict};
use crate::domain::list::{ChangeKind, ListKind, NoteKind, StartBasis};
use crate::domain::list_change::ChangedField;
use crate::domain::publication::Gate;
use crate::domain::transfer::MovementKind;
use crate::exposure::{Direction, Timing};
use crate::grpc::v1;
use crate::screening::categories::PathRole;
use crate::screening::policy::{Decision, RiskLevel};
use crate::screening::{FindingKind, IncompleteCode, ListingState};

/// How many variants an enum has.
trait Counted<Proto> {
    const COUNT: usize;
}

/// Conversions in both directions: `Own, Proto: A B` for variants of the same names, `A = X, B = Y` for
/// others. UNSPECIFIED is `None`.
macro_rules! same {
    ($own:ty, $proto:ident: $($name:ident)+) => {
        same!($own, $proto: $($name = $name),+);
    };
    ($own:ty, $proto:ident: $($own_name:ident = $proto_name:ident),+) => {
        impl From<$own> for v1::$proto {
            #[inline]
            fn from(own: $own) -> Self {
                match own {
                    $(<$own>::$own_name => Self::$proto_name),+
                }
            }
        }

        impl Counted<v1::$proto> for $own {
            const COUNT: usize = [$(stringify!($own_name)),+].len();
        }

        impl From<v1::$proto> for Option<$own> {
            fn from(proto: v1::$proto) -> Self {
                match proto {
                    v1::$proto::Unspecified => None,
                    $(v1::$proto::$proto_name => Some(<$own>::$own_name)),+
                }
            }
        }
    };
}

same!(ListKind, ListKind: Sanctions Advisory Seizure IssuerFreeze Attribution Service);
same!(ChangeKind, ListingChangeKind: Added Updated RemovalPending RemovalCancelled Removed);
same!(ChangedField, ChangedField: PartyName PartyAliases PartyType PartyPrograms PartyListedOn ListedOn
    Category Reference Address);
same!(StartBasis, ListedOnBasis: AddressDate FirstSeen PartyDate Unknown);
same!(ListingState, ListingState: Standing RemovalPending Removed);
same!(NoteKind, ListFileNoteKind: UnknownType NoAddress NotAddresses UnknownField);
same!(Gate, ImportGate: Empty Quarantine Kind Older Shrink);
same!(PathRole, PathRole: Source Stop None);
same!(FindingKind, FindingKind: Listed SameKey ListedVerbatim ReceivedFrom SentTo HubExposure CoSpent);
same!(Decision, Decision: Allow Review Block);
same!(RiskLevel, RiskLevel: None Low Medium High Severe);
same!(IncompleteCode, IncompleteReasonCode: RequiredListMissing ListStale ListNotStored
    ListNotUnderstood Narrowed AddressNotUnderstood ChecksumWrong ChainMismatch ChainNotKnown
    AsOfNotCovered AsOfBeforeFirstPublication TransfersMissing TransfersGapped TransfersUnpositioned
    TransfersUnvalued TransfersStale ExposureBehind SnapshotExposureNotKept SearchCutShort
    DepthNarrowed);
same!(Checksum, ChecksumVerdict: Verified Absent Wrong);
same!(Encoding, AddressEncoding: Evm P2pkh P2sh P2wpkh P2wsh P2tr Witness CashAddr Mweb ZcashSapling
    ZcashUnified ZcashTex Tron TronHex Xrp XrpX Monero MoneroIntegrated MoneroSubaddress
    MoneroFeatured Solana Cosmos Verbatim);
same!(Direction, ExposureDirection: ReceivedFrom SentTo);
same!(Direction, TransferDirection: ReceivedFrom = Received, SentTo = Sent);
same!(Direction, PaymentDirection: ReceivedFrom = Deposit, SentTo = Withdrawal);
same!(Timing, DesignationTiming: Unknown Before After);
same!(MovementKind, MovementKind: Native Tokens Internal Utxo);
same!(GapCause, GapCause: Rejected Unreadable Stopped Refused Unnamed Fork);
same!(Verdict, ConflictVerdict: First = First, Second = Second, Both = Both, TakenBack = Retracted);

/// Metrics, policies and documents go through these: none lacks a variant.
const _: () = {
    assert!(ListKind::ALL.len() == <ListKind as Counted<v1::ListKind>>::COUNT);
    assert!(FindingKind::ALL.len() == <FindingKind as Counted<v1::FindingKind>>::COUNT);
    assert!(ListingState::ALL.len() == <ListingState as Counted<v1::ListingState>>::COUNT);
    assert!(Decision::ALL.len() == <Decision as Counted<v1::Decision>>::COUNT);
    assert!(Direction::ALL.len() == <Direction as Counted<v1::ExposureDirection>>::COUNT);
    assert!(Timing::ALL.len() == <Timing as Counted<v1::DesignationTiming>>::COUNT);
    assert!(MovementKind::ALL.len() == <MovementKind as Counted<v1::MovementKind>>::COUNT);
    assert!(GapCause::ALL.len() == <GapCause as Counted<v1::GapCause>>::COUNT);
    assert!(Gate::ALL.len() == <Gate as Counted<v1::ImportGate>>::COUNT);
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Policies, result files and metrics name variants by the text of the program, others by that of
    /// the proto.
    #[test]
    fn names_are_those_of_the_proto() {
        let check = |proto: &str, prefix: &str, own: &str| {
            assert_eq!(proto.strip_prefix(prefix), Some(own));
        };
        for &own in IncompleteCode::ALL {
            let proto = v1::IncompleteReasonCode::from(own).as_str_name();
            check(proto, "INCOMPLETE_REASON_CODE_", own.as_str());
            assert_eq!(IncompleteCode::named(own.as_str()), Some(own));
        }
        for own in ListKind::ALL {
            check(v1::ListKind::from(own).as_str_name(), "LIST_KIND_", own.as_str());
        }
        for own in FindingKind::ALL {
            check(v1::FindingKind::from(own).as_str_name(), "FINDING_KIND_", own.as_str());
        }
        for own in ListingState::ALL {
            check(v1::ListingState::from(own).as_str_name(), "LISTING_STATE_", own.as_str());
        }
        for own in Decision::ALL {
            check(v1::Decision::from(own).as_str_name(), "DECISION_", own.as_str());
        }
        for own in Timing::ALL {
            let proto = v1::DesignationTiming::from(own).as_str_name();
            check(proto, "DESIGNATION_TIMING_", own.as_str());
        }
    }
}
