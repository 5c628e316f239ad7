//! Guests of the fake lab: scripted, and answering only to commands that patchgate is known to send.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::fake::faults::FaultKind;
use crate::fake::look::{self, LookCall, Sections};
use crate::fake::tongue::{AptTongue, Tongue};
use crate::guest::command::GuestCommand;
use crate::guest::identity::Answer;
use crate::guest::linux::{observe, timing};
use crate::guest::what;
use crate::input::hex;
use crate::model::id::ArmKind;
use crate::model::update::Update;
use crate::port::{AgentError, ExecOutput, VmSpec, VmState};

/// What a timed action is called beside its own name.
pub const SAMPLE: &str = "sample";

/// How a guest's agent behaves; commands are named by [`GuestCommand::what`] or [`SAMPLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// It answers.
    Answers,
    /// It never does.
    Silent,
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
    /// Whether the mirror answers.
    pub mirror: bool,
    /// What the probe of the node's isolation prints.
    pub reach: &'static str,
    /// How installing goes.
    pub apply: Apply,
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
                kernel: false,
            }],
            kept: "",
            versions: "",
            mirror: true,
            reach: "source 200\nunlisted squid ERR_ACCESS_DENIED 0\n",
            apply: Apply::Good,
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

/// 32 hexadecimal digits that stand for a text.
fn digits(text: &str) -> String {
    hex(&Sha256::digest(text))[..32].to_owned()
}

/// An output with exit code 0.
fn ok(stdout: &str) -> ExecOutput {
    failed(0, stdout)
}

fn failed(exit: i32, stdout: &str) -> ExecOutput {
    ExecOutput {
        exit: Some(exit),
        stdout: stdout.as_bytes().to_vec(),
        ..ExecOutput::default()
    }
}

/// The error of an agent that does not answer.
pub fn silent() -> AgentError {
    AgentError::Silent("not connected".into())
}

/// A fake VM.
pub struct Domain {
    /// As it was asked for.
    pub spec: VmSpec,
    arm: ArmKind,
    script: GuestScript,
    packages: BTreeMap<String, String>,
    unfinished: Option<String>,
    /// Packages that a step has put on hold.
    held: BTreeSet<String>,
    updated: bool,
    boots: u32,
    /// Whether it has its neighbours' names.
    named: bool,
    calls: usize,
    files: BTreeMap<String, Vec<u8>>,
    /// Who it says it is.
    pub who: Answer,
    state: VmState,
    dead_agent: bool,
}

impl Domain {
    pub fn new(spec: VmSpec, arm: ArmKind, script: GuestScript) -> Self {
        Self {
            who: Answer {
                macs: spec.nics.iter().map(|nic| nic.mac.clone()).collect(),
                machine_id: digits(spec.name.as_str()),
                random: digits(&format!("random {}", spec.name)),
                ..Answer::default()
            },
            packages: script.packages.clone(),
            dead_agent: script.agent == Agent::Silent
                && script.agent_in.is_none_or(|agent_in| agent_in == arm),
            spec,
            arm,
            script,
            unfinished: None,
            held: BTreeSet::new(),
            updated: false,
            boots: 1,
            named: false,
            calls: 0,
            files: BTreeMap::new(),
            state: VmState::Running,
        }
    }

    /// Stops it, or lets it go on.
    pub fn pause(&mut self, paused: bool) {
        self.state = if paused {
            VmState::Paused { io_error: false }
        } else {
            VmState::Running
        };
    }

    /// Suffers what a fault does to a VM.
    pub fn suffer(&mut self, kind: FaultKind) {
        match kind {
            FaultKind::AgentKilled => self.dead_agent = true,
            FaultKind::VmKilled => self.state = VmState::Off("crashed".into()),
            FaultKind::DiskFull => self.state = VmState::Paused { io_error: true },
            FaultKind::Refused
            | FaultKind::NoMemory
            | FaultKind::HostGone
            | FaultKind::AgentLate
            | FaultKind::Garbled
            | FaultKind::NotUtf8
            | FaultKind::Flood
            | FaultKind::Hangs => {}
        }
    }

    /// Whether its agent answers.
    pub fn answers(&self) -> bool {
        !self.dead_agent && self.state == VmState::Running
    }

