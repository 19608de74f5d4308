//! Questions and rows as people write them: dressed, several in one text, look-alikes.

use super::*;

const BTC: &str = "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH";
const SEGWIT: &str = "bc1q4c8n5t00jmj8temxdgcc3t32nkg2wjwz24lywv";

fn listing(address: &str) -> Snapshot {
    snapshot(&[sanctions(vec![row(address, "")])], &[terms("us-ofac-sdn", true)])
}

#[test]
fn a_dressed_question_is_answered_as_the_address() {
    let snapshot = listing(RONIN);
    let check = |asked: &str, chain: Option<&str>, said: &str| {
        assert_eq!(ask(&snapshot, asked, chain, None), said, "{asked:?} on {chain:?}");
    };
    let block = "Block 100 Listed:Standing";
    check(&format!("\u{a0}{RONIN}"), None, block);
    check(&format!("=\"{RONIN}\""), None, block);
    check(&format!("ethereum:{RONIN}@1"), None, block);
    check(&RONIN[2..], None, block);
    check(&format!("eth:{RONIN}"), Some("eip155:1"), block);
    check(&format!("eth:{RONIN}"), Some("eip155:137"), &format!("{block} !ChainMismatch"));
    check(
        &format!("did:pkh:eip155:1:{RONIN}"),
        Some("bitcoin"),
        &format!("{block} !ChainMismatch"),
    );
    check(&format!("\"{CLEAN}\""), None, "Allow 0");
    check(&format!("https://etherscan.io/token/{CLEAN}"), None, "Review 0 !AddressNotUnderstood");
}

#[test]
fn the_answer_to_several_addresses_is_the_worst_of_all_and_names_each() {
    let snapshot = listing(RONIN);
    let scope = Scope::new(&snapshot, &ScopeFilter::default(), now()).unwrap();
    let text = format!("{CLEAN}, {RONIN}");
    let screening = scope.screen(&text, None, None).unwrap();
    assert_eq!(screening.decision, policy::Decision::Block);
    assert_eq!(screening.other_addresses.len(), 1);
    let about = screening.address_of(&screening.findings[0]).unwrap();
    assert_eq!(about.canonical(), RONIN.to_lowercase());
    let ronin = RONIN.to_lowercase();
    let expected = format!(" Read as 2 addresses: {CLEAN}, {ronin}; the worst is {ronin}.");
    let reason = screening.reason(None);
    assert!(reason.ends_with(&expected), "{reason}");
    let mistyped = format!("{CLEAN}, {}", BTC.replace("SAMH", "SAMJ"));
    assert_eq!(ask(&snapshot, &mistyped, None, None), "Review 0 !AddressNotUnderstood");
}

#[test]
fn a_dressed_row_is_a_listing_and_several_addresses_are_several() {
    let snapshot = listing(&format!("\u{a0}{BTC}; {SEGWIT} (cold)"));
    assert_eq!(ask(&snapshot, BTC, None, None), "Block 100 Listed:Standing");
    assert_eq!(ask(&snapshot, SEGWIT, None, None), "Block 100 Listed:Standing");
    assert_eq!(ask(&snapshot, CLEAN, None, None), "Allow 0");
    let scope = Scope::new(&snapshot, &ScopeFilter::default(), now()).unwrap();
    let screening = scope.screen(BTC, None, None).unwrap();
    let normalizations = screening.findings[0].listing.unwrap().normalizations();
    assert!(
        normalizations.iter().any(|it| it.to_string().contains("U+00A0")),
        "{normalizations:?}"
    );
    let sources = scope.sources();
    let keys: std::collections::HashSet<_> = sources.iter().map(|source| source.key).collect();
    assert_eq!(keys.len(), sources.len());
    for source in &sources {
        let (_, listing) = snapshot.listing(source).unwrap();
        let address = Address::parse(listing.canonical(), None).unwrap();
        let mut own = address.listing_key_ids().into_iter().map(|key| PackedKey::from(&key));
        assert!(own.any(|key| key == source.key), "{source:?}");
    }
}

#[test]
fn a_look_alike_is_listed_verbatim_and_names_its_code_points() {
    let alike = BTC.replace('H', "\u{41d}");
    let snapshot_of_alike = listing(&alike);
    let said = "Review 75 ListedVerbatim:Standing";
    assert_eq!(ask(&snapshot_of_alike, BTC, None, None), said);
    assert_eq!(ask(&snapshot_of_alike, CLEAN, None, None), "Allow 0");
    let scope = Scope::new(&snapshot_of_alike, &ScopeFilter::default(), now()).unwrap();
    let reason = scope.screen(BTC, None, None).unwrap().findings[0].reason();
    assert!(reason.contains("U+041D"), "{reason}");
    // Paths begin at what it passes itself off as.
    let key = Address::parse(BTC, None).unwrap().key_ids()[0].clone();
    assert!(scope.sources().iter().any(|source| source.key == PackedKey::from(&key)));

    let asked = ask(&listing(BTC), &alike, None, None);
    assert_eq!(asked, format!("{said} !AddressNotUnderstood"));
    let asked = ask(&listing(RONIN), &alike, None, None);
    assert_eq!(asked, "Review 0 !AddressNotUnderstood");
}

#[test]
fn an_address_in_a_row_that_is_not_understood_is_matched() {
    let snapshot = listing(&format!("see https://etherscan.io/token/{RONIN}"));
    assert_eq!(ask(&snapshot, RONIN, None, None), "Review 75 ListedVerbatim:Standing");
    let lowered = listing(&BTC.to_lowercase());
    assert_eq!(ask(&lowered, BTC, None, None), "Review 75 ListedVerbatim:Standing");
    assert_eq!(ask(&lowered, SEGWIT, None, None), "Allow 0");
    let burn = "0x000000000000000000000000000000000000dead";
    let snapshot = listing(&format!("burn {burn}, {RONIN}"));
    assert_eq!(ask(&snapshot, RONIN, None, None), "Block 100 Listed:Standing");
    assert_eq!(ask(&snapshot, burn, None, None), "Review 75 ListedVerbatim:Standing");
}

#[test]
fn a_listing_stands_before_the_same_key() {
    let other = Address::parse(BTC, None).unwrap().other_forms();
    let (_, _, segwit) = other.into_iter().find(|(_, _, text)| text.starts_with("bc1")).unwrap();
    let snapshot = snapshot(
        &[
            list("a", ListKind::Sanctions, date(2025, 11, 19), vec![row(&segwit, "XBT")]),
            list("b", ListKind::Sanctions, date(2025, 11, 19), vec![row(BTC, "XBT")]),
        ],
        &[],
    );
    let said = ask(&snapshot, BTC, None, None);
    assert_eq!(said, "Block 100 Listed:Standing SameKey:Standing");
    let scope = Scope::new(&snapshot, &ScopeFilter::default(), now()).unwrap();
    let screening = scope.screen(BTC, None, None).unwrap();
    assert_eq!(screening.deciding_finding().unwrap().kind, FindingKind::Listed);
}

#[test]
fn a_required_list_of_which_too_much_is_not_understood_makes_answers_incomplete() {
    let mut state = Arc::unwrap_or_clone(sanctions(vec![row(RONIN, "ETH")]));
    state.version.not_understood.beyond_gate = 12;
    let states = [Arc::new(state)];
    let required = snapshot(&states, &[terms("us-ofac-sdn", true)]);
    assert_eq!(ask(&required, CLEAN, None, None), "Review 0 !ListNotUnderstood");
    let other = snapshot(&states, &[terms("us-ofac-sdn", false)]);
    assert_eq!(ask(&other, CLEAN, None, None), "Allow 0");
}
