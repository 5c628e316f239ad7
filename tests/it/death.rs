//! A run whose process dies, wherever that is.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::Mutex;

use jiff::Timestamp;
use patchgate::decide::Decided;
use patchgate::fake::{FakeLab, GuestScript};
use patchgate::gate::Gate;
use patchgate::model::event::{Event, Record};
use patchgate::model::id::{ArmId, CellId, RunId};
use patchgate::model::policy::Confirm;
use patchgate::port::{Hypervisor, Observer};
use patchgate::record::journal;
use patchgate::record::ledger::Ledger;
use patchgate::record::resume::Resumed;
use patchgate::record::state::RunDir;
use patchgate::run;
use patchgate::session::resume::Resume;

use crate::testkit::guests::broken_by_updates;
use crate::testkit::lab::{Lab, Quiet};
use crate::testkit::machines;

/// Looks on until a record, and keeps what stands on the disk then. The host takes nothing from there on, so that what the
/// process still does is undone.
struct Death {
    at: usize,
    fake: FakeLab,
    run_dir: Arc<RunDir>,
    seen: Mutex<usize>,
    left: Mutex<Option<(String, String)>>,
}

impl Observer for Death {
    fn record(&self, _: &Record) {
        let mut seen = self.seen.lock().expect("unpoisoned");
        *seen += 1;
        if *seen == self.at {
            let journal = fs::read_to_string(self.run_dir.journal()).expect("the journal");
            let whole: Vec<&str> = journal.split_inclusive('\n').take(self.at).collect();
            let ledger = fs::read_to_string(self.run_dir.resources()).unwrap_or_default();
            *self.left.lock().expect("unpoisoned") = Some((whole.concat(), ledger));
            self.fake.dies_after(0);
        }
    }

    fn notice(&self, _: &str) {}
}

/// Runs a lab until a record; what stands on the disk then, and how many records the run has seen at its end.
async fn dies_at(lab: &Lab, at: usize) -> (Option<(String, String)>, usize) {
    let state = lab.state();
    let run_dir = Arc::new(
        state
            .create_run(&"20261123-140912-7c1f".parse().expect("id"))
            .expect("run folder"),
    );
    let death = Arc::new(Death {
        at,
        fake: lab.fake.clone(),
        run_dir: run_dir.clone(),
        seen: Mutex::new(0),
        left: Mutex::new(None),
    });
    let setup = lab.setup(death.clone());
    let capacities = run::preflight(&setup).await.expect("room");
    // Without its host it ends in whatever way.
    let _ = run::execute(setup, capacities, &run_dir).await;
    let left = death.left.lock().expect("unpoisoned").take();
    let seen = *death.seen.lock().expect("unpoisoned");
    (left, seen)
}

