//! A run as every format reads it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::decide::Decided;
use crate::gate::Decision;
use crate::model::event::{Event, Record, Traffic};
use crate::model::id::{Arm, CellId, RunId};
use crate::model::observation::{Moment, Observation};
use crate::model::plan::Plan;
use crate::model::policy::{NetworkMode, RebootPolicy};
use crate::model::screen::Screen;
use crate::record::journal::{self, Loaded};
use crate::report::words::traffic;
use crate::verdict::{CellJudgement, Judgement, standing};

/// A run, judged and decided, as every format needs it.
#[derive(Debug, Clone)]
pub struct Summary<'a> {
    /// The run.
    pub run: &'a RunId,
    /// The version of patchgate that made it.
    pub version: &'a str,
    /// What was promised.
    pub plan: &'a Plan,
    /// The journal.
    pub records: &'a [Record],
    /// Whether the journal's last line was torn.
    pub truncated: bool,
    /// What became of the plan.
    pub judgement: &'a Judgement,
    /// The gate and why.
    pub decision: &'a Decision,
    /// What has come since the run was made; nothing where that was not asked.
    pub since: Vec<String>,
    /// The run's folder, where it is known: what it keeps beside its journal is there.
    pub folder: Option<&'a Path>,
    /// What was seen of each node after the reboot, the last of several.
    observed: BTreeMap<(&'a CellId, Arm, &'a str), &'a Observation>,
}

/// A host that a run used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host<'a> {
    pub(super) uri: &'a str,
    pub(super) accel: &'a str,
    pub(super) reason: &'a str,
    pub(super) version: &'a str,
}

impl<'a> Summary<'a> {
    /// The view of a run that was decided.
    pub fn of(decided: &'a Decided) -> Self {
        Self {
            folder: decided.folder.as_deref(),
            ..Self::new(&decided.journal, &decided.judgement, &decided.decision)
        }
    }

    /// A journal with its judgement and decision.
    pub fn new(journal: &'a Loaded, judgement: &'a Judgement, decision: &'a Decision) -> Self {
        Self {
            run: &journal.run,
            version: &journal.version,
            plan: &journal.plan,
            records: &journal.records,
            truncated: journal.truncated,
            judgement,
            decision,
            since: Vec::new(),
            folder: None,
            observed: observed(&journal.records),
        }
    }

    /// That the decision is that of the run's own time, and what has come since; nothing where nothing has.
    pub(super) fn as_of(&self) -> Option<String> {
        if self.since.is_empty() {
            return None;
        }
        Some(format!(
            "decided as of the run; since: {}. `patchgate gate {}` holds it against the lab as it is now",
            self.since.join("; "),
            self.run
        ))
    }

    /// From the first record to the last.
    pub fn wall(&self) -> Duration {
        journal::wall(self.records)
    }

    pub(super) fn started(&self) -> String {
        self.records.first().map_or_else(
            || "at an unknown time".to_owned(),
            |record| record.at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        )
    }

    /// The hosts that the run used, in their order.
    pub(super) fn hosts(&self) -> Vec<Host<'a>> {
        let chosen = self.records.iter().filter_map(|record| match &record.event {
            Event::HostChosen {
                uri,
                accel,
                reason,
                version,
            } => Some(Host {
                uri,
                accel,
                reason,
                version,
            }),
            _ => None,
        });
        chosen.collect()
    }

    /// What passed the run's proxies, one for each host that had any and came to its end.
    pub(super) fn traffic(&self) -> Option<Traffic> {
        let passed = self.records.iter().filter_map(|record| match &record.event {
            Event::Fetched(traffic) => Some(traffic.clone()),
            _ => None,
        });
        passed.reduce(Traffic::and)
    }

    /// What clones could reach, in words.
    pub(super) fn network(&self) -> String {
        match (self.plan.network.mode, self.traffic()) {
            (NetworkMode::Open, _) => "network open: clones could reach whatever the host can".to_owned(),
            (NetworkMode::Isolated, None) => "network isolated".to_owned(),
            (NetworkMode::Isolated, Some(passed)) => {
                format!("network isolated; updates: {}", traffic(&passed))
            }
        }
    }

    /// Which cells were not rebooted, in words; nothing where the plan has all of them rebooted.
    pub(super) fn reboots(&self) -> Option<String> {
        match self.plan.reboot {
            RebootPolicy::Always => return None,
            RebootPolicy::WhenNeeded => {}
        }
        let cells = &self.judgement.cells;
        let spared = |cell: &&CellJudgement| cell.nodes.iter().any(|node| node.reboot_spared);
        let count = cells.iter().filter(spared).count();
        let all = cells.len();
        Some(format!(
            "reboot when needed: {count} of {all} cells needed none and were not rebooted, in both arms"
        ))
    }

    /// Where a picture of a node's screen is.
    pub(super) fn screen(&self, screen: &Screen) -> String {
        match self.folder {
            Some(folder) => folder.join(screen.as_str()).display().to_string(),
            None => screen.to_string(),
        }
    }

    /// What was seen of a node after the reboot.
    pub(super) fn observation(&self, cell: &'a CellId, arm: Arm, role: &'a str) -> Option<&'a Observation> {
        self.observed.get(&(cell, arm, role)).copied()
    }
}

fn observed(records: &[Record]) -> BTreeMap<(&CellId, Arm, &str), &Observation> {
    let looks = standing(records).filter_map(|record| match (record.side(), &record.event) {
        (
            Some((cell, arm)),
            Event::Observed {
                role,
                moment: Moment::AfterReboot,
                observation,
            },
        ) if !observation.is_empty() => Some(((cell, arm, role.as_str()), observation)),
        _ => None,
    });
    looks.collect()
}
