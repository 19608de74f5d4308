//! Blocks come back as they were written, and no bytes make reading panic.

use jiff::Timestamp;
use proptest::prelude::*;

use super::super::frame::{FRAME_HEAD, FramePlace, seal};
use super::super::leaf::{NewItem, NewLeaf};
use super::super::salt::Salts;
use super::*;

const PLACE: FramePlace = FramePlace { segment: 3, offset: 64 };

type GivenItem = (u8, Vec<u8>, String, Option<String>);
type GivenLeaf = (i64, Vec<u8>, Vec<GivenItem>, bool);

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "0x[0-9a-f]{40}",
        "0x[0-9a-fA-F]{40}",
        "bc1q[02-9ac-hj-np-z]{38}",
        "1[1-9A-HJ-NP-Za-km-z]{32,33}",
        ".{0,40}",
    ]
}

fn any_leaf() -> impl Strategy<Value = GivenLeaf> {
    let answer = prop::collection::vec(0..3u8, 0..3);
    let item = (0..3u8, answer, any_text(), prop::option::of(any_text()));
    let context = prop::collection::vec(0..3u8, 0..3);
    (-1_000_000..4_000_000_000i64, context, prop::collection::vec(item, 0..=16), any::<bool>())
}

/// Writes frames; where a leaf says so, a new one begins.
fn encode(leaves: &[GivenLeaf], reopen: bool) -> Vec<u8> {
    let (mut salts, mut encoder) = (Salts::new().unwrap(), Encoder::default());
    let mut block: Vec<u8> = Vec::new();
    let mut frame = vec![0; FRAME_HEAD];
    for (at, (time, context, given, ends_frame)) in leaves.iter().enumerate() {
        let items: Vec<NewItem<'_>> = given
            .iter()
            .map(|(class, answer, address, reference)| NewItem {
                answer,
                class: *class,
                address,
                reference: reference.as_deref(),
                fingerprints: &[],
            })
            .collect();
        let time = Timestamp::from_microsecond(*time).unwrap();
        encoder.leaf(&mut frame, &NewLeaf { time, context, items: &items }, &mut salts);
        if *ends_frame || at + 1 == leaves.len() {
            let offset = PLACE.offset + block.len() as u64;
            seal(&mut frame, FramePlace { offset, ..PLACE });
            block.append(&mut frame);
            frame = vec![0; FRAME_HEAD];
            if reopen {
                encoder = Encoder::after(&Block::decode(&block, PLACE).0);
            }
        }
    }
    block
}

