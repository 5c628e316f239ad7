//! How a guest of the fake lab behaves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::fake::look::{FIRST_LOOK, LookCall, Sections};
use crate::fake::tongue::{AptTongue, Tongue};
use crate::guest::command::GuestCommand;
use crate::model::id::ArmKind;
use crate::model::update::Update;
use crate::port::ExecOutput;

/// What a timed action is called beside its own name.
pub const SAMPLE: &str = "sample";

/// How a guest's agent behaves; commands are named by [`GuestCommand::what`] or [`SAMPLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// It answers.
    Answers,
    /// It never does.
    Silent,
    /// It never does, and the guest powers itself off.
    Ends,
    /// It answers until this command and never again.
    DiesAt(&'static str),
    /// It answers, and is set up not to run any command.
    Forbids,
    /// It answers this command with bytes that mean nothing.
    Garbles(&'static str),
    /// The VM switches itself off at this command.
    PowersOffAt(&'static str),
    /// The host kills its QEMU at this command.
    KilledAt(&'static str),
    /// It answers until the VM reboots.
    NeverBack,
    /// It answers until the VM reboots, at which the kernel panics.
    Panics,
    /// QEMU pauses the VM at this command, the host's disk being full.
    DiskFullAt(&'static str),
}

/// How installing the updates goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apply {
    /// Well.
    Good,
    /// It stops half-way: exit code 100, the first package half-configured.
    HalfWay,
    /// It says that all is well and nothing is installed.
    Lies,
    /// All is installed, and one package more.
    Extra,
    /// A hook of the guest's own apt fails when all is installed.
    HookFails,
    /// All is installed, and is pending again.
    ComesBack,
    /// Another apt of the guest's holds dpkg's lock to the end: nothing is installed.
    Locked,
    /// The guest's disk is full: nothing is installed.
    NoSpace,
    /// All is installed, and it fails over a package that was broken before.
    Balks,
    /// It does not end in its time: the first package is half-configured.
    Hangs,
}

/// A scenario's action as it reaches a guest.
pub struct StepCall<'a> {
    /// The command.
    pub command: &'a GuestCommand,
    /// The arm.
    pub arm: ArmKind,
    /// How often this guest was asked for an action before.
    pub calls: usize,
    /// Whether updates are installed.
    pub updated: bool,
}

type Times = Arc<dyn Fn(&StepCall<'_>) -> String + Send + Sync>;
type Steps = Arc<dyn Fn(&StepCall<'_>) -> ExecOutput + Send + Sync>;

type Shows = Arc<dyn Fn(LookCall, &mut Sections) + Send + Sync>;

/// How a guest behaves.
#[derive(Clone)]
pub struct GuestScript {
    /// Its agent.
    pub agent: Agent,
    /// In which arm the agent misbehaves; both where `None`.
    pub agent_in: Option<ArmKind>,
    /// What is installed, `name:arch` to version.
    pub packages: BTreeMap<String, String>,
    /// How it words what its package manager says.
    pub tongue: &'static dyn Tongue,
    /// What is pending.
    pub pending: Vec<Update>,
    /// What the listing of the pending updates says beside them.
    pub kept: &'static str,
    /// What it says of the versions that its sources have.
    pub versions: &'static str,
    /// What it says that its set is for.
    pub advisories: &'static str,
    /// Whether the sources have all of the set no more when it is fetched.
    pub withdrawn: bool,
    /// Whether the mirror answers.
    pub mirror: bool,
    /// What the probe of the node's isolation prints.
    pub reach: &'static str,
    /// What it says where it does not let go of its card to the outlet, of its own accord.
    pub moves: Option<&'static str>,
    /// A package that is half installed from the start.
    pub broken: Option<&'static str>,
    /// How installing goes.
    pub apply: Apply,
    /// What it says at the first look.
    pub first_look: &'static str,
    /// Whether it takes the identity that it is given, where it goes on from a saved state.
    pub renews: bool,
    /// What it says of the need for a reboot.
    pub hints: &'static str,
    /// Whether it comes back from a reboot.
    pub comes_back: bool,
    /// How its actions end.
    pub steps: Steps,
    /// What a timed action says of its time, in microseconds; anything else is garbage.
    pub times: Times,
    /// What it shows of itself beside good health.
    pub shows: Shows,
    /// How long every command takes.
    pub delay: Duration,
}

impl Default for GuestScript {
    /// A healthy guest with one pending security update, whose actions all exit 0 with no output.
    fn default() -> Self {
        Self {
            agent: Agent::Answers,
            agent_in: None,
            packages: [("bash:amd64", "5.2-1"), ("nginx:amd64", "1.22.1-9")]
                .map(|(name, version)| (name.to_owned(), version.to_owned()))
                .into(),
            tongue: &AptTongue,
            pending: vec![Update {
                name: "nginx".into(),
                arch: "amd64".into(),
                from: Some("1.22.1-9".into()),
                to: Some("1.22.1-9+deb12u1".into()),
                origin: "Debian-Security:12/oldstable-security".into(),
                ..Update::default()
            }],
            kept: "",
            versions: "",
            advisories: "",
            withdrawn: false,
            mirror: true,
            reach: "source 200\nunlisted squid ERR_ACCESS_DENIED 0\n",
            moves: None,
            broken: None,
            apply: Apply::Good,
            first_look: FIRST_LOOK,
            renews: true,
            hints: "running 6.1.0\nnext 6.1.0\nend\n",
            comes_back: true,
            steps: Arc::new(|_| ok("")),
            times: Arc::new(|_| "10000".to_owned()),
            shows: Arc::new(|_, _| {}),
            delay: Duration::ZERO,
        }
    }
}

/// An output with exit code 0.
pub(super) fn ok(stdout: &str) -> ExecOutput {
    failed(0, stdout)
}

pub(super) fn failed(exit: i32, stdout: &str) -> ExecOutput {
    ExecOutput {
        exit: Some(exit),
        stdout: stdout.as_bytes().to_vec(),
        ..ExecOutput::default()
    }
}
