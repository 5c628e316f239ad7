//! The process's exit codes, a contract with CI jobs; `--help` and the README list them.

use crate::gate::Gate;
use crate::session::outcome::TryResult;

/// The gate is open, or the command did what it was asked.
pub const OPEN: u8 = 0;
/// The gate is closed.
pub const CLOSED: u8 = 1;
/// A usage or configuration error; nothing was started.
pub const USAGE: u8 = 2;
/// The gate is undecided: inconclusive, interrupted, incomplete, of a part of the lab, or outdated.
pub const UNDECIDED: u8 = 3;
/// A second interrupt ended the run before its clean-up did.
pub const INTERRUPTED: u8 = 130;

/// The exit code that stands for a decision.
pub fn of_gate(gate: Gate) -> u8 {
    match gate {
        Gate::Open => OPEN,
        Gate::Closed => CLOSED,
        Gate::Undecided => UNDECIDED,
    }
}

/// The exit code that stands for what came of a trial.
pub fn of_trial(result: TryResult) -> u8 {
    match result {
        TryResult::Passed => OPEN,
        TryResult::Failed => CLOSED,
        TryResult::Undecided => UNDECIDED,
    }
}
