//! Formats numbers for display.

use std::fmt::Display;

/// Formats decimal digits with a comma before every three.
pub fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Formats an upper bound of a value in dust floors of about a dollar: `at most about US$ 12,288`.
/// From a million on, `at most about US$ 12.6 million`, rounded up.
pub fn at_most_dollars(floors: u64) -> String {
    const MILLION: u64 = 1_000_000;
    const BILLION: u64 = 1_000 * MILLION;
    let (unit, name) = match floors {
        0..MILLION => return format!("at most about US$ {}", grouped(floors)),
        MILLION..BILLION => (MILLION, "million"),
        BILLION.. => (BILLION, "billion"),
    };
    let tenths = floors.div_ceil(unit / 10);
    let whole = grouped(tenths / 10);
    match tenths % 10 {
        0 => format!("at most about US$ {whole} {name}"),
        tenth => format!("at most about US$ {whole}.{tenth} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        let check = |number: u64, want: &str| assert_eq!(grouped(number), want);
        check(0, "0");
        check(999, "999");
        check(1_234_567, "1,234,567");
    }

    #[test]
    fn an_upper_bound_is_rounded_up() {
        let check = |floors, want: &str| {
            assert_eq!(at_most_dollars(floors), format!("at most about US$ {want}"));
        };
        check(1, "1");
        check(12_288, "12,288");
        check(999_999, "999,999");
        check(1_000_000, "1 million");
        check(1_000_001, "1.1 million");
        check(12_582_912, "12.6 million");
        check(999_999_999, "1,000 million");
        check(2_000_000_000, "2 billion");
        check(u64::MAX, "18,446,744,073.8 billion");
    }
}
