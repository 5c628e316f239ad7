//! What is pending and not in a set is named and counted, and undecides the gate where the lab file says so.

use patchgate::fake::{Apply, GuestScript};
use patchgate::model::event::Event;
use patchgate::model::id::Arm;
use patchgate::model::outcome::Cause;
use patchgate::model::policy::{KeptBack, UpdateMode};
use patchgate::model::update::Update;

use crate::testkit::lab::{End, Lab};

const HELD: &str = "The following packages have been kept back:\n  house-rules\nHold house-rules\n";

fn other(origin: &str) -> Update {
    Update {
        name: "bash".into(),
        from: Some("5.2-1".into()),
        to: Some("5.2-2".into()),
        origin: origin.into(),
        ..GuestScript::default().pending.remove(0)
    }
}

fn says(end: &End, words: &str) {
    let reasons = end.reasons();
    assert!(
        reasons.iter().any(|reason| reason.contains(words)),
        "{words} in {reasons:?}"
    );
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_held_package_is_named_and_undecides_where_the_lab_file_says_so() {
    for (kept_back, gate) in [(KeptBack::Note, "OPEN"), (KeptBack::Undecide, "UNDECIDED")] {
        let mut lab = Lab::default();
        lab.plan.updates.kept_back = kept_back;
        lab.script(GuestScript {
            kept: HELD,
            ..GuestScript::default()
        });
        let end = lab.run().await;
        end.line(gate);
        says(&end, "not rehearsed: 1: house-rules (on hold in the guest)");
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_guest_of_its_kind_could_have_is_named_and_undecides_nothing() {
    const SNAP: &str = "Snap core22 1122\nGet more security updates through Ubuntu Pro with 'esm-apps' enabled:\n  imagemagick\n";
    const PHASED: &str = "The following packages have been kept back:\n  snapd\nPhased snapd 2.63\n";
    for (kept, gate, words) in [
        (
            SNAP,
            "OPEN",
            "not rehearsed: 2: imagemagick (for subscribers alone), snap core22 revision 1122 (not pinned)",
        ),
        (
            PHASED,
            "UNDECIDED",
            "not rehearsed: 1: snapd 2.63 (phased, and not this machine's turn yet)",
        ),
    ] {
        let mut lab = Lab::default();
        lab.plan.updates.kept_back = KeptBack::Undecide;
        lab.script(GuestScript {
            kept,
            ..GuestScript::default()
        });
        let end = lab.run().await;
        end.line(gate);
        says(&end, words);
    }
}

#[tokio::test(start_paused = true)]
async fn the_lab_file_says_which_origins_are_of_security() {
    for (origins, words) in [
        (
            &["Shop*:jammy"][..],
            "not rehearsed: 1: nginx 1.22.1-9+deb12u1 (not of the security archive)",
        ),
        (
            &["Debian-Security"],
            "not rehearsed: 1: bash 5.2-2 (not of the security archive)",
        ),
    ] {
        let mut lab = Lab::default();
        lab.plan.updates.security_origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        let mut script = GuestScript::default();
        script.pending.push(other("Shop, tools (8.1):jammy"));
        lab.script(script);
        let end = lab.run().await;
        end.line("OPEN");
        says(&end, words);
    }
}

#[tokio::test(start_paused = true)]
async fn where_all_is_held_the_fault_names_the_hold() {
    let lab = Lab::default();
    lab.script(GuestScript {
        pending: Vec::new(),
        kept: HELD,
        ..GuestScript::default()
    });
    let end = lab.run().await;
    assert_eq!(end.faults(), [(Arm::Treatment, Cause::NoUpdates)]);
    says(&end, "house-rules (on hold in the guest)");
}

#[tokio::test(start_paused = true)]
async fn what_the_policy_leaves_out_is_counted() {
    let lab = Lab::default();
    let mut script = GuestScript::default();
    script.pending.push(other("Debian:12.15/oldstable"));
    lab.script(script);
    let end = lab.run().await;
    end.line("OPEN");
    says(&end, "not rehearsed: 1: bash 5.2-2 (not of the security archive)");
}

#[tokio::test(start_paused = true)]
async fn a_fix_that_a_point_release_has_superseded_is_in_the_set() {
    let lab = Lab::default();
    let mut script = GuestScript::default();
    script.pending.push(other("Debian:12.15/oldstable"));
    script.versions = "Package files:\n 500 http://deb.debian.org/debian bookworm/main amd64 Packages\n     \
                       release v=12.15,o=Debian,a=oldstable,n=bookworm,l=Debian,c=main,b=amd64\n \
                       500 http://security.debian.org bookworm-security/main amd64 Packages\n     \
                       release v=12,o=Debian,a=oldstable-security,n=bookworm-security,l=Debian-Security,c=main\n\
                       bash:\n  Installed: 5.2-1\n  Candidate: 5.2-2\n  Version table:\n     5.2-2 500\n        \
                       500 http://deb.debian.org/debian bookworm/main amd64 Packages\n     5.2-1+deb12u1 500\n        \
                       500 http://security.debian.org bookworm-security/main amd64 Packages\n *** 5.2-1 100\n";
    lab.script(script);
    let end = lab.run().await;
    end.line("OPEN");
    assert!(
        !end.reasons().concat().contains("not rehearsed"),
        "{:?}",
        end.reasons()
    );
    let pinned = end.journal.records.iter().find_map(|record| match &record.event {
        Event::Resolved { set, .. } => Some(set.updates.len()),
        _ => None,
    });
    assert_eq!(pinned, Some(2));
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_listed_name_that_is_pending_nowhere_undecides() {
    for (listed, gate) in [("nginx", "OPEN"), ("ngnix", "UNDECIDED")] {
        let mut lab = Lab::default();
        lab.plan.updates.mode = UpdateMode::Listed;
        lab.plan.updates.listed = vec![listed.to_owned(), "nginx".to_owned()];
        let end = lab.run().await;
        end.line(gate);
        if gate == "UNDECIDED" {
            says(&end, "listed, and pending on no node: ngnix");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_of_the_guests_own_apt_is_named_and_not_blamed_on_the_updates() {
    let lab = Lab::default();
    lab.script(GuestScript {
        apply: Apply::HookFails,
        ..GuestScript::default()
    });
    let end = lab.run().await;
    end.line("UNDECIDED");
    assert_eq!(end.faults(), [(Arm::Treatment, Cause::GuestHook)]);
    says(&end, "DPkg::Post-Invoke 'curl http://cmdb.example/'");
}
