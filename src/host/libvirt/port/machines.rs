//! VMs: the [`Machines`] port.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::host::agent::Agent;
use crate::host::libvirt::agent::DomainChannel;
use crate::host::libvirt::host::LibvirtHost;
use crate::host::libvirt::{capabilities, describe, domain, firmware, saved, screen};
use crate::model::machine::MachinePlan;
use crate::model::name::{DomainName, VolumeName};
use crate::model::resource::Made;
use crate::port::{GuestAgent, LabError, Machines, VmSpec, VmState};

/// How long reading a console or a screen may take: it must not hold up the report of what went wrong.
const EVIDENCE_LIMIT: Duration = Duration::from_secs(15);

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

    async fn can_have(&self, machine: &MachinePlan) -> Result<(), LabError> {
        if machine.is_usual() {
            return Ok(());
        }
        let (machine, local) = (machine.clone(), self.is_local());
        self.link()
            .ask(
                format!("asking {} what VMs can have", self.link().uri()),
                move |conn| firmware::can_have(conn, local, &machine),
            )
            .await
    }

    async fn create_vm(&self, spec: &VmSpec) -> Result<(), LabError> {
        let (spec, local) = (spec.clone(), self.is_local());
        let made = Made::Domain(spec.name.clone());
        self.make(&made, format!("starting domain {}", spec.name), move |conn| {
            domain::create(conn, local, &spec)
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
        let tail = self.link().call(what, EVIDENCE_LIMIT, move |conn| {
            domain::console_tail(conn, &name)
        });
        match tail.await {
            Ok(bytes) => domain::console_text(&bytes),
            Err(error) => {
                tracing::debug!(%error, "no console");
                String::new()
            }
        }
    }

    async fn screenshot(&self, domain: &DomainName) -> Option<Vec<u8>> {
        let name = domain.clone();
        let what = format!("reading the screen of domain {name}");
        let taken = self
            .link()
            .call(what, EVIDENCE_LIMIT, move |conn| screen::take(conn, &name));
        taken.await.unwrap_or_else(|error| {
            tracing::debug!(%error, "no screen");
            None
        })
    }

    fn agent(&self, domain: &DomainName) -> Box<dyn GuestAgent> {
        Box::new(Agent::new(DomainChannel::new(self.link().clone(), domain)))
    }
}
