//! The agents of fake VMs.

use std::time::Duration;

use async_trait::async_trait;

use crate::fake::faults::{self, Instead};
use crate::fake::guest::{Domain, silent};
use crate::fake::lab::FakeLab;
use crate::fake::script::SAMPLE;
use crate::guest::command::GuestCommand;
use crate::guest::linux::timing;
use crate::model::name::DomainName;
use crate::port::{AgentAbout, AgentError, ExecOutput, GuestAgent};

/// The agent of a fake VM.
pub struct FakeAgent {
    lab: FakeLab,
    domain: DomainName,
}

impl FakeAgent {
    pub fn new(lab: FakeLab, domain: &DomainName) -> Self {
        Self {
            lab,
            domain: domain.clone(),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Domain) -> Result<T, AgentError>) -> Result<T, AgentError> {
        let mut state = self.lab.state();
        if state.alive().is_err() {
            return Err(AgentError::Silent("the host is gone".into()));
        }
        match state.domains.get_mut(&self.domain) {
            Some(domain) if !domain.answers() => Err(silent()),
            Some(domain) => act(domain),
            None => {
                state
                    .violations
                    .push(format!("{} is asked and does not exist", self.domain));
                Err(AgentError::Silent("no such domain".into()))
            }
        }
    }
}

#[async_trait]
impl GuestAgent for FakeAgent {
    async fn ping(&self, _: Duration) -> Result<(), AgentError> {
        self.with(|_| Ok(()))
    }

    async fn about(&self, _: Duration) -> Result<AgentAbout, AgentError> {
        self.with(|domain| Ok(domain.about()))
    }

    async fn exec(&self, command: &GuestCommand) -> Result<ExecOutput, AgentError> {
        let struck = {
            let mut state = self.lab.state();
            state.asked.push((self.domain.to_string(), command.what.clone()));
            state.take().map_err(|lost| AgentError::Silent(lost.message))?;
            state.strike(&command.what, self.domain.as_str())
        };
        let mut said = None;
        let mut delay = self.with(|domain| Ok(domain.delay(command)))?;
        if let Some(kind) = struck {
            self.with(|domain| {
                domain.suffer(kind);
                Ok(())
            })?;
            match faults::instead(kind, command.timeout) {
                Instead::Later(late) => delay += late,
                Instead::Saying(stdout, truncated) => said = Some((stdout, truncated)),
                Instead::Error(error) => return Err(error),
                Instead::Silence(time) => {
                    tokio::time::sleep(time).await;
                    return Err(AgentError::Timeout(time));
                }
                Instead::Nothing => {}
            }
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if timing::is_timed(command) {
            let call = format!("{SAMPLE} {}", self.domain);
            self.lab.state().calls.push(call);
        }
        let mut answer = self.with(|domain| domain.hear(command))?;
        if let (Some((stdout, truncated)), Some(answer)) = (said, &mut answer) {
            answer.stdout = stdout;
            answer.truncated = truncated;
        }
        answer.ok_or_else(|| {
            self.lab
                .state()
                .violations
                .push(format!("undeclared command: {}", command.what));
            AgentError::Refused(format!("undeclared command: {}", command.what))
        })
    }
}
