//! Where runs are kept: `runs/<run id>/` in the state folder, one folder a run, locked while the run lives.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::model::id::RunId;
use crate::record::journal;
use crate::record::own::{self, NotOwn};
use crate::system::file;

/// What means a lab's newest run.
pub const LATEST: &str = "latest";
/// The folder of the runs' folders.
const RUNS: &str = "runs";
/// The journal's name in a run's folder.
pub const JOURNAL: &str = "journal.jsonl";
/// The name of the record of a trial of scenarios, which has no [`JOURNAL`]: it is no run and decides nothing.
const TRIAL: &str = "trial.jsonl";
/// The ledger's name in a run's folder.
pub const RESOURCES: &str = "resources.jsonl";
/// A file in a run's folder that says that VMs were left on purpose.
const KEPT: &str = "kept";
/// The lock's name in a run's folder.
const LOCK: &str = "lock";

/// What may be wrong with the state folder, or with the name of a run in it.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Nothing says where the folder is.
    #[error("no place for runs: neither PATCHGATE_STATE, XDG_STATE_HOME nor HOME is set")]
    NoPlace,
    /// Its path cannot be used.
    #[error("{}: not a usable state folder: {source}", path.display())]
    NotUsable {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Somebody else could have written what is in it, and it says what is removed and what is decided.
    #[error("{}: not taken for a folder of runs: {}", .0.path.display(), .0.problem)]
    NotOurs(#[from] NotOwn),
    /// A new run's folder cannot be made.
    #[error("{}: cannot make the run's folder: {source}", path.display())]
    NotMade {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A run that is kept began later than now by far.
    #[error("{}: this run began later than now, so the clock was set back", path.display())]
    Later {
        /// Its folder.
        path: PathBuf,
    },
    /// That VMs are left on purpose cannot be written down.
    #[error("{}: {source}", path.display())]
    NotKept {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The runs cannot be listed.
    #[error("{}: cannot list the runs: {source}", path.display())]
    NotListed {
        /// The folder of runs.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no run yet, of a lab or at all.
    #[error("no run {}yet", lab.as_ref().map_or_else(String::new, |lab| format!("of lab `{lab}` ")))]
    NoRun {
        /// The lab whose newest run was asked for.
        lab: Option<String>,
    },
    /// No run has an id that begins like this.
    #[error("no run `{text}`")]
    Unknown {
        /// What was asked for.
        text: String,
        /// Runs that there are, the newest first.
        newest: Vec<RunId>,
    },
    /// More than one run has an id that begins like this.
    #[error("`{text}` begins more than one run")]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// Two that begin so.
        runs: [RunId; 2],
    },
}

impl StateError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        const START: &str = "start one with `patchgate run`";
        match self {
            Self::NoPlace => Some("set PATCHGATE_STATE to a folder of yours".to_owned()),
            Self::NotOurs(error) => Some(error.hint()),
            Self::NotMade { .. } => Some(
                "check the folder's permissions and free space, or set PATCHGATE_STATE to another".to_owned(),
            ),
            Self::Later { .. } => Some("set the clock right, or move that folder away".to_owned()),
            Self::NoRun { .. } => Some(START.to_owned()),
            Self::Unknown { newest, .. } if newest.is_empty() => {
                Some(format!("there is no run yet; {START}"))
            }
            Self::Unknown { newest, .. } => {
                let newest: Vec<&str> = newest.iter().map(RunId::as_str).collect();
                Some(format!("the newest runs are {}", newest.join(", ")))
            }
            Self::Ambiguous {
                runs: [one, other], ..
            } => Some(format!("write more of it: {one}, {other}, ...")),
            Self::NotUsable { .. } | Self::NotKept { .. } | Self::NotListed { .. } => None,
        }
    }
}

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

    /// Writes down that VMs are left on purpose.
    pub fn keep(&self) -> Result<(), StateError> {
        let path = self.path.join(KEPT);
        fs::write(&path, "").map_err(|source| StateError::NotKept { path, source })
    }

    /// The ledger's file.
    pub fn resources(&self) -> PathBuf {
        self.path.join(RESOURCES)
    }
}

impl State {
    /// The state folder of this user: `$PATCHGATE_STATE`, else `$XDG_STATE_HOME/patchgate`, else
    /// `~/.local/state/patchgate` (XDG Base Directory Specification 0.8). It need not exist.
    pub fn open() -> Result<Self, StateError> {
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
            .ok_or(StateError::NoPlace)
            .and_then(Self::absolute)
            .and_then(Self::checked)
    }

    /// Refuses a folder that others own or may write to.
    fn checked(self) -> Result<Self, StateError> {
        // The folder itself may be a link of the user's own; what is in it may not.
        let root = fs::canonicalize(&self.root).unwrap_or_else(|_| self.root.clone());
        own::folder(&root)?;
        own::folder(&root.join(RUNS))?;
        Ok(self)
    }

