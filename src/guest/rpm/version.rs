//! Which of two versions is newer, as rpm says (rpm-version(7)).

use std::cmp::Ordering;

/// Compares two of `[EPOCH:]VERSION-RELEASE`.
pub fn compare(one: &str, other: &str) -> Ordering {
    let (epoch, version, release) = parts(one);
    let (other_epoch, other_version, other_release) = parts(other);
    segments(epoch, other_epoch)
        .then_with(|| segments(version, other_version))
        .then_with(|| segments(release, other_release))
}

fn parts(evr: &str) -> (&str, &str, &str) {
    let (epoch, rest) = evr.split_once(':').unwrap_or(("0", evr));
    let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, version, release)
}

/// Numbers by their value, letters by their order; `~` is older than the end, and `^` newer than that and older than all else.
fn segments(one: &str, other: &str) -> Ordering {
    let counts = |c: char| c.is_ascii_alphanumeric() || c == '~' || c == '^';
    let (mut one, mut other) = (one, other);
    loop {
        one = one.trim_start_matches(|c| !counts(c));
        other = other.trim_start_matches(|c| !counts(c));
        for (mark, alone) in [('~', Ordering::Less), ('^', Ordering::Greater)] {
            match (one.strip_prefix(mark), other.strip_prefix(mark)) {
                (Some(rest), Some(other_rest)) => {
                    return segments(rest, other_rest);
                }
                (Some(_), None) if mark == '^' && !other.is_empty() => return Ordering::Less,
                (None, Some(_)) if mark == '^' && !one.is_empty() => return Ordering::Greater,
                (Some(_), None) => return alone,
                (None, Some(_)) => return alone.reverse(),
                (None, None) => {}
            }
        }
        if one.is_empty() || other.is_empty() {
            return one.len().cmp(&other.len());
        }
        let is_number = one.starts_with(|c: char| c.is_ascii_digit());
        let fits = |c: char| {
            if is_number {
                c.is_ascii_digit()
            } else {
                c.is_ascii_alphabetic()
            }
        };
        let cut = |text: &str| text.find(|c| !fits(c)).unwrap_or(text.len());
        let (segment, rest) = one.split_at(cut(one));
        let (other_segment, other_rest) = other.split_at(cut(other));
        if other_segment.is_empty() {
            // A number is newer than letters.
            return if is_number {
                Ordering::Greater
            } else {
                Ordering::Less
            };
        }
        let order = if is_number {
            let (segment, other_segment) = (
                segment.trim_start_matches('0'),
                other_segment.trim_start_matches('0'),
            );
            segment
                .len()
                .cmp(&other_segment.len())
                .then_with(|| segment.cmp(other_segment))
        } else {
            segment.cmp(other_segment)
        };
        if order.is_ne() {
            return order;
        }
        (one, other) = (rest, other_rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_rpms_order() {
        for (older, newer) in [
            ("1.0-1", "1.1-1"),
            ("1.9-1", "1.10-1"),
            ("2.4-1", "1:2.3-1"),
            ("2.0~rc1-1", "2.0-1"),
            ("2.0~rc1-1", "2.0~rc2-1"),
            ("1.0-1", "1.0^20260101git-1"),
            ("1.0^20260101git-1", "1.0.1-1"),
            ("1.0^git1-1", "1.0^git2-1"),
            ("1.0-1", "1.0-2"),
            ("1.0a-1", "1.0.1-1"),
            ("1.a-1", "1.1-1"),
            ("5.1-1.module_1", "5.2-1.module_2"),
            ("1.0-1.el9", "1.0-1.el9_4"),
        ] {
            assert_eq!(compare(older, newer), Ordering::Less, "{older} {newer}");
            assert_eq!(compare(newer, older), Ordering::Greater, "{older} {newer}");
            assert_eq!(compare(newer, newer), Ordering::Equal);
        }
        assert_eq!(compare("0:1.0-1", "1.00-1"), Ordering::Equal);
        assert_eq!(compare("1_0-1", "1.0-1"), Ordering::Equal);
    }
}
