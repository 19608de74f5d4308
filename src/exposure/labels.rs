//! Labels as the hot path reads them: an immutable base and small tables of what changed since.
//! Looks up; does not compute.

use std::sync::Arc;

use super::path_ends::{KINDS, MAX_SOURCES, kind_index};
use super::table::Table;
use super::unvalued::Unvalued;
use super::{CommonInput, Direct, Direction, Label, Source, Timing};
use crate::domain::list::ListKind;
use crate::domain::packed_key::PackedKey;

/// What the caller says that labels rest on, beside rows: kept with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// Whatever stands for lists and settings.
    pub digest: [u8; 32],
    /// How many retractions are known.
    pub retractions: u64,
    /// How many replacements of rows by others are known.
    pub replacements: u64,
}

/// The labels of one moment. Cheap to clone; never changes.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    pub(super) generation: u64,
    pub(super) rows: u64,
    pub(super) max_hops: u8,
    pub(super) basis: Basis,
    pub(super) sources: Arc<Vec<Source>>,
    /// The base, then what changed, each newer and smaller. An empty entry takes a key's labels
    /// away.
    pub(super) tables: Vec<Arc<Table>>,
}

impl Labels {
    /// Which generation: changes whenever labels are built from nothing.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// How many rows they know.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Up to how many hops they reach.
    pub fn max_hops(&self) -> u8 {
        self.max_hops
    }

    /// What the caller said that they rest on.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// The labels of a key, as [`KeyLabels::labels`].
    #[inline]
    pub fn of<'a>(&'a self, key: &PackedKey) -> impl Iterator<Item = Label> + use<'a> {
        self.find(key).labels()
    }

    /// All that is kept of a key, by one look-up.
    #[inline]
    pub fn find(&self, key: &PackedKey) -> KeyLabels<'_> {
        KeyLabels(self.words(key))
    }

    #[inline]
    pub(super) fn words(&self, key: &PackedKey) -> &[u64] {
        self.tables.iter().rev().find_map(|table| table.find(key)).unwrap_or(&[])
    }

    /// The source of a label of these labels.
    ///
    /// # Panics
    ///
    /// Where the label is of others.
    pub fn source(&self, id: u32) -> &Source {
        &self.sources[id as usize]
    }

    /// Every source that labels may name, by number: those of earlier lists among them.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// About how many keys have labels, or unvalued dealings; exact right after a rebuild.
    pub fn len(&self) -> usize {
        self.tables.iter().map(|table| table.len()).sum()
    }

    /// Whether no key has any.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that the tables take.
    pub fn bytes(&self) -> usize {
        self.tables.iter().map(|table| table.bytes()).sum()
    }

    /// Every key that has labels, with them; for comparing. The order is that of the tables.
    pub fn iter(&self) -> impl Iterator<Item = (PackedKey, Vec<Label>)> + '_ {
        let of_keys = self.keys().map(|(key, found)| (key, found.labels().collect::<Vec<_>>()));
        of_keys.filter(|(_, labels)| !labels.is_empty())
    }

    /// All that is kept of every key; for comparing. The order is that of the tables.
    pub fn keys(&self) -> impl Iterator<Item = (PackedKey, KeyLabels<'_>)> {
        self.tables.iter().enumerate().flat_map(move |(at, table)| {
            table.iter().filter_map(move |(key, words)| {
                let newer = &self.tables[at + 1..];
                let stands =
                    !words.is_empty() && newer.iter().all(|table| table.find(key).is_none());
                stands.then_some((*key, KeyLabels(words)))
            })
        })
    }

    /// Puts changed keys on top, merging tables so that each is at least four times the next.
    pub(super) fn changed(&mut self, change: Table) {
        self.tables.push(Arc::new(change));
        while let [.., older, newer] = self.tables.as_slice()
            && older.len() <= 4 * newer.len()
        {
            let merged = Table::merge(older, newer, self.tables.len() == 2);
            self.tables.truncate(self.tables.len() - 2);
            self.tables.push(Arc::new(merged));
        }
    }
}

/// All that labels keep of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLabels<'a>(&'a [u64]);

impl<'a> KeyLabels<'a> {
    /// The labels, by direction, kind, and those by hubs after the others. None for hop 0: that a
    /// key is listed is not said here.
    #[inline]
    pub fn labels(self) -> impl Iterator<Item = Label> + use<'a> {
        let words = self.0.iter().copied().filter(|&word| word & 0xf != 0);
        words.map(unpack)
    }

    /// Listed keys that the key is joined with by common inputs, one a kind, each with the first by
    /// order of their sources: for [`Labels::source`]. None of a kind of which the key is a source.
    #[inline]
    pub fn common_inputs(self) -> impl Iterator<Item = (CommonInput, u32)> + use<'a> {
        let words = self.0.iter().copied().filter(|&word| is_common_input(word));
        words.map(|word| (unpack_common_input(word), source_of(word)))
    }

    /// The key's direct dealings with sources in assets without a known value, by direction and
    /// kind, each with the first by order of the sources dealt with: for [`Labels::source`].
    #[inline]
    pub fn unvalued(self) -> impl Iterator<Item = (Unvalued, u32)> + use<'a> {
        let words = self.0.iter().copied().filter(|&word| is_unvalued(word));
        words.map(|word| (unpack_unvalued(word), source_of(word)))
    }
}

