//! `[performance]`: when a slowdown counts.

use crate::input::read::Reader;
use crate::input::section::Section;
use crate::lab::sections::values::once;
use crate::measure::Performance;

/// Reads `[performance]`.
pub(super) fn performance(reader: &mut Reader<'_>, root: &Section<'_>) -> Performance {
    let mut performance = Performance::default();
    let Some(section) = once(reader, root, "performance") else {
        return performance;
    };
    if let Some(statistic) = reader.choice(&section, "statistic") {
        performance.statistic = statistic;
    }
    if let Some(slower) = reader.parsed(&section, "slower") {
        performance.slower = slower.into_inner();
    }
    if let Some(permille) = confidence(reader, &section) {
        performance.confidence_permille = permille;
    }
    performance
}

/// `confidence`, in thousandths.
fn confidence(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<u16> {
    let share = reader.fraction(section, "confidence")?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is from 800 to 999"
    )]
    Some((share * 1000.0).round() as u16)
}
