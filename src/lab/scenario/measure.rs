//! Reading `measure`: how a step's time is compared between the arms.

use toml::Spanned;

use crate::input::read::{Reader, Section};
use crate::lab::scenario::keys;
use crate::measure::{REPEAT, Statistic, WARMUP};
use crate::model::scenario::{Measure, When};

/// The actions whose time can be compared.
const KINDS: [&str; 5] = ["http", "run", "tcp", "script", "sql"];

/// Rounds before the samples where the file does not say.
const DEFAULT_WARMUP: u32 = 3;

const EXAMPLE: &str = "measure = { repeat = 20, warmup = 3 }";

/// Reads `measure` of a step where it is given.
pub(super) fn read(reader: &mut Reader<'_>, step: &Section<'_>, when: When) -> Option<Measure> {
    let value = step.get("measure")?;
    let table = reader.section(format!("`measure` of {}", step.what), value, EXAMPLE)?;
    reader.known(
        &table,
        &keys::MEASURE.names(),
        &[
            ("confidence", "it belongs below [performance] of the lab file"),
            ("times", "it is called `repeat`"),
            ("samples", "it is called `repeat`"),
        ],
    );
    if !KINDS.iter().any(|kind| step.get(kind).is_some()) {
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
    if table.get("repeat").is_none() {
        reader.missing(&table, "repeat", "20");
    }
    let repeat = reader.number(&table, "repeat", REPEAT.0..=REPEAT.1);
    let warmup = reader
        .number(&table, "warmup", 0..=WARMUP)
        .map_or(DEFAULT_WARMUP, Spanned::into_inner);
    let statistic = reader.choice(&table, "statistic", &Statistic::WORDS);
    let slower = reader
        .parsed(&table, "slower", "\"30%\"")
        .map(Spanned::into_inner);
    Some(Measure {
        repeat: repeat?.into_inner(),
        warmup,
        statistic,
        slower,
    })
}
