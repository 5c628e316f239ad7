//! Measured steps: what their samples do to verdict, gate and reports.

use patchgate::gate::{Gate, Severity};
use patchgate::model::event::Event;
use patchgate::model::id::{Arm, ArmId};
use patchgate::model::outcome::{Cause, Stage};
use patchgate::model::plan::Plan;
use patchgate::model::scenario::{Measure, When};
use patchgate::report::text::{self, Style};
use patchgate::report::{Summary, json, junit, markdown};
use patchgate::verdict::{ArmOutcome, Verdict};

use crate::testkit::parts::fault;
use crate::testkit::plans::{cell, plan, scenario};
use crate::testkit::story::{Go, Story, all_pass, of_run};

const CONTROL: Arm = Arm::Control;
const TREATMENT: Arm = Arm::Treatment;

/// One cell whose scenario has two steps, the second of them measured, or both.
fn measured(both: bool) -> Plan {
    let mut page = scenario("web/page", &[When::AfterReboot, When::AfterReboot]);
    for (index, step) in page.steps.iter_mut().enumerate() {
        step.measure = (both || index == 1).then_some(Measure {
            repeat: 20,
            warmup: 3,
            statistic: None,
            slower: None,
        });
    }
    plan(vec![cell("web/debian-12", &["web"], &["web/page"])], vec![page])
}

/// So many samples of about so many microseconds.
fn about(us: u64, count: u64) -> Vec<u64> {
    (0..count).map(|n| us + us * (n * 7 % 20) / 100).collect()
}

fn passing(control: &[u64], treatment: &[u64]) -> Story {
    let mut story = Story::whole(measured(false), all_pass);
    story.samples(CONTROL, 1, control, 0);
    story.samples(TREATMENT, 1, treatment, 0);
    story
}

fn judged(story: &Story) -> (Verdict, String, Gate) {
    let (judgement, decision) = story.decided();
    let scenario = &judgement.cells[0].scenarios[0];
    (scenario.verdict, scenario.reason.clone(), decision.gate)
}

#[test]
fn what_whole_sets_of_samples_say() {
    for (treatment, verdict, gate, note) in [
        (about(12_000, 20), Verdict::Pass, Gate::Open, None),
        (about(37_000, 20), Verdict::Regressed, Gate::Closed, None),
        (
            about(4_000, 20),
            Verdict::Pass,
            Gate::Open,
            Some("is faster: p95 3.0 x faster"),
        ),
        (
            [about(12_000, 18), about(90_000, 2)].concat(),
            Verdict::Pass,
            Gate::Open,
            Some("may be slower"),
        ),
    ] {
        let story = passing(&about(12_000, 20), &treatment);
        let (is, reason, decided) = judged(&story);
        assert_eq!((is, decided), (verdict, gate), "{reason}");
        let reasons = story.decided().1.reasons;
        let notes: Vec<_> = reasons
            .iter()
            .filter(|reason| reason.severity == Severity::Notes)
            .collect();
        assert_eq!(notes.len(), usize::from(note.is_some()), "{notes:?}");
        assert!(note.is_none_or(|note| notes[0].text.contains(note)), "{notes:?}");
    }
}

#[test]
fn missing_and_contradicting_samples_are_never_a_pass_and_never_a_regression() {
    let twenty = about(12_000, 20);
    let slow = about(37_000, 20);
    let sets: [&[(Arm, &[u64], u32)]; 7] = [
        &[],
        &[(CONTROL, &twenty, 0)],
        &[(TREATMENT, &slow, 0)],
        &[(CONTROL, &twenty, 0), (TREATMENT, &slow[..19], 0)],
        &[(CONTROL, &twenty, 0), (TREATMENT, &slow, 1)],
        &[
            (CONTROL, &twenty, 0),
            (TREATMENT, &slow, 0),
            (TREATMENT, &twenty, 0),
        ],
        &[(CONTROL, &[], 0), (TREATMENT, &[], 0)],
    ];
    for (number, set) in sets.iter().enumerate() {
        let mut story = Story::whole(measured(false), all_pass);
        for (arm, samples, failed) in *set {
            story.samples(*arm, 1, samples, *failed);
        }
        let (verdict, reason, gate) = judged(&story);
        assert_eq!(
            verdict,
            Verdict::Inconclusive(Cause::NotMeasured),
            "{number}: {reason}"
        );
        assert_eq!(gate, Gate::Undecided, "{number}");
        assert!(
            reason.starts_with("`check 2` on web is measured, and "),
            "{reason}"
        );
    }
}

#[test]
fn the_lab_s_fault_is_the_cause_where_there_is_one() {
    let mut story = Story::whole(measured(false), all_pass);
    let last = story.events.pop().expect("its end");
    story.fail(
        "web/debian-12",
        TREATMENT,
        fault(Cause::AgentLost, Stage::Measure),
    );
    story.events.push(last);
    story.samples(CONTROL, 1, &about(12_000, 20), 0);
    let (verdict, _, gate) = judged(&story);
    assert_eq!(
        (verdict, gate),
        (Verdict::Inconclusive(Cause::AgentLost), Gate::Undecided)
    );

    let mut story = Story::whole(measured(false), all_pass);
    let by = "SIGINT".to_owned();
    story
        .events
        .insert(story.events.len() - 1, of_run(Event::Interrupted { by }));
    assert_eq!(judged(&story).0, Verdict::Inconclusive(Cause::Interrupted));
}

