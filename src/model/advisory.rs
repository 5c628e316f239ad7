//! Why updates are made: what the sources' metadata, or the packages' own changelogs, say of them. Pure.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What an advisory is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A hole is closed.
    Security,
    /// Something works again.
    Bugfix,
    /// Something is new.
    Enhancement,
    /// Its sources say something else, or nothing.
    Other,
}

/// How grave its makers call it, the least first (<https://access.redhat.com/security/updates/classification>); where none of
/// these words is used it is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The least.
    Low,
    /// In between.
    Moderate,
    /// Nearly the most.
    Important,
    /// The most.
    Critical,
}

impl Severity {
    /// Reads the word of any distribution for one; `None` for what is none, or not known.
    pub fn parse(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "low" | "negligible" | "unimportant" => Some(Self::Low),
            "moderate" | "medium" => Some(Self::Moderate),
            "important" | "high" => Some(Self::Important),
            "critical" => Some(Self::Critical),
            _ => None,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Moderate => "moderate",
            Self::Important => "important",
            Self::Critical => "critical",
        })
    }
}

/// What one update is for, all of its advisories taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Purpose {
    /// The gravest of its kinds.
    pub kind: Kind,
    /// The gravest of its severities, of those of that kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// When the first of these was issued, where they tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<Date>,
}

impl Purpose {
    /// What several advisories together make an update for; `None` of none.
    pub fn of(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        let all: Vec<Self> = all.into_iter().collect();
        let kind = all.iter().map(|one| one.kind).min()?;
        let of_it = || all.iter().filter(|one| one.kind == kind);
        Some(Self {
            kind,
            severity: of_it().filter_map(|one| one.severity).max(),
            issued: of_it().filter_map(|one| one.issued).min(),
        })
    }
}

/// An advisory that concerns a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Advisory {
    /// Its name, such as `DSA-5678-1`, `RHSA-2026:1234`, or a CVE where no more is told.
    pub id: String,
    /// What it is about.
    pub kind: Kind,
    /// How grave it is, where that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// What it says, in a line; empty where nothing is told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The CVEs that it names, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cves: Vec<String>,
    /// The packages of the set that close it, by [`Update::name`](crate::model::update::Update::name).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed_by: Vec<String>,
    /// The packages that are on the node as it names them, and that nothing of the set mends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_in: Vec<String>,
}

impl Advisory {
    /// Whether nothing of it is left when the set is installed.
    pub fn is_closed(&self) -> bool {
        self.open_in.is_empty() && !self.closed_by.is_empty()
    }
}
