//! The built-in policy: from findings to a score, a level and a decision. Pure.
//!
//! | finding | score | decision |
//! |---|---|---|
//! | a standing listing of kind SANCTIONS, exact or by the same key | 100 | BLOCK |
//! | a standing listing of another kind | 75 | REVIEW |
//! | a standing quarantined string, letter for letter | 75 | REVIEW |
//! | a removed listing, or one of a service | 0 | ALLOW |
//! | exposure to a list of kind SANCTIONS over 1, 2, ... 8 hops | 80, 60, 45, 35, 25, 20, 15, 10 | REVIEW |
//! | exposure to a list of another kind over 1, 2, ... 8 hops | 50, 40, 30, 25, 20, 15, 10, 5 | REVIEW |
//! | the same through an untagged hub | half, at least 1 | REVIEW |
//! | an INCOMPLETE screening | as its findings | at least REVIEW |

use super::FindingKind;
use crate::domain::list::ListKind;

/// The version that answers name.
pub const VERSION: &str = "builtin-2";

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

/// The score of one standing finding of a listing, 0 to [`MAX_SCORE`].
pub fn score(finding: FindingKind, list: ListKind) -> u8 {
    match (finding, list) {
        (_, ListKind::Service) => 0,
        (FindingKind::Listed | FindingKind::SameKey, ListKind::Sanctions) => MAX_SCORE,
        _ => NOTABLE_SCORE,
    }
}

/// The scores of exposure over 1, 2, ... hops, to lists of kind SANCTIONS and of other kinds.
const EXPOSURE_SCORES: [[u8; 8]; 2] =
    [[80, 60, 45, 35, 25, 20, 15, 10], [50, 40, 30, 25, 20, 15, 10, 5]];

/// The score of exposure over `hops` (from 1 on), through an untagged `hub` or not. Never rises
/// with more hops.
pub fn exposure_score(list: ListKind, hops: u8, hub: bool) -> u8 {
    let scores = &EXPOSURE_SCORES[usize::from(list != ListKind::Sanctions)];
    let place = usize::from(hops.saturating_sub(1)).min(scores.len() - 1);
    if hub { scores[place].div_ceil(2) } else { scores[place] }
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
                let expected = match (certain, list) {
                    (true, _) => (100, Decision::Block),
                    (false, ListKind::Service) => (0, Decision::Allow),
                    (false, _) => (75, Decision::Review),
                };
                let score = score(finding, list);
                assert_eq!((score, decide(score, true)), expected, "{finding:?} on {list}");
                let incomplete = expected.1.max(Decision::Review);
                assert_eq!(decide(score, false), incomplete, "{finding:?} on {list}, incomplete");
            }
        }
        assert_eq!(decide(0, true), Decision::Allow);
        assert_eq!(decide(0, false), Decision::Review);
    }

    #[test]
    fn exposure_is_looked_at_and_never_scores_more_with_more_hops() {
        for list in ListKind::ALL {
            for hub in [false, true] {
                let scores: Vec<_> = (1..=9).map(|hops| exposure_score(list, hops, hub)).collect();
                assert!(scores.is_sorted_by(|a, b| a >= b), "{list} {scores:?}");
                assert!(scores.iter().all(|&s| decide(s, true) == Decision::Review), "{scores:?}");
            }
        }
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
