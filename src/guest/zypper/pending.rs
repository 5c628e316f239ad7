//! What is pending, from all the parts of an answer.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::guest::answer::Pending;
use crate::guest::command::ParseError;
use crate::guest::zypper::parts::{self, Answer, elements, wrong};
use crate::guest::zypper::patches::{self, Patches};
use crate::guest::zypper::summary::{self, Version, found, newer, sources, transaction};
use crate::input;
use crate::model::update::{Unrehearsed, Update, Why};

/// Kernels that run, by what follows `kernel-`.
const KERNELS: [&str; 8] = [
    "default", "azure", "rt", "64kb", "kvmsmall", "preempt", "pae", "vanilla",
];

/// What helps to tell an update in full.
struct Known<'k> {
    side: BTreeSet<&'k str>,
    sources: Vec<(String, String)>,
    newer: BTreeMap<Version, (String, Option<String>)>,
    found: BTreeMap<Version, BTreeSet<String>>,
    vendors: BTreeMap<String, String>,
    patches: Patches,
}

impl Known<'_> {
    /// Where a version comes from: by the source's alias; one of several that have it, the one that goes before the others.
    fn origin(&self, version: &Version) -> String {
        if let Some((alias, _)) = self.newer.get(version).filter(|(alias, _)| !alias.is_empty()) {
            return input::clip(alias);
        }
        let names = self.found.get(version);
        let source = self
            .sources
            .iter()
            .find(|(_, name)| names.is_some_and(|names| names.contains(name)));
        source.map_or_else(|| "unknown".to_owned(), |(alias, _)| input::clip(alias))
    }

    /// Whether several versions of a package stay side by side.
    fn is_side(&self, name: &str) -> bool {
        self.side.contains(name)
    }

    /// The update by which a version comes.
    fn coming(&self, version: &Version, from: Option<&String>) -> Update {
        let is_side = self.is_side(&version.name);
        let mut update = Update {
            name: if is_side {
                format!("{}-{}", version.name, version.evr)
            } else {
                version.name.clone()
            },
            arch: version.arch.clone(),
            from: from.filter(|_| !is_side).cloned(),
            to: Some(version.evr.clone()),
            origin: self.origin(version),
            kernel: is_side || is_kernel(&version.name),
            purpose: None,
            change: None,
        };
        update.purpose = patches::purpose(&update, &self.patches);
        update
    }

    /// The update by which a version goes.
    fn going(&self, version: &Version) -> Update {
        let is_side = self.is_side(&version.name);
        Update {
            name: if is_side {
                format!("{}-{}", version.name, version.evr)
            } else {
                version.name.clone()
            },
            arch: version.arch.clone(),
            from: Some(version.evr.clone()),
            kernel: is_side || is_kernel(&version.name),
            ..Update::default()
        }
    }
}

fn is_kernel(name: &str) -> bool {
    let flavour = name.strip_prefix("kernel-");
    flavour.is_some_and(|flavour| KERNELS.contains(&flavour.strip_suffix("-base").unwrap_or(flavour)))
}

/// Reads the answer to [`pending`](super::command::pending) or [`resolve`](super::command::resolve).
///
/// # Errors
/// It is cut, a source was skipped, or something of it is not understood.
pub fn parse(output: &str) -> Result<Pending, ParseError> {
    let answer = Answer::read(output)?;
    let asked = |part: &&parts::Part<'_>| !part.name.starts_with("why ");
    if let Some(part) = answer.parts.iter().filter(asked).find(|part| part.exit != 0) {
        return Err(wrong(format!(
            "`{}` ended with exit code {}",
            part.name, part.exit
        )));
    }
    let taken = transaction(&answer.document("update")?)?;
    let known = Known {
        side: answer.told("Side").collect(),
        sources: sources(&answer.document("repos")?)?,
        newer: newer(&answer.document("all")?)?,
        found: match answer.part("search") {
            Some(_) => found(&answer.document("search")?)?,
            None => BTreeMap::new(),
        },
        vendors: vendors(answer.part("vendors").map_or("", |part| &part.text)),
        patches: patches::read(&answer)?,
    };
    let mut updates = Vec::new();
    for (version, old) in &taken.comes {
        let mut update = known.coming(version, old.as_ref().map(|old| &old.evr));
        if taken.other_vendor.contains(version) {
            let vendors = known.vendors.get(&version.name);
            let words = vendors.map_or("changes, and is not told", String::as_str);
            update.change = Some(format!("vendor {words}"));
        }
        updates.push(update);
        let replaced = old.iter().filter(|old| known.is_side(&old.name));
        updates.extend(replaced.map(|old| known.going(old)));
    }
    updates.extend(taken.goes.iter().map(|version| known.going(version)));
    let mut pending = Pending {
        silent: silent(&answer, &known, &updates)?,
        lists: oldest(&answer),
        updates,
        ..Pending::default()
    };
    // Only what a full update leaves out is left out.
    if answer.part("locks").is_some() {
        left_out(
            &answer,
            &known,
            |version| taken.comes.contains_key(version),
            &mut pending,
        )?;
    }
    Ok(pending)
}

