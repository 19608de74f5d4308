//! Arbitrary bytes as requests, of the kind that the first byte names: the look at them must not
//! panic or hang, takes what prost takes within the limits, and counts as prost does.
#![no_main]

use lazaretto::grpc::v1;
use lazaretto::grpc::wire::scan::{Fault, by_name};
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let (name, counted) = match kind % 4 {
        0 => {
            let decoded = v1::BatchScreenAddressesRequest::decode(bytes).map(|it| it.queries.len());
            ("BatchScreenAddressesRequest", decoded)
        }
        1 => {
            let decoded = v1::ScreenPaymentRequest::decode(bytes).map(|it| it.sources.len());
            ("ScreenPaymentRequest", decoded)
        }
        2 => {
            let decoded = v1::DeclareCoverageRequest::decode(bytes).map(|it| it.covered.len());
            ("DeclareCoverageRequest", decoded)
        }
        _ => {
            let decoded = v1::IngestTransfersRequest::decode(bytes).map(|it| it.transfers.len());
            ("IngestTransfersRequest", decoded)
        }
    };
    let scanned = by_name(&format!("lazaretto.v1.{name}"), bytes).expect("a request");
    match (scanned, counted) {
        (Ok(scanned), Ok(counted)) => assert_eq!(scanned.counts[0] as usize, counted),
        (Err(Fault::Malformed(why)), Ok(_)) => assert!(why.contains("stands twice"), "{why}"),
        _ => {}
    }
});
