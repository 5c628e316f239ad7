//! The truth about packages, which dpkg has.

use std::time::Duration;

use crate::guest::answer::PackageState;
use crate::guest::apt::command::ENV;
use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::linux::command::{bounded, listing};
use crate::guest::what;
use crate::input;
use crate::model::update::PackageStates;

/// Asks dpkg for every package that it knows, with version and state (dpkg-query(1)).
pub fn packages() -> GuestCommand {
    listing(
        what::PACKAGES,
        &[
            "/usr/bin/dpkg-query",
            "-W",
            "-f",
            "${Package}:${Architecture}\\t${Version}\\t${db:Status-Abbrev}\\n",
        ],
        &ENV,
        Duration::from_secs(120),
    )
}

/// Asks dpkg for one package: `state<TAB>version`, or nothing where it knows none of that name.
pub fn package(name: &str, timeout: Duration) -> GuestCommand {
    bounded(
        "package",
        &[
            "/usr/bin/dpkg-query",
            "-W",
            "-f",
            "${db:Status-Abbrev}\\t${Version}\\n",
            "--",
            name,
        ],
        &ENV,
        timeout,
    )
}

/// Reads the answer to [`package`].
pub fn parse_package(output: &str) -> PackageState {
    let (state, version) = output.trim_end().split_once('\t').unwrap_or(("absent", ""));
    let is_installed = state.as_bytes().get(1) == Some(&b'i') && state.trim_end().len() == 2;
    PackageState {
        version: is_installed.then(|| version.to_owned()),
        state: state.trim().to_owned(),
    }
}

/// Reads the answer to [`packages`].
pub fn parse_packages(output: &str) -> Result<PackageStates, ParseError> {
    let mut states = PackageStates::default();
    for line in output.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, version, state] = fields[..] else {
            return Err(ParseError {
                what: "dpkg's package states",
                problem: format!("`{}` has not three fields", input::clip(line)),
            });
        };
        // Second letter: i installed, n not installed, c only its configuration files remain; a third one is an error.
        match state.trim_end().as_bytes() {
            [_, b'i'] => {
                states.installed.insert(name.to_owned(), version.to_owned());
            }
            [_, b'n' | b'c'] => {}
            _ => {
                states
                    .unfinished
                    .insert(name.to_owned(), state.trim_end().to_owned());
            }
        }
    }
    if states.installed.is_empty() {
        return Err(ParseError {
            what: "dpkg's package states",
            problem: "no package is installed".into(),
        });
    }
    Ok(states)
}
