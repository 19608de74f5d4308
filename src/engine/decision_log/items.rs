//! Items of one call that are about to be recorded.

use std::sync::Arc;

use super::RecordedItem;
use crate::audit::NewItem;

/// Items in few allocations: a batch has thousands, and what each holds of its own would stay in memory
/// until all are answered.
#[derive(Debug, Default)]
pub struct RecordedItems {
    items: Vec<PlacedItem>,
    /// Each differs from the one before.
    answers: Vec<Arc<[u8]>>,
    /// Address and reference of each item, one after another.
    texts: String,
    fingerprints: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct PlacedItem {
    class: u8,
    has_reference: bool,
    /// Of `answers`.
    answer: u32,
    /// Where its address ends in `texts`, and its reference.
    address_end: u32,
    reference_end: u32,
    /// Where its fingerprints end.
    fingerprints_end: u32,
}

impl RecordedItems {
    pub fn push(&mut self, item: &RecordedItem<'_>) {
        if self.answers.last().is_none_or(|last| !Arc::ptr_eq(last, item.json())) {
            self.answers.push(item.json().clone());
        }
        let NewItem { class, address, reference, fingerprints, .. } = item.as_new();
        self.texts.push_str(address);
        let address_end = self.texts.len() as u32;
        self.texts.push_str(reference.unwrap_or_default());
        self.fingerprints.extend_from_slice(fingerprints);
        self.items.push(PlacedItem {
            class,
            has_reference: reference.is_some(),
            answer: self.answers.len() as u32 - 1,
            address_end,
            reference_end: self.texts.len() as u32,
            fingerprints_end: self.fingerprints.len() as u32,
        });
    }

    /// The items, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = NewItem<'_>> + Clone {
        (0..self.items.len()).map(|place| self.at(place))
    }

    fn at(&self, place: usize) -> NewItem<'_> {
        let item = &self.items[place];
        let before = place.checked_sub(1).map(|before| &self.items[before]);
        let start = before.map_or((0, 0), |it| (it.reference_end, it.fingerprints_end));
        let text = |start: u32, end: u32| &self.texts[start as usize..end as usize];
        NewItem {
            answer: &self.answers[item.answer as usize],
            class: item.class,
            address: text(start.0, item.address_end),
            reference: item.has_reference.then(|| text(item.address_end, item.reference_end)),
            fingerprints: &self.fingerprints[start.1 as usize..item.fingerprints_end as usize],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::decision_log::{QueriedAddress, References};

    #[test]
    fn items_come_back_as_they_were() {
        let refused = |address: &str, request_id: &str, why: &str| {
            let query = QueriedAddress { address, chain: "" };
            RecordedItem::refused(why, query, &References::of_request(request_id))
        };
        let given = [
            refused("", "", "A"),
            refused("0x098B716B8Aaf21512996dC57EB0615e2383E2f96", "é", "A"),
            refused("b", "", "B"),
            refused("c", "r", "A"),
        ];
        let mut items = RecordedItems::default();
        given.iter().for_each(|item| items.push(item));
        assert_eq!(items.answers.len(), 3);
        let fields = |item: NewItem<'_>| {
            let NewItem { answer, class, address, reference, fingerprints } = item;
            let reference = reference.map(str::to_owned);
            (answer.to_vec(), class, address.to_owned(), reference, fingerprints.to_vec())
        };
        let expected: Vec<_> = given.iter().map(|item| fields(item.as_new())).collect();
        assert_eq!(items.iter().map(fields).collect::<Vec<_>>(), expected);
    }
}
