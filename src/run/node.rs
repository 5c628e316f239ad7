//! One VM in the hands of its arm: questions with deadlines, and every failure named with its cause.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::family::{Family, System};
use crate::guest::look::no_loader;
use crate::input::clip;
use crate::model::name::DomainName;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::plan::NodePlan;
use crate::model::scenario::Action;
use crate::port::{AgentAbout, AgentError, ExecOutput, GuestAgent, LabError, VmState};
use crate::run::context::Context;
use crate::run::evidence::{self, new_of, tail};
use crate::run::site::Site;
use crate::run::waiting::GuestTime;
use crate::step::cookies::Jar;
use crate::step::evaluate;
use crate::step::exchange::Exchange;
use crate::step::raw::Raw;
use crate::units::Period;

/// The pause between two signs of life that are asked for.
const PAUSE: Duration = Duration::from_millis(500);

/// The pause between two looks at the console of a node that does not answer.
const CONSOLE: Duration = Duration::from_secs(5);

/// How long one sign of life may take.
const PING: Duration = Duration::from_secs(5);

/// How long a node's services may take to settle after a boot; a unit that takes longer is left to the scenarios.
const SETTLE: Duration = Duration::from_secs(150);

/// A running node.
pub struct Node<'a> {
    context: &'a Context,
    site: &'a Site,
    /// What was planned.
    pub plan: &'a NodePlan,
    /// Its family.
    pub family: Family,
    /// Its domain's name.
    pub domain: DomainName,
    agent: Box<dyn GuestAgent>,
    /// Its arm's.
    guests: GuestTime,
    /// Changes with every boot; a scenario may reboot a node that others look at.
    boot: Mutex<Boot>,
    /// The end of its console before its last reboot: what stands there is of another boot.
    console: Mutex<String>,
}

/// What is known of a boot.
#[derive(Default)]
struct Boot {
    id: String,
    answered: Option<Instant>,
}

/// A fault of a node in a stage.
pub fn fault(stage: Stage, role: Option<&str>, error: LabError) -> Fault {
    Fault {
        cause: error.cause,
        stage,
        role: role.map(str::to_owned),
        message: error.message,
        detail: String::new(),
        screen: None,
        hint: error.hint,
    }
}

impl<'a> Node<'a> {
    /// A node whose domain runs or is about to.
    pub fn new(
        context: &'a Context,
        site: &'a Site,
        plan: &'a NodePlan,
        family: Family,
        domain: DomainName,
        guests: GuestTime,
    ) -> Self {
        let agent = site.host.agent(&domain);
        Self {
            context,
            site,
            plan,
            family,
            domain,
            agent,
            guests,
            boot: Mutex::default(),
            console: Mutex::default(),
        }
    }

    /// The id of its present boot.
    pub fn boot_id(&self) -> String {
        self.boot().id.clone()
    }

    /// When its agent first answered from its present boot.
    pub fn answered(&self) -> Option<Instant> {
        self.boot().answered
    }

    fn boot(&self) -> MutexGuard<'_, Boot> {
        self.boot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fault of this node.
    pub fn fault(&self, stage: Stage, cause: Cause, message: impl Into<String>) -> Fault {
        fault(stage, Some(&self.plan.role), LabError::new(cause, message))
    }

    /// The same, with the end of what was said: of a command's output, or on the console.
    pub fn told_fault(&self, stage: Stage, cause: Cause, message: impl Into<String>, said: &str) -> Fault {
        Fault {
            detail: tail(said),
            ..self.fault(stage, cause, message)
        }
    }

    /// A fault of this node with what shows it: the end of its console, and its screen.
    pub async fn shown(&self, fault: Fault) -> Fault {
        let (host, run) = (self.site.host.as_ref(), &self.context.setup.run);
        evidence::shown(fault, host, (run, &self.domain), &self.context.screens).await
    }

