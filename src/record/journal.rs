//! The append-only record of a run: one JSON object a line, one writer, on disk before anything is built on it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::model::event::{Event, FORMAT, Record};
use crate::model::id::{ArmId, RunId};
use crate::model::plan::Plan;
use crate::system::file;

/// The longest line that is read, in bytes; the plan is the longest record.
pub const LINE_LIMIT: usize = 16 * 1024 * 1024;
/// The largest journal that is read, in bytes.
pub const FILE_LIMIT: u64 = 1024 * 1024 * 1024;

/// A journal that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file or its folder cannot be worked on.
    #[error("{}: cannot {what} the journal: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A record cannot be put into JSON.
    #[error("{}: record {seq} cannot be written as JSON: {source}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// The record.
        seq: u64,
        /// Why not.
        source: serde_json::Error,
    },
    /// An earlier write failed, so that the file's end is unknown.
    #[error("{}: an earlier write to the journal failed; nothing more is written to it", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
    },
    /// A line is not a record.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// The whole file is no journal.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// It is of a form that only a newer patchgate knows.
    #[error(
        "{}: the journal has format {format}, and patchgate {} reads format {FORMAT}",
        path.display(),
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The number of its form.
        format: u64,
        /// The version of patchgate that made it, where it says so.
        version: Option<String>,
    },
    /// It is of no form that any released patchgate has written.
    #[error(
        "{}: the journal has no format number that patchgate {} knows: it is older than the first release, or damaged",
        path.display(),
        env!("CARGO_PKG_VERSION")
    )]
    Unknown {
        /// The file.
        path: PathBuf,
    },
}

impl JournalError {
    /// What to do about a journal that cannot be read.
    pub fn remedy(&self) -> String {
        match self {
            Self::Newer {
                version: Some(version),
                ..
            } => format!("read it with a newer patchgate: {version} made it"),
            Self::Newer { version: None, .. } => "read it with a newer patchgate".to_owned(),
            Self::Io { .. }
            | Self::Encode { .. }
            | Self::Broken { .. }
            | Self::Line { .. }
            | Self::File { .. }
            | Self::Unknown { .. } => "a journal that cannot be read decides nothing; run again".to_owned(),
        }
    }
}

/// The one writer of a run's journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    next: u64,
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

    /// Writes one record. Nothing may be built on it before [`Journal::commit`]. After an error the journal takes no more.
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
        let mut line = serde_json::to_vec(&record).map_err(|source| JournalError::Encode {
            path: self.path.clone(),
            seq: record.seq,
            source,
        })?;
        line.push(b'\n');
        let written = self.file.write_all(&line);
        self.held(written)?;
        self.pending |= decides(&record.event);
        self.next += 1;
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
        | Event::Proved { .. }
        | Event::Isolated { .. }
        | Event::ScenarioFinished { .. }
        | Event::Measured { .. }
        | Event::ArmFailed { .. }
        | Event::ArmFinished
        | Event::HostLost { .. }
        | Event::CellRetried { .. }
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

/// Reads a whole journal. A torn last line is left out; anything else that is wrong is an error that names the line.
pub fn read(path: &Path) -> Result<Loaded, JournalError> {
    let mut lines = Lines::open(path)?;
    let first = lines.first()?;
    let Event::Planned {
        format: _,
        run,
        version,
        plan,
    } = &first.event
    else {
        return Err(lines.wrong("the first record is not the plan"));
    };
    let (run, version, plan) = (run.clone(), version.clone(), (**plan).clone());
    let mut records = vec![first];
    while let Some(record) = lines.next()? {
        if matches!(record.event, Event::Planned { .. }) {
            return Err(lines.wrong("a second plan in one journal"));
        }
        records.push(record);
    }
    Ok(Loaded {
        run,
        version,
        plan,
        records,
        truncated: lines.torn,
    })
}

/// Reads the lab's name from a journal's first record, whatever the form of the rest: a run that only a newer patchgate can
/// read is still the lab's latest.
pub fn lab(path: &Path) -> Result<String, JournalError> {
    let mut lines = Lines::open(path)?;
    let first = lines.first_line()?;
    match serde_json::from_slice(&first) {
        Ok(Head {
            event,
            plan: Some(plan),
            ..
        }) if event == PLANNED => Ok(plan.lab),
        Ok(Head { .. }) => Err(lines.wrong("the first record is not the plan")),
        Err(error) => Err(lines.wrong(explain(&first, &error))),
    }
}

