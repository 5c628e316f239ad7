//! Running one step on its node: its values put in, its attempts, what came back judged and kept without a secret.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::log::Mark;
use crate::input::template::ITEM;
use crate::model::event::StepReport;
use crate::model::outcome::{Cause, Fault, Stage, StepOutcome};
use crate::model::scenario::{Action, Authority, Http, Log, Scenario, Script, Step};
use crate::run::arm::ArmRun;
use crate::run::life::judging;
use crate::run::masking;
use crate::run::node::Node;
use crate::step::cookies::Jar;
use crate::step::evaluate;
use crate::step::exchange::{Exchange, Next};
use crate::step::raw::Raw;
use crate::step::render;
use crate::units::Period;

/// What a scenario has learned in one arm.
#[derive(Clone, Default)]
pub struct Known {
    vars: BTreeMap<String, String>,
    jar: Jar,
}

/// Runs the steps of one phase of a scenario.
pub struct Runner<'r, 'a> {
    /// The arm.
    pub arm: &'r ArmRun<'a>,
    /// Its nodes.
    pub nodes: &'r [Node<'a>],
    /// The scenario.
    pub scenario: &'r Scenario,
    /// The stage that faults are said to have happened in.
    pub stage: Stage,
    /// When the scenario's time is over.
    pub end: Instant,
    /// What earlier steps left.
    pub known: &'r mut Known,
}

