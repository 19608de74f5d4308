//! The messages that the methods take: how large each may be, and how it is decoded.

use std::any::Any;
use std::sync::LazyLock;

use bytes::Bytes;
use prost::{DecodeError, Message};
use tonic_health::pb::HealthCheckRequest;
use tonic_reflection::pb as reflection;

use super::layout::LAYOUTS;
use super::scan::{self, Counts, Fault, Scanned};
use crate::grpc::method::METHODS;
use crate::grpc::v1;

/// The largest message taken, in bytes: a batch of 10,000 of the longest addresses that there are
/// in practice, twice over.
pub const MAX_REQUEST: usize = 4 << 20;

/// The largest batch of transfers taken, in bytes: one transaction of a UTXO chain with the most
/// inputs and outputs that there may be, or 10,000 transfers.
pub const MAX_INGEST: usize = 16 << 20;

/// The largest message to the reflection services, in bytes: a name or two.
pub const MAX_OTHER: usize = 64 << 10;

/// The largest question about health, in bytes: the name of a service. No limit of calls counts them,
/// so that halves of it must not add up.
pub const MAX_QUESTION: usize = 1 << 10;

/// A message up to this size is not looked through, in bytes: it can hold half as many elements,
/// which take less than [`scan::ALLOWANCE`] whatever they are.
pub const SMALL: usize = 4 << 10;

pub type Decoded = Box<dyn Any + Send>;

type Decode = fn(Bytes, &Counts) -> Result<Decoded, DecodeError>;

/// Fails for bytes that are not the message that a method takes.
pub type Check = fn(&[u8]) -> Result<(), DecodeError>;

/// The message that a method takes.
pub enum Input {
    /// Of a method of ours.
    Own(OwnInput),
    /// Of a method of another service (health, reflection), which decodes it once more and calls what
    /// it cannot decode an error of its own.
    Other(OtherInput),
}

/// The message that a method of another service takes.
pub struct OtherInput {
    /// The most bytes, after decompression.
    most: usize,
    /// Fails for what is no such message.
    pub check: Check,
}

/// The message that a method of ours takes.
pub struct OwnInput {
    /// The most bytes, after decompression.
    most: usize,
    /// The place of its layout.
    layout: usize,
    decode: Decode,
}

impl Input {
    /// Returns the most bytes of the message, after decompression.
    pub fn most(&self) -> usize {
        match self {
            Self::Own(own) => own.most,
            Self::Other(other) => other.most,
        }
    }
}

impl OwnInput {
    /// Looks through a message, as to be done before it is decoded.
    pub fn scan(&self, bytes: &[u8]) -> Result<Scanned, Fault> {
        scan::scan(self.layout, bytes)
    }

    /// Decodes a message that was looked through. Blocks for as long as that takes.
    pub fn decode(&self, bytes: Bytes, scanned: &Scanned) -> Result<Decoded, DecodeError> {
        (self.decode)(bytes, &scanned.counts)
    }
}

/// By the place of the method in [`METHODS`].
static INPUTS: LazyLock<Vec<Input>> =
    LazyLock::new(|| METHODS.iter().map(|method| of_method(method.path)).collect());

/// Reads the descriptors now, so that no call has to wait for it.
pub fn prepare() {
    LazyLock::force(&INPUTS);
}

/// The message that the method at `place` in [`METHODS`] takes.
pub fn input(place: usize) -> Option<&'static Input> {
    INPUTS.get(place)
}

fn of_method(path: &str) -> Input {
    let (service, name) = path.rsplit_once('/').unwrap_or_default();
    let other = match service {
        "/grpc.health.v1.Health" => Some((MAX_QUESTION, check::<HealthCheckRequest> as Check)),
        "/grpc.reflection.v1.ServerReflection" => {
            Some((MAX_OTHER, check::<reflection::v1::ServerReflectionRequest> as Check))
        }
        "/grpc.reflection.v1alpha.ServerReflection" => {
            Some((MAX_OTHER, check::<reflection::v1alpha::ServerReflectionRequest> as Check))
        }
        _ => None,
    };
    if let Some((most, check)) = other {
        return Input::Other(OtherInput { most, check });
    }
    // By the rule of names that buf's lint holds.
    let message = format!("lazaretto.v1.{name}Request");
    let most = if name == "IngestTransfers" { MAX_INGEST } else { MAX_REQUEST };
    let layout = LAYOUTS.place(&message).expect("the descriptors have what every method takes");
    let decode = decoder(name).expect("every method has a decoder");
    Input::Own(OwnInput { most, layout, decode })
}

fn check<T: Message + Default>(bytes: &[u8]) -> Result<(), DecodeError> {
    T::decode(bytes).map(drop)
}

