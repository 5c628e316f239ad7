//! Which of two versions rpm takes for the newer one (rpm-version(7), `rpmvercmp`).

use std::cmp::Ordering;

/// Compares two `[EPOCH:]VERSION[-RELEASE]`; where one has no release, releases are left out.
pub fn compare(one: &str, two: &str) -> Ordering {
    let apart = |text: &'_ str| -> (u64, String, Option<String>) {
        let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
        let (version, release) = rest
            .rsplit_once('-')
            .map_or((rest, None), |(version, release)| (version, Some(release)));
        (
            epoch.parse().unwrap_or(0),
            version.to_owned(),
            release.map(str::to_owned),
        )
    };
    let (one, two) = (apart(one), apart(two));
    let releases = || match (&one.2, &two.2) {
        (Some(one), Some(two)) => parts(one, two),
        (None, _) | (_, None) => Ordering::Equal,
    };
    one.0
        .cmp(&two.0)
        .then_with(|| parts(&one.1, &two.1))
        .then_with(releases)
}

/// Compares versions, or releases: run by run of digits or letters. `~` is before the end, `^` behind it and before all else.
fn parts(one: &str, two: &str) -> Ordering {
    let (mut one, mut two) = (one.as_bytes(), two.as_bytes());
    loop {
        one = skipped(one);
        two = skipped(two);
        match (one.first(), two.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => (one, two) = (&one[1..], &two[1..]),
            (one, two) if rank(one) != rank(two) => return rank(one).cmp(&rank(two)),
            (None, _) | (_, None) => return Ordering::Equal,
            (Some(first), Some(_)) => {
                let is_number = first.is_ascii_digit();
                let (run, rest) = run(one, is_number);
                let (other, others) = self::run(two, is_number);
                if other.is_empty() {
                    return if is_number {
                        Ordering::Greater
                    } else {
                        Ordering::Less
                    };
                }
                let order = if is_number {
                    run.len().cmp(&other.len()).then_with(|| run.cmp(other))
                } else {
                    run.cmp(other)
                };
                if order.is_ne() {
                    return order;
                }
                (one, two) = (rest, others);
            }
        }
    }
}

/// Where what begins so stands before what begins otherwise.
fn rank(first: Option<&u8>) -> u8 {
    match first {
        Some(b'~') => 0,
        None => 1,
        Some(b'^') => 2,
        Some(_) => 3,
    }
}

/// What follows what only separates.
fn skipped(text: &[u8]) -> &[u8] {
    let at = text
        .iter()
        .position(|byte| byte.is_ascii_alphanumeric() || b"~^".contains(byte));
    &text[at.unwrap_or(text.len())..]
}

/// The digits, without zeros before them, or the letters that a text begins with; and what follows.
fn run(text: &[u8], is_number: bool) -> (&[u8], &[u8]) {
    let is_in = |byte: &u8| {
        if is_number {
            byte.is_ascii_digit()
        } else {
            byte.is_ascii_alphabetic()
        }
    };
    let end = text.iter().position(|byte| !is_in(byte)).unwrap_or(text.len());
    let (mut run, rest) = text.split_at(end);
    while is_number && run.len() > 1 && run[0] == b'0' {
        run = &run[1..];
    }
    (run, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_as_new_as_rpm_takes_them() {
        for (one, two, order) in [
            ("1.0-1", "1.0-1", Ordering::Equal),
            ("1.0-1", "1.0-2", Ordering::Less),
            ("1.0", "1.0-2", Ordering::Equal),
            ("2.4-1", "1:2.3-1", Ordering::Less),
            ("2.0~rc1-1", "2.0-1", Ordering::Less),
            ("1.0^20260101git-1", "1.0-1", Ordering::Greater),
            ("1.0^20260101git-1", "1.0.1-1", Ordering::Less),
            ("1.0~rc1^git1-1", "1.0~rc1-1", Ordering::Greater),
            ("1.0^git1~pre-1", "1.0^git1-1", Ordering::Less),
            ("1.0a-1", "1.0.1-1", Ordering::Less),
            ("5.1-1.module_1", "5.2-1.module_2", Ordering::Less),
            ("1.0-1.el9", "1.0-1.el9_4", Ordering::Less),
            ("0:1.0-1", "1.00-1", Ordering::Equal),
            ("5.0010-1", "5.10-1", Ordering::Equal),
            ("1.10-1", "1.9-1", Ordering::Greater),
            ("1.a-1", "1.1-1", Ordering::Less),
            ("6.4.0-150600.23.7.3", "6.4.0-150600.23.14.2", Ordering::Less),
            ("xyz.4", "8", Ordering::Less),
            ("2a", "2.0", Ordering::Less),
            ("1_0", "1.0", Ordering::Equal),
            ("", "", Ordering::Equal),
        ] {
            assert_eq!(compare(one, two), order, "{one} {two}");
            assert_eq!(compare(two, one), order.reverse(), "{two} {one}");
        }
    }
}
