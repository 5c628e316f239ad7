//! The sections `[network]`, `[deadlines]` and `[performance]`.

use toml::Spanned;
use toml::de::DeValue;

use crate::input::read::{Reader, Section};
use crate::input::words::show;
use crate::lab::file::{DeadlinesSection, NetworkSection};
use crate::lab::load::{absent, list};
use crate::measure::{Performance, Statistic};
use crate::model::policy::NetworkMode;
use crate::model::update;
use crate::units::Period;

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

/// Reads `[deadlines]`.
pub(super) fn deadlines(reader: &mut Reader<'_>, root: &Section<'_>) -> DeadlinesSection {
    let section = root
        .get("deadlines")
        .and_then(|value| reader.section("[deadlines]", value, "[deadlines]"));
    let Some(section) = section else {
        return DeadlinesSection::default();
    };
    reader.known(&section, &["boot", "resolve", "download", "apply", "reboot"], &[]);
    let mut deadline = |key: &str| {
        reader
            .parsed::<Period>(&section, key, "\"10m\"")
            .map(Spanned::into_inner)
    };
    DeadlinesSection {
        boot: deadline("boot"),
        resolve: deadline("resolve"),
        download: deadline("download"),
        apply: deadline("apply"),
        reboot: deadline("reboot"),
    }
}

/// Reads `[performance]`.
pub(super) fn performance(reader: &mut Reader<'_>, root: &Section<'_>) -> Performance {
    let mut performance = Performance::default();
    let section = root
        .get("performance")
        .and_then(|value| reader.section("[performance]", value, "[performance]"));
    let Some(section) = section else {
        return performance;
    };
    reader.known(
        &section,
        &["statistic", "slower", "confidence"],
        &[
            ("repeat", "it belongs to a step: measure = { repeat = 20 }"),
            (
                "warmup",
                "it belongs to a step: measure = { repeat = 20, warmup = 3 }",
            ),
        ],
    );
    if let Some(statistic) = reader.choice(&section, "statistic", &Statistic::WORDS) {
        performance.statistic = statistic;
    }
    if let Some(slower) = reader.parsed(&section, "slower", "\"30%\"") {
        performance.slower = slower.into_inner();
    }
    if let Some(permille) = confidence(reader, &section) {
        performance.confidence_permille = permille;
    }
    performance
}

/// `confidence`, in thousandths.
fn confidence(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<u16> {
    const EXAMPLE: &str = "confidence = 0.95";
    let value = section.get("confidence")?;
    let what = format!("`confidence` of {}", section.what);
    let DeValue::Float(number) = value.get_ref() else {
        reader.wrong_type(&what, value, "a fraction, without quotes", EXAMPLE);
        return None;
    };
    let permille = number
        .as_str()
        .parse::<f64>()
        .ok()
        .filter(|share| (0.8..=0.999).contains(share))
        .map(|share| (share * 1000.0).round());
    if permille.is_none() {
        reader.hinted(
            value.span(),
            format!("{what} must be from 0.8 to 0.999"),
            format!("write it like this: {EXAMPLE}"),
        );
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is from 800 to 999"
    )]
    permille.map(|permille| permille as u16)
}
