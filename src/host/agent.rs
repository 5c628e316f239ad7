//! The QEMU guest agent's protocol: the only room that knows `qapi`. It sends through a [`Channel`] that `libvirt`
//! provides and trusts nothing that comes back (<https://www.qemu.org/docs/master/interop/qemu-ga-ref.html>).

mod protocol;

use std::time::Duration;

use async_trait::async_trait;
use qapi::qga::{self, GuestExecCaptureOutput};
use tokio::time::{Instant, sleep, sleep_until};

use crate::guest::command::GuestCommand;
use crate::port::{AgentAbout, AgentError, ExecOutput, GuestAgent};

/// A way to send one request to an agent.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Sends a request and gives the answer's text, waiting at most about `timeout`.
    async fn ask(&self, request: String, timeout: Duration) -> Result<String, ChannelError>;
}

/// Why a channel gives no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The request did not reach the agent.
    #[error("{0}")]
    NotSent(String),
    /// The request was sent, or may have been, and nothing came back.
    #[error("{0}")]
    NoReply(String),
    /// The agent answered that it cannot.
    #[error("{0}")]
    Refused(String),
}

/// How long one request of a longer exchange waits for its answer.
const REPLY_LIMIT: Duration = Duration::from_secs(10);
/// How long an agent may be silent in the middle of an exchange; under TCG a loaded guest does not schedule it.
const SILENCE_LIMIT: Duration = Duration::from_secs(20);
/// How long a command may be over its own time-out, which the guest keeps, before it is given up.
const SLACK: Duration = Duration::from_secs(30);
/// The first wait between two looks at a command, and the longest.
const LOOK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));
/// What a command without an environment of its own is given where it adds variables: the agent then hands over
/// nothing else.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An agent behind a channel.
pub struct Agent<C> {
    channel: C,
}

impl<C: Channel> Agent<C> {
    /// The agent behind that channel.
    pub fn new(channel: C) -> Self {
        Self { channel }
    }

    async fn ask<Q: qapi::Command>(&self, command: Q, timeout: Duration) -> Result<Q::Ok, Failure> {
        let request = protocol::request(command).map_err(Failure::Agent)?;
        let answer = self
            .channel
            .ask(request, timeout)
            .await
            .map_err(Failure::Channel)?;
        protocol::answer::<Q>(&answer).map_err(Failure::Agent)
    }

    /// Asks until the request is sent; safe for what must not be done twice.
    async fn ask_once<Q: qapi::Command + Clone>(&self, command: Q) -> Result<Q::Ok, AgentError> {
        let give_up = Instant::now() + SILENCE_LIMIT;
        loop {
            match self.ask(command.clone(), REPLY_LIMIT).await {
                Err(Failure::Channel(ChannelError::NotSent(_))) if Instant::now() < give_up => {
                    sleep(LOOK.1).await;
                }
                answer => return answer.map_err(AgentError::from),
            }
        }
    }

    async fn start(&self, command: &GuestCommand) -> Result<i64, AgentError> {
        let Some((program, arguments)) = command.argv.split_first() else {
            return Err(AgentError::Refused(format!("{}: no program", command.what)));
        };
        let mut env: Vec<String> = command
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !env.is_empty() && !command.env.iter().any(|(name, _)| name == "PATH") {
            env.push(format!("PATH={PATH}"));
        }
        let started = self
            .ask_once(qga::guest_exec {
                path: program.clone(),
                arg: Some(arguments.to_vec()),
                env: (!env.is_empty()).then_some(env),
                input_data: command.stdin.clone(),
                capture_output: Some(GuestExecCaptureOutput::flag(true)),
            })
            .await?;
        Ok(started.pid)
    }

    async fn finish(&self, command: &GuestCommand, pid: i64) -> Result<ExecOutput, AgentError> {
        let deadline = Instant::now() + command.timeout + SLACK;
        let mut heard = Instant::now();
        let mut wait = LOOK.0;
        loop {
            sleep_until((Instant::now() + wait).min(deadline)).await;
            wait = (wait * 3 / 2).min(LOOK.1);
            match self.ask(qga::guest_exec_status { pid }, REPLY_LIMIT).await {
                Ok(status) if status.exited => return Ok(protocol::output(status, command.limit)),
                Ok(_) => heard = Instant::now(),
                // Only an agent that was restarted, by an update of itself say, forgets a command.
                Err(Failure::Channel(ChannelError::Refused(message))) => {
                    if let forbidden @ AgentError::Forbidden(_) = protocol::refused(message.clone()) {
                        return Err(forbidden);
                    }
                    return Err(AgentError::Silent(format!(
                        "it was restarted while the guest was to {}: {message}",
                        command.what
                    )));
                }
                Err(Failure::Channel(silent)) => {
                    if heard.elapsed() >= SILENCE_LIMIT {
                        return Err(silent.into());
                    }
                }
                Err(Failure::Agent(error)) => return Err(error),
            }
            if Instant::now() >= deadline {
                return Err(AgentError::Timeout(command.timeout));
            }
        }
    }
}

#[async_trait]
impl<C: Channel> GuestAgent for Agent<C> {
    async fn ping(&self, timeout: Duration) -> Result<(), AgentError> {
        // Libvirt synchronises with the agent before each command, so an answer is an answer to this one.
        self.ask(qga::guest_ping {}, timeout)
            .await
            .map(drop)
            .map_err(AgentError::from)
    }

    async fn about(&self, timeout: Duration) -> Result<AgentAbout, AgentError> {
        let info = self.ask(qga::guest_info {}, timeout).await?;
        Ok(protocol::about(info))
    }

    async fn exec(&self, command: &GuestCommand) -> Result<ExecOutput, AgentError> {
        let pid = self.start(command).await?;
        self.finish(command, pid).await
    }
}

/// Why there is no answer that can be used.
#[derive(Debug)]
enum Failure {
    Channel(ChannelError),
    Agent(AgentError),
}

impl From<Failure> for AgentError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Channel(error) => error.into(),
            Failure::Agent(error) => error,
        }
    }
}

impl From<ChannelError> for AgentError {
    fn from(error: ChannelError) -> Self {
        match error {
            ChannelError::NotSent(message) | ChannelError::NoReply(message) => Self::Silent(message),
            ChannelError::Refused(message) => protocol::refused(message),
        }
    }
}

#[cfg(test)]
mod tests;
