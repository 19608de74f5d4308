//! Adds one tag to a list that has no source of its own.

use super::starter_lists::STARTER_LISTS;
use super::types::Publication;
use super::{Engine, EngineError, unconfigured};
use crate::domain::list::{ListId, ListKind, ListState, Provenance};
use crate::domain::tag::{Tag, TagChange, TagInput, TagPlan};
use crate::refresh::{Amendment, ListSettings};
use crate::screening::categories::PathRole;
use crate::source::is_hostile;

/// Request to add one tag to a list.
#[derive(Clone, Debug)]
pub struct TagRequest {
    pub id: ListId,
    /// ATTRIBUTION or SERVICE; `None`: the list's kind, and ATTRIBUTION for a new list.
    pub kind: Option<ListKind>,
    pub draft: TagInput,
    /// Whether an existing tag of the address is replaced.
    pub replaces: bool,
    /// The identity that adds it, for the record.
    pub by: String,
    /// Whether this is a dry run: nothing is published.
    pub is_trial: bool,
}

/// The result of adding a tag.
#[derive(Clone, Debug)]
pub struct TagReport {
    /// The tag on the list, and what changed.
    pub tagging: TagPlan,
    /// The kind of the list.
    pub kind: ListKind,
    /// How paths treat the address: as a source, as a stop or neither.
    pub role: PathRole,
    pub publication: Publication,
}

impl Engine {
    /// Publishes a list with one tag added; all other rows stay. Blocks.
    pub fn add_tag(&self, request: &TagRequest) -> Result<TagReport, EngineError> {
        let tag = check_tag(&request.draft)?;
        let settings = self.settings_of_tags(request)?;
        let provenance = Provenance::Import(format!("a tag added by {}", request.by));
        let make = |current: Option<&ListState>| {
            if let Some(state) = current {
                must_be_own(state)?;
            }
            let tagging = tag.apply_to(current, request.replaces);
            let tagging = tagging.map_err(|why| tag_refused(&request.id, why))?;
            let list = match &tagging.change {
                TagChange::Stands => None,
                TagChange::Added(list) | TagChange::Replaced { list, .. } => Some(list.clone()),
            };
            Ok::<_, EngineError>(Amendment { list, outcome: tagging })
        };
        let (report, tagging) =
            self.publisher.amend(&settings, &provenance, request.is_trial, make)?;
        let role = self.current.categories.role(settings.kind, &tagging.facts);
        Ok(TagReport { role, kind: settings.kind, publication: report.into(), tagging })
    }

    /// Returns the settings of the list. Fails if it takes no tags.
    fn settings_of_tags(&self, request: &TagRequest) -> Result<ListSettings, EngineError> {
        let id = &request.id;
        let configured = self.settings(id);
        if configured.is_some_and(|settings| settings.source_name().is_some()) {
            let why = "it has a configured source, whose next publication would take the tag away";
            return Err(tag_refused(id, why));
        }
        if STARTER_LISTS.iter().any(|(starter, _)| *starter == id.as_str()) {
            return Err(tag_refused(id, "it is a starter list, which updates replace"));
        }
        let loaded = self.publisher.list(id).map(|state| state.version.kind);
        let known = loaded.or(configured.map(|settings| settings.kind));
        let kind = request.kind.or(known).unwrap_or(ListKind::Attribution);
        let is_of_tags = |kind| matches!(kind, ListKind::Attribution | ListKind::Service);
        if let Some(other) = known.filter(|known| *known != kind || !is_of_tags(*known)) {
            return Err(tag_refused(id, format!("it is of kind {other}")));
        }
        if !is_of_tags(kind) {
            let what = format!("{kind} lists take no tags; use ATTRIBUTION or SERVICE");
            return Err(EngineError::Field { field: "kind", what });
        }
        Ok(match configured {
            Some(settings) => ListSettings { kind, ..settings.clone() },
            None => unconfigured(id.clone(), kind),
        })
    }
}

fn check_tag(draft: &TagInput) -> Result<Tag, EngineError> {
    let texts = [
        ("category", Some(&draft.category)),
        ("label", draft.label.as_ref()),
        ("reference", draft.reference.as_ref()),
    ];
    for (field, text) in texts {
        let hostile = text.and_then(|text| text.trim().chars().find(|it| is_hostile(*it)));
        if let Some(found) = hostile {
            let what = format!("contains the invisible character {found:?}; remove it");
            return Err(EngineError::Field { field, what });
        }
    }
    Tag::new(draft).map_err(|fault| EngineError::Field { field: fault.field, what: fault.what })
}

/// Fails if the list's rows come from a source: its next publication would drop the tag.
fn must_be_own(state: &ListState) -> Result<(), EngineError> {
    let id = &state.version.id;
    match state.version.rows_origin().0 {
        Provenance::Import(_) | Provenance::Backfill(_) => Ok(()),
        Provenance::Starter => Err(tag_refused(id, "it is a starter list, which updates replace")),
        Provenance::Source(name) => {
            Err(tag_refused(id, format!("its rows came from a source, {name}")))
        }
    }
}

fn tag_refused(id: &ListId, why: impl ToString) -> EngineError {
    EngineError::TagRefused { id: id.clone(), why: why.to_string() }
}