/// How the message of a method is decoded: into exactly the room that its largest fields need.
fn decoder(method: &str) -> Option<Decode> {
    Some(match method {
        "BatchReplayScreenings" => plain::<v1::BatchReplayScreeningsRequest>,
        "GetConsistencyProof" => plain::<v1::GetConsistencyProofRequest>,
        "GetInclusionProof" => plain::<v1::GetInclusionProofRequest>,
        "GetLogKey" => plain::<v1::GetLogKeyRequest>,
        "GetScreening" => plain::<v1::GetScreeningRequest>,
        "HoldScreening" => plain::<v1::HoldScreeningRequest>,
        "QueryScreenings" => plain::<v1::QueryScreeningsRequest>,
        "RedactScreening" => plain::<v1::RedactScreeningRequest>,
        "ReplayScreening" => plain::<v1::ReplayScreeningRequest>,
        "RotateLogKey" => plain::<v1::RotateLogKeyRequest>,
        "ComparePolicies" => |bytes, counts| {
            let queries = Vec::with_capacity(counts[0] as usize);
            into(v1::ComparePoliciesRequest { queries, ..Default::default() }, bytes)
        },
        "GetPolicy" => plain::<v1::GetPolicyRequest>,
        "ReloadPolicy" => plain::<v1::ReloadPolicyRequest>,
        "ExportList" => plain::<v1::ExportListRequest>,
        "GetSnapshot" => plain::<v1::GetSnapshotRequest>,
        "BackfillList" => plain::<v1::BackfillListRequest>,
        "AddTag" => plain::<v1::AddTagRequest>,
        "ImportList" => plain::<v1::ImportListRequest>,
        "ListListingChanges" => plain::<v1::ListListingChangesRequest>,
        "CheckSource" => plain::<v1::CheckSourceRequest>,
        "ListQuarantine" => plain::<v1::ListQuarantineRequest>,
        "ListSanctionsLists" => plain::<v1::ListSanctionsListsRequest>,
        "LookUpParty" => plain::<v1::LookUpPartyRequest>,
        "RefreshList" => plain::<v1::RefreshListRequest>,
        "BatchScreenAddresses" => |bytes, counts| {
            let queries = Vec::with_capacity(counts[0] as usize);
            into(v1::BatchScreenAddressesRequest { queries, ..Default::default() }, bytes)
        },
        "ScreenAddress" => plain::<v1::ScreenAddressRequest>,
        "ListCluster" => plain::<v1::ListClusterRequest>,
        "ListHubs" => plain::<v1::ListHubsRequest>,
        "ScreenPayment" => plain::<v1::ScreenPaymentRequest>,
        "StreamScreenAddresses" => plain::<v1::StreamScreenAddressesRequest>,
        "TraceExposure" => plain::<v1::TraceExposureRequest>,
        "BackupStore" => plain::<v1::BackupStoreRequest>,
        "DeclareCoverage" => |bytes, counts| {
            let covered = Vec::with_capacity(counts[0] as usize);
            into(v1::DeclareCoverageRequest { covered }, bytes)
        },
        "IngestTransfers" => |bytes, [transfers, covered, gaps, _]| {
            let message = v1::IngestTransfersRequest {
                transfers: Vec::with_capacity(*transfers as usize),
                covered: Vec::with_capacity(*covered as usize),
                gaps: Vec::with_capacity(*gaps as usize),
                ..Default::default()
            };
            into(message, bytes)
        },
        "ListCounterparties" => plain::<v1::ListCounterpartiesRequest>,
        "ListTransferConflicts" => plain::<v1::ListTransferConflictsRequest>,
        "ListTransferGaps" => plain::<v1::ListTransferGapsRequest>,
        "ListTransferHeads" => plain::<v1::ListTransferHeadsRequest>,
        "RetractTransfers" => plain::<v1::RetractTransfersRequest>,
        "SettleTransferConflict" => plain::<v1::SettleTransferConflictRequest>,
        _ => return None,
    })
}

fn plain<T: Message + Default + 'static>(bytes: Bytes, _: &Counts) -> Result<Decoded, DecodeError> {
    into(T::default(), bytes)
}

fn into<T: Message + 'static>(mut message: T, bytes: Bytes) -> Result<Decoded, DecodeError> {
    message.merge(bytes)?;
    Ok(Box::new(message))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost_types::FileDescriptorSet;

    use super::*;

    fn own(input: &Input) -> Option<&OwnInput> {
        match input {
            Input::Own(own) => Some(own),
            Input::Other(_) => None,
        }
    }

    #[test]
    fn every_method_of_ours_takes_what_the_descriptors_say() {
        let mut inputs = BTreeMap::new();
        for file in FileDescriptorSet::decode(v1::DESCRIPTORS).unwrap().file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    inputs.insert(path, method.input_type().trim_start_matches('.').to_owned());
                }
            }
        }
        for (place, method) in METHODS.iter().enumerate() {
            let layout = inputs.get(method.path).map(|name| LAYOUTS.place(name).unwrap());
            let own = own(input(place).unwrap());
            assert_eq!(own.map(|own| own.layout), layout, "{}", method.path);
        }
        assert!(input(METHODS.len()).is_none());
    }

    #[test]
    fn large_fields_have_exactly_the_room_that_they_need() {
        let place = |path: &str| crate::grpc::method::index(path).unwrap();
        let decoded = |path: &str, bytes: Vec<u8>| {
            let input = own(input(place(path)).unwrap()).unwrap();
            let scanned = input.scan(&bytes).unwrap();
            input.decode(bytes.into(), &scanned).unwrap()
        };
        let queries = vec![v1::AddressQuery::default(); 5_001];
        let batch =
            v1::BatchScreenAddressesRequest { queries, ..Default::default() }.encode_to_vec();
        let batch = decoded("/lazaretto.v1.ScreeningService/BatchScreenAddresses", batch);
        let batch = batch.downcast::<v1::BatchScreenAddressesRequest>().unwrap();
        assert_eq!((batch.queries.len(), batch.queries.capacity()), (5_001, 5_001));
        let batch = v1::IngestTransfersRequest {
            transfers: vec![v1::Transfer::default(); 1_025],
            covered: vec![v1::CoveredBlocks::default(); 1_026],
            gaps: vec![v1::TransferGap::default(); 1_027],
            ..Default::default()
        };
        let path = "/lazaretto.v1.TransferService/IngestTransfers";
        let batch = decoded(path, batch.encode_to_vec());
        let batch = batch.downcast::<v1::IngestTransfersRequest>().unwrap();
        assert_eq!(batch.transfers.capacity(), 1_025);
        assert_eq!(batch.covered.capacity(), 1_026);
        assert_eq!(batch.gaps.capacity(), 1_027);
    }
}