impl Runner<'_, '_> {
    /// The node that a step is on.
    pub fn node(&self, step: &Step) -> Option<&Node<'_>> {
        self.nodes.iter().find(|node| node.plan.role == step.on)
    }

    /// A variable's value in a step; of the secrets only those that the step names.
    fn value(&self, step: &Step, name: &str) -> Option<String> {
        if step.secrets.iter().any(|secret| secret == name) {
            return self.arm.setup().secrets.get(name).map(str::to_owned);
        }
        if name == ITEM {
            return step.item.clone();
        }
        let captured = self.known.vars.get(name);
        captured.or_else(|| self.scenario.vars.get(name)).cloned()
    }

    /// A step's action with its values.
    pub fn render(&self, step: &Step) -> Result<Action, render::Problem> {
        render::action(&step.action, &|name| self.value(step, name))
    }

    /// The variables of a step for a command's environment.
    fn environment(&self, step: &Step) -> Vec<(String, String)> {
        let mut env = self.scenario.vars.clone();
        env.extend(self.known.vars.clone());
        let named = step.secrets.iter().map(String::as_str).chain([ITEM]);
        env.extend(named.filter_map(|name| Some((name.to_owned(), self.value(step, name)?))));
        env.into_iter().collect()
    }

    /// One step with its retry window; a fault of the lab ends the arm.
    pub async fn attempts(&mut self, step: &Step, mark: Option<&Mark>) -> (StepReport, Option<Fault>) {
        let (mut report, fault) = self.tried(step, mark).await;
        masking::report(&mut report, self.arm.mask());
        (report, fault)
    }

    async fn tried(&mut self, step: &Step, mark: Option<&Mark>) -> (StepReport, Option<Fault>) {
        let started = Instant::now();
        let mut report = StepReport::new(evaluate::describe(&step.action));
        let nodes = self.nodes;
        let Some(node) = nodes.iter().find(|node| node.plan.role == step.on) else {
            report.outcome = StepOutcome::Errored(Cause::ScenarioInvalid);
            report.failures = vec![format!("the cell has no node of role {}", step.on)];
            return (report, None);
        };
        loop {
            report.attempts += 1;
            let left = self.end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                report.failures = vec![format!(
                    "the scenario's time-out of {} passed",
                    self.scenario.timeout
                )];
                return (report, None);
            }
            let limit = step.timeout.0.min(left);
            match self.attempt(node, step, mark, limit, &mut report).await {
                Ok(()) if report.failures.is_empty() => {
                    report.outcome = StepOutcome::Passed;
                    return (report, None);
                }
                Ok(()) => {}
                Err(fault) => {
                    report.outcome = StepOutcome::Errored(fault.cause);
                    report.failures = vec![fault.message.clone()];
                    report.screen.clone_from(&fault.screen);
                    return (report, Some(fault));
                }
            }
            let Some(retry) = step
                .retry
                .filter(|retry| started.elapsed() + retry.every.0 <= retry.window.0)
            else {
                return (report, None);
            };
            if let Err(fault) = node.pause(self.stage, retry.every).await {
                report.outcome = StepOutcome::Errored(fault.cause);
                return (report, Some(fault));
            }
        }
    }

    async fn attempt(
        &mut self,
        node: &Node<'_>,
        step: &Step,
        mark: Option<&Mark>,
        limit: Duration,
        report: &mut StepReport,
    ) -> Result<(), Fault> {
        let action = match self.render(step) {
            Ok(action) => action,
            Err(problem) => {
                report.failures = vec![problem.to_string()];
                return Ok(());
            }
        };
        let begun = Instant::now();
        let mut call = Call {
            node,
            stage: self.stage,
            end: begun + limit,
            limit,
            clock: None,
        };
        let mut went = Vec::new();
        let raw = self.perform(&mut call, step, &action, mark, &mut went).await?;
        let took = begun.elapsed();
        let hidden = self.arm.mask();
        let weighed = judging::weigh(node.family, &action, &step.capture, &raw, hidden, limit).await;
        let judged = weighed.judged;
        report.millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        report.did = evaluate::describe(&step.action);
        for hop in went {
            report.did.push_str(", redirected with ");
            report.did.push_str(&hop);
        }
        report.exit = raw.exit;
        report.results = judged.results;
        report.counts = judged.counts;
        report.failures = judged.failures;
        report.stdout = judging::kept(&raw.stdout, hidden);
        report.stderr = judging::kept(&raw.stderr, hidden);
        report.screen.clone_from(&raw.screen);
        self.known.vars.extend(weighed.captured.clone());
        report.captured = weighed.captured;
        Ok(())
    }

    async fn perform(
        &mut self,
        call: &mut Call<'_, '_>,
        step: &Step,
        action: &Action,
        mark: Option<&Mark>,
        went: &mut Vec<String>,
    ) -> Result<Raw, Fault> {
        match action {
            Action::Http(http) => self.http(call, http, went).await,
            Action::Script(script) => self.script(call, step, script).await,
            Action::Log(log) => call.log(log, mark).await,
            Action::Wait(period) => call.wait(*period).await,
            Action::Reboot => self.reboot(call).await,
            Action::Run(_)
            | Action::Tcp(_)
            | Action::Service(_)
            | Action::File(_)
            | Action::Package(_)
            | Action::Sql(_) => {
                let env = self.environment(step);
                let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (&**name, &**value)).collect();
                match call.node.family.action(action, &env, call.limit) {
                    Some(command) => call.run(&command).await,
                    None => Err(call.impossible(step)),
                }
            }
        }
    }

    /// One sample of a measured step: as an attempt, without retry and capture, timed by the guest.
    pub async fn sample(&mut self, node: &Node<'_>, step: &Step) -> Result<Sample, Fault> {
        let action = match self.render(step) {
            Ok(action) => action,
            Err(problem) => return Ok(Sample::Failed(vec![problem.to_string()])),
        };
        let limit = step.timeout.0;
        let mut call = Call {
            node,
            stage: self.stage,
            end: Instant::now() + limit,
            limit,
            clock: Some(Clock::default()),
        };
        let raw = self
            .perform(&mut call, step, &action, None, &mut Vec::new())
            .await?;
        let no_capture = BTreeMap::new();
        let weighed = judging::weigh(node.family, &action, &no_capture, &raw, self.arm.mask(), limit).await;
        let failures = weighed.judged.failures;
        if !failures.is_empty() {
            return Ok(Sample::Failed(failures));
        }
        Ok(match call.clock {
            Some(Clock { us, broken: None }) if us > 0 => Sample::Took(us),
            Some(Clock { broken, .. }) => {
                tracing::debug!("a sample of step {} has no time: {broken:?}", step.name);
                Sample::Untimed
            }
            None => Sample::Untimed,
        })
    }

    /// The department's file, pinned by the plan.
    fn file(&self, file: &str) -> Option<(&str, &[u8])> {
        let pin = self.scenario.files.get(file)?;
        let bytes = self.arm.setup().files.get(&pin.sha256)?;
        Some((&pin.sha256, bytes))
    }

    /// A node that does not come back is what the step is there to find; its next user finds it lost.
    async fn reboot(&self, call: &Call<'_, '_>) -> Result<Raw, Fault> {
        match call.node.reboot(call.stage, Period(call.limit)).await {
            Ok(()) => {
                let is_it = |node: &Node<'_>| node.plan.role == call.node.plan.role;
                if let Some(at) = self.nodes.iter().position(is_it) {
                    self.arm.identify(call.stage, at, call.node).await?;
                }
                Ok(Raw::default())
            }
            Err(fault) if fault.cause == Cause::RebootTimeout => {
                let (role, limit) = (&call.node.plan.role, Period(call.limit));
                Ok(Raw {
                    stderr: fault.detail.into_bytes(),
                    screen: fault.screen,
                    ..problem(format!("{role} did not come back within {limit}"))
                })
            }
            Err(fault) => Err(fault),
        }
    }

    async fn http(
        &mut self,
        call: &mut Call<'_, '_>,
        http: &Http,
        went: &mut Vec<String>,
    ) -> Result<Raw, Fault> {
        let ca = match &http.ca {
            None => None,
            Some(Authority::Guest(path)) => Some((path.clone(), false)),
            Some(Authority::File(file)) => {
                let Some((sha256, bytes)) = self.file(file) else {
                    return Ok(problem(format!("the department's file {file} is not there")));
                };
                Some((call.put(file, sha256, bytes).await?, true))
            }
        };
        let raw = self
            .exchange(call, http, ca.as_ref().map(|(path, _)| path.as_str()), went)
            .await?;
        if let Some((path, true)) = &ca {
            call.quiet(&call.node.system().remove(path)).await?;
        }
        Ok(raw)
    }

    async fn exchange(
        &mut self,
        call: &mut Call<'_, '_>,
        http: &Http,
        ca: Option<&str>,
        went: &mut Vec<String>,
    ) -> Result<Raw, Fault> {
        let Some(mut exchange) = Exchange::new(http) else {
            return Ok(problem(format!("{} is no URL", http.url)));
        };
        loop {
            let request = exchange.request(&self.known.jar, ca);
            let command = call.node.system().http(&request, call.left());
            let mut raw = call.run(&command).await?;
            let next = exchange.answer(&mut self.known.jar, &raw.stdout);
            *went = exchange.went().to_vec();
            match next {
                Next::Again if !raw.timed_out && !call.left().is_zero() => {}
                Next::Again => {
                    raw.timed_out = true;
                    return Ok(raw);
                }
                Next::Done => return Ok(raw),
                Next::Lost(why) => {
                    raw.problem = Some(why);
                    return Ok(raw);
                }
            }
        }
    }

    async fn script(&self, call: &mut Call<'_, '_>, step: &Step, script: &Script) -> Result<Raw, Fault> {
        let Some((sha256, bytes)) = self.file(&script.file) else {
            return Ok(problem(format!(
                "the department's file {} is not there",
                script.file
            )));
        };
        let system = call.node.system();
        let path = call.put(&script.file, sha256, bytes).await?;
        if let Some(results) = &script.results {
            call.quiet(&system.clear(results)).await?;
        }
        let env = self.environment(step);
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut raw = call
            .run(&system.run_script(script, &path, &env, call.left()))
            .await?;
        if let Some(results) = &script.results {
            // The time of the script is over by now, perhaps; what it wrote is read all the same.
            let output = call
                .node
                .exec(call.stage, &system.results(results, Duration::from_secs(30)))
                .await?;
            if output.exit == Some(0) {
                match system.parse_results(&output.stdout) {
                    Ok(files) => raw.results = files,
                    Err(error) => return Err(call.node.garbled(call.stage, &error)),
                }
            }
        }
        call.quiet(&system.remove(&path)).await?;
        Ok(raw)
    }
}

