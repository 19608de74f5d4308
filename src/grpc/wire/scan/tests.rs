//! The scanner against prost: it takes what prost takes within the limits, refuses by count and by
//! cost before anything is decoded, and never panics.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::grpc::v1;

fn scanned(name: &str, bytes: &[u8]) -> Result<Counts, Fault> {
    by_name(&format!("lazaretto.v1.{name}"), bytes).unwrap().map(|scanned| scanned.counts)
}

/// `12 00` so many times: an empty message as field 2.
fn empty(count: usize) -> Vec<u8> {
    [0x12, 0].repeat(count)
}

#[test]
fn nearly_empty_elements_are_refused_by_cost() {
    // 10,000 transfers take more than 2 MiB decoded, out of 20 kB.
    let refused = scanned("IngestTransfersRequest", &empty(10_000)).unwrap_err();
    assert!(matches!(refused, Fault::TooCostly { size: 20_000, .. }), "{refused:?}");
    scanned("IngestTransfersRequest", &empty(1_000)).unwrap();
}

#[test]
fn too_many_elements_are_refused_by_name() {
    let check = |name: &str, bytes: &[u8], want: &str, most: u32| {
        let refused = scanned(name, bytes).unwrap_err();
        assert_eq!(refused, Fault::TooMany { field: want.to_owned(), most }, "{name}");
    };
    let queries = [0x0a, 0].repeat(10_001);
    check("BatchScreenAddressesRequest", &queries, "queries", 10_000);
    scanned("BatchScreenAddressesRequest", &queries[2..]).unwrap();
    let lists = vec![String::new(); 1_001];
    let options = Some(v1::ScreeningOptions { lists, ..Default::default() });
    let request =
        v1::ScreenAddressRequest { query: None, options, ..Default::default() }.encode_to_vec();
    check("ScreenAddressRequest", &request, "options.lists", 1_000);
    let leg = v1::UtxoLeg { addresses: vec!["x".to_owned(); 201], ..Default::default() };
    let utxo =
        v1::UtxoMovement { outputs: vec![v1::UtxoLeg::default(), leg], ..Default::default() };
    let movement = Some(v1::transfer::Movement::Utxo(utxo));
    let transfer = v1::Transfer { movement, ..Default::default() };
    let batch = v1::IngestTransfersRequest {
        transfers: vec![v1::Transfer::default(), transfer],
        ..Default::default()
    };
    let field = "transfers[1].utxo.outputs[1].addresses";
    check("IngestTransfersRequest", &batch.encode_to_vec(), field, 200);
    let kinds = v1::CoveredBlocks { kinds: vec![1; 101], ..Default::default() };
    let covered = v1::DeclareCoverageRequest { covered: vec![kinds] };
    check("DeclareCoverageRequest", &covered.encode_to_vec(), "covered[0].kinds", 100);
}

#[test]
fn messages_that_merge_beyond_every_count_are_refused() {
    let lists = vec![String::new(); 900];
    let options = Some(v1::ScreeningOptions { lists, ..Default::default() });
    let once =
        v1::ScreenAddressRequest { query: None, options, ..Default::default() }.encode_to_vec();
    scanned("ScreenAddressRequest", &once).unwrap();
    let twice = once.repeat(2);
    assert!(
        v1::ScreenAddressRequest::decode(&twice[..]).unwrap().options.unwrap().lists.len() > 1_000
    );
    assert!(matches!(scanned("ScreenAddressRequest", &twice), Err(Fault::Malformed(_))));
}

