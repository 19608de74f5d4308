//! Codes, buckets and escapes.

use super::*;

fn written(work: impl FnOnce(&mut Text)) -> String {
    let mut text = Text::default();
    work(&mut text);
    text.finish()
}

#[test]
fn a_time_at_a_bound_is_below_it() {
    let check = |nanos: u64, first: &str| {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_nanos(nanos));
        let text = written(|text| histogram.write(text, &[]));
        let found = text.lines().find(|line| line.ends_with(" 1")).unwrap();
        assert!(found.contains(&format!("le=\"{first}\"")), "{nanos}: {found}");
    };
    check(0, "0.00005");
    check(50_000, "0.00005");
    check(50_001, "0.0001");
    check(1_000_000_000, "1");
    check(10_000_000_000, "10");
    check(10_000_000_001, "+Inf");
    check(u64::MAX, "+Inf");
}

#[test]
fn the_sum_is_in_seconds_and_counts_are_cumulative() {
    let histogram = Histogram::default();
    for millis in [1, 20, 20_000] {
        histogram.observe(Duration::from_millis(millis));
    }
    let text = written(|text| histogram.write(text, &[("a", "b")]));
    let ends: Vec<_> = text.lines().rev().take(3).collect();
    assert_eq!(ends[0], "lazaretto__count{a=\"b\"} 3");
    assert_eq!(ends[1], "lazaretto__sum{a=\"b\"} 20.021");
    assert_eq!(ends[2], "lazaretto__bucket{a=\"b\",le=\"+Inf\"} 3");
    assert!(text.contains("le=\"10\"} 2\n"), "{text}");
}

#[test]
fn label_values_are_escaped() {
    let check = |value: &str, want: &str| {
        let text = written(|text| text.sample(&[("l", value)], 1));
        assert_eq!(text, format!("lazaretto_{{l=\"{want}\"}} 1\n"));
    };
    check("plain", "plain");
    check("a\"b\\c\nd", "a\\\"b\\\\c\\nd");
    check("\r\u{0}x", "\u{fffd}\u{fffd}x");
    check("ü", "ü");
}

#[test]
fn codes_and_methods_that_are_none_are_counted_as_unknown() {
    let metrics = Metrics::new(["/p.S/A"].into_iter());
    metrics.call_began();
    metrics.call_began();
    metrics.call_ended(usize::MAX, 99, Duration::ZERO);
    metrics.call_ended(0, -1, Duration::ZERO);
    let text = written(|text| metrics.write_calls(text));
    let unknown = "{service=\"unknown\",method=\"unknown\",code=\"UNKNOWN\"} 1";
    assert!(text.contains(unknown), "{text}");
    assert!(text.contains("p.S\",method=\"A\",code=\"UNKNOWN\"} 1"), "{text}");
    assert!(text.contains("lazaretto_calls_under_way 0"), "{text}");
}
