//! What the contract asks of a package manager, answered by apt.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::guest::answer::{PackageState, Pending};
use crate::guest::apt::{advisories, blame, command, origin, packages, reboot, simulation, versions};
use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::family::{Updates, Words};
use crate::input;
use crate::model::advisory::Advisory;
use crate::model::outcome::Cause;
use crate::model::update::{PackageStates, Update, UpdateSet};

/// Shell text that tells of the files below /etc, as [`Linux`](crate::guest::linux::Linux) takes it.
pub const ETC: &str = include_str!("observe_etc.sh");

/// Shell text that keeps the guest from updating itself beside a run, as [`Linux`](crate::guest::linux::Linux) takes it.
pub const QUIET: &str = include_str!("quiet.sh");

/// apt with dpkg. It cannot roll back: archives keep no version but the newest.
#[derive(Debug)]
pub struct Apt;

impl Updates for Apt {
    fn words(&self) -> Words {
        Words {
            refresh: "apt-get update",
            manager: "apt-get",
            database: "dpkg",
        }
    }

    fn refresh(&self, proxy: Option<&str>, timeout: Duration) -> GuestCommand {
        command::refresh(proxy, timeout)
    }

    fn refresh_errors(&self, stderr: &str) -> Vec<String> {
        command::refresh_errors(stderr)
    }

    fn pending(&self, timeout: Duration) -> GuestCommand {
        command::pending(timeout)
    }

    fn resolve(&self, updates: &[Update], timeout: Duration) -> GuestCommand {
        command::simulate(updates, timeout)
    }

    fn parse_updates(&self, output: &str) -> Result<Vec<Update>, ParseError> {
        simulation::parse_simulation(output)
    }

    fn parse_pending(&self, output: &str) -> Result<Pending, ParseError> {
        simulation::parse_pending(output)
    }

    fn fixes(&self, updates: &[Update], timeout: Duration) -> Option<GuestCommand> {
        Some(command::versions(updates, timeout))
    }

    fn parse_fixes(&self, output: &str, origins: &[&str]) -> BTreeSet<String> {
        versions::superseded(output, origins)
    }

    fn is_security(&self, update: &Update, origins: &[&str]) -> bool {
        origin::is_among(&update.origin, origins)
    }

    fn advisories(&self, set: &UpdateSet, timeout: Duration) -> Option<GuestCommand> {
        Some(advisories::ask(set, timeout))
    }

    fn parse_advisories(&self, output: &str, set: &UpdateSet) -> Result<Vec<Advisory>, ParseError> {
        advisories::parse(output, set)
    }

    fn fetch(&self, set: &UpdateSet, proxy: Option<&str>, timeout: Duration) -> GuestCommand {
        command::download(set, proxy, timeout)
    }

    fn apply(&self, set: &UpdateSet, timeout: Duration) -> GuestCommand {
        command::apply(set, timeout)
    }

    fn blame(&self, output: &str) -> Option<(Cause, String)> {
        blame::blame(output)
    }

    fn was_at(&self, output: &str) -> Option<String> {
        let starts = ["Setting up ", "Unpacking ", "Preparing to unpack ", "Removing "];
        let mut lines = output.lines().rev();
        let line = lines.find(|line| starts.iter().any(|start| line.starts_with(start)))?;
        Some(input::clip(line.trim_end_matches(" ...")))
    }

    fn packages(&self) -> GuestCommand {
        packages::packages()
    }

    fn parse_packages(&self, output: &str) -> Result<PackageStates, ParseError> {
        packages::parse_packages(output)
    }

    fn package(&self, name: &str, timeout: Duration) -> GuestCommand {
        packages::package(name, timeout)
    }

    fn parse_package(&self, output: &str) -> PackageState {
        packages::parse_package(output)
    }

    fn reboot_hints(&self) -> GuestCommand {
        reboot::hints()
    }

    fn reboot_reason(&self, hints: &str, set: &UpdateSet) -> Option<String> {
        reboot::reason(hints, set)
    }

    fn not_booted(&self, set: &UpdateSet, running: &str) -> Option<String> {
        let kernel = reboot::new_kernel(set).filter(|kernel| *kernel != running);
        kernel.map(str::to_owned)
    }
}
