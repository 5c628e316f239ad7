//! A one-cell lab on the fake hypervisor, and what a test wants to know of its end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use patchgate::decide::Decided;
use patchgate::fake::{FakeLab, FakeProxies, GuestScript};
use patchgate::gate::{Decision, Gate};
use patchgate::guest::families::Families;
use patchgate::image::warm::WarmStore;
use patchgate::input::finding::Source;
use patchgate::input::hex;
use patchgate::lab::scenario::parse::parse;
use patchgate::model::drift::DriftPolicy;
use patchgate::model::event::{Event, Record, StepReport};
use patchgate::model::expected::Expected;
use patchgate::model::id::{Arm, CellId, RunId};
use patchgate::model::outcome::Cause;
use patchgate::model::plan::{CellPlan, Plan};
use patchgate::model::policy::{Deadlines, Soak};
use patchgate::model::scenario::expect::TextExpectation;
use patchgate::model::scenario::{Action, FilePin, Measure, Retry, Run, Scenario, Step};
use patchgate::port::{ExecOutput, Hypervisor, LabError, Observer};
use patchgate::record::journal::{self, Loaded};
use patchgate::record::ledger::Ledger;
use patchgate::record::state::{RESOURCES, State};
use patchgate::report::text::{self, Style};
use patchgate::report::{Summary, json, junit, markdown};
use patchgate::run::{self, HostSetup, RunError, Setup};
use patchgate::secret::Secrets;
use patchgate::units::Period;
use patchgate::verdict::{Judgement, NodeDrift, Verdict};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::plans;

pub struct Quiet;

impl Observer for Quiet {
    fn record(&self, _: &Record) {}
    fn notice(&self, _: &str) {}
}

/// An output of a step.
pub fn exit(code: i32, stdout: &str) -> ExecOutput {
    ExecOutput {
        exit: Some(code),
        stdout: stdout.as_bytes().to_vec(),
        ..ExecOutput::default()
    }
}

/// A lab with one cell `web/debian-12`, one node `web` and one scenario of one step.
pub struct Lab {
    pub fake: FakeLab,
    /// Further hosts.
    pub others: Vec<FakeLab>,
    pub proxies: FakeProxies,
    pub plan: Plan,
    pub warm: Option<WarmStore>,
    stop: Option<Duration>,
    jobs: Option<usize>,
    now: fn() -> Timestamp,
    files: BTreeMap<String, Vec<u8>>,
    secrets: Secrets,
    folder: tempfile::TempDir,
}

impl Default for Lab {
    fn default() -> Self {
        let fake = FakeLab::default();
        fake.script("web", GuestScript::default());
        Self {
            fake,
            others: Vec::new(),
            proxies: FakeProxies::default(),
            plan: plan(),
            warm: None,
            stop: None,
            jobs: None,
            now: || Timestamp::UNIX_EPOCH,
            files: BTreeMap::new(),
            secrets: Secrets::default(),
            folder: tempfile::tempdir().expect("folder"),
        }
    }
}

fn plan() -> Plan {
    let action = Action::Run(Run {
        command: "true".into(),
        user: None,
        exit: 0,
        stdout: TextExpectation::default(),
        stderr: TextExpectation::default(),
    });
    let page = Scenario {
        title: "The page is served".into(),
        timeout: Period::seconds(120),
        retries: 0,
        steps: vec![Step::new("it answers", "web", action)],
        ..plans::scenario("web/page", &[])
    };
    let minute = Period::seconds(60);
    let mut cell = CellPlan {
        deadlines: Deadlines {
            boot: minute,
            resolve: minute,
            download: minute,
            apply: Period::seconds(600),
            reboot: minute,
        },
        ..plans::cell("web/debian-12", &["web"], &["web/page"])
    };
    cell.nodes[0].image.sha256 = Some("s".into());
    plans::plan(vec![cell], vec![page])
}

