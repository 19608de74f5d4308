//! What a decision rests on, for counts: findings, the address that was asked, or the data alone.
//! Pure; decides nothing.

use serde::{Deserialize, Serialize};

use super::incomplete::ReasonSubject;
use super::policy::INCOMPLETE_FLOOR;

/// What a decision rests on.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "lowercase")]
pub enum DecidedBy {
    /// A finding, or that nothing was found: the decision would be the same were the data complete.
    Findings,
    /// No finding, but a doubt about this very address, such as a wrong checksum.
    Address,
    /// No finding and no doubt about the address: only data that are stale or lacking, or options
    /// that leave some out. The decision would be milder were the status COMPLETE.
    Data,
}

impl DecidedBy {
    /// Every one, what a person has to look at first.
    pub const ALL: [Self; 3] = [Self::Findings, Self::Address, Self::Data];

    /// The name in summaries and metrics.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// What an answer rests on whose deciding rule has the id `rule`, and which is INCOMPLETE for
    /// reasons about `subjects`.
    ///
    /// The floor for INCOMPLETE decides only where no finding has its decision or a graver one, so
    /// that any other rule is one of findings. Without a reason the data are not to blame.
    pub fn of(rule: &str, subjects: impl IntoIterator<Item = ReasonSubject>) -> Self {
        if rule != INCOMPLETE_FLOOR {
            return Self::Findings;
        }
        let mut subjects = subjects.into_iter().peekable();
        let is_known = subjects.peek().is_some();
        if is_known && subjects.all(|subject| subject == ReasonSubject::Data) {
            Self::Data
        } else {
            Self::Address
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_alone_decide_where_the_floor_does_and_every_reason_is_about_them() {
        use ReasonSubject::{Address, Data};
        let check = |rule: &str, subjects: &[ReasonSubject], want: DecidedBy| {
            assert_eq!(DecidedBy::of(rule, subjects.iter().copied()), want, "{rule} {subjects:?}");
        };
        check("incomplete", &[Data], DecidedBy::Data);
        check("incomplete", &[Data, Data], DecidedBy::Data);
        check("incomplete", &[Data, Address], DecidedBy::Address);
        check("incomplete", &[Address], DecidedBy::Address);
        check("incomplete", &[], DecidedBy::Address);
        check("exposure", &[Data], DecidedBy::Findings);
        check("no-finding", &[], DecidedBy::Findings);
    }
}
