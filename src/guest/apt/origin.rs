//! Where an update comes from, in apt's words, and whether that is what a pattern means.

use crate::guest::pattern::fits;

/// Whether an update has one of these origins. apt names all that have the version, separated by `, `, each as
/// `LABEL:[VERSION/]ARCHIVE`, or as the host of an archive that does not say what it is. A pattern is a `LABEL`, or
/// `LABEL:ARCHIVE`, with `*` for anything.
pub fn is_among(origin: &str, patterns: &[&str]) -> bool {
    // A label may have a comma in it.
    let mut all = std::iter::once(origin).chain(origin.split(", "));
    all.any(|one| patterns.iter().any(|pattern| is_it(one, pattern)))
}

fn is_it(origin: &str, pattern: &str) -> bool {
    let Some((label, release)) = origin.rsplit_once(':') else {
        return fits(pattern, origin);
    };
    let Some((wanted, archive)) = pattern.rsplit_once(':') else {
        return fits(pattern, label);
    };
    let named = release.split_once('/').map_or(release, |(_, archive)| archive);
    fits(wanted, label) && (fits(archive, named) || fits(archive, release))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_a_label_or_an_archive_of_it() {
        for (origin, pattern, is) in [
            ("Debian-Security:12/oldstable-security", "Debian-Security", true),
            (
                "Debian-Security:12/oldstable-security",
                "Debian:*-security",
                false,
            ),
            ("Debian:12.15/oldstable", "Debian:*-security", false),
            (
                "Debian:11.11/oldoldstable, Debian-Security:11/oldoldstable-security",
                "Debian-Security",
                true,
            ),
            (
                "Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security",
                "Ubuntu:*-security",
                true,
            ),
            ("Ubuntu:22.04/jammy-updates", "Ubuntu:*-security", false),
            ("Ubuntu:22.04/jammy-security", "Ubuntu:jammy-security", true),
            ("Ubuntu:22.04/jammy-security", "Ubuntu:22.04/jammy-security", true),
            ("Ubuntu:22.04/jammy-security", "Ubuntu:jammy", false),
            (
                "UbuntuESMApps:22.04/jammy-apps-security",
                "UbuntuESMApps:*-apps-security",
                true,
            ),
            ("UbuntuESMApps:22.04/jammy-apps-security", "UbuntuESM*", true),
            ("UbuntuESM:22.04/jammy-infra-security", "UbuntuESM*", true),
            ("Ubuntu:22.04/jammy-security", "UbuntuESM*", false),
            // Labels of third parties have commas, colons and brackets.
            ("Shop, tools (8.1):jammy", "Shop, tools (8.1)", true),
            ("Shop, tools (8.1):jammy", "Shop*", true),
            ("Odd: [x]:12/stable-security", "Odd: [x]:*", true),
            ("packages.example.org", "packages.example.org", true),
            ("packages.example.org", "Debian-Security", false),
            ("Evil Debian-Security:12/x", "Debian-Security", false),
            ("", "Debian-Security", false),
            ("", "*", true),
        ] {
            assert_eq!(is_among(origin, &[pattern]), is, "{pattern} on {origin}");
        }
        assert!(!is_among("Debian:12/x", &[]));
        assert!(is_among("B:1", &["A", "B"]));
    }
}
