//! An error at the edge: what a person reads, and the process's exit code.

use crate::exit_code;
use crate::input::finding::Finding;

/// An error at the edge: what `main` prints, and the exit code.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct UserError {
    /// What went wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// What is wrong in files, if that is the matter.
    pub findings: Vec<Finding>,
    /// The process's exit code.
    pub exit: u8,
}

impl UserError {
    /// A usage or configuration error: nothing was started.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            findings: Vec::new(),
            exit: exit_code::USAGE,
        }
    }

    /// Findings that keep a command from starting.
    pub fn findings(message: impl Into<String>, findings: Vec<Finding>) -> Self {
        Self {
            findings,
            ..Self::usage(message)
        }
    }

    /// The same error with a remedy.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with another exit code.
    #[must_use]
    pub fn with_exit(mut self, exit: u8) -> Self {
        self.exit = exit;
        self
    }
}