    /// Waits until the agent answers in another boot than `old`, and its services have settled.
    pub async fn ready(&self, stage: Stage, deadline: Period, old: Option<&str>) -> Result<(), Fault> {
        let _wait = self.guests.wait();
        let started = Instant::now();
        let mut looked = started;
        loop {
            if self.agent.ping(PING.min(deadline.0)).await.is_ok() {
                match self.ask_boot_id(stage).await {
                    Ok(id) if Some(id.as_str()) != old => {
                        *self.boot() = Boot {
                            id,
                            answered: Some(Instant::now()),
                        };
                        break;
                    }
                    // No patience changes how an agent is set up.
                    Err(fault) if fault.cause == Cause::AgentForbids => return Err(fault),
                    Ok(_) | Err(_) => {}
                }
            }
            self.wait_on(stage, deadline, (started, &mut looked), old.is_some())
                .await?;
        }
        // What it answers is a matter for the scenarios: a unit that failed is found there, in both arms alike.
        self.exec(stage, &self.system().settle(SETTLE)).await?;
        Ok(())
    }

    /// One turn of a wait for its agent, which ends where there is nothing to wait for; when it was begun, and when the console
    /// was last looked at.
    async fn wait_on(
        &self,
        stage: Stage,
        deadline: Period,
        (started, looked): (Instant, &mut Instant),
        rebooting: bool,
    ) -> Result<(), Fault> {
        if let Some(fault) = self.stopped(stage).await {
            return Err(fault);
        }
        if looked.elapsed() >= CONSOLE {
            *looked = Instant::now();
            if let Some(fault) = self.dead(stage).await {
                return Err(fault);
            }
        }
        if started.elapsed() >= deadline.0 {
            return Err(self.never_ready(stage, deadline, rebooting).await);
        }
        tokio::select! {
            () = sleep(PAUSE) => Ok(()),
            () = self.context.setup.stop.cancelled() => Err(self.interrupted(stage)),
        }
    }

    /// Waits until its agent tells what it is and may do, whether or not it runs commands.
    pub async fn about(&self, stage: Stage, deadline: Period) -> Result<AgentAbout, Fault> {
        let _wait = self.guests.wait();
        let started = Instant::now();
        let mut looked = started;
        loop {
            if let Ok(about) = self.agent.about(PING.min(deadline.0)).await {
                return Ok(about);
            }
            self.wait_on(stage, deadline, (started, &mut looked), false)
                .await?;
        }
    }

    /// Reads the id of its present boot again.
    pub async fn reread_boot_id(&self, stage: Stage) -> Result<(), Fault> {
        let id = self.ask_boot_id(stage).await?;
        self.boot().id = id;
        Ok(())
    }

    async fn ask_boot_id(&self, stage: Stage) -> Result<String, Fault> {
        let output = self.exec(stage, &self.system().boot_id()).await?;
        self.system()
            .parse_boot_id(&String::from_utf8_lossy(&output.stdout))
            .map_err(|error| self.garbled(stage, &error))
    }

    async fn never_ready(&self, stage: Stage, deadline: Period, rebooting: bool) -> Fault {
        let (cause, what) = if rebooting {
            (
                Cause::RebootTimeout,
                "an answer of the guest agent with a new boot id",
            )
        } else {
            (Cause::AgentSilent, "a first answer of the guest agent")
        };
        let mut fault = self.fault(stage, cause, format!("waited {deadline} for {what}"));
        fault.hint = Some(
            "look at the end of the console; is qemu-guest-agent installed and started in the image? A slow host may \
             need longer [deadlines]"
                .into(),
        );
        let image = &self.plan.image;
        if let (false, Some(made_for)) = (rebooting, image.machine.made_for) {
            let (what, hint) = no_loader(made_for, &image.name);
            fault.message = format!("{what}: {}", fault.message);
            fault.hint = Some(hint);
        }
        self.shown(fault).await
    }

    /// The fault of a guest whose console says that it does not run: that is known long before a wait for it is over.
    async fn dead(&self, stage: Stage) -> Option<Fault> {
        let console = self.site.host.console_tail(&self.domain).await;
        let before = self
            .console
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let dead = self.system().dead(new_of(&console, &before))?;
        let (cause, hint) = if dead.starved {
            (
                Cause::HostBusy,
                "the host had no time for the guest: let fewer arms run at once (--jobs, or `vcpus` of [[host]]), or put \
                 `no_timer_check` on the guest's kernel command line"
                    .to_owned(),
            )
        } else {
            let remedy = dead.remedy.clone();
            let hint = remedy.unwrap_or_else(|| "look at the end of the console".to_owned());
            (Cause::BootBroken, hint)
        };
        let message = format!("its console says: {}", clip(dead.line));
        let mut fault = self.told_fault(stage, cause, message, &console);
        fault.hint = Some(hint);
        Some(self.shown(fault).await)
    }

