//! A run in the form that is asked for.

use std::path::{Path, PathBuf};

use crate::report::text::Style;
use crate::report::view::Summary;
use crate::report::{json, junit, markdown, text};

/// A form of report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For a terminal.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For CI.
    Junit,
    /// For a ticket or merge request.
    Markdown,
}

/// No form of report has files of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: no report ends like this", .0.display())]
pub struct UnknownEnding(pub PathBuf);

impl UnknownEnding {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        "end it in .md (Markdown), .xml (JUnit), .json or .txt"
    }
}

/// A report that cannot be written in its form.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the report: {0}")]
pub struct NotRendered(Box<dyn std::error::Error + Send + Sync>);

impl Format {
    /// The form that a file's ending asks for.
    pub fn of_file(path: &Path) -> Result<Self, UnknownEnding> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("md") => Ok(Self::Markdown),
            Some("xml") => Ok(Self::Junit),
            Some("json") => Ok(Self::Json),
            Some("txt") => Ok(Self::Text),
            _ => Err(UnknownEnding(path.to_owned())),
        }
    }
}

/// The report of a run; `style` is that of [`Format::Text`].
pub fn render(summary: &Summary<'_>, format: Format, style: Style) -> Result<String, NotRendered> {
    match format {
        Format::Text => Ok(text::render(summary, style)),
        Format::Json => json::render(summary).map_err(|error| NotRendered(error.into())),
        Format::Junit => junit::render(summary).map_err(|error| NotRendered(error.into())),
        Format::Markdown => Ok(markdown::render(summary)),
    }
}