    /// A state folder of that path.
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// libvirt wants absolute paths, and marks on hosts name the run's folder.
    fn absolute(self) -> Result<Self, StateError> {
        match std::path::absolute(&self.root) {
            Ok(root) => Ok(Self { root }),
            Err(source) => Err(StateError::NotUsable {
                path: self.root,
                source,
            }),
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a run.
    pub fn run_dir(&self, run: &RunId) -> PathBuf {
        self.root.join(RUNS).join(run.as_str())
    }

    /// The journal of a run.
    pub fn journal(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join(JOURNAL)
    }

    /// Whether a run's folder and its journal, as far as they are there, are the caller's own.
    ///
    /// # Errors
    /// Somebody else could have written what they say.
    pub fn own(&self, run: &RunId) -> Result<(), NotOwn> {
        own::folder(&self.run_dir(run))?;
        own::file(&self.journal(run))
    }

    /// The lab that a run is of; nothing where that cannot be told, or somebody else could have written it.
    pub fn lab(&self, run: &RunId) -> Option<String> {
        self.own(run).ok()?;
        journal::lab(&self.journal(run)).ok()
    }

    /// Whether an id is that of a trial of scenarios, which shares runs' folders so that `clean` finds what it left. What has
    /// a journal too is a run.
    pub fn is_trial(&self, run: &RunId) -> bool {
        self.run_dir(run).join(TRIAL).exists() && !self.journal(run).exists()
    }

    /// Makes and locks the folder of a new run, readable by its user alone: journals hold guests' output.
    pub fn create_run(&self, run: &RunId) -> Result<RunDir, StateError> {
        let path = self.run_dir(run);
        let fail = |source: io::Error| StateError::NotMade {
            path: path.clone(),
            source,
        };
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        builder
            .recursive(true)
            .create(self.root.join(RUNS))
            .map_err(fail)?;
        builder.recursive(false).create(&path).map_err(fail)?;
        let lock = File::create_new(path.join(LOCK)).map_err(fail)?;
        // It waits only for a moment: nobody else holds more than the shared lock of `is_live`.
        lock.lock().map_err(fail)?;
        Ok(RunDir { path, _lock: lock })
    }

    /// Every run that has a folder, oldest first.
    pub fn runs(&self) -> Result<Vec<RunId>, StateError> {
        let folder = self.root.join(RUNS);
        let fail = |source: io::Error| StateError::NotListed {
            path: folder.clone(),
            source,
        };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fail(error)),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(fail)?;
            if let Some(run) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                runs.push(run);
            }
        }
        runs.sort();
        Ok(runs)
    }

    /// The newest run, of one lab or of any. A run whose journal does not say of which lab it is may be of each: an older one
    /// must not answer in its place.
    pub fn latest(&self, lab: Option<&str>) -> Result<Option<RunId>, StateError> {
        let mut runs = self.runs()?.into_iter().rev().filter(|run| !self.is_trial(run));
        Ok(runs.find(|run| lab.is_none_or(|lab| self.lab(run).is_none_or(|of| lab == of))))
    }

    /// The run that a text means: `latest`, an id, or a prefix that only one id has.
    pub fn resolve(&self, text: &str, lab: Option<&str>) -> Result<RunId, StateError> {
        if text == LATEST {
            return self.latest(lab)?.ok_or_else(|| StateError::NoRun {
                lab: lab.map(str::to_owned),
            });
        }
        let runs = self.runs()?;
        let mut fitting = runs
            .iter()
            .filter(|run| !text.is_empty() && run.as_str().starts_with(text));
        match (fitting.next(), fitting.next()) {
            (Some(run), None) => Ok(run.clone()),
            (Some(one), Some(other)) => Err(StateError::Ambiguous {
                text: text.to_owned(),
                runs: [one.clone(), other.clone()],
            }),
            (None, _) => Err(StateError::Unknown {
                text: text.to_owned(),
                newest: runs.iter().rev().take(5).cloned().collect(),
            }),
        }
    }
}

/// Whether a run left VMs on purpose.
pub fn is_kept(run_dir: &Path) -> bool {
    run_dir.join(KEPT).exists()
}

/// Says that nothing of a run is left on purpose any more.
pub fn forget_kept(run_dir: &Path) {
    // A missing file is what is wanted.
    let _ = fs::remove_file(run_dir.join(KEPT));
}

/// Whether the process that made a run still lives. Where that cannot be told it is taken to live, so that nothing
/// of it is removed.
pub fn is_live(run_dir: &Path) -> bool {
    let lock = match file::open(&run_dir.join(LOCK)) {
        Ok(lock) => lock,
        // A file in the place of its folder is no run.
        Err(file::FileError::Missing | file::FileError::NotAFolder) => return false,
        Err(_) => return true,
    };
    match lock.try_lock_shared() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => true,
    }
}
