//! `judge`: from plan and events to verdicts. Pure.

use serde::{Deserialize, Serialize};

use crate::outcome::Cause;

/// The verdict on one scenario in one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Both arms passed at the first run.
    Pass,
    /// Control passed and treatment failed.
    Regressed,
    /// Control failed and treatment passed.
    Fixed,
    /// Both arms failed: not the updates' fault.
    AlreadyBroken,
    /// An arm passed only on a retry.
    Flaky,
    /// The lab failed; the cause says how.
    Inconclusive(Cause),
    /// It has no result in an arm.
    NotRun,
}
