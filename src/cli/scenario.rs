//! `patchgate scenario`: what helps those who write scenarios.

use clap::{Args, Subcommand};

use crate::error::UserError;
use crate::scenario::schema::schema;

/// Arguments of `scenario`.
#[derive(Debug, Args)]
pub struct ScenarioArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ScenarioCommand,
}

/// The verbs of `scenario`.
#[derive(Debug, Subcommand)]
pub enum ScenarioCommand {
    /// Print the JSON Schema of a scenario file, for editors: `#:schema scenario.schema.json` as its first line.
    Schema,
}

/// Runs the verb and returns what it prints.
pub fn run(args: &ScenarioArgs) -> Result<String, UserError> {
    match args.command {
        ScenarioCommand::Schema => {
            let text = serde_json::to_string_pretty(&schema()).map_err(|error| {
                UserError::usage(format!("the schema cannot be written as JSON: {error}"))
            })?;
            Ok(text + "\n")
        }
    }
}
