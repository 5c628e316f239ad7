//! Which room may know which: reads the paths that the sources name and holds the rules of the design.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the ground up: a room names only rooms before it. The crate's root names them all.
const ORDER: [&str; 21] = [
    "exit_code",
    "input",
    "error",
    "units",
    "measure",
    "secret",
    "model",
    "guest",
    "step",
    "lab",
    "verdict",
    "gate",
    "record",
    "decide",
    "report",
    "port",
    "image",
    "run",
    "host",
    "fake",
    "cli",
];

/// Rooms without input, output or clock.
const PURE: [&str; 20] = [
    "exit_code",
    "input",
    "error",
    "units",
    "measure",
    "secret",
    "model",
    "guest",
    "step",
    "lab::build",
    "lab::file",
    "lab::lint",
    "lab::lint_group",
    "lab::lint_secret",
    "lab::names",
    "lab::select",
    "verdict",
    "gate",
    "record::share",
    "run::queue",
];
/// What a pure room may not name.
const IMPURE: [&str; 21] = [
    "tokio",
    "tokio_util",
    "virt",
    "qapi",
    "indicatif",
    "clap",
    "tempfile",
    "std::fs",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::process",
    "std::env",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "crate::lab::disk",
    "crate::lab::load",
    "crate::lab::scenario::load",
    "crate::record::journal",
    "tracing",
];
const CLOCKS: [&str; 4] = ["Timestamp::now", "Zoned::now", "Instant::now", "SystemTime::now"];

/// Lines that a source file may have.
const LINES: usize = 500;

/// A source without comments, character and string literals, and without its unit tests, which come last.
fn bare(source: &str) -> String {
    let source = source.split("\n#[cfg(test)]\nmod tests").next().unwrap_or(source);
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() {
        let next = chars.get(at + 1).copied();
        match chars[at] {
            '/' if next == Some('/') => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
            }
            '/' if next == Some('*') => {
                at += 2;
                while at < chars.len() && !(chars[at] == '*' && chars.get(at + 1) == Some(&'/')) {
                    at += 1;
                }
                at += 2;
            }
            'r' if matches!(next, Some('"' | '#'))
                && !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') =>
            {
                let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
                if chars.get(at + 1 + hashes) != Some(&'"') {
                    out.push('r');
                    at += 1;
                    continue;
                }
                at += hashes + 2;
                let closes = |at: usize| {
                    chars[at] == '"'
                        && chars[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes
                };
                while at < chars.len() && !closes(at) {
                    at += 1;
                }
                at += hashes + 1;
            }
            '"' => {
                at += 1;
                while at < chars.len() && chars[at] != '"' {
                    at += if chars[at] == '\\' { 2 } else { 1 };
                }
                at += 1;
                out.push(' ');
            }
            '\'' if next == Some('\\') => {
                at += 3;
                while at < chars.len() && chars[at] != '\'' {
                    at += 1;
                }
                at += 1;
            }
            '\'' if chars.get(at + 2) == Some(&'\'') => at += 3,
            c => {
                out.push(c);
                at += 1;
            }
        }
    }
    out
}

/// Every path that a source names, groups of `use` written out.
fn paths(source: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in bare(source).chars().chain([' ']) {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        match (c, tokens.last_mut()) {
            (':', Some(last)) if last == ":" => last.push(':'),
            (c, _) if c.is_whitespace() => {}
            (c, _) => tokens.push(c.to_string()),
        }
    }
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let before = at;
        if is_word(&tokens[at]) {
            let imported = at > 0 && matches!(tokens[at - 1].as_str(), "use" | "crate");
            let known = found.len();
            read_path(&tokens, &mut at, "", &mut found);
            // A lone word is a path in `use virt;` only: elsewhere it is a name of the file's own.
            if !imported && found.len() == known + 1 && !found[known].contains("::") {
                found.pop();
            }
        }
        at = at.max(before + 1);
    }
    found
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn read_path(tokens: &[String], at: &mut usize, prefix: &str, found: &mut Vec<String>) {
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let mut path = prefix.to_owned();
    while is_word(token(*at)) {
        path.push_str(token(*at));
        *at += 1;
        if token(*at) != "::" {
            break;
        }
        *at += 1;
        path.push_str("::");
        if token(*at) == "{" {
            *at += 1;
            while !matches!(token(*at), "}" | "") {
                let before = *at;
                read_path(tokens, at, &path, found);
                *at = (*at).max(before + 1);
                while !matches!(token(*at), "," | "}" | "") {
                    *at += 1;
                }
                if token(*at) == "," {
                    *at += 1;
                }
            }
            *at += 1;
            return;
        }
    }
    found.push(path);
}

