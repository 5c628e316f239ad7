//! What groups, roles and OS versions may be called, and which scenarios a group asks for.

use toml::Spanned;

use crate::model::scenario::Scenario;

/// What is wrong with the name of a group, role or OS version, which become parts of file, domain and network names.
pub fn problem(name: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = name.len() <= 40
        && name.starts_with(plain)
        && name.chars().all(|c| plain(c) || matches!(c, '.' | '-'));
    (!fits)
        .then_some("use lower-case letters and digits, and `.` or `-` after the first; at most 40 characters")
}

/// What is wrong with a role's name, which is its node's host name too (RFC 1123, section 2.1).
pub fn role_problem(name: &str) -> Option<&'static str> {
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    problem(name).or(match name {
        "localhost" => Some("every guest calls itself localhost; take another name"),
        _ if !name.split('.').all(label) => {
            Some("a role is also a host name: between dots, and at the end, it has a letter or digit")
        }
        _ => None,
    })
}

/// The scenarios that an entry of a group's `scenarios` asks for: a department's, or a single one.
pub fn asked<'a>(entry: &str, scenarios: impl IntoIterator<Item = &'a Scenario>) -> Vec<&'a Scenario> {
    let mut found: Vec<&Scenario> = scenarios
        .into_iter()
        .filter(|scenario| scenario.department == entry || scenario.name == entry)
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The scenarios of a whole list, each once, in the order in which they are asked for.
pub fn all_asked<'a>(entries: &[Spanned<String>], scenarios: &[&'a Scenario]) -> Vec<&'a Scenario> {
    let mut all: Vec<&Scenario> = Vec::new();
    for entry in entries {
        for scenario in asked(entry.get_ref(), scenarios.iter().copied()) {
            if !all.iter().any(|known| known.name == scenario.name) {
                all.push(scenario);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_wherever_they_end_up() {
        for name in ["web", "debian-12", "a.b", "0"] {
            assert_eq!(role_problem(name), None, "{name}");
        }
        for name in ["", "Web", "-web", ".web", "a/b", "a b", "wéb", &"x".repeat(41)] {
            assert!(problem(name).is_some(), "{name}");
        }
        for name in ["web-", "web.", "a..b", "a-.b", "localhost"] {
            assert!(problem(name).is_none() && role_problem(name).is_some(), "{name}");
        }
    }
}
