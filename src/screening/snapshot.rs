//! The lists as the hot path sees them: immutable, in memory, swapped whole.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

mod basis;
mod index;
mod name;
mod record;
mod terms;

pub use basis::{BasisList, LabelBasis};
pub use index::{IndexedListing, ListIndex, QuarantinedRow};
pub use name::{BehindName, LabelsName, Looks, SnapshotName, parse_id};
pub use record::{SnapshotListRecord, SnapshotRecord, TransfersRecord};
pub use terms::ListTerms;

use super::categories::Categories;
use super::coverage::ExposureState;
use super::incomplete::ListAge;
use super::policy::Policy;
use crate::domain::key_id::KeyId;
use crate::domain::list::{ListId, ListKind, ListState, ListVersion, UncoveredSpan};
use crate::exposure::Source;

/// The version of this program, as answers name it.
pub const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A list in a snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotList {
    index: Arc<ListIndex>,
    state: Arc<ListState>,
    terms: ListTerms,
    current_at: Option<Timestamp>,
    /// The last moment at which it is not stale; `None` where it does not age.
    fresh_until: Option<Timestamp>,
}

impl SnapshotList {
    fn new(index: Arc<ListIndex>, state: Arc<ListState>, terms: ListTerms) -> Self {
        let current_at = state.check.fresh_as_of();
        let fresh_until = terms.max_age.map(|max_age| {
            current_at
                .map_or(Timestamp::MIN, |at| at.checked_add(max_age).unwrap_or(Timestamp::MAX))
        });
        Self { index, state, terms, current_at, fresh_until }
    }

    pub fn id(&self) -> &ListId {
        &self.state.version.id
    }

    /// Its name for people; its id where it is not configured.
    pub fn name(&self) -> &str {
        self.terms.name.as_deref().unwrap_or(self.id().as_str())
    }

    /// Its kind: the stricter of the version's and the configured one.
    pub fn kind(&self) -> ListKind {
        self.terms.kind_of(self.state.version.kind)
    }

    /// The version, its rows and the last look at its source.
    pub fn state(&self) -> &ListState {
        &self.state
    }

    /// The tables of the version.
    pub fn index(&self) -> &ListIndex {
        &self.index
    }

    /// What the configuration says of it.
    pub fn terms(&self) -> &ListTerms {
        &self.terms
    }

    /// When it was last known to be current; `None` where that is unknown.
    pub fn current_at(&self) -> Option<Timestamp> {
        self.current_at
    }

    /// How old it is by a clock that says `now`.
    pub fn age(&self, now: Timestamp) -> ListAge {
        match self.current_at.map(|current| (current, now.duration_since(current))) {
            None => ListAge::Unknown,
            Some((current_at, age)) if age < -CLOCK_TOLERANCE => {
                ListAge::ClockBehind { now, current_at }
            }
            Some((_, age)) => ListAge::Known(age.max(SignedDuration::ZERO)),
        }
    }

    /// Its age by a clock that says `now`; `None` where it is unknown or the clock is behind.
    pub fn age_at(&self, now: Timestamp) -> Option<SignedDuration> {
        match self.age(now) {
            ListAge::Known(age) => Some(age),
            ListAge::Unknown | ListAge::ClockBehind { .. } => None,
        }
    }

    /// Whether a clock that says `now` is behind the list, which ages: it may be stale.
    pub fn is_ahead_of(&self, now: Timestamp) -> bool {
        self.terms.max_age.is_some() && matches!(self.age(now), ListAge::ClockBehind { .. })
    }

    /// The span in which the list was unchecked, if `at`, which is on `day`, lies in it by more
    /// than its limit.
    pub fn gap_at(&self, at: Timestamp, day: Date) -> Option<&UncoveredSpan> {
        let max_age = self.terms.max_age?;
        let gaps = &self.state.version.uncovered;
        gaps.iter().find(|gap| day < gap.until && at.duration_since(gap.from) > max_age)
    }

    /// The last moment, not after `at` (which is on `day`), at which what had been published by then is
    /// known to have been current: `at` itself where a later look found nothing newer, else the last
    /// check before that span.
    pub fn known_current_at(&self, at: Timestamp, day: Date) -> Option<Timestamp> {
        let gaps = &self.state.version.uncovered;
        match gaps.iter().find(|gap| gap.from <= at && day < gap.until) {
            Some(gap) => Some(gap.from),
            None => self.current_at.map(|current| current.min(at)),
        }
    }

    /// Whether it is older than its limit at `at`.
    pub fn is_stale_at(&self, at: Timestamp) -> bool {
        self.fresh_until.is_some_and(|until| until < at)
    }

    /// Whether a clock that says `now` shows it to be older than its limit, or is itself behind.
    pub fn counts_as_stale(&self, now: Timestamp) -> bool {
        self.is_stale_at(now) || self.is_ahead_of(now)
    }
}

/// How far a list may lie in the future: somewhere it is tomorrow already.
pub const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_hours(24);

