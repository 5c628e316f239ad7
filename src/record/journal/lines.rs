//! A journal, line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use serde::Deserialize;

use crate::model::event::{FORMAT, Record};
use crate::record::journal::chain::Chain;
use crate::record::journal::error::{FILE_LIMIT, JournalError, LINE_LIMIT};
use crate::system::file::{self, FileError};

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

/// A journal that is read.
pub struct Lines<'a> {
    path: &'a Path,
    input: io::Take<BufReader<File>>,
    line: u64,
    chain: Chain,
    torn: bool,
}

impl<'a> Lines<'a> {
    /// Opens a journal, which must be a file of a bounded size.
    pub fn open(path: &'a Path) -> Result<Self, JournalError> {
        let fail = |source| JournalError::Io {
            path: path.to_owned(),
            what: "open",
            source,
        };
        let file = file::open(path).map_err(|error| match error {
            FileError::Io(source) => fail(source),
            other => JournalError::File {
                path: path.to_owned(),
                problem: format!("the journal {other}"),
            },
        })?;
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
            chain: Chain::default(),
            torn: false,
        })
    }

    /// Sees that the form is known and every line is what was written there, and begins anew.
    pub fn hold(&mut self) -> Result<(), JournalError> {
        let first = self.line()?.ok_or_else(|| self.empty())?;
        // Not with what the first line holds of the plan, as long as it begins as it must.
        if !begins(&first) {
            self.known(&first)?;
        }
        self.follow(first)?;
        while let Some(line) = self.line()? {
            self.follow(line)?;
        }
        self.input
            .get_mut()
            .rewind()
            .map_err(|source| self.unread(source))?;
        self.input.set_limit(FILE_LIMIT);
        (self.line, self.chain, self.torn) = (0, Chain::default(), false);
        Ok(())
    }

    /// The next record; nothing behind the last whole line.
    pub fn next(&mut self) -> Result<Option<Record>, JournalError> {
        let Some(line) = self.line()? else {
            return Ok(None);
        };
        let json = self.follow(line)?;
        let record: Record =
            serde_json::from_slice(&json).map_err(|error| self.wrong(explain(&json, &error)))?;
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
        // There is one way to write a record: a key that is unknown, or lacks, or stands twice is damage at any depth.
        if serde_json::to_vec(&record).ok().as_deref() != Some(&json) {
            return Err(
                self.wrong("not a record as patchgate writes it: a key is unknown, missing or misplaced")
            );
        }
        Ok(Some(record))
    }

    /// The lab's name, from the first record.
    pub fn lab(&mut self) -> Result<String, JournalError> {
        let first = self.line()?.ok_or_else(|| self.empty())?;
        let head = serde_json::from_slice(&first);
        // Only a newer form may be tied together in another way.
        if !matches!(&head, Ok(Head { format: Some(format), .. }) if *format > u64::from(FORMAT)) {
            self.follow(first.clone())?;
        }
        match head {
            Ok(Head {
                event,
                plan: Some(plan),
                ..
            }) if event == PLANNED => Ok(plan.lab),
            Ok(Head { .. }) => Err(self.wrong("the first record is not the plan")),
            Err(error) => Err(self.wrong(explain(&first, &error))),
        }
    }

    /// Whether the last line that was read was torn.
    pub fn torn(&self) -> bool {
        self.torn
    }

    /// That nothing whole stands in the journal.
    pub fn empty(&self) -> JournalError {
        JournalError::File {
            path: self.path.to_owned(),
            problem: "the journal has no whole record: the run died as it began".to_owned(),
        }
    }

    /// That something is wrong with the line that was read last.
    pub fn wrong(&self, problem: impl Into<String>) -> JournalError {
        JournalError::Line {
            path: self.path.to_owned(),
            line: self.line,
            problem: problem.into(),
        }
    }

    fn unread(&self, source: io::Error) -> JournalError {
        JournalError::Io {
            path: self.path.to_owned(),
            what: "read",
            source,
        }
    }

    /// Sees that a first record is of the form that this version reads.
    fn known(&self, line: &[u8]) -> Result<(), JournalError> {
        let path = self.path.to_owned();
        match serde_json::from_slice(line) {
            Ok(Head {
                event,
                format,
                version,
                ..
            }) if event == PLANNED => match format {
                Some(format) if format > u64::from(FORMAT) => Err(JournalError::Newer {
                    path,
                    format,
                    version,
                }),
                Some(format) if format == u64::from(FORMAT) => Ok(()),
                Some(_) | None => Err(JournalError::Unknown { path }),
            },
            Ok(Head { .. }) => Err(self.wrong("the first record is not the plan")),
            Err(error) => Err(self.wrong(explain(line, &error))),
        }
    }

    /// The record's JSON of the line that was read last.
    fn follow(&mut self, line: Vec<u8>) -> Result<Vec<u8>, JournalError> {
        self.chain.follow(line).ok_or_else(|| {
            self.wrong(
                "not what was written here: this line, or one before it, was changed, moved or removed",
            )
        })
    }

    /// The next whole line.
    fn line(&mut self) -> Result<Option<Vec<u8>>, JournalError> {
        let mut line = Vec::new();
        self.line += 1;
        let read = (&mut self.input)
            .take(LINE_LIMIT as u64 + 1)
            .read_until(b'\n', &mut line)
            .map_err(|source| self.unread(source))?;
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
}

/// Whether a first line begins as one of this form does.
fn begins(first: &[u8]) -> bool {
    let head = format!(",\"event\":\"{PLANNED}\",\"format\":{FORMAT},");
    let start = &first[..first.len().min(200)];
    start.windows(head.len()).any(|part| part == head.as_bytes())
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
