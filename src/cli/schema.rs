//! `patchgate schema`: the JSON Schema of each file that people write.

use clap::{Args, ValueEnum};

use crate::cli::error::UserError;
use crate::cli::{exit_code, print};
use crate::lab::schema;

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The file. With `#:schema lab.schema.json` as a file's first line, editors complete and check it
    #[arg(value_enum, value_name = "lab|recipe|scenario")]
    pub file: Kind,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The lab file, patchgate.toml
    Lab,
    /// A recipe of an OS version or a role
    Recipe,
    /// A department's scenario
    Scenario,
}

/// Prints the schema of a kind of file.
pub fn run(kind: Kind) -> Result<u8, UserError> {
    let schema = match kind {
        Kind::Lab => schema::lab(),
        Kind::Recipe => schema::recipe(),
        Kind::Scenario => schema::scenario(),
    };
    print::print(&print::json("the schema", &schema)?)?;
    Ok(exit_code::OPEN)
}
