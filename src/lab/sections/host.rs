//! `[[host]]`: one libvirt daemon each.

use toml::Spanned;
use toml::de::DeValue;

use crate::input::keys::Table;
use crate::input::read::Reader;
use crate::input::section::Section;
use crate::lab::file::HostSection;
use crate::lab::sections::values::absent;

/// Reads every `[[host]]`.
pub(super) fn hosts(reader: &mut Reader<'_>, root: &Section<'_>) -> Vec<Spanned<HostSection>> {
    let keys = root.key("host").shape.table();
    reader
        .tables(root, "host", "host")
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| Some(Spanned::new(entry.span(), host(reader, keys, entry)?)))
        .collect()
}

fn host(reader: &mut Reader<'_>, keys: &'static Table, entry: &Spanned<DeValue<'_>>) -> Option<HostSection> {
    let section = reader.open("[[host]]", entry, keys, "[[host]]")?;
    Some(HostSection {
        uri: reader
            .text(&section, "uri")
            .unwrap_or_else(|| absent("auto".into())),
        accel: reader.choice(&section, "accel").unwrap_or_default(),
        memory: reader.parsed(&section, "memory"),
        vcpus: reader.number(&section, "vcpus"),
    })
}
