//! STUB, replaced at merge. What a list's source is and how its publications are gated.
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::list::{ListId, ListKind};
use crate::source::Format;

/// A configured list.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct ListSettings {
    pub id: ListId,
    pub name: String,
    pub kind: ListKind,
    pub url: Option<String>,
    pub path: Option<PathBuf>,
    pub format: Option<Format>,
    pub required: bool,
    pub is_static: bool,
    pub refresh_interval: Duration,
    pub max_age: Option<Duration>,
    pub allow_empty: bool,
    pub max_shrink: f64,
}
