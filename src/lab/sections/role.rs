//! `[role.NAME]`: the layer of its nodes, their size, and when they are ready.

use toml::Spanned;
use toml::de::DeValue;

use crate::input::read::{Reader, Section};
use crate::lab::file::RoleSection;
use crate::lab::scenario::action;
use crate::lab::sections::values::{absent, path};
use crate::model::plan::Ready;
use crate::units::{Mib, Period};

/// How long a node's service may take after its boot where the lab file does not say; under TCG it takes its time.
const READY_WITHIN: Period = Period::seconds(180);

/// Memory with which a Debian kernel and its initramfs still start.
const LEAST_MEMORY: Mib = Mib(128);

/// Memory beyond which QEMU's machine types have no guest: 16 TiB, and sums of it stay far from overflow.
const MOST_MEMORY: Mib = Mib(16 * 1024 * 1024);

/// Reads the section.
pub(super) fn role(reader: &mut Reader<'_>, section: &Section<'_>) -> RoleSection {
    reader.known(
        section,
        &["recipe", "memory", "vcpus", "host", "ready"],
        &[
            ("build", "it is called `recipe`"),
            ("cpus", "it is called `vcpus`"),
            ("hostname", "it is called `host`"),
        ],
    );
    let memory = reader.parsed(section, "memory", "\"512MiB\"");
    if let Some(memory) = &memory
        && !(LEAST_MEMORY..=MOST_MEMORY).contains(memory.get_ref())
    {
        reader.hinted(
            memory.span(),
            format!(
                "`memory` of {} must be from {LEAST_MEMORY} to {MOST_MEMORY}",
                section.what
            ),
            "512MiB does for a small server",
        );
    }
    RoleSection {
        recipe: path(reader, section, "recipe", "\"images/roles/web.toml\""),
        memory: memory.map_or(Mib(512), Spanned::into_inner),
        vcpus: reader
            .number(section, "vcpus", 1..=1024)
            .unwrap_or_else(|| absent(1)),
        host: reader.text(section, "host", "\"app\""),
        ready: section
            .get("ready")
            .and_then(|value| ready(reader, section, value)),
    }
}

/// A condition is written like the action of a scenario's step, and looked at in the same way.
fn ready(reader: &mut Reader<'_>, role: &Section<'_>, value: &Spanned<DeValue<'_>>) -> Option<Ready> {
    let example = "ready = { tcp = \"localhost:5432\" }";
    let section = reader.section(format!("`ready` of {}", role.what), value, example)?;
    let known = [
        "within", "user", "expect", "run", "http", "tcp", "service", "file", "package",
    ];
    reader.known(&section, &known, &[("timeout", "it is called `within`")]);
    let within = reader.parsed::<Period>(&section, "within", "\"3m\"");
    Some(Ready {
        check: action::read(reader, &section)?,
        within: within.map_or(READY_WITHIN, Spanned::into_inner),
    })
}
