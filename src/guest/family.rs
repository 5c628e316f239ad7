//! The contract with an OS: all that a family of operating systems must say, so that one engine can settle, identify, update,
//! prove, observe and test its guests. Commands as data and parsers of their output.
//!
//! A family is a [`System`], which several may share, and the [`Updates`] of its package manager. A command's
//! [`what`](GuestCommand::what) is a word of [`what`](crate::guest::what), or the kind of the scenario's action that it
//! performs; it is bounded in the guest, in time and in output. What is read is a guest's, so no parser panics, and every text
//! that is kept of it is bounded.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use crate::guest::answer::{FileState, PackageState, Pending, ResultsFile, ServiceState};
use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::http::Request;
use crate::guest::identity::{Answer, Identity, Place, Way};
use crate::guest::log::Mark;
use crate::guest::probe::Probe;
use crate::model::advisory::Advisory;
use crate::model::facts::SystemFacts;
use crate::model::observation::{Class, Observation};
use crate::model::outcome::Cause;
use crate::model::scenario::{Action, Engine, LogSource, Script};
use crate::model::update::{PackageStates, Proof, Update, UpdateSet};

/// A family of guest operating systems that patchgate can update.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Its name, for messages.
    pub name: &'static str,
    /// OS versions that it covers, for messages.
    pub versions: &'static [&'static str],
    /// Whether it covers an OS version such as `debian-12`.
    pub covers: fn(&str) -> bool,
    /// What the OS itself says.
    pub system: &'static dyn System,
    /// What its package manager says.
    pub updates: &'static dyn Updates,
    /// What a lab file calls it (`package_manager`); families that have it in common are found by the first of them.
    pub manager: &'static str,
    /// The origins of its security updates, where the lab file names none; as
    /// [`security_origins`](crate::model::policy::UpdatePolicy::security_origins).
    pub security: &'static [&'static str],
}

impl Family {
    /// The command that performs a scenario's action, with variables in its environment; `None` for an action that takes more
    /// than one command.
    pub fn action(&self, action: &Action, env: &[(&str, &str)], timeout: Duration) -> Option<GuestCommand> {
        match action {
            Action::Package(package) => Some(self.updates.package(&package.name, timeout)),
            other => self.system.action(other, env, timeout),
        }
    }
}

/// A guest that does not run, as its console says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead<'c> {
    /// The line that says it.
    pub line: &'c str,
    /// Whether that is for want of the host's time, whatever runs in the guest.
    pub starved: bool,
    /// What mends it, where the console tells the cause.
    pub remedy: Option<String>,
}

/// What an OS itself says.
pub trait System: Debug + Send + Sync {
    /// Asks for what names a boot and is new at every boot.
    fn boot_id(&self) -> GuestCommand;

    /// Reads the answer to [`System::boot_id`].
    ///
    /// # Errors
    /// It is none.
    fn parse_boot_id(&self, output: &str) -> Result<String, ParseError>;

    /// Waits until all that a boot starts is started, at most `patience`. How it ends does not matter: what is not up is
    /// found by the scenarios, in both arms alike.
    fn settle(&self, patience: Duration) -> GuestCommand;

    /// Asks for a reboot, and answers before it begins.
    fn reboot(&self) -> GuestCommand;

