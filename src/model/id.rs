//! The names of what is planned and run.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `<group>/<os>`, such as `accounting/debian-12`: the unit that is planned, run and judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CellId(pub String);

impl CellId {
    /// The cell of a group on an OS version.
    pub fn new(group: &str, os: &str) -> Self {
        Self(format!("{group}/{os}"))
    }
}

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Names one run: `20261123-140912-7c1f`, sortable by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl RunId {
    /// The id of a run that starts at `now` (UTC), told from its neighbours by four hexadecimal digits.
    pub fn new(now: Timestamp, salt: u16) -> Self {
        Self(format!("{}-{salt:04x}", now.strftime("%Y%m%d-%H%M%S")))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = |c: char, model: char| match model {
            'd' => c.is_ascii_digit(),
            'x' => matches!(c, '0'..='9' | 'a'..='f'),
            other => c == other,
        };
        let model = "dddddddd-dddddd-xxxx";
        if text.len() == model.len() && text.chars().zip(model.chars()).all(|(c, m)| shape(c, m)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{text}` is not a run id such as 20261123-140912-7c1f"))
        }
    }
}

impl TryFrom<String> for RunId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One side of the comparison; both are forked from the same sealed base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// Same life cycle, no updates.
    Control,
    /// The pinned update set is applied.
    Treatment,
}

impl Arm {
    /// Both arms, in the order in which they are shown.
    pub const BOTH: [Self; 2] = [Self::Control, Self::Treatment];
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Control => "control",
            Self::Treatment => "treatment",
        })
    }
}
