//! `decide`: from verdicts and policy to the gate. Pure.
#![warn(clippy::wildcard_enum_match_arm)]

mod cell;
mod decide;
mod decision;
mod drift;
mod hosts;
mod measured;
pub mod outdated;
mod suspects;

pub use decide::{decide, decide_part};
pub use decision::{Counts, Decision, Gate, Reason, Severity};
