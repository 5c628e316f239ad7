//! The agent in a guest.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::guest::command::GuestCommand;

/// What a command in the guest left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit code; `None` where a signal ended it.
    pub exit: Option<i32>,
    /// The start of its output, bounded by the command's limit.
    pub stdout: Vec<u8>,
    /// The start of its error output, bounded likewise.
    pub stderr: Vec<u8>,
    /// Whether the agent cut either.
    pub truncated: bool,
}

/// A failure to get an answer from a guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// Nothing answers, now: the guest is booting, busy or gone.
    #[error("the guest agent does not answer: {0}")]
    Silent(String),
    /// The command did not end within its time.
    #[error("no end of the command after {0:?}")]
    Timeout(Duration),
    /// The agent refused: no such program, not permitted.
    #[error("the guest agent refused: {0}")]
    Refused(String),
    /// The agent is set up not to do this at all, now or later, in its own words.
    #[error("the guest agent is not allowed to: {0}")]
    Forbidden(String),
    /// The answer is not what the protocol promises.
    #[error("the guest agent's answer cannot be understood: {0}")]
    Garbled(String),
}

/// What an agent says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentAbout {
    /// Its version.
    pub version: String,
    /// The commands that it knows, and whether it is allowed to perform them.
    pub commands: BTreeMap<String, bool>,
}

/// A guest's agent.
#[async_trait]
pub trait GuestAgent: Send + Sync {
    /// Asks for a sign of life, waiting at most `timeout`.
    async fn ping(&self, timeout: Duration) -> Result<(), AgentError>;
    /// Asks what it is and may do, waiting at most `timeout`.
    async fn about(&self, timeout: Duration) -> Result<AgentAbout, AgentError>;
    /// Runs a command to its end, within its own time-out and limits.
    async fn exec(&self, command: &GuestCommand) -> Result<ExecOutput, AgentError>;
}
