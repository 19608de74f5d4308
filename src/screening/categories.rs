//! What the categories of ATTRIBUTION lists mean to paths of exposure.

use crate::domain::list::{ListKind, RowFacts};

/// Which categories of ATTRIBUTION lists mean what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Categories {
    /// Services, sorted.
    pub service: Vec<String>,
    /// Risks, sorted; they win.
    pub risk: Vec<String>,
}

/// What a listing is to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathRole {
    Source,
    Stop,
    None,
}

impl Categories {
    /// What a row of a list of `kind` is to a path.
    pub fn role(&self, kind: ListKind, facts: &RowFacts) -> PathRole {
        let has = |names: &[String]| {
            let mut given = facts.category.split(',').map(str::trim);
            given.any(|name| names.binary_search_by(|known| known.as_str().cmp(name)).is_ok())
        };
        match kind {
            ListKind::Service => PathRole::Stop,
            ListKind::Attribution if has(&self.risk) => PathRole::Source,
            ListKind::Attribution if has(&self.service) => PathRole::Stop,
            ListKind::Attribution => PathRole::None,
            ListKind::Sanctions
            | ListKind::Advisory
            | ListKind::Seizure
            | ListKind::IssuerFreeze => PathRole::Source,
        }
    }
}
