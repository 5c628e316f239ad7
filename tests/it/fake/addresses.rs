//! Nodes that keep their own network: what they are given is a card to the outlet and nothing else.

use patchgate::fake::GuestScript;
use patchgate::guest::what;
use patchgate::image::warm::WarmStore;
use patchgate::model::event::Event;
use patchgate::model::id::Arm;
use patchgate::model::outcome::Cause;
use patchgate::model::plan::{Addresses, NodePlan};
use patchgate::model::policy::CloneMode;

use crate::testkit::lab::{End, Lab};

const WEB: &str = "00:50:56:00:00:01";
const APP: &str = "00:50:56:00:00:02";

fn kept(macs: &[&str]) -> Addresses {
    Addresses::Kept {
        macs: macs.iter().map(|&mac| mac.to_owned()).collect(),
    }
}

/// A cell of two nodes, each with a card of its own.
fn two_nodes(script: GuestScript) -> Lab {
    let mut lab = Lab::default();
    let nodes = &mut lab.plan.cells[0].nodes;
    nodes[0].addresses = kept(&[WEB]);
    let app = NodePlan {
        role: "app".into(),
        host: "app".into(),
        addresses: kept(&[APP]),
        ..nodes[0].clone()
    };
    nodes.push(app);
    lab.fake.script("app", script);
    lab
}

fn asked(end: &End, what: &str) -> usize {
    let asked = end.fake.asked();
    asked.iter().filter(|(_, of)| of == what).count()
}

fn clones(end: &End) -> Vec<CloneMode> {
    let events = end.journal.records.iter().map(|record| &record.event);
    events
        .filter_map(|event| match event {
            Event::Cloned { clone, .. } => Some(*clone),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_node_that_keeps_its_network_is_given_a_card_to_the_outlet_and_no_name() {
    for clone in [CloneMode::Cold, CloneMode::Warm] {
        let mut lab = two_nodes(GuestScript::default());
        lab.plan.clone = clone;
        lab.fake.machine_is(&[("QEMU", "10.0.2")]);
        let end = lab.run().await;
        end.line("OPEN");
        assert_eq!(clones(&end), [clone, clone]);
        assert_eq!(asked(&end, what::IDENTIFY), 0);
        // At the boot and after the reboot, in both arms, and once more before they are saved.
        let boots = match clone {
            CloneMode::Cold => 8,
            CloneMode::Warm => 10,
        };
        assert_eq!(asked(&end, what::ATTACH), boots, "{clone:?}");
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_other_nodes_of_its_cell_may_answer_on_its_wire() {
    const BOTH: &str = "neighbour 192.168.10.5 00:50:56:00:00:01\nneighbour 192.168.10.6 00:50:56:00:00:02\nsource 200\n\
                        unlisted squid ERR_ACCESS_DENIED 0\n";
    const GATEWAY: &str =
        "neighbour 192.168.10.1 00:50:56:99:99:99\nsource 200\nunlisted squid ERR_ACCESS_DENIED 0\n";
    for (reach, faults) in [
        (BOTH, &[][..]),
        (
            GATEWAY,
            &[
                (Arm::Control, Cause::NotIsolated),
                (Arm::Treatment, Cause::NotIsolated),
            ],
        ),
    ] {
        let end = two_nodes(GuestScript {
            reach,
            ..GuestScript::default()
        })
        .run()
        .await;
        assert_eq!(end.faults(), faults);
        if !faults.is_empty() {
            end.line("UNDECIDED");
            let reasons = end.reasons().concat();
            assert!(
                reasons.contains("192.168.10.1 answers on the node's own network"),
                "{reasons}"
            );
        }
        end.left_nothing();
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_moves_its_address_on_the_outlet_is_named() {
    let end = two_nodes(GuestScript {
        moves: Some("the guest moves the address of its card to the outlet: ens4 has 192.168.10.6/24, and was given 10.213.0.3\n"),
        ..GuestScript::default()
    })
    .run()
    .await;
    end.line("UNDECIDED");
    assert_eq!(
        end.faults(),
        [
            (Arm::Control, Cause::GuestProtocol),
            (Arm::Treatment, Cause::GuestProtocol)
        ]
    );
    let reasons = end.reasons().concat();
    assert!(
        reasons.contains("ens4 has 192.168.10.6/24, and was given 10.213.0.3"),
        "{reasons}"
    );
    end.left_nothing();

    let lab = Lab::default();
    lab.script(GuestScript {
        reach: "source silent\nunlisted silent\nhas 192.168.10.5/24 \n",
        ..GuestScript::default()
    });
    let end = lab.run().await;
    end.line("UNDECIDED");
    let reasons = end.reasons().concat();
    assert!(
        reasons.contains("it moves its own address there: it has 192.168.10.5/24"),
        "{reasons}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_without_a_known_card_has_one_of_patchgates() {
    let mut lab = Lab::default();
    lab.plan.cells[0].nodes[0].addresses = kept(&[]);
    let end = lab.run().await;
    end.line("OPEN");
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_saved_state_is_of_the_addresses_it_was_saved_with() {
    let folder = tempfile::tempdir().expect("a folder");
    for (macs, saves) in [(&[WEB][..], 1), (&[WEB], 0), (&[APP], 1)] {
        let mut lab = Lab::default();
        lab.plan.clone = CloneMode::Warm;
        lab.fake.machine_is(&[("QEMU", "10.0.2")]);
        lab.plan.cells[0].nodes[0].addresses = kept(macs);
        lab.warm = Some(WarmStore::at(folder.path()).expect("a store"));
        let end = lab.run().await;
        end.line("OPEN");
        let saved = end
            .fake
            .calls()
            .iter()
            .filter(|call| call.starts_with("save_state"))
            .count();
        assert_eq!(saved, saves, "{macs:?}");
    }
}
