//! No room but those of the guests and their images names a family of OSs, its package manager or its parts.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms that name none.
const NEUTRAL: [&str; 14] = [
    "input", "units", "measure", "secret", "model", "step", "lab", "verdict", "gate", "record", "decide",
    "report", "port", "run",
];

/// What families of several package managers share: they may name the init system, and no package manager.
const SHARED: [&str; 9] = [
    "guest/answer",
    "guest/command",
    "guest/family",
    "guest/http",
    "guest/identity",
    "guest/linux",
    "guest/log",
    "guest/probe",
    "guest/what",
];

/// What of them reads the recipes of one family's images.
const RECIPES: [&str; 1] = ["lab/recipe"];

/// Words of one family or another; a name such as `apt_get` or `AptTongue` has several words.
const WORDS: [&str; 12] = [
    "apt", "deb", "debian", "dnf", "dpkg", "rhel", "rpm", "sles", "suse", "ubuntu", "yum", "zypper",
];

/// Words of an init system.
const INIT: [&str; 2] = ["systemd", "systemctl"];

/// The same, of more than one word.
const PHRASES: [&str; 2] = ["linux-image", "linux_image"];

/// Examples in hints, which must be of something.
const EXAMPLES: [&str; 4] = [
    "http://deb.debian.org/debian",
    "debian-11",
    "debian-12",
    "systemctl is-active nginx",
];

