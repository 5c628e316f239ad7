//! What is wrong with a lab beyond its syntax: everything that would make a run fail, or its verdict worth nothing. Pure.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use crate::input::finding::{Finding, Severity};
use crate::input::words::show;
use crate::lab::build::CELL_LIMIT;
use crate::lab::file::{HostSection, Lab};
use crate::lab::scenario::parse::ScenarioFile;
use crate::lab::{lint_group, lint_secret, names};
use crate::model::policy::{NetworkMode, UpdateMode};
use crate::model::uri::{is_local, is_system};

/// Everything that is wrong with a lab and its scenarios: the lab file's findings in its order, then the scenarios'.
/// `broken` names scenarios whose files are wrong, which is told elsewhere.
pub fn lint(lab: &Lab, scenarios: &[ScenarioFile], broken: &BTreeSet<String>) -> Vec<Finding> {
    let mut lint = Lint::new(lab, scenarios, broken);
    lint.lab();
    lint.hosts();
    lint.roles();
    lint.images();
    lint_secret::secrets(&mut lint);
    lint_group::groups(&mut lint);
    // With errors about it would only be their echo.
    if tally(&lint.findings).0 == 0 {
        lint.unused();
    }
    lint.cells();
    let place = |finding: &Finding| {
        let place = finding.place.as_ref();
        let elsewhere = place.is_some_and(|place| place.source.path != lab.source.path);
        let file = place.map(|place| place.source.path.clone());
        (elsewhere, file, place.map(|place| place.span.start))
    };
    lint.findings.sort_by_key(place);
    lint.findings
}

/// A lint under way.
#[derive(Debug)]
pub(super) struct Lint<'a> {
    pub(super) lab: &'a Lab,
    pub(super) scenarios: &'a [ScenarioFile],
    pub(super) broken: &'a BTreeSet<String>,
    pub(super) findings: Vec<Finding>,
    used_roles: BTreeSet<&'a str>,
    used_images: BTreeSet<String>,
    pub(super) used_scenarios: BTreeSet<&'a str>,
}

impl<'a> Lint<'a> {
    fn new(lab: &'a Lab, scenarios: &'a [ScenarioFile], broken: &'a BTreeSet<String>) -> Self {
        Self {
            lab,
            scenarios,
            broken,
            findings: Vec::new(),
            used_roles: BTreeSet::new(),
            used_images: BTreeSet::new(),
            used_scenarios: BTreeSet::new(),
        }
    }

    pub(super) fn error<T>(&mut self, at: &Spanned<T>, message: String, hint: impl Into<String>) {
        self.findings
            .push(Finding::error(&self.lab.source, at.span(), message).with_hint(hint));
    }

