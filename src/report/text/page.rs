//! Writing lines for a terminal.

use crate::report::table::{self, Paint};
use crate::report::view::Summary;
use crate::verdict::Verdict;

/// How to draw.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether to use colour.
    pub colour: bool,
}

/// A report that is being written.
pub(super) struct Text<'a> {
    pub(super) summary: &'a Summary<'a>,
    pub(super) style: Style,
    pub(super) out: String,
}

impl<'a> Text<'a> {
    /// An empty one.
    pub(super) fn new(summary: &'a Summary<'a>, style: Style) -> Self {
        Self {
            summary,
            style,
            out: String::new(),
        }
    }

    /// A line.
    pub(super) fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    /// A heading, with an empty line before it.
    pub(super) fn heading(&mut self, text: &str) {
        self.line("");
        let text = Paint::Bold.on(text, self.style.colour);
        self.line(&text);
    }

    /// A text, indented.
    pub(super) fn wrapped(&mut self, indent: usize, text: &str) {
        for part in table::wrap(text, self.style.width.saturating_sub(indent)) {
            self.line(&format!("{:indent$}{part}", ""));
        }
    }

    /// Lines of a text under a label, indented by `indent`.
    pub(super) fn labelled(&mut self, indent: usize, label: &str, paint: Paint, text: &str) {
        const LABEL: usize = 11;
        let room = self.style.width.saturating_sub(indent + LABEL);
        for (number, part) in table::wrap(text, room).into_iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            let pad = LABEL.saturating_sub(label.chars().count());
            let label = paint.on(label, self.style.colour);
            self.line(&format!("{:indent$}{label}{:pad$}{part}", "", ""));
        }
    }
}

/// How a verdict is painted.
pub(super) fn verdict_paint(verdict: Verdict) -> Paint {
    match verdict {
        Verdict::Pass => Paint::Green,
        Verdict::Regressed => Paint::Red,
        Verdict::Fixed
        | Verdict::AlreadyBroken
        | Verdict::Flaky
        | Verdict::Sporadic
        | Verdict::Inconclusive(_)
        | Verdict::NotRun => Paint::Yellow,
    }
}
