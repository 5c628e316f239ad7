//! The report from its first line to its last.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::gate::{Counts, Gate, Reason, Severity};
use crate::input::safe;
use crate::model::id::Arm;
use crate::model::update::UpdateSet;
use crate::report::advised;
use crate::report::table::{self, Paint, Painted};
use crate::report::text::page::{Style, Text, verdict_paint};
use crate::report::view::Summary;
use crate::report::words::{self, cells, count, length};
use crate::report::{drift, evidence, learned, measured, times};
use crate::verdict::{
    ArmOutcome, CellJudgement, DriftState, NodeJudgement, NodeState, ScenarioJudgement, Verdict,
};

/// Packages of a proof's lists that are shown, of each.
const PROBLEMS: usize = 10;

/// The whole report; its last line is [`crate::gate::Decision::line`].
pub fn render(summary: &Summary<'_>, style: Style) -> String {
    let mut text = Text::new(summary, style);
    text.head();
    text.why();
    text.evidence();
    text.faults();
    text.drift();
    text.cells();
    text.measured();
    text.learned();
    text.updates();
    text.times();
    text.end();
    text.out
}

/// The reasons and the last line alone.
pub fn render_gate(summary: &Summary<'_>, style: Style) -> String {
    let mut text = Text::new(summary, style);
    text.why();
    text.end();
    text.out
}

