//! `decide`: from verdicts and policy to the gate. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The decision over all verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// Production may be touched.
    Open,
    /// It must not be: the updates broke something.
    Closed,
    /// Nobody can tell.
    Undecided,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "OPEN",
            Self::Closed => "CLOSED",
            Self::Undecided => "UNDECIDED",
        })
    }
}
