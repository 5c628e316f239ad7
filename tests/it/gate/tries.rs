//! Cells that are tried once more, as their host was lost: which records count then.

use patchgate::gate::{Gate, Severity, decide};
use patchgate::model::event::Event;
use patchgate::model::expected::Expected;
use patchgate::model::id::{Arm, CellId};
use patchgate::model::outcome::{Cause, Stage};
use patchgate::record::durations;
use patchgate::record::journal::Journal;
use patchgate::record::state::State;
use patchgate::report::{json, markdown};
use patchgate::verdict::judge;

use super::goldens::{as_text, with};
use crate::testkit::parts::fault;
use crate::testkit::plans::two_cells;
use crate::testkit::story::{Go, Said, Story, all_pass, of_run, says};

const LOST: &str = "qemu:///system";
const OTHER: &str = "qemu+ssh://lab2/system";

fn lost() -> Said {
    of_run(Event::HostLost {
        uri: LOST.to_owned(),
        reason: "the connection is gone".to_owned(),
    })
}

fn retried(cell: &str) -> Said {
    of_run(Event::CellRetried {
        cell: CellId(cell.to_owned()),
        from: LOST.to_owned(),
        to: OTHER.to_owned(),
    })
}

fn web() -> CellId {
    CellId("web/debian-12".to_owned())
}

/// A cell's arms, as `go` says.
fn tell(story: &mut Story, cell: &str, go: impl Fn(&str, Arm, &str) -> Vec<Go>) {
    let cell = story.plan.cell(&CellId(cell.to_owned())).expect("a cell").clone();
    for arm in Arm::BOTH {
        story.arm_begins(&cell, arm);
        story.scenarios(&cell, arm, &go);
        story.arm_ends(&cell.id, arm);
    }
}

/// The shop passes; the web server regresses and loses its host, and `then` comes before its second try, which passes.
fn second_try(then: impl Fn(&mut Story)) -> Story {
    let mut story = Story::begin(two_cells());
    tell(&mut story, "shop/debian-12", all_pass);
    tell(&mut story, "web/debian-12", |_, arm, _| match arm {
        Arm::Control => vec![Go::Pass],
        Arm::Treatment => vec![Go::FailAt(0)],
    });
    story.fail(
        "web/debian-12",
        Arm::Control,
        fault(Cause::HostLost, Stage::Scenarios),
    );
    then(&mut story);
    story.nth_try = 2;
    tell(&mut story, "web/debian-12", all_pass);
    story.finish();
    story
}

/// The journals of a lab's runs, oldest first, in a state folder.
fn kept(stories: &[&Story]) -> (tempfile::TempDir, State) {
    let folder = tempfile::tempdir().expect("folder");
    let state = State::at(folder.path().to_owned());
    for (number, story) in stories.iter().enumerate() {
        let run = format!("20261123-14091{number}-7c1f").parse().expect("id");
        let run_dir = state.create_run(&run).expect("run folder");
        let mut journal = Journal::create(&run_dir.journal()).expect("create");
        for record in story.records() {
            journal
                .append(record.at, record.arm, record.event)
                .expect("append");
        }
    }
    (folder, state)
}

#[test]
fn arms_are_expected_to_take_what_they_last_did() {
    let web = CellId("web/debian-12".to_owned());
    let shop = CellId("shop/debian-12".to_owned());
    let mut plan = two_cells();
    plan.cells.truncate(1);
    let mut newer = Story::whole(plan, all_pass);
    let end = newer.events.pop();
    newer.stage(&shop, Arm::Control, Stage::Queue, 1_000_000);
    newer.stage(&shop, Arm::Control, Stage::Scenarios, 1_000);
    newer.events.extend(end);
    let both = second_try(|story| story.events.extend([lost(), retried("web/debian-12")]));
    let (folder, state) = kept(&[&both, &newer]);
    let expected = durations::expected(&state, "hq");
    // What queues costs nothing, and of the web server only the second try counts.
    assert_eq!(
        expected.of(&shop, Arm::Control).as_millis(),
        24_000 + 31_000 + 900 + 1_000
    );
    assert_eq!(expected.of(&web, Arm::Control).as_millis(), 24_000 + 31_000 + 900);
    assert_eq!(expected.known(&two_cells()), 2);
    assert_eq!(durations::expected(&state, "elsewhere"), Expected::default());

    // A journal that cannot be read is skipped, and one arm that failed says nothing.
    let run = "20261123-140911-7c1f".parse().expect("id");
    std::fs::write(state.journal(&run), "what?\n").expect("write");
    assert_eq!(
        durations::expected(&state, "hq")
            .of(&shop, Arm::Control)
            .as_millis(),
        24_000 + 31_000 + 900
    );
    drop(folder);
    let failed = second_try(|_| {});
    let (_folder, state) = kept(&[&failed]);
    assert_eq!(durations::expected(&state, "hq").known(&failed.plan), 1);
}

fn gate(story: &Story) -> Gate {
    decide(&story.plan, &judge(&story.plan, &story.records())).gate
}

