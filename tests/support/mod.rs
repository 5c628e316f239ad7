//! A one-cell lab on the fake hypervisor, and what a test wants to know of its end.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use patchgate::event::{Event, Record, RunId, StepReport};
use patchgate::fake::{FakeLab, FakeProxies, GuestScript};
use patchgate::gate::{self, Decision};
use patchgate::journal;
use patchgate::measure::Performance;
use patchgate::outcome::{Arm, Cause};
use patchgate::plan::model::{
    Accel, CellId, CellPlan, Deadlines, HostPlan, ImagePin, NetworkMode, NetworkPolicy, NodePlan, Plan,
    UpdateMode, UpdatePolicy,
};
use patchgate::port::{ExecOutput, LabError, Observer};
use patchgate::run::{self, RunError, Setup};
use patchgate::scenario::model::{Action, Measure, Retry, Run, Scenario, Step, TextExpectation, When};
use patchgate::state::{Ledger, State};
use patchgate::units::{Mib, Period};
use patchgate::verdict::{self, Judgement, Verdict};
use tokio_util::sync::CancellationToken;

struct Quiet;

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
    pub proxies: FakeProxies,
    pub plan: Plan,
    stop: Option<Duration>,
    jobs: Option<usize>,
    folder: tempfile::TempDir,
}

impl Default for Lab {
    fn default() -> Self {
        let fake = FakeLab::default();
        fake.script("web", GuestScript::default());
        Self {
            fake,
            proxies: FakeProxies::default(),
            plan: plan(),
            stop: None,
            jobs: None,
            folder: tempfile::tempdir().expect("folder"),
        }
    }
}

fn plan() -> Plan {
    let scenario = Scenario {
        name: "web/page".into(),
        department: "web".into(),
        title: "The page is served".into(),
        owner: "web team".into(),
        required: true,
        timeout: Period::seconds(120),
        retries: 0,
        steps: vec![Step {
            name: "it answers".into(),
            on: "web".into(),
            when: When::AfterReboot,
            timeout: Period::seconds(30),
            retry: None,
            measure: None,
            action: Action::Run(Run {
                command: "true".into(),
                user: None,
                exit: 0,
                stdout: TextExpectation::default(),
                stderr: TextExpectation::default(),
            }),
        }],
        digest: "00".into(),
    };
    let cell = CellPlan {
        id: CellId::new("web", "debian-12"),
        group: "web".into(),
        os: "debian-12".into(),
        owner: "web team".into(),
        admin: "servers".into(),
        required: true,
        nodes: vec![NodePlan {
            role: "web".into(),
            host: "web".into(),
            ready: None,
            image: ImagePin {
                name: "debian-12+web".into(),
                os: "debian-12".into(),
                key: "k".into(),
                sha256: Some("s".into()),
            },
            memory: Mib(512),
            vcpus: 1,
        }],
        reboot_order: Vec::new(),
        scenarios: vec![scenario.name.clone()],
        deadlines: Deadlines {
            boot: Period::seconds(60),
            resolve: Period::seconds(60),
            download: Period::seconds(60),
            apply: Period::seconds(600),
            reboot: Period::seconds(60),
        },
    };
    Plan {
        lab: "test".into(),
        updates: UpdatePolicy {
            mode: UpdateMode::Security,
            listed: Vec::new(),
            exclude: Vec::new(),
            expect_updates: true,
        },
        network: NetworkPolicy {
            mode: NetworkMode::Isolated,
            sources: vec!["http://deb.debian.org/debian".into()],
        },
        performance: Performance::default(),
        host: HostPlan {
            uri: "auto".into(),
            accel: Accel::Tcg,
            memory: None,
            vcpus: None,
        },
        cells: vec![cell],
        scenarios: BTreeMap::from([(scenario.name.clone(), scenario)]),
        inputs: BTreeMap::new(),
        digest: "d".into(),
    }
}

impl Lab {
    pub fn script(&self, script: GuestScript) {
        self.fake.script("web", script);
    }

    pub fn scenario(&mut self) -> &mut Scenario {
        self.plan.scenarios.get_mut("web/page").expect("the scenario")
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
            plan: self.plan.clone(),
            images: BTreeMap::from([("debian-12+web".to_owned(), "/nonexistent".into())]),
            host: Arc::new(self.fake.clone()),
            proxies: Arc::new(self.proxies.clone()),
            host_chosen: Event::HostChosen {
                uri: patchgate::fake::URI.into(),
                accel: "none".into(),
                reason: "a fake".into(),
                version: "0".into(),
            },
            kvm: false,
            jobs: self.jobs,
            keep_failed: false,
            observer,
            stop,
            now: || Timestamp::UNIX_EPOCH,
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
        let (state, run, left_behind) = self.execute().await.expect("the run starts");
        let records = journal::read(&state.journal(&run))
            .expect("the journal is whole")
            .records;
        let judgement = verdict::judge(&self.plan, &records);
        let decision = gate::decide(&self.plan, &judgement);
        let ledger = Ledger::left(&state.run_dir(&run).join(patchgate::state::RESOURCES)).expect("ledger");
        End {
            fake: self.fake,
            proxies: self.proxies,
            run,
            records,
            judgement,
            decision,
            left_behind,
            in_ledger: ledger.len(),
        }
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
    proxies: FakeProxies,
    run: RunId,
    pub records: Vec<Record>,
    judgement: Judgement,
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
            .records
            .iter()
            .filter_map(|record| match &record.event {
                Event::ArmFailed { arm, fault, .. } => Some((*arm, fault.cause)),
                _ => None,
            })
            .collect();
        faults.sort();
        faults
    }

    /// Every step that ran.
    pub fn steps(&self) -> Vec<&StepReport> {
        self.records
            .iter()
            .filter_map(|record| match &record.event {
                Event::StepFinished { report, .. } => Some(report),
                _ => None,
            })
            .collect()
    }

    pub fn failed_step(&self) -> &StepReport {
        let step = self.records.iter().find_map(|record| match &record.event {
            Event::StepFinished { report, .. } if !report.failures.is_empty() => Some(report),
            _ => None,
        });
        step.expect("a failed step")
    }

    pub fn left_behind(&self) -> &[String] {
        &self.left_behind
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
