//! The names of what is planned and run.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
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

    /// When the run began, by its id; nothing where that is no time.
    pub fn began(&self) -> Option<Timestamp> {
        let (time, _) = self.0.rsplit_once('-')?;
        let time = DateTime::strptime("%Y%m%d-%H%M%S", time).ok()?;
        TimeZone::UTC.to_timestamp(time).ok()
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
        ArmKind::from(*self).fmt(f)
    }
}

/// What an arm is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArmKind {
    /// The side of the comparison without updates.
    Control,
    /// The side of the comparison with them.
    Treatment,
    /// A try of scenarios, or the first look at an image, which are compared with nothing.
    Trial,
    /// The nodes of a cell that are booted to be saved, for other arms to go on from.
    Warm,
}

impl ArmKind {
    /// The side of the comparison that it is, if it is one.
    pub fn side(self) -> Option<Arm> {
        match self {
            Self::Control => Some(Arm::Control),
            Self::Treatment => Some(Arm::Treatment),
            Self::Trial | Self::Warm => None,
        }
    }
}

impl From<Arm> for ArmKind {
    fn from(arm: Arm) -> Self {
        match arm {
            Arm::Control => Self::Control,
            Arm::Treatment => Self::Treatment,
        }
    }
}

impl fmt::Display for ArmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Control => "control",
            Self::Treatment => "treatment",
            Self::Trial => "trial",
            Self::Warm => "warm",
        })
    }
}

/// Names one arm of a run: whatever it does is said in its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ArmId {
    /// Its cell.
    pub cell: CellId,
    /// What it is for.
    pub kind: ArmKind,
    /// Which try of its cell it belongs to; counts from 1.
    #[serde(rename = "try")]
    pub nth_try: u32,
}

impl ArmId {
    /// An arm of a cell's first try.
    pub fn first(cell: &CellId, kind: impl Into<ArmKind>) -> Self {
        Self {
            cell: cell.clone(),
            kind: kind.into(),
            nth_try: 1,
        }
    }

    /// Its cell, and the side of the comparison that it is; nothing where it is none.
    pub fn side(&self) -> Option<(&CellId, Arm)> {
        self.kind.side().map(|arm| (&self.cell, arm))
    }
}

impl fmt::Display for ArmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cell, self.kind)?;
        match self.nth_try {
            1 => Ok(()),
            nth => write!(f, " (try {nth})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_when_its_run_began() {
        let now: Timestamp = "2026-11-23T14:09:12Z".parse().expect("a time");
        assert_eq!(RunId::new(now, 0x7c1f).began(), Some(now));
        let never: RunId = "20261399-999999-7c1f".parse().expect("an id");
        assert_eq!(never.began(), None);
    }

    #[test]
    fn an_arm_is_told_by_cell_kind_and_try() {
        let first = ArmId::first(&CellId::new("web", "debian-12"), Arm::Treatment);
        assert_eq!(first.to_string(), "web/debian-12 treatment");
        let second = ArmId { nth_try: 2, ..first };
        assert_eq!(second.to_string(), "web/debian-12 treatment (try 2)");
        let json = serde_json::to_value(&second).expect("JSON");
        let expected = serde_json::json!({ "cell": "web/debian-12", "kind": "treatment", "try": 2 });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<ArmId>(json).expect("an id"), second);
    }
}