/// What a snapshot rests on beside its lists and its policy.
struct Base {
    hasher: DefaultHashBuilder,
    categories: Arc<Categories>,
    exposure: ExposureState,
    sources: Arc<[Option<(u32, u32)>]>,
    configured: Arc<Configured>,
    looks: Looks,
}

/// All lists in force at one moment, immutable.
#[derive(Debug)]
pub struct Snapshot {
    id: String,
    record: SnapshotRecord,
    encoded_record: Arc<[u8]>,
    lists: Arc<[SnapshotList]>,
    hasher: DefaultHashBuilder,
    categories: Arc<Categories>,
    exposure: ExposureState,
    /// Where each source of the labels stands: list and row, by the source's number.
    sources: Arc<[Option<(u32, u32)>]>,
    configured: Arc<Configured>,
    looks: Looks,
    /// Required lists of which a publication could not be stored.
    not_stored: Vec<ListId>,
    policy: Arc<Policy>,
    /// [`Policy::exposure_category_percent`] of the categories.
    category_percent: u8,
    /// The same by a policy that is reported and not acted upon.
    shadow: Option<Arc<Snapshot>>,
}

/// What the configuration says, before any policy.
#[derive(Debug)]
struct Configured {
    terms: Vec<ListTerms>,
    default_max_age: SignedDuration,
    stale_allowed: bool,
}

impl Configured {
    fn terms_of(&self, state: &ListState, policy: &Policy) -> ListTerms {
        let ListVersion { id, kind, .. } = &state.version;
        let configured = self.terms.iter().find(|terms| terms.id == *id).cloned();
        let terms =
            configured.unwrap_or_else(|| ListTerms::unconfigured(id, *kind, self.default_max_age));
        terms.under(policy, *kind)
    }
}

impl Snapshot {
    /// Puts `states` together under the `terms` of their configuration and the built-in policy. A
    /// list without terms is not required and ages by its kind (`default_max_age`). Tables of
    /// versions that `previous` holds are shared with it.
    pub fn build(
        states: &[Arc<ListState>],
        terms: &[ListTerms],
        default_max_age: SignedDuration,
        stale_allowed: bool,
        (categories, exposure): (Arc<Categories>, ExposureState),
        previous: Option<&Self>,
    ) -> Self {
        let policy = Policy::built_in();
        let terms = terms.to_vec();
        let configured = Arc::new(Configured { terms, default_max_age, stale_allowed });
        let hasher = previous.map_or_else(DefaultHashBuilder::default, |p| p.hasher.clone());
        let mut lists: Vec<_> = states
            .iter()
            .map(|state| {
                let known = previous.and_then(|p| p.list(&state.version.id));
                let index = match known {
                    Some(list) if list.state.version == state.version => list.index.clone(),
                    _ => Arc::new(ListIndex::build(state, &hasher)),
                };
                SnapshotList::new(index, state.clone(), configured.terms_of(state, &policy))
            })
            .collect();
        lists.sort_by(|a, b| a.id().cmp(b.id()));
        let sources = places(&lists, &exposure);
        let looks = Looks::default();
        let base = Base { hasher, categories, exposure, sources, configured, looks };
        Self::of(lists.into(), base, policy)
    }

    fn of(lists: Arc<[SnapshotList]>, base: Base, policy: Arc<Policy>) -> Self {
        let Base { hasher, categories, exposure, sources, configured, looks } = base;
        let stale_allowed = configured.stale_allowed;
        let required = terms::required(&configured.terms, &policy);
        let record = record::record_of(&lists, &required, stale_allowed, &exposure, &policy);
        let encoded_record: Arc<[u8]> = record.encode().into();
        let mut not_stored = looks.not_stored.to_vec();
        not_stored.retain(|list| required.contains(list));
        Self {
            id: name::id_of(&encoded_record, &exposure, looks.count, &not_stored),
            record,
            encoded_record,
            lists,
            hasher,
            category_percent: policy.exposure_category_percent(&categories),
            categories,
            exposure,
            sources,
            configured,
            looks,
            not_stored,
            policy,
            shadow: None,
        }
    }

    /// The same lists and exposure by another policy, and by a shadow beside it.
    pub fn with_policies(&self, policy: Arc<Policy>, shadow: Option<Arc<Policy>>) -> Self {
        let by = |policy: Arc<Policy>| {
            let lists = self.lists.iter().map(|list| {
                let terms = self.configured.terms_of(&list.state, &policy);
                SnapshotList::new(list.index.clone(), list.state.clone(), terms)
            });
            let base = Base {
                hasher: self.hasher.clone(),
                categories: self.categories.clone(),
                exposure: self.exposure.clone(),
                sources: self.sources.clone(),
                configured: self.configured.clone(),
                looks: self.looks.clone(),
            };
            Self::of(lists.collect(), base, policy)
        };
        let shadow = shadow.map(|shadow| Arc::new(by(shadow)));
        Self { shadow, ..by(policy) }
    }

