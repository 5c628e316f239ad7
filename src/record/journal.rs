//! The append-only record of a run: one JSON object a line, one writer, on disk before anything is built on it.

pub mod chain;
mod error;
mod fits;
mod lines;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::event::{Event, Record};
use crate::model::id::{ArmId, CellId, RunId};
use crate::model::plan::Plan;
use crate::record::journal::chain::Chain;
use crate::record::journal::lines::Lines;

pub use error::{FILE_LIMIT, JournalError, LINE_LIMIT};

/// The one writer of a run's journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    next: u64,
    chain: Chain,
    /// Bytes that were written.
    size: u64,
    broken: bool,
    /// Whether a record that decides anything is written and not on disk yet.
    pending: bool,
}

impl Journal {
    /// Makes a new journal; an existing file is an error. The folder's entry is on disk when this returns.
    pub fn create(path: &Path) -> Result<Self, JournalError> {
        let fail = |what| {
            move |source| JournalError::Io {
                path: path.to_owned(),
                what,
                source,
            }
        };
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            // Whatever the user's mask is: what others can write to is not taken for a run's.
            .mode(0o600)
            .open(path)
            .map_err(fail("create"))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))
            .and_then(|folder| folder.sync_all())
            .map_err(fail("sync the folder of"))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            next: 0,
            chain: Chain::default(),
            size: 0,
            broken: false,
            pending: false,
        })
    }

    /// Writes one record; one that decides anything is on disk when this returns. After an error the journal takes no
    /// more: the run must stop.
    pub fn append(
        &mut self,
        at: Timestamp,
        arm: Option<ArmId>,
        event: Event,
    ) -> Result<Record, JournalError> {
        let record = self.write(at, arm, event)?;
        self.commit()?;
        Ok(record)
    }

    /// Writes one record. Nothing may be built on it before [`Journal::commit`]. After an error the journal takes no more, but
    /// for [`JournalError::TooLong`], of which nothing is written.
    pub fn write(&mut self, at: Timestamp, arm: Option<ArmId>, event: Event) -> Result<Record, JournalError> {
        if self.broken {
            return Err(JournalError::Broken {
                path: self.path.clone(),
            });
        }
        let record = Record {
            seq: self.next,
            at,
            arm,
            event,
        };
        let json = serde_json::to_vec(&record).map_err(|source| JournalError::Encode {
            path: self.path.clone(),
            seq: record.seq,
            source,
        })?;
        let mut chain = self.chain.clone();
        let line = chain.link(json);
        // What could be written and not be read would decide nothing, after all the work.
        if line.len() > LINE_LIMIT {
            return Err(JournalError::TooLong {
                path: self.path.clone(),
                seq: record.seq,
                bytes: line.len(),
            });
        }
        let size = self.size + line.len() as u64;
        if size > FILE_LIMIT {
            self.broken = true;
            return Err(JournalError::Full {
                path: self.path.clone(),
            });
        }
        let written = self.file.write_all(&line);
        self.held(written)?;
        self.pending |= decides(&record.event);
        self.next += 1;
        (self.chain, self.size) = (chain, size);
        Ok(record)
    }

    /// Puts what was written on disk, where any of it decides anything. After an error the journal takes no more.
    pub fn commit(&mut self) -> Result<(), JournalError> {
        if self.pending {
            let synced = self.file.sync_data();
            self.held(synced)?;
            self.pending = false;
        }
        Ok(())
    }

    fn held(&mut self, result: io::Result<()>) -> Result<(), JournalError> {
        result.map_err(|source| {
            self.broken = true;
            JournalError::Io {
                path: self.path.clone(),
                what: "write",
                source,
            }
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether a verdict or a clean-up rests on a record.
fn decides(event: &Event) -> bool {
    match event {
        Event::Planned { .. }
        | Event::Resolved { .. }
        | Event::Advised { .. }
        | Event::Proved { .. }
        | Event::Isolated { .. }
        | Event::ScenarioFinished { .. }
        | Event::Measured { .. }
        | Event::ArmFailed { .. }
        | Event::ArmFinished
        | Event::HostLost { .. }
        | Event::CellRetried { .. }
        | Event::Resumed { .. }
        | Event::CellConfirming { .. }
        | Event::Interrupted { .. }
        | Event::Finished { .. } => true,
        Event::HostChosen { .. }
        | Event::Cloned { .. }
        | Event::ArmStarted
        | Event::StageStarted { .. }
        | Event::StageFinished { .. }
        | Event::RebootNeeded { .. }
        | Event::RebootSkipped
        | Event::Observed { .. }
        | Event::Asked { .. }
        | Event::Fetched(_)
        | Event::CleanedUp { .. }
        | Event::StepFinished { .. } => false,
    }
}

/// A journal as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The run, from the first record.
    pub run: RunId,
    /// The version of patchgate that made it, from the first record.
    pub version: String,
    /// The plan, from the first record.
    pub plan: Plan,
    /// Every record, with the first.
    pub records: Vec<Record>,
    /// Whether the last line was torn and is left out.
    pub truncated: bool,
}

/// From the first record to the last.
pub fn wall(records: &[Record]) -> Duration {
    match (records.first(), records.last()) {
        (Some(first), Some(last)) => last.at.duration_since(first.at).try_into().unwrap_or_default(),
        (Some(_) | None, _) => Duration::ZERO,
    }
}

/// Reads a whole journal. A torn last line is left out; anything else that is wrong is an error that names the line: a line
/// that is not what was written there, a record that is not written as patchgate writes it, or that tells of what the plan
/// has not, a plan that is not that of its digest, and whatever stands behind the end of the run.
pub fn read(path: &Path) -> Result<Loaded, JournalError> {
    let mut lines = Lines::open(path)?;
    lines.hold()?;
    let first = lines.next()?.ok_or_else(|| lines.empty())?;
    let Event::Planned {
        format: _,
        run,
        version,
        plan,
    } = &first.event
    else {
        return Err(lines.wrong("the first record is not the plan"));
    };
    if plan.content_digest().ok().as_ref() != Some(&plan.digest) {
        return Err(lines.wrong("the plan is not the one that its digest is of"));
    }
    let (run, version, plan) = (run.clone(), version.clone(), (**plan).clone());
    let mut records = vec![first];
    let mut ended = false;
    let mut confirming: BTreeMap<CellId, u32> = BTreeMap::new();
    while let Some(record) = lines.next()? {
        if ended {
            return Err(lines.wrong(BEHIND));
        }
        if matches!(record.event, Event::Planned { .. }) {
            return Err(lines.wrong("a second plan in one journal"));
        }
        fits::fits(&plan, &record).map_err(|problem| lines.wrong(format!("the record {problem}")))?;
        if let Event::CellConfirming { cell, .. } = &record.event {
            let pairs = confirming.entry(cell.clone()).or_default();
            *pairs += 1;
            if *pairs > plan.confirm.pairs {
                let problem = format!(
                    "tells of pair {pairs} that confirms {cell}, and the plan has {}",
                    plan.confirm.pairs
                );
                return Err(lines.wrong(format!("the record {problem}")));
            }
        }
        ended = matches!(record.event, Event::Finished { .. });
        records.push(record);
    }
    if ended && lines.torn() {
        return Err(lines.wrong(BEHIND));
    }
    Ok(Loaded {
        run,
        version,
        plan,
        records,
        truncated: lines.torn(),
    })
}

/// What is wrong with more than a whole run.
const BEHIND: &str = "something stands behind the end of the run";

/// Reads the lab's name from a journal's first record, whatever the form of the rest: a run that only a newer patchgate can
/// read is still the lab's latest.
pub fn lab(path: &Path) -> Result<String, JournalError> {
    Lines::open(path)?.lab()
}