    /// The fault of a guest that will not come to its end: its VM does not run, or its console says that it is dead.
    pub async fn broken(&self, stage: Stage) -> Option<Fault> {
        match self.stopped(stage).await {
            Some(fault) => Some(fault),
            None => self.dead(stage).await,
        }
    }

    /// The fault of a VM that does not run any more.
    async fn stopped(&self, stage: Stage) -> Option<Fault> {
        let (cause, message, hint) = match self.site.host.vm_state(&self.domain).await {
            Ok(VmState::Running) | Err(_) => return None,
            Ok(VmState::Paused { io_error: true }) => (
                Cause::HostDisk,
                "QEMU paused the VM, as its disk could not be written".to_owned(),
                "free disk space on the host",
            ),
            Ok(VmState::Paused { io_error: false }) => (
                Cause::HostRefused,
                "the VM is paused".to_owned(),
                "somebody or something on the host paused it; see libvirt's log",
            ),
            Ok(VmState::Off(reason)) => (
                Cause::GuestStopped,
                format!("the VM is off ({reason})"),
                "look at the end of the console",
            ),
            Ok(VmState::Killed(reason)) => (
                Cause::VmKilled,
                format!("the VM is off ({reason})"),
                "look at the host's log and libvirt's; a host short of memory kills QEMU first",
            ),
            Ok(VmState::Gone) => (
                Cause::VmKilled,
                "the VM is gone".to_owned(),
                "somebody removed it on the host",
            ),
        };
        let mut fault = self.fault(stage, cause, message);
        fault.hint = Some(hint.into());
        Some(self.shown(fault).await)
    }

    /// Runs a command to its end. An exit code is an answer, never a fault.
    pub async fn exec(&self, stage: Stage, command: &GuestCommand) -> Result<ExecOutput, Fault> {
        let _wait = self.guests.wait();
        let slack = Duration::from_secs(60);
        let error = tokio::select! {
            answer = timeout(command.timeout + slack, self.agent.exec(command)) => match answer {
                // Every command is bounded in the guest, far below what the agent carries.
                Ok(Ok(output)) if output.truncated => AgentError::Garbled("its output was cut on the way".into()),
                Ok(Ok(output)) => return Ok(output),
                Ok(Err(error)) => error,
                Err(_) => AgentError::Timeout(command.timeout + slack),
            },
            () = self.context.setup.stop.cancelled() => return Err(self.interrupted(stage)),
        };
        if let Some(fault) = self.stopped(stage).await {
            return Err(fault);
        }
        if let AgentError::Silent(_) = &error
            && let Some(fault) = self.dead(stage).await
        {
            return Err(fault);
        }
        let cause = match &error {
            AgentError::Silent(_) => Cause::AgentLost,
            AgentError::Timeout(_) => Cause::Deadline,
            AgentError::Forbidden(_) => Cause::AgentForbids,
            AgentError::Refused(_) | AgentError::Garbled(_) => Cause::GuestProtocol,
        };
        let mut fault = self.fault(stage, cause, format!("to {}: {error}", command.what));
        if cause == Cause::AgentForbids {
            fault.hint = Some(
                "take guest-exec and guest-exec-status out of `block-rpcs` (or `blacklist`) in the image's \
                 /etc/qemu/qemu-ga.conf, and out of what /etc/sysconfig/qemu-ga or its unit forbids"
                    .into(),
            );
        }
        Err(match &error {
            AgentError::Silent(_) | AgentError::Timeout(_) => self.shown(fault).await,
            AgentError::Forbidden(_) | AgentError::Refused(_) | AgentError::Garbled(_) => fault,
        })
    }

