//! What a scenario is, once loaded. Pure: no I/O, no clock.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::{Performance, Statistic};
use crate::model::scenario::expect::TextExpectation;
use crate::units::{Percent, Period};

pub mod expect;
mod guest;
mod http;

pub use guest::{Engine, Log, LogSource, Results, Script, Sql};
pub use http::{Auth, Authority, Http};

/// A department's smoke test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// `<department>/<file stem>`, such as `web/page`; unique in a lab.
    pub name: String,
    /// The folder it came from, such as `web`; a group asks for scenarios by department or by full name.
    pub department: String,
    /// What it shows, in the department's words.
    pub title: String,
    /// Who answers for it.
    pub owner: String,
    /// Whether the gate needs it.
    pub required: bool,
    /// How long one whole run of it may take.
    pub timeout: Period,
    /// How many more times it is run whole after a failure; a pass on a retry is *flaky*, in either arm.
    pub retries: u32,
    /// Constants that every step can use, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// The steps, in order; never empty.
    pub steps: Vec<Step>,
    /// Steps that are run at the end in any case, and decide nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cleanup: Vec<Step>,
    /// The department's files that steps use, by their path in its folder. A plan holds their digests and not their
    /// bytes: it stays small, and what is run is still what was planned.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, FilePin>,
    /// SHA-256 (hexadecimal) of the scenario's text and of the digests of its files.
    pub digest: String,
}

/// A department's file, pinned by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePin {
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
}

impl Scenario {
    /// Whether the time of a step of it is compared between the arms.
    pub fn is_measured(&self) -> bool {
        self.steps.iter().any(|step| step.measure.is_some())
    }

    /// The roles that its steps name, each once, sorted.
    pub fn roles(&self) -> Vec<&str> {
        let all = self.steps.iter().chain(&self.cleanup);
        let mut roles: Vec<&str> = all.map(|step| step.on.as_str()).collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }
}

/// When a step runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// After boot and before the updates, in both arms: to lay down what must survive the window.
    BeforeUpdates,
    /// After the reboot, in both arms.
    #[default]
    AfterReboot,
}

/// One action and what is expected of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it checks, in the department's words.
    pub name: String,
    /// The role whose node it runs on.
    pub on: String,
    /// When it runs.
    pub when: When,
    /// How long one attempt may take.
    pub timeout: Period,
    /// A window in which it is tried again until it passes, for what is only *eventually* true after a boot.
    /// Passing inside the window is a pass; every attempt is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How its time is compared between the arms, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measure>,
    /// The entry of `each` that this step is for: its variable `item`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// What later steps can use of its output, by the variable's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capture: BTreeMap<String, Capture>,
    /// The secrets that are handed to it, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// What is done and expected.
    pub action: Action,
}

impl Step {
    /// A step with every default.
    pub fn new(name: &str, on: &str, action: Action) -> Self {
        Self {
            name: name.to_owned(),
            on: on.to_owned(),
            when: When::default(),
            timeout: Period::seconds(30),
            retry: None,
            measure: None,
            item: None,
            capture: BTreeMap::new(),
            secrets: Vec::new(),
            action,
        }
    }
}

/// Which part of a step's output becomes a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capture {
    /// All of it, without white space at its end: standard output, a response's body, a query's rows, a file's content.
    Output,
    /// What a JSONPath (RFC 9535) selects, which must be one value.
    Json(String),
    /// The first group of a regular expression, or the whole match where it has none.
    Matches(String),
    /// A response header, by lower-case name.
    Header(String),
}

/// A retry window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// From the first attempt; no attempt starts later.
    pub window: Period,
    /// The pause between attempts.
    pub every: Period,
}

/// How often a step is run again, in both arms alternately, to compare its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Samples in each arm, within [`crate::measure::REPEAT`].
    pub repeat: u32,
    /// Rounds before them whose times do not count, at most [`crate::measure::WARMUP`].
    pub warmup: u32,
    /// What is compared; the lab's unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistic: Option<Statistic>,
    /// How much slower is too slow; the lab's unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slower: Option<Percent>,
}

