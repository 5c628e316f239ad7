//! What updates of Debian's and Ubuntu's are for, by their changelogs (<https://www.debian.org/doc/debian-policy/ch-source.html>,
//! 4.4). They name CVEs, and rarely an advisory; how grave one is they do not say.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::guest::apt::command::ENV;
use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::linux::command::listing;
use crate::guest::what;
use crate::input;
use crate::model::advisory::{Advisory, Kind};
use crate::model::update::UpdateSet;

/// Entries of changelogs that are kept of one node.
const MOST: usize = 2000;

/// Asks for the changelogs of a set that was fetched; what is not read in half of the time is told to be left out.
pub fn ask(set: &UpdateSet, timeout: Duration) -> GuestCommand {
    const TEXT: &str = include_str!("advisories.sh");
    let seconds = (timeout.as_secs() / 2).to_string();
    let mut args = vec!["/bin/bash", "-c", TEXT, "patchgate", &seconds];
    for update in &set.updates {
        if let Some(to) = &update.to {
            args.extend([
                &update.name,
                update.from.as_deref().unwrap_or("-"),
                to,
                &update.arch,
            ]);
        }
    }
    listing(what::ADVISORIES, &args, &ENV, timeout)
}

/// Reads the answer: an advisory for each entry of a changelog.
pub fn parse(output: &str, set: &UpdateSet) -> Result<Vec<Advisory>, ParseError> {
    let mut found: Vec<Advisory> = Vec::new();
    let mut packages: Vec<String> = Vec::new();
    let mut source = "";
    let mut begun = false;
    for line in output.lines() {
        if let Some(rest) = line.strip_prefix("Source ") {
            let mut words = rest.split(' ');
            source = words.next().unwrap_or_default();
            packages = words.filter(|name| is_of(set, name)).map(str::to_owned).collect();
            begun = false;
        } else if let Some(text) = line.strip_prefix("| ") {
            if let Some((version, suites)) = heading(text, source) {
                if found.len() == MOST || packages.is_empty() {
                    break;
                }
                begun = true;
                let is_security = suites
                    .split_whitespace()
                    .any(|suite| suite.ends_with("-security"));
                found.push(Advisory {
                    id: input::clip(&format!("{source} {version}")),
                    kind: if is_security { Kind::Security } else { Kind::Other },
                    severity: None,
                    title: String::new(),
                    cves: Vec::new(),
                    closed_by: packages.clone(),
                    open_in: Vec::new(),
                });
            } else if let Some(entry) = found.last_mut().filter(|_| begun) {
                take(entry, text);
            }
        } else if !line.starts_with("Late ") && line != "|" {
            return Err(ParseError {
                what: "changelogs",
                problem: format!("`{}` is not understood", input::clip(line)),
            });
        }
    }
    for entry in &mut found {
        let cves: BTreeSet<String> = entry.cves.drain(..).collect();
        if !cves.is_empty() {
            entry.kind = Kind::Security;
        }
        entry.cves = cves.into_iter().collect();
    }
    Ok(found)
}

fn is_of(set: &UpdateSet, name: &str) -> bool {
    set.updates.iter().any(|update| update.name == name)
}

/// Version and suites of `SOURCE (VERSION) SUITES; urgency=...`.
fn heading<'t>(line: &'t str, source: &str) -> Option<(&'t str, &'t str)> {
    let rest = line.strip_prefix(source)?.strip_prefix(" (")?;
    let (version, rest) = rest.split_once(") ")?;
    let (suites, _) = rest.split_once(';')?;
    Some((version, suites))
}

/// Takes what a line of an entry tells.
fn take(entry: &mut Advisory, line: &str) {
    const CVES: usize = 500;
    let text = line.trim_start();
    let says_nothing = entry.title.is_empty() || entry.title.starts_with("Non-maintainer upload");
    if let Some(item) = text.strip_prefix("* ").filter(|_| says_nothing) {
        entry.title = input::clip(item.trim());
    }
    for word in line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
        if is_cve(word) && entry.cves.len() < CVES {
            entry.cves.push(word.to_ascii_uppercase());
        } else if is_dsa(word) && entry.id.contains(' ') {
            word.clone_into(&mut entry.id);
        }
    }
}

