//! Saved states in the fake lab: who was saved is who goes on, until it is told to be somebody else.

use std::path::Path;

use crate::fake::guest::Domain;
use crate::fake::state::State;
use crate::image::sparse;
use crate::model::hardware::DiskBus;
use crate::model::name::{DomainName, VolumeName, VolumePath};
use crate::model::outcome::Cause;
use crate::port::{LabError, Power, VmSpec};
use crate::system::{child, file as opened};

/// Bytes of a saved state.
const CONTENT_LIMIT: u64 = 64 * 1024 * 1024;

impl State {
    /// Begins a VM as it was asked to.
    pub(super) fn power(&mut self, domain: &mut Domain) -> Result<(), LabError> {
        let spec = domain.spec.clone();
        let volume = |name: &VolumeName| VolumePath::new(&spec.pool, name);
        match &spec.power {
            Power::On => {}
            Power::Savable { ram } => {
                let new = self.volumes.insert(volume(ram));
                self.require(new, &format!("{ram} is made twice"));
            }
            Power::Saved { ram, state } => {
                self.call("go_on", &spec.name)?;
                for name in [ram, state] {
                    let there = self.volumes.contains(&volume(name));
                    self.require(there, &format!("{} goes on without {name}", spec.name));
                }
                let saved = self.saved.get(&volume(state)).cloned();
                domain.who = saved.ok_or_else(|| {
                    LabError::new(Cause::HostRefused, format!("{state} is no state of a VM"))
                })?;
                domain.pause(true);
            }
        }
        Ok(())
    }

    pub(super) fn pause(&mut self, name: &DomainName) -> Result<(), LabError> {
        self.call("pause", name)?;
        self.set_paused(name, true)
    }

    pub(super) fn resume(&mut self, name: &DomainName) -> Result<(), LabError> {
        self.call("resume", name)?;
        self.set_paused(name, false)
    }

    fn set_paused(&mut self, name: &DomainName, paused: bool) -> Result<(), LabError> {
        let Some(domain) = self.domains.get_mut(name) else {
            return Err(LabError::new(Cause::HostRefused, format!("no domain {name}")));
        };
        let changes = domain.is_paused() != paused;
        domain.pause(paused);
        self.require(changes, &format!("{name} is paused or resumed twice"));
        Ok(())
    }

    pub(super) fn save(&mut self, spec: &VmSpec, state: &VolumeName) -> Result<(), LabError> {
        self.call("save_state", &spec.name)?;
        let Some(domain) = self.domains.get(&spec.name) else {
            return Err(LabError::new(
                Cause::HostRefused,
                format!("no domain {}", spec.name),
            ));
        };
        let paused = domain.is_paused();
        let who = domain.who.clone();
        let savable = matches!(domain.spec.power, Power::Savable { .. });
        let hardware = &domain.spec.hardware;
        let mut disks = domain.spec.disks.iter();
        let is_whole = !hardware.tpm
            && disks.all(|disk| disk.hardware.bus.unwrap_or(hardware.disk_bus) != DiskBus::Nvme);
        self.require(
            paused && savable,
            &format!("{} is saved while it runs", spec.name),
        );
        self.require(
            is_whole,
            &format!("{} is saved with what QEMU cannot save", spec.name),
        );
        let volume = VolumePath::new(&spec.pool, state);
        let new = self.volumes.insert(volume.clone());
        self.require(new, &format!("{volume} is made twice"));
        self.saved.insert(volume, who);
        Ok(())
    }

    pub(super) fn fetch(&mut self, name: &VolumePath, file: &Path) -> Result<String, LabError> {
        self.call("fetch_volume", name)?;
        let there = self.volumes.contains(name);
        self.require(there, &format!("{name} is fetched and is not there"));
        let trouble = |error: std::io::Error| LabError::new(Cause::Internal, error.to_string());
        let content = match self.saved.get(name) {
            Some(who) => serde_json::to_vec(who).map_err(|error| trouble(error.into()))?,
            None => name.to_string().into_bytes(),
        };
        if Path::new(name.name.as_str())
            .extension()
            .is_some_and(|extension| extension == "qcow2")
        {
            // Of a disk one wants more than its bytes, so it is one.
            let made = child::command("qemu-img")
                .args(["create", "-q", "-f", "qcow2", "--"])
                .arg(file)
                .arg("1M")
                .status();
            made.map_err(trouble)?;
        } else {
            std::fs::write(file, content).map_err(trouble)?;
        }
        sparse::digest(file).map_err(trouble)
    }

    pub(super) fn place(&mut self, name: &VolumePath, file: &Path, digest: &str) -> Result<(), LabError> {
        self.call("place_volume", name)?;
        let damaged = |why: String| LabError::new(Cause::ImageDamaged, format!("{}: {why}", file.display()));
        if sparse::digest(file).map_err(|error| damaged(error.to_string()))? != digest {
            return Err(damaged("its content is not what was saved".to_owned()));
        }
        let new = self.volumes.insert(name.clone());
        self.require(new, &format!("{name} is placed twice"));
        let content = opened::read(file, CONTENT_LIMIT).map_err(|error| damaged(error.to_string()))?;
        if let Ok(who) = serde_json::from_slice(&content) {
            self.saved.insert(name.clone(), who);
        }
        Ok(())
    }
}