fn problem(words: String) -> Raw {
    Raw {
        problem: Some(words),
        ..Raw::default()
    }
}

/// How one sample ended.
pub enum Sample {
    /// It passed, in so many microseconds.
    Took(u64),
    /// What was expected and is not so.
    Failed(Vec<String>),
    /// It passed, and its time is none.
    Untimed,
}

/// The time of a sample's commands, by the guest's own clock.
#[derive(Debug, Default)]
struct Clock {
    us: u64,
    broken: Option<ParseError>,
}

/// One attempt on one node.
struct Call<'c, 'a> {
    node: &'c Node<'a>,
    stage: Stage,
    end: Instant,
    limit: Duration,
    /// There while a sample is taken.
    clock: Option<Clock>,
}

impl Call<'_, '_> {
    fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    fn impossible(&self, step: &Step) -> Fault {
        let message = format!("step {} cannot be performed", step.name);
        self.node.fault(self.stage, Cause::ScenarioInvalid, message)
    }

    async fn run(&mut self, command: &GuestCommand) -> Result<Raw, Fault> {
        if command.has_nul() {
            return Ok(problem(
                "a text of it holds a NUL character, which no command takes".to_owned(),
            ));
        }
        let (begun, left) = (Instant::now(), self.left());
        let system = self.node.system();
        let timed = self.clock.as_ref().and_then(|_| system.timed(command.clone()));
        let mut output = self
            .node
            .exec(self.stage, timed.as_ref().unwrap_or(command))
            .await?;
        if let Some(clock) = &mut self.clock {
            // `timeout` itself rounds, and a guest under load is late.
            match system.take_time(&mut output.stderr, self.limit + Duration::from_secs(1)) {
                Ok(us) => clock.us = clock.us.saturating_add(us),
                Err(error) => clock.broken = Some(error),
            }
        }
        Ok(Raw {
            exit: output.exit,
            timed_out: system.is_timeout(output.exit) && begun.elapsed() >= left,
            stdout: output.stdout,
            stderr: output.stderr,
            ..Raw::default()
        })
    }

