//! What patchgate itself reads from a Linux guest: two bounded commands, and the parser of their output.
//!
//! Each section of the output is `@@ NAME`, lines that begin with a space, perhaps `@! REASON` where reading it failed or
//! `@- REASON` where the guest has not what it takes, and `@.` at its end. What has no end was cut off, and counts as not read.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::linux::command::listing;
use crate::guest::linux::observe_items as items;
use crate::guest::what;
use crate::input;
use crate::model::observation::{Class, Observation, Reading};

/// How long one of the commands may take, under TCG and load.
const PATIENCE: Duration = Duration::from_secs(150);

/// The log lines that are kept of a failed unit.
const UNIT_LOG_LINES: &str = "12";

/// What both commands begin with.
pub(super) const HEAD: &str = include_str!("observe_head.sh");

/// The node's state.
const STATE: &str = include_str!("observe_state.sh");

/// Its files.
const FILES: &str = include_str!("observe_files.sh");

/// How far ahead a certificate's end is looked for, in seconds: 30 days.
const AHEAD: &str = "2592000";

/// The commands whose outputs, in their order, [`parse`] reads. `etc` is shell text of the package manager's: it defines
/// a function `etc`, which tells of the files below /etc in the lines of [`Class::Config`] and [`Class::Leftover`], and names
/// the programs that this takes in `etc_takes`.
pub fn commands(etc: &str) -> Vec<GuestCommand> {
    vec![
        command(what::OBSERVE, &[HEAD, STATE], &[UNIT_LOG_LINES]),
        command(what::OBSERVE_FILES, &[HEAD, etc, FILES], &[AHEAD]),
    ]
}

/// The command for what of a node's state is looked at once more: what [`parse`] does not find it does not take for nothing.
pub fn late_commands() -> Vec<GuestCommand> {
    vec![command(what::OBSERVE, &[HEAD, STATE], &[UNIT_LOG_LINES, LATE])]
}

/// What asks for [`Class::LATE`] alone.
pub const LATE: &str = "late";

fn command(what: &str, texts: &[&str], arguments: &[&str]) -> GuestCommand {
    let text = texts.concat();
    let mut line = vec!["/bin/bash", "-c", text.as_str(), "patchgate"];
    line.extend(arguments);
    listing(what, &line, &[("SYSTEMD_COLORS", "0")], PATIENCE)
}

/// One section of the output.
#[derive(Debug, Default)]
struct Section<'a> {
    lines: Vec<&'a str>,
    problem: Option<Reading>,
    ended: bool,
}

/// The sections of the outputs.
#[derive(Debug, Default)]
pub(super) struct Sections<'a>(BTreeMap<&'a str, Section<'a>>);

