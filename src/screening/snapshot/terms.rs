//! On what terms a list counts: what the configuration says of it, and what a policy adds.

use jiff::SignedDuration;

use crate::domain::list::{ListId, ListKind};
use crate::screening::policy::Policy;

/// What the configuration says of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTerms {
    pub id: ListId,
    /// Its name for people; `None` where the configuration does not name the list.
    pub name: Option<String>,
    /// What being on it means, by the configuration; `None` where it does not name the list.
    pub kind: Option<ListKind>,
    /// Whether a screening without it is INCOMPLETE.
    pub required: bool,
    /// The age from which it is stale; `None` for a list that does not age.
    pub max_age: Option<SignedDuration>,
}

impl ListTerms {
    /// The terms of a list of `kind` that the configuration does not name: it is not required, and
    /// ages by its kind.
    pub(super) fn unconfigured(
        id: &ListId,
        kind: ListKind,
        default_max_age: SignedDuration,
    ) -> Self {
        let max_age = kind.ages().then_some(default_max_age);
        Self { id: id.clone(), name: None, kind: None, required: false, max_age }
    }

    /// The kind of a list that is loaded as `loaded`: the stricter of the two.
    pub(super) fn kind_of(&self, loaded: ListKind) -> ListKind {
        self.kind.map_or(loaded, |configured| configured.min(loaded))
    }

    /// The terms of a list that is loaded as `loaded` under a policy: the stricter in each.
    pub(super) fn under(mut self, policy: &Policy, loaded: ListKind) -> Self {
        let requirements = policy.requirements();
        self.required |= requirements.lists.contains(&self.id);
        let limit = requirements.list_max_age.get(&self.kind_of(loaded)).copied();
        self.max_age = self.max_age.into_iter().chain(limit).min();
        self
    }
}

/// The lists that are required by the terms or by the policy, sorted, each once.
pub(super) fn required(terms: &[ListTerms], policy: &Policy) -> Vec<ListId> {
    let configured = terms.iter().filter(|terms| terms.required).map(|terms| &terms.id);
    let mut required: Vec<_> = configured.chain(&policy.requirements().lists).cloned().collect();
    required.sort();
    required.dedup();
    required
}
