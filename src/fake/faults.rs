//! Faults of the fake lab, as data: what goes wrong, at which point, for whom, and how often.

use std::time::Duration;

use serde::Deserialize;

use crate::model::outcome::Cause;
use crate::port::{AgentError, LabError};

/// How long an answer takes that comes late.
const LATE: Duration = Duration::from_secs(45);
/// How much an agent keeps of a guest that says too much (`GUEST_EXEC_MAX_OUTPUT` of QEMU's qga/commands.c).
const FLOOD: usize = 16 * 1024 * 1024;

/// A fault, as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The point: an operation of the host (`create_vm`), or what a command in a guest is for (`reboot`).
    pub at: String,
    /// For whom: a part of the name of the VM or of what is made. All, where it is empty.
    #[serde(default)]
    pub on: String,
    /// When somebody comes by there for the how manieth time, counted from 1.
    #[serde(default = "once")]
    pub nth: u32,
    /// How often it strikes from then on.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens.
    #[serde(rename = "do")]
    pub kind: FaultKind,
}

fn once() -> u32 {
    1
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The host refuses the operation.
    Refused,
    /// The host has no memory for it.
    NoMemory,
    /// The host's disk is full: the operation fails, or the VM is paused by QEMU.
    DiskFull,
    /// The host goes away and stays away.
    HostGone,
    /// The agent dies.
    AgentKilled,
    /// The answer comes late.
    AgentLate,
    /// The answer is of another request, or no JSON.
    Garbled,
    /// The output is no UTF-8.
    NotUtf8,
    /// The output has no end; the agent cuts it.
    Flood,
    /// The command never ends.
    Hangs,
    /// QEMU is killed.
    VmKilled,
}

/// A fault, and how often its point was passed.
#[derive(Debug, Clone)]
pub struct Planted {
    fault: Fault,
    passed: u32,
}

impl Planted {
    pub fn new(fault: Fault) -> Self {
        Self { fault, passed: 0 }
    }

    /// Whether it strikes where somebody comes by.
    fn strikes(&mut self, at: &str, name: &str) -> Option<FaultKind> {
        let Fault {
            at: point,
            on,
            nth,
            times,
            kind,
        } = &self.fault;
        if at != point || !name.contains(on.as_str()) {
            return None;
        }
        self.passed += 1;
        (self.passed >= *nth && self.passed < nth.saturating_add(*times)).then_some(*kind)
    }
}

/// The first of the faults that strikes at a point. All of them count who comes by.
pub fn strike(planted: &mut [Planted], at: &str, name: &str) -> Option<FaultKind> {
    let mut striking = None;
    for fault in planted {
        striking = striking.or(fault.strikes(at, name));
    }
    striking
}

/// What a fault makes of a host's operation; `None` where it is none of an operation's.
pub fn refusal(kind: FaultKind) -> Option<LabError> {
    let (cause, message) = match kind {
        FaultKind::Refused => (Cause::HostRefused, "internal error: the monitor is gone"),
        FaultKind::NoMemory => (
            Cause::HostMemory,
            "cannot set up guest memory: Cannot allocate memory",
        ),
        FaultKind::DiskFull => (Cause::HostDisk, "cannot write: No space left on device"),
        FaultKind::HostGone => (Cause::HostRefused, "the connection is lost"),
        FaultKind::AgentKilled
        | FaultKind::AgentLate
        | FaultKind::Garbled
        | FaultKind::NotUtf8
        | FaultKind::Flood
        | FaultKind::Hangs
        | FaultKind::VmKilled => return None,
    };
    Some(LabError::new(cause, message))
}

/// What a fault makes of a command.
pub enum Instead {
    /// Its answer, later.
    Later(Duration),
    /// Its answer, with this for its output, and whether the agent cut that.
    Saying(Vec<u8>, bool),
    /// An error, at once.
    Error(AgentError),
    /// No answer, and so much time is over.
    Silence(Duration),
    /// Nothing: it strikes the VM or its host.
    Nothing,
}

/// What a fault makes of a command that may take so long.
pub fn instead(kind: FaultKind, limit: Duration) -> Instead {
    match kind {
        FaultKind::AgentLate => Instead::Later(LATE),
        FaultKind::Garbled => Instead::Error(AgentError::Garbled("expected value at line 1 column 1".into())),
        FaultKind::Refused => Instead::Error(AgentError::Forbidden(
            "Command guest-exec has been disabled".into(),
        )),
        FaultKind::NotUtf8 => Instead::Saying(b"\xff\xfe\xc3\x28\n".to_vec(), false),
        FaultKind::Flood => Instead::Saying(vec![b'x'; FLOOD], true),
        FaultKind::Hangs => Instead::Silence(limit),
        FaultKind::NoMemory
        | FaultKind::DiskFull
        | FaultKind::HostGone
        | FaultKind::AgentKilled
        | FaultKind::VmKilled => Instead::Nothing,
    }
}
