//! Reports and decisions of the runs that matter, as a reader sees them.

use patchgate::gate::{Decision, Gate};
use patchgate::model::event::Event;
use patchgate::model::id::{Arm, ArmKind};
use patchgate::model::observation::{Class, Moment};
use patchgate::model::outcome::{Cause, Stage};
use patchgate::record::journal::Loaded;
use patchgate::report::text::{self, Style};
use patchgate::report::{Summary, json, junit, markdown};
use patchgate::verdict::Judgement;

use crate::testkit::looks::plant;
use crate::testkit::parts::fault;
use crate::testkit::plans::two_cells;
use crate::testkit::story::{Go, Story, all_pass, of_run};

pub fn with<T>(story: &Story, make: impl Fn(&Summary<'_>) -> T) -> T {
    let loaded: Loaded = story.loaded();
    let (judgement, decision): (Judgement, Decision) = story.decided();
    make(&Summary::new(&loaded, &judgement, &decision))
}

pub fn as_text(story: &Story, width: usize) -> String {
    let style = Style { width, colour: false };
    with(story, |summary| text::render(summary, style))
}

fn gate_of(story: &Story) -> String {
    let style = Style {
        width: 110,
        colour: false,
    };
    with(story, |summary| text::render_gate(summary, style))
}

pub fn regressed() -> Story {
    let mut story = Story::whole(two_cells(), |cell, arm, name| match (cell, arm, name) {
        ("shop/debian-12", Arm::Treatment, "web/page") => vec![Go::FailAt(1), Go::FailAt(1)],
        _ => vec![Go::Pass],
    });
    story.break_nginx("shop/debian-12", "web");
    story
}

fn ends_before_scenarios(cause: Cause, stage: Stage) -> Story {
    let mut story = Story::begin(two_cells());
    for cell in story.plan.cells.clone() {
        for arm in Arm::BOTH {
            if arm == Arm::Treatment && cell.id.0 == "web/debian-12" {
                let failed = fault(cause, stage);
                story.say(&cell.id, arm, Event::ArmStarted);
                story.fail(&cell.id.0, arm, failed);
            } else {
                story.arm_begins(&cell, arm);
                story.scenarios(&cell, arm, &all_pass);
            }
            story.arm_ends(&cell.id, arm);
        }
    }
    story.finish();
    story
}

fn interrupted() -> Story {
    let mut story = Story::begin(two_cells());
    let cell = story.plan.cells[0].clone();
    story.arm_begins(&cell, Arm::Control);
    story.scenarios(&cell, Arm::Control, &all_pass);
    story.events.push(of_run(Event::Interrupted {
        by: "SIGINT".to_owned(),
    }));
    story.events.push(of_run(Event::Finished {
        left_behind: vec!["domain pg-7c1f-web on qemu:///system".to_owned()],
    }));
    story
}

fn died() -> Story {
    let mut story = Story::whole(two_cells(), all_pass);
    story.events.truncate(story.events.len() / 2);
    story
}

#[test]
fn decisions() {
    let both = |go: &'static [Go]| move |_: &str, _: Arm, _: &str| go.to_vec();
    let flaky = |_: &str, arm: Arm, _: &str| match arm {
        Arm::Control => vec![Go::Pass],
        Arm::Treatment => vec![Go::FailAt(1), Go::Pass],
    };
    let stories = [
        ("open", Story::whole(two_cells(), all_pass)),
        ("regressed", regressed()),
        (
            "already broken",
            Story::whole(two_cells(), both(&[Go::FailAt(1), Go::FailAt(1)])),
        ),
        ("flaky", Story::whole(two_cells(), flaky)),
        (
            "agent silent",
            ends_before_scenarios(Cause::AgentSilent, Stage::Boot),
        ),
        (
            "does not come back",
            ends_before_scenarios(Cause::RebootTimeout, Stage::Reboot),
        ),
        (
            "update failed",
            ends_before_scenarios(Cause::UpdateFailed, Stage::Apply),
        ),
        ("interrupted", interrupted()),
        ("died", died()),
    ];
    let all: Vec<String> = stories
        .iter()
        .map(|(name, story)| format!("## {name}\n{}", gate_of(story)))
        .collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn text_of_a_regression_side_by_side() {
    insta::assert_snapshot!(as_text(&regressed(), 110));
}

#[test]
fn text_of_a_regression_on_a_narrow_terminal() {
    insta::assert_snapshot!(as_text(&regressed(), 72));
}

#[test]
fn text_of_an_open_gate() {
    insta::assert_snapshot!(as_text(&Story::whole(two_cells(), all_pass), 110));
}

#[test]
fn text_of_a_failed_update() {
    insta::assert_snapshot!(as_text(
        &ends_before_scenarios(Cause::UpdateFailed, Stage::Apply),
        110
    ));
}

#[test]
fn markdown_of_a_regression() {
    insta::assert_snapshot!(with(&regressed(), markdown::render));
}

#[test]
fn junit_of_a_regression() {
    insta::assert_snapshot!(with(&regressed(), junit::render).expect("XML"));
}

#[test]
fn json_of_a_regression() {
    let text = with(&regressed(), json::render).expect("JSON");
    let value: serde_json::Value = serde_json::from_str(&text).expect("valid");
    assert_eq!(value["gate"], "closed");
    // The scenario, and the node under it.
    assert_eq!(value["counts"]["regressed"], 2);
    let scenario = &value["cells"][0]["scenarios"][1];
    assert_eq!(scenario["verdict"], "regressed");
    assert_eq!(scenario["control"]["outcome"], "passed");
    assert_eq!(scenario["treatment"]["failed"]["name"], "check 2");
    assert_eq!(scenario["treatment"]["failed"]["report"]["exit"], 3);
    assert_eq!(
        value["cells"][0]["nodes"][1]["set"]["updates"][1]["to"],
        "1.22.1-9+deb12u2"
    );
    assert_eq!(
        value["cells"][0]["nodes"][1]["differences"][0],
        "service nginx.service failed (running in control)"
    );
    let drift = &value["cells"][0]["nodes"][1]["drift"];
    assert_eq!(drift["state"], "failed");
    assert_eq!(
        drift["findings"][1],
        serde_json::json!({
            "effect": "fail", "class": "listening", "item": "tcp 0.0.0.0:80", "change": "gone", "from": "nginx"
        })
    );
}

#[test]
fn ci_is_green_exactly_where_the_gate_is_open() {
    for story in [
        Story::whole(two_cells(), all_pass),
        regressed(),
        ends_before_scenarios(Cause::AgentSilent, Stage::Boot),
        ends_before_scenarios(Cause::SetNotInstalled, Stage::Prove),
        interrupted(),
        died(),
    ] {
        let xml = with(&story, junit::render).expect("XML");
        let document = roxmltree::Document::parse(&xml).expect("valid XML");
        let red = document
            .descendants()
            .any(|node| node.has_tag_name("failure") || node.has_tag_name("error"));
        assert_eq!(red, story.decided().1.gate != Gate::Open, "{xml}");
    }
    let mut plan = two_cells();
    plan.cells[0].required = false;
    let optional = Story::whole(plan, |cell, arm, _| match (cell, arm) {
        ("shop/debian-12", Arm::Treatment) => vec![Go::FailAt(1), Go::FailAt(1)],
        _ => vec![Go::Pass],
    });
    let xml = with(&optional, junit::render).expect("XML");
    assert!(
        xml.contains("<skipped") && !xml.contains("<failure") && !xml.contains("<error"),
        "{xml}"
    );
}

#[test]
fn the_last_line_is_the_decision() {
    for (story, line) in [
        (
            regressed(),
            "gate: CLOSED run=20261123-140912-7c1f cells=1/2 regressed=2 inconclusive=0",
        ),
        (
            ends_before_scenarios(Cause::AgentSilent, Stage::Boot),
            "gate: UNDECIDED run=20261123-140912-7c1f cells=1/2 regressed=0 inconclusive=1",
        ),
        (
            Story::whole(two_cells(), all_pass),
            "gate: OPEN run=20261123-140912-7c1f cells=2/2 regressed=0 inconclusive=0",
        ),
    ] {
        assert_eq!(as_text(&story, 110).lines().last(), Some(line));
        assert_eq!(gate_of(&story).lines().last(), Some(line));
    }
}

/// A guest that says everything it should not.
fn hostile() -> Story {
    let mut story = regressed();
    let evil =
        "\u{1b}[2J\u{9b}31m|</td><script>alert(1)</script>\u{202e}```\n```\n# gate: OPEN ]]>\u{0}\u{fffe}";
    for (arm, event) in &mut story.events {
        let updated = arm.as_ref().is_some_and(|arm| arm.kind == ArmKind::Treatment);
        match event {
            Event::StepFinished { report, .. } => {
                report.stdout = evil.repeat(500);
                report.stderr = evil.into();
                report.did = evil.into();
                report.failures = vec![evil.to_owned()];
            }
            Event::Observed {
                observation,
                moment: Moment::AfterReboot,
                ..
            } if updated => {
                plant(observation, Class::Service, evil, "failed");
                plant(observation, Class::Package, evil, evil);
            }
            Event::Resolved { set, .. } => {
                set.updates[0].origin = evil.into();
                *set = patchgate::model::update::UpdateSet::pin(set.updates.clone());
            }
            Event::RebootNeeded { reason, .. } => *reason = Some(evil.to_owned()),
            Event::Proved { proof, .. } => proof.missing.push(evil.to_owned()),
            _ => {}
        }
    }
    let mut failed = fault(Cause::AgentLost, Stage::Scenarios);
    (failed.message, failed.detail, failed.hint) = (evil.to_owned(), evil.to_owned(), Some(evil.to_owned()));
    failed.role = Some(evil.to_owned());
    story.fail("web/debian-12", Arm::Treatment, failed);
    let last = story.events.len() - 1;
    story.events.swap(last - 1, last);
    story
}

#[test]
fn what_a_guest_says_cannot_steer_a_terminal_or_a_page() {
    let story = hostile();
    for width in [72, 110] {
        let text = as_text(&story, width);
        let bad = text
            .chars()
            .find(|&c| (c.is_control() && c != '\n') || c == '\u{202e}');
        assert_eq!(bad, None);
        assert!(text.len() < 100_000, "bounded: {}", text.len());
        assert!(!text.lines().any(|line| line.starts_with("# gate")), "{text}");
    }
    let page = with(&story, markdown::render);
    assert!(
        !page
            .chars()
            .any(|c| (c.is_control() && c != '\n') || c == '\u{202e}')
    );
    let mut fence: Option<usize> = None;
    for line in page.lines() {
        let ticks = line.chars().take_while(|&c| c == '`').count();
        match fence {
            Some(open) if line == "`".repeat(open) => fence = None,
            Some(_) => {}
            None if ticks >= 3 => fence = Some(ticks),
            None => {
                assert!(!line.contains("<script"), "{line}");
                assert!(!line.starts_with("# gate"), "{line}");
            }
        }
    }
    assert_eq!(fence, None, "every block is closed");
    let xml = with(&story, junit::render).expect("XML");
    roxmltree::Document::parse(&xml).expect("valid XML whatever the guest says");
    let json = with(&story, json::render).expect("JSON");
    serde_json::from_str::<serde_json::Value>(&json).expect("valid JSON");
}

#[test]
fn colour_only_where_it_is_asked_for() {
    let style = Style {
        width: 110,
        colour: true,
    };
    let coloured = with(&regressed(), |summary| text::render(summary, style));
    assert!(
        coloured.contains("\u{1b}[1;31mGATE CLOSED\u{1b}[0m"),
        "{coloured}"
    );
    assert!(!as_text(&regressed(), 110).contains('\u{1b}'));
}
