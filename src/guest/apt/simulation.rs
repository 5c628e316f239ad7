//! What apt would do, as its simulations tell it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::guest::answer::Pending;
use crate::guest::command::ParseError;
use crate::input;
use crate::model::update::{Unrehearsed, Update, Why};

/// Reads a simulation (apt-get(8), `-s`): `Inst NAME [FROM] (TO ORIGIN[, ORIGIN] [ARCH])`, `Remv NAME [FROM]` and, where
/// its configuration is to go as well, `Purg NAME [FROM]`. One with less than its own summary counts was cut.
pub fn parse_simulation(output: &str) -> Result<Vec<Update>, ParseError> {
    let error = |problem: String| ParseError {
        what: "apt's simulation",
        problem,
    };
    let mut updates = Vec::new();
    for line in output.lines() {
        let parsed = if let Some(rest) = line.strip_prefix("Inst ") {
            parse_inst(rest)
        } else if let Some(rest) = line.strip_prefix("Remv ").or_else(|| line.strip_prefix("Purg ")) {
            parse_remv(rest)
        } else {
            continue;
        };
        updates.push(parsed.ok_or_else(|| error(format!("`{}` cannot be read", input::clip(line))))?);
    }
    let installs = updates.iter().filter(|update| update.to.is_some()).count();
    let removals = updates.len() - installs;
    match Summary::read(output) {
        Some(summary) if installs < summary.installs || removals < summary.removals => Err(error(format!(
            "it was cut: {installs} of {} installations and {removals} of {} removals are told",
            summary.installs, summary.removals
        ))),
        Some(_) => Ok(updates),
        None if is_confirmed(output, &updates) => Ok(updates),
        None => Err(error("it has no summary, so it was cut".to_owned())),
    }
}

/// Whether every installation is followed by its configuration, `Conf NAME (...)`, which comes last.
fn is_confirmed(output: &str, updates: &[Update]) -> bool {
    let configured: BTreeSet<&str> = output
        .lines()
        .filter_map(|line| line.strip_prefix("Conf ")?.split(' ').next())
        .collect();
    let mut installs = updates.iter().filter(|update| update.to.is_some());
    !updates.is_empty() && installs.all(|update| configured.contains(update.name.as_str()))
}

/// `12 upgraded, 1 newly installed, 0 to remove and 3 not upgraded.`, which may count reinstalled and downgraded ones too.
#[derive(Debug, Default, PartialEq, Eq)]
struct Summary {
    installs: usize,
    removals: usize,
    kept: usize,
}

impl Summary {
    fn read(output: &str) -> Option<Self> {
        output.lines().find_map(|line| {
            let line = line.strip_suffix('.').unwrap_or(line).replace(" and ", ", ");
            let mut summary = Self::default();
            let mut parts = 0;
            for part in line.split(", ") {
                let (number, what) = part.split_once(' ')?;
                let number: usize = number.parse().ok()?;
                let count = match what {
                    "upgraded" | "newly installed" | "reinstalled" | "downgraded" => &mut summary.installs,
                    "to remove" => &mut summary.removals,
                    "not upgraded" => &mut summary.kept,
                    _ => return None,
                };
                *count = count.saturating_add(number);
                parts += 1;
            }
            (parts >= 4).then_some(summary)
        })
    }
}

