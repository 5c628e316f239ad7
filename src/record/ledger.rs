//! What a run has made on hosts, on disk before it is made, so that a killed run can be cleaned up.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::resource::Resource;
use crate::system::file::{self, FileError};

/// The largest ledger that is read, in bytes: some 200 for each resource.
const FILE_LIMIT: u64 = 64 * 1024 * 1024;

/// A ledger that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be worked on.
    #[error("{}: cannot {what} the list of resources: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A line is no entry.
    #[error("{}:{line}: not an entry of the list of resources: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Entry<R> {
    Create(R),
    Removed(R),
}

/// The list of what one run makes: an entry before a resource is made, another when it is gone.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
}

impl Ledger {
    /// Makes a new ledger, or goes on with one after a crash.
    pub fn create(path: &Path) -> Result<Self, LedgerError> {
        let fail = |what| {
            move |source| LedgerError::Io {
                path: path.to_owned(),
                what,
                source,
            }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            // As the journal's.
            .mode(0o600)
            .open(path)
            .map_err(fail("open"))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))
            .and_then(|folder| folder.sync_all())
            .map_err(fail("sync the folder of"))?;
        // A torn last entry stands for nothing that was made; the next must not be glued to it.
        let torn = last_byte(&file)
            .map_err(fail("read"))?
            .is_some_and(|byte| byte != b'\n');
        if torn {
            file.write_all(b"\n").map_err(fail("write"))?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Notes, on disk, that a resource is about to be made.
    pub fn intend(&mut self, resource: &Resource) -> Result<(), LedgerError> {
        self.write(&Entry::Create(resource))
            .and_then(|()| self.file.sync_data())
            .map_err(|source| self.error(source))
    }

    /// Notes that a resource is gone. It need not be on disk at once: what is removed again was not there, which is no
    /// error.
    pub fn removed(&mut self, resource: &Resource) -> Result<(), LedgerError> {
        self.write(&Entry::Removed(resource))
            .map_err(|source| self.error(source))
    }

    fn write(&mut self, entry: &Entry<&Resource>) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }

    fn error(&self, source: io::Error) -> LedgerError {
        LedgerError::Io {
            path: self.path.clone(),
            what: "write",
            source,
        }
    }

    /// What may still be there, in the order in which it must be removed. No file: nothing.
    pub fn left(path: &Path) -> Result<Vec<Resource>, LedgerError> {
        let fail = |source| LedgerError::Io {
            path: path.to_owned(),
            what: "read",
            source,
        };
        let file = match file::open(path) {
            Ok(file) => file,
            Err(FileError::Missing) => return Ok(Vec::new()),
            Err(error) => return Err(fail(error.into())),
        };
        if file.metadata().map_err(fail)?.len() > FILE_LIMIT {
            return Err(fail(FileError::TooLarge(FILE_LIMIT).into()));
        }
        let mut input = BufReader::new(file).take(FILE_LIMIT);
        let mut left = BTreeSet::new();
        for number in 1.. {
            let mut line = Vec::new();
            if input.read_until(b'\n', &mut line).map_err(fail)? == 0 {
                break;
            }
            let whole = line.pop_if(|byte| *byte == b'\n').is_some();
            match serde_json::from_slice(&line) {
                Ok(Entry::Create(resource)) => {
                    left.insert(resource);
                }
                Ok(Entry::Removed(resource)) => {
                    left.remove(&resource);
                }
                // A torn entry was never acted on: what it announces is made only once it is on disk. A host that lost its
                // power may have left zeros in the place of what was not.
                Err(error) if error.is_eof() || !whole || line.contains(&0) => {
                    tracing::debug!(path = %path.display(), number, %error, "torn entry left out");
                }
                Err(error) => {
                    return Err(LedgerError::Line {
                        path: path.to_owned(),
                        line: number,
                        problem: error.to_string(),
                    });
                }
            }
        }
        Ok(left.into_iter().collect())
    }
}

fn last_byte(mut file: &File) -> io::Result<Option<u8>> {
    use std::io::{Seek, SeekFrom};
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(None);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    Ok(Some(byte[0]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::resource::Made;

    fn resource(made: Made) -> Resource {
        Resource {
            made,
            uri: "qemu:///system".parse().expect("a URI"),
        }
    }

    #[test]
    fn what_is_left_is_told_in_the_order_of_removal() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("resources.jsonl");
        assert_eq!(Ledger::left(&path).expect("no file"), []);

        let pool = resource(Made::Pool("pg-a".parse().expect("a name")));
        let network = resource(Made::Network("pg-b".parse().expect("a name")));
        let domain = resource(Made::Domain("pg-c".parse().expect("a name")));
        let mut ledger = Ledger::create(&path).expect("create");
        for made in [&pool, &network, &domain] {
            ledger.intend(made).expect("intend");
        }
        assert_eq!(
            Ledger::left(&path).expect("left"),
            [domain.clone(), network.clone(), pool.clone()]
        );
        ledger.removed(&network).expect("removed");
        assert_eq!(Ledger::left(&path).expect("left"), [domain.clone(), pool.clone()]);
    }

    #[test]
    fn a_torn_entry_is_left_out_and_the_next_one_stands() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("resources.jsonl");
        let domain = resource(Made::Domain("pg-c".parse().expect("a name")));
        Ledger::create(&path)
            .expect("create")
            .intend(&domain)
            .expect("intend");
        let mut file = OpenOptions::new().append(true).open(&path).expect("open");
        file.write_all(br#"{"op":"create","kind":"vol"#).expect("tear");
        assert_eq!(Ledger::left(&path).expect("left"), std::slice::from_ref(&domain));

        let volume = resource(Made::Volume("pg-a/x".parse().expect("a name")));
        Ledger::create(&path)
            .expect("again")
            .intend(&volume)
            .expect("intend");
        assert_eq!(
            Ledger::left(&path).expect("left"),
            [domain.clone(), volume.clone()]
        );
        for tail in [&[0; 100][..], br#"{"op":"removed","kind":"#, b"{\"op\"\0\0\0"] {
            file.write_all(tail).expect("tear");
            assert_eq!(
                Ledger::left(&path).expect("left"),
                [domain.clone(), volume.clone()]
            );
            // What is cleaned up is noted behind it.
            Ledger::create(&path).expect("again");
            assert_eq!(
                Ledger::left(&path).expect("left"),
                [domain.clone(), volume.clone()]
            );
        }
    }

    #[test]
    fn a_line_that_is_no_entry_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("resources.jsonl");
        std::fs::write(&path, "{\"op\":\"eat\"}\n").expect("write");
        let error = Ledger::left(&path).expect_err("no entry").to_string();
        assert!(error.contains("resources.jsonl:1:"), "{error}");
    }
}