/// The share that stands for one that is not known.
const UNKNOWN_SHARE: u16 = 0x3fff;

/// The most unvalued dealings that a word counts: so many, or more.
pub(super) const MOST_UNVALUED: u32 = (1 << 21) - 1;

/// The step that stands for a value that is not known, or more than the step before it.
const UNKNOWN_VALUE: u8 = 0x7f;

/// The value of a step: 4, 5, 6 or 7 quarters of a power of two.
#[inline]
const fn step_value(step: u8) -> u64 {
    ((4 + (step as u64 & 3)) << (step >> 2)) >> 2
}

/// The least step whose value is no less.
fn step_of(value: Option<u64>) -> u8 {
    let Some(value) = value.filter(|&value| value <= step_value(UNKNOWN_VALUE - 1)) else {
        return UNKNOWN_VALUE;
    };
    let octave = value.max(1).ilog2();
    let rest = value.max(1) - (1 << octave);
    // Four quarters are the next octave.
    (octave * 4) as u8 + (rest * 4).div_ceil(1 << octave) as u8
}

/// Share and value in 21 bits; what is not there is not known.
fn pack_direct(direct: Option<Direct>) -> u64 {
    let Direct { share, value } = direct.unwrap_or_default();
    let share = share.map_or(UNKNOWN_SHARE, |share| share.min(10_000));
    u64::from(share) | (u64::from(step_of(value)) << 14)
}

#[inline]
fn unpack_direct(bits: u64) -> Direct {
    let (share, step) = ((bits & 0x3fff) as u16, (bits >> 14 & 0x7f) as u8);
    Direct {
        share: (share <= 10_000).then_some(share),
        value: (step != UNKNOWN_VALUE).then(|| step_value(step)),
    }
}

/// What a label keeps of direct dealings.
pub(super) fn kept(direct: Direct) -> Direct {
    unpack_direct(pack_direct(Some(direct)))
}

/// A label in 64 bits: hops 0-3, direction 4, kind 5-7, timing 8-9, hub 10, of direct dealings
/// share 11-24 and step of value 25-31 (0 beyond one hop), source 32-56, common input 63.
pub(super) fn pack(label: Label) -> Option<u64> {
    let kind = kind_index(label.kind)? as u64;
    let direct = if label.hops == 1 && !label.hub { pack_direct(label.direct) } else { 0 };
    Some(
        u64::from(label.hops)
            | ((label.direction as u64) << 4)
            | (kind << 5)
            | ((label.timing as u64) << 8)
            | (u64::from(label.hub) << 10)
            | (direct << 11)
            | (u64::from(label.source) << 32)
            | if label.common_input { COMMON_INPUT } else { 0 },
    )
}

/// The path of a label begins at a key that is joined with the source.
const COMMON_INPUT: u64 = 1 << 63;

/// A common input in 64 bits: 0 where a label has hops in 0-3, kind 5-7, beside a source 8, cut 9, 1
/// in 10 (which no unvalued dealings have), source 32-56.
pub(super) fn pack_common_input(found: CommonInput, source: u32) -> Option<u64> {
    let kind = kind_index(found.kind)? as u64;
    let mut word = (1 << 10) | (kind << 5) | (u64::from(source) << 32);
    word |= u64::from(found.is_beside) << 8;
    word |= u64::from(found.is_cut) << 9;
    Some(word)
}

/// Whether [`pack_common_input`] made a word.
#[inline]
fn is_common_input(word: u64) -> bool {
    word & 0x40f == 0x400
}

#[inline]
fn unpack_common_input(word: u64) -> CommonInput {
    CommonInput { kind: kind_of(word), is_beside: word >> 8 & 1 == 1, is_cut: word >> 9 & 1 == 1 }
}

/// Unvalued dealings in 64 bits: 0 where a label has hops in 0-3, direction 4, kind 5-7, rows 11-31,
/// at most [`MOST_UNVALUED`], source 32-56.
pub(super) fn pack_unvalued(direction: Direction, kind: usize, rows: u64, source: u32) -> u64 {
    ((direction as u64) << 4)
        | ((kind as u64) << 5)
        | (rows.min(MOST_UNVALUED.into()) << 11)
        | (u64::from(source) << 32)
}

/// Whether [`pack_unvalued`] made a word: no label has 0 hops, and no common input 0 in bit 10.
#[inline]
fn is_unvalued(word: u64) -> bool {
    word & 0x40f == 0
}

#[inline]
fn unpack_unvalued(word: u64) -> Unvalued {
    let transfers = (word >> 11) as u32 & MOST_UNVALUED;
    Unvalued {
        direction: direction_of(word),
        kind: kind_of(word),
        transfers,
        at_least: transfers == MOST_UNVALUED,
    }
}

