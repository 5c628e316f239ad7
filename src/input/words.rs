//! Words for findings: names as they are shown, lists, and the nearest of the names that are known. Pure.

/// Characters of a name or value that a message shows.
const SHOWN: usize = 80;

/// A text of an untrusted file in back quotes: one line, without control characters, bounded; in words where it is
/// empty.
pub fn show(text: &str) -> String {
    if text.is_empty() {
        return "an empty text".into();
    }
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    // escape_debug is made for Rust's literals; a message wants plain quotes.
    format!("`{}`", shown.replace("\\\"", "\"").replace("\\'", "'"))
}

/// Names in back quotes, joined as in a sentence; at most twelve, and how many more there are.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 12;
    let names: Vec<String> = names.into_iter().map(show).collect();
    match names.as_slice() {
        [] => "none".into(),
        [one] => one.clone(),
        [most @ .., last] if names.len() <= MOST => format!("{} and {last}", most.join(", ")),
        many => format!("{} and {} more", many[..MOST].join(", "), many.len() - MOST),
    }
}

/// The first so many of some names, and how many more there are: `a, b and 3 more`.
pub fn first(names: &[String], most: usize) -> String {
    let shown = names[..most.min(names.len())].join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A number and its noun: `1 node`, `2 nodes`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The known name that was most likely meant.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Bounded: the distance costs the product of both lengths.
    if name.len() > SHOWN {
        return None;
    }
    let lower = name.to_lowercase();
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= SHOWN)
        .map(|candidate| (strsim::damerau_levenshtein(&lower, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().max(3) / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// A hint towards the known names: the nearest one, or all of them.
pub fn did_you_mean<'a>(name: &str, what: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {}?", show(near)),
        None if known.is_empty() => format!("there is no {what} at all"),
        None => format!("{what}s that there are: {}", list(known)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_one_bounded_line() {
        assert_eq!(show("a\u{1b}[31m\n\"b'"), "`a\\u{1b}[31m\\n\"b'`");
        assert_eq!(show(""), "an empty text");
        assert!(show(&"x".repeat(500)).chars().count() < 100);
    }

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["roles", "os", "owner", "scenarios"];
        for (name, near) in [
            ("role", Some("roles")),
            ("Roles", Some("roles")),
            ("scenario", Some("scenarios")),
            ("onwer", Some("owner")),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(nearest(name, known), near, "{name}");
        }
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
        let many: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        assert!(list(many.iter().map(String::as_str)).ends_with("`11` and 8 more"));
    }
}
