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
use super::story::{Go, Story, all_pass, fault, two_cells};

const LOST: &str = "qemu:///system";
const OTHER: &str = "qemu+ssh://lab2/system";

fn lost() -> Event {
    Event::HostLost {
        uri: LOST.to_owned(),
        reason: "the connection is gone".to_owned(),
    }
}

fn retried(cell: &str) -> Event {
    Event::CellRetried {
        cell: CellId(cell.to_owned()),
        from: LOST.to_owned(),
        to: OTHER.to_owned(),
    }
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
            journal.append(record.at, record.event).expect("append");
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
    newer.stage(&shop, Arm::Control, Stage::Queue, 1_000_000);
    newer.stage(&shop, Arm::Control, Stage::Scenarios, 1_000);
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
    let cases: [(&str, Vec<Event>); 5] = [
        ("no second try", vec![lost()]),
        ("no lost host", vec![retried("web/debian-12")]),
        ("lost only later", vec![retried("web/debian-12"), lost()]),
        ("another cell's", vec![lost(), retried("shop/debian-12")]),
        (
            "an arm still runs",
            vec![
                Event::ArmStarted {
                    cell: CellId("web/debian-12".to_owned()),
                    arm: Arm::Control,
                },
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
    let mut story = second_try(|_| {});
    story.events.pop();
    story.events.extend([lost(), retried("web/debian-12")]);
    tell(&mut story, "web/debian-12", |_, _, _| vec![Go::FailAt(0)]);
    story.events.push(retried("web/debian-12"));
    tell(&mut story, "web/debian-12", all_pass);
    story.finish();
    assert_ne!(gate(&story), Gate::Open);
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