    /// What a console's end says of a guest that does not run, or does not come up.
    fn dead<'c>(&self, console: &'c str) -> Option<Dead<'c>>;

    /// Lists the processes of these names and those below them, each with its command line, the deepest last.
    fn processes(&self, names: &[&str]) -> GuestCommand;

    /// Whether an exit code says that a bounded command was ended at its time.
    fn is_timeout(&self, exit: Option<i32>) -> bool;

    /// Gives the node its name and, where it has a place in a network, its address and its neighbours' names.
    fn identify(&self, name: &str, place: Option<&Place>) -> GuestCommand;

    /// Configures the card to the outlet of a node that keeps its own network, unknown to whatever manages that; name, host
    /// table and all other cards are left as they are. Where that does not hold, the last line of its error output says why.
    fn attach(&self, way: &Way) -> GuestCommand;

    /// Gives a clone that goes on from a saved state its clock and an identity of its own; `now_millis` is the host's time.
    fn renew(&self, identity: &Identity, now_millis: u64) -> GuestCommand;

    /// Asks a node who it is.
    fn who(&self) -> GuestCommand;

    /// Reads the answer to [`System::who`].
    ///
    /// # Errors
    /// It is none, or lacks something.
    fn parse_who(&self, output: &str) -> Result<Answer, ParseError>;

    /// Asks a guest that nobody has asked before what it is, and changes nothing there.
    fn look(&self) -> GuestCommand;

    /// Reads the answer to [`System::look`].
    ///
    /// # Errors
    /// It is none.
    fn parse_look(&self, output: &str) -> Result<SystemFacts, ParseError>;

    /// Tries what a node can reach; prints the lines that [`judge`](crate::guest::probe::judge) reads.
    fn probe(&self, probe: &Probe) -> GuestCommand;

    /// Looks at the node, in as few commands as may be.
    fn observe(&self) -> Vec<GuestCommand>;

    /// Reads the outputs of [`System::observe`], in their order; packages are the package manager's to tell.
    ///
    /// # Errors
    /// The running kernel is not told. Everything else that is missing or cut is unreadable, and never taken for nothing.
    fn parse_observation(&self, outputs: &[&str]) -> Result<Observation, ParseError>;

    /// Looks once more at what may change in time: the classes of [`Class::LATE`]. A look that tells more is one too.
    fn observe_late(&self) -> Vec<GuestCommand> {
        self.observe()
    }

    /// Reads the outputs of [`System::observe_late`].
    ///
    /// # Errors
    /// As [`System::parse_observation`].
    fn parse_late(&self, outputs: &[&str]) -> Result<Observation, ParseError> {
        let mut observation = self.parse_observation(outputs)?;
        let readings = &mut observation.readings;
        readings.retain(|class, _| Class::LATE.contains(class));
        Ok(observation)
    }

    /// The command that performs a scenario's action, with variables in its environment; `None` for one that takes more than
    /// one command, or is another function's.
    fn action(&self, action: &Action, env: &[(&str, &str)], timeout: Duration) -> Option<GuestCommand>;

    /// Reads the answer about a service.
    fn service(&self, output: &str) -> ServiceState;

    /// Reads the answer about a file; `None` where it is not there.
    fn file<'o>(&self, output: &'o str) -> Option<FileState<'o>>;

    /// The client of a database server, for messages.
    fn client(&self, engine: Engine) -> &'static str;

    /// The rows that such a client printed: lines, their columns separated by `|`.
    fn rows(&self, engine: Engine, output: &str) -> String;

    /// Sends a request and prints the whole response.
    fn http(&self, request: &Request<'_>, timeout: Duration) -> GuestCommand;

    /// Why no encrypted connection came about, where [`System::http`] tells.
    fn http_problem(&self, exit: Option<i32>, stderr: &str) -> Option<String>;

    /// The same command, telling how long it took by the guest's own clock; `None` for one that cannot.
    fn timed(&self, command: GuestCommand) -> Option<GuestCommand>;

    /// Takes the time of a timed command, in microseconds, from its error output, which is then the command's own.
    ///
    /// # Errors
    /// There is none, or none that can be: no action takes no time, or longer than `limit`.
    fn take_time(&self, stderr: &mut Vec<u8>, limit: Duration) -> Result<u64, ParseError>;

    /// Where a department's file stands in the guest.
    fn place(&self, file: &str, sha256: &str) -> String;

    /// Puts a file there, with the folder that it stands in; commands in their order.
    fn put(&self, path: &str, bytes: &[u8]) -> Vec<GuestCommand>;

    /// Asks for the digest of what arrived.
    fn check(&self, path: &str) -> GuestCommand;

    /// Whether the answer to [`System::check`] is that digest.
    fn is_whole(&self, output: &str, sha256: &str) -> bool;

    /// Removes a file that was put there, with its folder.
    fn remove(&self, path: &str) -> GuestCommand;

    /// Runs a script that stands at `path`.
    fn run_script(&self, asked: &Script, path: &str, env: &[(&str, &str)], timeout: Duration)
    -> GuestCommand;

    /// Removes files of results that were there before their script; `path` may have the wildcards `*` and `?`.
    fn clear(&self, path: &str) -> GuestCommand;

    /// Prints and removes the files of results that a script wrote; `path` may have the wildcards `*` and `?`. An exit code of 2
    /// says that there is none.
    fn results(&self, path: &str, timeout: Duration) -> GuestCommand;

    /// Reads the answer to [`System::results`].
    ///
    /// # Errors
    /// It is none.
    fn parse_results(&self, output: &[u8]) -> Result<Vec<ResultsFile>, ParseError>;

    /// Asks how far a log has come.
    fn mark(&self, source: &LogSource) -> GuestCommand;

    /// Reads the answer to [`System::mark`].
    ///
    /// # Errors
    /// It is none.
    fn parse_mark(&self, output: &str) -> Result<Mark, ParseError>;

    /// Prints what was logged since a mark, and never less.
    fn read_log(&self, source: &LogSource, mark: &Mark, timeout: Duration) -> GuestCommand;
}

/// What the parts of a package manager are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// What reads the update sources, such as `apt-get update`.
    pub refresh: &'static str,
    /// What resolves and installs, such as `apt-get`.
    pub manager: &'static str,
    /// What has the truth about packages, such as `dpkg`.
    pub database: &'static str,
}

/// What a package manager says.
pub trait Updates: Debug + Send + Sync {
    /// What its parts are called, for messages.
    fn words(&self) -> Words;

    /// Reads the update sources, through a proxy where one is given.
    fn refresh(&self, proxy: Option<&str>, timeout: Duration) -> GuestCommand;

