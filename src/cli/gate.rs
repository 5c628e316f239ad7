//! `patchgate gate`: the decision again, from the journal alone.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use crate::cli::args::{Colour, Format, age};
use crate::cli::error::UserError;
use crate::cli::exit_code;
use crate::cli::print::{print, style};
use crate::decide::{DecideError, Decided};
use crate::gate::{Decision, outdated};
use crate::model::id::RunId;
use crate::model::plan::Plan;
use crate::record::state::State;
use crate::report::{Summary, json, text};

/// What `patchgate gate` takes.
#[derive(Debug, Clone, Args)]
pub struct GateArgs {
    /// A run's id, the beginning of one, or `latest`
    #[arg(default_value = "latest")]
    pub run: String,
    /// The form
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Refuse a run that began longer ago, such as 24h or 7d
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub max_age: Option<Duration>,
    /// Decide for the cells that were selected, where the run left others of the lab out
    #[arg(long)]
    pub partial: bool,
    /// Decide by the journal alone, whatever has become of the lab since
    #[arg(long)]
    pub replay: bool,
}

/// The lab that a run is held against.
#[derive(Debug)]
pub enum Against<'a> {
    /// The whole plan of the lab as it is now.
    Lab(&'a Plan),
    /// There is none about.
    Nothing,
    /// None is asked for: the journal alone decides.
    Journal,
}

/// What a run is held against.
#[derive(Debug)]
pub struct Now<'a> {
    /// The time by this machine's clock.
    pub time: Timestamp,
    /// The lab as it is now.
    pub against: Against<'a>,
    /// The lab whose newest run `latest` is.
    pub lab: Option<&'a str>,
}

/// Prints the reasons and the line; the exit code is the decision.
pub fn run(args: &GateArgs, state: &State, now: &Now<'_>, colour: Colour) -> Result<u8, UserError> {
    let run = state.resolve(&args.run, now.lab)?;
    let mut decided = match Decided::load(state, &run, now.time) {
        Ok(decided) => decided,
        Err(error @ DecideError::Trial(_)) => return Err(error.into()),
        Err(error) => return Err(undecided(&run, error, args.format)),
    };
    if args.partial {
        decided = decided.in_part();
    }
    let changed = match now.against {
        Against::Lab(plan) => outdated::changed(&decided.journal.plan, plan),
        Against::Nothing => Some(outdated::unheld()),
        Against::Journal => None,
    };
    // What was taken over of another run is older than this one.
    let aged = decided
        .began()
        .and_then(|began| outdated::aged(began, now.time, args.max_age));
    decided.decision = decided.decision.with(changed.into_iter().chain(aged));
    let summary = Summary::of(&decided);
    print(&match args.format {
        Format::Text => text::render_gate(&summary, style(colour)),
        Format::Json => json::render_gate(&summary)
            .map_err(|error| UserError::usage(format!("cannot print the decision: {error}")))?,
    })?;
    Ok(exit_code::of_gate(decided.decision.gate))
}

/// The error of a run of which nothing can be decided. A script that reads the last line, or the document, is told like one
/// that reads the exit code.
pub fn undecided(run: &RunId, error: DecideError, format: Format) -> UserError {
    let decision = Decision::of_nothing(&error.to_string(), &error.hint());
    let closing = match format {
        Format::Text => decision.line(run) + "\n",
        // Then the error and the exit code tell alone.
        Format::Json => json::gate(run, &decision).unwrap_or_default(),
    };
    UserError::from(error).with_closing(closing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Performance;
    use crate::model::drift::DriftPolicy;
    use crate::model::event::{Event, FORMAT};
    use crate::model::plan::HostPlan;
    use crate::model::policy::NetworkPolicy;
    use crate::record::journal::Journal;

    fn empty_plan() -> Plan {
        serde_json::from_value(serde_json::json!({
            "lab": "hq", "updates": { "mode": "all", "expect_updates": true }, "clone": "cold", "confirm": { "again": 1, "pairs": 1 },
            "network": NetworkPolicy::default(), "performance": Performance::default(), "drift": DriftPolicy::default(),
            "hosts": [HostPlan::at("auto")], "cells": [], "scenarios": {}, "inputs": {}, "digest": "d",
        }))
        .expect("a plan")
    }

    const NOW: Now<'static> = Now {
        time: Timestamp::constant(1_767_225_600, 0),
        against: Against::Journal,
        lab: None,
    };

    fn asked(run: &str) -> GateArgs {
        GateArgs {
            run: run.to_owned(),
            format: Format::Text,
            max_age: None,
            partial: false,
            replay: false,
        }
    }

    #[test]
    fn the_exit_code_is_the_decision_and_a_damaged_journal_decides_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let state = State::at(folder.path().to_owned());
        let run_id: RunId = "20251123-140912-7c1f".parse().expect("id");
        let dir = state.create_run(&run_id).expect("run");
        let mut journal = Journal::create(&dir.journal()).expect("journal");
        for event in [
            Event::Planned {
                format: FORMAT,
                run: run_id.clone(),
                version: "0.1.0".to_owned(),
                plan: Box::new(empty_plan().sealed().expect("a digest")),
            },
            Event::Finished {
                left_behind: Vec::new(),
            },
        ] {
            journal
                .append(Timestamp::UNIX_EPOCH, None, event)
                .expect("append");
        }
        for format in [Format::Text, Format::Json] {
            let args = GateArgs {
                format,
                ..asked("2025")
            };
            assert_eq!(
                run(&args, &state, &NOW, Colour::Never).expect("decided"),
                exit_code::UNDECIDED
            );
        }

        let args = asked(run_id.as_str());
        let text = std::fs::read_to_string(dir.journal()).expect("text");
        let form = |number: u32| format!(r#""format":{number},"#);
        let newer = text.replace(&form(FORMAT), &form(FORMAT + 1));
        std::fs::write(dir.journal(), newer).expect("write");
        let error = run(&args, &state, &NOW, Colour::Never).expect_err("newer");
        assert_eq!(error.exit, exit_code::UNDECIDED);
        assert!(
            error.message.contains(&format!("has format {}", FORMAT + 1))
                && error.message.contains(&format!("reads format {FORMAT}")),
            "{error}"
        );
        assert_eq!(
            error.hint.as_deref(),
            Some("read it with a newer patchgate: 0.1.0 made it")
        );

        let other = state.run_dir(&"20251124-140912-7c1f".parse().expect("id"));
        std::fs::create_dir(&other).expect("a folder");
        std::fs::write(other.join("journal.jsonl"), &text).expect("copy");
        let latest = GateArgs {
            format: Format::Json,
            ..asked("latest")
        };
        let error = run(&latest, &state, &NOW, Colour::Never).expect_err("misplaced");
        assert_eq!(error.exit, exit_code::UNDECIDED);
        assert!(
            error.message.contains("has the journal of run 20251123"),
            "{error}"
        );

        std::fs::write(dir.journal(), "what?\n").expect("damage");
        let error = run(&args, &state, &NOW, Colour::Never).expect_err("damaged");
        assert_eq!(error.exit, exit_code::UNDECIDED);
        assert!(error.message.contains("journal.jsonl:1: not a record"), "{error}");
        let line = format!("gate: UNDECIDED run={run_id} cells=0/0 regressed=0 inconclusive=0\n");
        assert_eq!(error.closing, Some(line));
    }
}
