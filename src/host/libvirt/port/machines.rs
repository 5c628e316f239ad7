//! VMs: the [`Machines`] port.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::host::agent::Agent;
use crate::host::libvirt::agent::DomainChannel;
use crate::host::libvirt::host::LibvirtHost;
use crate::host::libvirt::{capabilities, describe, domain, saved};
use crate::model::name::{DomainName, VolumeName};
use crate::model::resource::Made;
use crate::port::{GuestAgent, LabError, Machines, VmSpec, VmState};

/// How long reading a console may take: it must not hold up the report of what went wrong.
const CONSOLE_LIMIT: Duration = Duration::from_secs(15);

#[async_trait]
impl Machines for LibvirtHost {
    async fn machine(&self, kvm: bool) -> Result<BTreeMap<String, String>, LabError> {
        self.link()
            .ask(
                format!("asking {} for its machine", self.link().uri()),
                move |conn| {
                    let mut machine = capabilities::machine(conn, kvm)?;
                    machine.insert("devices".to_owned(), describe::devices_digest(kvm)?);
                    Ok(machine)
                },
            )
            .await
    }

    async fn create_vm(&self, spec: &VmSpec) -> Result<(), LabError> {
        let spec = spec.clone();
        let made = Made::Domain(spec.name.clone());
        self.make(&made, format!("starting domain {}", spec.name), move |conn| {
            domain::create(conn, &spec)
        })
        .await
    }

    async fn pause(&self, domain: &DomainName) -> Result<(), LabError> {
        let name = domain.clone();
        let made = Made::Domain(name.clone());
        self.make(&made, format!("pausing domain {name}"), move |conn| {
            domain::pause(conn, &name)
        })
        .await
    }

    async fn resume(&self, domain: &DomainName) -> Result<(), LabError> {
        let name = domain.clone();
        let made = Made::Domain(name.clone());
        self.make(&made, format!("resuming domain {name}"), move |conn| {
            domain::resume(conn, &name)
        })
        .await
    }

    async fn save_state(&self, spec: &VmSpec, state: &VolumeName) -> Result<(), LabError> {
        let (spec, state) = (spec.clone(), state.clone());
        let made = Made::Domain(spec.name.clone());
        self.make(&made, format!("saving domain {}", spec.name), move |conn| {
            saved::save(conn, &spec, &state)
        })
        .await
    }

    async fn vm_state(&self, domain: &DomainName) -> Result<VmState, LabError> {
        let name = domain.clone();
        self.link()
            .ask(format!("reading the state of domain {name}"), move |conn| {
                domain::state(conn, &name)
            })
            .await
    }

    async fn console_tail(&self, domain: &DomainName) -> String {
        let name = domain.clone();
        let what = format!("reading the console of domain {name}");
        let tail = self
            .link()
            .call(what, CONSOLE_LIMIT, move |conn| domain::console_tail(conn, &name));
        match tail.await {
            Ok(bytes) => domain::console_text(&bytes),
            Err(error) => {
                tracing::debug!(%error, "no console");
                String::new()
            }
        }
    }

    fn agent(&self, domain: &DomainName) -> Box<dyn GuestAgent> {
        Box::new(Agent::new(DomainChannel::new(self.link().clone(), domain)))
    }
}