    /// What of the error output of [`Updates::refresh`] says that a source could not be read, though its exit code may be 0.
    fn refresh_errors(&self, _stderr: &str) -> Vec<String> {
        Vec::new()
    }

    /// Asks what a full update would do, without doing it.
    fn pending(&self, timeout: Duration) -> GuestCommand;

    /// Asks what installing exactly these updates would do.
    fn resolve(&self, updates: &[Update], timeout: Duration) -> GuestCommand;

    /// Reads the answers to [`Updates::pending`] and [`Updates::resolve`].
    ///
    /// # Errors
    /// A line that speaks of an update cannot be read.
    fn parse_updates(&self, output: &str) -> Result<Vec<Update>, ParseError>;

    /// Reads the answer to [`Updates::pending`], with what a full update leaves as it is.
    ///
    /// # Errors
    /// A line that speaks of an update cannot be read, or there is less than the answer itself counts.
    fn parse_pending(&self, output: &str) -> Result<Pending, ParseError> {
        let updates = self.parse_updates(output)?;
        Ok(Pending {
            updates,
            ..Pending::default()
        })
    }

    /// Asks which of these updates, none of which is one of security, bring a fix of security that an older version than
    /// theirs had; `None` where the package manager says it of each update itself.
    fn fixes(&self, _updates: &[Update], _timeout: Duration) -> Option<GuestCommand> {
        None
    }

    /// The names of those, from the answer to [`Updates::fixes`]; `origins` are those of security updates.
    fn parse_fixes(&self, _output: &str, _origins: &[&str]) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// Whether an update is one of security; `origins` are those of which one is.
    fn is_security(&self, update: &Update, origins: &[&str]) -> bool;

    /// Asks what the updates of a set are for, once it is fetched, and what stays open beside it; `None` where the package
    /// manager's world has nothing that tells.
    fn advisories(&self, _set: &UpdateSet, _timeout: Duration) -> Option<GuestCommand> {
        None
    }

    /// Reads the answer to [`Updates::advisories`]; each advisory once.
    ///
    /// # Errors
    /// It is none.
    fn parse_advisories(&self, _output: &str, _set: &UpdateSet) -> Result<Vec<Advisory>, ParseError> {
        Ok(Vec::new())
    }

    /// Fetches a pinned set, through a proxy where one is given, and installs nothing.
    fn fetch(&self, set: &UpdateSet, proxy: Option<&str>, timeout: Duration) -> GuestCommand;

    /// Installs a pinned set that was fetched: without a question, leaving the admin's files alone, and without a way to the
    /// sources, so that a failure here is the updates' own.
    fn apply(&self, set: &UpdateSet, timeout: Duration) -> GuestCommand;

    /// Whose fault the output of a command that failed says it is, and in which words, where it is neither the updates' own
    /// nor their sources'.
    fn blame(&self, _output: &str) -> Option<(Cause, String)> {
        None
    }

    /// What an installation that did not end was at, by its output.
    fn was_at(&self, _output: &str) -> Option<String> {
        None
    }

    /// Asks for every package, with its version and state.
    fn packages(&self) -> GuestCommand;

    /// Reads the answer to [`Updates::packages`].
    ///
    /// # Errors
    /// A line cannot be read, or no package is installed.
    fn parse_packages(&self, output: &str) -> Result<PackageStates, ParseError>;

    /// Asks for one package.
    fn package(&self, name: &str, timeout: Duration) -> GuestCommand;

    /// Reads the answer to [`Updates::package`].
    fn parse_package(&self, output: &str) -> PackageState;

    /// Asks what speaks for a reboot.
    fn reboot_hints(&self) -> GuestCommand;

    /// Why the node wants a reboot, from the answer to [`Updates::reboot_hints`] and what was installed; `None` where it does
    /// not. Where that cannot be told it does.
    fn reboot_reason(&self, hints: &str, set: &UpdateSet) -> Option<String>;

    /// The release of the kernel that the set installs and that was to be booted, where another one, `running`, was.
    fn not_booted(&self, _set: &UpdateSet, _running: &str) -> Option<String> {
        None
    }

    /// Compares what is installed with what was pinned. `running` is the kernel's release after the reboot.
    fn prove(
        &self,
        set: &UpdateSet,
        before: &PackageStates,
        after: &PackageStates,
        boot_changed: bool,
        running: &str,
    ) -> Proof {
        let mut proof = Proof::compare(set, before, after, self.words().database);
        proof.boot_changed = boot_changed;
        if let Some(kernel) = self.not_booted(set, running) {
            proof
                .missing
                .push(format!("kernel {kernel}: installed, but {running} was booted"));
        }
        proof
    }

    /// Takes a set back, through a proxy where one is given; `None` where the package manager cannot.
    fn roll_back(&self, _set: &UpdateSet, _proxy: Option<&str>, _timeout: Duration) -> Option<GuestCommand> {
        None
    }
}
