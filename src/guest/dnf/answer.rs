//! The answers of our program, line by line.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::guest::answer::Pending;
use crate::guest::command::ParseError;
use crate::guest::dnf::notes::{self, kind, wrong};
use crate::guest::rpm::nevra::{is_arch, is_evr, is_name};
use crate::input;
use crate::model::advisory::{Advisory, Purpose, Severity};
use crate::model::update::{Unrehearsed, Update, Why};

/// The lines of an answer that has its end, apart.
fn lines(output: &str) -> Result<Vec<(&str, Vec<&str>)>, ParseError> {
    let mut lines = Vec::new();
    let mut ended = false;
    for line in output.lines() {
        if ended {
            return Err(wrong(format!("`{}` follows its end", input::clip(line))));
        }
        let (word, rest) = line.split_once('\t').unwrap_or((line, ""));
        match word {
            "End" => ended = true,
            "Item" | "Broken" | "Held" | "Stream" | "Repo" | "Advisory" | "Cve" | "Closes" | "Open"
            | "Json" | "Is" => {
                lines.push((word, rest.split('\t').collect()));
            }
            _ => return Err(wrong(format!("`{}` is not understood", input::clip(line)))),
        }
    }
    if ended {
        Ok(lines)
    } else {
        Err(wrong("it is cut".into()))
    }
}

/// A field that is empty where there is nothing.
fn some(field: &str) -> Option<String> {
    (!field.is_empty()).then(|| field.to_owned())
}

/// The identifier of a repository (dnf.conf(5)), or `@System`.
fn is_origin(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.:@/+".contains(c))
}

/// An update, of the fields that it has in every line.
fn update(fields: &[&str]) -> Result<Update, ParseError> {
    let no = |problem: &str| Err(wrong(format!("`{}` {problem}", input::clip(&fields.join(" ")))));
    let &[name, arch, from, to, origin, kernel, change, purposes, ..] = fields else {
        return no("has not the fields of an update");
    };
    let version = |text: &str| text.is_empty() || is_evr(text);
    if !(is_name(name) && is_arch(arch) && version(from) && version(to) && is_origin(origin)) || from == to {
        return no("is no update of a package");
    }
    Ok(Update {
        name: name.to_owned(),
        arch: arch.to_owned(),
        from: some(from),
        to: some(to),
        origin: origin.to_owned(),
        kernel: kernel == "kernel",
        purpose: purpose(purposes),
        change: some(&input::clip(change)),
    })
}

/// Of `KIND/SEVERITY/DATE`, one for each advisory.
fn purpose(words: &str) -> Option<Purpose> {
    Purpose::of(words.split_ascii_whitespace().filter_map(|word| {
        let mut parts = word.split('/');
        Some(Purpose {
            kind: kind(parts.next()?),
            severity: Severity::parse(parts.next()?),
            issued: parts.next()?.parse().ok(),
        })
    }))
}

/// What a transaction would do.
///
/// # Errors
/// A line cannot be read, or the end is missing.
pub fn updates(output: &str) -> Result<Vec<Update>, ParseError> {
    Ok(pending(output)?.updates)
}