/// What there are newer versions of that a full update does not take.
fn left_out(
    answer: &Answer<'_>,
    known: &Known<'_>,
    is_taken: impl Fn(&Version) -> bool,
    pending: &mut Pending,
) -> Result<(), ParseError> {
    let locks = answer.document("locks")?;
    let locked: BTreeSet<&str> = elements(&locks, "match")
        .filter(|node| node.attribute("installed") == Some("true"))
        .filter_map(|node| node.attribute("name"))
        .collect();
    for (version, (_, old)) in known.newer.iter().filter(|(version, _)| !is_taken(version)) {
        let update = known.coming(version, old.as_ref());
        let kept = |why| Unrehearsed {
            name: update.name.clone(),
            to: update.to.clone(),
            why,
        };
        let why = answer.part(&format!("why {}", version.word()));
        if locked.contains(version.name.as_str())
            || why.is_some_and(|part| part.text.contains("remove lock to allow"))
        {
            pending.kept.push(kept(Why::Held));
            continue;
        }
        match why {
            // It can be had, by whoever asks for it: from another vendor, say.
            Some(part) if part.exit == 0 => pending.kept.push(kept(Why::KeptBack)),
            Some(part) => {
                let document = parts::document(&part.text)?;
                let problem = summary::problem(&document).unwrap_or_else(|| {
                    format!("zypper ends with exit code {} and does not say why", part.exit)
                });
                pending.broken.push((update, problem));
            }
            None => {
                let reason = "zypper leaves it out, and so much else that it was not asked why";
                pending.broken.push((update, reason.to_owned()));
            }
        }
    }
    Ok(())
}

/// The sources of updates that have no patches at all.
fn silent(answer: &Answer<'_>, known: &Known<'_>, updates: &[Update]) -> Result<Vec<String>, ParseError> {
    let document = answer.document("telling")?;
    let telling: BTreeSet<&str> = elements(&document, "has")
        .filter_map(|node| node.attribute("repository"))
        .collect();
    let tells = |origin: &str| {
        known
            .sources
            .iter()
            .any(|(alias, name)| alias == origin && telling.contains(name.as_str()))
    };
    let origins: BTreeSet<&str> = updates
        .iter()
        .filter(|update| update.to.is_some())
        .map(|update| update.origin.as_str())
        .collect();
    let silent = origins.into_iter().filter(|origin| !tells(origin));
    Ok(silent.map(str::to_owned).collect())
}

/// When the oldest of the lists was made.
fn oldest(answer: &Answer<'_>) -> Option<Timestamp> {
    let seconds = answer.told("List").filter_map(|text| text.trim().parse().ok());
    seconds
        .filter_map(|seconds| Timestamp::from_second(seconds).ok())
        .min()
}

/// Which vendors packages change between: the name, and behind blanks `OLD -> NEW` below it, after the versions.
fn vendors(text: &str) -> BTreeMap<String, String> {
    let mut vendors = BTreeMap::new();
    let mut package = None;
    for line in text.lines() {
        if !line.starts_with(' ') {
            package = Some(line.trim());
        } else if let (Some(package), true) = (package, line.contains(" -> ")) {
            vendors.insert(package.to_owned(), input::clip(line.trim()));
        }
    }
    vendors
}
