//! `[[host]]`: one libvirt daemon each.

use toml::Spanned;
use toml::de::DeValue;

use crate::input::read::{Reader, Section};
use crate::lab::file::HostSection;
use crate::lab::sections::values::absent;
use crate::model::policy::Accel;

/// Reads every `[[host]]`.
pub(super) fn hosts(reader: &mut Reader<'_>, root: &Section<'_>) -> Vec<Spanned<HostSection>> {
    let Some(value) = root.get("host") else {
        return Vec::new();
    };
    let DeValue::Array(array) = value.get_ref() else {
        reader.hinted(
            value.span(),
            "a host is an entry of a list",
            "write [[host]] with two brackets",
        );
        return Vec::new();
    };
    array
        .iter()
        .filter_map(|entry| Some(Spanned::new(entry.span(), host(reader, entry)?)))
        .collect()
}

fn host(reader: &mut Reader<'_>, entry: &Spanned<DeValue<'_>>) -> Option<HostSection> {
    let section = reader.section("[[host]]", entry, "[[host]]")?;
    reader.known(
        &section,
        &["uri", "accel", "memory", "vcpus"],
        &[("cpus", "it is called `vcpus`")],
    );
    let accels = [("auto", Accel::Auto), ("kvm", Accel::Kvm), ("tcg", Accel::Tcg)];
    Some(HostSection {
        uri: reader
            .text(&section, "uri", "\"qemu:///system\"")
            .unwrap_or_else(|| absent("auto".into())),
        accel: reader.choice(&section, "accel", &accels).unwrap_or_default(),
        memory: reader.parsed(&section, "memory", "\"16GiB\""),
        vcpus: reader.number(&section, "vcpus", 1..=65_536),
    })
}