    /// Runs a command whose success is taken for granted; its output as text.
    pub async fn ask(&self, stage: Stage, command: &GuestCommand) -> Result<String, Fault> {
        let output = self.exec(stage, command).await?;
        if output.stdout.len() >= command.limit {
            // It was cut there: nothing that is read of it could be believed.
            let message = format!(
                "to {}: the answer is longer than {} KiB",
                command.what,
                command.limit / 1024
            );
            return Err(self.fault(stage, Cause::GuestProtocol, message));
        }
        if output.exit == Some(0) {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(self.told_fault(
            stage,
            Cause::GuestProtocol,
            format!(
                "to {}: the command ended with exit code {}",
                command.what,
                exit_words(output.exit)
            ),
            &output_text(&output),
        ))
    }

    /// Asks the guest to reboot itself and waits until it is back.
    pub async fn reboot(&self, stage: Stage, deadline: Period) -> Result<(), Fault> {
        let _wait = self.guests.wait();
        let old = self.boot_id();
        let console = self.site.host.console_tail(&self.domain).await;
        *self.console.lock().unwrap_or_else(PoisonError::into_inner) = console;
        // An agent that falls silent here is being stopped already, and one that does not come back is found below.
        match self.agent.exec(&self.system().reboot()).await {
            Ok(output) if output.exit == Some(0) => {}
            Err(AgentError::Silent(_)) => {}
            Ok(output) => {
                return Err(self.told_fault(
                    stage,
                    Cause::GuestProtocol,
                    format!(
                        "the guest refused to reboot, with exit code {}",
                        exit_words(output.exit)
                    ),
                    &output_text(&output),
                ));
            }
            Err(error) => {
                let fault = self.fault(stage, Cause::AgentLost, format!("to ask for a reboot: {error}"));
                return Err(self.shown(fault).await);
            }
        }
        self.ready(stage, deadline, Some(&old)).await
    }

    /// Waits until what the role calls ready holds. Gives a fault, not an error, where it does not in its time.
    pub async fn await_ready(&self, stage: Stage) -> Result<Option<Fault>, Fault> {
        let Some(ready) = &self.plan.ready else {
            return Ok(None);
        };
        let _wait = self.guests.wait();
        let started = Instant::now();
        loop {
            let left = ready.within.0.saturating_sub(started.elapsed());
            let left = left.max(PING);
            let command = match &ready.check {
                Action::Http(check) => Exchange::new(check)
                    .map(|exchange| self.system().http(&exchange.request(&Jar::default(), None), left)),
                check => self.family.action(check, &[], left),
            };
            let Some(command) = command else {
                let message = format!("{} cannot tell whether a node is ready", ready.check.kind());
                return Err(self.fault(stage, Cause::ScenarioInvalid, message));
            };
            let output = self.exec(stage, &command).await?;
            let raw = Raw {
                exit: output.exit,
                timed_out: self.system().is_timeout(output.exit),
                stdout: output.stdout,
                stderr: output.stderr,
                ..Raw::default()
            };
            let failures = evaluate::evaluate(&self.family, &ready.check, &raw, &self.context.mask).failures;
            if failures.is_empty() {
                return Ok(None);
            }
            if started.elapsed() >= ready.within.0 {
                let message = format!(
                    "waited {} for it to be ready ({}): {}",
                    ready.within,
                    evaluate::describe(&ready.check),
                    failures.join("; ")
                );
                let mut fault = self.fault(stage, Cause::Deadline, message);
                fault.hint = Some(
                    "look at `ready` of its role in the lab file; a slow host may need a longer `within`"
                        .into(),
                );
                return Ok(Some(fault));
            }
            self.pause(stage, Period(PAUSE)).await?;
        }
    }

    /// The fault of an answer that cannot be read.
    pub fn garbled(&self, stage: Stage, error: &ParseError) -> Fault {
        self.fault(stage, Cause::GuestProtocol, error.to_string())
    }

    /// The fault of a run that is asked to stop.
    pub fn interrupted(&self, stage: Stage) -> Fault {
        self.fault(stage, Cause::Interrupted, "the run was asked to stop")
    }

    /// Waits, unless the run is asked to stop.
    pub async fn pause(&self, stage: Stage, period: Period) -> Result<(), Fault> {
        let _wait = self.guests.wait();
        tokio::select! {
            () = sleep(period.0) => Ok(()),
            () = self.context.setup.stop.cancelled() => Err(self.interrupted(stage)),
        }
    }

    /// What its OS itself says.
    pub fn system(&self) -> &'static dyn System {
        self.family.system
    }
}

/// An exit code in words.
pub fn exit_words(exit: Option<i32>) -> String {
    exit.map_or_else(|| "none (a signal ended it)".to_owned(), |code| code.to_string())
}

/// Both outputs of a command as one text.
pub fn output_text(output: &ExecOutput) -> String {
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if stderr.is_empty() {
        stdout.into_owned()
    } else {
        format!("{stdout}\n{stderr}")
    }
}
