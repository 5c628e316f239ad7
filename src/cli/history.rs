//! `patchgate history`: every run, its decision and how long it took.

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::Colour;
use crate::cli::report::{print, style};
use crate::decide::Decided;
use crate::error::UserError;
use crate::exit_code;
use crate::gate::Gate;
use crate::model::id::RunId;
use crate::record::state::State;
use crate::report::table::{self, Paint};
use crate::report::{Summary, length, safe_line};

/// What `patchgate history` takes.
#[derive(Debug, Clone, Args)]
pub struct HistoryArgs {
    /// The form
    #[arg(long, value_enum, default_value_t)]
    pub format: HistoryFormat,
}

/// A form of the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum HistoryFormat {
    /// A table, newest run first
    #[default]
    Text,
    /// For programs
    Json,
}

/// How far a run got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Standing {
    Finished,
    Running,
    Interrupted,
    /// Its process ended without ending the run; it may have left something behind.
    Died,
}

impl Standing {
    fn words(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Died => "died; `patchgate clean` removes what it left",
        }
    }
}

#[derive(Debug, Serialize)]
struct Row {
    run: RunId,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    content: Option<Content>,
}

#[derive(Debug, Serialize)]
struct Content {
    lab: String,
    standing: Standing,
    gate: Gate,
    cells_passed: usize,
    cells_planned: usize,
    regressed: usize,
    inconclusive: usize,
    wall_millis: u64,
}

/// Prints every run, newest first. A run whose journal cannot be read is listed with the reason.
pub fn run(args: &HistoryArgs, state: &State, lab: Option<&str>, colour: Colour) -> Result<u8, UserError> {
    let rows = rows(state, lab)?;
    match args.format {
        HistoryFormat::Json => {
            let text = serde_json::to_string_pretty(&rows)
                .map_err(|error| UserError::usage(format!("cannot print the runs: {error}")))?;
            print(&format!("{text}\n"))?;
        }
        HistoryFormat::Text => print(&draw(&rows, style(colour).colour))?,
    }
    Ok(exit_code::OPEN)
}

fn rows(state: &State, lab: Option<&str>) -> Result<Vec<Row>, UserError> {
    let runs = state.runs()?;
    Ok(runs
        .into_iter()
        .rev()
        .filter(|run| !state.is_trial(run))
        .filter_map(|run| match Decided::load(state, &run) {
            Ok(decided) => {
                let wanted = lab.is_none_or(|lab| *lab == decided.journal.plan.lab);
                wanted.then(|| row(run, &decided))
            }
            Err(error) => lab.is_none().then_some(Row {
                run,
                error: Some(error.message),
                content: None,
            }),
        })
        .collect())
}

fn row(run: RunId, decided: &Decided) -> Row {
    let counts = decided.decision.counts;
    let standing = match (decided.judgement.finished, decided.live) {
        (true, _) if decided.judgement.interrupted.is_some() => Standing::Interrupted,
        (true, _) => Standing::Finished,
        (false, true) => Standing::Running,
        (false, false) => Standing::Died,
    };
    Row {
        run,
        error: None,
        content: Some(Content {
            lab: decided.journal.plan.lab.clone(),
            standing,
            gate: decided.decision.gate,
            cells_passed: counts.passed,
            cells_planned: counts.planned,
            regressed: counts.regressed,
            inconclusive: counts.inconclusive,
            wall_millis: u64::try_from(Summary::of(decided).wall().as_millis()).unwrap_or(u64::MAX),
        }),
    }
}

fn draw(rows: &[Row], colour: bool) -> String {
    if rows.is_empty() {
        return "no run yet; start one with `patchgate run`\n".to_owned();
    }
    let plain = |text: String| (text, Paint::Plain);
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let Some(content) = &row.content else {
                let error = row.error.as_deref().unwrap_or("it has no journal");
                let error = (safe_line(&format!("unreadable: {error}")), Paint::Yellow);
                let mut cells = vec![plain(row.run.to_string())];
                cells.extend((0..6).map(|_| plain("-".to_owned())));
                cells.push(error);
                return cells;
            };
            let gate = match (content.gate, content.standing) {
                (_, Standing::Running) => plain("-".to_owned()),
                (Gate::Open, _) => (content.gate.to_string(), Paint::Green),
                (Gate::Closed, _) => (content.gate.to_string(), Paint::Red),
                (Gate::Undecided, _) => (content.gate.to_string(), Paint::Yellow),
            };
            vec![
                plain(row.run.to_string()),
                plain(safe_line(&content.lab)),
                gate,
                plain(format!("{}/{}", content.cells_passed, content.cells_planned)),
                plain(content.regressed.to_string()),
                plain(content.inconclusive.to_string()),
                plain(length(std::time::Duration::from_millis(content.wall_millis))),
                plain(content.standing.words().to_owned()),
            ]
        })
        .collect();
    let header = [
        "run",
        "lab",
        "gate",
        "cells",
        "regressed",
        "inconclusive",
        "took",
        "standing",
    ];
    table::draw(&header, &rows, colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_history_says_how_to_begin_and_a_broken_run_is_listed() {
        assert!(draw(&[], false).contains("patchgate run"));
        let folder = tempfile::tempdir().expect("folder");
        let state = State::at(folder.path().to_owned());
        let id: RunId = "20261123-140912-7c1f".parse().expect("id");
        drop(state.create_run(&id).expect("run"));
        let text = draw(&rows(&state, None).expect("rows"), false);
        assert!(text.contains("20261123-140912-7c1f"), "{text}");
        assert!(text.contains("unreadable: "), "{text}");
        assert!(text.contains("journal.jsonl"), "{text}");
    }
}
