//! What a recipe says, checked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::units::Mib;

/// An OS recipe, checked, with the files that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OsRecipe {
    /// The OS version that it builds, such as `debian-12`.
    pub os: String,
    /// Debian's name for it, such as `bookworm`.
    pub suite: String,
    /// Where packages come from while building.
    pub mirror: String,
    /// Packages beside the essential ones, all from the suite's `main`.
    pub packages: Vec<String>,
    /// Options of apt, for the build and in the guest.
    pub apt: Vec<String>,
    /// Options of dpkg, for the build and in the guest.
    pub dpkg: Vec<String>,
    /// The guest's update sources: lines of its `sources.list`.
    pub sources: Vec<String>,
    /// The disk's size.
    pub disk: Mib,
    /// The kernel's command line, beside its root file system.
    pub kernel: String,
    /// What is done to the installed system.
    #[serde(flatten)]
    pub changes: Changes,
    /// The recipe and the files that it names, with the SHA-256 of their bytes.
    #[serde(skip)]
    pub inputs: BTreeMap<PathBuf, String>,
}

/// A role recipe, checked, with the files that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleRecipe {
    /// Its packages from the base's own release.
    pub packages: Vec<String>,
    /// Its packages on OS versions where they are named differently, instead of `packages`.
    pub packages_for: BTreeMap<String, Vec<String>>,
    /// Packages that are fetched, with what they depend on, and left for the commands to install: their scripts need
    /// something that runs.
    pub fetch: Vec<String>,
    /// Local packages that are installed beside them.
    pub debs: Vec<LocalDeb>,
    /// What is done to the installed system.
    #[serde(flatten)]
    pub changes: Changes,
    /// The recipe and the files that it names, with the SHA-256 of their bytes.
    #[serde(skip)]
    pub inputs: BTreeMap<PathBuf, String>,
}

impl RoleRecipe {
    /// The packages on that OS version.
    pub fn packages_on(&self, os: &str) -> &[String] {
        self.packages_for.get(os).unwrap_or(&self.packages)
    }
}

/// What a recipe does to the installed system, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Files to write.
    pub files: Vec<RecipeFile>,
    /// systemd units to mask.
    pub mask: Vec<String>,
    /// systemd units to enable.
    pub enable: Vec<String>,
    /// Shell commands, run in a chroot as root, without a network.
    pub commands: Vec<String>,
}

/// A file to write into an image, owned by root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecipeFile {
    /// Its absolute path in the guest.
    pub path: String,
    /// Its permission bits.
    pub mode: u32,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// A package file on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LocalDeb {
    /// Where it is.
    #[serde(skip)]
    pub path: PathBuf,
    /// SHA-256 of its bytes.
    pub sha256: String,
}