/// A path as seen from the crate: `self` and `super` resolved, in the module that a file is.
fn absolute(path: &str, module: &[&str]) -> String {
    let mut base: Vec<&str> = module.to_vec();
    let mut parts = path.split("::").peekable();
    let mut relative = false;
    while let Some(&part) = parts.peek() {
        match part {
            "self" => relative = true,
            "super" => {
                relative = true;
                base.pop();
            }
            _ => break,
        }
        parts.next();
    }
    let rest: Vec<&str> = parts.collect();
    if relative {
        base.insert(0, "crate");
        base.extend(rest);
        return base.join("::");
    }
    match rest.first() {
        Some(&"patchgate") => ["crate"]
            .iter()
            .chain(&rest[1..])
            .copied()
            .collect::<Vec<_>>()
            .join("::"),
        _ => rest.join("::"),
    }
}

fn is_in(path: &str, room: &str) -> bool {
    path.strip_prefix(room)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The room that a path leads into, where it stands above the room that names it.
fn above<'a>(room: &str, path: &'a str) -> Option<&'a str> {
    let level = |name: &str| ORDER.iter().position(|known| *known == name);
    let own = level(room.split("::").next()?)?;
    let named = path.strip_prefix("crate::")?.split("::").next()?;
    // What is no room is an item of the crate's root, which is above all.
    (level(named).unwrap_or(ORDER.len()) > own).then_some(named)
}

/// The rules that a file breaks, one sentence each.
fn broken(file: &str, source: &str) -> Vec<String> {
    let name = file.trim_end_matches(".rs").trim_end_matches("/mod");
    let module: Vec<&str> = name.split('/').collect();
    let room = module.join("::");
    let mut forbidden: Vec<&str> = Vec::new();
    let pure = PURE.iter().any(|pure| is_in(&room, pure));
    if pure {
        forbidden.extend(IMPURE);
    }
    if is_in(&room, "report") {
        forbidden.extend([
            "crate::verdict::judge",
            "crate::verdict::verdict",
            "crate::gate::decide",
            "tracing",
        ]);
    }
    if is_in(&room, "host::proxy") {
        forbidden.extend(["crate::host::libvirt", "crate::host::agent"]);
    }
    if !is_in(&room, "host::libvirt") {
        forbidden.extend(["virt", "virt_sys"]);
    }
    if !is_in(&room, "host::agent") {
        forbidden.push("qapi");
    }
    let mut breaks: Vec<String> = Vec::new();
    for path in paths(source) {
        let path = absolute(&path, &module);
        for rule in &forbidden {
            if is_in(&path, rule) {
                breaks.push(format!(
                    "src/{file}: `{room}` may not know `{rule}` (names `{path}`)"
                ));
            }
        }
        if let Some(named) = above(&room, &path) {
            breaks.push(format!(
                "src/{file}: `{room}` may not know `{named}`, which stands above it (names `{path}`)"
            ));
        }
        if pure
            && CLOCKS
                .iter()
                .any(|clock| path == *clock || path.ends_with(&format!("::{clock}")))
        {
            breaks.push(format!(
                "src/{file}: `{room}` may not read a clock (names `{path}`)"
            ));
        }
    }
    breaks.sort();
    breaks.dedup();
    breaks
}

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source");
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    found
}

#[test]
fn rooms_know_only_what_they_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources = sources("src");
    let seen = |room: &str| {
        sources.iter().any(|(path, _)| {
            let name = path.strip_prefix(&root).expect("under src").with_extension("");
            let name = name.to_string_lossy().replace('/', "::");
            name == room || name == format!("{room}::mod")
        })
    };
    for room in PURE.into_iter().chain(ORDER) {
        assert!(
            seen(room),
            "the room `{room}` is gone: correct the list in this test"
        );
    }
    for (path, _) in &sources {
        let name = path.strip_prefix(&root).expect("under src").with_extension("");
        let first = name.components().next().expect("a name").as_os_str();
        let known = ORDER.iter().chain(&["lib", "main"]).any(|known| first == *known);
        assert!(known, "{}: the room has no place in the order", path.display());
    }
    let breaks: Vec<String> = sources
        .iter()
        .flat_map(|(path, text)| {
            let file = path.strip_prefix(&root).expect("under src").to_string_lossy();
            broken(&file, text)
        })
        .collect();
    assert!(breaks.is_empty(), "{}", breaks.join("\n"));
}

