//! What every policy holds to, tried with policies by chance; and what files are refused for.

mod differences;
mod files;
pub mod properties;

use super::*;

/// The built-in policy's file with parts of it replaced; each must stand in it.
pub(super) fn edited(edits: &[(&str, &str)]) -> String {
    let mut text = Policy::built_in().text().to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "{from:?} is not in the file");
        text = text.replacen(from, to, 1);
    }
    text
}

/// The rules at the end of the built-in file replaced.
pub(super) fn with_rules(rules: &str) -> String {
    let text = Policy::built_in().text().to_owned();
    let start = text.find("[[rules]]").expect("it has rules");
    format!("{}{rules}", &text[..start])
}

#[test]
fn the_built_in_policy_is_valid_and_named_by_its_digest() {
    let policy = Policy::built_in();
    let digest: String = policy.digest()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(policy.version(), format!("built-in@{digest}"));
    let changed = Policy::parse(&edited(&[("low = 1", "low = 2")])).unwrap();
    assert_ne!(changed.digest(), policy.digest());
    let levels: Vec<_> = (0..=100).map(|score| policy.level(score)).collect();
    assert!(levels.is_sorted());
    let at = |score: usize| levels[score];
    assert_eq!([at(0), at(1), at(24)], [RiskLevel::None, RiskLevel::Low, RiskLevel::Low]);
    assert_eq!([at(25), at(49)], [RiskLevel::Medium, RiskLevel::Medium]);
    assert_eq!([at(50), at(84)], [RiskLevel::High, RiskLevel::High]);
    assert_eq!([at(85), at(100)], [RiskLevel::Severe, RiskLevel::Severe]);
}