#[test]
fn what_is_no_protobuf_is_refused_as_prost_refuses_it() {
    let check = |bytes: &[u8]| {
        v1::ScreenAddressRequest::decode(bytes).unwrap_err();
        let refused = scanned("ScreenAddressRequest", bytes);
        assert!(matches!(refused, Err(Fault::Malformed(_))), "{bytes:?}: {refused:?}");
    };
    check(&[0x0a]);
    check(&[0x0a, 5, 0]);
    check(&[0x0b, 0x0c]);
    check(&[0x7c]);
    check(&[0x7e, 0]);
    check(&[0x02, 0]);
    check(&[0x78]);
    check(&[0x78, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]);
    check(&[0xf8, 0xff, 0xff, 0xff, 0xff, 0x01, 0]);
    check(&[0x7b, 0x83, 0x01, 0x7c]);
    check(&[0x7b].repeat(100_000));
    check(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    // A group that nobody knows is passed over, whatever is in it.
    let known = [0x7b, 0x78, 0x01, 0x83, 0x01, 0x84, 0x01, 0x7c, 0x0a, 0x00];
    v1::ScreenAddressRequest::decode(&known[..]).unwrap();
    scanned("ScreenAddressRequest", &known).unwrap();
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[0-9a-zA-Z]{26,66}", 1 => any::<String>()]
}

fn query() -> impl Strategy<Value = v1::AddressQuery> {
    (text(), text(), text()).prop_map(|(request_id, address, chain)| v1::AddressQuery {
        request_id,
        address,
        chain,
    })
}

fn leg() -> impl Strategy<Value = v1::UtxoLeg> {
    (vec("[0-9a-zA-Z]{26,62}", 0..4), any::<Option<u64>>(), any::<bool>()).prop_map(
        |(addresses, amount, unattributable)| v1::UtxoLeg { addresses, amount, unattributable },
    )
}

/// A transfer as senders write it: the fields that it must have are there.
fn transfer() -> impl Strategy<Value = v1::Transfer> {
    let account = ("0x[0-9a-f]{40}", "0x[0-9a-f]{40}", "[0-9]{1,30}", any::<Option<u64>>());
    let account = account.prop_map(|(from, to, amount, usd_micros)| {
        v1::transfer::Movement::Account(v1::AccountMovement {
            sender: from,
            receiver: to,
            asset: String::new(),
            amount,
            usd_micros,
        })
    });
    let utxo = (any::<bool>(), vec(leg(), 0..20), vec(leg(), 1..20));
    let utxo = utxo.prop_map(|(coinbase, inputs, outputs)| {
        v1::transfer::Movement::Utxo(v1::UtxoMovement { coinbase, inputs, outputs })
    });
    let place = (any::<u64>(), any::<u32>(), any::<u32>());
    (prop_oneof![account, utxo], 1_i64..1 << 40, proptest::option::of(place)).prop_map(
        |(movement, seconds, place)| v1::Transfer {
            chain: "ethereum".to_owned(),
            time: Some(pbjson_types::Timestamp { seconds, nanos: 0 }),
            position: place.map(|(height, tx_index, index)| v1::ChainPosition {
                height,
                tx_index,
                index,
            }),
            movement: Some(movement),
            ..Default::default()
        },
    )
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn what_clients_encode_within_the_limits_passes(
        queries in vec(query(), 1..100),
        lists in vec(text(), 0..50),
    ) {
        let options = Some(v1::ScreeningOptions { lists, max_hops: 3, ..Default::default() });
        let count = queries.len() as u32;
        let batch = v1::BatchScreenAddressesRequest {
            queries: queries.clone(),
            options,
            ..Default::default()
        };
        let counts = scanned("BatchScreenAddressesRequest", &batch.encode_to_vec()).unwrap();
        prop_assert_eq!(counts[0], count);
        let stream = v1::StreamScreenAddressesRequest {
            query: queries.into_iter().next(),
            options: batch.options,
        };
        scanned("StreamScreenAddressesRequest", &stream.encode_to_vec()).unwrap();
    }

    #[test]
    fn any_bytes_are_taken_or_refused_as_prost_does(
        bytes in prop_oneof![
            vec(any::<u8>(), 0..300),
            vec(prop_oneof![Just(0x0a_u8), Just(0x12), Just(0), Just(2), Just(4), Just(0x3a), any::<u8>()], 0..300),
        ],
    ) {
        let decoded = v1::IngestTransfersRequest::decode(&bytes[..]);
        match scanned("IngestTransfersRequest", &bytes) {
            Ok([transfers, covered, gaps, _]) => {
                // UTF-8 alone is left to prost.
                if let Ok(decoded) = decoded {
                    prop_assert_eq!(decoded.transfers.len(), transfers as usize);
                    prop_assert_eq!(decoded.covered.len(), covered as usize);
                    prop_assert_eq!(decoded.gaps.len(), gaps as usize);
                }
            }
            Err(Fault::Malformed(why)) => {
                prop_assert!(decoded.is_err() || why.contains("stands twice"), "{}", why);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn a_changed_byte_never_panics(
        some in vec(transfer(), 1..5),
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
        end in any::<prop::sample::Index>(),
    ) {
        let batch = v1::IngestTransfersRequest { transfers: some, ..Default::default() };
        let mut bytes = batch.encode_to_vec();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let decoded = v1::IngestTransfersRequest::decode(&bytes[..]).is_ok();
        let taken = scanned("IngestTransfersRequest", &bytes);
        prop_assert!(!decoded || !matches!(taken, Err(Fault::Malformed(why)) if !why.contains("twice")));
        bytes.truncate(end.index(bytes.len()));
        // A cut at the end of a field is no fault.
        drop(scanned("IngestTransfersRequest", &bytes));
    }
}

proptest! {
    // Each is some megabytes.
    #![proptest_config(cases(16))]

    #[test]
    fn full_batches_of_transfers_pass(
        some in vec(transfer(), 1..30),
        count in prop_oneof![Just(10_000_usize), 1_usize..10_000],
    ) {
        let transfers: Vec<_> = some.iter().cycle().take(count).cloned().collect();
        let batch = v1::IngestTransfersRequest { transfers, ..Default::default() };
        let counts = scanned("IngestTransfersRequest", &batch.encode_to_vec()).unwrap();
        prop_assert_eq!(counts[0] as usize, count);
    }
}
