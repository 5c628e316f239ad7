//! Where runs are kept: `runs/<run id>/` in the state folder, one folder a run, locked while the run lives.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::UserError;
use crate::model::id::RunId;
use crate::record::journal;

/// The journal's name in a run's folder.
pub const JOURNAL: &str = "journal.jsonl";
/// The name of the record of a trial of scenarios, which has no [`JOURNAL`]: it is no run and decides nothing.
const TRIAL: &str = "trial.jsonl";
/// The ledger's name in a run's folder.
pub const RESOURCES: &str = "resources.jsonl";
/// The lock's name in a run's folder.
const LOCK: &str = "lock";

/// The state folder.
#[derive(Debug, Clone)]
pub struct State {
    root: PathBuf,
}

/// A run's folder, locked until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    _lock: File,
}

impl RunDir {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal's file.
    pub fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    /// The file of a trial's record, instead of a journal.
    pub fn trial(&self) -> PathBuf {
        self.path.join(TRIAL)
    }

    /// The ledger's file.
    pub fn resources(&self) -> PathBuf {
        self.path.join(RESOURCES)
    }
}

impl State {
    /// The state folder of this user: `$PATCHGATE_STATE`, else `$XDG_STATE_HOME/patchgate`, else
    /// `~/.local/state/patchgate` (XDG Base Directory Specification 0.8). It need not exist.
    pub fn open() -> Result<Self, UserError> {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        // The specification has relative paths in XDG_STATE_HOME ignored.
        let xdg = || {
            var("XDG_STATE_HOME")
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let home = || var("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        var("PATCHGATE_STATE")
            .map(PathBuf::from)
            .or_else(|| xdg().or_else(home).map(|folder| folder.join("patchgate")))
            .map(Self::at)
            .ok_or_else(|| {
                UserError::usage("no place for runs: neither PATCHGATE_STATE, XDG_STATE_HOME nor HOME is set")
                    .with_hint("set PATCHGATE_STATE to a folder of yours")
            })
            .and_then(Self::absolute)
    }

    /// A state folder of that path.
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// libvirt wants absolute paths, and marks on hosts name the run's folder.
    fn absolute(self) -> Result<Self, UserError> {
        match std::path::absolute(&self.root) {
            Ok(root) => Ok(Self { root }),
            Err(error) => Err(UserError::usage(format!(
                "{}: not a usable state folder: {error}",
                self.root.display()
            ))),
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a run.
    pub fn run_dir(&self, run: &RunId) -> PathBuf {
        self.root.join("runs").join(run.as_str())
    }

    /// The journal of a run.
    pub fn journal(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join(JOURNAL)
    }

    /// Whether an id is that of a trial of scenarios, which shares runs' folders so that `clean` finds what it left.
    pub fn is_trial(&self, run: &RunId) -> bool {
        self.run_dir(run).join(TRIAL).exists()
    }

    /// Makes and locks the folder of a new run, readable by its user alone: journals hold guests' output.
    pub fn create_run(&self, run: &RunId) -> Result<RunDir, UserError> {
        let path = self.run_dir(run);
        let fail = |error: &io::Error| {
            UserError::usage(format!(
                "{}: cannot make the run's folder: {error}",
                path.display()
            ))
            .with_hint("check the folder's permissions and free space, or set PATCHGATE_STATE to another")
        };
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        builder
            .recursive(true)
            .create(self.root.join("runs"))
            .map_err(|error| fail(&error))?;
        builder
            .recursive(false)
            .create(&path)
            .map_err(|error| fail(&error))?;
        let lock = File::create_new(path.join(LOCK)).map_err(|error| fail(&error))?;
        // It waits only for a moment: nobody else holds more than the shared lock of `is_live`.
        lock.lock().map_err(|error| fail(&error))?;
        Ok(RunDir { path, _lock: lock })
    }

    /// Every run that has a folder, oldest first.
    pub fn runs(&self) -> Result<Vec<RunId>, UserError> {
        let folder = self.root.join("runs");
        let fail = |error: &io::Error| {
            UserError::usage(format!("{}: cannot list the runs: {error}", folder.display()))
        };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fail(&error)),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| fail(&error))?;
            if let Some(run) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                runs.push(run);
            }
        }
        runs.sort();
        Ok(runs)
    }

    /// The newest run with a journal, of one lab or of any.
    pub fn latest(&self, lab: Option<&str>) -> Result<Option<RunId>, UserError> {
        let mut runs = self.runs()?;
        runs.reverse();
        Ok(runs.into_iter().find(|run| {
            let of = journal::lab(&self.journal(run));
            of.is_ok_and(|of| lab.is_none_or(|lab| lab == of))
        }))
    }

    /// The run that a text means: `latest`, an id, or a prefix that only one id has.
    pub fn resolve(&self, text: &str, lab: Option<&str>) -> Result<RunId, UserError> {
        const START: &str = "start one with `patchgate run`";
        if text == "latest" {
            return self.latest(lab)?.ok_or_else(|| {
                let what = lab.map_or("no run yet".to_owned(), |lab| {
                    format!("no run of lab `{lab}` yet")
                });
                UserError::usage(what).with_hint(START)
            });
        }
        let runs = self.runs()?;
        let mut fitting = runs
            .iter()
            .filter(|run| !text.is_empty() && run.as_str().starts_with(text));
        match (fitting.next(), fitting.next()) {
            (Some(run), None) => Ok(run.clone()),
            (Some(one), Some(other)) => Err(UserError::usage(format!("`{text}` begins more than one run"))
                .with_hint(format!("write more of it: {one}, {other}, ..."))),
            (None, _) => {
                let newest: Vec<&str> = runs.iter().rev().take(5).map(RunId::as_str).collect();
                let hint = if newest.is_empty() {
                    format!("there is no run yet; {START}")
                } else {
                    format!("the newest runs are {}", newest.join(", "))
                };
                Err(UserError::usage(format!("no run `{text}`")).with_hint(hint))
            }
        }
    }
}

/// Whether the process that made a run still lives. Where that cannot be told it is taken to live, so that nothing
/// of it is removed.
pub fn is_live(run_dir: &Path) -> bool {
    let lock = match File::open(run_dir.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) => return error.kind() != io::ErrorKind::NotFound,
    };
    match lock.try_lock_shared() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => true,
    }
}
