//! `patchgate run`: from the lab file to the gate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::cli::args::{self, Colour, ReportFormat};
use crate::cli::error::UserError;
use crate::cli::interrupt::abandon;
use crate::cli::progress::Progress;
use crate::cli::{exit_code, gate, prepare, print};
use crate::decide::Decided;
use crate::input::words::count;
use crate::lab::open;
use crate::port::Observer;
use crate::record::durations;
use crate::record::state::{State, is_kept};
use crate::report::Summary;
use crate::report::plan;
use crate::report::render::Format;
use crate::session::begin::now;
use crate::session::clean::{News, Wish, clean};
use crate::session::inputs::Inputs;
use crate::session::ready::{Choices, Ready};
use crate::session::resume::Resume;

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Only these cells: patterns over group/os, a group, an OS version or a role, with commas; `!` leaves out.
    #[arg(long, value_name = "EXPR")]
    pub select: Option<String>,
    /// With --select: decide for the cells that it takes. Without this what leaves cells of the lab out decides nothing for it.
    #[arg(long, requires = "select")]
    pub partial: bool,
    /// Go on with a run whose process died or was interrupted: a new run of the same plan takes over the cells that it had
    /// finished, and runs the others.
    #[arg(long, value_name = "RUN", conflicts_with = "select")]
    pub resume: Option<String>,
    /// At most so many arms at once; by default as many as the host's budget holds.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Leave the VMs of failed arms running; `patchgate clean RUN` removes them.
    #[arg(long, value_name = "WHICH")]
    pub keep: Option<Keep>,
    /// Build the images that are missing first.
    #[arg(long)]
    pub build: bool,
    /// Check everything and the host, print what would be run, and start nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// The report on standard output.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
    /// Also write the report to a file; its ending tells the format: .md, .xml (JUnit), .json or .txt.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Plain progress lines even on a terminal.
    #[arg(long)]
    pub plain: bool,
}

/// Which VMs are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Keep {
    /// Those of arms that failed before their end.
    Failed,
}

/// Runs the verb.
pub async fn run(args: RunArgs, lab: Option<&Path>, colour: Colour) -> Result<u8, UserError> {
    let report_format = args.report.as_deref().map(Format::of_file).transpose()?;
    // Not after hours.
    args.report.as_deref().map(print::can_write).transpose()?;
    let lab_file = open::find(lab)?;
    let state = State::open()?;
    let resume = match &args.resume {
        Some(run) => Some(Resume::load(&state, &state.resolve(run, None)?, now())?),
        None => None,
    };
    if let Some(resume) = &resume {
        resume.held_by(&Inputs::look(&lab_file, None)?.plan)?;
    }
    let select = resume
        .as_ref()
        .map(Resume::selection)
        .or_else(|| args.select.clone());
    let kit = prepare::kit(&lab_file, select.as_deref(), args.build && !args.dry_run).await?;
    let resumed = resume.map(|resume| resume.by(&kit.plan)).transpose()?;
    let progress = Arc::new(Progress::new(args.plain));
    progress.notice("looking at the hosts");
    if let Some(resumed) = &resumed
        && !args.dry_run
        && !is_kept(&state.run_dir(&resumed.from))
    {
        // It holds memory and disk that the rest needs.
        let wish = Wish {
            run: Some(resumed.from.clone()),
            ..Wish::default()
        };
        let tell = |news: &News<'_>| progress.notice(&news.to_string());
        clean(&state, &kit.plan.hosts, &wish, &tell).await?;
    }
    let choices = Choices {
        expected: durations::expected(&state, &kit.plan.lab),
        jobs: args.jobs.map(usize::from),
        resumed,
        keep_failed: args.keep == Some(Keep::Failed),
    };
    let ready = Ready::open(kit, state.clone(), progress.clone(), choices).await?;
    let run = ready.id().clone();
    let cells = ready.plan().cells.len();
    let time = ready.expected().map_or_else(
        || "not known yet".to_owned(),
        |(time, known)| plan::about(time, known, cells),
    );
    if args.dry_run {
        print::print(&plan::text(ready.plan(), &time))?;
        print::say("dry run: the hosts can hold this plan; nothing was started");
        return Ok(exit_code::OPEN);
    }
    progress.notice(&format!(
        "run {run}: {}, expected time {time}",
        count(cells, "cell")
    ));
    let ended = ready.run(abandon).await?;
    if ended.kept {
        progress.notice(&format!("VMs are kept; `patchgate clean {run}` removes them"));
    }
    let mut decided = Decided::load(&state, &run, now())
        .map_err(|error| gate::undecided(&run, error, args.gate_format()))?;
    if args.partial {
        decided = decided.in_part();
    }
    let file = args.report.as_deref().zip(report_format);
    tell(&decided, file, args.format, colour)
}