impl<'a> Sections<'a> {
    /// Reads them.
    pub(super) fn read(outputs: &[&'a str]) -> Self {
        let mut sections: BTreeMap<&str, Section<'_>> = BTreeMap::new();
        for output in outputs {
            let mut name = None;
            for line in output.lines() {
                if let Some(next) = line.strip_prefix("@@ ") {
                    name = Some(next);
                    sections.entry(next).or_default();
                    continue;
                }
                let Some(section) = name.and_then(|name| sections.get_mut(name)) else {
                    continue;
                };
                if line == "@." {
                    section.ended = true;
                    name = None;
                } else if let Some(problem) = line.strip_prefix("@! ") {
                    section.problem = Some(Reading::Unreadable(input::clip(problem)));
                } else if let Some(problem) = line.strip_prefix("@- ") {
                    section.problem = Some(Reading::Absent(input::clip(problem)));
                } else if let Some(text) = line.strip_prefix(' ') {
                    section.lines.push(text);
                }
            }
        }
        Self(sections)
    }

    /// The lines of a section, or why there are none to be believed.
    pub(super) fn lines(&self, name: &str) -> Result<&[&'a str], Reading> {
        let failed = |why: &str| Err(Reading::Unreadable(why.to_owned()));
        match self.0.get(name) {
            None => failed("the guest did not come to it"),
            Some(Section {
                problem: Some(problem),
                ..
            }) => Err(problem.clone()),
            Some(section) if !section.ended => failed("the guest's output ends within it"),
            Some(section) => Ok(&section.lines),
        }
    }

    /// Reads a class from its sections; where one of them cannot be read, the class cannot.
    fn reading<const N: usize>(
        &self,
        names: [&str; N],
        read: impl FnOnce([&[&'a str]; N]) -> BTreeMap<String, String>,
    ) -> Reading {
        let mut all: [&[&str]; N] = [&[]; N];
        for (slot, name) in all.iter_mut().zip(names) {
            match self.lines(name) {
                Ok(lines) => *slot = lines,
                Err(problem) => return problem,
            }
        }
        Reading::Items(clipped(read(all)))
    }
}

/// Items with bounded names and values.
fn clipped(items: BTreeMap<String, String>) -> BTreeMap<String, String> {
    const MOST: usize = 300;
    let clip = |text: String| match text.char_indices().nth(MOST) {
        Some((at, _)) => text[..at].to_owned(),
        None => text,
    };
    items
        .into_iter()
        .map(|(item, value)| (clip(item), clip(value)))
        .collect()
}

/// Reads the outputs of [`commands`]; packages are the family's own.
///
/// # Errors
/// The outputs have nothing of what the commands print first. Everything else that is missing or cut is unreadable.
pub fn parse(outputs: &[&str]) -> Result<Observation, ParseError> {
    let sections = Sections::read(outputs);
    let mut observation = Observation::default();
    for class in Class::ALL {
        let reading = match class {
            Class::Service => sections.reading(["units"], |[units]| items::services(units)),
            Class::Timer => sections.reading(["units"], |[units]| items::timers(units)),
            Class::Enabled => sections.reading(["enabled"], |[links]| items::enabled(links)),
            Class::Listening => sections.reading(["listening"], |[sockets]| items::listening(sockets)),
            Class::Restart => sections.reading(["restarts"], |[lines]| items::restarts(lines)),
            Class::Kernel => sections.reading(["kernel"], |[lines]| items::pairs(lines)),
            Class::Config => sections.reading(["etc"], |[files]| items::config(files)),
            Class::Leftover => sections.reading(["etc"], |[files]| items::leftovers(files)),
            Class::Taint => sections.reading(["taint", "sick"], |[flags, lines]| items::taint(flags, lines)),
            Class::Dump => sections.reading(["dumps"], |[files]| items::dumps(files)),
            Class::Mount => sections.reading(["mounts"], |[mounts]| items::mounts(mounts)),
            Class::User => {
                sections.reading(["users", "groups"], |[users, groups]| items::users(users, groups))
            }
            Class::Firewall => sections.reading(["firewall"], |[rules]| items::firewall(rules)),
            Class::Stale => sections.reading(["processes", "deleted"], |[processes, maps]| {
                items::stale(processes, maps)
            }),
            Class::Journal => sections.reading(["errors"], |[lines]| items::journal(lines)),
            Class::Certificate => sections.reading(["certificates"], |[files]| items::certificates(files)),
            Class::Disk => sections.reading(["disk"], |[lines]| items::disk(lines)),
            Class::Memory => sections.reading(["memory", "processes"], |[memory, processes]| {
                items::memory(memory, processes)
            }),
            Class::Boot => match sections.reading(["boot"], |[lines]| items::boot(lines)) {
                Reading::Items(items) if items.is_empty() => {
                    Reading::Unreadable("the boot has not come to its end".to_owned())
                }
                reading => reading,
            },
            Class::Package => continue,
        };
        observation.readings.insert(class, reading);
    }
    if observation.kernel().is_none() {
        return Err(ParseError {
            what: "the observation",
            problem: format!(
                "no kernel release in `{}`",
                input::clip(outputs.first().copied().unwrap_or_default())
            ),
        });
    }
    if let Ok(lines) = sections.lines("etc") {
        observation.writers = items::writers(lines);
    }
    observation.unit_logs = sections
        .0
        .iter()
        .filter_map(|(name, section)| Some((name.strip_prefix("log ")?, section)))
        .map(|(unit, section)| {
            let text = section.lines.iter().map(|line| format!("{line}\n"));
            (unit.to_owned(), text.collect())
        })
        .collect();
    Ok(observation)
}