fn check(bytes: &[u8], leaves: &[GivenLeaf]) {
    let (block, broken) = Block::decode(bytes, PLACE);
    assert!(broken.is_none());
    assert_eq!((block.len(), block.length()), (leaves.len(), bytes.len()));
    for (view, (time, context, items, _)) in block.leaves().iter().zip(leaves) {
        let LeafView::Full(full) = view else { panic!("a bare leaf") };
        let leaf = block.to_leaf(full, 7).unwrap();
        assert_eq!((leaf.time.as_microsecond(), &leaf.context), (*time, context));
        assert_eq!(leaf.items.len(), items.len());
        for (item, (class, answer, address, reference)) in leaf.items.iter().zip(items) {
            assert_eq!((item.class, &item.answer), (*class, answer));
            assert_eq!(item.address.text(), Some(&**address));
            let stored = item.reference.as_ref().map(|field| field.text().unwrap());
            assert_eq!(stored, reference.as_deref());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn blocks_come_back(leaves in prop::collection::vec(any_leaf(), 1..20), reopen: bool) {
        let bytes = encode(&leaves, reopen);
        check(&bytes, &leaves);

        // Written again as one frame, with the same hashes.
        let (block, _) = Block::decode(&bytes, PLACE);
        let (mut frame, mut copier) = (vec![0; FRAME_HEAD], Copier::new(&block));
        for leaf in block.leaves() {
            copier.leaf(&mut frame, leaf, |_, value| value);
        }
        seal(&mut frame, PLACE);
        check(&frame, &leaves);
        let (again, _) = Block::decode(&frame, PLACE);
        prop_assert!(block.contexts().eq(again.contexts()), "other numbers");
        prop_assert!(block.answers().eq(again.answers()), "other numbers");
        for (leaf, same) in block.leaves().iter().zip(again.leaves()) {
            let mut scratch = Vec::new();
            prop_assert_eq!(block.hash(leaf, &mut scratch), again.hash(same, &mut scratch));
        }
    }

    #[test]
    fn no_payload_panics(payload in prop::collection::vec(any::<u8>(), 1..200)) {
        let mut frame = [&[0; FRAME_HEAD][..], &payload].concat();
        seal(&mut frame, PLACE);
        let (block, _) = Block::decode(&frame, PLACE);
        for leaf in block.leaves() {
            block.hash(leaf, &mut Vec::new());
            if let LeafView::Full(full) = leaf {
                block.to_leaf(full, 0);
            }
        }
    }

    #[test]
    fn changed_payloads_do_not_panic(
        leaves in prop::collection::vec(any_leaf(), 1..8),
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let leaves: Vec<GivenLeaf> =
            leaves.into_iter().map(|(time, context, items, _)| (time, context, items, false)).collect();
        let mut frame = encode(&leaves, false);
        let at = FRAME_HEAD + at.index(frame.len() - FRAME_HEAD);
        frame[at] = byte;
        seal(&mut frame, PLACE);
        let (block, _) = Block::decode(&frame, PLACE);
        for leaf in block.leaves() {
            block.hash(leaf, &mut Vec::new());
            if let LeafView::Full(full) = leaf {
                block.to_leaf(full, 0);
            }
        }
    }
}

/// A frame with a right checksum whose leaves do not parse leaves no numbers behind.
#[test]
fn leaves_after_a_cut_frame_have_the_right_numbers() {
    let given = |context: &[u8], answer: &[u8], time| {
        let item = (1, answer.to_vec(), "0x1".to_owned(), None);
        (time, context.to_vec(), vec![item], true)
    };
    let first = [given(b"first", b"a", 5)];
    let whole = encode(&first, false);
    let cut = encode(&[given(b"cut", b"b", 70)], false);
    let mut broken = vec![0; FRAME_HEAD];
    broken.extend_from_slice(&cut[FRAME_HEAD..]);
    broken.push(17);
    seal(&mut broken, FramePlace { offset: PLACE.offset + whole.len() as u64, ..PLACE });
    let bytes = [whole.clone(), broken].concat();
    let (block, found) = Block::decode(&bytes, PLACE);
    assert_eq!(found.unwrap().byte, whole.len());
    let mut encoder = Encoder::after(&block);
    let item =
        NewItem { answer: b"b", class: 1, address: "0x2", reference: None, fingerprints: &[] };
    let time = Timestamp::from_microsecond(90).unwrap();
    let mut frame = vec![0; FRAME_HEAD];
    let leaf = NewLeaf { time, context: b"next", items: &[item] };
    encoder.leaf(&mut frame, &leaf, &mut Salts::new().unwrap());
    encoder.leaf(&mut frame, &leaf, &mut Salts::new().unwrap());
    seal(&mut frame, FramePlace { offset: PLACE.offset + whole.len() as u64, ..PLACE });
    let bytes = [whole, frame].concat();
    let (block, broken) = Block::decode(&bytes, PLACE);
    assert!(broken.is_none());
    for leaf in &block.leaves()[1..] {
        let LeafView::Full(full) = leaf else { panic!() };
        assert_eq!((full.time, block.context(full)), (90, &b"next"[..]));
        assert_eq!(block.answer(&block.items(full)[0]), (1, &b"b"[..]));
    }
    assert_eq!(block.len(), 3);
}
