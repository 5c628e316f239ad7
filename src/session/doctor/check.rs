//! A check, and how it came out.

use serde::Serialize;

use crate::port::LabError;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// `run` works, less well or not everything.
    Warning,
    /// `run` cannot work.
    Failed,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The host that it is about, where several are looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What was looked at.
    pub name: &'static str,
    /// How it came out.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Check {
    /// A check that found what it should.
    pub fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            host: None,
            name,
            health: Health::Ok,
            found: found.into(),
            remedy: None,
        }
    }

    /// A check that found something to know about.
    pub fn warning(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            health: Health::Warning,
            remedy: Some(remedy.into()),
            ..Self::ok(name, found)
        }
    }

    /// A check that failed.
    pub fn failed(name: &'static str, error: LabError) -> Self {
        Self {
            host: None,
            name,
            health: Health::Failed,
            found: error.message,
            remedy: error.hint,
        }
    }
}

/// Whether `run` can work.
pub fn works(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.health != Health::Failed)
}
