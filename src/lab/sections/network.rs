//! `[network]`: what clones may reach.

use toml::Spanned;

use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::words::show;
use crate::lab::file::NetworkSection;
use crate::lab::sections::values::{absent, once};
use crate::model::policy::NetworkMode;
use crate::model::update;

/// Reads `[network]`.
pub(super) fn network(reader: &mut Reader<'_>, root: &Section<'_>) -> NetworkSection {
    let mut network = NetworkSection {
        mode: absent(NetworkMode::Isolated),
        sources: Vec::new(),
    };
    let Some(section) = once(reader, root, "network") else {
        return network;
    };
    if let Some(mode) = reader.choice(&section, "mode") {
        network.mode = Spanned::new(section.span_of("mode"), mode);
    }
    network.sources = reader.list(&section, "sources");
    for source in &network.sources {
        if update::Source::parse(source.get_ref()).is_none() {
            reader.hinted(
                source.span(),
                format!(
                    "{} is not the address of an update source",
                    show(source.get_ref())
                ),
                format!(
                    "write it like this: {}; the proxy speaks http and https",
                    section.like("sources")
                ),
            );
        }
    }
    network
}
