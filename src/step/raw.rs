//! What came back from a guest.

use crate::guest::answer::ResultsFile;
use crate::model::screen::Screen;

/// What came back from the guest for one attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Raw {
    /// Exit code; `None` where a signal ended the command.
    pub exit: Option<i32>,
    /// Output, bounded.
    pub stdout: Vec<u8>,
    /// Error output, bounded.
    pub stderr: Vec<u8>,
    /// Whether the step's time-out ended it.
    pub timed_out: bool,
    /// The files of results that a script wrote, where it was to write some and did.
    pub results: Vec<ResultsFile>,
    /// The picture of the node's screen, where it was kept.
    pub screen: Option<Screen>,
    /// What kept the action from being performed to its end, in words.
    pub problem: Option<String>,
}

impl Raw {
    /// The output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}
