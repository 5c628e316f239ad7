//! What a family of OSs must say to have its images built.

use std::path::Path;

use crate::image::build::stage::Stage;
use crate::image::error::BuildError;
use crate::image::process::{Dialect, Runner};
use crate::lab::recipe::{OsRecipe, RoleRecipe};

/// Makes root file systems and disks of one family.
pub trait Builder: Sync {
    /// Programs that it needs beside those of every build; `setup.sh` installs their packages.
    fn tools(&self) -> &'static [&'static str];

    /// A package of this machine that it needs, lacks, and cannot tell by a program.
    fn lacks(&self) -> Option<&'static str>;

    /// How its programs want to be called, and what they say.
    fn dialect(&self) -> Dialect;

    /// Text of its own that decides what a disk is; part of every key.
    fn decides(&self) -> &'static [&'static str];

    /// Makes the base's root file system in the folder `root`, which is not there yet.
    ///
    /// # Errors
    /// What went wrong; what is in `root` is removed.
    fn base(
        &self,
        runner: &Runner,
        root: &Path,
        os: &OsRecipe,
        stage: &dyn Fn(Stage),
    ) -> Result<(), BuildError>;

    /// Puts a role on the base's root file system at `root`.
    ///
    /// # Errors
    /// As of a base.
    fn layer(
        &self,
        runner: &Runner,
        root: &Path,
        os: &OsRecipe,
        role: &RoleRecipe,
        stage: &dyn Fn(Stage),
    ) -> Result<(), BuildError>;

    /// Takes its traces of the build out of the tree, beside those of every OS.
    ///
    /// # Errors
    /// A file cannot be removed.
    fn tidy(&self, root: &Path) -> Result<(), BuildError>;

    /// Makes the bootable disk `out` (qcow2) from the tree at `root`, with scratch files in `work`.
    ///
    /// # Errors
    /// As of a base.
    fn disk(
        &self,
        runner: &Runner,
        root: &Path,
        work: &Path,
        os: &OsRecipe,
        out: &Path,
    ) -> Result<(), BuildError>;
}
