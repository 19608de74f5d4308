//! The built-in policy: from findings to a score, a level and a decision. Pure.
//!
//! | finding | score | decision |
//! |---|---|---|
//! | a standing listing of kind SANCTIONS, exact or by the same key | 100 | BLOCK |
//! | a standing listing of another kind | 75 | REVIEW |
//! | a standing quarantined string, letter for letter | 75 | REVIEW |
//! | a removed listing | 0 | ALLOW |
//! | an INCOMPLETE screening | as its findings | at least REVIEW |

use super::FindingKind;
use crate::domain::list::ListKind;

/// The version that answers name.
pub const VERSION: &str = "builtin-1";

/// The score of a certain sanctions match, the highest there is.
pub const MAX_SCORE: u8 = 100;

/// The score of any other standing match.
const NOTABLE_SCORE: u8 = 75;

/// What to do, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// Nothing found, on complete data.
    Allow,
    /// A person has to look.
    Review,
    /// Do not deal.
    Block,
}

/// The band of a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RiskLevel {
    /// 0.
    None,
    /// 1 to 24.
    Low,
    /// 25 to 49.
    Medium,
    /// 50 to 84.
    High,
    /// 85 to 100.
    Severe,
}

/// The score of one standing finding, 0 to [`MAX_SCORE`].
pub fn score(finding: FindingKind, list: ListKind) -> u8 {
    match (finding, list) {
        (FindingKind::Listed | FindingKind::SameKey, ListKind::Sanctions) => MAX_SCORE,
        _ => NOTABLE_SCORE,
    }
}

/// The band that `score` lies in.
pub fn level(score: u8) -> RiskLevel {
    match score {
        0 => RiskLevel::None,
        1..=24 => RiskLevel::Low,
        25..=49 => RiskLevel::Medium,
        50..=84 => RiskLevel::High,
        _ => RiskLevel::Severe,
    }
}

/// The decision for the largest score of a screening that is `complete` or not.
pub fn decide(score: u8, complete: bool) -> Decision {
    match score {
        MAX_SCORE.. => Decision::Block,
        1.. => Decision::Review,
        0 if complete => Decision::Allow,
        0 => Decision::Review,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sanctions_listing_blocks_and_incomplete_never_allows() {
        for list in ListKind::ALL {
            for finding in [FindingKind::Listed, FindingKind::SameKey, FindingKind::ListedVerbatim]
            {
                let certain = list == ListKind::Sanctions && finding != FindingKind::ListedVerbatim;
                let expected =
                    if certain { (100, Decision::Block) } else { (75, Decision::Review) };
                let score = score(finding, list);
                assert_eq!((score, decide(score, true)), expected, "{finding:?} on {list}");
                assert_eq!(decide(score, false), expected.1, "{finding:?} on {list}, incomplete");
            }
        }
        assert_eq!(decide(0, true), Decision::Allow);
        assert_eq!(decide(0, false), Decision::Review);
    }

    #[test]
    fn levels_follow_the_score() {
        let levels: Vec<_> = (0..=100).map(level).collect();
        assert!(levels.is_sorted());
        let at = |score: usize| levels[score];
        assert_eq!([at(0), at(1), at(24)], [RiskLevel::None, RiskLevel::Low, RiskLevel::Low]);
        assert_eq!([at(25), at(49)], [RiskLevel::Medium, RiskLevel::Medium]);
        assert_eq!([at(50), at(84)], [RiskLevel::High, RiskLevel::High]);
        assert_eq!([at(85), at(100)], [RiskLevel::Severe, RiskLevel::Severe]);
    }
}