    /// How long every command takes.
    pub fn delay(&self) -> Duration {
        self.script.delay
    }

    pub fn is_paused(&self) -> bool {
        matches!(self.state, VmState::Paused { .. })
    }

    /// Takes an identity: clock, seed, machine id, and the MAC addresses that its cards were given.
    fn renew(&mut self, command: &GuestCommand) -> Option<ExecOutput> {
        let at = command.argv.iter().rposition(|word| word == "patchgate")?;
        let [clock, seed, id] = command.argv.get(at + 1..)? else {
            return None;
        };
        if self.script.renews {
            self.who.clock_millis = clock.replace('.', "").parse().ok()?;
            self.who.random = digits(seed);
            self.who.machine_id.clone_from(id);
            self.who.macs = self.spec.nics.iter().map(|nic| nic.mac.clone()).collect();
        }
        Some(ok(""))
    }

    fn said(&self) -> String {
        let who = &self.who;
        let macs: Vec<String> = who.macs.iter().map(|mac| format!("mac={mac}\n")).collect();
        let macs = macs.concat();
        format!(
            "machine-id={}\nhost={}\n{macs}random={}\nclock={}\n",
            who.machine_id, who.host, who.random, who.clock_millis
        )
    }

    pub fn vm_state(&self) -> VmState {
        self.state.clone()
    }

    fn misbehaves(&self) -> Agent {
        match self.script.agent_in {
            Some(arm) if arm != self.arm => Agent::Answers,
            _ => self.script.agent,
        }
    }

    fn install(&mut self, command: &GuestCommand) -> ExecOutput {
        match self.script.apply {
            Apply::Lies => return ok(""),
            Apply::HalfWay => {
                self.unfinished = self
                    .script
                    .pending
                    .first()
                    .map(|update| format!("{}:{}", update.name, update.arch));
                return failed(100, "dpkg: error processing package");
            }
            Apply::Good | Apply::HookFails => {}
            Apply::Extra => {
                self.packages.insert("stowaway:amd64".into(), "1".into());
            }
        }
        let tongue = self.script.tongue;
        for update in &self.script.pending {
            if let Some(to) = update.to.as_ref().filter(|_| tongue.installs(command, update)) {
                self.packages
                    .insert(format!("{}:{}", update.name, update.arch), to.clone());
            }
        }
        self.updated = true;
        if self.script.apply == Apply::HookFails {
            return failed(
                100,
                "E: Problem executing scripts DPkg::Post-Invoke 'curl http://cmdb.example/'\n",
            );
        }
        ok("")
    }

    /// What is pending and not held.
    fn pending(&self) -> Vec<Update> {
        let pending = self.script.pending.iter();
        let free = pending.filter(|update| !self.held.contains(&update.name));
        free.cloned().collect()
    }

    /// Those of them that a command names.
    fn wanted(&self, command: &GuestCommand) -> Vec<Update> {
        let mut wanted = self.pending();
        wanted.retain(|update| self.script.tongue.installs(command, update));
        wanted
    }

    /// Takes what a department's command does to the package manager: `apt-mark hold NAME`.
    fn mark(&mut self, command: &GuestCommand) {
        let held = command
            .argv
            .iter()
            .filter_map(|word| word.strip_prefix("apt-mark hold "));
        self.held.extend(held.map(str::to_owned));
    }

    fn sections(&self, command: &GuestCommand) -> Sections {
        let mut sections = look::healthy();
        let call = LookCall {
            arm: self.arm,
            updated: self.updated,
            boots: self.boots,
            late: command
                .argv
                .last()
                .is_some_and(|argument| argument == observe::LATE),
        };
        (self.script.shows)(call, &mut sections);
        sections
    }

    /// A piece of a file: `cat > FILE` begins it, and `cat >> FILE` goes on.
    fn put(&mut self, command: &GuestCommand) -> Option<ExecOutput> {
        let path = command.argv.last()?;
        let goes_on = command.argv.iter().any(|word| word.contains(">>"));
        if goes_on != self.files.contains_key(path) {
            return None;
        }
        let file = self.files.entry(path.clone()).or_default();
        file.extend_from_slice(command.stdin.as_deref()?);
        Some(ok(""))
    }

