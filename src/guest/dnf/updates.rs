//! What the contract asks of a package manager, answered by dnf 4.

use std::time::Duration;

use crate::guest::answer::{PackageState, Pending};
use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::dnf::{answer, blame, command, reboot};
use crate::guest::family::{Updates, Words};
use crate::guest::rpm;
use crate::input;
use crate::model::advisory::Advisory;
use crate::model::outcome::Cause;
use crate::model::update::{PackageStates, Proof, Update, UpdateSet};

/// dnf 4 with rpm, asked by its own Python API.
#[derive(Debug)]
pub struct Dnf4;

impl Updates for Dnf4 {
    fn words(&self) -> Words {
        Words {
            refresh: "dnf makecache",
            manager: "dnf",
            database: "rpm",
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
        command::resolve(updates, timeout)
    }

    fn parse_updates(&self, output: &str) -> Result<Vec<Update>, ParseError> {
        answer::updates(output)
    }

    fn parse_pending(&self, output: &str) -> Result<Pending, ParseError> {
        answer::pending(output)
    }

    /// Its advisories say it, or its repository is named as one of security.
    fn is_security(&self, update: &Update, origins: &[&str]) -> bool {
        rpm::is_security(update, origins)
    }

    fn advisories(&self, set: &UpdateSet, timeout: Duration) -> Option<GuestCommand> {
        Some(command::advisories(set, timeout))
    }

    fn parse_advisories(&self, output: &str, _set: &UpdateSet) -> Result<Vec<Advisory>, ParseError> {
        answer::advisories(output)
    }

    fn fetch(&self, set: &UpdateSet, proxy: Option<&str>, timeout: Duration) -> GuestCommand {
        command::fetch(set, proxy, timeout)
    }

    fn apply(&self, set: &UpdateSet, timeout: Duration) -> GuestCommand {
        command::apply(set, timeout)
    }

    fn blame(&self, output: &str) -> Option<(Cause, String)> {
        blame::blame(output)
    }

    fn was_at(&self, output: &str) -> Option<String> {
        let line = output.lines().rev().find_map(|line| line.strip_prefix("At\t"))?;
        let (package, action) = line.split_once('\t')?;
        Some(input::clip(&format!("{package} ({action})")))
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

    /// The kernel that runs afterwards must be of the set, where that has one.
    fn prove(
        &self,
        set: &UpdateSet,
        before: &PackageStates,
        after: &PackageStates,
        boot_changed: bool,
        running: &str,
    ) -> Proof {
        let mut proof = Proof::compare(set, before, after, self.words().database);
        proof.boot_changed = boot_changed;
        let kernels = reboot::kernels(set);
        if !kernels.is_empty() && !reboot::is_one(running, &kernels) {
            let names: Vec<String> = kernels.into_iter().collect();
            proof.missing.push(format!(
                "kernel {}: installed, but {running} was booted",
                names.join(" or ")
            ));
        }
        proof
    }

    fn roll_back(&self, set: &UpdateSet, proxy: Option<&str>, timeout: Duration) -> Option<GuestCommand> {
        Some(command::roll_back(set, proxy, timeout))
    }
}
