//! `patchgate scenario try`: scenarios on fresh clones without updates, while they are written. It decides nothing.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use clap::Args;

use crate::cli::args::Format;
use crate::cli::error::UserError;
use crate::cli::interrupt::abandon;
use crate::cli::scenario::show::Show;
use crate::cli::{exit_code, prepare, print};
use crate::guest::families::Families;
use crate::lab::file::Lab;
use crate::lab::open;
use crate::record::state::State;
use crate::run::Trial;
use crate::session::ready::{Choices, Ready};
use crate::session::target::{Wish, choose};

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
    let lab_file = open::find(lab)?;
    let checked = Lab::open(&lab_file, &Families::default())?;
    let wish = Wish {
        scenario: &args.scenario,
        on: args.on.as_deref(),
        group: args.group.as_deref(),
    };
    let target = choose(&checked.lab, &checked.scenarios, &wish)?;
    let mut kit = prepare::kit(&lab_file, Some(&target.selection()), args.build).await?;
    kit.plan = target.narrow(kit.plan);
    let state = State::open()?;
    let out: Box<dyn Write + Send> = match args.format {
        Format::Text => Box::new(io::stdout()),
        Format::Json => Box::new(io::stderr()),
    };
    let show = Arc::new(Show::new(out));
    let ready = Ready::open(kit, state, show.clone(), Choices::default()).await?;
    let trial = Trial {
        reboot: !args.no_reboot,
        keep: args.keep,
    };
    let outcome = ready.attempt(trial, abandon).await?;
    show.end(&outcome);
    if args.format == Format::Json {
        print::print(&print::json("the outcome", &outcome)?)?;
    }
    Ok(exit_code::of_trial(outcome.result))
}