impl RunArgs {
    /// How standard output ends where nothing can be decided.
    fn gate_format(&self) -> args::Format {
        match self.format {
            ReportFormat::Text | ReportFormat::Junit | ReportFormat::Markdown => args::Format::Text,
            ReportFormat::Json => args::Format::Json,
        }
    }
}

/// Writes and prints the report of a run that is over. A file that cannot be written takes away neither report nor gate.
fn tell(
    decided: &Decided,
    file: Option<(&Path, Format)>,
    format: ReportFormat,
    colour: Colour,
) -> Result<u8, UserError> {
    let summary = Summary::of(decided);
    if let Some((path, format)) = file {
        match print::report_to(path, &summary, format) {
            Ok(()) => print::note(&format!("report written to {}", path.display())),
            Err(error) => {
                let remedy = format!("`patchgate report {} -o FILE` writes it elsewhere", summary.run);
                print::note(&format!("warning: {error}; {remedy}"));
            }
        }
    }
    print::report(&summary, format.into(), colour)?;
    match format {
        ReportFormat::Text => {}
        // Standard output holds the one document; a person still sees the line.
        ReportFormat::Json | ReportFormat::Junit | ReportFormat::Markdown => {
            print::note(&decided.decision.line(summary.run));
        }
    }
    Ok(exit_code::of_gate(decided.decision.gate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Gate;
    use crate::model::event::{Event, FORMAT};
    use crate::record::journal::{self, Journal};

    /// A run that promised nothing: its gate is not open.
    fn decided(folder: &Path) -> Decided {
        let plan = serde_json::from_value(serde_json::json!({
            "lab": "hq", "updates": { "mode": "all", "expect_updates": true }, "clone": "cold",
            "confirm": { "again": 1, "pairs": 1 }, "network": crate::model::policy::NetworkPolicy::default(),
            "performance": crate::measure::Performance::default(), "drift": crate::model::drift::DriftPolicy::default(),
            "hosts": [], "cells": [], "scenarios": {}, "inputs": {}, "digest": "d",
        }));
        let plan: crate::model::plan::Plan = plan.expect("a plan");
        let path = folder.join("journal.jsonl");
        let planned = Event::Planned {
            format: FORMAT,
            run: "20251123-140912-7c1f".parse().expect("id"),
            version: "0.1.0".to_owned(),
            plan: Box::new(plan.sealed().expect("a digest")),
        };
        let mut journal = Journal::create(&path).expect("journal");
        journal.append(now(), None, planned).expect("append");
        Decided::of(journal::read(&path).expect("a journal"), false)
    }

    #[test]
    fn a_report_that_cannot_be_written_takes_the_gate_from_nobody() {
        let folder = tempfile::tempdir().expect("folder");
        let decided = decided(folder.path());
        assert_eq!(decided.decision.gate, Gate::Undecided);
        let written = folder.path().join("report.md");
        for path in [folder.path().join("gone/report.md"), written.clone()] {
            let file = Some((path.as_path(), Format::Markdown));
            let exit = tell(&decided, file, ReportFormat::Text, Colour::Never).expect("told");
            assert_eq!(exit, exit_code::UNDECIDED, "{}", path.display());
        }
        assert!(written.is_file());
        let full = folder.path().join("full.txt");
        std::os::unix::fs::symlink("/dev/full", &full).expect("link");
        let exit = tell(
            &decided,
            Some((full.as_path(), Format::Text)),
            ReportFormat::Json,
            Colour::Never,
        )
        .expect("told");
        assert_eq!(exit, exit_code::UNDECIDED);
    }
}
