//! The tables of keys in docs/ are made of the tables that the readers go by.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use patchgate::input::keys::{Key, Need, Shape, Table, Usual};
use patchgate::lab::keys::LAB_FILE;
use patchgate::lab::recipe::keys::{OS, ROLE};
use patchgate::lab::scenario::keys::SCENARIO;

/// What stands before a table, with its format and name, and after it.
const START: &str = "<!-- keys of ";
const END: &str = "<!-- end of keys -->";

/// How pages are written anew.
const UPDATE: &str = "UPDATE_DOCS=1 cargo test --test it keys_docs";

/// The formats, by the word of `patchgate schema`.
const FORMATS: [(&str, &[&Table]); 3] = [
    ("lab", &[&LAB_FILE]),
    ("recipe", &[&OS, &ROLE]),
    ("scenario", &[&SCENARIO]),
];

fn pages() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("docs").expect("the documentation");
    let mut pages: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages
}

/// A format's tables by name.
fn table(format: &str, name: &str) -> Option<&'static Table> {
    let (_, roots) = FORMATS.iter().find(|(word, _)| *word == format)?;
    let mut tables = roots.iter().flat_map(|root| root.all());
    tables.find(|table| table.name == name)
}

/// A page with its tables as they should be, and which those are.
fn written(page: &str, seen: &mut BTreeSet<(String, String)>) -> String {
    let mut text = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        text.push_str(line);
        text.push('\n');
        let Some(named) = line.strip_prefix(START) else {
            continue;
        };
        let named = named.split([':', ' ']).next().unwrap_or_default();
        let (format, name) = named.split_once('/').expect("FORMAT/TABLE");
        let of = table(format, name).unwrap_or_else(|| panic!("{line}: there is no such table"));
        seen.insert((format.to_owned(), name.to_owned()));
        assert!(lines.by_ref().any(|line| line == END), "{line}: it has no end");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{}\n{END}", markdown(of));
    }
    text
}

fn markdown(table: &Table) -> String {
    let mut text = "| key | value | meaning | unless given |\n| --- | --- | --- | --- |\n".to_owned();
    let cell = |text: &str| text.replace('|', "\\|");
    for key in table.keys() {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            key.name,
            cell(&shape(&key.shape)),
            cell(key.about),
            cell(&usual(key))
        );
    }
    text
}

fn usual(key: &Key) -> String {
    match (key.need, key.usual) {
        (Need::Required, _) => "must be given".to_owned(),
        (Need::OneOf, _) => "one of these".to_owned(),
        (Need::Optional, Usual::Value(value)) => format!("`{value}`"),
        (Need::Optional, Usual::Words(words)) => words.to_owned(),
        (Need::Optional, Usual::Nothing) => String::new(),
    }
}

fn shape(of: &Shape) -> String {
    match of {
        Shape::Text | Shape::Filled => "text".to_owned(),
        Shape::Path => "path".to_owned(),
        Shape::Flag => "`true` or `false`".to_owned(),
        Shape::True => "`true`".to_owned(),
        Shape::Whole(least, most) => format!("{least} to {most}"),
        Shape::Fraction(least, most) => format!("{least} to {most}"),
        Shape::Number => "number".to_owned(),
        Shape::Span => "time span".to_owned(),
        Shape::Size => "size".to_owned(),
        Shape::Share => "share".to_owned(),
        Shape::Word(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            words.join(", ")
        }
        Shape::Texts(_) => "list of texts".to_owned(),
        Shape::Map(inner) => format!("by name: {}", shape(inner)),
        Shape::Table(table) => format!("table `{}`", table.name),
        Shape::Tables(table, _) => format!("list of tables `{}`", table.name),
        Shape::Either(shapes) => {
            let mut shapes: Vec<String> = shapes.iter().map(shape).collect();
            shapes.dedup();
            shapes.join(" or ")
        }
        Shape::Anything => "anything".to_owned(),
    }
}

#[test]
fn the_pages_have_the_keys_that_the_readers_know() {
    let mut seen = BTreeSet::new();
    for path in pages() {
        let page = std::fs::read_to_string(&path).expect("a page");
        let written = written(&page, &mut seen);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &written).expect("written");
        } else {
            assert!(
                page == written,
                "{}: its tables of keys are not as they should be; {UPDATE} writes them anew",
                path.display()
            );
        }
    }
    for (format, roots) in FORMATS {
        for table in roots.iter().flat_map(|root| root.all()) {
            let name = (format.to_owned(), table.name.to_owned());
            let of_scenario = format == "lab" && self::table("scenario", table.name).is_some();
            assert!(
                of_scenario || seen.contains(&name),
                "no page of docs/ has table {format}/{}",
                table.name
            );
        }
    }
}