    /// The same, with what is known of looks at the sources of its lists. Policies are put into
    /// force afterwards.
    pub fn resting_on(self, looks: Looks) -> Self {
        let policy = self.policy.clone();
        Self { looks, ..self }.with_policies(policy, None)
    }

    /// The same under the id of the snapshot that it was put together again from.
    pub fn named(self, id: &str) -> Self {
        Self { id: id.to_owned(), ..self }
    }

    /// The same lists with exposure as it stands now: other labels, other transfers, the same
    /// settings and required chains.
    pub fn with_exposure(&self, exposure: ExposureState) -> Self {
        let known = exposure.labels.as_ref().map_or(0, |labels| labels.sources().len());
        let sources = if known == self.sources.len() {
            self.sources.clone()
        } else {
            places(&self.lists, &exposure)
        };
        let transfers = TransfersRecord::of(&exposure);
        Self {
            id: name::id_of(&self.encoded_record, &exposure, self.looks.count, &self.not_stored),
            record: SnapshotRecord { transfers, ..self.record.clone() },
            encoded_record: self.encoded_record.clone(),
            lists: self.lists.clone(),
            hasher: self.hasher.clone(),
            categories: self.categories.clone(),
            shadow: self.shadow.as_ref().map(|s| Arc::new(s.with_exposure(exposure.clone()))),
            exposure,
            sources,
            configured: self.configured.clone(),
            looks: self.looks.clone(),
            not_stored: self.not_stored.clone(),
            policy: self.policy.clone(),
            category_percent: self.category_percent,
        }
    }

    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The same by a policy that is reported and not acted upon; `None` where there is none.
    pub fn shadow(&self) -> Option<&Self> {
        self.shadow.as_deref()
    }

    /// The largest weight, in per cent, of a category at which paths begin.
    pub(super) fn category_percent(&self) -> u8 {
        self.category_percent
    }

    /// The short name that answers carry.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the id stands for.
    pub fn record(&self) -> &SnapshotRecord {
        &self.record
    }

    /// The name under which the record is stored: the first part of the id.
    pub fn record_name(&self) -> &str {
        self.id.split('-').next().unwrap_or(&self.id)
    }

    /// What labels rest on beside transfers: [`LabelBasis::digest`].
    pub fn basis(&self) -> [u8; 32] {
        LabelBasis::from(&self.record).digest()
    }

    /// The record in its stored form, from which the id is made.
    pub fn encoded_record(&self) -> &[u8] {
        &self.encoded_record
    }

    /// The lists, in the order of their ids.
    pub fn lists(&self) -> &[SnapshotList] {
        &self.lists
    }

    /// Whether the list is loaded, or required.
    pub fn knows(&self, id: &ListId) -> bool {
        self.list(id).is_some() || self.record.missing.contains(id)
    }

    /// A list by its id.
    pub fn list(&self, id: &ListId) -> Option<&SnapshotList> {
        self.lists.iter().find(|list| list.id() == id)
    }

    /// Required lists of which a publication was read and could not be stored.
    pub fn not_stored(&self) -> &[ListId] {
        &self.not_stored
    }

    /// Whether stale lists are let pass.
    pub fn stale_allowed(&self) -> bool {
        self.record.stale_allowed
    }

    /// What the categories of ATTRIBUTION lists mean.
    pub fn categories(&self) -> &Categories {
        &self.categories
    }

    /// Exposure as the snapshot holds it.
    pub fn exposure(&self) -> &ExposureState {
        &self.exposure
    }

    /// The listing of a source of the labels; `None` where its list no longer holds it.
    pub fn source(&self, id: u32) -> Option<(&SnapshotList, &IndexedListing)> {
        let (list, listing) = (*self.sources.get(id as usize)?)?;
        let list = &self.lists[list as usize];
        Some((list, &list.index().listings()[listing as usize]))
    }

    /// The listing of a source that a search found; `None` where its list no longer holds it.
    pub fn listing(&self, source: &Source) -> Option<(&SnapshotList, &IndexedListing)> {
        let list = self.list(&source.list)?;
        Some((list, &list.index().listings()[list.index().place(&source.listing, &source.key)?]))
    }

    /// The hash of `key`, the same for every list.
    pub(super) fn hash(&self, key: &KeyId) -> u64 {
        self.hasher.hash_one(key)
    }
}

/// Where the sources of the labels stand: places in `lists` and in the list's understood rows.
fn places(lists: &[SnapshotList], exposure: &ExposureState) -> Arc<[Option<(u32, u32)>]> {
    let sources = exposure.labels.as_ref().map_or(&[][..], |labels| labels.sources());
    let place = |source: &Source| {
        let at = lists.iter().position(|list| *list.id() == source.list)?;
        Some((at as u32, lists[at].index().place(&source.listing, &source.key)? as u32))
    };
    sources.iter().map(place).collect()
}
