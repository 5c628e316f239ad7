//! Which room may know which: reads the paths that the sources name and holds the rules of the design.

use std::path::Path;

use circles::circles;
use rules::{EDGES, ORDER, PURE, broken};
use source::sources;

mod circles;
mod rules;
mod source;

/// Lines that a source file may have.
const LINES: usize = 500;

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
    for room in PURE.into_iter().chain(EDGES).chain(ORDER) {
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
fn the_documentation_has_the_rooms_in_their_order() {
    let page = include_str!("../../docs/architecture.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let rooms: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(rooms, ORDER);
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
        (
            "image/process.rs",
            "use std::process::Command; fn f() { Command::new(\"a\"); }",
        ),
        ("host/proxy.rs", "fn f() { tokio::process::Command::new(\"a\"); }"),
        ("gate.rs", "use crate::system::file;"),
        ("image/warm.rs", "use std::fs; fn f() { fs::read(\"a\"); }"),
        ("gate.rs", "extern crate virt;"),
        ("gate.rs", "use std::{collections::BTreeMap, fs};"),
        (
            "gate.rs",
            "use std::{collections::{BTreeMap, BTreeSet}, fs::File};",
        ),
        ("lab/build.rs", "fn f() { let _ = std::fs::read(\"x\"); }"),
        ("lab/build.rs", "fn f() { let _ = jiff::Timestamp::now(); }"),
        ("verdict.rs", "fn f() { jiff::ZonedDateTime::now(); }"),
        (
            "verdict/arm.rs",
            "use jiff::Timestamp; fn f() { Timestamp::now(); }",
        ),
        ("model/event.rs", "use std::time::{Duration, Instant};"),
        ("model/outcome.rs", "#[derive(clap::ValueEnum)] enum A { B }"),
        ("guest/debian.rs", "use super::super::host::libvirt::Domain;"),
        ("model/scenario.rs", "use crate::{lab::scenario::load, units};"),
        ("input/read.rs", "use crate::lab::disk;"),
        ("lab/build.rs", "use crate::lab::open::Checked;"),
        ("record/state.rs", "use crate::cli::error::UserError;"),
        ("session/ready.rs", "use crate::cli::print;"),
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
        ("host/agent.rs", "use super::libvirt::LibvirtHost;"),
        ("cli/run.rs", "fn f() { crate::host::libvirt::connect(); }"),
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
        ("gate.rs", "use ::tokio::time;"),
        ("gate.rs", "use {std::fmt, virt};"),
        ("gate.rs", "use crate as all; fn f() { all::run::execute(); }"),
        (
            "gate.rs",
            "use std::{self as s, fmt}; fn f() { s::fs::read(\"x\"); }",
        ),
        (
            "gate.rs",
            "use std::net; fn f() { net::TcpStream::connect(\"x\"); }",
        ),
        (
            "gate.rs",
            "use std::net::*; fn f() { TcpStream::connect(\"x\"); }",
        ),
        (
            "gate.rs",
            "use std::time; fn f(t: time::Instant) { t.elapsed(); }",
        ),
        ("gate.rs", "use jiff::Timestamp as T; fn f() { T::now(); }"),
        ("gate.rs", "use uuid::Uuid; fn f() { Uuid::new_v4(); }"),
        ("gate.rs", "fn f(path: &std::path::Path) { path.exists(); }"),
        (
            "gate.rs",
            "struct A { #[serde(with = \"crate::run::words\")] a: u8 }",
        ),
        ("gate.rs", "#[path = \"../run/node.rs\"] mod node;"),
        ("gate.rs", "include!(\"run/node.rs\");"),
        ("gate.rs", "const A: &[u8] = br#\"\"\"#; use tokio::fs;"),
        ("gate.rs", "mod a;\n#[cfg(test)]\nmod tests;\nuse std::fs;"),
        ("lab/keys.rs", "use std::fs;"),
        ("lab/recipe/keys.rs", "use crate::lab::recipe::load_os;"),
        ("lab/scenario/parse.rs", "use crate::lab::scenario::files;"),
        ("run/life/step.rs", "use crate::verdict::Verdict;"),
        ("run/names.rs", "use crate::report::safe_line;"),
        ("run/node.rs", "use crate::guest::linux::Linux;"),
        (
            "report/text.rs",
            "use crate::verdict as v; fn f() { v::judge(); }",
        ),
        ("report/text.rs", "use crate::verdict::*; fn f() { judge(); }"),
        (
            "report/view.rs",
            "use crate::decide::Decided; fn f() { Decided::of(x); }",
        ),
        ("host.rs", "pub mod libvirt; pub use libvirt::LibvirtHost;"),
        (
            "host/connected.rs",
            "use super::*; fn f() { libvirt::connect(); }",
        ),
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
        (
            "lab/recipe.rs",
            "mod load; pub use load::load_os; use std::time::{self, Duration};",
        ),
        (
            "gate/cell.rs",
            "use super::*; use crate::verdict as v; fn f(x: v::Verdict) {}",
        ),
    ] {
        assert_eq!(broken(file, source), Vec::<String>::new(), "{file}: {source}");
    }
}

#[test]
fn no_file_names_one_that_names_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: Vec<(String, String)> = sources("src")
        .into_iter()
        .map(|(path, text)| {
            let file = path.strip_prefix(&root).expect("under src");
            (file.to_string_lossy().into_owned(), text)
        })
        .filter(|(file, _)| !["lib.rs", "main.rs"].contains(&file.as_str()))
        .collect();
    let found = circles(&files);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn planted_circles_are_found() {
    let found = |files: &[(&str, &str)]| {
        let files: Vec<(String, String)> = files
            .iter()
            .map(|(file, text)| ((*file).to_owned(), (*text).to_owned()))
            .collect();
        circles(&files)
    };
    assert_eq!(
        found(&[
            ("a.rs", "mod x; mod y; pub use x::X;"),
            ("a/x.rs", "use crate::a::y::Y;"),
            ("a/y.rs", "use crate::b;"),
            ("b.rs", "use std::fmt;"),
        ]),
        Vec::<String>::new()
    );
    for planted in [
        &[
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "fn f() { crate::a::g(); }"),
        ][..],
        &[("a.rs", "mod x; pub use x::X;"), ("a/x.rs", "use super::Y;")],
        &[("a.rs", "mod x; fn f() { x::g(); }"), ("a/x.rs", "use crate::a;")],
        &[("a.rs", "mod x; pub use x::X;"), ("a/x.rs", "use super::*;")],
        &[
            ("a/x.rs", "use crate::a; fn f() { a::y::g(); }"),
            ("a/y.rs", "use super::x::X;"),
        ],
        &[
            ("a/x.rs", "use crate::a::y::{self, Y};"),
            ("a/y.rs", "use super::z::Z;"),
            ("a/z.rs", "use crate::a::{x::X, w};"),
            ("a/w.rs", ""),
        ],
    ] {
        assert_eq!(found(planted).len(), 1, "{planted:?}");
    }
}