impl Text<'_> {
    fn head(&mut self) {
        let summary = self.summary;
        let Counts {
            passed,
            regressed,
            inconclusive,
            ..
        } = summary.decision.counts;
        let cells = cells(&summary.decision.counts);
        let gate = format!("GATE {}", summary.decision.gate);
        let gate = gate_paint(summary.decision.gate).on(&gate, self.style.colour);
        self.line(&format!(
            "{gate}   {passed} of {cells} passed, {regressed} regressed, {inconclusive} inconclusive, {}",
            length(summary.wall()),
        ));
        let hosts = summary.hosts().into_iter();
        let hosts: Vec<String> = hosts
            .map(|host| format!("{} with {}", safe::line(host.uri), safe::line(host.accel)))
            .collect();
        let hosts = if hosts.is_empty() {
            "no host was chosen".to_owned()
        } else {
            hosts.join(", ")
        };
        self.line(&format!(
            "run {} of lab {}, {}, {hosts}",
            summary.run,
            safe::line(&summary.plan.lab),
            summary.started()
        ));
        self.line(&summary.network());
        if let Some(clones) = summary.clones() {
            self.wrapped(0, &safe::line(&clones));
        }
        if let Some(reboots) = summary.reboots() {
            self.line(&reboots);
        }
        if let Some(as_of) = summary.as_of() {
            self.wrapped(0, &safe::whole(&format!("note: {as_of}")));
        }
        if summary.truncated {
            self.line("the journal's last line was torn and is left out");
        }
    }

    fn why(&mut self) {
        let summary = self.summary;
        if summary.decision.reasons.is_empty() {
            self.line("every required scenario passed on every required cell, with exactly the pinned updates installed");
            return;
        }
        self.heading("Why");
        for reason in &summary.decision.reasons {
            let (label, paint) = match reason.severity {
                Severity::Closes => ("closes", Paint::Red),
                Severity::Undecides => ("undecides", Paint::Yellow),
                Severity::Notes => ("note", Paint::Dim),
            };
            let text = match subject(reason) {
                Some(subject) => format!("{subject}: {}", safe::line(&reason.text)),
                None => safe::line(&reason.text),
            };
            self.labelled(2, label, paint, &text);
            if let Some(remedy) = &reason.remedy {
                self.labelled(2, "", Paint::Plain, &format!("-> {}", safe::line(remedy)));
            }
        }
    }

    fn faults(&mut self) {
        let cells = &self.summary.judgement.cells;
        if cells.iter().all(|cell| cell.faults.is_empty()) {
            return;
        }
        self.heading("Arms that ended before their time");
        for cell in cells {
            for (arm, fault) in &cell.faults {
                let node = fault
                    .role
                    .as_ref()
                    .map_or_else(String::new, |role| format!("/{role}"));
                let node = safe::line(&format!("{}{node}", cell.id));
                self.line(&format!(
                    "  {node}, {arm}, {}: {}",
                    fault.stage,
                    fault.cause.words()
                ));
                for line in evidence::fault_lines(self.summary, fault) {
                    self.wrapped(4, &line);
                }
            }
        }
    }

    fn drift(&mut self) {
        let shown = drift::shown(self.summary);
        if shown.is_empty() {
            return;
        }
        self.heading(drift::HEADING);
        for (name, drift) in shown {
            let paint = match drift.state {
                DriftState::None => Paint::Green,
                DriftState::Warned | DriftState::Undecided => Paint::Yellow,
                DriftState::Failed => Paint::Red,
            };
            let state = paint.on(drift.state.words(), self.style.colour);
            self.line(&format!("  {}: {state}", safe::line(&name)));
            for line in drift::lines(drift) {
                self.wrapped(4, &line);
            }
        }
    }

    fn cells(&mut self) {
        self.heading("Verdicts");
        let mut rows: Vec<Vec<Painted>> = Vec::new();
        for cell in &self.summary.judgement.cells {
            for (number, scenario) in cell.scenarios.iter().enumerate() {
                let first = if number == 0 {
                    cell_name(cell)
                } else {
                    String::new()
                };
                rows.push(verdict_row(first, scenario));
            }
            if cell.scenarios.is_empty() {
                rows.push(vec![
                    (cell_name(cell), Paint::Plain),
                    ("no scenario".to_owned(), Paint::Yellow),
                ]);
            }
        }
        let header = ["cell", "scenario", "control", "treatment", "verdict"];
        self.out.push_str(&table::draw(&header, &rows, self.style.colour));
    }

    fn measured(&mut self) {
        if let Some(table) = measured::text(self.summary, self.style.colour) {
            self.heading("Measured steps");
            self.out.push_str(&table);
        }
    }

    fn learned(&mut self) {
        let all = learned::collect(self.summary);
        if all.is_empty() {
            return;
        }
        self.heading("What the steps found out");
        for learned in all {
            self.line(&format!("  {} {}", learned.cell, learned.scenario));
            for (arm, lines) in learned.arms {
                for (number, line) in lines.iter().enumerate() {
                    let label = if number == 0 {
                        arm.to_string()
                    } else {
                        String::new()
                    };
                    self.labelled(4, &label, Paint::Dim, line);
                }
            }
        }
    }

    fn updates(&mut self) {
        self.heading("Updates");
        let mut shown: BTreeMap<String, String> = BTreeMap::new();
        for cell in &self.summary.judgement.cells {
            for node in &cell.nodes {
                let name = safe::line(&format!("{}/{}", cell.id, node.role));
                self.node(&name, node, &mut shown);
            }
        }
    }

    fn node(&mut self, name: &str, node: &NodeJudgement, shown: &mut BTreeMap<String, String>) {
        let state = match node.state {
            NodeState::Proved => Paint::Green,
            NodeState::Differs => Paint::Red,
            NodeState::NotResolved
            | NodeState::SetDamaged
            | NodeState::NothingPending
            | NodeState::KeptBack
            | NodeState::NotProved
            | NodeState::NotRebooted => Paint::Yellow,
        };
        let state = state.on(node.state.words(), self.style.colour);
        let updates = node.set.as_ref().map_or_else(String::new, |set| {
            format!("{}; ", count(set.updates.len(), "update"))
        });
        self.line(&format!("  {name}: {updates}{state}"));
        if let Some(lists) = words::lists(node) {
            self.wrapped(4, &lists);
        }
        for line in advised::lines(node) {
            self.wrapped(4, &safe::line(&line));
        }
        if node.reboot_spared {
            self.wrapped(4, "not rebooted: its updates need no reboot");
        }
        if let Some(reason) = &node.reboot_needed {
            let text = format!("a reboot is needed: {}", safe::line(reason));
            self.wrapped(4, &text);
        }
        if let Some(proof) = &node.proof {
            for (what, items) in proof.faults() {
                for item in items.iter().take(PROBLEMS) {
                    self.wrapped(4, &format!("{what}: {}", safe::line(item)));
                }
                if items.len() > PROBLEMS {
                    let more = format!("{what}: and {} more", items.len() - PROBLEMS);
                    self.wrapped(4, &more);
                }
            }
        }
        let Some(set) = node.set.as_ref().filter(|set| !set.is_empty()) else {
            return;
        };
        if let Some(same) = shown.get(&set.digest) {
            self.line(&format!("    the same set as {same}"));
            return;
        }
        shown.insert(set.digest.clone(), name.to_owned());
        let table = set_table(set, self.style.colour);
        self.out.push_str(&table);
    }

    fn times(&mut self) {
        let stages = times::by_stage(self.summary);
        if stages.is_empty() {
            return;
        }
        self.heading("Where the time goes (sums over the cells, which run beside each other)");
        let mut rows: Vec<Vec<Painted>> = Vec::new();
        let plain = |text: String| (text, Paint::Plain);
        let spent = |time: Duration| match time {
            Duration::ZERO => plain("-".to_owned()),
            time => plain(length(time)),
        };
        for (stage, time) in &stages {
            let longest = time.longest.map_or_else(String::new, |(took, cell, arm)| {
                format!("{} in {} {arm}", length(took), safe::line(&cell.0))
            });
            rows.push(vec![
                plain(stage.to_string()),
                spent(time.control),
                spent(time.treatment),
                plain(longest),
            ]);
        }
        let longest = times::longest_arm(self.summary).map_or_else(String::new, |(took, cell, arm)| {
            format!("{} in {} {arm}", length(took), safe::line(&cell.0))
        });
        rows.push(vec![
            ("all".to_owned(), Paint::Bold),
            spent(stages.values().map(|time| time.control).sum()),
            spent(stages.values().map(|time| time.treatment).sum()),
            plain(longest),
        ]);
        let header = ["stage", "control", "treatment", "longest"];
        self.out.push_str(&table::draw(&header, &rows, self.style.colour));
        let wall = length(self.summary.wall());
        self.line(&format!("  {wall} from the first record to the last"));
    }

    fn end(&mut self) {
        self.line("");
        let line = self.summary.decision.line(self.summary.run);
        self.line(&line);
    }
}

