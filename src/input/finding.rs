//! Errors as a person sees them: what, where (file, line, column, snippet), and the remedy.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use serde::Serialize;

use crate::input::safe;

/// An input file with its text, shared by every finding in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path as the user knows it.
    pub path: PathBuf,
    /// The whole text.
    pub text: Arc<str>,
}

impl Source {
    /// A source of that path and text.
    pub fn new(path: &Path, text: impl Into<Arc<str>>) -> Self {
        Self {
            path: path.to_owned(),
            text: text.into(),
        }
    }

    /// Line and column of a byte offset, both from 1, columns in characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }
}

/// Bytes of a line that is drawn. What draws snippets counts columns in 16 bits, and nobody reads such a line.
const DRAWN: usize = 4096;

/// Whether the lines of a place, and those around it, are short enough to be drawn.
fn is_drawable(place: &Place) -> bool {
    let text = place.source.text.as_bytes();
    let end = place.span.end.clamp(place.span.start.min(text.len()), text.len());
    let start = place.span.start.min(end);
    let line = |at: &[u8]| {
        at.iter()
            .position(|&byte| byte == b'\n')
            .map_or(at.len(), |at| at + 1)
    };
    let back = |before: &[u8]| {
        before
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1)
    };
    let first = back(&text[..start]);
    let first = back(&text[..first.saturating_sub(1)]);
    let last = end + line(&text[end..]);
    let last = last + line(&text[last..]);
    text[first..last]
        .split(|&byte| byte == b'\n')
        .all(|line| line.len() <= DRAWN)
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing can be run with it.
    Error,
    /// It can be run, and is likely not what was meant.
    Warning,
}

/// Where a finding is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub source: Source,
    /// The bytes in question.
    pub span: Range<usize>,
}

/// One thing that is wrong with an input file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: a fragment that names the subject.
    pub message: String,
    /// Where.
    pub place: Option<Place>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// An error at a place.
    pub fn error(source: &Source, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            place: Some(Place {
                source: source.clone(),
                span,
            }),
            hint: None,
        }
    }

    /// A warning at a place.
    pub fn warning(source: &Source, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(source, span, message)
        }
    }

    /// The same finding with a remedy.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// `file:line:col`, where there is a place.
    pub fn location(&self) -> Option<String> {
        let place = self.place.as_ref()?;
        let (line, column) = place.source.line_column(place.span.start);
        Some(format!("{}:{line}:{column}", place.source.path.display()))
    }
}

impl Diagnostic for Finding {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.hint.as_ref().map(|hint| Box::new(hint) as _)
    }
}

/// A finding with its source attached in the form that miette draws.
#[derive(Debug)]
struct Drawn<'a> {
    finding: &'a Finding,
    source: Option<NamedSource<Arc<str>>>,
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without a snippet the place is told in words.
        match (&self.source, self.finding.location()) {
            (None, Some(location)) => write!(f, "{location}: {}", self.finding),
            (Some(_), _) | (None, None) => self.finding.fmt(f),
        }
    }
}

impl std::error::Error for Drawn<'_> {}

impl Diagnostic for Drawn<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Diagnostic::severity(self.finding)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.finding.help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.finding.place.as_ref().filter(|_| self.source.is_some())?;
        let label = LabeledSpan::new(Some("here".into()), place.span.start, place.span.len());
        Some(Box::new(std::iter::once(label)))
    }
}

/// Findings that are drawn; nobody reads more, and a file can have as many as it has bytes.
const SHOWN: usize = 50;

/// Draws findings one after the other, of many the first; `after` stands behind each.
pub fn draw_all(findings: &[Finding], colour: bool, after: &str) -> String {
    let shown = findings.len().min(SHOWN);
    let mut text: String = findings[..shown]
        .iter()
        .map(|finding| draw(finding, colour) + after)
        .collect();
    if findings.len() > shown {
        text += &[
            "and ",
            &(findings.len() - shown).to_string(),
            " more, which are not shown\n",
            after,
        ]
        .concat();
    }
    text
}

