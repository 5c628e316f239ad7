//! The evidence of what failed, control beside treatment.

use crate::input::safe;
use crate::model::id::Arm;
use crate::report::evidence::{self, Evidence};
use crate::report::table::{self, Paint};
use crate::report::text::page::{Text, verdict_paint};

/// From this width on, control stands beside treatment.
const SIDE_BY_SIDE: usize = 100;

impl Text<'_> {
    /// The failed steps, control beside treatment.
    pub(super) fn evidence(&mut self) {
        let all = evidence::collect(self.summary);
        if all.is_empty() {
            return;
        }
        self.heading("Evidence");
        for (number, evidence) in all.iter().enumerate() {
            if number > 0 {
                self.line("");
            }
            self.one(evidence);
        }
    }

    fn one(&mut self, evidence: &Evidence<'_>) {
        let scenario = evidence.scenario;
        let verdict = verdict_paint(scenario.verdict).on(scenario.verdict.word(), self.style.colour);
        self.line(&format!(
            "  {} {}{}: {verdict}",
            safe::line(&evidence.cell.id.0),
            safe::line(&scenario.name),
            evidence.of_which()
        ));
        if !evidence.title.is_empty() {
            self.labelled(4, "shows", Paint::Dim, &evidence.title);
            self.labelled(4, "owner", Paint::Dim, &evidence.owner);
        }
        if let Some(step) = &evidence.step {
            self.labelled(4, "step", Paint::Dim, step);
        }
        if let Some(did) = &evidence.did {
            self.labelled(4, "did", Paint::Dim, did);
        }
        if self.style.width >= SIDE_BY_SIDE {
            self.beside(evidence);
        } else {
            self.stacked(evidence);
        }
        for (number, (heading, lines)) in evidence.changes.iter().enumerate() {
            let label = if number == 0 { "changed" } else { "" };
            self.labelled(4, label, Paint::Dim, heading);
            for line in lines {
                self.wrapped(17, line);
            }
        }
    }

    fn beside(&mut self, evidence: &Evidence<'_>) {
        let half = (self.style.width - 15 - 3) / 2;
        let colour = self.style.colour;
        let head = Paint::Bold.on(&format!("{:half$}   treatment", "control"), colour);
        self.line(&format!("{:15}{head}", ""));
        for (label, control, treatment) in &evidence.rows {
            let wrap = |lines: &[String]| -> Vec<String> {
                lines.iter().flat_map(|line| table::wrap(line, half)).collect()
            };
            let (left, right) = (wrap(control), wrap(treatment));
            for at in 0..left.len().max(right.len()) {
                let label = if at == 0 { *label } else { "" };
                let label = Paint::Dim.on(&format!("{label:11}"), colour);
                let side = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
                self.line(&format!("    {label}{:half$} | {}", side(&left), side(&right)));
            }
        }
    }

    fn stacked(&mut self, evidence: &Evidence<'_>) {
        for arm in Arm::BOTH {
            let head = Paint::Bold.on(&format!("in {arm}"), self.style.colour);
            self.line(&format!("    {head}"));
            for (label, control, treatment) in &evidence.rows {
                let lines = match arm {
                    Arm::Control => control,
                    Arm::Treatment => treatment,
                };
                for (number, line) in lines.iter().enumerate() {
                    self.labelled(6, if number == 0 { label } else { "" }, Paint::Dim, line);
                }
            }
        }
    }
}
