//! `patchgate check`: everything that is wrong with lab file, recipes and scenarios, before anything is started.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::args::Format;
use crate::cli::error::UserError;
use crate::cli::{exit_code, print};
use crate::guest::families::Families;
use crate::input::finding::{Finding, Severity, draw_all};
use crate::input::safe;
use crate::lab::file::Lab;
use crate::lab::load::FILE_NAME;
use crate::lab::open;
use crate::lab::survey::Survey;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Lab files, scenarios, recipes, or folders of them; the lab of the current folder unless given
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How the findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// What `check` has to say, and the exit code. `lab` is the lab file that is given for where no path is; `recipes` has the
/// findings of the recipes that a lab names.
///
/// # Errors
/// No path is given and there is no lab.
pub fn run(
    args: &CheckArgs,
    colour: bool,
    lab: Option<&Path>,
    recipes: &dyn Fn(&Lab) -> Vec<Finding>,
) -> Result<(String, u8), UserError> {
    let families = Families::default();
    let mut survey = Survey::new(&families, recipes);
    let mut elsewhere = None;
    if args.paths.is_empty() {
        let path = open::find(lab)?;
        survey.lab(&path);
        // It may not be the lab that was thought of.
        let here = std::env::current_dir().and_then(|folder| folder.join(FILE_NAME).canonicalize());
        let meant = path.canonicalize();
        elsewhere = Some(path).filter(|_| !matches!((here, meant), (Ok(here), Ok(meant)) if here == meant));
    }
    for path in &args.paths {
        survey.path(path);
    }
    let exit = if survey.is_right() {
        exit_code::OPEN
    } else {
        exit_code::USAGE
    };
    let text = match args.format {
        Format::Text => text(&survey, elsewhere.as_deref(), colour),
        Format::Json => {
            let rows: Vec<Row<'_>> = survey.findings.iter().map(Row::of).collect();
            print::json("the findings", &rows)?
        }
    };
    Ok((text, exit))
}

/// The findings and their number; `lab` is the lab file where it is not the one of the current folder.
fn text(survey: &Survey<'_>, lab: Option<&Path>, colour: bool) -> String {
    let mut text = draw_all(&survey.findings, colour, "\n");
    text.push_str(&survey.summary());
    if let Some(lab) = lab {
        text += "; the lab file is ";
        text += &safe::line(&lab.display().to_string());
    }
    text.push('\n');
    text
}

/// A finding for a program.
#[derive(Debug, Serialize)]
struct Row<'a> {
    severity: Severity,
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
    hint: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(finding: &'a Finding) -> Self {
        let place = finding.place.as_ref();
        let at = place.map(|place| place.source.line_column(place.span.start));
        Self {
            severity: finding.severity,
            file: place.map(|place| place.source.path.display().to_string()),
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
            message: &finding.message,
            hint: finding.hint.as_deref(),
        }
    }
}
