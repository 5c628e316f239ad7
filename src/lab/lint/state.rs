//! A lint under way: what it looks at and what it has found.

use std::collections::BTreeSet;

use toml::Spanned;

use crate::guest::families::Families;
use crate::input::finding::Finding;
use crate::input::words::show;
use crate::lab::file::Lab;
use crate::lab::scenario::parse::ScenarioFile;

/// A lint under way.
#[derive(Debug)]
pub(super) struct Lint<'a> {
    pub(super) lab: &'a Lab,
    pub(super) scenarios: &'a [ScenarioFile],
    pub(super) broken: &'a BTreeSet<String>,
    pub(super) families: &'a Families,
    pub(super) findings: Vec<Finding>,
    pub(super) used_roles: BTreeSet<&'a str>,
    pub(super) used_images: BTreeSet<String>,
    pub(super) used_scenarios: BTreeSet<&'a str>,
}

impl<'a> Lint<'a> {
    pub(super) fn new(
        lab: &'a Lab,
        scenarios: &'a [ScenarioFile],
        broken: &'a BTreeSet<String>,
        families: &'a Families,
    ) -> Self {
        Self {
            lab,
            scenarios,
            broken,
            families,
            findings: Vec::new(),
            used_roles: BTreeSet::new(),
            used_images: BTreeSet::new(),
            used_scenarios: BTreeSet::new(),
        }
    }

    /// Whether updates can be applied to an OS version: by its name, or since images of it say what does that.
    pub(super) fn is_known(&self, os: &str) -> bool {
        let is_of = |name: &str| name.split('+').next() == Some(os);
        let mut images = self.lab.file.image.iter();
        self.families.of(os).is_some()
            || images.any(|(name, image)| is_of(name.get_ref()) && image.package_manager.is_some())
    }

    pub(super) fn error<T>(&mut self, at: &Spanned<T>, message: String, hint: impl Into<String>) {
        self.findings
            .push(Finding::error(&self.lab.source, at.span(), message).with_hint(hint));
    }

    pub(super) fn warning<T>(&mut self, at: &Spanned<T>, message: String, hint: &str) {
        self.findings
            .push(Finding::warning(&self.lab.source, at.span(), message).with_hint(hint));
    }

    /// Complains of entries that a list has twice.
    pub(super) fn twice(&mut self, list: &[Spanned<String>], what: &str) {
        let mut seen = BTreeSet::new();
        for entry in list {
            if !seen.insert(entry.get_ref()) {
                self.error(
                    entry,
                    format!("{what} has {} twice", show(entry.get_ref())),
                    "take one away",
                );
            }
        }
    }

    /// The sections of the image and role that a node of that role on that OS version is made from are in use.
    pub(super) fn uses(&mut self, os: &str, role: &'a str) {
        let whole = format!("{os}+{role}");
        self.used_roles.insert(role);
        let has_whole = self.lab.file.image.contains_key(whole.as_str());
        self.used_images
            .insert(if has_whole { whole } else { os.to_owned() });
    }
}
