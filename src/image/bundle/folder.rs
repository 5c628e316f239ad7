//! A folder with one machine's disks, as backups leave it: with a description beside them, an appliance's or a domain's, or without.

pub mod sort;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::image::bundle::error::{Problem, listed, shown};
use crate::image::bundle::folder::sort::{Kind, kind, last, natural};
use crate::image::bundle::ovf;
use crate::image::bundle::package::Package;
use crate::image::foreign::{Foreign, ForeignDisk};
use crate::model::hardware::{DiskHardware, Firmware};
use crate::system::file::{FileError, Folder};

/// Disks of one machine.
const MOST: usize = 64;
/// Bytes of a domain's XML.
const XML: u64 = 8 << 20;

/// Reads the XML of a domain; the files of its disks are as the XML names them.
pub type Reader<'a> = &'a dyn Fn(&str) -> Result<Foreign, String>;

/// What is in a folder.
#[derive(Debug, Default)]
struct Found {
    descriptors: Vec<String>,
    domains: Vec<String>,
    variables: Vec<String>,
    archives: Vec<String>,
    disks: BTreeMap<String, Vec<String>>,
    /// What is no disk, or is a part of one.
    others: Vec<String>,
    links: Vec<String>,
}

/// Takes the machine whose disks lie in a folder. Nothing there is written, and no link is followed.
pub fn take(
    path: &Path,
    machine: Option<&str>,
    domain: Option<Reader<'_>>,
    into: &Path,
    stop: &dyn Fn() -> bool,
) -> Result<Foreign, Problem> {
    let package = Package::folder(path)?;
    let mut found = Found::of(path, &package, stop)?;
    let descriptions: Vec<String> = [&found.descriptors[..], &found.domains].concat();
    if descriptions.len() > 1 {
        return Err(Problem::Several {
            what: "descriptions of a machine",
            names: listed(descriptions.iter().map(String::as_str)),
            remedy: "leave the one that belongs to the disks, or name it instead of the folder",
        });
    }
    if let Some(descriptor) = found.descriptors.pop() {
        return ovf::take(&package, &descriptor, machine, into, stop);
    }
    let xml = found.domains.pop();
    found.settle();
    if found.disks.is_empty() {
        return Err(none(&found));
    }
    if found.disks.len() > MOST {
        return Err(Problem::Unfit(format!(
            "has {} disks, more than one machine's; put one machine's into a folder of their own",
            found.disks.len()
        )));
    }
    match (xml, domain) {
        (Some(xml), Some(reader)) => described(path, &xml, reader, found),
        (xml, _) => {
            found.others.extend(xml);
            Ok(found.bare(path))
        }
    }
}

fn none(found: &Found) -> Problem {
    let archives = found.archives.iter().map(String::as_str);
    if found.archives.is_empty() {
        return Problem::Diskless;
    }
    Problem::Unfit(format!(
        "is a folder of archives; import the one that is meant: {}",
        listed(archives)
    ))
}

impl Found {
    fn of(path: &Path, package: &Package, stop: &dyn Fn() -> bool) -> Result<Self, Problem> {
        let folder = Folder::open(path).map_err(Problem::own)?;
        let mut found = Self::default();
        for name in package.names() {
            if stop() {
                return Err(Problem::Stopped);
            }
            let own = name.to_owned();
            let file = match folder.file(Path::new(name)) {
                Ok(file) => file,
                Err(FileError::Link) => {
                    found.links.push(own);
                    continue;
                }
                Err(FileError::NotAFile | FileError::NotAFolder | FileError::Outside) => {
                    found.others.push(own);
                    continue;
                }
                Err(error) => return Err(Problem::of_file(name, error)),
            };
            match kind(name, &file)? {
                Kind::Descriptor => found.descriptors.push(own),
                Kind::Domain => found.domains.push(own),
                Kind::Nvram => found.variables.push(own),
                Kind::Archive => found.archives.push(own),
                Kind::Disk(parts) => {
                    found.disks.insert(own, parts);
                }
                Kind::Other => found.others.push(own),
            }
        }
        Ok(found)
    }