/// How the first record of every journal names its event.
const PLANNED: &str = "planned";

/// What is read of a record of any form.
#[derive(Deserialize)]
struct Head {
    event: String,
    format: Option<u64>,
    version: Option<String>,
    plan: Option<LabOfPlan>,
}

#[derive(Deserialize)]
struct LabOfPlan {
    lab: String,
}

struct Lines<'a> {
    path: &'a Path,
    input: io::Take<BufReader<File>>,
    line: u64,
    torn: bool,
}

impl<'a> Lines<'a> {
    fn open(path: &'a Path) -> Result<Self, JournalError> {
        let fail = |source| JournalError::Io {
            path: path.to_owned(),
            what: "open",
            source,
        };
        let file = file::open(path).map_err(|error| fail(error.into()))?;
        let size = file.metadata().map_err(fail)?.len();
        if size > FILE_LIMIT {
            return Err(JournalError::File {
                path: path.to_owned(),
                problem: format!("the journal has {size} bytes; at most {FILE_LIMIT} are read"),
            });
        }
        Ok(Self {
            path,
            input: BufReader::new(file).take(FILE_LIMIT),
            line: 0,
            torn: false,
        })
    }

    fn wrong(&self, problem: impl Into<String>) -> JournalError {
        JournalError::Line {
            path: self.path.to_owned(),
            line: self.line,
            problem: problem.into(),
        }
    }

    /// The first record of a journal whose form this version knows.
    fn first(&mut self) -> Result<Record, JournalError> {
        let line = self.first_line()?;
        if let Ok(Head {
            event,
            format,
            version,
            plan: _,
        }) = serde_json::from_slice(&line)
            && event == PLANNED
        {
            let path = self.path.to_owned();
            match format {
                Some(format) if format > u64::from(FORMAT) => {
                    return Err(JournalError::Newer {
                        path,
                        format,
                        version,
                    });
                }
                Some(format) if format == u64::from(FORMAT) => {}
                Some(_) | None => return Err(JournalError::Unknown { path }),
            }
        }
        self.record(&line)
    }

    fn first_line(&mut self) -> Result<Vec<u8>, JournalError> {
        self.line()?.ok_or_else(|| JournalError::File {
            path: self.path.to_owned(),
            problem: "the journal has no whole record: the run died as it began".to_owned(),
        })
    }

    fn next(&mut self) -> Result<Option<Record>, JournalError> {
        let line = self.line()?;
        line.map(|line| self.record(&line)).transpose()
    }

    /// The next whole line.
    fn line(&mut self) -> Result<Option<Vec<u8>>, JournalError> {
        let mut line = Vec::new();
        self.line += 1;
        let read = (&mut self.input)
            .take(LINE_LIMIT as u64 + 1)
            .read_until(b'\n', &mut line)
            .map_err(|source| JournalError::Io {
                path: self.path.to_owned(),
                what: "read",
                source,
            })?;
        if read == 0 {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            if line.len() > LINE_LIMIT {
                return Err(self.wrong(format!("the line is longer than {LINE_LIMIT} bytes")));
            }
            self.torn = true;
            return Ok(None);
        }
        Ok(Some(line))
    }

    /// The record of the line that was read last.
    fn record(&self, line: &[u8]) -> Result<Record, JournalError> {
        let record: Record =
            serde_json::from_slice(line).map_err(|error| self.wrong(explain(line, &error)))?;
        let expected = self.line - 1;
        if record.seq != expected {
            return Err(self.wrong(format!(
                "record {} where {expected} is due: the journal has been changed",
                record.seq
            )));
        }
        if !record.has_its_head() {
            return Err(
                self.wrong("not a record: it does not say of which arm it is, or is of none and says one")
            );
        }
        Ok(record)
    }
}

/// What is wrong with a line, told apart from what a newer patchgate may have written.
fn explain(line: &[u8], error: &serde_json::Error) -> String {
    let head: Option<Head> = serde_json::from_slice(line).ok();
    let problem = error.to_string();
    match head {
        Some(Head { event, .. }) if problem.starts_with(&format!("unknown variant `{event}`")) => format!(
            "patchgate {} does not know the event `{event}`; read this run with the version that made it",
            env!("CARGO_PKG_VERSION")
        ),
        Some(_) | None => format!("not a record: {problem}"),
    }
}