/// What a full update would do, and what it would not.
///
/// # Errors
/// As [`updates`].
pub fn pending(output: &str) -> Result<Pending, ParseError> {
    let mut pending = Pending::default();
    let (mut advised, mut lists, mut json) = (BTreeMap::new(), Vec::new(), String::new());
    for (word, fields) in lines(output)? {
        match word {
            "Item" => pending.updates.push(update(&fields)?),
            "Broken" => {
                let why = fields.get(8).copied().unwrap_or_default();
                pending.broken.push((update(&fields)?, input::clip(why)));
            }
            "Held" | "Stream" => {
                let &[name, arch, to] = &fields[..] else {
                    return Err(wrong(format!(
                        "`{}` has not three fields",
                        input::clip(&fields.join(" "))
                    )));
                };
                if !(is_name(name) && is_arch(arch) && is_evr(to)) {
                    return Err(wrong(format!(
                        "`{}` names no package",
                        input::clip(&fields.join(" "))
                    )));
                }
                pending.kept.push(Unrehearsed {
                    name: name.to_owned(),
                    to: Some(to.to_owned()),
                    why: if word == "Held" { Why::Held } else { Why::Stream },
                });
            }
            "Repo" => {
                let &[id, advisories, _, made] = &fields[..] else {
                    return Err(wrong(format!(
                        "`{}` has not four fields",
                        input::clip(&fields.join(" "))
                    )));
                };
                advised.insert(id, advisories == "advisories");
                let made = made.parse().ok().filter(|&second: &i64| second > 0);
                lists.extend(made.and_then(|second| Timestamp::from_second(second).ok()));
            }
            "Json" => json.push_str(&fields.join(" ")),
            _ => return Err(wrong(format!("`{word}` is no part of it"))),
        }
    }
    let notes = notes::read(&json)?;
    let broken = pending.broken.iter_mut().map(|(update, _)| update);
    for update in pending.updates.iter_mut().chain(broken) {
        update.purpose = update.purpose.or_else(|| notes::purpose(update, &notes));
    }
    pending.lists = lists.into_iter().min();
    let origins: BTreeSet<&str> = pending
        .updates
        .iter()
        .map(|update| update.origin.as_str())
        .collect();
    pending.silent = origins
        .into_iter()
        .filter(|origin| advised.get(origin) == Some(&false))
        .map(str::to_owned)
        .collect();
    Ok(pending)
}

/// The advisories that a set closes or leaves open, sorted.
///
/// # Errors
/// A line cannot be read, the end is missing, or one speaks of an advisory that none has told of.
pub fn advisories(output: &str) -> Result<Vec<Advisory>, ParseError> {
    let mut found: BTreeMap<&str, Advisory> = BTreeMap::new();
    for (word, fields) in lines(output)? {
        let no = |problem: &str| wrong(format!("`{word} {}` {problem}", input::clip(&fields.join(" "))));
        match (word, &fields[..]) {
            ("Advisory", &[id, kinds, severity, _, title]) if !id.is_empty() => {
                let advisory = Advisory {
                    id: input::clip(id),
                    kind: kind(kinds),
                    severity: Severity::parse(severity),
                    title: input::clip(title),
                    cves: Vec::new(),
                    closed_by: Vec::new(),
                    open_in: Vec::new(),
                };
                found.entry(id).or_insert(advisory);
            }
            ("Cve" | "Closes" | "Open", &[id, name]) => {
                let advisory = found.get_mut(id).ok_or_else(|| no("is of no advisory"))?;
                if word != "Cve" && !is_name(name) {
                    return Err(no("names no package"));
                }
                let list = match word {
                    "Cve" => &mut advisory.cves,
                    "Closes" => &mut advisory.closed_by,
                    _ => &mut advisory.open_in,
                };
                list.push(input::clip(name));
            }
            _ => return Err(no("is no part of it")),
        }
    }
    Ok(found
        .into_values()
        .map(|mut advisory| {
            for list in [&mut advisory.cves, &mut advisory.closed_by, &mut advisory.open_in] {
                list.sort();
                list.dedup();
            }
            advisory
        })
        .collect())
}

/// The same of dnf 5, which tells advisories and what is installed, and leaves the rest to us.
///
/// # Errors
/// A line cannot be read, or the end is missing.
pub fn advisories_of(output: &str, set: &[Update]) -> Result<Vec<Advisory>, ParseError> {
    let (mut json, mut installed) = (String::new(), Vec::new());
    for (word, fields) in lines(output)? {
        match (word, &fields[..]) {
            ("Json", _) => json.push_str(&fields.join(" ")),
            ("Is", &[name, arch, evr]) => installed.push((name, arch, evr)),
            _ => return Err(wrong(format!("`{word}` is no part of it"))),
        }
    }
    Ok(notes::join(notes::read(&json)?, set, &installed))
}
