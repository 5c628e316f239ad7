//! `[role.NAME]`: the layer of its nodes, their size, and when they are ready.

use toml::Spanned;

use crate::input::read::Reader;
use crate::input::section::Section;
use crate::lab::file::{AddressMode, RoleSection};
use crate::lab::scenario::action;
use crate::lab::sections::values::absent;
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
    let memory = reader.parsed(section, "memory");
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
        recipe: reader.path(section, "recipe"),
        memory: memory.map_or(Mib(512), Spanned::into_inner),
        vcpus: reader.number(section, "vcpus").unwrap_or_else(|| absent(1)),
        host: reader.text(section, "host"),
        ready: ready(reader, section),
        addresses: addresses(reader, section),
    }
}

fn addresses(reader: &mut Reader<'_>, role: &Section<'_>) -> Spanned<AddressMode> {
    match reader.choice(role, "addresses") {
        Some(mode) => Spanned::new(role.span_of("addresses"), mode),
        None => absent(AddressMode::Give),
    }
}

/// A condition is written like the action of a scenario's step, and looked at in the same way.
fn ready(reader: &mut Reader<'_>, role: &Section<'_>) -> Option<Ready> {
    let section = reader.table(role, "ready")?;
    let within = reader.parsed::<Period>(&section, "within");
    Some(Ready {
        check: action::read(reader, &section)?,
        within: within.map_or(READY_WITHIN, Spanned::into_inner),
    })
}
