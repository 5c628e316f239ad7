//! Arguments that several verbs share.

use std::io::IsTerminal;
use std::time::Duration;

use clap::ValueEnum;

use crate::report::render;

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

/// An age: `24h`, `90m`, `7d`.
pub fn age(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no age; write a number and m, h or d, such as 24h");
    let age = if let Some(days) = text.strip_suffix('d') {
        let days: u32 = days.trim().parse().map_err(|_| wrong())?;
        Duration::from_secs(u64::from(days) * 24 * 60 * 60)
    } else {
        let span: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
        Duration::try_from(span).map_err(|_| wrong())?
    };
    if age.is_zero() { Err(wrong()) } else { Ok(age) }
}

/// A form of output, for a person or a program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person
    #[default]
    Text,
    /// For a program
    Json,
}

/// A form of report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal
    #[default]
    Text,
    /// For programs
    Json,
    /// For CI
    Junit,
    /// For a ticket or merge request
    Markdown,
}

impl From<ReportFormat> for render::Format {
    fn from(format: ReportFormat) -> Self {
        match format {
            ReportFormat::Text => Self::Text,
            ReportFormat::Json => Self::Json,
            ReportFormat::Junit => Self::Junit,
            ReportFormat::Markdown => Self::Markdown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_written_in_minutes_hours_or_days() {
        let hours = |hours: u64| Duration::from_secs(hours * 60 * 60);
        for (text, age_of) in [
            ("24h", hours(24)),
            ("7d", hours(168)),
            ("90m", hours(1) + hours(1) / 2),
            ("1h 30m", hours(1) + hours(1) / 2),
        ] {
            assert_eq!(age(text), Ok(age_of), "{text}");
        }
        for text in ["", "24", "0h", "0d", "-1h", "d", "soon", "99999999999999999999d"] {
            assert!(age(text).is_err(), "{text}");
        }
    }
}
