//! The agent for an image that has none: what its disk says, by which way the agent can be installed without a person, and what
//! came of it. Nothing here reads a disk.

pub mod seed;

use std::collections::BTreeMap;

use crate::guest::apt::offline;
use crate::guest::files::{Files, Unreadable};
use crate::guest::look::NO_AGENT;

/// The package.
const PACKAGE: &str = "qemu-guest-agent";
/// What is read of the guest's machine id, and kept as it is where it is none.
const MACHINE_ID: &str = "/etc/machine-id";
/// Where the folder of cloud-init's state is.
const STATE: &str = "/var/lib/cloud";

/// What cloud-init has done on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cloud {
    /// It is not installed.
    Absent,
    /// It is switched off.
    Off,
    /// It has never run.
    Never,
    /// It has set up an instance of that name.
    Ran(String),
}

/// What a disk says of its guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    /// What cloud-init has done.
    pub cloud: Cloud,
    /// The packages, by name, with their versions; nothing where they are not apt's.
    pub packages: Option<BTreeMap<String, String>>,
    /// The addresses of the update sources.
    pub sources: Vec<String>,
    /// What its machine id is, where it is none yet: `missing`, `empty` or a word of systemd's; else `kept`.
    pub machine: String,
}

impl Inside {
    /// Reads it.
    pub fn of(files: &dyn Files) -> Result<Self, Unreadable> {
        let packages = if offline::is_there(files)? {
            Some(offline::packages(files)?)
        } else {
            None
        };
        let machine = match files.text(MACHINE_ID)? {
            None => "missing".to_owned(),
            Some(id) if id.trim().is_empty() => "empty".to_owned(),
            Some(id) if id.trim() == "uninitialized" => "uninitialized".to_owned(),
            Some(_) => "kept".to_owned(),
        };
        Ok(Self {
            cloud: cloud(files)?,
            sources: match packages {
                Some(_) => offline::sources(files)?,
                None => Vec::new(),
            },
            packages,
            machine,
        })
    }

    /// Whether the agent is installed, be it started or not; nothing where that is not known.
    pub fn has_agent(&self) -> Option<bool> {
        self.packages
            .as_ref()
            .map(|packages| packages.contains_key(PACKAGE))
    }
}

fn cloud(files: &dyn Files) -> Result<Cloud, Unreadable> {
    elsewhere(files)?;
    if !files.is_there("/usr/bin/cloud-init")? && !files.is_there(STATE)? {
        return Ok(Cloud::Absent);
    }
    // What it remembers a thing as done by, and the instances that it has set up.
    for left in ["instances", "sem"] {
        if !files.names(&format!("{STATE}/{left}"))?.is_empty() {
            return ran(files);
        }
    }
    if files.is_there(&format!("{STATE}/instance"))? {
        return ran(files);
    }
    if files.is_there("/etc/cloud/cloud-init.disabled")? {
        return Ok(Cloud::Off);
    }
    Ok(Cloud::Never)
}

fn ran(files: &dyn Files) -> Result<Cloud, Unreadable> {
    let id = files.text(&format!("{STATE}/data/instance-id"))?;
    let id = id.unwrap_or_default().trim().to_owned();
    Ok(Cloud::Ran(if id.is_empty() { "of some name".into() } else { id }))
}

/// Refuses a disk whose cloud-init keeps its state in a file system that is not the one of its root.
fn elsewhere(files: &dyn Files) -> Result<(), Unreadable> {
    let fstab = files.text("/etc/fstab")?.unwrap_or_default();
    let mounts = fstab
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_whitespace().nth(1));
    for mount in mounts {
        let path = mount.trim_end_matches('/');
        if !path.is_empty() && (STATE == path || STATE.starts_with(&format!("{path}/"))) {
            return Err(Unreadable(format!("{path} is on a file system of its own")));
        }
    }
    Ok(())
}

/// How the agent is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By cloud-init, at one boot of a clone, from these sources.
    Seed {
        /// The addresses of the update sources.
        sources: Vec<String>,
        /// As [`Inside::machine`].
        machine: String,
    },
    /// By `virt-customize`, which does not boot the guest.
    Customize {
        /// Why not the other way.
        why: String,
    },
}

/// Why the agent cannot be installed without a person, and what that person does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its agent cannot be installed without a person: {why}")]
pub struct ByHand {
    /// Why not.
    pub why: String,
    /// What to do.
    pub hint: String,
}

/// Chooses how. `customize`: whether `virt-customize` is installed here.
pub fn choose(inside: &Result<Inside, Unreadable>, customize: bool) -> Result<Way, ByHand> {
    let why = match inside {
        Err(why) => format!("whether cloud-init has run cannot be read from this disk: {why}"),
        Ok(inside) => match &inside.cloud {
            Cloud::Ran(instance) => {
                format!("cloud-init has set up the instance {instance}, and is not made to begin anew")
            }
            Cloud::Absent => "cloud-init is not installed in it".to_owned(),
            Cloud::Off => "cloud-init is switched off in it".to_owned(),
            Cloud::Never if inside.packages.is_none() => "its packages are not apt's".to_owned(),
            Cloud::Never if inside.sources.is_empty() => {
                "no update source of its apt is a web server's".to_owned()
            }
            Cloud::Never => {
                return Ok(Way::Seed {
                    sources: inside.sources.clone(),
                    machine: inside.machine.clone(),
                });
            }
        },
    };
    if customize {
        return Ok(Way::Customize { why });
    }
    Err(ByHand {
        why,
        hint: format!(
            "`--prepare` needs virt-customize here: `apt-get install libguestfs-tools`, then try again. By hand: \
             {NO_AGENT}; then import it again"
        ),
    })
}

/// What a package manager has changed, a line each.
pub fn packages_changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let line = |name: &String| match (before.get(name), after.get(name)) {
        (None, Some(version)) => Some(format!("package {name} {version}: installed")),
        (Some(old), Some(new)) if old != new => Some(format!("package {name} {old}: is {new} now")),
        (Some(old), None) => Some(format!("package {name} {old}: removed")),
        (Some(_), Some(_)) | (None, None) => None,
    };
    names.into_iter().filter_map(line).collect()
}

/// What has changed of files, by their digests, a line each.
pub fn files_changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let line = |name: &String| match (before.get(name), after.get(name)) {
        (None, Some(_)) => Some(format!("file {name}: new")),
        (Some(old), Some(new)) if old != new => Some(format!("file {name}: changed")),
        (Some(_), None) => Some(format!("file {name}: removed")),
        (Some(_), Some(_)) | (None, None) => None,
    };
    names.into_iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests;
