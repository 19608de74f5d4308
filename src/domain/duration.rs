//! Formats durations for display: at most two units, and no zero unit.

/// Units from the largest, with their seconds.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];

/// Formats a duration, rounded down to its two largest units: `2 d`, `3 h 5 min`, `0 s`.
pub fn span(seconds: u64) -> String {
    let Some(place) = UNITS.iter().position(|(_, unit)| seconds >= *unit) else {
        return "0 s".to_owned();
    };
    let (name, unit) = UNITS[place];
    let whole = format!("{} {name}", seconds / unit);
    let rest = seconds % unit;
    match UNITS.get(place + 1) {
        Some((name, unit)) if rest >= *unit => format!("{whole} {} {name}", rest / unit),
        Some(_) | None => whole,
    }
}

/// Formats an age: as [`span`], but `less than a minute` below 60 seconds.
pub fn age(seconds: u64) -> String {
    if seconds < 60 { "less than a minute".to_owned() } else { span(seconds) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn at_most_two_units_and_none_that_is_zero() {
        let check = |seconds: u64, want: &str| assert_eq!(span(seconds), want);
        check(0, "0 s");
        check(59, "59 s");
        check(60, "1 min");
        check(61, "1 min 1 s");
        check(3_600, "1 h");
        check(3_601, "1 h");
        check(11_100, "3 h 5 min");
        check(172_800, "2 d");
        check(172_800 + 3_599, "2 d");
        check(176_400, "2 d 1 h");
        check(u64::MAX, "213503982334601 d 7 h");
        assert_eq!(age(0), "less than a minute");
        assert_eq!(age(59), "less than a minute");
        assert_eq!(age(60), "1 min");
    }

    proptest! {
        #[test]
        fn no_part_is_zero(seconds in 1_u64..=10_000_000) {
            let text = span(seconds);
            let parts: Vec<_> = text.split(' ').collect();
            prop_assert!(parts.len() == 2 || parts.len() == 4, "{text}");
            prop_assert!(!parts.contains(&"0"), "{text}");
        }
    }
}
