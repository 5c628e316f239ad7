//! Runs on several fake hosts: where cells go, and what a host costs that goes away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use patchgate::fake::{FakeLab, GuestScript, URI};
use patchgate::model::event::Event;
use patchgate::model::id::CellId;
use patchgate::model::outcome::Cause;
use patchgate::port::{Capacity, LabError};
use patchgate::units::Mib;

use crate::testkit::lab::{End, Lab};

const OTHER: &str = "fake:///other";

/// Room for so many arms of the lab's cells.
fn room(arms: u64) -> Capacity {
    Capacity {
        memory_free: Mib(1024 + arms * 896),
        vcpus: 16,
        disk_free: Mib(1024 * 1024),
    }
}

/// The events of a kind, as what makes them so.
fn found<T>(end: &End, pick: impl Fn(&Event) -> Option<T>) -> Vec<T> {
    let events = end.journal.records.iter().map(|record| &record.event);
    events.filter_map(pick).collect()
}

fn retried(end: &End) -> Vec<(CellId, String, String)> {
    found(end, |event| match event {
        Event::CellRetried { cell, from, to } => Some((cell.clone(), from.clone(), to.clone())),
        _ => None,
    })
}

fn lost(end: &End) -> Vec<String> {
    found(end, |event| match event {
        Event::HostLost { uri, .. } => Some(uri.clone()),
        _ => None,
    })
}

/// The cells that had an arm on a host.
fn cells_on(fake: &FakeLab) -> BTreeMap<String, usize> {
    let mut cells = BTreeMap::new();
    for call in fake.calls() {
        if let Some(domain) = call.strip_prefix("create_vm ") {
            let cell = domain.split('-').nth(4).expect("a cell's number");
            *cells.entry(cell.to_owned()).or_default() += 1;
        }
    }
    cells
}