    fn warning<T>(&mut self, at: &Spanned<T>, message: String, hint: &str) {
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

    fn lab(&mut self) {
        let section = &self.lab.file.lab;
        let listed = *section.updates.get_ref() == UpdateMode::Listed;
        if listed && section.listed.is_empty() {
            self.error(
                &section.updates,
                "`updates = \"listed\"` without `listed`".into(),
                "name the packages below [lab]: listed = [\"openssl\"]",
            );
        }
        if let (false, Some(first)) = (listed, section.listed.first()) {
            self.error(
                first,
                "`listed` has no effect without `updates = \"listed\"`".into(),
                "write updates = \"listed\", or take `listed` away",
            );
        }
        self.twice(&section.listed, "`listed`");
        self.twice(&section.exclude, "`exclude`");
        for package in section.listed.iter().chain(&section.exclude) {
            let name = package.get_ref();
            let also = |c: char| matches!(c, '+' | '-' | '.' | '_' | ':');
            let plain = name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.len() <= 128
                && name.chars().all(|c| c.is_ascii_alphanumeric() || also(c));
            if !plain {
                self.error(
                    package,
                    format!("{} is not a package's name", show(name)),
                    "write the name as the guest's package manager has it, such as \"openssl\"",
                );
            }
        }
        for package in &section.exclude {
            if section
                .listed
                .iter()
                .any(|listed| listed.get_ref() == package.get_ref())
            {
                self.error(
                    package,
                    format!("{} is both listed and excluded", show(package.get_ref())),
                    "take it from one of both lists",
                );
            }
        }
    }

    fn hosts(&mut self) {
        let hosts = &self.lab.file.host;
        for (at, host) in hosts.iter().enumerate() {
            let uri = |host: &'a Spanned<HostSection>| host.get_ref().uri.get_ref().as_str();
            let known: Vec<&str> = hosts[..at].iter().map(uri).collect();
            let own = uri(host);
            if known.contains(&own) {
                self.error(
                    host,
                    format!("host {} is there twice", show(own)),
                    "one [[host]] for each libvirt URI: what is free there is given away once",
                );
            }
            // `auto` is of this machine too.
            let local = known.iter().copied().find(|known| is_local(known));
            let other = match own {
                "auto" => local,
                own => (is_local(own) && known.contains(&"auto")).then_some(own),
            };
            if let Some(other) = other {
                self.error(
                    host,
                    format!("`auto` and {} are both of this machine", show(other)),
                    "keep one of them: what is free there is given away once",
                );
            }
            if self.uri(host.get_ref()) {
                self.isolation(host.get_ref());
            }
        }
    }

    /// Where clones cannot be cut off from the world, the lab has to say that they are not.
    fn isolation(&mut self, host: &HostSection) {
        let uri = host.uri.get_ref().as_str();
        let can = uri == "auto" || (is_system(uri) && is_local(uri));
        if can || *self.lab.file.network.mode.get_ref() == NetworkMode::Open {
            return;
        }
        self.error(
            &host.uri,
            format!(
                "clones on {} cannot be cut off from the world",
                show(host.uri.get_ref())
            ),
            "run patchgate on the lab host with uri = \"qemu:///system\"; or, where clones may reach whatever the host \
             reaches, write mode = \"open\" below [network]",
        );
    }

    /// Whether the URI is one; complains where it is not.
    fn uri(&mut self, host: &HostSection) -> bool {
        let uri = host.uri.get_ref().as_str();
        let scheme = uri.split_once("://").map(|(scheme, _)| scheme);
        let is_qemu = scheme.is_some_and(|scheme| scheme == "qemu" || scheme.starts_with("qemu+"));
        let plain = uri.len() <= 500 && uri.chars().all(|c| c.is_ascii_graphic());
        if uri == "auto" || (is_qemu && plain) {
            return true;
        }
        let message = match scheme {
            Some(scheme) if !is_qemu => {
                format!(
                    "patchgate drives QEMU through libvirt, and {} is another driver",
                    show(scheme)
                )
            }
            _ => format!("{} is not a libvirt URI", show(uri)),
        };
        self.error(
            &host.uri,
            message,
            "write \"auto\", \"qemu:///system\", \"qemu:///session\" or \"qemu+ssh://HOST/system\"",
        );
        false
    }

    fn roles(&mut self) {
        for (name, section) in &self.lab.file.role {
            if let Some(host) = &section.host
                && let Some(rule) = names::role_problem(host.get_ref())
            {
                self.error(
                    host,
                    format!("{} cannot be the name of a host", show(host.get_ref())),
                    rule,
                );
            }
            if let Some(rule) = names::role_problem(name.get_ref()) {
                self.error(
                    name,
                    format!("{} cannot be the name of a role", show(name.get_ref())),
                    rule,
                );
            }
        }
    }

    fn images(&mut self) {
        for (name, section) in &self.lab.file.image {
            let (os, role) = match name.get_ref().split_once('+') {
                Some((os, role)) => (os, Some(role)),
                None => (name.get_ref().as_str(), None),
            };
            let broken = names::problem(os).or_else(|| role.and_then(names::role_problem));
            if let Some(rule) = broken {
                let message = format!("{} cannot be the name of an image", show(name.get_ref()));
                self.error(name, message, format!("it is an OS version, or OS+ROLE; {rule}"));
            }
            if let (Some(role), Some(build)) = (role, &section.build) {
                self.error(
                    build,
                    format!("an image with a role in its name, {}, is imported, not built", show(name.get_ref())),
                    format!(
                        "build = \"...\" belongs in [image.{os}], and the recipe of the role in [role.{role}]; \
                         patchgate puts them together"
                    ),
                );
            }
        }
    }

    /// Warns of what no group uses: it is likely a group that was forgotten.
    fn unused(&mut self) {
        let file = &self.lab.file;
        for name in file.image.keys() {
            if !self.used_images.contains(name.get_ref()) {
                let message = format!("no group uses image {}", show(name.get_ref()));
                self.warning(
                    name,
                    message,
                    "name it in a group's `os`, or take the section away",
                );
            }
        }
        for name in file.role.keys() {
            if !self.used_roles.contains(name.get_ref().as_str()) {
                let message = format!("no group uses role {}", show(name.get_ref()));
                self.warning(
                    name,
                    message,
                    "name it in a group's `roles`, or take the section away",
                );
            }
        }
        for file in self.scenarios {
            if !self.used_scenarios.contains(file.scenario.name.as_str()) {
                let message = format!(
                    "no group asks for scenario {}: it never runs",
                    show(&file.scenario.name)
                );
                let hint = format!(
                    "name {} in a group's `scenarios`",
                    show(&file.scenario.department)
                );
                self.findings
                    .push(Finding::warning(&file.source, 0..0, message).with_hint(hint));
            }
        }
    }

    fn cells(&mut self) {
        let groups = &self.lab.file.group;
        let cells: usize = groups.values().map(|group| group.os.get_ref().len()).sum();
        if cells > CELL_LIMIT
            && let Some((name, _)) = groups.last_key_value()
        {
            self.error(
                name,
                format!("the lab has {cells} cells; at most {CELL_LIMIT} are planned"),
                "split it into several labs",
            );
        }
    }
}

/// How many findings are errors, and how many warnings.
pub fn tally(findings: &[Finding]) -> (usize, usize) {
    let counts = findings.iter().fold(BTreeMap::new(), |mut counts, finding| {
        *counts.entry(finding.severity).or_insert(0) += 1;
        counts
    });
    let of = |severity| counts.get(&severity).copied().unwrap_or(0);
    (of(Severity::Error), of(Severity::Warning))
}
