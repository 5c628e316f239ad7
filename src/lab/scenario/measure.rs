//! Reading `measure`: how a step's time is compared between the arms.

use toml::Spanned;

use crate::input::read::Reader;
use crate::input::section::Section;
use crate::model::scenario::{Action, Measure, When};

/// Rounds before the samples where the file does not say.
const DEFAULT_WARMUP: u32 = 3;

/// Reads `measure` of a step where it is given.
pub(super) fn read(
    reader: &mut Reader<'_>,
    step: &Section<'_>,
    action: &Action,
    when: When,
) -> Option<Measure> {
    let table = reader.table(step, "measure")?;
    if !has_time(action) {
        reader.hinted(
            step.key_span("measure"),
            format!("{} has no action whose time can be compared", step.what),
            "measure a step with `http`, `run`, `tcp`, `script` or `sql`",
        );
    }
    if when == When::BeforeUpdates {
        reader.hinted(
            step.key_span("measure"),
            format!("{} runs before the updates, where both arms are alike", step.what),
            "measure a step after the reboot",
        );
    }
    if !table.has("repeat") {
        reader.missing(&table, "repeat");
    }
    let repeat = reader.number(&table, "repeat");
    let warmup = reader
        .number(&table, "warmup")
        .map_or(DEFAULT_WARMUP, Spanned::into_inner);
    let statistic = reader.choice(&table, "statistic");
    let slower = reader.parsed(&table, "slower").map(Spanned::into_inner);
    Some(Measure {
        repeat: repeat?.into_inner(),
        warmup,
        statistic,
        slower,
    })
}

/// Whether the time of an action can be compared.
fn has_time(action: &Action) -> bool {
    match action {
        Action::Http(_) | Action::Run(_) | Action::Tcp(_) | Action::Script(_) | Action::Sql(_) => true,
        Action::Service(_)
        | Action::File(_)
        | Action::Package(_)
        | Action::Log(_)
        | Action::Wait(_)
        | Action::Reboot => false,
    }
}
