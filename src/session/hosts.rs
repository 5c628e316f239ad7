//! The hosts of a plan: connected to, each with its accelerator probed, and no two of them one.

use std::sync::Arc;

use crate::host::connect::connect;
use crate::host::connected::{Connected, is_same};
use crate::model::event::Event;
use crate::model::id::RunId;
use crate::model::plan::{HostPlan, Plan};
use crate::port::LabError;
use crate::run::HostSetup;

/// Why a plan has no hosts to run on; nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum HostsError {
    /// None of them answers, or one of them cannot do it.
    #[error(transparent)]
    Host(#[from] LabError),
    /// One is there under two URIs.
    #[error("[[host]] {one} and {other} are one libvirt: what is free there would be given away twice")]
    Same {
        /// One of its URIs.
        one: String,
        /// The other.
        other: String,
    },
}

/// Connects to the hosts of a plan. Those that do not answer are told in the journal, as long as one does; one that is there
/// under two URIs is refused.
pub async fn open(plan: &Plan, run: &RunId) -> Result<(Vec<HostSetup>, Vec<Event>), HostsError> {
    let mut hosts = Vec::new();
    let mut opened: Vec<Arc<dyn Connected>> = Vec::new();
    let mut absent = Vec::new();
    let mut first = None;
    for planned in &plan.hosts {
        match open_one(planned).await {
            Ok((host, setup)) => {
                refuse_same(&opened, host.as_ref(), run).await?;
                opened.push(host);
                hosts.push(setup);
            }
            Err(error) => {
                absent.push(Event::HostLost {
                    uri: planned.uri.clone(),
                    reason: error.message.clone(),
                });
                first.get_or_insert(error);
            }
        }
    }
    match first {
        Some(error) if hosts.is_empty() => Err(error.into()),
        Some(_) | None => Ok((hosts, absent)),
    }
}

/// Refuses a host that is one of those before it, under another URI.
async fn refuse_same(
    opened: &[Arc<dyn Connected>],
    host: &dyn Connected,
    run: &RunId,
) -> Result<(), HostsError> {
    for other in opened {
        if is_same(other.as_ref(), host, run).await? {
            return Err(HostsError::Same {
                one: other.uri().to_string(),
                other: host.uri().to_string(),
            });
        }
    }
    Ok(())
}

/// Connects to a host and probes its accelerator.
async fn open_one(plan: &HostPlan) -> Result<(Arc<dyn Connected>, HostSetup), LabError> {
    let host = connect(plan).await?;
    let choice = host.accelerator(plan.accel).await?;
    let chosen = Event::HostChosen {
        uri: host.uri().to_string(),
        accel: if choice.kvm { "kvm" } else { "tcg" }.to_owned(),
        reason: choice.reason,
        version: host.version().to_owned(),
    };
    let setup = HostSetup {
        plan: plan.clone(),
        host: host.clone(),
        chosen,
        kvm: choice.kvm,
    };
    Ok((host, setup))
}
