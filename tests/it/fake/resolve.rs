//! Every node says itself what is pending on it, before a department has touched it; nodes of one image agree.

use patchgate::fake::{Agent, GuestScript};
use patchgate::model::event::Event;
use patchgate::model::id::{Arm, ArmKind, CellId};
use patchgate::model::outcome::Cause;
use patchgate::model::scenario::{Action, When};
use patchgate::model::update::Update;

use crate::testkit::lab::{End, Lab};

/// Two cells of one node each; the second is of role `database`, and of that image.
fn two_cells(sha256: &str) -> Lab {
    let mut lab = Lab::default();
    lab.fake.script("database", GuestScript::default());
    let mut other = lab.plan.cells[0].clone();
    other.id = CellId::new("db", "debian-12");
    other.nodes[0].role = "database".into();
    other.nodes[0].image.sha256 = Some(sha256.to_owned());
    // The scenario is the web server's.
    other.scenarios.clear();
    other.required = false;
    lab.plan.cells.push(other);
    lab
}

fn asked(end: &End, command: &str) -> usize {
    let asked = end.fake.asked();
    asked.iter().filter(|(_, what)| what == command).count()
}

/// The digests of the sets, by the role of the node.
fn sets(end: &End) -> Vec<(&str, &str)> {
    let records = end.journal.records.iter();
    let mut sets: Vec<_> = records
        .filter_map(|record| match &record.event {
            Event::Resolved { role, set, .. } => Some((role.as_str(), set.digest.as_str())),
            _ => None,
        })
        .collect();
    sets.sort_unstable();
    sets
}

#[tokio::test(start_paused = true)]
async fn every_node_resolves_for_itself_and_nodes_of_one_image_agree() {
    for jobs in [1, 4] {
        let same = two_cells("s").with_jobs(jobs).run().await;
        // Once to pin, and once more when the set is in.
        assert_eq!(asked(&same, "list the pending updates"), 4, "{jobs} jobs");
        assert_eq!(asked(&same, "read the update sources"), 2);
        assert_eq!(asked(&same, "fetch the update set"), 2);
        let [("database", one), ("web", other)] = sets(&same)[..] else {
            panic!("{:?}", sets(&same));
        };
        assert_eq!(one, other);
        same.line("OPEN");
        same.left_nothing();
    }
}

fn pending(name: &str) -> Update {
    Update {
        name: name.to_owned(),
        from: Some("1".to_owned()),
        to: Some("2".to_owned()),
        ..GuestScript::default().pending.remove(0)
    }
}

fn with_pending(names: &[&str]) -> GuestScript {
    GuestScript {
        packages: names
            .iter()
            .map(|name| (format!("{name}:amd64"), "1".to_owned()))
            .collect(),
        pending: names.iter().map(|name| pending(name)).collect(),
        ..GuestScript::default()
    }
}

/// The names in each node's set, by its cell.
fn names(end: &End) -> Vec<(String, Vec<String>)> {
    let records = end.journal.records.iter();
    let mut names: Vec<_> = records
        .filter_map(|record| match &record.event {
            Event::Resolved { set, .. } => Some((
                record.cell()?.to_string(),
                set.updates.iter().map(|update| update.name.clone()).collect(),
            )),
            _ => None,
        })
        .collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn a_department_that_holds_a_package_takes_no_update_away_from_another() {
    let mut lab = two_cells("s").with_jobs(1);
    for role in ["web", "database"] {
        lab.fake.script(role, with_pending(&["nginx", "openssl"]));
    }
    let mut hold = lab.scenario().steps[0].clone();
    hold.when = When::BeforeUpdates;
    hold.name = "an order is written".into();
    if let Action::Run(run) = &mut hold.action {
        run.command = "apt-mark hold openssl".into();
    }
    lab.scenario().steps.insert(0, hold);
    let end = lab.run().await;
    let both = vec!["nginx".to_owned(), "openssl".to_owned()];
    assert_eq!(
        names(&end),
        [
            ("db/debian-12".to_owned(), both.clone()),
            ("web/debian-12".to_owned(), both)
        ]
    );
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn clones_of_one_image_that_differ_are_a_fault() {
    let lab = two_cells("s").with_jobs(1);
    lab.fake.script("web", with_pending(&["nginx", "openssl"]));
    lab.fake.script("database", with_pending(&["nginx", "zlib1g"]));
    let end = lab.run().await;
    assert_eq!(end.faults(), [(Arm::Treatment, Cause::ResolveFailed)]);
    let reason = end.reasons().concat();
    for words in [
        "on web of web/debian-12 treatment, a clone of the same image",
        "more: zlib1g 2; less: openssl 2",
    ] {
        assert!(reason.contains(words), "{reason}");
    }
    end.left_nothing();
    let other = two_cells("t").with_jobs(1);
    other.fake.script("database", with_pending(&["zlib1g"]));
    let end = other.run().await;
    assert_eq!(end.faults(), []);
    end.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn what_fails_on_one_node_is_its_own_cells_alone() {
    for jobs in [1, 4] {
        let lab = two_cells("s").with_jobs(jobs);
        lab.script(GuestScript {
            agent: Agent::DiesAt("list the pending updates"),
            agent_in: Some(ArmKind::Treatment),
            ..GuestScript::default()
        });
        let end = lab.run().await;
        assert_eq!(end.faults(), [(Arm::Treatment, Cause::AgentLost)], "{jobs} jobs");
        let resolved = sets(&end);
        assert_eq!(resolved.len(), 1);
        assert_eq!(resolved[0].0, "database");
        end.left_nothing();
    }
    let lab = two_cells("s").with_jobs(1);
    lab.fake.script(
        "database",
        GuestScript {
            mirror: false,
            ..GuestScript::default()
        },
    );
    let end = lab.run().await;
    assert_eq!(end.faults(), [(Arm::Treatment, Cause::MirrorUnreachable)]);
    assert_eq!(sets(&end).len(), 1);
    end.left_nothing();
}
