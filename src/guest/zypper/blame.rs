//! What zypper's exit codes and errors say (zypper(8), EXIT CODES). Errors are read where zypper itself prints them: as elements
//! of its XML, in which the output of a package's scripts is escaped, or in the lines of its error output.

use crate::input;
use crate::model::outcome::Cause;

/// What stands before each line of our own scripts.
const OURS: &str = "patchgate: ";

/// Whose fault the output of a zypper that failed says it is, in words.
pub fn blame(output: &str) -> Option<(Cause, String)> {
    let ours = |start: &str| {
        let mut lines = output.lines().rev();
        lines.find_map(|line| line.strip_prefix(OURS)?.strip_prefix(start))
    };
    if let Some(why) = ours("refused: ") {
        return Some((
            Cause::ResolveFailed,
            format!("patchgate does not update this system: {why}"),
        ));
    }
    let said = |words: &[&str]| {
        let mut lines = output.lines();
        lines
            .find(|line| words.iter().any(|word| line.contains(word)))
            .map(plain)
    };
    if said(&[
        "No space left on device",
        "more space on the ",
        "more space needed on the ",
        "Not enough disk space",
        "not enough free space",
    ])
    .is_some()
    {
        return Some((Cause::GuestDisk, "the guest's disk is full".to_owned()));
    }
    let exit: i32 = ours("zypper exit ")?.trim().parse().ok()?;
    let first = errors(output).into_iter().next().unwrap_or_default();
    let and_first = |words: &str| {
        if first.is_empty() {
            words.to_owned()
        } else {
            format!("{words}: {first}")
        }
    };
    if let Some(words) = key(output) {
        return Some((Cause::MirrorUnreachable, words));
    }
    match exit {
        6 => Some((
            Cause::MirrorUnreachable,
            "no repository is enabled; is the system registered?".to_owned(),
        )),
        7 => {
            let holder = said(&["System management is locked", "locked by the application"]);
            let words = format!(
                "another package manager of the guest's did not end: {}",
                holder.unwrap_or(first)
            );
            Some((Cause::GuestBusy, words))
        }
        9 => {
            let mut words: Vec<&str> = ["beside the set ", "of the set "]
                .into_iter()
                .filter_map(|start| {
                    let rest = ours(start)?;
                    Some(&output[output.find(rest)? - start.len()..][..start.len() + rest.len()])
                })
                .collect();
            words.sort_unstable();
            let words = input::clip(&words.join("; "));
            Some((
                Cause::ResolveFailed,
                format!("the set cannot be installed as it was pinned: {words}"),
            ))
        }
        104 => {
            let words = said(&["No provider of", "not found in package names"]);
            let words = format!("withdrawn since it was resolved: {}", words.unwrap_or(first));
            Some((Cause::ResolveFailed, words))
        }
        106 => Some((Cause::MirrorUnreachable, and_first("a repository was skipped"))),
        103 => Some((
            Cause::ResolveFailed,
            "zypper asks for another round, and again after three of them".to_owned(),
        )),
        107 => {
            let scripts = scripts(output);
            let words = format!(
                "installed, and its script failed: {}",
                input::clip(&scripts.join(", "))
            );
            Some((Cause::UpdateFailed, words))
        }
        _ if asks_for_a_licence(output) => Some((
            Cause::ResolveFailed,
            "an update has a licence that nobody has accepted on this system".to_owned(),
        )),
        8 if is_of_the_sources(&first) => Some((
            Cause::MirrorUnreachable,
            and_first("a package could not be fetched"),
        )),
        8 => {
            let words =
                conflict(output).unwrap_or_else(|| and_first("zypper could not install all of the set"));
            Some((Cause::UpdateFailed, words))
        }
        4 if output.contains("remove lock to allow") => Some((
            Cause::ResolveFailed,
            "packages of the set are held by a lock of the guest's (`zypper locks`)".to_owned(),
        )),
        4 => {
            let words = problem(output).unwrap_or(first);
            Some((Cause::ResolveFailed, format!("zypper finds no way: {words}")))
        }
        _ => None,
    }
}

/// The first problem of the resolver's, with the line of its reason, where that stands indented below it.
fn problem(output: &str) -> Option<String> {
    let mut lines = output.lines().skip_while(|line| !line.contains("Problem: "));
    let first = plain(lines.next()?);
    let (_, what) = first.split_once("Problem: ")?;
    let reason = lines.next().filter(|line| line.starts_with("  ")).map(plain);
    Some(reason.map_or_else(|| what.to_owned(), |reason| format!("{what} {reason}")))
}

/// A line without marks of XML.
fn plain(line: &str) -> String {
    let mut text = line.trim();
    while let Some(rest) = text.strip_prefix('<') {
        text = rest.split_once('>').map_or("", |(_, rest)| rest);
    }
    let text = text.split('<').next().unwrap_or_default();
    let text = text
        .replace("&apos;", "'")
        .replace("&quot;", "\"")
        .replace("&gt;", ">");
    input::clip(text.replace("&lt;", "<").replace("&amp;", "&").trim())
}