    /// Takes out of the disks what is only a part of another: an extent, a backing file.
    fn settle(&mut self) {
        let parts: BTreeSet<&String> = self.disks.values().flatten().collect();
        let parts: Vec<String> = self
            .disks
            .keys()
            .filter(|name| parts.contains(name))
            .cloned()
            .collect();
        for part in parts {
            self.disks.remove(&part);
        }
    }

    /// The machine as its disks alone tell of it.
    fn bare(self, path: &Path) -> Foreign {
        let mut foreign = Foreign::default();
        let mut names: Vec<&String> = self.disks.keys().collect();
        names.sort_by_cached_key(|name| (natural(name), (*name).clone()));
        for name in &names {
            foreign.disks.push(ForeignDisk {
                file: path.join(name),
                name: (*name).clone(),
                format: None,
                hardware: DiskHardware::default(),
            });
        }
        if names.len() > 1 {
            let names = names.iter().map(|name| name.as_str());
            foreign.said.push(format!(
                "its disks are taken in the order of their names, the first to boot from: {}",
                listed(names)
            ));
        }
        if let [one] = &self.variables[..] {
            foreign.nvram = Some(path.join(one));
            foreign.hardware.firmware = Some(Firmware::Uefi);
        }
        self.say(&mut foreign);
        foreign
    }

    /// What is said of all that is not taken.
    fn say(&self, foreign: &mut Foreign) {
        if foreign.nvram.is_none() && !self.variables.is_empty() {
            let names = self.variables.iter().map(String::as_str);
            foreign
                .said
                .push(format!("NVRAM that is not taken: {}", listed(names)));
        }
        let others = self.others.iter().chain(&self.archives).map(String::as_str);
        let others: Vec<&str> = others.collect();
        if !others.is_empty() {
            foreign.said.push(format!("no disks: {}", listed(others)));
        }
        if !self.links.is_empty() {
            let links = self.links.iter().map(String::as_str);
            foreign
                .said
                .push(format!("links, which are not followed: {}", listed(links)));
        }
    }
}

/// The machine as the XML of a domain beside its disks tells of it. A disk is known by its file's name, else by its own:
/// `vda.qcow2` is the disk `vda`.
fn described(path: &Path, xml: &str, reader: Reader<'_>, mut found: Found) -> Result<Foreign, Problem> {
    let wrong = |problem: String| Problem::Descriptor {
        file: shown(xml),
        problem,
    };
    let folder = Folder::open(path).map_err(Problem::own)?;
    let bytes = folder
        .read(Path::new(xml), XML)
        .map_err(|error| Problem::of_file(xml, error))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not in UTF-8".to_owned()))?;
    let mut foreign = reader(&text).map_err(wrong)?;
    for disk in &mut foreign.disks {
        let named = disk.file.to_string_lossy().into_owned();
        let named = last(&named);
        let own = |name: &&String| name.split('.').next() == Some(disk.name.as_str());
        let there = found
            .disks
            .keys()
            .find(|name| *name == named)
            .or_else(|| found.disks.keys().find(own))
            .cloned()
            .ok_or_else(|| Problem::Absent {
                file: shown(named),
                by: shown(xml),
            })?;
        if there != named {
            // It is a copy that somebody made, and may have made in another format.
            disk.format = None;
        }
        found.disks.remove(&there);
        disk.file = path.join(there);
    }
    let named = foreign.nvram.take();
    let named = named.map(|path| last(&path.to_string_lossy()).to_owned());
    let variables = found.variables.iter();
    let mut fitting = variables.filter(|name| named.as_ref().is_none_or(|named| named == *name));
    if let (Some(one), None) = (fitting.next(), fitting.next()) {
        foreign.nvram = Some(path.join(one));
    } else if let Some(named) = &named {
        foreign
            .said
            .push(format!("its NVRAM {} is not in the folder", shown(named)));
    }
    let left: Vec<&str> = found.disks.keys().map(String::as_str).collect();
    if !left.is_empty() {
        foreign.said.push(format!(
            "disks that {} does not name are left out: {}",
            shown(xml),
            listed(left)
        ));
    }
    found.say(&mut foreign);
    Ok(foreign)
}
