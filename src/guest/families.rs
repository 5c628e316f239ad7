//! The families that patchgate knows.

use crate::guest::debian::DEBIAN;
use crate::guest::family::Family;
use crate::guest::redhat::{FEDORA, REDHAT};
use crate::guest::suse::SUSE;
use crate::guest::ubuntu::UBUNTU;

/// Families to be found by OS version.
#[derive(Debug, Clone)]
pub struct Families(Vec<Family>);

impl Default for Families {
    /// All that are built in.
    fn default() -> Self {
        Self(vec![DEBIAN, UBUNTU, REDHAT, FEDORA, SUSE])
    }
}

impl Families {
    /// These, and one more.
    #[must_use]
    pub fn with(mut self, family: Family) -> Self {
        self.0.push(family);
        self
    }

    /// The family of an OS version such as `debian-12`; `None` where patchgate cannot update it yet.
    pub fn of(&self, os: &str) -> Option<Family> {
        self.0.iter().find(|family| (family.covers)(os)).copied()
    }

    /// The family of an image of that OS version; the one that a package manager is named for, where the lab file names one.
    pub fn of_image(&self, os: &str, manager: Option<&str>) -> Option<Family> {
        match manager {
            None => self.of(os),
            Some(name) => self.0.iter().find(|family| family.manager == name).copied(),
        }
    }

    /// What a lab file may call a package manager.
    pub fn managers(&self) -> Vec<&'static str> {
        let mut names: Vec<&str> = self.0.iter().map(|family| family.manager).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The family that a guest of an OS version is asked by when it is looked at for the first time: what no family covers is asked
    /// as what most servers are. `None` where nothing can ask it yet.
    pub fn for_a_look(&self, os: &str) -> Option<Family> {
        self.of(os)
            .or_else(|| (!os.starts_with("windows")).then_some(DEBIAN))
    }

    /// What can be updated, in words: `Debian (debian-11, debian-12, debian-13), Ubuntu (ubuntu-22.04, ubuntu-24.04)`.
    pub fn words(&self) -> String {
        let words = |family: &Family| format!("{} ({})", family.name, family.versions.join(", "));
        self.0.iter().map(words).collect::<Vec<_>>().join(", ")
    }
}
