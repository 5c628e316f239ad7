//! A run whose process dies, wherever that is.

use std::fs;
use std::sync::Arc;
use std::sync::Mutex;

use patchgate::decide::Decided;
use patchgate::fake::FakeLab;
use patchgate::gate::Gate;
use patchgate::model::event::Record;
use patchgate::port::{Hypervisor, Observer};
use patchgate::record::journal;
use patchgate::record::ledger::Ledger;
use patchgate::record::state::RunDir;
use patchgate::run;

use crate::testkit::lab::Lab;

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
    let (_, records) = dies_at(&Lab::default(), usize::MAX).await;
    assert!(records > 30, "{records}");
    let mut something = 0;
    for at in 1..=records {
        let lab = Lab::default();
        let (left, _) = dies_at(&lab, at).await;
        let (journal, ledger) = left.expect("it died");
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("journal.jsonl");
        fs::write(&path, journal).expect("write");
        let decided = Decided::of(journal::read(&path).expect("whole records"), false);
        let expected = if at == records {
            Gate::Open
        } else {
            Gate::Undecided
        };
        assert_eq!(
            decided.decision.gate, expected,
            "dead at record {at} of {records}"
        );

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
