//! Guests of the fake lab: scripted, and answering only to commands that patchgate is known to send.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::fake::faults::FaultKind;
use crate::fake::look::{self, LookCall, Sections};
use crate::fake::script::{Agent, Apply, GuestScript, SAMPLE, StepCall, failed, ok};
use crate::guest::command::GuestCommand;
use crate::guest::identity::Answer;
use crate::guest::linux::{observe, timing};
use crate::guest::what;
use crate::input::hex;
use crate::model::id::ArmKind;
use crate::model::update::Update;
use crate::port::{AgentAbout, AgentError, ExecOutput, VmSpec, VmState};

/// What every screen shows: one black pixel, as PNG.
pub const SCREEN: [u8; 67] = [
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x7e, 0x9b, 0x55, 0x00,
    0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x60, 0x00, 0x00, 0x00, 0x02, 0x00, 0x01,
    0xe5, 0x27, 0xde, 0xfc, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

/// 32 hexadecimal digits that stand for a text.
fn digits(text: &str) -> String {
    hex(&Sha256::digest(text))[..32].to_owned()
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
    withdrawn: bool,
    boots: u32,
    /// Whether it has its neighbours' names.
    named: bool,
    calls: usize,
    files: BTreeMap<String, Vec<u8>>,
    /// Who it says it is.
    pub who: Answer,
    state: VmState,
    dead_agent: bool,
    panicked: bool,
}

impl Domain {
    pub fn new(spec: VmSpec, arm: ArmKind, script: GuestScript) -> Self {
        let ends = script.agent == Agent::Ends;
        let mut domain = Self {
            who: Answer {
                macs: spec.nics.iter().map(|nic| nic.mac.clone()).collect(),
                machine_id: digits(spec.name.as_str()),
                random: digits(&format!("random {}", spec.name)),
                ..Answer::default()
            },
            packages: script.packages.clone(),
            dead_agent: matches!(script.agent, Agent::Silent | Agent::Ends)
                && script.agent_in.is_none_or(|agent_in| agent_in == arm),
            spec,
            arm,
            unfinished: script.broken.map(str::to_owned),
            script,
            held: BTreeSet::new(),
            panicked: false,
            updated: false,
            withdrawn: false,
            boots: 1,
            named: false,
            calls: 0,
            files: BTreeMap::new(),
            state: VmState::Running,
        };
        if ends {
            domain.state = VmState::Off("shutdown".into());
        }
        domain
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
            FaultKind::VmKilled => {
                self.state = VmState::Killed("its QEMU process ended unexpectedly".into());
            }
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

    /// What its agent says of itself.
    pub fn about(&self) -> AgentAbout {
        let forbids = self.misbehaves() == Agent::Forbids;
        let of_all = [
            "guest-ping",
            "guest-info",
            "guest-exec",
            "guest-exec-status",
            "guest-file-open",
        ];
        AgentAbout {
            version: "7.2.22".to_owned(),
            commands: of_all
                .map(|name| (name.to_owned(), !(forbids && name.starts_with("guest-exec"))))
                .into(),
        }
    }

    /// How long a command takes.
    pub fn delay(&self, command: &GuestCommand) -> Duration {
        match self.script.apply {
            Apply::Hangs if command.what == what::APPLY => command.timeout,
            Apply::Hangs
            | Apply::Good
            | Apply::ComesBack
            | Apply::HalfWay
            | Apply::Lies
            | Apply::Extra
            | Apply::HookFails
            | Apply::Locked
            | Apply::NoSpace
            | Apply::Balks => self.script.delay,
        }
    }

    pub fn is_paused(&self) -> bool {
        matches!(self.state, VmState::Paused { .. })
    }

    /// Takes an identity: clock, seed, machine id, and the MAC addresses that its cards were given.
    fn renew(&mut self, command: &GuestCommand) -> Option<ExecOutput> {
        let at = command.argv.iter().rposition(|word| word == "patchgate")?;
        let [clock, seed, id, ..] = command.argv.get(at + 1..)? else {
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

    /// Takes the card to the outlet: by the MAC address of one that has a filter, and with the address that this lets pass.
    fn attach(&mut self, command: &GuestCommand) -> Option<ExecOutput> {
        let at = command.argv.iter().rposition(|word| word == "patchgate")?;
        let [mac, address, _gateway] = command.argv.get(at + 1..)? else {
            return None;
        };
        let card = self.spec.nics.iter().find(|nic| nic.mac == *mac)?;
        let filter = card.filter.as_ref()?;
        if filter.address.to_string() != *address {
            return None;
        }
        self.named = true;
        Some(match self.script.moves {
            Some(problem) => ExecOutput {
                stderr: problem.as_bytes().to_vec(),
                ..failed(1, "")
            },
            None => ok(""),
        })
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
            Apply::Locked => {
                return failed(
                    100,
                    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 417 (unattended-upgr)\n",
                );
            }
            Apply::NoSpace => return failed(100, "dpkg: error: write: No space left on device\n"),
            Apply::HalfWay => {
                self.unfinished = self
                    .script
                    .pending
                    .first()
                    .map(|update| format!("{}:{}", update.name, update.arch));
                return failed(100, "dpkg: error processing package");
            }
            Apply::Hangs => {
                let first = self.script.pending.first();
                self.unfinished = first.map(|update| format!("{}:{}", update.name, update.arch));
                return failed(124, "Setting up nginx (1.22.1-9+deb12u1) ...\n");
            }
            Apply::Good | Apply::ComesBack | Apply::HookFails | Apply::Balks => {}
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
        match self.script.apply {
            Apply::Balks => failed(100, "E: Sub-process /usr/bin/dpkg returned an error code (1)"),
            Apply::HookFails => failed(
                100,
                "E: Problem executing scripts DPkg::Post-Invoke 'curl http://cmdb.example/'\n",
            ),
            Apply::Good
            | Apply::ComesBack
            | Apply::Extra
            | Apply::HalfWay
            | Apply::Lies
            | Apply::Locked
            | Apply::NoSpace
            | Apply::Hangs => ok(""),
        }
    }

    /// What its console shows.
    pub fn console(&self) -> String {
        let panic = "[    1.3] Kernel panic - not syncing: sysrq triggered crash\n";
        format!(
            "console of {}\n{}",
            self.spec.name,
            if self.panicked { panic } else { "" }
        )
    }

    /// What its screen shows; a VM that is off has none.
    pub fn screen(&self) -> Option<Vec<u8>> {
        match self.state {
            VmState::Running | VmState::Paused { .. } => Some(SCREEN.to_vec()),
            VmState::Off(_) | VmState::Killed(_) | VmState::Gone => None,
        }
    }

    /// What is pending, not held, and not installed yet.
    fn pending(&self) -> Vec<Update> {
        let is_in = |update: &Update| {
            let installed = self.packages.get(&format!("{}:{}", update.name, update.arch));
            update.to.is_some() && installed == update.to.as_ref() && self.script.apply != Apply::ComesBack
        };
        let pending = self.script.pending.iter().filter(|_| !self.withdrawn);
        let free = pending.filter(|update| !self.held.contains(&update.name) && !is_in(update));
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
            | Agent::Panics
            | Agent::DiskFullAt(_)
            | Agent::Answers
            | Agent::Silent
            | Agent::Ends => {}
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
                self.dead_agent =
                    !self.script.comes_back || matches!(self.misbehaves(), Agent::NeverBack | Agent::Panics);
                self.panicked = self.misbehaves() == Agent::Panics;
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
            what::ATTACH => self.attach(command)?,
            what::RENEW => self.renew(command)?,
            what::WHO => ok(&self.said()),
            what::LOOK => ok(self.script.first_look),
            what::FETCH if self.script.withdrawn => {
                self.withdrawn = true;
                failed(
                    100,
                    "E: Failed to fetch http://mirror/pool/n.deb  404  Not Found\n",
                )
            }
            what::ADVISORIES => ok(self.script.advisories),
            what::FETCH | what::CLEAR => ok(""),
            what::APPLY => self.install(command),
            what::PROBE => ok(self.script.reach),
            what::PROCESSES => {
                ok("41 S apt-get install\n  43 S /bin/sh nginx.postinst\n    44 S sleep 3600\n")
            }
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