#[test]
fn no_file_outgrows_its_room() {
    for folder in ["src", "tests"] {
        for (path, text) in sources(folder) {
            let lines = text.lines().count();
            assert!(
                lines <= LINES,
                "{} has {lines} lines; at most {LINES}",
                path.display()
            );
        }
    }
}

#[test]
fn planted_violations_are_found() {
    for (file, source) in [
        ("gate.rs", "use tokio::time::sleep;"),
        ("gate.rs", "use virt as lab;"),
        ("gate.rs", "extern crate virt;"),
        ("gate.rs", "use std::{collections::BTreeMap, fs};"),
        (
            "gate.rs",
            "use std::{collections::{BTreeMap, BTreeSet}, fs::File};",
        ),
        ("lab/build.rs", "fn f() { let _ = std::fs::read(\"x\"); }"),
        ("lab/build.rs", "fn f() { let _ = jiff::Timestamp::now(); }"),
        (
            "verdict/arm.rs",
            "use jiff::Timestamp; fn f() { Timestamp::now(); }",
        ),
        ("model/event.rs", "use std::time::{Duration, Instant};"),
        ("model/outcome.rs", "#[derive(clap::ValueEnum)] enum A { B }"),
        ("guest/debian.rs", "use super::super::host::libvirt::Domain;"),
        ("model/scenario.rs", "use crate::{lab::scenario::load, units};"),
        ("input/read.rs", "use crate::lab::disk;"),
        ("error.rs", "use crate::gate::Gate;"),
        ("secret.rs", "use crate::step::render;"),
        ("lab.rs", "use crate::verdict;"),
        ("step/render.rs", "pub use super::super::lab::scenario::keys;"),
        ("record/state.rs", "use crate::{decide::Decided, model};"),
        ("measure.rs", "fn f() { crate::hex(); }"),
        ("run/mod.rs", "use crate::host;"),
        ("run/cell.rs", "use super::super::fake::FakeLab;"),
        ("run/cell.rs", "fn f() { crate::host::agent::connect(); }"),
        ("report/text.rs", "use crate::port::Resource;"),
        ("report/text.rs", "use crate::verdict::{Judgement, judge};"),
        ("report.rs", "pub use super::run::Run;"),
        ("run.rs", "use virt::connect::Connect;"),
        ("run/outlet.rs", "use crate::host::proxy::SquidLauncher;"),
        ("host/proxy.rs", "use crate::host::libvirt::LibvirtHost;"),
        ("host/libvirt.rs", "use qapi::qga;"),
        ("host/agent.rs", "fn f() { let c: ::virt::connect::Connect; }"),
        (
            "gate.rs",
            "const A: &str = r#\"a \"quoted\" text\"#; use tokio::fs;",
        ),
        (
            "gate.rs",
            "const A: char = '\"'; use tokio::fs; const B: char = '\"';",
        ),
        ("gate.rs", "fn f<'a>(x: &'a str) { tokio::spawn(x); }"),
    ] {
        assert!(!broken(file, source).is_empty(), "{file}: {source}");
    }
}

#[test]
fn what_is_allowed_is_not_found() {
    for (file, source) in [
        ("gate.rs", "// use tokio::fs;\nuse std::fmt;"),
        (
            "gate.rs",
            "/* tokio::fs */ const A: &str = \"tokio::fs \\\" std::fs\";",
        ),
        ("gate.rs", "const A: &str = r#\"std::fs \" tokio::fs\"#;"),
        (
            "gate.rs",
            "struct Agent { virt: bool } fn f(fs: &str) -> std::fmt::Result { fs.run() }",
        ),
        (
            "lab/lint.rs",
            "use crate::input::finding::{Finding, Source}; use crate::lab::file::Lab;",
        ),
        (
            "report/text.rs",
            "use crate::verdict::{Judgement, Verdict}; use super::table;",
        ),
        ("host/libvirt.rs", "use virt::connect::Connect;"),
        (
            "run/mod.rs",
            "use crate::port::Hypervisor; use std::time::Instant;",
        ),
        (
            "gate.rs",
            "use std::fmt;\n\n#[cfg(test)]\nmod tests { use std::fs; }",
        ),
    ] {
        assert_eq!(broken(file, source), Vec::<String>::new(), "{file}: {source}");
    }
}