/// Draws a finding with its snippet; `colour` for a terminal. What it quotes has no colours of its own.
pub fn draw(finding: &Finding, colour: bool) -> String {
    let finding = &Finding {
        message: safe::lines(&finding.message),
        hint: finding.hint.as_deref().map(safe::lines),
        ..finding.clone()
    };
    let drawn = Drawn {
        finding,
        source: finding
            .place
            .as_ref()
            .filter(|place| is_drawable(place))
            .map(|place| {
                NamedSource::new(place.source.path.display().to_string(), place.source.text.clone())
            }),
    };
    let theme = if colour {
        miette::GraphicalTheme::unicode()
    } else {
        miette::GraphicalTheme::none()
    };
    let mut text = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(theme).with_width(100);
    match handler.render_report(&mut text, &drawn) {
        Ok(()) => text,
        Err(_) => format!("{}: {finding}\n", finding.location().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_drawn_with_place_snippet_and_hint() {
        let source = Source::new(Path::new("lab.toml"), "[lab]\nnäme = \"x\"\n");
        let finding = Finding::error(&source, 6..11, "unknown key `näme`").with_hint("did you mean `name`?");
        assert_eq!(finding.location().as_deref(), Some("lab.toml:2:1"));
        let drawn = draw(&finding, false);
        for part in ["unknown key", "lab.toml:2:1", "näme = \"x\"", "did you mean"] {
            assert!(drawn.contains(part), "{part}: {drawn}");
        }
        assert!(!drawn.contains('\x1b'), "{drawn}");
    }

    #[test]
    fn of_very_many_findings_the_first_are_drawn_and_the_rest_is_counted() {
        let source = Source::new(Path::new("lab.toml"), "x = 1\n".repeat(40_000));
        let findings: Vec<Finding> = (0..40_000)
            .map(|at| Finding::error(&source, at * 6..at * 6 + 1, format!("unknown key {at}")))
            .collect();
        let drawn = draw_all(&findings, false, "");
        assert!(drawn.contains("unknown key 49") && !drawn.contains("unknown key 50"));
        assert!(
            drawn.ends_with("and 39950 more, which are not shown\n"),
            "{drawn}"
        );
        assert!(!draw_all(&findings[..50], false, "").contains("more"));
    }

    #[test]
    fn what_a_finding_quotes_steers_no_terminal() {
        let source = Source::new(Path::new("lab.toml"), "x = 1\n");
        let finding = Finding::error(&source, 0..1, "key `\u{1b}[31mred`\nand more").with_hint("\u{9b}8m");
        let drawn = draw(&finding, true);
        assert!(
            drawn.contains("\\u{1b}[31mred") && drawn.contains("\\u{9b}8m"),
            "{drawn}"
        );
    }

    #[test]
    fn a_finding_far_to_the_right_is_told_without_its_line() {
        for before in [4000, 5000, 65_534, 65_535, 65_536, 200_000] {
            let text = format!("[lab]\n{}oops\nx = 1\n", "x ".repeat(before / 2));
            let start = text.find("oops").expect("it is there");
            let source = Source::new(Path::new("lab.toml"), text.as_str());
            let finding =
                Finding::error(&source, start..start + 4, "what is this?").with_hint("take it away");
            let drawn = draw(&finding, false);
            let location = finding.location().expect("a place");
            assert!(
                drawn.contains("what is this?") && drawn.contains("take it away"),
                "{before}"
            );
            assert!(drawn.contains(&location), "{location}");
            assert!(drawn.len() < 20_000, "{before}: {} bytes", drawn.len());
            // A long line beside it, or a long span, is not drawn either.
            let whole = Finding::warning(&source, 0..text.len() + 7, "all of it");
            assert!(draw(&whole, false).contains("all of it"));
            let beside = Finding::error(&source, text.len() - 6..text.len() - 1, "beside");
            assert!(draw(&beside, false).contains("beside"));
        }
    }

    #[test]
    fn offsets_outside_the_text_do_not_panic() {
        let source = Source::new(Path::new("x"), "é");
        assert_eq!(source.line_column(1), (1, 1));
        assert_eq!(source.line_column(99), (1, 2));
    }
}
