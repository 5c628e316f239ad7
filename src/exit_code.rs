//! The process's exit codes, a contract with CI jobs; `--help` and the README list them.

/// The gate is open, or the command did what it was asked.
pub const OPEN: u8 = 0;
/// The gate is closed.
pub const CLOSED: u8 = 1;
/// A usage or configuration error; nothing was started.
pub const USAGE: u8 = 2;
/// The gate is undecided: inconclusive, interrupted or incomplete.
pub const UNDECIDED: u8 = 3;
/// A second interrupt ended the run before its clean-up did.
pub const INTERRUPTED: u8 = 130;
