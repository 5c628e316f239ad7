//! The way to a guest's agent: libvirt's passage for QEMU guest agent commands.

use std::time::Duration;

use async_trait::async_trait;
use virt::error::{Error, ErrorNumber};

use crate::host::agent::{Channel, ChannelError};
use crate::host::libvirt::error::one_line;
use crate::host::libvirt::link::Link;
use crate::model::name::DomainName;

/// Libvirt greets the agent for up to 5 s before each command, and waits up to 30 s for another command of the same
/// domain.
const SLACK: Duration = Duration::from_secs(40);

/// The agent's channel of one domain.
pub struct DomainChannel {
    link: Link,
    domain: DomainName,
}

impl DomainChannel {
    /// The channel of that domain.
    pub fn new(link: Link, domain: &DomainName) -> Self {
        Self {
            link,
            domain: domain.clone(),
        }
    }
}

#[async_trait]
impl Channel for DomainChannel {
    async fn ask(&self, request: String, timeout: Duration) -> Result<String, ChannelError> {
        let domain = self.domain.clone();
        // Libvirt counts in whole seconds, and takes 0 for "do not wait".
        let seconds = i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX).max(1);
        let asked = self.link.call(
            format!("asking the agent of {domain}"),
            timeout + SLACK,
            move |conn| {
                Ok(conn
                    .lookup_domain_by_name(domain.as_str())
                    .and_then(|domain| domain.qemu_agent_command(&request, seconds, 0))
                    .map_err(|error| channel_error(&error)))
            },
        );
        match asked.await {
            Ok(answer) => answer,
            Err(error) => Err(ChannelError::NoReply(error.message)),
        }
    }
}

/// Whether a command reached the agent, from libvirt's error.
fn channel_error(error: &Error) -> ChannelError {
    let message = one_line(error.message());
    if error.code().is(ErrorNumber::AgentCommandFailed)
        || message.contains("unable to execute QEMU agent command")
    {
        ChannelError::Refused(message)
    } else if error.code().is(ErrorNumber::AgentCommandTimeout)
        || message.contains("disappeared while executing")
        || message.contains("respond to command")
    {
        ChannelError::NoReply(message)
    } else {
        ChannelError::NotSent(message)
    }
}
