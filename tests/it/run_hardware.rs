//! Machines that are not usual: as a plan shows them, and on the fake lab, where disks and variables are each clone's own and
//! nothing is left.

use patchgate::image::warm::WarmStore;
use patchgate::model::event::Event;
use patchgate::model::hardware::{DiskBus, Firmware};
use patchgate::model::outcome::Cause;
use patchgate::model::policy::CloneMode;
use patchgate::port::LabError;
use patchgate::report;

use crate::plan::{demo, demo_plan, images};
use crate::testkit::lab::{End, Lab};
use crate::testkit::machines::{lab, warm};

/// What was done by an operation, each with the last part of what it is about.
fn calls(end: &End, operation: &str) -> Vec<String> {
    let calls = end.fake.calls();
    let of = calls
        .iter()
        .filter_map(|call| call.strip_prefix(operation)?.strip_prefix(' '));
    of.map(|name| name.split("7c1f-").last().unwrap_or(name).to_owned())
        .collect()
}

/// How the arms' clones began, with the reason.
fn cloned(end: &End) -> Vec<(CloneMode, Option<String>)> {
    let records = end.journal.records.iter();
    records
        .filter_map(|record| match &record.event {
            Event::Cloned { clone, reason } => Some((*clone, reason.clone())),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_clone_has_an_overlay_of_each_disk_and_each_file_of_the_image_is_placed_once() {
    let end = lab().run().await;
    assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
    assert_eq!(
        calls(&end, "place_image"),
        [
            "debian-12-web.base.qcow2",
            "debian-12-web.base.1.qcow2",
            "debian-12-web.base.2.qcow2"
        ]
    );
    assert_eq!(calls(&end, "place_file"), ["debian-12-web.base.fd"]);
    let mut overlays = calls(&end, "create_overlay");
    overlays.sort();
    assert_eq!(
        overlays,
        [
            "0-control-web.1.qcow2",
            "0-control-web.2.qcow2",
            "0-control-web.qcow2",
            "0-treatment-web.1.qcow2",
            "0-treatment-web.2.qcow2",
            "0-treatment-web.qcow2"
        ]
    );
    let removed = calls(&end, "remove");
    for own in ["0-control-web.fd", "0-treatment-web.fd", "0-control-web.2.qcow2"] {
        let gone = |name: &&String| name.ends_with(own);
        assert!(removed.iter().any(|name| gone(&name)), "{own}: {removed:#?}");
    }
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn disks_and_variables_are_saved_and_kept_with_the_state() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = WarmStore::at(folder.path()).expect("a store");
    let with_store = || {
        let mut lab = warm();
        lab.warm = Some(store.clone());
        lab
    };
    let first = with_store().run().await;
    let is_warm = |end: &End| cloned(end).iter().all(|(clone, _)| *clone == CloneMode::Warm);
    assert!(is_warm(&first), "{:?}", cloned(&first));
    assert_eq!(calls(&first, "save_state").len(), 1);
    // Three disks, the memory and all the rest; the variables are in the latter.
    assert_eq!(calls(&first, "fetch_volume").len(), 5);
    first.left_nothing();

    let second = with_store().run().await;
    assert!(is_warm(&second), "{:?}", cloned(&second));
    assert_eq!(calls(&second, "save_state").len(), 0);
    assert_eq!(calls(&second, "place_volume").len(), 5);
    second.left_nothing();

    let mut other = with_store();
    other.plan.cells[0].nodes[0].image.machine.more_disks.pop();
    let other = other.run().await;
    assert_eq!(
        calls(&other, "save_state").len(),
        1,
        "another machine, another state"
    );
    other.left_nothing();
}

/// What is made of a lab.
type Change<'a> = &'a dyn Fn(&mut Lab);

#[tokio::test(start_paused = true)]
async fn what_cannot_be_saved_is_booted_and_the_run_says_why() {
    let tpm = |lab: &mut Lab| lab.plan.cells[0].nodes[0].image.machine.hardware.tpm = true;
    let nvme = |lab: &mut Lab| {
        lab.plan.cells[0].nodes[0].image.machine.more_disks[0]
            .hardware
            .bus = Some(DiskBus::Nvme);
    };
    let changes: [(Change<'_>, &str); 2] = [(&tpm, "TPM"), (&nvme, "NVM Express")];
    for (change, word) in changes {
        let mut lab = warm();
        change(&mut lab);
        let end = lab.run().await;
        assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
        for (clone, reason) in cloned(&end) {
            assert_eq!(clone, CloneMode::Cold);
            assert!(
                reason.as_ref().is_some_and(|why| why.contains(word)),
                "{reason:?}"
            );
        }
        assert_eq!(calls(&end, "save_state").len(), 0);
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_lacks_what_a_machine_needs_is_told_before_anything_is_made() {
    let lab = lab();
    let error = LabError::new(Cause::HostRefused, "no UEFI firmware for VMs").with_hint("install ovmf");
    lab.fake.refuse("can_have", error);
    let refused = lab.refused().await;
    assert!(refused.message.contains("no UEFI firmware"), "{refused}");
    assert_eq!(lab.fake.present(), Vec::<String>::new());
    assert_eq!(lab.fake.calls(), Vec::<String>::new());
    // A usual one needs nothing.
    let usual = Lab::default();
    usual
        .fake
        .refuse("can_have", LabError::new(Cause::HostRefused, "never asked"));
    usual.run().await.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_cannot_be_placed_ends_the_arms_and_leaves_nothing() {
    let lab = lab();
    lab.fake.refuse(
        "place_file",
        LabError::new(Cause::ImageDamaged, "the variables were changed"),
    );
    let end = lab.run().await;
    assert!(!end.faults().is_empty());
    assert!(
        end.faults()
            .iter()
            .all(|(_, cause)| *cause == Cause::ImageDamaged),
        "{:?}",
        end.faults()
    );
    end.left_nothing();
}

#[test]
fn a_machine_that_is_not_usual_is_shown_and_one_that_cannot_be_is_told() {
    let (lab, scenarios) = demo();
    let mut images = images(&lab);
    for image in &mut images {
        image.pin.machine.hardware.firmware = Firmware::Uefi;
    }
    let plan = demo_plan(&lab, &scenarios, &images).expect("a plan");
    let text = report::plan::text(&plan, "");
    assert!(
        text.contains("\nmachine of debian-12+web: uefi on q35, disks on virtio, cards virtio\n"),
        "{text}"
    );
    for image in &mut images {
        image.pin.machine.hardware.disk_bus = DiskBus::Ide;
    }
    let findings = demo_plan(&lab, &scenarios, &images).expect_err("no such board");
    assert!(
        findings[0].message.ends_with("the board `q35` has no IDE"),
        "{}",
        findings[0].message
    );
    assert!(
        findings[0]
            .hint
            .as_deref()
            .is_some_and(|hint| hint.contains("disk_bus"))
    );
}