#[inline]
fn direction_of(word: u64) -> Direction {
    Direction::ALL[(word >> 4 & 1) as usize]
}

#[inline]
fn kind_of(word: u64) -> ListKind {
    const { assert!(KINDS <= 8) };
    ListKind::ALL[((word >> 5 & 7) as usize).min(KINDS - 1)]
}

/// The label of a word that [`pack`] made.
#[inline]
fn unpack(word: u64) -> Label {
    let (hops, hub) = ((word & 0xf) as u8, word >> 10 & 1 == 1);
    Label {
        hops,
        direction: direction_of(word),
        kind: kind_of(word),
        timing: match word >> 8 & 3 {
            0 => Timing::After,
            2 => Timing::Before,
            _ => Timing::Unknown,
        },
        hub,
        direct: (hops == 1 && !hub).then(|| unpack_direct(word >> 11)),
        source: source_of(word),
        common_input: word & COMMON_INPUT != 0,
    }
}

/// The source of a word that [`pack`] or [`pack_unvalued`] made.
#[inline]
pub(super) fn source_of(word: u64) -> u32 {
    (word >> 32) as u32 & (MAX_SOURCES as u32 - 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn kept(direct: Option<Direct>, hops: u8, hub: bool) -> Option<Direct> {
        let label = Label {
            direction: Direction::SentTo,
            kind: ListKind::Sanctions,
            hub,
            hops,
            source: MAX_SOURCES as u32 - 1,
            timing: Timing::Before,
            direct,
            common_input: hub,
        };
        let back = unpack(pack(label).unwrap());
        assert_eq!(Label { direct: None, ..back }, Label { direct: None, ..label });
        back.direct
    }

    #[test]
    fn a_value_is_rounded_up_by_a_quarter_of_an_octave_at_most() {
        let kept = |value| kept(Some(Direct { share: Some(1), value }), 1, false).unwrap().value;
        assert_eq!((kept(Some(0)), kept(Some(1)), kept(Some(9))), (Some(1), Some(1), Some(10)));
        assert_eq!((kept(Some(12_287)), kept(Some(12_289))), (Some(12_288), Some(14_336)));
        let most = 3_221_225_472;
        assert_eq!((kept(Some(most)), kept(Some(most + 1))), (Some(most), None));
        assert_eq!((kept(Some(u64::MAX)), kept(None)), (None, None));
        let near = |bit: u32| {
            let power = 1_u64 << bit;
            (4..8).flat_map(move |quarters| {
                let step = power / 4 * quarters;
                [step - 1, step, step + 1]
            })
        };
        let mut values: Vec<_> = (1..5_000).chain((5..32).flat_map(near)).collect();
        values.sort_unstable();
        let mut last = 0;
        for value in values {
            let Some(kept) = kept(Some(value)) else {
                assert!(value > most, "{value}");
                continue;
            };
            assert!(value <= kept && (kept - value) * 4 <= value, "{value} as {kept}");
            assert!(last <= kept, "{value} as {kept}, after {last}");
            last = kept;
        }
        assert_eq!(last, most);
    }

    #[test]
    fn unvalued_dealings_stand_beside_labels_and_are_none() {
        let label = Label {
            direction: Direction::SentTo,
            kind: ListKind::Seizure,
            hub: false,
            hops: 15,
            source: 3,
            timing: Timing::Before,
            direct: None,
            common_input: true,
        };
        let most = MAX_SOURCES as u32 - 1;
        for direction in Direction::ALL {
            for (place, kind) in ListKind::ALL[..KINDS].iter().copied().enumerate() {
                for rows in [1, 17, u64::from(MOST_UNVALUED) - 1, MOST_UNVALUED.into(), 1 << 40] {
                    let limit = u64::from(MOST_UNVALUED);
                    let transfers = u32::try_from(rows.min(limit)).unwrap();
                    let unvalued = Unvalued { direction, kind, transfers, at_least: rows >= limit };
                    let word = pack_unvalued(direction, place, rows, most);
                    let joined = CommonInput {
                        kind,
                        is_beside: rows % 2 == 0,
                        is_cut: direction == Direction::SentTo,
                    };
                    let words =
                        [pack(label).unwrap(), word, pack_common_input(joined, most).unwrap()];
                    let found = KeyLabels(&words);
                    assert_eq!(found.labels().collect::<Vec<_>>(), [label]);
                    assert_eq!(found.unvalued().collect::<Vec<_>>(), [(unvalued, most)]);
                    assert_eq!(found.common_inputs().collect::<Vec<_>>(), [(joined, most)]);
                }
            }
        }
    }

    #[test]
    fn what_is_not_known_stays_so() {
        for share in [None, Some(0), Some(10_000)] {
            for value in [None, Some(64)] {
                let direct = Some(Direct { share, value });
                assert_eq!(kept(direct, 1, false), direct);
                assert_eq!((kept(direct, 2, false), kept(direct, 1, true)), (None, None));
            }
        }
        assert_eq!(kept(None, 1, false), Some(Direct::default()));
    }
}