#[test]
fn only_the_second_try_counts_and_it_is_said() {
    let story = second_try(|story| story.events.extend([lost(), retried("web/debian-12")]));
    let judgement = judge(&story.plan, &story.records());
    let decision = decide(&story.plan, &judgement);
    assert_eq!(decision.gate, Gate::Open, "{:?}", decision.reasons);
    assert!(
        decision
            .reasons
            .iter()
            .all(|reason| reason.severity == Severity::Notes)
    );
    let tried: Vec<bool> = judgement
        .cells
        .iter()
        .map(|cell| cell.retried.is_some())
        .collect();
    assert_eq!(tried, [false, true]);
    insta::assert_snapshot!("text_of_a_second_try", as_text(&story, 110));
    let json = with(&story, json::render).expect("JSON");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["lost_hosts"][0]["uri"], LOST);
    assert_eq!(json["cells"][0].get("retried"), None);
    assert_eq!(
        json["cells"][1]["retried"],
        serde_json::json!({ "from": LOST, "to": OTHER })
    );
    let page = with(&story, markdown::render);
    assert_eq!(page.matches("tried once more on").count(), 1, "{page}");
}

#[test]
fn a_second_try_forgets_nothing_without_its_reason() {
    let cases: [(&str, Vec<Said>); 5] = [
        ("no second try", vec![lost()]),
        ("no lost host", vec![retried("web/debian-12")]),
        ("lost only later", vec![retried("web/debian-12"), lost()]),
        ("another cell's", vec![lost(), retried("shop/debian-12")]),
        (
            "an arm still runs",
            vec![
                says(&web(), Arm::Control, Event::ArmStarted),
                lost(),
                retried("web/debian-12"),
            ],
        ),
    ];
    for (name, events) in cases {
        let story = second_try(|story| story.events.extend(events.clone()));
        assert_ne!(gate(&story), Gate::Open, "{name}");
    }
}

#[test]
fn there_is_no_third_try() {
    for nth_try in [1, 2, 3] {
        let mut story = second_try(|_| {});
        story.events.pop();
        story.events.extend([lost(), retried("web/debian-12")]);
        tell(&mut story, "web/debian-12", |_, _, _| vec![Go::FailAt(0)]);
        story.events.push(retried("web/debian-12"));
        story.nth_try = nth_try;
        tell(&mut story, "web/debian-12", all_pass);
        story.finish();
        assert_ne!(gate(&story), Gate::Open, "{nth_try}");
    }
}

/// A first try that fails with its host, and what follows, up to the end of the run.
fn after_a_loss(then: impl Fn(&mut Story)) -> Story {
    let mut story = second_try(|story| story.events.extend([lost(), retried("web/debian-12")]));
    let second = |(arm, _): &Said| arm.as_ref().is_some_and(|arm| arm.nth_try == 2);
    let begins = story.events.iter().position(second).expect("a second try");
    story.events.truncate(begins);
    then(&mut story);
    story.finish();
    story
}

type Then<'a> = &'a dyn Fn(&mut Story);

#[test]
fn what_an_arm_says_of_another_try_counts_for_nothing_and_keeps_the_gate_from_opening() {
    let pass = |story: &mut Story, nth_try| {
        story.nth_try = nth_try;
        tell(story, "web/debian-12", all_pass);
    };
    let good = after_a_loss(|story| pass(story, 2));
    assert_eq!(gate(&good), Gate::Open, "as it should be");
    let after: [(&str, Then<'_>); 6] = [
        ("the first try goes on", &|story| pass(story, 1)),
        ("the first try, and then the second", &|story| {
            pass(story, 1);
            pass(story, 2);
        }),
        ("the second try, and a last word of the first", &|story| {
            pass(story, 2);
            story.nth_try = 1;
            story.stage(&web(), Arm::Control, Stage::Scenarios, 1);
        }),
        ("a third try instead", &|story| pass(story, 3)),
        ("a third try after the second", &|story| {
            pass(story, 2);
            pass(story, 3);
        }),
        ("a second word of the second try", &|story| {
            pass(story, 2);
            story.events.push(retried("web/debian-12"));
        }),
    ];
    for (name, then) in after {
        let story = after_a_loss(then);
        let (judgement, decision) = story.decided();
        assert_eq!(decision.gate, Gate::Undecided, "{name}");
        assert!(judgement.cells[1].strays > 0, "{name}");
        let told = decision.reasons.iter().any(|reason| {
            reason
                .text
                .starts_with("records of a try that had not begun or was over: ")
        });
        assert!(told, "{name}: {:?}", decision.reasons);
    }
}

#[test]
fn a_second_try_before_its_time_is_none() {
    let early: [(&str, &[Said], &[Said]); 4] = [
        ("without a word", &[], &[]),
        (
            "before the host is lost",
            &[],
            &[lost(), retried("web/debian-12")],
        ),
        ("before it is said", &[lost()], &[retried("web/debian-12")]),
        (
            "said before the host is lost",
            &[retried("web/debian-12")],
            &[lost()],
        ),
    ];
    for (name, before, after) in early {
        let mut story = second_try(|story| story.events.extend(before.to_vec()));
        let end = story.events.len() - 1;
        story.events.splice(end..end, after.to_vec());
        assert_ne!(gate(&story), Gate::Open, "{name}");
        // It is not the failure of the first try that keeps it closed.
        story.events.retain(|(arm, _)| {
            arm.as_ref()
                .is_none_or(|arm| arm.cell != web() || arm.nth_try == 2)
        });
        assert_ne!(gate(&story), Gate::Open, "{name}, without the first try");
    }
}

#[test]
fn a_second_try_that_is_cut_off_shows_nothing() {
    let story = second_try(|story| story.events.extend([lost(), retried("web/debian-12")]));
    let records = story.records();
    let retry = records
        .iter()
        .position(|record| matches!(record.event, Event::CellRetried { .. }));
    let retry = retry.expect("a second try");
    for end in retry..records.len() - 1 {
        let decision = decide(&story.plan, &judge(&story.plan, &records[..=end]));
        assert_eq!(decision.gate, Gate::Undecided, "cut after {end}");
    }
}