#[tokio::test(start_paused = true)]
async fn cells_spread_over_the_hosts_with_both_arms_on_one() {
    let lab = Lab::default().with_cells(4).with_host(OTHER);
    let end = lab.run().await;
    assert_eq!(end.line("OPEN"), "cells=4/4 regressed=0 inconclusive=0");
    let (here, there) = (cells_on(&end.fake), cells_on(&end.others[0]));
    assert_eq!((here.len(), there.len()), (2, 2));
    assert!(here.values().chain(there.values()).all(|&arms| arms == 2));
    end.left_nothing();
    let placed = end.others[0].calls();
    let placed = placed.iter().filter(|call| call.starts_with("place_image"));
    assert_eq!(placed.count(), 1, "an image is placed once on each host");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_dies_anywhere_costs_its_cells_a_second_try_and_nothing_else() {
    let whole = Lab::default().with_cells(3).with_host(OTHER).run().await;
    let most = whole.fake.taken();
    assert!(most > 60, "{most} calls and commands");
    let mut tried = BTreeSet::new();
    for taken in (0..most).step_by(3) {
        let lab = Lab::default().with_cells(3).with_host(OTHER);
        lab.fake.dies_after(taken);
        let end = lab.run().await;
        assert_eq!(
            end.line("OPEN"),
            "cells=3/3 regressed=0 inconclusive=0",
            "after {taken}"
        );
        let gone = &end.others[0];
        assert_eq!(gone.present(), Vec::<String>::new(), "after {taken}");
        assert_eq!(end.fake.violations(), Vec::<String>::new(), "after {taken}");
        assert_eq!(gone.violations(), Vec::<String>::new(), "after {taken}");
        let stays = end.fake.present().len();
        assert!(
            end.left_behind().len() >= stays && end.left_behind().iter().all(|text| text.contains(URI)),
            "after {taken}: {:?}",
            end.left_behind()
        );
        let retried = retried(&end);
        if !retried.is_empty() {
            assert_eq!(lost(&end), [URI], "after {taken}");
        }
        assert!(
            retried
                .iter()
                .all(|(_, from, to)| (from.as_str(), to.as_str()) == (URI, OTHER))
        );
        tried.insert(retried.len());
        let notes = end
            .reasons()
            .iter()
            .filter(|text| text.starts_with("tried once more on"))
            .count();
        assert_eq!(notes, retried.len());
    }
    assert_eq!(
        tried,
        BTreeSet::from([0, 1, 2]),
        "cells that were tried once more"
    );
}

#[tokio::test(start_paused = true)]
async fn arms_that_are_compared_are_lost_and_tried_again_together() {
    let lab = || Lab::default().with_measure(5, 1).with_host(OTHER);
    let most = lab().run().await.fake.taken();
    for taken in (0..most).step_by(5) {
        let lab = lab();
        lab.fake.dies_after(taken);
        let end = lab.run().await;
        assert_eq!(
            end.line("OPEN"),
            "cells=1/1 regressed=0 inconclusive=0",
            "after {taken}"
        );
        assert_eq!(end.others[0].present(), Vec::<String>::new(), "after {taken}");
        assert_eq!(end.fake.violations(), Vec::<String>::new(), "after {taken}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_ends_a_run_whose_host_is_gone() {
    let lab = Lab::default()
        .with_cells(2)
        .with_host(OTHER)
        .stop_after(Duration::from_secs(8));
    lab.fake.dies_after(20);
    let end = lab.run().await;
    assert_eq!(end.line("UNDECIDED"), "cells=1/2 regressed=0 inconclusive=1");
    assert_eq!(retried(&end), []);
    assert!(end.left_behind().iter().all(|text| text.contains(URI)));
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_take_over_the_gate_is_undecided() {
    let small = Capacity { vcpus: 0, ..room(0) };
    for (others, line) in [
        (vec![], "cells=0/2 regressed=0 inconclusive=2"),
        (vec![small], "cells=0/2 regressed=0 inconclusive=2"),
    ] {
        let mut lab = Lab::default().with_cells(2);
        for capacity in others {
            lab = lab.with_host(OTHER);
            lab.others[0].capacity_is(capacity);
        }
        // One arm runs, and three wait.
        lab.fake.capacity_is(room(1));
        lab.fake.dies_after(20);
        let end = lab.run().await;
        assert_eq!(end.line("UNDECIDED"), line);
        assert_eq!(lost(&end), [URI]);
        assert_eq!(retried(&end), []);
        let faults = end.faults();
        let never = faults.iter().filter(|(_, cause)| *cause == Cause::HostLost);
        assert_eq!((faults.len(), never.count()), (4, 3), "{faults:?}");
        let behind = end.left_behind();
        assert!(!behind.is_empty() && behind.iter().all(|text| text.contains(URI)));
        assert!(end.reports().contains("the host was lost"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_loss_is_the_end_of_a_cell() {
    let lab = Lab::default()
        .with_cells(1)
        .with_host(OTHER)
        .with_host("fake:///third");
    for fake in std::iter::once(&lab.fake).chain(&lab.others) {
        fake.dies_after(25);
    }
    let end = lab.run().await;
    assert_eq!(end.line("UNDECIDED"), "cells=0/1 regressed=0 inconclusive=1");
    assert_eq!(retried(&end).len(), 1);
    assert_eq!(lost(&end).len(), 2);
    assert_eq!(cells_on(&end.others[1]), BTreeMap::new());
}

/// A run of six cells on a host that claims room for six arms, and soon has only so much memory free.
async fn with_memory_later(memory_free: Mib) -> End {
    let lab = Lab::default().with_cells(6);
    lab.script(GuestScript {
        delay: Duration::from_secs(2),
        ..GuestScript::default()
    });
    lab.fake.capacity_is(room(6));
    let fake = lab.fake.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        fake.capacity_is(Capacity {
            memory_free,
            ..room(6)
        });
    });
    lab.run().await
}

#[tokio::test(start_paused = true)]
async fn a_host_with_less_memory_than_it_claims_runs_less_at_once() {
    let end = with_memory_later(Mib(900)).await;
    assert_eq!(end.line("OPEN"), "cells=6/6 regressed=0 inconclusive=0");
    let steps = found(&end, |event| match event {
        Event::ArmStarted => Some(1),
        Event::ArmFinished => Some(-1),
        _ => None,
    });
    let running: Vec<i32> = steps
        .iter()
        .scan(0, |sum, step| {
            *sum += step;
            Some(*sum)
        })
        .collect();
    assert_eq!(running[..6], [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        running[6..12],
        [5, 4, 3, 2, 1, 0],
        "all that was started ends first"
    );
    assert_eq!(running[12..].iter().max(), Some(&1), "{running:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_host_never_has_the_memory_for_is_undecided() {
    let end = with_memory_later(Mib(100)).await;
    assert_eq!(end.line("UNDECIDED"), "cells=0/6 regressed=0 inconclusive=6");
    let causes: Vec<Cause> = end.faults().iter().map(|(_, cause)| *cause).collect();
    assert_eq!(causes, [Cause::HostMemory; 6]);
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn what_fits_no_host_is_refused_with_what_each_lacks() {
    let with = |other: Capacity| {
        let lab = Lab::default().with_host(OTHER);
        lab.fake.capacity_is(room(0));
        lab.others[0].capacity_is(other);
        lab
    };
    let error = with(Capacity { vcpus: 0, ..room(1) }).refused().await;
    assert_eq!(
        error.message,
        "an arm of cell web/debian-12 needs 896MiB of memory and fake:///lab lets it have 0MiB; an arm of cell \
         web/debian-12 needs 1 vCPUs and the budget of fake:///other is 0"
    );
    let end = with(room(1)).run().await;
    assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
    assert_eq!(cells_on(&end.fake), BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_cannot_isolate_is_refused_though_others_can() {
    let lab = Lab::default().with_host(OTHER);
    let error = LabError::new(Cause::HostRefused, "another machine");
    lab.others[0].refuse("isolate", error);
    assert_eq!(lab.refused().await.message, "another machine");
}
