//! A whole domain.

use std::path::PathBuf;

use roxmltree::{Document, Node, ParsingOptions};

use crate::image::domain_xml::disk::{self, DomainDisk};
use crate::image::domain_xml::error::DomainXmlError;
use crate::image::domain_xml::firmware::{self, Nvram};
use crate::image::domain_xml::xml::{child, children, is, of_child, quoted};
use crate::image::domain_xml::{devices, machine, nic};
use crate::image::foreign::{Foreign, ForeignDisk, Format};
use crate::model::hardware::{NicHardware, Wishes};
use crate::port::DiskPlace;
use crate::units::Mib;

/// Bytes of a description; libvirt's own limit for a string is 4 MiB.
const LIMIT: usize = 4 * 1024 * 1024;
/// Elements, texts and attributes of a description; a large one has some thousand.
const NODES: u32 = 100_000;
/// Sentences about a domain.
const SAID: usize = 100;

/// What is taken of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its disks, the one that it boots from first.
    pub disks: Vec<DomainDisk>,
    /// Its firmware's variables.
    pub nvram: Option<Nvram>,
    /// Its hardware.
    pub hardware: Wishes,
    /// Its cards, in their order.
    pub nics: Vec<NicHardware>,
    /// Its memory.
    pub memory: Option<Mib>,
    /// Its vCPUs.
    pub vcpus: Option<u32>,
    /// What no clone has, and what clones have otherwise.
    pub said: Vec<String>,
}

/// Reads a domain's description. Entities and document types are not read at all.
pub fn read(xml: &str) -> Result<Domain, DomainXmlError> {
    if xml.len() > LIMIT {
        let problem = format!("it is larger than {} MiB", LIMIT >> 20);
        return Err(DomainXmlError::Unreadable(problem));
    }
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: NODES,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(xml, options)
        .map_err(|error| DomainXmlError::Unreadable(error.to_string()))?;
    let domain = document.root_element();
    let missing = |what: &str| DomainXmlError::Unreadable(format!("it has no <{what}>"));
    if !is(domain, "domain") {
        return Err(missing("domain"));
    }
    let os = child(domain, "os").ok_or_else(|| missing("os"))?;
    let fitted = child(domain, "devices").ok_or_else(|| missing("devices"))?;
    let mut said = Vec::new();
    let machine = machine::machine(os, &mut said)?;
    let disks = disk::disks(fitted, &mut said)?;
    let Some(first) = disks.first() else {
        return Err(DomainXmlError::NoDisk);
    };
    let disk_bus = first.hardware.bus;
    let nics = nic::nics(fitted, &mut said);
    let hardware = Wishes {
        firmware: Some(firmware::firmware(os, &mut said)),
        machine: Some(machine),
        cpu: machine::cpu(domain, &mut said),
        tpm: Some(tpm(fitted, &mut said)),
        clock: Some(machine::clock(domain, &mut said)),
        video: machine::video(fitted),
        hyperv: Some(machine::hyperv(domain)),
        disk_bus,
        nic: nics.first().and_then(|nic| nic.model),
    };
    let nvram = firmware::nvram(os, &mut said);
    devices::say_devices(fitted, &mut said);
    devices::say_domain(domain, &mut said);
    if said.len() > SAID {
        let more = said.len() - SAID;
        said.truncate(SAID);
        said.push(format!("{more} more things of it are in no clone"));
    }
    Ok(Domain {
        disks,
        nvram,
        hardware,
        nics,
        memory: machine::memory(domain),
        vcpus: machine::vcpus(domain),
        said,
    })
}

/// Whether it has a TPM; each clone's own begins empty.
fn tpm(devices: Node<'_, '_>, said: &mut Vec<String>) -> bool {
    let Some(tpm) = children(devices, "tpm").next() else {
        return false;
    };
    match of_child(tpm, "backend", "type") {
        Some("emulator") => {
            said.push(
                "the state of its TPM stays where it is; each clone's TPM begins empty, so that what was sealed to it \
                 (a disk's key) asks for its recovery key"
                    .to_owned(),
            );
            if of_child(tpm, "backend", "version") == Some("1.2") {
                said.push("its TPM is of version 1.2; clones have 2.0".to_owned());
            }
        }
        Some(other) => said.push(format!(
            "its TPM is the host's own ({}); each clone has an emulated one, which begins empty",
            quoted(other)
        )),
        None => {}
    }
    true
}

impl Domain {
    /// The machine, with copies of its disks in their order, each with its format, and of its variables.
    pub fn foreign(self, copies: Vec<(PathBuf, Format)>, nvram: Option<PathBuf>) -> Foreign {
        let disks = self.disks.into_iter().zip(copies);
        Foreign {
            disks: disks
                .map(|(disk, (file, format))| ForeignDisk {
                    file,
                    name: disk.name,
                    format: Some(format),
                    hardware: disk.hardware,
                })
                .collect(),
            hardware: self.hardware,
            nics: self.nics,
            memory: self.memory,
            vcpus: self.vcpus,
            nvram,
            said: self.said,
        }
    }

    /// The machine with its files where the description has them.
    pub fn as_described(self) -> Foreign {
        let top = |disk: &DomainDisk| match disk.links.first() {
            None => (PathBuf::from(&disk.name), Format::Raw),
            Some(link) => match &link.place {
                DiskPlace::File(file) => (file.clone(), link.format),
                DiskPlace::Volume { volume, .. } => (PathBuf::from(volume), link.format),
            },
        };
        let files = self.disks.iter().map(top).collect();
        let nvram = self.nvram.as_ref().map(|nvram| nvram.file.clone());
        self.foreign(files, nvram)
    }
}