impl Measure {
    /// The lab's policy with what the step says otherwise.
    pub fn policy(&self, lab: Performance) -> Performance {
        Performance {
            statistic: self.statistic.unwrap_or(lab.statistic),
            slower: self.slower.unwrap_or(lab.slower),
            ..lab
        }
    }

    /// Whether so many failed samples mean that the step fails: more than a tenth.
    pub fn fails_by(&self, failed: u32) -> bool {
        u64::from(failed) * 10 > u64::from(self.repeat)
    }
}

/// The number of a scenario's first run at the end of the soak; retries before it have smaller ones.
pub const AGAIN: u32 = 1_000;

/// What a step does. Exactly one to a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A command in the guest.
    Run(Run),
    /// An HTTP request made in the guest.
    Http(Http),
    /// A TCP connection made in the guest.
    Tcp(Tcp),
    /// The state of a service.
    Service(Service),
    /// A file.
    File(File),
    /// A package.
    Package(Package),
    /// A file of the department's, run in the guest.
    Script(Script),
    /// A query of a database.
    Sql(Sql),
    /// What was logged since the step before.
    Log(Log),
    /// A pause.
    Wait(Period),
    /// The node reboots.
    Reboot,
}

impl Action {
    /// The key that names the action in a scenario file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Service(_) => "service",
            Self::File(_) => "file",
            Self::Package(_) => "package",
            Self::Script(_) => "script",
            Self::Sql(_) => "sql",
            Self::Log(_) => "log",
            Self::Wait(_) => "wait",
            Self::Reboot => "reboot",
        }
    }

    /// Whether it can fail at all: a pause shows nothing.
    pub fn can_fail(&self) -> bool {
        match self {
            Self::Wait(_) => false,
            Self::Run(_)
            | Self::Http(_)
            | Self::Tcp(_)
            | Self::Service(_)
            | Self::File(_)
            | Self::Package(_)
            | Self::Script(_)
            | Self::Sql(_)
            | Self::Log(_)
            | Self::Reboot => true,
        }
    }

    /// The host that the step asks over the network: a role of the cell or a name the guest knows.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Http(http) => http.host(),
            Self::Tcp(tcp) => Some(&tcp.host),
            Self::Sql(sql) => sql.host.as_deref(),
            Self::Run(_)
            | Self::Service(_)
            | Self::File(_)
            | Self::Package(_)
            | Self::Script(_)
            | Self::Log(_)
            | Self::Wait(_)
            | Self::Reboot => None,
        }
    }

    /// The department's file that it needs.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Script(script) => Some(&script.file),
            Self::Http(http) => match &http.ca {
                Some(Authority::File(file)) => Some(file),
                Some(Authority::Guest(_)) | None => None,
            },
            Self::Run(_)
            | Self::Tcp(_)
            | Self::Service(_)
            | Self::File(_)
            | Self::Package(_)
            | Self::Sql(_)
            | Self::Log(_)
            | Self::Wait(_)
            | Self::Reboot => None,
        }
    }
}

/// A shell command (`/bin/sh -c`) in the guest, as root or as `user`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The command line.
    pub command: String,
    /// Run as this user of the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The exit code that is expected.
    pub exit: i32,
    /// What is expected of standard output.
    pub stdout: TextExpectation,
    /// What is expected of standard error.
    pub stderr: TextExpectation,
}

/// A TCP connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tcp {
    /// A role of the cell or a name the guest knows.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether a connection must be accepted (or must not).
    pub open: bool,
}

/// The state of a service of the guest's service manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name, such as `nginx`.
    pub name: String,
    /// Whether it must be running (or must not).
    pub running: bool,
    /// Whether it must be started at boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// A file of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its absolute path.
    pub path: String,
    /// Whether it must exist (or must not).
    pub exists: bool,
    /// Its permission bits, octal, such as `0644`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Its owner's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What is expected of its content, of which at most 256 KiB are read.
    pub text: TextExpectation,
}

/// A package of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Whether it must be installed (or must not).
    pub installed: bool,
    /// What is expected of its version.
    pub version: TextExpectation,
}