/// `CVE-YEAR-NUMBER` (<https://www.cve.org/ResourcesSupport/FAQs>): a year of four digits, and at least four of a number.
pub fn is_cve(word: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = word.split('-');
    parts
        .next()
        .is_some_and(|begin| begin.eq_ignore_ascii_case("CVE"))
        && parts.next().is_some_and(|year| year.len() == 4 && digits(year))
        && parts
            .next()
            .is_some_and(|number| (4..=12).contains(&number.len()) && digits(number))
        && parts.next().is_none()
}

/// `DSA-NUMBER-REVISION`, or the same of long-term support, `DLA-`.
fn is_dsa(word: &str) -> bool {
    let digits =
        |text: &str| !text.is_empty() && text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = word.split('-');
    matches!(parts.next(), Some("DSA" | "DLA" | "USN"))
        && parts.next().is_some_and(digits)
        && parts.next().is_some_and(digits)
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::update::Update;

    fn set() -> UpdateSet {
        let update = |name: &str| Update {
            name: name.to_owned(),
            arch: "amd64".to_owned(),
            from: Some("3.0.16-1".to_owned()),
            to: Some("3.0.17-1~deb12u3".to_owned()),
            ..Update::default()
        };
        UpdateSet::pin(vec![update("libssl3"), update("openssl"), update("tzdata")])
    }

    const OUTPUT: &str = "\
Source openssl libssl3 openssl
| openssl (3.0.17-1~deb12u3) bookworm-security; urgency=high
|\x20
|   * CVE-2025-9230 (Out-of-bounds read & write in RFC 3211 KEK Unwrap)
|   * Fix cve-2025-9231, see DSA-6015-1 and CVE-2025-9230.
|\x20
|  -- Someone <a@example.org>  Sun, 28 Sep 2025 21:19:12 +0200
|\x20
| openssl (3.0.17-1~deb12u2) bookworm; urgency=medium
|\x20
|   * Import 3.0.17
Source tzdata tzdata
| tzdata (2025b-0+deb12u2) bookworm; urgency=medium
|   * New time of some country
Late linux-signed-amd64 linux-image-6.1.0-40-amd64
";

    #[test]
    fn each_entry_of_a_changelog_above_the_installed_version_is_one() {
        let found = parse(OUTPUT, &set()).expect("advisories");
        let [first, second, third] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!((first.id.as_str(), first.kind), ("DSA-6015-1", Kind::Security));
        assert_eq!(first.cves, ["CVE-2025-9230", "CVE-2025-9231"]);
        assert_eq!(first.closed_by, ["libssl3", "openssl"]);
        assert!(first.title.starts_with("CVE-2025-9230 (Out-of-bounds"));
        assert_eq!(
            (second.id.as_str(), second.kind),
            ("openssl 3.0.17-1~deb12u2", Kind::Other)
        );
        assert_eq!(
            (third.title.as_str(), third.cves.len()),
            ("New time of some country", 0)
        );
        assert!(found.iter().all(|one| one.is_closed() && one.severity.is_none()));
    }

    #[test]
    fn what_is_no_number_of_a_cve_is_none() {
        assert!(is_cve("CVE-2025-12345") && is_cve("cve-1999-0001"));
        for wrong in [
            "CVE-2025-1",
            "CVE-25-12345",
            "CVE-2025-12a45",
            "CVE-2025-12345-1",
            "XCVE-2025-12345",
            "CVE",
        ] {
            assert!(!is_cve(wrong), "{wrong}");
        }
    }

    #[test]
    fn other_words_are_no_answer() {
        assert!(parse("dpkg-deb: error\n", &set()).is_err());
        assert_eq!(parse("", &set()).expect("nothing"), []);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(Source |[|] |Late |openssl [(]|[)] a;|CVE-2025-[0-9]{1,9}|\\PC|\n){0,60}") {
            let _ = parse(&text, &set());
        }
    }
}
