//! The command line: one small file per verb, which wires the adapters and calls the rooms.

pub mod check;
pub mod clean;
pub mod doctor;
pub mod gate;
pub mod history;
pub mod image;
pub mod init;
pub mod inputs;
pub mod plan;
pub mod progress;
pub mod report;
pub mod run;
pub mod scenario;
pub mod scenario_try;
mod secrets;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::error::UserError;
use crate::exit_code;
use crate::host::connect;
use crate::image::catalogue;
use crate::input::finding::draw;
use crate::lab::build::host_plans;
use crate::lab::file::Lab;
use crate::model::expected::Expected;
use crate::model::plan::HostPlan;
use crate::record::durations;
use crate::record::state::State;

/// Shown under every help text.
const EXIT_CODES: &str = "\
Exit codes:
  0    the gate is open, or the command did what it was asked
  1    the gate is closed: the updates broke something
  2    usage or configuration error; nothing was started
  3    the gate is undecided: inconclusive, interrupted or incomplete
  130  a second interrupt ended the run before its clean-up did";

/// Rehearses a patch window on cloned VMs: applies the pending updates, runs the departments' smoke tests with and
/// without them, and opens or closes a gate before production is touched.
#[derive(Debug, Parser)]
#[command(name = "patchgate", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Cli {
    /// The lab file; by default patchgate.toml here or in the nearest folder above.
    #[arg(long, global = true, value_name = "FILE", env = "PATCHGATE_LAB")]
    pub lab: Option<PathBuf>,
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,
    /// Print diagnostics to standard error; twice for more. RUST_LOG-style filters are read from PATCHGATE_LOG.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set (<https://no-color.org>).
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Whether to colour what goes to a stream.
    pub fn on(self, stream: &impl IsTerminal) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
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
    /// Help for those who write scenarios: try one, print the schema.
    Scenario(scenario::ScenarioArgs),
    /// Decide again from a run's journal; the exit code is the decision.
    Gate(gate::GateArgs),
    /// Write the report of a run.
    Report(report::ReportArgs),
    /// List the runs.
    History(history::HistoryArgs),
    /// Remove what dead runs left on the hosts; safe at any time.
    Clean(clean::CleanArgs),
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
            Self::Run(_) => true,
            Self::Scenario(args) => args.needs_hosts(),
            Self::Clean(args) => !args.dry_run,
            Self::Init(_)
            | Self::Doctor(_)
            | Self::Image(_)
            | Self::Check(_)
            | Self::Plan(_)
            | Self::Gate(_)
            | Self::Report(_)
            | Self::History(_)
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
            show(&error, colour);
            error.exit
        }
    }
}

/// Prints an error with its findings and its remedy.
fn show(error: &UserError, colour: bool) {
    for finding in &error.findings {
        eprint!("{}", draw(finding, colour));
    }
    eprintln!("error: {error}");
    if let Some(hint) = &error.hint {
        eprintln!(" hint: {hint}");
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

/// Runs a verb that talks to hosts. A call of libvirt that hangs cannot be cancelled and must not keep the process.
fn block_on<T>(work: impl Future<Output = Result<T, UserError>>) -> Result<T, UserError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| UserError::usage(format!("the runtime cannot be started: {error}")))?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(Duration::from_secs(2));
    result
}

fn dispatch(cli: Cli) -> Result<u8, UserError> {
    let colour = cli.color;
    let lab = cli.lab.as_deref();
    if cli.command.needs_hosts() {
        connect::available().map_err(|error| run::refused(&error))?;
    }
    match cli.command {
        Command::Init(args) => {
            report::print(&init::run(&args)?)?;
            Ok(exit_code::OPEN)
        }
        Command::Doctor(args) => {
            let hosts = match &args.host {
                Some(uri) => vec![HostPlan::at(uri)],
                None => lab_hosts(lab)?,
            };
            let colour = colour.on(&std::io::stdout());
            let json = args.format == check::Format::Json;
            block_on(doctor::run(&hosts, json, colour, &mut std::io::stdout()))
        }
        Command::Image(args) => {
            let lab = if args.needs_lab() {
                Some(inputs::load_lab(&inputs::lab_path(lab)?)?)
            } else {
                None
            };
            image::run(args, lab.as_ref())
        }
        Command::Check(args) => {
            let colour = colour.on(&std::io::stdout());
            let (text, code) = check::run(&args, colour, || inputs::lab_path(lab), &inputs::recipe_findings)?;
            report::print(&text)?;
            Ok(code)
        }
        Command::Plan(args) => {
            let store = inputs::open_store()?;
            let images = |lab: &Lab| Ok(inputs::choices(&catalogue::needed(lab, &store)?));
            let expected = |lab: &str| match State::open() {
                Ok(state) => durations::expected(&state, lab),
                Err(_) => Expected::default(),
            };
            report::print(&plan::run(&args, &inputs::lab_path(lab)?, images, expected)?)?;
            Ok(exit_code::OPEN)
        }
        Command::Run(args) => block_on(run::run(args, lab, colour)),
        Command::Scenario(args) => scenario::run(args, lab),
        Command::Gate(args) => gate::run(&args, &State::open()?, lab_name(lab)?.as_deref(), colour),
        Command::Report(args) => report::run(&args, &State::open()?, lab_name(lab)?.as_deref(), colour),
        Command::History(args) => {
            // Without a lab file that is named, every run of the user's.
            let name = lab.map(|lab| lab_name(Some(lab))).transpose()?.flatten();
            history::run(&args, &State::open()?, name.as_deref(), colour)
        }
        Command::Clean(args) => {
            // A lab file that is wrong keeps nothing from being removed.
            let hosts = lab_hosts(lab).unwrap_or_else(|_| vec![HostPlan::at("auto")]);
            block_on(clean::run(args, &hosts))
        }
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "patchgate", &mut std::io::stdout());
            Ok(exit_code::OPEN)
        }
    }
}

/// The hosts of the lab that is meant, or the default one where there is no lab file about.
fn lab_hosts(given: Option<&Path>) -> Result<Vec<HostPlan>, UserError> {
    let path = match (given, inputs::lab_path(given)) {
        (_, Ok(path)) => path,
        (None, Err(_)) => return Ok(vec![HostPlan::at("auto")]),
        (Some(_), Err(error)) => return Err(error),
    };
    inputs::load_lab(&path).map(|lab| host_plans(&lab))
}

/// The name of the lab that is meant, so that `latest` is its newest run; none where there is no lab file about.
fn lab_name(given: Option<&Path>) -> Result<Option<String>, UserError> {
    let path = match (given, inputs::lab_path(given)) {
        (_, Ok(path)) => path,
        (None, Err(_)) => return Ok(None),
        (Some(_), Err(error)) => return Err(error),
    };
    match inputs::load_lab(&path) {
        Ok(lab) => Ok(Some(lab.file.lab.name.into_inner())),
        Err(error) if given.is_some() => Err(error),
        Err(_) => Ok(None),
    }
}
