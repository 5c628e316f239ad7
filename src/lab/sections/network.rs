//! `[network]`: what clones may reach.

use toml::Spanned;

use crate::input::read::{Reader, Section};
use crate::input::words::show;
use crate::lab::file::NetworkSection;
use crate::lab::sections::values::{absent, list};
use crate::model::policy::NetworkMode;
use crate::model::update;

/// Reads `[network]`.
pub(super) fn network(reader: &mut Reader<'_>, root: &Section<'_>) -> NetworkSection {
    let mut network = NetworkSection {
        mode: absent(NetworkMode::Isolated),
        sources: Vec::new(),
    };
    let section = root
        .get("network")
        .and_then(|value| reader.section("[network]", value, "[network]"));
    let Some(section) = section else { return network };
    reader.known(
        &section,
        &["mode", "sources"],
        &[
            (
                "proxy",
                "patchgate starts a proxy of its own; list what it may let through as `sources`",
            ),
            ("allow", "it is called `sources`"),
        ],
    );
    let modes = [("isolated", NetworkMode::Isolated), ("open", NetworkMode::Open)];
    if let Some(mode) = reader.choice(&section, "mode", &modes) {
        network.mode = Spanned::new(section.span_of("mode"), mode);
    }
    let example = "[\"http://deb.debian.org/debian\"]";
    network.sources = list(reader, &section, "sources", example);
    for source in &network.sources {
        if update::Source::parse(source.get_ref()).is_none() {
            reader.hinted(
                source.span(),
                format!(
                    "{} is not the address of an update source",
                    show(source.get_ref())
                ),
                format!("write it like this: sources = {example}; the proxy speaks http and https"),
            );
        }
    }
    network
}
