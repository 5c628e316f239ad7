//! How a fake guest's package manager says what is pending and what is installed.

use std::collections::BTreeMap;

use crate::guest::command::GuestCommand;
use crate::model::update::Update;

/// A package manager's outputs, as its family's parsers read them.
pub trait Tongue: Send + Sync {
    /// What would be done.
    fn updates(&self, updates: &[Update]) -> String;

    /// Every package, `name:arch` to version; one may be half installed.
    fn packages(&self, packages: &BTreeMap<String, String>, unfinished: Option<&str>) -> String;

    /// Whether a command that installs a set is to install this update; where it cannot be told, it is.
    fn installs(&self, _command: &GuestCommand, _update: &Update) -> bool {
        true
    }
}

/// apt's and dpkg's.
pub struct AptTongue;

impl Tongue for AptTongue {
    fn updates(&self, updates: &[Update]) -> String {
        let line = |update: &Update| {
            let from = update.from.as_ref().map(|from| format!(" [{from}]"));
            format!(
                "Inst {}{} ({} {} [{}])\n",
                update.name,
                from.unwrap_or_default(),
                update.to.as_deref().unwrap_or_default(),
                update.origin,
                update.arch
            )
        };
        let lines: String = updates.iter().map(line).collect();
        let new = updates.iter().filter(|update| update.from.is_none()).count();
        format!(
            "{} upgraded, {new} newly installed, 0 to remove and 0 not upgraded.\n{lines}",
            updates.len() - new
        )
    }

    fn packages(&self, packages: &BTreeMap<String, String>, unfinished: Option<&str>) -> String {
        let line = |(name, version): (&String, &String)| {
            let state = if unfinished == Some(name) { "iF" } else { "ii" };
            format!("{name}\t{version}\t{state} \n")
        };
        packages.iter().map(line).collect()
    }

    fn installs(&self, command: &GuestCommand, update: &Update) -> bool {
        let version = update.to.as_deref().unwrap_or_default();
        let wanted = format!("{}={version}", update.name);
        command.argv.contains(&wanted)
    }
}
