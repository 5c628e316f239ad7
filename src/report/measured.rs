//! Measured steps side by side, as every format shows them.

use crate::input::safe;
use crate::measure::{Comparison, Finding, time};
use crate::report::table::{self, Paint, Painted};
use crate::report::view::Summary;
use crate::verdict::{Measured, MeasuredStep};

/// The columns of [`Row::columns`].
pub(super) const HEADER: [&str; 7] = [
    "step",
    "control / treatment",
    "ratio (bounds)",
    "medians",
    "Cliff's delta",
    "samples",
    "finding",
];

/// One measured step; every text in it is harmless.
pub(super) struct Row {
    pub(super) cell: String,
    pub(super) scenario: String,
    pub(super) columns: [String; 7],
    paint: Paint,
}

/// Every measured step of the run, in the plan's order.
pub(super) fn rows(summary: &Summary<'_>) -> Vec<Row> {
    let cells = summary.judgement.cells.iter();
    cells
        .flat_map(|cell| cell.scenarios.iter().map(move |scenario| (cell, scenario)))
        .flat_map(|(cell, scenario)| {
            scenario.measured.iter().map(|step| Row {
                cell: safe::line(&cell.id.0),
                scenario: safe::line(&scenario.name),
                columns: columns(step),
                paint: paint(&step.result),
            })
        })
        .collect()
}

fn columns(step: &MeasuredStep) -> [String; 7] {
    let name = safe::line(&format!("{} (on {})", step.name, step.on));
    let without = |finding: String| {
        let none = || "-".to_owned();
        [name.clone(), none(), none(), none(), none(), none(), finding]
    };
    match &step.result {
        Measured::Compared(comparison) => compared(name, comparison),
        Measured::Failed(arms) => {
            let arms: Vec<String> = arms.iter().map(ToString::to_string).collect();
            without(format!("failed in {}", arms.join(" and ")))
        }
        Measured::Missing(problem) => without(safe::line(&format!("not compared: {problem}"))),
    }
}

fn compared(name: String, comparison: &Comparison) -> [String; 7] {
    let of_both = |control: String, treatment: String| format!("{control} / {treatment}");
    [
        name,
        format!(
            "{} {}",
            comparison.policy.statistic,
            of_both(time(comparison.control_us), time(comparison.treatment_us))
        ),
        format!(
            "{:.2} ({:.2} to {:.2})",
            comparison.ratio, comparison.lower, comparison.upper
        ),
        of_both(
            time(comparison.control_median_us),
            time(comparison.treatment_median_us),
        ),
        format!("{:.2}", comparison.delta),
        of_both(
            comparison.control_samples.to_string(),
            comparison.treatment_samples.to_string(),
        ),
        match comparison.finding {
            Finding::Regressed => format!("slower by more than {}", comparison.policy.slower),
            Finding::Unsure | Finding::Alike | Finding::Faster => comparison.finding.words().to_owned(),
        },
    ]
}

fn paint(result: &Measured) -> Paint {
    match result {
        Measured::Compared(comparison) => match comparison.finding {
            Finding::Regressed => Paint::Red,
            Finding::Unsure => Paint::Yellow,
            Finding::Alike => Paint::Plain,
            Finding::Faster => Paint::Green,
        },
        Measured::Failed(_) => Paint::Red,
        Measured::Missing(_) => Paint::Yellow,
    }
}

/// The table for a terminal; nothing where nothing was measured.
pub(super) fn text(summary: &Summary<'_>, colour: bool) -> Option<String> {
    let rows = rows(summary);
    if rows.is_empty() {
        return None;
    }
    let rows: Vec<Vec<Painted>> = rows
        .into_iter()
        .map(|row| {
            let mut cells = vec![(format!("{} {}", row.cell, row.scenario), Paint::Plain)];
            let last = row.columns.len() - 1;
            cells.extend(row.columns.into_iter().enumerate().map(|(at, text)| {
                let paint = if at == last { row.paint } else { Paint::Plain };
                (text, paint)
            }));
            cells
        })
        .collect();
    let mut header = vec!["cell and scenario"];
    header.extend(HEADER);
    Some(table::draw(&header, &rows, colour))
}

/// A step in one line, such as `page (on web): p95, control 12 ms, ...`.
pub(super) fn line(step: &MeasuredStep) -> String {
    let parts: Vec<String> = HEADER
        .iter()
        .zip(columns(step))
        .filter(|(_, text)| text != "-")
        .map(|(label, text)| format!("{label}: {text}"))
        .collect();
    parts.join(", ")
}