impl Lab {
    pub fn script(&self, script: GuestScript) {
        self.fake.script("web", script);
    }

    /// The same lab with a further host.
    pub fn with_host(mut self, uri: &str) -> Self {
        let fake = FakeLab::at(uri.parse().expect("a URI"));
        fake.script("web", GuestScript::default());
        self.others.push(fake);
        self
    }

    /// The same lab with so many groups like its one.
    pub fn with_cells(mut self, cells: usize) -> Self {
        let one = self.plan.cells[0].clone();
        let cell = |number: usize| CellPlan {
            id: CellId::new(&format!("web{number}"), "debian-12"),
            group: format!("web{number}"),
            ..one.clone()
        };
        self.plan.cells = (0..cells).map(cell).collect();
        self
    }

    pub fn with_drift(mut self, drift: DriftPolicy) -> Self {
        self.plan.drift = drift;
        self
    }

    /// Looks at the nodes once more, so long after the reboot.
    pub fn with_soak(mut self, seconds: u64) -> Self {
        for cell in &mut self.plan.cells {
            cell.soak = Soak {
                look: true,
                time: Period::seconds(seconds),
                ..Soak::default()
            };
        }
        self
    }

    /// The one scenario, to be changed.
    pub fn scenario(&mut self) -> &mut Scenario {
        self.plan.scenarios.get_mut("web/page").expect("the scenario")
    }

    /// The same lab with its one scenario read from a text.
    pub fn with_scenario(mut self, text: &str) -> Self {
        let text = format!("title = \"t\"\nowner = \"o\"\n{text}");
        let (file, findings) = parse("web", "page", &Source::new(Path::new("page.toml"), text));
        assert_eq!(findings, Vec::new());
        *self.scenario() = file.expect("a scenario").scenario;
        self
    }

    /// The same lab with a file of the department's.
    pub fn with_file(mut self, name: &str, content: &[u8]) -> Self {
        let pin = FilePin {
            sha256: hex(&Sha256::digest(content)),
            bytes: content.len() as u64,
        };
        self.files.insert(pin.sha256.clone(), content.to_vec());
        self.scenario().files.insert(name.to_owned(), pin);
        self
    }

