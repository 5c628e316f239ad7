//! The truth about packages, which rpm has.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::guest::answer::PackageState;
use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::linux::command::{bounded, listing};
use crate::guest::rpm::nevra::{evr, is_arch, is_name, is_version};
use crate::guest::what;
use crate::input;
use crate::model::update::PackageStates;

/// Settings of every call of rpm and of what stands on it: the words that the parsers know, and the home that `%_dbpath` of some
/// distributions goes by.
pub const ENV: [(&str, &str); 3] = [("LC_ALL", "C"), ("LANGUAGE", ""), ("HOME", "/root")];

/// Asks rpm for every package (rpm(8)); see the text for the lines.
pub fn packages() -> GuestCommand {
    const TEXT: &str = include_str!("packages.sh");
    listing(
        what::PACKAGES,
        &["/bin/bash", "-c", TEXT],
        &ENV,
        Duration::from_secs(300),
    )
}

/// Reads the answer to [`packages`]. A package of which two versions are installed, and which is none that may be, is not fully
/// installed: that is what a failed or killed transaction leaves behind, with nothing pending afterwards.
///
/// # Errors
/// A line cannot be read, the end is missing, no package is installed, or the database is one of a user's own.
pub fn parse_packages(output: &str) -> Result<PackageStates, ParseError> {
    let wrong = |problem: String| ParseError {
        what: "rpm's package states",
        problem,
    };
    let mut found: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    let (mut side, mut ended) = (BTreeSet::from(["gpg-pubkey"]), false);
    for line in output.lines() {
        match line.split_once(' ') {
            Some(("Db", path)) if path.starts_with("/root/") || path.starts_with("/home/") => {
                return Err(wrong(format!(
                    "rpm keeps its database in {}, below a user's home, where other package managers do not look; set `%_dbpath \
                     /var/lib/rpm` in the image's /etc/rpm/macros",
                    input::clip(path)
                )));
            }
            Some(("Db", _)) => {}
            Some(("Is", package)) => {
                let fields: Vec<&str> = package.split('|').collect();
                let [name, epoch, version, release, arch] = fields[..] else {
                    return Err(wrong(format!("`{}` has not five fields", input::clip(line))));
                };
                // A key has none, and rpm says so (rpmkeys(8)).
                let arch = if arch == "(none)" { "noarch" } else { arch };
                if !(is_name(name) && is_version(version) && is_version(release) && is_arch(arch)) {
                    return Err(wrong(format!("`{}` names no package", input::clip(line))));
                }
                found
                    .entry((name, arch))
                    .or_default()
                    .insert(evr(epoch, version, release));
            }
            Some(("Side", name)) => {
                side.insert(name);
            }
            None if line == "End" => ended = true,
            Some(_) | None => return Err(wrong(format!("`{}` is not understood", input::clip(line)))),
        }
    }
    if !ended {
        return Err(wrong("the answer is cut".into()));
    }
    if found.is_empty() {
        return Err(wrong("no package is installed".into()));
    }
    let mut states = PackageStates::default();
    for ((name, arch), versions) in found {
        if side.contains(name) {
            let each = versions.into_iter();
            states
                .installed
                .extend(each.map(|evr| (format!("{name}-{evr}:{arch}"), evr)));
        } else if versions.len() > 1 {
            let versions: Vec<String> = versions.into_iter().collect();
            states.unfinished.insert(
                format!("{name}:{arch}"),
                format!("installed as {}", versions.join(" and ")),
            );
        } else {
            let each = versions.into_iter();
            states
                .installed
                .extend(each.map(|evr| (format!("{name}:{arch}"), evr)));
        }
    }
    Ok(states)
}

/// Asks rpm for one package, of which it prints a line for each version.
pub fn package(name: &str, timeout: Duration) -> GuestCommand {
    bounded(
        "package",
        &[
            "/usr/bin/rpm",
            "-q",
            "--qf",
            "Is %{EPOCHNUM}|%{VERSION}|%{RELEASE}\\n",
            "--",
            name,
        ],
        &ENV,
        timeout,
    )
}

/// Reads the answer to [`package`]: of several versions the last, which rpm has sorted to be the newest.
pub fn parse_package(output: &str) -> PackageState {
    let versions: Vec<String> = output
        .lines()
        .filter_map(|line| {
            let mut fields = line.strip_prefix("Is ")?.split('|');
            Some(evr(fields.next()?, fields.next()?, fields.next()?))
        })
        .collect();
    PackageState {
        state: if versions.is_empty() {
            "absent".to_owned()
        } else {
            "installed".to_owned()
        },
        version: versions.into_iter().next_back(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "Db /var/lib/rpm\nIs till|0|1.2|1|noarch\nIs ledger|1|2.3|1|noarch\nIs glibc|0|2.34|1|x86_64\nIs \
                         glibc|0|2.34|1|i686\nIs kernel-lab|0|6.1.0|1|noarch\nIs kernel-lab|0|6.1.0|2|noarch\nIs \
                         gpg-pubkey|0|abcd|1234|(none)\nSide kernel-lab\nEnd\n";

    #[test]
    fn each_package_has_its_version_and_kernels_stand_side_by_side() {
        let states = parse_packages(WHOLE).expect("states");
        let version = |name: &str| states.installed.get(name).map(String::as_str);
        assert_eq!(version("till:noarch"), Some("1.2-1"));
        assert_eq!(version("ledger:noarch"), Some("1:2.3-1"));
        assert_eq!(version("glibc:i686"), Some("2.34-1"));
        assert_eq!(version("kernel-lab-6.1.0-2:noarch"), Some("6.1.0-2"));
        assert_eq!(version("gpg-pubkey-abcd-1234:noarch"), Some("abcd-1234"));
        assert!(states.unfinished.is_empty());
    }

    #[test]
    fn old_and_new_at_once_are_not_installed() {
        let both = WHOLE.replace("End", "Is till|0|1.0|1|noarch\nEnd");
        let states = parse_packages(&both).expect("states");
        assert_eq!(
            states.unfinished.get("till:noarch").map(String::as_str),
            Some("installed as 1.0-1 and 1.2-1")
        );
        assert!(!states.installed.contains_key("till:noarch"));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (output, problem) in [
            ("", "cut"),
            ("Db /var/lib/rpm\nEnd\n", "no package"),
            ("Db /root/.rpmdb\nIs a|0|1|1|noarch\nEnd\n", "%_dbpath"),
            ("Is a|0|1|1\nEnd\n", "five fields"),
            ("Is $(id)|0|1|1|noarch\nEnd\n", "names no package"),
            ("warning: waiting\nEnd\n", "is not understood"),
            (&WHOLE[..80], "not five fields"),
        ] {
            let error = parse_packages(output).expect_err(output).to_string();
            assert!(error.contains(problem), "{output}: {error}");
        }
    }

    #[test]
    fn of_one_package_the_newest_version_is_told() {
        let state = parse_package("Is 0|6.1.0|1\nIs 0|6.1.0|2\n");
        assert_eq!(
            (state.version.as_deref(), state.state.as_str()),
            (Some("6.1.0-2"), "installed")
        );
        let state = parse_package("package x is not installed\n");
        assert_eq!((state.version, state.state.as_str()), (None, "absent"));
    }
}
