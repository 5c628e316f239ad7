//! One arm by itself on the fake lab: its plan says all that it does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use patchgate::fake::{FakeLab, GuestScript};
use patchgate::guest::what;
use patchgate::model::arm::{Applies, ArmPlan, Ends, Reboot};
use patchgate::model::event::Event;
use patchgate::model::id::{Arm, ArmId, ArmKind};
use patchgate::model::outcome::Stage;
use patchgate::model::policy::Confirm;
use patchgate::model::update::{Update, UpdateSet};
use patchgate::record::journal::{self, Loaded};
use patchgate::run;

use crate::testkit::lab::{Lab, Quiet};

/// What an arm did that a plan makes of a lab's.
async fn lived(lab: &Lab, arm: impl FnOnce(&Lab) -> ArmPlan) -> Loaded {
    let setup = lab.setup(Arc::new(Quiet));
    let run_dir = lab.state().create_run(&setup.run).expect("a folder");
    let capacities = run::preflight(&setup).await.expect("room");
    let tried = run::one_arm(setup, &capacities, &run_dir, arm(lab)).await;
    assert_eq!(tried.expect("it runs").left_behind, Vec::<String>::new());
    assert_eq!(lab.fake.violations(), Vec::<String>::new());
    assert_eq!(lab.fake.present(), Vec::<String>::new());
    journal::read(&run_dir.trial()).expect("a journal")
}

fn stages(journal: &Loaded) -> Vec<Stage> {
    let events = journal.records.iter().map(|record| &record.event);
    events
        .filter_map(|event| match event {
            Event::StageStarted { stage } => Some(*stage),
            _ => None,
        })
        .collect()
}

fn asked(fake: &FakeLab) -> BTreeSet<String> {
    fake.asked().into_iter().map(|(_, what)| what).collect()
}

fn update(name: &str) -> Update {
    Update {
        name: name.to_owned(),
        arch: "amd64".to_owned(),
        from: Some("1".to_owned()),
        to: Some("2".to_owned()),
        origin: "Debian-Security:12/oldstable-security".to_owned(),
        ..Update::default()
    }
}

/// A lab whose one node has three updates pending.
fn three_pending() -> Lab {
    let lab = Lab::default();
    let pending = ["bash", "nginx", "openssl"].map(update);
    let packages = pending.iter().map(|update| {
        let name = format!("{}:{}", update.name, update.arch);
        (name, "1".to_owned())
    });
    lab.script(GuestScript {
        packages: packages.collect(),
        pending: pending.to_vec(),
        ..GuestScript::default()
    });
    lab
}

fn pinned(lab: &Lab, sets: BTreeMap<String, UpdateSet>) -> ArmPlan {
    ArmPlan {
        applies: Applies::Pinned(sets),
        reboots: Reboot::Always,
        ..ArmPlan::side(&lab.plan, &lab.plan.cells[0], Arm::Treatment, 1, false)
    }
}