    /// The same lab with a secret.
    pub fn with_secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.add(name, value.to_owned().into()).expect("a secret");
        self
    }

    pub fn with_step_window(mut self, window: Duration) -> Self {
        self.scenario().steps[0].retry = Some(Retry {
            window: Period(window),
            every: Period::seconds(1),
        });
        self
    }

    pub fn with_reruns(mut self, retries: u32) -> Self {
        self.scenario().retries = retries;
        self
    }

    pub fn with_measure(mut self, repeat: u32, warmup: u32) -> Self {
        self.scenario().steps[0].measure = Some(Measure {
            repeat,
            warmup,
            statistic: None,
            slower: None,
        });
        self
    }

    pub fn with_jobs(mut self, jobs: usize) -> Self {
        self.jobs = Some(jobs);
        self
    }

    pub fn with_clock(mut self, now: fn() -> Timestamp) -> Self {
        self.now = now;
        self
    }

    pub fn stop_after(mut self, time: Duration) -> Self {
        self.stop = Some(time);
        self
    }

    /// The state folder.
    pub fn state(&self) -> State {
        State::at(self.folder.path().to_owned())
    }

    /// All that a run needs, under an id that is always the same.
    pub fn setup(&self, observer: Arc<dyn Observer>) -> Setup {
        let stop = CancellationToken::new();
        if let Some(time) = self.stop {
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                stop.cancel();
            });
        }
        Setup {
            run: "20261123-140912-7c1f".parse().expect("id"),
            plan: self.plan.clone().sealed().expect("a digest"),
            families: Families::default(),
            images: BTreeMap::from([("debian-12+web".to_owned(), "/nonexistent".into())]),
            warm: self.warm.clone(),
            files: self.files.clone(),
            secrets: self.secrets.clone(),
            proxies: Arc::new(self.proxies.clone()),
            hosts: std::iter::once(&self.fake)
                .chain(&self.others)
                .map(|fake| HostSetup {
                    plan: self.plan.hosts[0].clone(),
                    host: Arc::new(fake.clone()),
                    chosen: Event::HostChosen {
                        uri: fake.uri().to_string(),
                        accel: "none".into(),
                        reason: "a fake".into(),
                        version: "0".into(),
                    },
                    kvm: false,
                })
                .collect(),
            absent: Vec::new(),
            expected: Expected::default(),
            jobs: self.jobs,
            resumed: None,
            keep_failed: false,
            confirm: patchgate::verdict::to_confirm,
            observer,
            stop,
            now: self.now,
        }
    }

    async fn execute(&self) -> Result<(State, RunId, Vec<String>), RunError> {
        let state = self.state();
        let setup = self.setup(Arc::new(Quiet));
        let run = setup.run.clone();
        let run_dir = state.create_run(&run).expect("run folder");
        let budget = run::preflight(&setup).await?;
        let left = run::execute(setup, budget, &run_dir).await?;
        Ok((state, run, left))
    }

    /// Runs the lab and judges its journal.
    pub async fn run(self) -> End {
        self.run_if_taken().await.expect("the run starts")
    }

    /// The same, where a host may refuse the run before it starts.
    pub async fn run_if_taken(self) -> Option<End> {
        let (state, run, left_behind) = match self.execute().await {
            Ok(ended) => ended,
            Err(RunError::Host(_)) => return None,
            Err(other) => panic!("{other}"),
        };
        let journal = journal::read(&state.journal(&run)).expect("the journal is whole");
        let decided = Decided::of(journal, false);
        let ledger = Ledger::left(&state.run_dir(&run).join(RESOURCES)).expect("ledger");
        Some(End {
            fake: self.fake,
            others: self.others,
            proxies: self.proxies,
            run,
            journal: decided.journal,
            folder: self.folder,
            judgement: decided.judgement,
            decision: decided.decision,
            left_behind,
            in_ledger: ledger.len(),
        })
    }

    /// Runs the lab where the host must refuse it.
    pub async fn refused(&self) -> LabError {
        match self.execute().await {
            Err(RunError::Host(error)) => error,
            Err(other) => panic!("another refusal: {other}"),
            Ok(_) => panic!("the host took it"),
        }
    }
}

/// The end of a run.
pub struct End {
    pub fake: FakeLab,
    pub others: Vec<FakeLab>,
    proxies: FakeProxies,
    run: RunId,
    pub journal: Loaded,
    folder: tempfile::TempDir,
    pub judgement: Judgement,
    decision: Decision,
    left_behind: Vec<String>,
    in_ledger: usize,
}

impl End {
    /// Checks the decision, and returns the counts of its line.
    pub fn line(&self, gate: &str) -> String {
        let line = self.decision.line(&self.run);
        let start = format!("gate: {gate} run={} ", self.run);
        line.strip_prefix(&start)
            .unwrap_or_else(|| panic!("{line}, expected {gate}; faults {:?}", self.faults()))
            .to_owned()
    }

    fn said(&self, of: Arm) -> impl Iterator<Item = &Event> {
        let records = self.journal.records.iter();
        let of_arm = records.filter(move |record| record.side().is_some_and(|(_, arm)| arm == of));
        of_arm.map(|record| &record.event)
    }

    /// Whether an arm of a try says such a thing.
    pub fn said_by(&self, of: Arm, nth_try: u32, what: impl Fn(&Event) -> bool) -> bool {
        let mut records = self.journal.records.iter();
        records.any(|record| {
            let by = record.arm.as_ref();
            by.is_some_and(|arm| arm.kind.side() == Some(of) && arm.nth_try == nth_try) && what(&record.event)
        })
    }