fn gate_paint(gate: Gate) -> Paint {
    match gate {
        Gate::Open => Paint::Green,
        Gate::Closed => Paint::Red,
        Gate::Undecided => Paint::Yellow,
    }
}

fn subject(reason: &Reason) -> Option<String> {
    let cell = reason.cell.as_ref()?;
    Some(safe::line(&match (&reason.role, &reason.scenario) {
        (Some(role), _) => format!("{cell}/{role}"),
        (None, Some(scenario)) => format!("{cell} {scenario}"),
        (None, None) => cell.to_string(),
    }))
}

fn cell_name(cell: &CellJudgement) -> String {
    let note = if cell.required { "" } else { " (not required)" };
    format!("{}{note}", safe::line(&cell.id.0))
}

fn verdict_row(cell: String, scenario: &ScenarioJudgement) -> Vec<Painted> {
    let side = |arm: Arm| {
        let result = scenario.arm(arm);
        let paint = match result.outcome {
            ArmOutcome::Passed => Paint::Plain,
            ArmOutcome::FlakyPassed | ArmOutcome::Errored(_) | ArmOutcome::NotRun => Paint::Yellow,
            ArmOutcome::Failed => Paint::Red,
        };
        let mut at = String::new();
        if let (Some((index, _)), ArmOutcome::Failed) = (&result.failed, result.outcome) {
            at = format!(" at step {} of {}", index + 1, result.steps.len());
        }
        (format!("{}{at}", result.outcome.word()), paint)
    };
    let note = if scenario.required { "" } else { " (not required)" };
    let verdict = match scenario.verdict {
        Verdict::Inconclusive(cause) => format!("{}: {}", scenario.verdict, cause.words()),
        verdict => verdict.to_string(),
    };
    vec![
        (cell, Paint::Plain),
        (format!("{}{note}", safe::line(&scenario.name)), Paint::Plain),
        side(Arm::Control),
        side(Arm::Treatment),
        (verdict, verdict_paint(scenario.verdict)),
    ]
}

fn set_table(set: &UpdateSet, colour: bool) -> String {
    let rows: Vec<Vec<Painted>> = set
        .updates
        .iter()
        .map(|update| {
            let plain = |text: &str| (safe::line(text), Paint::Plain);
            let version = |version: &Option<String>, none: &str| {
                version
                    .as_ref()
                    .map_or_else(|| none.to_owned(), |text| safe::line(text))
            };
            vec![
                plain(&format!("  {}", update.name)),
                plain(&update.arch),
                (
                    format!(
                        "{} -> {}",
                        version(&update.from, "(new)"),
                        version(&update.to, "(removed)")
                    ),
                    Paint::Plain,
                ),
                plain(&update.origin),
            ]
        })
        .collect();
    table::draw(&["  package", "arch", "from -> to", "origin"], &rows, colour)
}
