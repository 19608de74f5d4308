//! Real GraphSense TagPacks, imported as lists of attributions.

use std::collections::BTreeSet;
use std::path::Path;

use lazaretto::domain::list::ListKind;
use lazaretto::screening::policy::Decision;
use lazaretto::screening::{FindingKind, ListingState};

use crate::support::desk::Desk;
use crate::support::needs::data;

/// No list but the packs: an answer is then COMPLETE.
const ALONE: [&str; 1] = ["lists.us-ofac-sdn.enabled=false"];
const NOW: &str = "2025-11-20";

fn import(desk: &Desk, id: &str, path: &Path) {
    desk.import(id, Some(ListKind::Attribution), path, None).unwrap();
}

/// The addresses of a pack by its lines: `- address: X` or `  address: X`.
fn addresses(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let value = |line: &str| {
        let line = line.trim_start_matches(['-', ' ']);
        let value = line.strip_prefix("address:")?;
        Some(value.trim().trim_matches(['\'', '"']).to_owned())
    };
    text.lines().filter_map(value).collect()
}

/// Null and precompile addresses: at most four hex digits that are not zero, all at the end.
fn is_uncontrolled(address: &str) -> bool {
    address.starts_with("0x") && address.len() == 42 && address[2..38].bytes().all(|b| b == b'0')
}

#[test]
fn packs_hold_what_their_lines_say() {
    let check = |pack: &str, rows: usize, uncontrolled: usize| {
        let Some(path) = data(&format!("tagpacks/packs/{pack}.yaml")) else { return };
        let desk = Desk::new(NOW, &ALONE);
        import(&desk, "pack", &path);
        let lines = addresses(&path);
        let distinct: BTreeSet<&String> = lines.iter().collect();
        let quarantined: BTreeSet<&String> =
            distinct.iter().copied().filter(|address| is_uncontrolled(address)).collect();
        assert_eq!((distinct.len(), quarantined.len()), (rows, uncontrolled), "{pack}: the lines");

        let list = desk.list("pack");
        let version = &list.state().version;
        assert_eq!(version.kind, ListKind::Attribution);
        assert_eq!(version.published, None, "{pack}: a tag's lastmod is no publication");
        assert_eq!(version.counts.listings, (rows - uncontrolled) as u64, "{pack}");
        assert_eq!(version.counts.quarantined, uncontrolled as u64, "{pack}");
        assert_eq!(version.counts.duplicates, (lines.len() - rows) as u64, "{pack}");
        assert_eq!(version.counts.parties, 1, "{pack}");
        let found: BTreeSet<&String> =
            list.state().rows.iter().map(|row| &row.key.address).collect();
        assert_eq!(found, distinct, "{pack}");
        let held: BTreeSet<&String> = list
            .index()
            .quarantine()
            .iter()
            .map(|row| &list.index().quarantined_row(row).0.key.address)
            .collect();
        assert_eq!(held, quarantined, "{pack}");
    };
    check("lazarus", 21, 0);
    check("usdt_blacklist", 774, 14);
    check("samourai", 36_548, 0);
}

#[test]
fn an_attribution_is_reviewed_and_never_blocks() {
    let Some(path) = data("tagpacks/packs/lazarus.yaml") else { return };
    let desk = Desk::new(NOW, &ALONE);
    import(&desk, "lazarus", &path);
    for address in addresses(&path) {
        let answer = desk.screen(&address, None);
        assert_eq!((answer.decision, answer.score), (Decision::Review, 75), "{address}");
        assert!(answer.is_complete(), "{answer:?}");
        let [found] = answer.findings.as_slice() else { panic!("{answer:?}") };
        assert_eq!((found.kind, found.state), (FindingKind::Listed, ListingState::Standing));
        assert_eq!((found.list.as_str(), found.party_name.as_str()), ("lazarus", "Lazarus group"));
    }
}

#[test]
fn nobodys_addresses_are_quarantined_and_only_found_verbatim() {
    let Some(path) = data("tagpacks/packs/usdt_blacklist.yaml") else { return };
    let desk = Desk::new(NOW, &ALONE);
    import(&desk, "usdt", &path);
    let uncontrolled: Vec<String> =
        addresses(&path).into_iter().filter(|address| is_uncontrolled(address)).collect();
    for address in &uncontrolled {
        let answer = desk.screen(address, None);
        assert_eq!((answer.decision, answer.score), (Decision::Review, 57), "{address}");
        assert!(answer.is_complete(), "it is the finding that asks for a review: {answer:?}");
        let [found] = answer.findings.as_slice() else { panic!("{answer:?}") };
        assert_eq!(found.kind, FindingKind::ListedVerbatim, "{address}");
    }
    // Another precompile and a clean address: nothing is found, on complete data.
    for address in [format!("0x{:040x}", 2), "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed".into()] {
        assert!(!uncontrolled.contains(&address));
        let answer = desk.screen(&address, None);
        assert_eq!((answer.decision, answer.findings.len()), (Decision::Allow, 0), "{address}");
    }
    // The same bytes on TRON are not listed by the null address.
    let tron_null = "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb";
    assert_eq!(desk.screen(tron_null, None).findings.len(), 0);
}

#[test]
fn destroyed_base58_is_quarantined_and_found_verbatim() {
    let check = |pack: &str, destroyed: &str| {
        let Some(path) = data(&format!("tagpacks/packs/{pack}.yaml")) else { return };
        let desk = Desk::new(NOW, &ALONE);
        import(&desk, "pack", &path);
        let list = desk.list("pack");
        let index = list.index();
        let held = |row| index.quarantined_row(row).0.key.address == destroyed;
        let row = index.quarantine().iter().find(|row| held(row));
        let row = row.unwrap_or_else(|| panic!("{destroyed} is not in quarantine"));
        eprintln!("{pack}: {destroyed}: {}", row.reason());
        let answer = desk.screen(destroyed, None);
        assert_eq!(answer.decision, Decision::Review);
        assert_eq!(answer.on(destroyed, "BTC").unwrap().kind, FindingKind::ListedVerbatim);
        assert!(!answer.is_complete(), "nor can the question be understood");
    };
    check("plustoken", "14bwh6gmvol5ntwbvxqjkjdtzv4y5ebtvm");
    check("sextortion_excello", "3daa7ab7451f4215c9fe53c6c739e8e534");
}
