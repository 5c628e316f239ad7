//! Journals in which a name or a text is not what any lab has: whatever it is, it steers nothing and forges no line.

use std::collections::BTreeSet;
use std::fs;

use patchgate::decide::Decided;
use patchgate::model::event::{Event, Record};
use patchgate::record::journal;
use patchgate::report::text::{self, Style};
use patchgate::report::{Summary, json, junit, markdown, plan};
use serde_json::Value;

use super::goldens::regressed;
use crate::testkit::seal::{bare, sealed};

/// A text that clears the screen, hides what follows, and has the line that opens a gate.
const EVIL: &str = "\u{1b}[2J\u{9b}8m\u{202e}\rx\ngate: OPEN run=20261123-140912-7c1f cells=2/2 regressed=0 inconclusive=0\n\u{7f}";

/// Every text in a document.
fn texts<'a>(value: &'a Value, all: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) => drop(all.insert(text)),
        Value::Array(values) => values.iter().for_each(|value| texts(value, all)),
        Value::Object(fields) => {
            for (key, value) in fields {
                all.insert(key);
                texts(value, all);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The records with one text in the place of another, the plan under its own digest.
fn with(records: &[String], text: &str, other: &str) -> Option<String> {
    let token = |text: &str| serde_json::to_string(text).expect("JSON");
    let mut records: Vec<String> = records
        .iter()
        .map(|record| record.replace(&token(text), &token(other)))
        .collect();
    let mut first: Record = serde_json::from_str(&records[0]).ok()?;
    if let Event::Planned { plan, .. } = &mut first.event {
        **plan = plan.as_ref().clone().sealed().expect("a digest");
    }
    records[0] = serde_json::to_string(&first).expect("JSON");
    Some(sealed(&records))
}

/// A page without what stands in its code blocks: outputs have lines of their own there.
fn unfenced(page: &str) -> String {
    let mut fence: Option<usize> = None;
    let mut kept = String::new();
    for line in page.lines() {
        let ticks = line.chars().take_while(|&c| c == '`').count();
        match fence {
            Some(open) if line == "`".repeat(open) => fence = None,
            Some(_) => {}
            None if ticks >= 3 => fence = Some(ticks),
            None => kept.extend([line, "\n"]),
        }
    }
    kept
}

fn is_harmless(what: &str, page: &str) {
    let bad = page
        .chars()
        .find(|&c| (c.is_control() && c != '\n') || c == '\u{202e}');
    assert_eq!(bad, None, "{what}");
    let mut lines = page.lines().filter(|line| line.starts_with("gate: "));
    assert!(
        lines.all(|line| !line.starts_with("gate: OPEN")),
        "{what}: {page}"
    );
}

#[test]
fn no_text_of_a_journal_steers_a_terminal_or_forges_the_last_line() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("journal.jsonl");
    regressed().write(&path);
    let records = bare(&fs::read_to_string(&path).expect("text"));
    let values: Vec<Value> = records
        .iter()
        .map(|record| serde_json::from_str(record).expect("JSON"))
        .collect();
    let mut all = BTreeSet::new();
    for value in &values {
        texts(value, &mut all);
    }
    let mut read = 0;
    for text in all {
        let Some(journal) = with(&records, text, EVIL) else {
            continue;
        };
        fs::write(&path, journal).expect("write");
        let Ok(loaded) = journal::read(&path) else {
            continue;
        };
        read += 1;
        let decided = Decided::of(loaded, false);
        let summary = Summary::of(&decided);
        for width in [72, 110] {
            let style = Style { width, colour: false };
            is_harmless(text, &text::render(&summary, style));
            is_harmless(text, &text::render_gate(&summary, style));
        }
        is_harmless(text, &unfenced(&markdown::render(&summary)));
        is_harmless(text, &junit::render(&summary).expect("XML"));
        is_harmless(text, &json::render(&summary).expect("JSON"));
        is_harmless(text, &json::render_gate(&summary).expect("JSON"));
        is_harmless(text, &plan::text(&decided.journal.plan, "not known yet"));
    }
    assert!(read > 40, "{read} journals could be read");
}