    /// Takes a command; `None` for one that no guest should ever see.
    pub fn hear(&mut self, command: &GuestCommand) -> Result<Option<ExecOutput>, AgentError> {
        let is = |what: &str| what == command.what || (what == SAMPLE && timing::is_timed(command));
        match self.misbehaves() {
            Agent::DiesAt(what) if is(what) => {
                self.dead_agent = true;
                return Err(silent());
            }
            Agent::PowersOffAt(what) if is(what) => {
                self.state = VmState::Off("shutdown".into());
                return Err(silent());
            }
            Agent::KilledAt(what) if is(what) => {
                self.state = VmState::Killed("its QEMU process ended unexpectedly".into());
                return Err(silent());
            }
            Agent::DiskFullAt(what) if is(what) => {
                self.state = VmState::Paused { io_error: true };
                return Err(silent());
            }
            Agent::Garbles(what) if is(what) => return Ok(Some(ok("\u{1}\u{fffd}garbage"))),
            Agent::Forbids => {
                let words = "Command guest-exec has been disabled: the command is not allowed";
                return Err(AgentError::Forbidden(words.into()));
            }
            Agent::Garbles(_)
            | Agent::DiesAt(_)
            | Agent::PowersOffAt(_)
            | Agent::KilledAt(_)
            | Agent::NeverBack
            | Agent::DiskFullAt(_)
            | Agent::Answers
            | Agent::Silent => {}
        }
        Ok(self.answer(command))
    }

    fn answer(&mut self, command: &GuestCommand) -> Option<ExecOutput> {
        Some(match command.what.as_str() {
            what::BOOT_ID => ok(&format!("{:08x}-0000-4000-8000-000000000000\n", self.boots)),
            what::SETTLE => ok("running\n"),
            what::REBOOT => {
                self.boots += 1;
                // It writes its host table anew at every boot.
                self.named = false;
                self.dead_agent = !self.script.comes_back || self.misbehaves() == Agent::NeverBack;
                ok("")
            }
            what::PACKAGES => ok(&self
                .script
                .tongue
                .packages(&self.packages, self.unfinished.as_deref())),
            what::REFRESH if self.script.mirror => ok("Reading package lists...\n"),
            what::REFRESH => failed(100, "Err:1 http://mirror stable InRelease\n"),
            what::PENDING => ok(&format!(
                "{}{}",
                self.script.tongue.updates(&self.pending()),
                self.script.kept
            )),
            what::RESOLVE => ok(&self.script.tongue.updates(&self.wanted(command))),
            what::FIXES => ok(self.script.versions),
            what::IDENTIFY => {
                self.who.host.clone_from(command.argv.get(4)?);
                self.named = true;
                ok("")
            }
            what::RENEW => self.renew(command)?,
            what::WHO => ok(&self.said()),
            what::FETCH | what::CLEAR => ok(""),
            what::APPLY => self.install(command),
            what::PROBE => ok(self.script.reach),
            what::REBOOT_HINTS => ok(self.script.hints),
            what::OBSERVE => ok(&look::answer(&self.sections(command), false)),
            what::OBSERVE_FILES => ok(&look::answer(&self.sections(command), true)),
            what::MARK => ok("boot b1\ncursor s=1\n"),
            what::PUT => self.put(command)?,
            what::CHECK => {
                let bytes = self.files.get(command.argv.last()?)?;
                ok(&format!("{}  file\n", hex(&Sha256::digest(bytes))))
            }
            what::REMOVE => {
                self.files.remove(command.argv.last()?)?;
                ok("")
            }
            // No scenario may look before the neighbours' names are there.
            "run" | "http" | "tcp" | "service" | "file" | "package" | "script" | "sql" | "log"
                if !self.named =>
            {
                return None;
            }
            "run"
            | "http"
            | "tcp"
            | "service"
            | "file"
            | "package"
            | "script"
            | "sql"
            | "log"
            | what::RESULTS => {
                let call = StepCall {
                    command,
                    arm: self.arm,
                    calls: self.calls,
                    updated: self.updated,
                };
                self.calls += 1;
                self.mark(command);
                let mut output = (self.script.steps)(&call);
                if timing::is_timed(command) {
                    let time = (self.script.times)(&call);
                    output.stderr.extend_from_slice(format!("\n{time}\n").as_bytes());
                }
                output
            }
            _ => return None,
        })
    }
}
