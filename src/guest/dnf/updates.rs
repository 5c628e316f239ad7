//! What the contract asks of a package manager, answered by dnf and rpm.

use std::time::Duration;

use crate::guest::answer::{PackageState, Pending};
use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::dnf::command::Major;
use crate::guest::dnf::{answer, blame, command, reboot};
use crate::guest::family::{Updates, Words};
use crate::guest::{rpm, what};
use crate::input;
use crate::model::advisory::Advisory;
use crate::model::outcome::Cause;
use crate::model::update::{PackageStates, Update, UpdateSet};

/// dnf with rpm.
#[derive(Debug)]
pub struct Dnf(Major);

/// dnf 4.
pub const DNF4: Dnf = Dnf(Major::Four);

/// dnf 5. It cannot roll back: a stored transaction knows no version that the sources do not show as the newest.
pub const DNF5: Dnf = Dnf(Major::Five);

impl Updates for Dnf {
    fn words(&self) -> Words {
        let (refresh, manager) = match self.0 {
            Major::Four => ("dnf makecache", "dnf"),
            Major::Five => ("dnf5 makecache", "dnf5"),
        };
        Words {
            refresh,
            manager,
            database: "rpm",
        }
    }

    fn refresh(&self, proxy: Option<&str>, timeout: Duration) -> GuestCommand {
        self.0.call(what::REFRESH, "refresh", proxy, None, timeout)
    }

    fn refresh_errors(&self, stderr: &str) -> Vec<String> {
        command::refresh_errors(stderr)
    }

    fn pending(&self, timeout: Duration) -> GuestCommand {
        self.0.call(what::PENDING, "pending", None, None, timeout)
    }

    fn resolve(&self, updates: &[Update], timeout: Duration) -> GuestCommand {
        self.0
            .call(what::RESOLVE, "resolve", None, Some(updates), timeout)
    }

    fn parse_updates(&self, output: &str) -> Result<Vec<Update>, ParseError> {
        answer::updates(output)
    }

    fn parse_pending(&self, output: &str) -> Result<Pending, ParseError> {
        answer::pending(output)
    }

    fn is_security(&self, update: &Update, origins: &[&str]) -> bool {
        rpm::is_security(update, origins)
    }

    /// dnf 5 tells of all advisories and of what is installed.
    fn advisories(&self, set: &UpdateSet, timeout: Duration) -> Option<GuestCommand> {
        let of = match self.0 {
            Major::Four => Some(&set.updates[..]),
            Major::Five => None,
        };
        Some(self.0.call(what::ADVISORIES, "advisories", None, of, timeout))
    }

    fn parse_advisories(&self, output: &str, set: &UpdateSet) -> Result<Vec<Advisory>, ParseError> {
        match self.0 {
            Major::Four => answer::advisories(output),
            Major::Five => answer::advisories_of(output, &set.updates),
        }
    }

    /// Digests and signatures are checked there.
    fn fetch(&self, set: &UpdateSet, proxy: Option<&str>, timeout: Duration) -> GuestCommand {
        self.0
            .call(what::FETCH, "fetch", proxy, Some(&set.updates), timeout)
    }

    /// Nothing at all is installed where that would be more or less than the set.
    fn apply(&self, set: &UpdateSet, timeout: Duration) -> GuestCommand {
        self.0
            .call(what::APPLY, "apply", None, Some(&set.updates), timeout)
    }

    fn blame(&self, output: &str) -> Option<(Cause, String)> {
        blame::blame(output)
    }

    fn was_at(&self, output: &str) -> Option<String> {
        match self.0 {
            Major::Four => {
                let line = output.lines().rev().find_map(|line| line.strip_prefix("At\t"))?;
                let (package, action) = line.split_once('\t')?;
                Some(input::clip(&format!("{package} ({action})")))
            }
            Major::Five => None,
        }
    }

    fn packages(&self) -> GuestCommand {
        rpm::packages()
    }

    fn parse_packages(&self, output: &str) -> Result<PackageStates, ParseError> {
        rpm::parse_packages(output)
    }

    fn package(&self, name: &str, timeout: Duration) -> GuestCommand {
        rpm::package(name, timeout)
    }

    fn parse_package(&self, output: &str) -> PackageState {
        rpm::parse_package(output)
    }

    fn reboot_hints(&self) -> GuestCommand {
        reboot::hints()
    }

    fn reboot_reason(&self, hints: &str, set: &UpdateSet) -> Option<String> {
        reboot::reason(hints, set)
    }

    fn not_booted(&self, set: &UpdateSet, running: &str) -> Option<String> {
        reboot::not_booted(set, running)
    }

    /// As far as the sources, any of them, still have what was there before.
    fn roll_back(&self, set: &UpdateSet, proxy: Option<&str>, timeout: Duration) -> Option<GuestCommand> {
        match self.0 {
            Major::Four => {
                let mut back = set.back();
                for update in &mut back {
                    "*".clone_into(&mut update.origin);
                }
                let what = "roll the update set back";
                Some(self.0.call(what, "rollback", proxy, Some(&back), timeout))
            }
            Major::Five => None,
        }
    }
}
