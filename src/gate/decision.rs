//! The decision and its reasons.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::id::{CellId, RunId};

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

/// What a reason does to the gate, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It closes the gate.
    Closes,
    /// It keeps the gate from opening.
    Undecides,
    /// It is worth knowing.
    Notes,
}

/// One reason for a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What it does.
    pub severity: Severity,
    /// The cell that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<CellId>,
    /// The scenario that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// The role of the node that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What happened. It may quote a guest, so it is made harmless where it is shown.
    pub text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Reason {
    /// One about the whole run.
    pub(super) fn of_run(severity: Severity, text: impl Into<String>, remedy: &str) -> Self {
        Self {
            severity,
            cell: None,
            scenario: None,
            role: None,
            text: text.into(),
            remedy: Some(remedy.to_owned()),
        }
    }
}

/// What the last line counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Cells that passed.
    pub passed: usize,
    /// Cells of the plan.
    pub planned: usize,
    /// Cells of the lab that the plan left out.
    #[serde(skip_serializing_if = "is_none")]
    pub left_out: usize,
    /// What closes the gate, in all cells: scenarios that regressed, and nodes that close it by themselves: by their updates, their
    /// end or their drift; each once.
    pub regressed: usize,
    /// Scenarios, in all cells, that are inconclusive, and nodes whose arms could not be compared though both came to
    /// their end.
    pub inconclusive: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// The gate and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The decision.
    pub gate: Gate,
    /// Why, worst first, in the plan's order.
    pub reasons: Vec<Reason>,
    /// What the last line counts.
    pub counts: Counts,
}

impl Decision {
    /// The same decision with more reasons. No reason opens a gate.
    #[must_use]
    pub fn with(mut self, reasons: impl IntoIterator<Item = Reason>) -> Self {
        self.reasons.extend(reasons);
        self.reasons.sort_by_key(|reason| reason.severity);
        let worst = self.reasons.first().map(|reason| reason.severity);
        self.gate = match (worst, self.gate) {
            (Some(Severity::Closes), _) => Gate::Closed,
            (Some(Severity::Undecides), Gate::Open) => Gate::Undecided,
            (Some(Severity::Undecides | Severity::Notes) | None, gate) => gate,
        };
        self
    }

    /// That of a run of which nothing can be told.
    pub fn of_nothing(why: &str, remedy: &str) -> Self {
        Self {
            gate: Gate::Undecided,
            reasons: vec![Reason::of_run(Severity::Undecides, why, remedy)],
            counts: Counts {
                passed: 0,
                planned: 0,
                regressed: 0,
                inconclusive: 0,
                left_out: 0,
            },
        }
    }

    /// The line that ends `run` and `gate`; a contract with scripts.
    pub fn line(&self, run: &RunId) -> String {
        let Counts {
            passed,
            planned,
            left_out,
            regressed,
            inconclusive,
        } = self.counts;
        let of = match left_out {
            0 => String::new(),
            left_out => format!(" of {}", planned + left_out),
        };
        format!(
            "gate: {} run={run} cells={passed}/{planned}{of} regressed={regressed} inconclusive={inconclusive}",
            self.gate
        )
    }
}