/// A shell text without its comments.
fn shell(source: &str) -> String {
    let lines = source.lines().map(|line| {
        if line.trim_start().starts_with('#') {
            ""
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A source without its comments and its unit tests, which come last.
fn code(source: &str) -> String {
    let source = source
        .split("\n#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(source);
    let mut code = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
            code.push('\n');
            continue;
        } else if let Some(raw) = raw_literal(rest, &code) {
            raw
        } else if c == '"' {
            literal(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else {
            c.len_utf8()
        };
        code.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    code
}

/// The length of the literal that a text begins with.
fn literal(text: &str) -> usize {
    let mut escaped = true;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The same, of a raw one.
fn raw_literal(text: &str, before: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let before = match before.strip_suffix(['b', 'c']) {
        Some(rest) if !rest.ends_with(is_part) => rest,
        _ => before,
    };
    if before.ends_with(is_part) {
        return None;
    }
    let hashes = text.strip_prefix('r')?.chars().take_while(|&c| c == '#').count();
    let body = text[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(2 + hashes + length)
}

/// The words of a line, those of names too, and without a number at their end.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in line.chars() {
        if !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && was_small) {
            words.push(String::new());
        }
        if c.is_ascii_alphanumeric() {
            let last = words.last_mut().expect("it begins with one");
            last.push(c.to_ascii_lowercase());
        }
        was_small = c.is_ascii_lowercase();
    }
    let number = |c: char| c.is_ascii_digit();
    words
        .iter()
        .map(|word| word.trim_end_matches(number).to_owned())
        .collect()
}

/// Where a file names a family.
fn named(file: &str, source: &str) -> Vec<String> {
    let room = |rooms: &[&str]| {
        rooms.iter().any(|room| {
            file.strip_prefix(room)
                .is_some_and(|rest| rest.starts_with(['/', '.']))
        })
    };
    let is_shared = room(&SHARED);
    if !(room(&NEUTRAL) || is_shared) || room(&RECIPES) {
        return Vec::new();
    }
    let is_word =
        |word: &String| WORDS.contains(&word.as_str()) || (!is_shared && INIT.contains(&word.as_str()));
    let code = match Path::new(file).extension().and_then(|ending| ending.to_str()) {
        Some("sh") => shell(source),
        _ => code(source),
    };
    let mut found = Vec::new();
    for (at, line) in code.lines().enumerate() {
        let mut line = line.to_owned();
        for example in EXAMPLES {
            line = line.replace(example, "");
        }
        let of_words = words(&line).into_iter().filter(is_word);
        let small = line.to_lowercase();
        let of_phrases = PHRASES.iter().filter(|phrase| small.contains(**phrase));
        let all: BTreeSet<String> = of_words
            .chain(of_phrases.map(|&phrase| phrase.to_owned()))
            .collect();
        let all = all.into_iter();
        found.extend(all.map(|word| format!("src/{file}:{}: it names `{word}`", at + 1)));
    }
    found
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "rs" || extension == "sh")
        {
            found.push(path);
        }
    }
}

#[test]
fn what_is_no_guests_or_images_names_no_family() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let mut seen = 0;
    let mut found = Vec::new();
    for path in files {
        let name = path.strip_prefix(&root).expect("below it").to_string_lossy();
        seen += usize::from(NEUTRAL.iter().any(|room| name.starts_with(&format!("{room}/"))));
        found.extend(named(&name, &fs::read_to_string(&path).expect("a source")));
    }
    assert!(seen > 50, "{seen} files were looked at");
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn planted_names_are_found() {
    for (file, source, word) in [
        (
            "run/life/updates.rs",
            "use crate::guest::debian::DEBIAN;",
            "debian",
        ),
        ("run.rs", "let text = \"apt-get update failed\";", "apt"),
        ("run/step.rs", "fn apt_get() {}", "apt"),
        ("verdict/drift.rs", "struct AptStates;", "apt"),
        ("report.rs", "let s = r#\"in \"dpkg\" state\"#;", "dpkg"),
        (
            "model/update.rs",
            "name.starts_with(\"linux-image-\")",
            "linux-image",
        ),
        (
            "step/evaluate.rs",
            "let quote = '\"'; let s = \"systemd unit\"; // \"",
            "systemd",
        ),
        ("gate.rs", "let url = \"http://x\"; let rpm = 1;", "rpm"),
        ("record/state.rs", "/// words\nconst D: &str = \"dnf\";", "dnf"),
        ("lab/lint.rs", "\"debian-13 is such a version\"", "debian"),
        ("lab/recipes.rs", "let zypper = ();", "zypper"),
        ("input/words.rs", "const DPKG_STATES: u8 = 0;", "dpkg"),
        ("decide.rs", "fn debian12() {}", "debian"),
        ("port.rs", "const A: &[u8] = br#\"in \"apt\" cache\"#;", "apt"),
        ("run/node.rs", "const LINUX_IMAGE: u8 = 0;", "linux_image"),
        (
            "verdict.rs",
            "mod a;\n#[cfg(test)]\nmod tests;\nuse crate::guest::debian;",
            "debian",
        ),
        ("guest/linux/system.rs", "let s = \"dpkg -l\";", "dpkg"),
        ("guest/linux/a.sh", "# shellcheck shell=bash\nrpm -qa", "rpm"),
    ] {
        let found = named(file, source);
        assert!(
            found.len() == 1 && found[0].ends_with(&format!("it names `{word}`")),
            "{source}: {found:?}"
        );
    }
    for (file, source) in [
        ("guest/debian.rs", "use crate::guest::apt::Apt;"),
        ("guest/families.rs", "use crate::guest::debian::DEBIAN;"),
        ("guest/linux/boot.rs", "\"systemctl is-system-running\""),
        ("guest/linux/a.sh", "  # as dpkg does\nsystemctl status"),
        ("lab/recipe.rs", "let dpkg = file.dpkg;"),
        ("lab/recipe/os.rs", "let dpkg = file.dpkg;"),
        ("run/step.rs", "// apt's own\nlet captured = adapter; /// dpkg"),
        ("lab/select.rs", "\"such as `web/debian-12,!debian-11`\""),
        (
            "run/names.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests { const OS: &str = \"debian\"; }",
        ),
    ] {
        assert_eq!(named(file, source), Vec::<String>::new(), "{source}");
    }
}