#[tokio::test(start_paused = true)]
async fn a_run_that_dies_at_any_record_can_be_cleaned_up_and_opens_no_gate() {
    dies(Lab::default, Gate::Open).await;
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_whose_clones_have_disks_and_a_firmware_with_variables() {
    dies(machines::lab, Gate::Open).await;
    dies(machines::warm, Gate::Open).await;
}

/// A lab whose updates break its scenario, which is confirmed.
fn confirming() -> Lab {
    let mut lab = Lab::default();
    lab.plan.confirm = Confirm::default();
    lab.script(broken_by_updates());
    lab
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_that_dies_while_something_is_confirmed() {
    dies(confirming, Gate::Closed).await;
}

/// Lets a run die at each of its records; a whole one has that gate.
async fn dies(lab: impl Fn() -> Lab, whole: Gate) {
    let (_, records) = dies_at(&lab(), usize::MAX).await;
    assert!(records > 30, "{records}");
    let mut something = 0;
    for at in 1..=records {
        let lab = lab();
        let (left, _) = dies_at(&lab, at).await;
        let (journal, ledger) = left.expect("it died");
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("journal.jsonl");
        fs::write(&path, journal).expect("write");
        let decided = Decided::of(journal::read(&path).expect("whole records"), false);
        let gate = decided.decision.gate;
        // What is confirmed already closes, however the run ended.
        let is_right = gate == whole || gate == Gate::Undecided;
        let told = format!("dead at record {at} of {records}: {gate:?}");
        assert!(is_right && (gate == whole || at < records), "{told}");
        assert!(gate != Gate::Open || at == records, "{told}");

        let path = folder.path().join("resources.jsonl");
        fs::write(&path, ledger).expect("write");
        lab.fake.comes_back();
        let left = Ledger::left(&path).expect("ledger");
        something += usize::from(!lab.fake.present().is_empty());
        for resource in left {
            lab.fake
                .remove(&resource, &decided.journal.run)
                .await
                .expect("removed");
        }
        assert_eq!(lab.fake.present(), Vec::<String>::new(), "dead at record {at}");
        assert_eq!(lab.fake.violations(), Vec::<String>::new(), "dead at record {at}");
    }
    assert!(something > 20, "something was left {something} times");
}

/// Removes what a dead run left.
async fn clean(lab: &Lab, run: &RunId, ledger: &str) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("resources.jsonl");
    fs::write(&path, ledger).expect("write");
    lab.fake.comes_back();
    for resource in Ledger::left(&path).expect("ledger") {
        lab.fake.remove(&resource, run).await.expect("removed");
    }
}

/// Goes on with a run that died at a record, after a clean-up: the cells that are taken over, and what is decided then.
async fn goes_on(lab: &Lab, at: usize, meanwhile: impl Fn(&Lab)) -> (Vec<CellId>, Decided) {
    let (left, _) = dies_at(lab, at).await;
    let (text, ledger) = left.expect("it died");
    let state = lab.state();
    let dead = lab.setup(Arc::new(Quiet)).run;
    clean(lab, &dead, &ledger).await;
    fs::write(state.journal(&dead), text).expect("write");
    let resume = Resume::load(&state, &dead, Timestamp::MAX).expect("it can be gone on with");
    assert!(!resume.selection().is_empty());
    meanwhile(lab);
    let mut setup = lab.setup(Arc::new(Quiet));
    setup.run = "20261124-140912-7c1f".parse().expect("id");
    let resumed = resume.by(&setup.plan).expect("the same plan");
    let cells = resumed.cells.clone();
    setup.resumed = Some(resumed);
    let run_dir = state.create_run(&setup.run).expect("run folder");
    let capacities = run::preflight(&setup).await.expect("room");
    run::execute(setup, capacities, &run_dir).await.expect("recorded");
    assert_eq!(lab.fake.present(), Vec::<String>::new());
    let journal = journal::read(&run_dir.journal()).expect("a whole journal");
    let started = journal
        .records
        .iter()
        .filter(|record| record.event == Event::ArmStarted)
        .filter_map(|record| record.arm.as_ref());
    let started: Vec<&ArmId> = started.collect();
    let once: BTreeSet<&ArmId> = started.iter().copied().collect();
    assert_eq!(started.len(), once.len(), "an arm is run twice: {started:?}");
    assert!(once.len() >= 2 * journal.plan.cells.len(), "{started:?}");
    (cells, Decided::of(journal, false))
}

#[tokio::test(start_paused = true)]
async fn a_run_that_died_is_gone_on_with_from_the_cells_that_it_had_finished() {
    let lab = || Lab::default().with_cells(3).with_jobs(2);
    let (_, records) = dies_at(&lab(), usize::MAX).await;
    let mut taken = BTreeSet::new();
    for at in (1..records).step_by(11).chain([records - 1]) {
        let (cells, decided) = goes_on(&lab(), at, |_| ()).await;
        let decision = &decided.decision;
        assert_eq!(decision.gate, Gate::Open, "dead at {at}: {:?}", decision.reasons);
        assert_eq!(decision.counts.passed, 3);
        let said = decision
            .reasons
            .iter()
            .any(|reason| reason.text.contains("taken over from run 20261123"));
        assert!(said, "{:?}", decision.reasons);
        taken.insert(cells.len());
    }
    assert!(
        taken.contains(&0) && taken.contains(&3) && taken.len() > 2,
        "{taken:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_finding_is_taken_over_and_not_tried_again() {
    let lab = Lab::default();
    lab.script(broken_by_updates());
    let (_, records) = dies_at(&lab, usize::MAX).await;
    let lab = Lab::default();
    lab.script(broken_by_updates());
    let (cells, decided) = goes_on(&lab, records - 1, |lab| lab.script(GuestScript::default())).await;
    assert_eq!(cells.len(), 1);
    assert_eq!(decided.decision.gate, Gate::Closed);
}

#[tokio::test(start_paused = true)]
async fn cells_that_are_taken_over_and_cells_that_are_run_anew_have_the_same_updates() {
    let newer = || {
        let mut script = GuestScript::default();
        script.pending[0].to = Some("1.22.1-9+deb12u2".to_owned());
        script
    };
    let lab = || Lab::default().with_cells(2).with_jobs(2);
    let (_, records) = dies_at(&lab(), usize::MAX).await;
    let mut seen = BTreeSet::new();
    for at in (1..records).step_by(5).chain([records - 1]) {
        let (cells, decided) = goes_on(&lab(), at, |lab| lab.script(newer())).await;
        let decision = &decided.decision;
        let told = decision
            .reasons
            .iter()
            .any(|reason| reason.text.contains("other updates are pending on it"));
        assert_eq!(cells.len() == 1, told, "dead at {at}: {:?}", decision.reasons);
        assert_eq!(cells.len() == 1, decision.gate != Gate::Open, "dead at {at}");
        seen.insert(cells.len());
    }
    assert!(seen.contains(&1), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_run_was_to_confirm_is_confirmed_by_the_one_that_goes_on() {
    let lab = confirming;
    let (_, records) = dies_at(&lab(), usize::MAX).await;
    let mut gates = BTreeSet::new();
    for at in (1..records).step_by(4).chain([records - 1]) {
        let (_, decided) = goes_on(&lab(), at, |_| ()).await;
        let decision = &decided.decision;
        assert_eq!(
            decision.gate,
            Gate::Closed,
            "dead at {at}: {:?}",
            decision.reasons
        );
        // What was seen once is not forgotten where it is not seen again.
        let (cells, decided) = goes_on(&lab(), at, |lab| lab.script(GuestScript::default())).await;
        let gate = decided.decision.gate;
        assert_eq!(gate == Gate::Open, cells.is_empty(), "dead at {at}: {gate:?}");
        assert!(
            decided.judgement.cells.iter().all(|cell| cell.strays == 0),
            "dead at {at}"
        );
        gates.insert(gate as usize);
    }
    assert_eq!(gates.len(), 3, "{gates:?}");
}

#[tokio::test(start_paused = true)]
async fn only_a_run_that_is_not_over_and_of_the_same_lab_is_gone_on_with() {
    let lab = Lab::default();
    dies_at(&lab, usize::MAX).await;
    let state = lab.state();
    let run: RunId = lab.setup(Arc::new(Quiet)).run;
    let load = || Resume::load(&state, &run, Timestamp::MAX);
    let error = load().expect_err("over").to_string();
    assert_eq!(error, format!("run {run} came to its end"));

    let text = fs::read_to_string(state.journal(&run)).expect("text");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    fs::write(state.journal(&run), lines[..5].concat() + "{\"seq\":").expect("write");
    let mut plan = lab.setup(Arc::new(Quiet)).plan;
    plan.inputs
        .insert("scenario web/page".to_owned(), "another".to_owned());
    let plan = plan.sealed().expect("a digest");
    let error = load().expect("torn").by(&plan).expect_err("changed").to_string();
    assert!(error.contains("scenario web/page"), "{error}");
    let resumed: Resumed = load()
        .expect("torn")
        .by(&lab.setup(Arc::new(Quiet)).plan)
        .expect("the same");
    assert_eq!(resumed.cells, []);

    fs::write(
        state.journal(&run),
        lines[..5].concat().replacen("\"try\":1", "\"try\":3", 1) + "\n",
    )
    .expect("write");
    let error = load().expect_err("damaged").to_string();
    assert!(error.contains("journal.jsonl:"), "{error}");
}