#[tokio::test(start_paused = true)]
async fn a_pinned_set_is_applied_exactly_and_nothing_is_resolved() {
    let lab = three_pending();
    let set = UpdateSet::pin(vec![update("nginx"), update("openssl")]);
    let sets = BTreeMap::from([("web".to_owned(), set.clone())]);
    let journal = lived(&lab, |lab| pinned(lab, sets)).await;
    let told: Vec<&Event> = journal.records.iter().map(|record| &record.event).collect();
    let resolved = Event::Resolved {
        role: "web".to_owned(),
        set,
        rest: Vec::new(),
        lists: None,
    };
    assert_eq!(told.iter().filter(|event| ***event == resolved).count(), 1);
    let proofs: Vec<bool> = told
        .iter()
        .filter_map(|event| match event {
            Event::Proved { proof, .. } => Some(proof.holds()),
            _ => None,
        })
        .collect();
    assert_eq!(proofs, [true], "exactly the set, after a reboot");
    let asked = asked(&lab.fake);
    assert!(
        !asked.contains(what::PENDING) && !asked.contains(what::RESOLVE),
        "{asked:?}"
    );
    assert!(
        asked.contains(what::REFRESH) && asked.contains(what::APPLY),
        "{asked:?}"
    );
    assert!(!told.iter().any(|event| matches!(event, Event::ArmFailed { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_node_without_a_pinned_set_gets_nothing() {
    let lab = three_pending();
    let journal = lived(&lab, |lab| pinned(lab, BTreeMap::new())).await;
    let asked = asked(&lab.fake);
    for command in [what::REFRESH, what::PENDING, what::FETCH, what::APPLY] {
        assert!(!asked.contains(command), "{command}");
    }
    let exact = journal
        .records
        .iter()
        .any(|record| matches!(&record.event, Event::Proved { proof, .. } if proof.holds()));
    assert!(exact, "it is proved to have nothing new");
}

type Made<'a> = &'a dyn Fn(&Lab) -> ArmPlan;

#[tokio::test(start_paused = true)]
async fn every_kind_of_arm_is_a_value_of_one_plan() {
    use Stage::{
        Apply, Boot, Clone, Destroy, Download, Isolate, Prove, Reboot as Restart, Resolve, Scenarios, Seed,
    };
    let cell = |lab: &Lab| lab.plan.cells[0].clone();
    let table: [(&str, Made<'_>, &[Stage]); 6] = [
        (
            "control",
            &|lab| ArmPlan::side(&lab.plan, &cell(lab), Arm::Control, 1, false),
            &[Clone, Boot, Isolate, Seed, Restart, Prove, Scenarios, Destroy],
        ),
        (
            "treatment",
            &|lab| ArmPlan::side(&lab.plan, &cell(lab), Arm::Treatment, 2, false),
            &[
                Clone, Boot, Isolate, Resolve, Seed, Download, Apply, Restart, Prove, Scenarios, Destroy,
            ],
        ),
        (
            "a trial",
            &|lab| ArmPlan::trial(&lab.plan, &cell(lab), true, false),
            &[Clone, Boot, Isolate, Seed, Restart, Scenarios, Destroy],
        ),
        (
            "a trial without a reboot",
            &|lab| ArmPlan::trial(&lab.plan, &cell(lab), false, false),
            &[Clone, Boot, Isolate, Seed, Scenarios, Destroy],
        ),
        (
            "a first look",
            &|lab| ArmPlan::first_look(&cell(lab)),
            &[Clone, Boot, Prove, Destroy],
        ),
        (
            "a look at nodes that run nothing",
            &|lab| ArmPlan {
                runs: Vec::new(),
                reboots: Reboot::Never,
                ends: Ends::KeptOnFault,
                ..ArmPlan::side(&lab.plan, &cell(lab), Arm::Control, 1, false)
            },
            &[Clone, Boot, Isolate, Seed, Prove, Scenarios, Destroy],
        ),
    ];
    for (name, plan, expected) in table {
        let mut lab = Lab::default();
        // There is a second try of a cell, which has an address, where something may be confirmed.
        lab.plan.confirm = Confirm::default();
        let id = plan(&lab).id;
        let journal = lived(&lab, plan).await;
        assert_eq!(stages(&journal), expected, "{name}");
        let mut said = journal.records.iter().filter_map(|record| record.arm.as_ref());
        assert!(said.all(|arm| *arm == id), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_preparation_of_a_state_tells_nothing_of_itself() {
    let lab = Lab::default();
    let journal = lived(&lab, |lab| ArmPlan::preparation(&lab.plan.cells[0], 1, "a-state")).await;
    assert_eq!(
        journal
            .records
            .iter()
            .filter_map(|record| record.arm.as_ref())
            .count(),
        0
    );
    assert_eq!(
        ArmPlan::preparation(&lab.plan.cells[0], 1, "a-state").id,
        ArmId::first(&lab.plan.cells[0].id, ArmKind::Warm)
    );
    let saved = lab
        .fake
        .calls()
        .iter()
        .filter(|call| call.starts_with("save_state "))
        .count();
    assert_eq!(saved, 1);
}
