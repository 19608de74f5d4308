//! Sets of whole numbers (heights, times), as ascending ranges that neither touch nor overlap.

use std::ops::RangeInclusive;

/// The maximum number of spans. Beyond it the lowest are dropped and count as not covered.
pub const MAX_SPANS: usize = 8192;

pub type Spans = Vec<RangeInclusive<u64>>;

/// Returns the union; `a` and `b` ascend by their starts. Keeps the highest [`MAX_SPANS`] spans.
pub fn union(a: &[RangeInclusive<u64>], b: &[RangeInclusive<u64>]) -> Spans {
    let mut spans: Spans = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        let from_a = match (a.peek(), b.peek()) {
            (Some(a), Some(b)) => a.start() <= b.start(),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => break,
        };
        let Some(next) = (if from_a { a.next() } else { b.next() }) else { break };
        match spans.last_mut() {
            Some(last) if *next.start() <= last.end().saturating_add(1) => {
                *last = *last.start()..=*last.end().max(next.end());
            }
            _ => spans.push(next.clone()),
        }
    }
    spans.drain(..spans.len().saturating_sub(MAX_SPANS));
    spans
}

/// Returns the numbers of `spans` that are not in `without`; both ascend and do not overlap.
pub fn difference(spans: &[RangeInclusive<u64>], without: &[RangeInclusive<u64>]) -> Spans {
    let mut left = Vec::new();
    for span in spans {
        let mut start = Some(*span.start());
        let first = without.partition_point(|out| out.end() < span.start());
        for out in without[first..].iter().take_while(|out| out.start() <= span.end()) {
            let Some(from) = start else { break };
            if from < *out.start() {
                left.push(from..=out.start() - 1);
            }
            start = out.end().checked_add(1).filter(|next| next <= span.end());
        }
        left.extend(start.map(|from| from..=*span.end()));
    }
    left
}

/// Returns true if `spans` contain every number of `span`.
pub fn contain(spans: &[RangeInclusive<u64>], span: &RangeInclusive<u64>) -> bool {
    let at = spans.partition_point(|known| known.end() < span.start());
    spans.get(at).is_some_and(|known| known.start() <= span.start() && span.end() <= known.end())
}

/// Returns the part of `spans` below `height`.
pub fn below(spans: &[RangeInclusive<u64>], height: u64) -> Spans {
    let kept = spans.iter().take_while(|span| *span.start() < height);
    kept.map(|span| *span.start()..=(*span.end()).min(height - 1)).collect()
}

/// Returns the spans of `heights`, which may be in any order.
pub fn spans_from(mut heights: Vec<u64>) -> Spans {
    heights.sort_unstable();
    heights.dedup();
    let single: Vec<_> = heights.into_iter().map(|height| height..=height).collect();
    union(&single, &[])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn heights(spans: &[RangeInclusive<u64>]) -> BTreeSet<u64> {
        spans.iter().cloned().flatten().collect()
    }

    fn apart(spans: &[RangeInclusive<u64>]) -> bool {
        spans.windows(2).all(|pair| pair[0].end() + 1 < *pair[1].start())
    }

    proptest! {
        #[test]
        fn spans_are_sets_of_heights(
            a in prop::collection::vec(0_u64..60, 0..40),
            b in prop::collection::vec(0_u64..60, 0..40),
            cut in 0_u64..61,
        ) {
            let (of_a, of_b) = (spans_from(a.clone()), spans_from(b.clone()));
            let want_a: BTreeSet<u64> = a.into_iter().collect();
            let want_b: BTreeSet<u64> = b.into_iter().collect();
            prop_assert_eq!(heights(&of_a), want_a.clone());
            let both = union(&of_a, &of_b);
            prop_assert!(apart(&of_a) && apart(&both));
            prop_assert_eq!(heights(&both), &want_a | &want_b);
            let left = difference(&of_a, &of_b);
            prop_assert!(apart(&left));
            prop_assert_eq!(heights(&left), &want_a - &want_b);
            let span = cut.min(50)..=cut;
            prop_assert_eq!(contain(&of_a, &span), span.clone().all(|n| want_a.contains(&n)));
            let want: BTreeSet<u64> = want_a.into_iter().filter(|height| *height < cut).collect();
            prop_assert_eq!(heights(&below(&of_a, cut)), want);
        }
    }

    #[test]
    fn the_lowest_spans_are_forgotten_beyond_the_bound() {
        let spans = spans_from((0..MAX_SPANS as u64 + 3).map(|n| n * 2).collect());
        assert_eq!(spans.len(), MAX_SPANS);
        assert_eq!(spans[0], 6..=6);
        assert_eq!(union(&[0..=u64::MAX], &[5..=6]), [0..=u64::MAX]);
    }
}
