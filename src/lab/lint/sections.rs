//! What is wrong with a lab's own section, its roles and its images, and what no group uses.

use crate::input::finding::Finding;
use crate::input::words::{did_you_mean, list, show};
use crate::lab::build::CELL_LIMIT;
use crate::lab::lint::state::Lint;
use crate::lab::names;
use crate::model::machine::MachinePlan;
use crate::model::policy::UpdateMode;
use crate::model::update::ARCHITECTURES;

/// Looks at `[lab]`.
pub(super) fn lab(lint: &mut Lint<'_>) {
    let section = &lint.lab.file.lab;
    let listed = *section.updates.get_ref() == UpdateMode::Listed;
    if listed && section.listed.is_empty() {
        lint.error(
            &section.updates,
            "`updates = \"listed\"` without `listed`".into(),
            "name the packages below [lab]: listed = [\"openssl\"]",
        );
    }
    if let (false, Some(first)) = (listed, section.listed.first()) {
        lint.error(
            first,
            "`listed` has no effect without `updates = \"listed\"`".into(),
            "write updates = \"listed\", or take `listed` away",
        );
    }
    origins(lint);
    lint.twice(&section.listed, "`listed`");
    lint.twice(&section.exclude, "`exclude`");
    for package in section.listed.iter().chain(&section.exclude) {
        let name = package.get_ref();
        let also = |c: char| matches!(c, '+' | '-' | '.' | '_' | ':');
        let plain = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.len() <= 128
            && name.chars().all(|c| c.is_ascii_alphanumeric() || also(c));
        if !plain {
            lint.error(
                package,
                format!("{} is not a package's name", show(name)),
                "write the name as the guest's package manager has it, such as \"openssl\"",
            );
        } else if let Some((_, arch)) = name.rsplit_once(':')
            && !ARCHITECTURES.contains(&arch)
        {
            lint.error(
                package,
                format!(
                    "{} names no architecture that is known: {}",
                    show(name),
                    show(arch)
                ),
                did_you_mean(arch, "architecture", ARCHITECTURES),
            );
        }
    }
    for package in &section.exclude {
        if section
            .listed
            .iter()
            .any(|listed| listed.get_ref() == package.get_ref())
        {
            lint.error(
                package,
                format!("{} is both listed and excluded", show(package.get_ref())),
                "take it from one of both lists",
            );
        }
    }
}

/// Looks at the origins of security updates.
fn origins(lint: &mut Lint<'_>) {
    let section = &lint.lab.file.lab;
    let origins = &section.security_origins;
    if let (Some(first), UpdateMode::All | UpdateMode::Listed) = (origins.first(), *section.updates.get_ref())
    {
        lint.error(
            first,
            "`security_origins` has no effect without `updates = \"security\"`".into(),
            "write updates = \"security\", or take `security_origins` away",
        );
    }
    lint.twice(origins, "`security_origins`");
    for origin in origins {
        let text = origin.get_ref();
        let (label, archive) = text.rsplit_once(':').unwrap_or((text, "*"));
        let is_plain = text.chars().all(|c| !c.is_control()) && text.len() <= 256;
        if !is_plain || label.is_empty() || archive.is_empty() || text.trim() != text {
            lint.error(
                origin,
                format!("{} is not an origin", show(text)),
                "write what reports show of an update, LABEL or LABEL:ARCHIVE, with `*` for anything: \"Acme:*-security\"",
            );
        }
    }
}

/// Looks at the names of roles and of their nodes.
pub(super) fn roles(lint: &mut Lint<'_>) {
    for (name, section) in &lint.lab.file.role {
        if let Some(host) = &section.host
            && let Some(rule) = names::role_problem(host.get_ref())
        {
            lint.error(
                host,
                format!("{} cannot be the name of a host", show(host.get_ref())),
                rule,
            );
        }
        if let Some(rule) = names::role_problem(name.get_ref()) {
            lint.error(
                name,
                format!("{} cannot be the name of a role", show(name.get_ref())),
                rule,
            );
        }
    }
}

/// Looks at the names of images.
pub(super) fn images(lint: &mut Lint<'_>) {
    for (name, section) in &lint.lab.file.image {
        let (os, role) = match name.get_ref().split_once('+') {
            Some((os, role)) => (os, Some(role)),
            None => (name.get_ref().as_str(), None),
        };
        let broken = names::problem(os).or_else(|| role.and_then(names::role_problem));
        if let Some(rule) = broken {
            let message = format!("{} cannot be the name of an image", show(name.get_ref()));
            lint.error(name, message, format!("it is an OS version, or OS+ROLE; {rule}"));
        }
        if let Some(manager) = &section.package_manager
            && !lint.families.managers().contains(&manager.get_ref().as_str())
        {
            let message = format!("there is no package manager {}", show(manager.get_ref()));
            let hint = format!("one of {}", list(lint.families.managers()));
            lint.error(manager, message, hint);
        }
        // Where it does not say the board, the import may.
        let whole = section
            .hardware
            .machine
            .map(|_| section.hardware.clone().settled());
        if let Some(Err(error)) = whole.map(|hardware| MachinePlan::of(hardware).check()) {
            lint.error(
                name,
                format!("image {}: {error}", show(name.get_ref())),
                error.hint(),
            );
        }
        if let (Some(role), Some(build)) = (role, &section.build) {
            lint.error(
                build,
                format!(
                    "an image with a role in its name, {}, is imported, not built",
                    show(name.get_ref())
                ),
                format!(
                    "build = \"...\" belongs in [image.{os}], and the recipe of the role in [role.{role}]; \
                     patchgate puts them together"
                ),
            );
        }
    }
}

/// Warns of what no group uses: it is likely a group that was forgotten.
pub(super) fn unused(lint: &mut Lint<'_>) {
    let file = &lint.lab.file;
    for name in file.image.keys() {
        if !lint.used_images.contains(name.get_ref()) {
            let message = format!("no group uses image {}", show(name.get_ref()));
            lint.warning(
                name,
                message,
                "name it in a group's `os`, or take the section away",
            );
        }
    }
    for name in file.role.keys() {
        if !lint.used_roles.contains(name.get_ref().as_str()) {
            let message = format!("no group uses role {}", show(name.get_ref()));
            lint.warning(
                name,
                message,
                "name it in a group's `roles`, or take the section away",
            );
        }
    }
    for file in lint.scenarios {
        if !lint.used_scenarios.contains(file.scenario.name.as_str()) {
            let message = format!(
                "no group asks for scenario {}: it never runs",
                show(&file.scenario.name)
            );
            let hint = format!(
                "name {} in a group's `scenarios`",
                show(&file.scenario.department)
            );
            lint.findings
                .push(Finding::warning(&file.source, 0..0, message).with_hint(hint));
        }
    }
}

/// Bounds what is planned.
pub(super) fn cells(lint: &mut Lint<'_>) {
    let groups = &lint.lab.file.group;
    let cells: usize = groups.values().map(|group| group.os.get_ref().len()).sum();
    if cells > CELL_LIMIT
        && let Some((name, _)) = groups.last_key_value()
    {
        lint.error(
            name,
            format!("the lab has {cells} cells; at most {CELL_LIMIT} are planned"),
            "split it into several labs",
        );
    }
}