/// zypper's errors, each in a line.
fn errors(output: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = output;
    while let Some((_, after)) = rest.split_once("<message type=\"error\">") {
        let (text, after) = after.split_once("</message>").unwrap_or((after, ""));
        let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
        found.push(plain(&joined));
        rest = after;
    }
    if found.is_empty() {
        let starts = [
            "Problem ",
            "Error",
            "Download (curl)",
            "Skipping ",
            "File '",
            "Installation of ",
            "Signature ",
        ];
        let lines = output
            .lines()
            .filter(|line| starts.iter().any(|start| line.starts_with(start)));
        found.extend(lines.map(plain));
    }
    found
}

fn is_of_the_sources(error: &str) -> bool {
    [
        "Download (curl)",
        "not found on medium",
        "Failed to provide",
        "Digest verification",
        "is corrupt",
        "integrity check",
        "Problem retrieving",
        "exceeded the expected filesize",
    ]
    .iter()
    .any(|word| error.contains(word))
}

/// The first file that two packages have with other contents (`<fileconflict>`).
fn conflict(output: &str) -> Option<String> {
    let (_, conflict) = output.split_once("<fileconflict>")?;
    let conflict = conflict.split("</fileconflict>").next()?;
    let field = |start: &str, end: &str| {
        let mut fields = conflict.split(start).skip(1);
        let names = fields
            .by_ref()
            .filter_map(|rest| rest.split(end).next())
            .map(plain);
        names.collect::<Vec<String>>()
    };
    let (files, names) = (field("<file>", "</file>"), field("<name>", "</name>"));
    let file = files.first()?;
    Some(format!(
        "{} both have {file}, and not the same",
        names.join(" and ")
    ))
}

fn asks_for_a_licence(output: &str) -> bool {
    output.contains("you must agree to terms of the following license")
}

/// A key that the machine does not have, or a signature that does not hold, in words. Nothing takes a key here.
fn key(output: &str) -> Option<String> {
    let field = |name: &str| {
        output.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| input::clip(value.trim()))
        })
    };
    if output.contains("signing key received") {
        let print = field("Key Fingerprint").unwrap_or_default();
        let of = field("Repository").unwrap_or_default();
        let name = field("Key Name").unwrap_or_default();
        return Some(format!(
            "repository {of} is signed with a key that this machine does not have: {print} ({name}); it was not taken"
        ));
    }
    let bad = output.lines().find(|line| {
        [
            "Signature verification failed",
            "unknown key",
            "is not signed",
            "is unsigned",
        ]
        .iter()
        .any(|word| line.contains(word))
    })?;
    Some(format!("a signature does not hold: {}", plain(bad)))
}

/// The scripts that failed: `%post(till-1.2-1.noarch)`, as rpm names them, or `till-1.2-1.noarch.rpm %posttrans`, as zypper does.
fn scripts(output: &str) -> Vec<String> {
    let mut scripts: Vec<String> = output
        .lines()
        .filter_map(|line| {
            if let Some((script, _)) = line.split_once(" scriptlet failed") {
                return Some(input::clip(&script[script.find('%')?..]));
            }
            let (script, _) = line.split_once(" script failed (returned")?;
            Some(plain(script))
        })
        .collect();
    scripts.sort();
    scripts.dedup();
    scripts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_with_its_reason() {
        let output = "<description>Problem: This request will break your system!\n  nothing provides requested glibc\nHave you\n";
        assert_eq!(
            problem(output).as_deref(),
            Some("This request will break your system! nothing provides requested glibc")
        );
        assert_eq!(problem("Problem: x\nSolution 1\n").as_deref(), Some("x"));
        assert_eq!(problem("Problem:"), None);
    }

    #[test]
    fn the_words_of_a_script_decide_nothing() {
        // zypper escapes what a script prints.
        let escaped = "<message type=\"info\">&lt;message type=\"error\"&gt;System management is locked\n\
                       New signing keys\n</message>\n\npatchgate: zypper exit 107\n";
        assert_eq!(blame(escaped).map(|(cause, _)| cause), Some(Cause::UpdateFailed));
        assert_eq!(blame("patchgate: zypper exit x\n"), None);
        assert_eq!(blame(""), None);
    }

    #[test]
    fn full_disks_licences_and_systems_of_whole_images_are_told() {
        for (output, cause, has) in [
            (
                "error: write: No space left on device\npatchgate: zypper exit 8\n",
                Cause::GuestDisk,
                "disk is full",
            ),
            (
                "In order to install 'x' (Lab), you must agree to terms of the following license agreement:\n\
                 patchgate: zypper exit 4\n",
                Cause::ResolveFailed,
                "licence",
            ),
            (
                "patchgate: refused: its root is read-only\n",
                Cause::ResolveFailed,
                "its root is read-only",
            ),
            (
                "patchgate: round 3 ended with 103\npatchgate: zypper exit 103\n",
                Cause::ResolveFailed,
                "three",
            ),
        ] {
            let (of, words) = blame(output).expect(output);
            assert!(of == cause && words.contains(has), "{output}: {words}");
        }
    }
}
