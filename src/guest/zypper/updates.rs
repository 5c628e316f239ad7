//! What the contract asks of a package manager, answered by zypper and rpm.

use std::time::Duration;

use crate::guest::answer::{PackageState, Pending};
use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::family::{Updates, Words};
use crate::guest::rpm;
use crate::guest::zypper::{blame, command, patches, pending, reboot};
use crate::model::advisory::Advisory;
use crate::model::outcome::Cause;
use crate::model::update::{PackageStates, Update, UpdateSet};

/// zypper with rpm.
#[derive(Debug)]
pub struct Zypper;

impl Updates for Zypper {
    fn words(&self) -> Words {
        Words {
            refresh: "zypper refresh",
            manager: "zypper",
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
        pending::parse(output).map(|pending| pending.updates)
    }

    fn parse_pending(&self, output: &str) -> Result<Pending, ParseError> {
        pending::parse(output)
    }

    fn is_security(&self, update: &Update, origins: &[&str]) -> bool {
        rpm::is_security(update, origins)
    }

    fn advisories(&self, _: &UpdateSet, timeout: Duration) -> Option<GuestCommand> {
        Some(command::advisories(timeout))
    }

    fn parse_advisories(&self, output: &str, set: &UpdateSet) -> Result<Vec<Advisory>, ParseError> {
        patches::advisories(output, set)
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
        reboot::not_booted(set, running).map(str::to_owned)
    }

    fn roll_back(&self, set: &UpdateSet, proxy: Option<&str>, timeout: Duration) -> Option<GuestCommand> {
        Some(command::roll_back(set, proxy, timeout))
    }
}
