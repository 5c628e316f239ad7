//! `decide`: from verdicts and policy to the gate. Pure.
#![warn(clippy::wildcard_enum_match_arm)]

mod cell;
mod decide;
mod decision;
mod drift;
mod hosts;
mod measured;

pub use decide::decide;
pub use decision::{Counts, Decision, Gate, Reason, Severity};