#[test]
fn more_than_a_tenth_of_failed_samples_fails_the_step_in_that_arm() {
    for (control, treatment, verdict, gate) in [
        (2, 2, Verdict::Pass, Gate::Open),
        (0, 3, Verdict::Regressed, Gate::Closed),
        (3, 0, Verdict::Fixed, Gate::Undecided),
        (20, 3, Verdict::AlreadyBroken, Gate::Undecided),
    ] {
        let mut story = Story::whole(measured(false), all_pass);
        for (arm, failed) in [(CONTROL, control), (TREATMENT, treatment)] {
            story.samples(arm, 1, &about(12_000, 20 - u64::from(failed)), failed);
        }
        let (is, reason, decided) = judged(&story);
        assert_eq!((is, decided), (verdict, gate), "{control} {treatment}: {reason}");
    }
    let mut story = passing(&about(12_000, 20), &[]);
    let treatment = Some(ArmId::first(&story.plan.cells[0].id, TREATMENT));
    story
        .events
        .retain(|(arm, event)| *arm != treatment || !matches!(event, Event::Measured { .. }));
    story.samples(TREATMENT, 1, &[], 3);
    let (judgement, _) = story.decided();
    let treatment = &judgement.cells[0].scenarios[0].treatment;
    assert_eq!(treatment.outcome, ArmOutcome::Failed);
    let (index, report) = treatment.failed.as_ref().expect("the step");
    assert_eq!(*index, 1);
    assert_eq!(
        report.failures,
        ["3 of 20 samples failed; the first: status is 500, expected 200"]
    );
}

#[test]
fn failed_samples_are_compared_as_proportions() {
    for (control, treatment, verdict, gate, note) in [
        (0, 20, Verdict::Regressed, Gate::Closed, false),
        (0, 6, Verdict::Regressed, Gate::Closed, false),
        (0, 5, Verdict::Pass, Gate::Open, true),
        (0, 1, Verdict::Pass, Gate::Open, true),
        (12, 14, Verdict::Pass, Gate::Open, true),
        (20, 0, Verdict::Pass, Gate::Open, false),
    ] {
        let mut plan = measured(false);
        let page = plan.scenarios.values_mut().next().expect("the page");
        page.steps[1].measure = page.steps[1].measure.map(|measure| Measure {
            repeat: 200,
            ..measure
        });
        let mut story = Story::whole(plan, all_pass);
        for (arm, failed) in [(CONTROL, control), (TREATMENT, treatment)] {
            story.samples(arm, 1, &about(12_000, 200 - u64::from(failed)), failed);
        }
        let (is, reason, decided) = judged(&story);
        assert_eq!((is, decided), (verdict, gate), "{control} {treatment}: {reason}");
        let reasons = story.decided().1.reasons;
        let told = format!("{treatment} of 200 samples failed, in control {control} of 200");
        assert_eq!(reason.contains(&told), verdict == Verdict::Regressed, "{reason}");
        let notes = reasons.iter().filter(|reason| reason.severity == Severity::Notes);
        assert_eq!(
            notes.filter(|reason| reason.text.contains(&told)).count(),
            usize::from(note),
            "{reasons:?}"
        );
    }
}

#[test]
fn samples_do_not_change_what_the_steps_themselves_say() {
    for (go, verdict) in [
        (vec![Go::FailAt(1), Go::FailAt(1)], Verdict::Regressed),
        (vec![Go::FailAt(0), Go::Pass], Verdict::Flaky),
        (vec![], Verdict::NotRun),
    ] {
        let mut story = Story::whole(measured(false), |_, arm, _| match arm {
            Arm::Control => vec![Go::Pass],
            Arm::Treatment => go.clone(),
        });
        assert_eq!(judged(&story).0, verdict, "without samples");
        story.samples(CONTROL, 1, &about(37_000, 20), 0);
        story.samples(TREATMENT, 1, &about(12_000, 20), 0);
        assert_eq!(judged(&story).0, verdict, "with them");
    }
}

#[test]
fn one_slow_step_is_a_regression_whatever_is_missing_of_another() {
    let mut story = Story::whole(measured(true), all_pass);
    story.samples(CONTROL, 0, &about(12_000, 20), 0);
    story.samples(TREATMENT, 0, &about(37_000, 20), 0);
    assert_eq!(judged(&story).0, Verdict::Regressed);
}

/// A regression, and beside it a step without samples.
fn told() -> Story {
    let mut story = Story::whole(measured(true), all_pass);
    story.samples(CONTROL, 0, &about(12_000, 20), 0);
    story.samples(TREATMENT, 0, &about(37_000, 20), 0);
    story.samples(CONTROL, 1, &about(12_000, 20), 0);
    story.samples(TREATMENT, 1, &about(12_000, 11), 0);
    story
}

fn with<T>(story: &Story, make: impl Fn(&Summary<'_>) -> T) -> T {
    let loaded = story.loaded();
    let (judgement, decision) = story.decided();
    make(&Summary::new(&loaded, &judgement, &decision))
}

#[test]
fn a_slowdown_in_every_format() {
    let style = Style {
        width: 110,
        colour: false,
    };
    insta::assert_snapshot!(
        "slowdown_text",
        with(&told(), |summary| text::render(summary, style))
    );
    insta::assert_snapshot!("slowdown_markdown", with(&told(), markdown::render));
    insta::assert_snapshot!("slowdown_junit", with(&told(), junit::render).expect("XML"));
    let text = with(&told(), json::render).expect("JSON");
    let value: serde_json::Value = serde_json::from_str(&text).expect("valid");
    let scenario = &value["cells"][0]["scenarios"][0];
    assert_eq!(scenario["verdict"], "regressed");
    let steps = &scenario["measured"];
    assert_eq!(steps[0]["compared"]["finding"], "regressed");
    assert_eq!(steps[0]["compared"]["policy"]["slower"], "30%");
    assert!(
        steps[0]["compared"]["lower"]
            .as_f64()
            .is_some_and(|lower| lower > 1.3)
    );
    assert_eq!(steps[1]["problem"], "11 of 20 samples in treatment have a time");
}
