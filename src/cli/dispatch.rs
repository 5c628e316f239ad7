//! The verbs, and what each is handed.

use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser, Subcommand};

use crate::cli::args::{Colour, Format};
use crate::cli::error::UserError;
use crate::cli::runtime::block_on;
use crate::cli::{
    check, clean, doctor, exit_code, gate, history, image, image_domain, init, lab, plan, print, report, run,
    scenario, schema,
};
use crate::host::connect;
use crate::model::plan::HostPlan;
use crate::record::state::State;
use crate::session::inputs::recipe_findings;

/// Shown under every help text.
const EXIT_CODES: &str = "\
Exit codes:
  0    the gate is open, or the command did what it was asked
  1    the gate is closed: the updates broke something
  2    usage or configuration error; nothing was started
  3    the gate is undecided: inconclusive, interrupted, incomplete, of a part of the lab, or outdated
  130  a second interrupt ended the run before its clean-up did";

/// The heading of the options that every verb has.
const EVERY_VERB: &str = "Options of every verb";

/// Rehearses a patch window on cloned VMs: applies the pending updates, runs the departments' smoke tests with and
/// without them, and opens or closes a gate before production is touched.
#[derive(Debug, Parser)]
#[command(name = "patchgate", version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Cli {
    /// The lab file or its folder; by default patchgate.toml here or in the nearest folder above.
    #[arg(long, global = true, value_name = "FILE", env = "PATCHGATE_LAB", help_heading = EVERY_VERB)]
    lab: Option<PathBuf>,
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN", help_heading = EVERY_VERB)]
    color: Colour,
    /// Print diagnostics to standard error; twice for more. RUST_LOG-style filters are read from PATCHGATE_LOG.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = EVERY_VERB)]
    verbose: u8,
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
enum Command {
    /// Write a lab file with comments, an example group and a scenario.
    Init(init::InitArgs),
    /// Check this host: each check, its result and its remedy.
    Doctor(doctor::DoctorArgs),
    /// Build, import, list, verify and remove images.
    Image(image::ImageArgs),
    /// Lint the lab file, recipes and scenarios.
    Check(check::CheckArgs),
    /// Print the plan: cells, nodes, images, scenarios.
    Plan(plan::PlanArgs),
    /// Run the plan and print the gate; the exit code is the decision.
    Run(run::RunArgs),
    /// Help for those who write scenarios: try one on fresh clones.
    Scenario(scenario::ScenarioArgs),
    /// Print the JSON Schema of a lab file, a recipe or a scenario, for editors.
    Schema(schema::SchemaArgs),
    /// Decide again from a run's journal; the exit code is the decision.
    Gate(gate::GateArgs),
    /// Write the report of a run.
    Report(report::ReportArgs),
    /// List the runs.
    History(history::HistoryArgs),
    /// Remove what dead runs left on the hosts, and dead imports in the image store; safe at any time.
    Clean(clean::CleanArgs),
    /// Watch over a copy of a running domain; patchgate starts it by itself.
    #[command(hide = true)]
    WatchCopy(image_domain::WatchArgs),
    /// Print a shell's completion script.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether it can do nothing without hosts. What `doctor` finds says the same.
    fn needs_hosts(&self) -> bool {
        match self {
            Self::Run(_) | Self::WatchCopy(_) => true,
            Self::Scenario(args) => args.needs_hosts(),
            Self::Image(args) => args.needs_hosts(),
            Self::Clean(args) => !args.dry_run,
            Self::Init(_)
            | Self::Doctor(_)
            | Self::Check(_)
            | Self::Plan(_)
            | Self::Gate(_)
            | Self::Report(_)
            | Self::History(_)
            | Self::Schema(_)
            | Self::Completion { .. } => false,
        }
    }
}

/// Parses the arguments, does the work, prints errors, and returns the exit code.
pub fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help that cannot be printed helps nobody; the exit code still tells.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(exit_code::USAGE);
        }
    };
    diagnostics(cli.verbose);
    let colour = cli.color.on(&std::io::stderr());
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            print::error(&error, colour);
            error.exit
        }
    }
}

fn diagnostics(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "patchgate=info",
        2 => "patchgate=debug",
        _ => "patchgate=trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("PATCHGATE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

fn dispatch(cli: Cli) -> Result<u8, UserError> {
    let colour = cli.color;
    let lab = cli.lab.as_deref();
    if cli.command.needs_hosts() {
        connect::available()?;
    }
    match cli.command {
        Command::Init(args) => {
            print::print(&init::run(&args)?)?;
            Ok(exit_code::OPEN)
        }
        Command::Doctor(args) => {
            let hosts = match &args.host {
                Some(uri) => vec![HostPlan::at(uri)],
                None => lab::hosts(lab)?,
            };
            let colour = colour.on(&std::io::stdout());
            let json = args.format == Format::Json;
            block_on(doctor::run(&hosts, json, colour, &mut std::io::stdout()))
        }
        Command::Image(args) => image::run(args, lab),
        Command::WatchCopy(args) => image_domain::watch(&args),
        Command::Check(args) => {
            let colour = colour.on(&std::io::stdout());
            let (text, code) = check::run(&args, colour, lab, &recipe_findings)?;
            print::print(&text)?;
            Ok(code)
        }
        Command::Plan(args) => {
            plan::run(&args, lab)?;
            Ok(exit_code::OPEN)
        }
        Command::Run(args) => block_on(run::run(args, lab, colour)),
        Command::Scenario(args) => scenario::run(args, lab),
        Command::Schema(args) => schema::run(args.file),
        Command::Gate(args) => gate_now(&args, lab, colour),
        Command::Report(args) => {
            let name = lab::name_for(&args.run, lab)?;
            report::run(
                &args,
                &State::open()?,
                name.as_deref(),
                &|| lab::planned(lab),
                colour,
            )
        }
        Command::History(args) => {
            // Without a lab file that is named, every run of the user's.
            let name = lab.map(|given| lab::name(Some(given))).transpose()?;
            history::run(&args, &State::open()?, name.as_deref(), colour)
        }
        Command::Clean(args) => {
            // A lab file that is wrong keeps nothing from being removed.
            let hosts = lab::hosts(lab).unwrap_or_else(|_| vec![HostPlan::at("auto")]);
            block_on(clean::run(args, &hosts))
        }
        Command::Completion { shell } => {
            // Into memory first: a reader that goes away early is no error.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "patchgate", &mut script);
            print::print(&String::from_utf8_lossy(&script))?;
            Ok(exit_code::OPEN)
        }
    }
}

/// Decides about a run, held against the lab as it is now unless that is not asked for.
#[expect(clippy::disallowed_methods, reason = "how old a run is depends on the time")]
fn gate_now(args: &gate::GateArgs, lab: Option<&Path>, colour: Colour) -> Result<u8, UserError> {
    let state = State::open()?;
    let plan = if args.replay { None } else { lab::planned(lab)? };
    let name = match &plan {
        Some(plan) => Some(plan.lab.clone()),
        None => lab::name_for(&args.run, lab)?,
    };
    let now = gate::Now {
        time: jiff::Timestamp::now(),
        against: match &plan {
            Some(plan) => gate::Against::Lab(plan),
            None if args.replay => gate::Against::Journal,
            None => gate::Against::Nothing,
        },
        lab: name.as_deref(),
    };
    gate::run(args, &state, &now, colour)
}
