//! `patchgate scenario try`: scenarios on fresh clones without updates, while they are written. It decides nothing.

mod choose;
mod outcome;
mod show;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;

pub use choose::{Target, Wish, choose};
pub use outcome::{Outcome, Result as TryResult};
pub use show::Show;

use crate::cli::check::{self, Format};
use crate::cli::clean::KEPT;
use crate::cli::run::{build, new_id, not_run, now, on_signals, open_hosts, refused, sealed};
use crate::cli::{inputs, report};
use crate::error::UserError;
use crate::exit_code;
use crate::guest::families::Families;
use crate::model::expected::Expected;
use crate::record::journal;
use crate::record::state::State;
use crate::run::{self, Setup, Trial};

/// Shown under the help text.
const EXIT_CODES: &str = "\
Exit codes:
  0    every step passed
  1    a step failed
  2    usage or configuration error; nothing was started
  3    the lab failed, or the try was interrupted
  130  a second interrupt ended it before its clean-up did";

/// Arguments of `scenario try`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct TryArgs {
    /// A scenario such as `web/page`, or a department for all of its.
    #[arg(value_name = "NAME|DEPARTMENT")]
    pub scenario: String,
    /// The OS version to clone; may be left out where the group has one.
    #[arg(long, value_name = "OS")]
    pub on: Option<String>,
    /// The group whose nodes are cloned; may be left out where one group asks for the scenario.
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Leave the clones running, and print how to get in and how to remove them.
    #[arg(long)]
    pub keep: bool,
    /// Build the images that are missing first.
    #[arg(long)]
    pub build: bool,
    /// Leave out the reboot between the steps before the updates and the others: quicker, and less than a run tests.
    #[arg(long)]
    pub no_reboot: bool,
    /// What standard output holds: each step as it goes, or one document at the end.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Runs the verb.
pub async fn run(args: TryArgs, lab: Option<&Path>) -> Result<u8, UserError> {
    let lab_file = inputs::lab_path(lab)?;
    let checked = check::inputs(&lab_file)?;
    let wish = Wish {
        scenario: &args.scenario,
        on: args.on.as_deref(),
        group: args.group.as_deref(),
    };
    let target = choose(&checked.lab, &checked.scenarios, &wish)?;
    let select = target.selection();
    let mut inputs = inputs::load(&lab_file, Some(&select))?;
    if args.build {
        build(inputs.images, inputs.store).await?;
        inputs = inputs::load(&lab_file, Some(&select))?;
    }
    let images = sealed(&inputs)?;
    let warm = inputs.warm()?;
    let (files, secrets, proxies) = (inputs.files()?, inputs.secrets()?, inputs.proxies());
    let plan = target.narrow(inputs.planned.plan);
    let state = State::open()?;
    let out: Box<dyn Write + Send> = match args.format {
        Format::Text => Box::new(io::stdout()),
        Format::Json => Box::new(io::stderr()),
    };
    let show = Arc::new(Show::new(out));
    let run = new_id();
    let (hosts, absent) = open_hosts(&plan, &run).await?;
    let setup = Setup {
        run,
        plan,
        families: Families::default(),
        images,
        warm: Some(warm),
        hosts,
        absent,
        expected: Expected::default(),
        proxies,
        files,
        secrets,
        jobs: None,
        keep_failed: false,
        observer: show.clone(),
        stop: CancellationToken::new(),
        now,
    };
    let trial = Trial {
        reboot: !args.no_reboot,
        keep: args.keep,
    };
    let outcome = carry_out(setup, &state, trial).await?;
    show.end(&outcome);
    if args.format == Format::Json {
        let text = serde_json::to_string_pretty(&outcome)
            .map_err(|error| UserError::usage(format!("the outcome cannot be written as JSON: {error}")))?;
        report::print(&format!("{text}\n"))?;
    }
    Ok(outcome.exit())
}

/// Tries the scenarios of a plan of one cell, and returns what came of it. Nothing of it is left, on the host or in the
/// state folder, but for what is kept on purpose or cannot be removed.
pub async fn carry_out(setup: Setup, state: &State, trial: Trial) -> Result<Outcome, UserError> {
    let capacities = run::preflight(&setup).await.map_err(|error| refused(&error))?;
    let run_dir = state.create_run(&setup.run)?;
    let signals = tokio::spawn(on_signals(
        setup.stop.clone(),
        run_dir.resources(),
        setup.observer.clone(),
    ));
    let tried = run::try_scenarios(setup, &capacities, &run_dir, trial).await;
    signals.abort();
    let tried = tried.map_err(|error| not_run(&error))?;
    if !tried.kept.is_empty() {
        let kept = run_dir.path().join(KEPT);
        std::fs::write(&kept, "")
            .map_err(|error| UserError::usage(format!("{}: {error}", kept.display())))?;
    }
    let loaded = journal::read(&run_dir.trial())
        .map_err(|error| UserError::usage(error.to_string()).with_exit(exit_code::UNDECIDED))?;
    let outcome = Outcome::of(&loaded, tried);
    if outcome.left_behind.is_empty()
        && let Err(error) = std::fs::remove_dir_all(run_dir.path())
    {
        tracing::warn!("{} cannot be removed: {error}", run_dir.path().display());
    }
    Ok(outcome)
}
