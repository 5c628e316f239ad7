//! What the engine makes of updates that come back, of sources that change under it, and of what updates are for.

use patchgate::fake::{Apply, GuestScript};
use patchgate::model::event::Event;
use patchgate::model::id::Arm;
use patchgate::model::outcome::Cause;

use crate::testkit::lab::{End, Lab};

async fn run(script: GuestScript) -> End {
    let lab = Lab::default();
    lab.script(script);
    lab.run().await
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_pending_again_once_it_is_in_closes_the_gate_by_its_name() {
    let end = run(GuestScript {
        apply: Apply::ComesBack,
        ..GuestScript::default()
    })
    .await;
    end.line("CLOSED");
    let faults = end.faults();
    assert!(
        faults.contains(&(Arm::Treatment, Cause::SetNotInstalled)),
        "{faults:?}"
    );
    let reasons = end.reasons();
    let named = reasons
        .iter()
        .any(|reason| reason.contains("pending again: nginx"));
    assert!(named, "{reasons:?}");
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_package_that_is_withdrawn_before_it_is_fetched_is_named_and_nothing_is_decided() {
    let end = run(GuestScript {
        withdrawn: true,
        ..GuestScript::default()
    })
    .await;
    end.line("UNDECIDED");
    assert_eq!(end.faults(), [(Arm::Treatment, Cause::SourcesChanged)]);
    let told = end.journal.records.iter().any(|record| match &record.event {
        Event::ArmFailed { fault } => {
            fault.message.contains("nginx") && fault.message.contains("was withdrawn")
        }
        _ => false,
    });
    assert!(told, "{:?}", end.reasons());
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn what_a_set_is_for_is_told_and_decides_nothing() {
    const CHANGELOG: &str = "Source nginx nginx\n| nginx (1.22.1-9+deb12u1) bookworm-security; urgency=medium\n|   * CVE-2099-12345: a hole\n";
    for (advisories, is_read) in [(CHANGELOG, true), ("dpkg-deb: no such file\n", false)] {
        let end = run(GuestScript {
            advisories,
            ..GuestScript::default()
        })
        .await;
        end.line("OPEN");
        let node = &end.judgement.cells[0].nodes[0];
        assert_eq!(
            node.advisories.iter().any(|one| one.cves == ["CVE-2099-12345"]),
            is_read
        );
        assert_eq!(node.advisories_unread.is_none(), is_read);
        end.left_nothing();
    }
}
