//! The lab file as a whole.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;

use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::words::show;
use crate::lab::file::LabFile;
use crate::lab::sections::{
    deadlines, drift, group, host, image, lab, network, performance, role, secret, soak,
};

/// Reads the file.
pub fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> LabFile {
    let file = LabFile {
        lab: lab::lab(reader, root),
        network: network::network(reader, root),
        host: host::hosts(reader, root),
        image: named(reader, root, "image", "debian-12", image::image),
        role: named(reader, root, "role", "web", role::role),
        group: named(reader, root, "group", "shop", group::group),
        secret: named(reader, root, "secret", "ERP_PASSWORD", secret::read),
        deadlines: deadlines::deadlines(reader, root),
        performance: performance::performance(reader, root),
        drift: drift::section(reader, root, "[drift]").unwrap_or_default(),
        soak: soak::section(reader, root, "[soak]"),
    };
    for name in file.secret.keys() {
        secret::name(reader, name);
    }
    file
}

/// The sections `[kind.NAME]`.
fn named<T>(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    kind: &str,
    example: &str,
    read: fn(&mut Reader<'_>, &Section<'_>) -> T,
) -> BTreeMap<Spanned<String>, T> {
    let example = format!("[{kind}.{example}]");
    let keys = root.key(kind).shape.table();
    let Some(value) = root.get(kind) else {
        return BTreeMap::new();
    };
    let Some(sections) = reader.names_of(format!("[{kind}]"), value, &example) else {
        return BTreeMap::new();
    };
    sections
        .entries()
        .filter_map(|(name, value)| {
            let what = format!("[{kind}.{}]", name.get_ref().escape_debug());
            let DeValue::Table(table) = value.get_ref() else {
                reader.hinted(
                    name.span(),
                    format!(
                        "[{kind}] has no keys of its own, and {} is one",
                        show(name.get_ref())
                    ),
                    format!("each {kind} has a section with its name: {example}"),
                );
                return None;
            };
            let section = reader.enter(what, name.span(), keys, table);
            let content = read(reader, &section);
            Some((name, content))
        })
        .collect()
}
