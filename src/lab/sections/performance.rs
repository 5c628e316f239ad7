//! `[performance]`: when a slowdown counts.

use toml::de::DeValue;

use crate::input::read::{Reader, Section};
use crate::measure::{Performance, Statistic};

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