    /// Runs a command of our own that leaves nothing to be judged.
    async fn quiet(&self, command: &GuestCommand) -> Result<(), Fault> {
        self.node.ask(self.stage, command).await.map(drop)
    }

    /// Puts a department's file into the guest and gives its place there.
    async fn put(&self, file: &str, sha256: &str, bytes: &[u8]) -> Result<String, Fault> {
        let system = self.node.system();
        let path = system.place(file, sha256);
        for piece in system.put(&path, bytes) {
            self.quiet(&piece).await?;
        }
        let digest = self.node.ask(self.stage, &system.check(&path)).await?;
        if system.is_whole(&digest, sha256) {
            return Ok(path);
        }
        let message = format!("{file} did not arrive whole in the guest");
        Err(self.node.fault(self.stage, Cause::GuestProtocol, message))
    }

    async fn log(&mut self, log: &Log, mark: Option<&Mark>) -> Result<Raw, Fault> {
        match mark {
            Some(mark) => {
                let read = self.node.system().read_log(&log.source, mark, self.left());
                self.run(&read).await
            }
            None => Ok(problem(
                "where the log stood is not known: its name was not known before the step before".to_owned(),
            )),
        }
    }

    async fn wait(&self, period: Period) -> Result<Raw, Fault> {
        if period.0 > self.limit {
            let left = Period(self.limit);
            return Ok(problem(format!(
                "a pause of {period} does not fit into the {left} that are left"
            )));
        }
        self.node.pause(self.stage, period).await?;
        Ok(Raw::default())
    }
}
