//! A clone that is booted once to change its disks: a seed disk beside its own tells the guest what to do, and it powers itself off.
//! No agent is asked, for there is none yet.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use crate::guest::identity::Way;
use crate::model::event::Event;
use crate::model::hardware::DiskHardware;
use crate::model::name::{VolumeName, VolumePath};
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::resource::{Made, Resource};
use crate::port::{Disk, LabError, VmState};
use crate::run::arm::ArmRun;
use crate::run::life::whole::unharmed;
use crate::run::names;
use crate::run::node::fault;
use crate::run::site::saved::Origin;
use crate::units::Period;

/// The pause between two looks at the VM.
const PAUSE: Duration = Duration::from_secs(1);

/// Makes the seed disk, a qcow2, for a node with that card to the outlet, and that proxy; its file and the SHA-256 of it.
pub type Seeding<'a> = &'a (dyn Fn(&Way, &str) -> Result<(PathBuf, String), LabError> + Sync);

/// What a clone is booted for.
#[derive(Clone, Copy)]
pub struct Preparation<'a> {
    /// Makes its seed.
    pub seed: Seeding<'a>,
    /// How long it may take from its power-on until it is off again.
    pub within: Period,
    /// The new files that its overlays are copied to, of its disks in their order.
    pub overlays: &'a [PathBuf],
}

/// Runs such an arm to its end. Whatever happens is an event, and what it made is removed.
pub async fn run(arm: ArmRun<'_>, preparation: Preparation<'_>) {
    arm.emit(Event::ArmStarted);
    let mut made = Vec::new();
    let result = unharmed(Box::pin(arm.prepare(preparation, &mut made))).await;
    arm.end(result, made, false, || ()).await;
}

impl ArmRun<'_> {
    async fn prepare(&self, preparation: Preparation<'_>, made: &mut Vec<Resource>) -> Result<(), Fault> {
        self.go_on(Stage::Clone)?;
        let (specs, plan) = self
            .stage(Stage::Clone, async {
                let mut specs = self.fork(&Origin::Cold(None), made).await?;
                let (Some(spec), Some(plan)) = (specs.first_mut(), self.cell.nodes.first()) else {
                    let error = LabError::new(Cause::Internal, "its plan has no node");
                    return Err(fault(Stage::Clone, None, error));
                };
                let seed = self.seed(preparation.seed, made).await;
                let seed = seed.map_err(|error| fault(Stage::Clone, Some(&plan.role), error))?;
                spec.disks.push(seed);
                Ok((specs, plan))
            })
            .await?;
        self.stage(Stage::Boot, self.create_all(&specs, made)).await?;
        let Some(spec) = specs.first() else { return Ok(()) };
        let node = self.node(spec, plan)?;
        self.stage(Stage::Apply, async {
            let started = Instant::now();
            loop {
                if let Ok(VmState::Off(_)) = self.site.host.vm_state(&spec.name).await {
                    break;
                }
                if let Some(fault) = node.broken(Stage::Apply).await {
                    return Err(fault);
                }
                if started.elapsed() >= preparation.within.0 {
                    let message = format!("waited {} for it to be powered off", preparation.within);
                    let mut fault = node.fault(Stage::Apply, Cause::Deadline, message);
                    fault.hint = Some(
                        "is cloud-init kept from its seed there (`datasource_list` in /etc/cloud, `cloud-init=disabled` on the \
                         kernel's command line), or is the host slow?"
                            .into(),
                    );
                    return Err(node.shown(fault).await);
                }
                node.pause(Stage::Apply, Period(PAUSE)).await?;
            }
            for (disk, file) in spec.disks.iter().zip(preparation.overlays) {
                let volume = VolumePath::new(&spec.pool, &disk.volume);
                let fetched = self.copied(self.site.host.fetch_volume(&volume, file)).await;
                fetched.map_err(|error| fault(Stage::Apply, Some(&plan.role), error))?;
            }
            Ok(())
        })
        .await
    }

    /// The seed in the run's pool, as the last disk of the node.
    async fn seed(&self, seeding: Seeding<'_>, made: &mut Vec<Resource>) -> Result<Disk, LabError> {
        let setup = self.setup();
        let no_way = || {
            LabError::new(
                Cause::HostRefused,
                format!(
                    "{} has no networks, so a clone has no way to its update sources",
                    self.site.host.uri()
                ),
            )
            .with_hint("prepare it on a host with networks: `--uri qemu:///system`")
        };
        let outlet = self.site.outlet.get().ok_or_else(no_way)?;
        let proxy = outlet.proxy_url().ok_or_else(no_way)?;
        let (file, sha256) = seeding(&outlet.way(&self.outlet_mac(0))?, &proxy)?;
        let pool = names::pool(&setup.run);
        let volume = |end: &str| VolumeName::new(format!("{}-seed{end}", self.name));
        let disk = Disk {
            base: volume(".base.qcow2")?,
            volume: volume(".qcow2")?,
            hardware: DiskHardware::default(),
        };
        let base = VolumePath::new(&pool, &disk.base);
        made.push(self.site.resources.intend(Made::Volume(base.clone()))?);
        self.copied(self.site.host.place_image(&base, &file, &sha256))
            .await?;
        let overlay = Made::Volume(VolumePath::new(&pool, &disk.volume));
        made.push(self.site.resources.intend(overlay)?);
        self.site.host.create_overlay(&pool, &disk).await?;
        Ok(disk)
    }
}