    /// The reports of an arm's steps, in the order in which they ended.
    pub fn steps(&self, of: Arm) -> Vec<&StepReport> {
        let reports = self.said(of).filter_map(|event| match event {
            Event::StepFinished { report, .. } => Some(report),
            _ => None,
        });
        reports.collect()
    }

    /// The reports of an arm's clean-up, in the order in which they ended.
    pub fn cleanup(&self, of: Arm) -> Vec<&StepReport> {
        let reports = self.said(of).filter_map(|event| match event {
            Event::CleanedUp { report, .. } => Some(report),
            _ => None,
        });
        reports.collect()
    }

    /// Every report in every format.
    pub fn reports(&self) -> String {
        let summary = Summary::new(&self.journal, &self.judgement, &self.decision);
        let (width, colour) = (120, false);
        [
            text::render(&summary, Style { width, colour }),
            markdown::render(&summary),
            junit::render(&summary).expect("XML"),
            json::render(&summary).expect("JSON"),
        ]
        .join("\n")
    }

    /// The state folder of the run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn verdict(&self) -> Verdict {
        self.judgement.cells[0].scenarios[0].verdict
    }

    pub fn reason(&self) -> &str {
        &self.judgement.cells[0].scenarios[0].reason
    }

    /// The arms that were asked for a sample, in order.
    pub fn sampled(&self) -> Vec<Arm> {
        let calls = self.fake.calls();
        let arm = |call: &String| match call.strip_prefix("sample ")? {
            domain if domain.contains("-control-") => Some(Arm::Control),
            _ => Some(Arm::Treatment),
        };
        calls.iter().filter_map(arm).collect()
    }

    /// The faults of both arms, control first.
    pub fn faults(&self) -> Vec<(Arm, Cause)> {
        let mut faults: Vec<_> = self
            .journal
            .records
            .iter()
            .filter_map(|record| match (record.side(), &record.event) {
                (Some((_, arm)), Event::ArmFailed { fault }) => Some((arm, fault.cause)),
                _ => None,
            })
            .collect();
        faults.sort();
        faults
    }

    /// What differs between the arms of the node.
    pub fn drift(&self) -> &NodeDrift {
        let node = &self.judgement.cells[0].nodes[0];
        &node.drift
    }

    /// The reasons for the decision, in words.
    pub fn reasons(&self) -> Vec<&str> {
        self.decision
            .reasons
            .iter()
            .map(|reason| reason.text.as_str())
            .collect()
    }

    pub fn failed_step(&self) -> &StepReport {
        let step = self
            .journal
            .records
            .iter()
            .find_map(|record| match &record.event {
                Event::StepFinished { report, .. } if !report.failures.is_empty() => Some(report),
                _ => None,
            });
        step.expect("a failed step")
    }

    pub fn left_behind(&self) -> &[String] {
        &self.left_behind
    }

    pub fn gate(&self) -> Gate {
        self.decision.gate
    }

    /// What stands in the ledger is all that is on the host, and goes when the host answers again.
    pub async fn is_cleaned_up(&self) {
        self.fake.comes_back();
        let ledger = State::at(self.folder.path().to_owned())
            .run_dir(&self.run)
            .join(RESOURCES);
        for resource in Ledger::left(&ledger).expect("ledger") {
            self.fake.remove(&resource, &self.run).await.expect("removed");
        }
        assert_eq!(self.fake.present(), Vec::<String>::new());
        assert_eq!(self.fake.violations(), Vec::<String>::new());
    }

    /// Nothing is on the host, in the ledger or in words, and the fake's rules were kept.
    pub fn left_nothing(&self) {
        assert_eq!(self.fake.violations(), Vec::<String>::new());
        assert_eq!(self.fake.present(), Vec::<String>::new());
        assert_eq!(self.left_behind, Vec::<String>::new());
        assert_eq!(self.in_ledger, 0);
        assert!(!self.proxies.running(), "the proxy outlived its run");
    }
}
