//! What people and machines read of a run, one file per format; each is derived from the journal alone.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::decide::Decided;
use crate::gate::Decision;
use crate::input::safe;
use crate::model::event::{Event, Record, Traffic};
use crate::model::id::{Arm, CellId, RunId};
use crate::model::observation::{Moment, Observation};
use crate::model::plan::Plan;
use crate::model::policy::{NetworkMode, RebootPolicy};
use crate::record::journal::{self, Loaded};
use crate::verdict::{CellJudgement, Judgement, standing};

mod clones;
mod drift;
mod evidence;
pub mod history;
pub mod json;
pub mod junit;
mod learned;
pub mod markdown;
mod measured;
pub mod plan;
pub mod render;
mod table;
pub mod text;
mod times;

pub use crate::input::safe::{excerpt as safe_excerpt, line as safe_line};

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
    /// What was seen of each node after the reboot, the last of several.
    observed: BTreeMap<(&'a CellId, Arm, &'a str), &'a Observation>,
}

/// A host that a run used.
#[derive(Debug, Clone, Copy)]
struct Host<'a> {
    uri: &'a str,
    accel: &'a str,
    reason: &'a str,
    version: &'a str,
}

impl<'a> Summary<'a> {
    /// The view of a run that was decided.
    pub fn of(decided: &'a Decided) -> Self {
        Self::new(&decided.journal, &decided.judgement, &decided.decision)
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
            observed: observed(&journal.records),
        }
    }

    /// From the first record to the last.
    pub fn wall(&self) -> Duration {
        journal::wall(self.records)
    }

    fn started(&self) -> String {
        self.records.first().map_or_else(
            || "at an unknown time".to_owned(),
            |record| record.at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        )
    }

    /// The hosts that the run used, in their order.
    fn hosts(&self) -> Vec<Host<'a>> {
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
    fn traffic(&self) -> Option<Traffic> {
        let passed = self.records.iter().filter_map(|record| match &record.event {
            Event::Fetched(traffic) => Some(traffic.clone()),
            _ => None,
        });
        passed.reduce(Traffic::and)
    }

    /// What clones could reach, in words.
    fn network(&self) -> String {
        match (self.plan.network.mode, self.traffic()) {
            (NetworkMode::Open, _) => "network open: clones could reach whatever the host can".to_owned(),
            (NetworkMode::Isolated, None) => "network isolated".to_owned(),
            (NetworkMode::Isolated, Some(passed)) => {
                format!("network isolated; updates: {}", traffic(&passed))
            }
        }
    }

    /// Which cells were not rebooted, in words; nothing where the plan has all of them rebooted.
    fn reboots(&self) -> Option<String> {
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

    /// What was seen of a node after the reboot.
    fn observation(&self, cell: &'a CellId, arm: Arm, role: &'a str) -> Option<&'a Observation> {
        self.observed.get(&(cell, arm, role)).copied()
    }
}

fn observed(records: &[Record]) -> BTreeMap<(&CellId, Arm, &str), &Observation> {
    let looks = standing(records).filter_map(|record| match &record.event {
        Event::Observed {
            cell,
            arm,
            role,
            moment: Moment::AfterReboot,
            observation,
        } if !observation.is_empty() => Some(((cell, *arm, role.as_str()), observation)),
        _ => None,
    });
    looks.collect()
}

/// A length of time for a reader: `0.4s`, `12s`, `3m 05s`, `1h 02m`.
pub fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{}.{}s", seconds, time.subsec_millis() / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600.. => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// What passed the proxy, in words.
pub fn traffic(traffic: &Traffic) -> String {
    let mut text = format!(
        "{} from their sources, {} from the cache",
        size(traffic.mirror_bytes),
        size(traffic.cache_bytes)
    );
    if let Some(first) = traffic.refused.first() {
        let more = match traffic.refused.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        text = format!("{text}; refused: {}{more}", safe::line(first));
    }
    text
}

/// `512 B`, `20.1 KiB`, `1.5 MiB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => tenths(bytes, 1024, "KiB"),
        1_048_576.. => tenths(bytes, 1_048_576, "MiB"),
    }
}

fn tenths(bytes: u64, unit: u64, name: &str) -> String {
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

/// `1 update`, `2 updates`.
fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_reads_well() {
        let passed = Traffic {
            requests: 9,
            mirror_bytes: 54_630_809,
            cache_bytes: 20_600,
            refused: vec!["GET http://bank.example/".into(), "CONNECT x:443".into()],
        };
        assert_eq!(
            traffic(&passed),
            "52.0 MiB from their sources, 20.1 KiB from the cache; refused: GET http://bank.example/ and 1 more"
        );
        assert_eq!(
            traffic(&Traffic::default()),
            "0 B from their sources, 0 B from the cache"
        );
    }

    #[test]
    fn what_passed_several_proxies_is_added_up() {
        let passed = |bytes, refused: &[&str]| Traffic {
            requests: 1,
            mirror_bytes: bytes,
            cache_bytes: 10 * bytes,
            refused: refused.iter().map(|&line| line.into()).collect(),
        };
        assert_eq!(
            passed(1, &["GET http://bank.example/"])
                .and(passed(2, &["GET http://bank.example/", "CONNECT x:443"])),
            Traffic {
                requests: 2,
                mirror_bytes: 3,
                cache_bytes: 30,
                refused: vec!["GET http://bank.example/".into(), "CONNECT x:443".into()],
            }
        );
    }

    #[test]
    fn lengths_of_time_read_well() {
        for (millis, text) in [
            (0, "0.0s"),
            (480, "0.4s"),
            (12_900, "12s"),
            (185_000, "3m 05s"),
            (3_720_000, "1h 02m"),
        ] {
            assert_eq!(length(Duration::from_millis(millis)), text);
        }
    }
}
