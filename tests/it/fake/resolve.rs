//! Nodes of one image get one update set, which is resolved once.

use patchgate::fake::{Agent, GuestScript};
use patchgate::model::event::Event;
use patchgate::model::id::{Arm, ArmKind, CellId};
use patchgate::model::outcome::Cause;

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
async fn nodes_of_one_image_are_resolved_once_and_get_the_same_set() {
    for jobs in [1, 4] {
        let same = two_cells("s").with_jobs(jobs).run().await;
        assert_eq!(asked(&same, "list the pending updates"), 1, "{jobs} jobs");
        assert_eq!(asked(&same, "read the update sources"), 2);
        assert_eq!(asked(&same, "fetch the update set"), 2);
        let [("database", one), ("web", other)] = sets(&same)[..] else {
            panic!("{:?}", sets(&same));
        };
        assert_eq!(one, other);
        same.line("OPEN");
        same.left_nothing();
    }
    let different = two_cells("t").run().await;
    assert_eq!(asked(&different, "list the pending updates"), 2);
    different.left_nothing();
}

#[tokio::test(start_paused = true)]
async fn where_the_first_fails_the_next_resolves() {
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
}

#[tokio::test(start_paused = true)]
async fn a_node_reads_its_own_lists_even_where_the_set_is_known() {
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
