//! Advisories as dnf 5 tells them: the JSON of `dnf5 advisory info`, joined to updates here.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::guest::command::ParseError;
use crate::guest::rpm::nevra::Nevra;
use crate::guest::rpm::order::compare;
use crate::input;
use crate::model::advisory::{Advisory, Kind, Purpose, Severity};
use crate::model::update::Update;

/// An answer of dnf's that is none.
pub(super) fn wrong(problem: String) -> ParseError {
    ParseError {
        what: "dnf's answer",
        problem,
    }
}

/// What an advisory's type says.
pub(super) fn kind(word: &str) -> Kind {
    match word {
        "security" => Kind::Security,
        "bugfix" => Kind::Bugfix,
        "enhancement" => Kind::Enhancement,
        _ => Kind::Other,
    }
}

/// One advisory, with the packages that it names.
#[derive(Debug)]
pub struct Note {
    advisory: Advisory,
    issued: Option<Date>,
    packages: Vec<(String, String, String)>,
}

/// Reads the JSON; nothing where there is none.
///
/// # Errors
/// It is none of dnf's.
pub fn read(text: &str) -> Result<Vec<Note>, ParseError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let told: Value =
        serde_json::from_str(text).map_err(|error| wrong(format!("its advisories: {error}")))?;
    let told = told
        .as_array()
        .ok_or_else(|| wrong("its advisories are no list".into()))?;
    told.iter().map(note).collect()
}

fn note(told: &Value) -> Result<Note, ParseError> {
    let text = |key: &str| told.get(key).and_then(Value::as_str).unwrap_or_default();
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let id = input::clip(text("Name"));
    if id.is_empty() {
        return Err(wrong("an advisory has no name".into()));
    }
    let mut cves: Vec<String> = list(told.get("references"))
        .iter()
        .filter(|one| one.get("Type").and_then(Value::as_str) == Some("cve"))
        .filter_map(|one| one.get("Id")?.as_str().map(input::clip))
        .collect();
    cves.sort();
    cves.dedup();
    let packages = list(told.get("collections").and_then(|all| all.get("packages")))
        .iter()
        .filter_map(|one| {
            let nevra = Nevra::parse(one.as_str()?)?;
            Some((nevra.name.to_owned(), nevra.arch.to_owned(), nevra.evr))
        })
        .collect();
    let issued = told
        .get("Issued")
        .and_then(Value::as_i64)
        .filter(|&second| second > 0);
    Ok(Note {
        advisory: Advisory {
            id,
            kind: kind(text("Type")),
            severity: Severity::parse(text("Severity")),
            title: input::clip(text("Title")),
            cves,
            closed_by: Vec::new(),
            open_in: Vec::new(),
        },
        issued: issued
            .and_then(|second| Timestamp::from_second(second).ok())
            .map(|at| TimeZone::UTC.to_datetime(at).date()),
        packages,
    })
}

/// A package's own name, of one that is named with its version.
fn plain(update: &Update) -> &str {
    let version = update
        .to
        .as_deref()
        .or(update.from.as_deref())
        .unwrap_or_default();
    let short = update
        .name
        .strip_suffix(version)
        .and_then(|name| name.strip_suffix('-'));
    short.filter(|_| update.kernel).unwrap_or(&update.name)
}

/// Whether an update brings what a note names.
fn closes(update: &Update, note: &Note) -> bool {
    let Some(to) = &update.to else { return false };
    note.packages.iter().any(|(name, arch, evr)| {
        let is_newer = update.from.as_ref().is_none_or(|from| compare(from, evr).is_lt());
        // Of one that is new, what is named is that version itself.
        let is_in = if update.from.is_none() {
            compare(evr, to).is_eq()
        } else {
            compare(evr, to).is_le()
        };
        name == plain(update) && *arch == update.arch && is_newer && is_in
    })
}

/// What an update is for.
pub fn purpose(update: &Update, notes: &[Note]) -> Option<Purpose> {
    let closing = notes.iter().filter(|note| closes(update, note));
    Purpose::of(closing.map(|note| Purpose {
        kind: note.advisory.kind,
        severity: note.advisory.severity,
        issued: note.issued,
    }))
}

/// What a set closes, and what stays open of what is installed: names, architectures and versions.
pub fn join(notes: Vec<Note>, set: &[Update], installed: &[(&str, &str, &str)]) -> Vec<Advisory> {
    let goes = |name: &str, arch: &str| {
        let mut set = set.iter();
        set.any(|update| update.to.is_none() && update.name == name && update.arch == arch)
    };
    let mut all: Vec<Advisory> = notes
        .into_iter()
        .filter_map(|note| {
            let closing = set.iter().filter(|update| closes(update, &note));
            let mut closed_by: Vec<String> = closing.map(|update| update.name.clone()).collect();
            let mut open_in = Vec::new();
            for (name, arch, evr) in &note.packages {
                let has = installed.iter().filter(|(has, at, _)| has == name && at == arch);
                let Some(newest) = has
                    .map(|(_, _, evr)| *evr)
                    .max_by(|one, other| compare(one, other))
                else {
                    continue;
                };
                let closed = set
                    .iter()
                    .any(|update| plain(update) == name && update.arch == *arch && closes(update, &note));
                if compare(newest, evr).is_lt() && !closed {
                    let list = if goes(name, arch) {
                        &mut closed_by
                    } else {
                        &mut open_in
                    };
                    list.push(name.clone());
                }
            }
            for list in [&mut closed_by, &mut open_in] {
                list.sort();
                list.dedup();
            }
            let concerns = !closed_by.is_empty() || !open_in.is_empty();
            concerns.then_some(Advisory {
                closed_by,
                open_in,
                ..note.advisory
            })
        })
        .collect();
    all.sort();
    all
}