/// Reads the simulation of a full upgrade, with the packages that it leaves as they are, those on hold (`Hold NAME`), those
/// that wait for their phase (`Phased NAME VERSION`), those of snapd (`Snap NAME REVISION`) and the dates of the lists
/// (`List SECONDS NAME`).
pub fn parse_pending(output: &str) -> Result<Pending, ParseError> {
    let updates = parse_simulation(output)?;
    let of = |key: &str| -> Vec<&str> {
        let lines = output.lines().filter_map(|line| line.strip_prefix(key));
        lines.collect()
    };
    let held = of("Hold ");
    let pairs = |key: &str| -> BTreeMap<&str, &str> {
        let pairs = of(key).into_iter();
        pairs.filter_map(|pair| pair.split_once(' ')).collect()
    };
    let phased = pairs("Phased ");
    let kept = |name: &str, why: Why| {
        let (why, to) = match (why, phased.get(name)) {
            (Why::KeptBack | Why::Phased, _) if held.contains(&name) => (Why::Held, None),
            (Why::KeptBack | Why::Phased, Some(&to)) => (Why::Phased, Some(input::clip(to))),
            (why, _) => (why, None),
        };
        Unrehearsed {
            why,
            name: input::clip(name),
            to,
        }
    };
    let mut left = Vec::new();
    let mut heading = None;
    for line in output.lines() {
        if let Some(names) = line.strip_prefix("  ") {
            if let Some(why) = heading {
                left.extend(names.split_whitespace().map(|name| kept(name, why)));
            }
        } else {
            heading = match line.trim_end() {
                "The following packages have been kept back:" | "Not upgrading:" => Some(Why::KeptBack),
                "The following upgrades have been deferred due to phasing:"
                | "Not upgrading yet due to phasing:" => Some(Why::Phased),
                // As ubuntu-pro-client says it, whose hook apt calls.
                line if line.contains(" Ubuntu Pro with '") && line.ends_with("' enabled:") => {
                    Some(Why::Unsubscribed)
                }
                _ => None,
            };
        }
    }
    left.sort();
    left.dedup();
    let told = Summary::read(output).map_or(0, |summary| summary.kept);
    // What is for subscribers is in no list of apt's, so apt does not count it.
    let named = left.iter().filter(|one| one.why.is_kept_back()).count();
    let unnamed = told.saturating_sub(named);
    left.extend(std::iter::repeat_n(
        kept("a package that apt does not name", Why::KeptBack),
        unnamed,
    ));
    left.extend(pairs("Snap ").into_iter().map(|(name, revision)| Unrehearsed {
        name: format!("snap {}", input::clip(name)),
        to: Some(format!("revision {}", input::clip(revision))),
        why: Why::Unpinned,
    }));
    let dates = of("List ").into_iter().filter_map(|line| {
        let (seconds, _) = line.split_once(' ')?;
        Timestamp::from_second(seconds.parse().ok()?).ok()
    });
    Ok(Pending {
        updates,
        kept: left,
        lists: dates.min(),
        ..Pending::default()
    })
}

/// The origin is the archive's own word for itself and may have brackets of both kinds in it.
fn parse_inst(rest: &str) -> Option<Update> {
    let (head, tail) = rest.split_once('(')?;
    let (inside, _) = tail.rsplit_once("])")?;
    let mut head = head.split_whitespace();
    let name = package_name(head.next()?)?;
    let from = match head.next() {
        Some(version) => Some(version.strip_prefix('[')?.strip_suffix(']')?.to_owned()),
        None => None,
    };
    let (version_and_origin, arch) = inside.rsplit_once(" [")?;
    let (to, origin) = version_and_origin.split_once(' ')?;
    let is_word =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_word(arch).then(|| Update {
        kernel: is_kernel(&name),
        name,
        arch: arch.to_owned(),
        from,
        to: Some(to.to_owned()),
        origin: origin.trim().to_owned(),
        ..Update::default()
    })
}

fn parse_remv(rest: &str) -> Option<Update> {
    let mut fields = rest.split_whitespace();
    let name = package_name(fields.next()?)?;
    let from = fields.next()?.strip_prefix('[')?.strip_suffix(']')?;
    Some(Update {
        kernel: is_kernel(&name),
        name,
        from: Some(from.to_owned()),
        ..Update::default()
    })
}

/// A package name, with `:arch` for a foreign architecture (Debian policy 5.6.1). Nothing else may reach a command.
fn package_name(text: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.:".contains(c);
    let starts = text.chars().next()?.is_ascii_alphanumeric();
    (starts && text.chars().all(fits)).then(|| text.to_owned())
}

/// Whether a package is a kernel or a part of one.
fn is_kernel(name: &str) -> bool {
    name.starts_with("linux-image") || name.starts_with("linux-modules")
}
