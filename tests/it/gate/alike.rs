//! What two pairs of arms show is the same but for chance, and what differs by itself is never confirmed.

use patchgate::gate::Gate;
use patchgate::model::event::{Event, StepReport};
use patchgate::model::id::Arm;
use patchgate::model::observation::{Class, Moment, Reading};
use patchgate::model::outcome::StepOutcome;
use patchgate::model::plan::Plan;
use patchgate::model::policy::Confirm;
use patchgate::model::results::{SubOutcome, SubResult};
use patchgate::model::scenario::When;
use patchgate::verdict::Verdict;

use crate::testkit::plans::{cell, cell_id, plan, scenario};
use crate::testkit::story::{Go, Story, all_pass, of_run};

const WEB: &str = "web/debian-12";

fn one_cell() -> Plan {
    let page = scenario("web/page", &[When::AfterReboot]);
    let mut plan = plan(vec![cell(WEB, &["web"], &["web/page"])], vec![page]);
    plan.confirm = Confirm { again: 1, pairs: 1 };
    plan
}

/// Two pairs of arms, each changed after it is told.
fn two_pairs(go: impl Fn(&str, Arm, &str) -> Vec<Go>, change: impl Fn(u32, Arm, &mut Event)) -> Story {
    let mut story = Story::begin(one_cell());
    let cell = story.plan.cells[0].clone();
    for nth in 1..=2 {
        if nth > 1 {
            story.events.push(of_run(Event::CellConfirming {
                cell: cell_id(WEB),
                why: vec!["it was seen".to_owned()],
            }));
        }
        story.nth_try = nth;
        let from = story.events.len();
        for arm in Arm::BOTH {
            story.arm_begins(&cell, arm);
            story.scenarios(&cell, arm, &go);
            story.arm_ends(&cell.id, arm);
        }
        for (arm, event) in &mut story.events[from..] {
            if let Some((_, arm)) = arm.as_ref().and_then(|arm| arm.side()) {
                change(nth, arm, event);
            }
        }
    }
    story.finish();
    story
}

#[test]
fn a_new_socket_on_a_port_of_chance_is_the_same_in_another_pair() {
    let cases: [([(&str, &str); 2], Gate); 4] = [
        (
            [("tcp 0.0.0.0:31001", "newd"), ("tcp 0.0.0.0:31777", "newd")],
            Gate::Closed,
        ),
        (
            [("tcp 0.0.0.0:31001", "newd"), ("tcp 0.0.0.0:31001", "newd")],
            Gate::Closed,
        ),
        (
            [("tcp 0.0.0.0:31001", "newd"), ("tcp 0.0.0.0:31777", "oldd")],
            Gate::Undecided,
        ),
        (
            [("tcp 0.0.0.0:31001", "newd"), ("tcp 127.0.0.1:31777", "newd")],
            Gate::Undecided,
        ),
    ];
    for (sockets, gate) in cases {
        let story = two_pairs(all_pass, |nth, arm, event| {
            if let (
                Arm::Treatment,
                Event::Observed {
                    moment: Moment::AfterReboot,
                    observation,
                    ..
                },
            ) = (arm, event)
                && let Some(Reading::Items(items)) = observation.readings.get_mut(&Class::Listening)
            {
                let (socket, program) = sockets[usize::from(nth > 1)];
                items.insert(socket.to_owned(), program.to_owned());
            }
        });
        let (_, decision) = story.decided();
        assert_eq!(decision.gate, gate, "{sockets:?}: {:?}", decision.reasons);
    }
}

#[test]
fn another_number_in_a_name_is_the_same_in_another_pair() {
    for (names, gate) in [
        (["/var/crash/nginx.401", "/var/crash/nginx.777"], Gate::Closed),
        (["/var/crash/nginx.401", "/var/crash/cron.777"], Gate::Undecided),
    ] {
        let story = two_pairs(all_pass, |nth, arm, event| {
            if let (
                Arm::Treatment,
                Event::Observed {
                    moment: Moment::AfterReboot,
                    observation,
                    ..
                },
            ) = (arm, event)
                && let Some(Reading::Items(items)) = observation.readings.get_mut(&Class::Dump)
            {
                items.insert(names[usize::from(nth > 1)].to_owned(), String::new());
            }
        });
        let (_, decision) = story.decided();
        assert_eq!(decision.gate, gate, "{names:?}: {:?}", decision.reasons);
    }
}

fn report_of(event: &mut Event) -> Option<&mut StepReport> {
    match event {
        Event::StepFinished { report, .. } => Some(report),
        _ => None,
    }
}

fn test(name: &str, outcome: SubOutcome) -> SubResult {
    SubResult {
        name: name.to_owned(),
        outcome,
        message: String::new(),
    }
}

fn both_fail(_: &str, _: Arm, _: &str) -> Vec<Go> {
    vec![Go::FailAt(0), Go::FailAt(0)]
}

#[test]
fn a_failure_that_varies_by_itself_is_never_confirmed() {
    // What control and treatment say, in each pair.
    let cases: [(&str, [[&str; 2]; 2], Gate, Verdict); 6] = [
        (
            "a set in any order",
            [
                ["missing a, b, c", "missing c, a, b"],
                ["missing b, c, a", "missing a, c, b"],
            ],
            Gate::Undecided,
            Verdict::AlreadyBroken,
        ),
        (
            "another each time",
            [["no route", "no answer"], ["no answer", "no host"]],
            Gate::Undecided,
            Verdict::Sporadic,
        ),
        (
            "another in control each time",
            [["no route", "no host"], ["no answer", "no host"]],
            Gate::Undecided,
            Verdict::Sporadic,
        ),
        (
            "another in treatment each time",
            [["no route", "no answer"], ["no route", "no host"]],
            Gate::Undecided,
            Verdict::Sporadic,
        ),
        (
            "the same with them",
            [["no route", "no host"], ["no route", "no host"]],
            Gate::Closed,
            Verdict::Regressed,
        ),
        (
            "the same with and without them",
            [["no route", "no route"], ["no route", "no route"]],
            Gate::Undecided,
            Verdict::AlreadyBroken,
        ),
    ];
    for (name, says, gate, verdict) in cases {
        let story = two_pairs(both_fail, |nth, arm, event| {
            let says = says[usize::from(nth > 1)][usize::from(arm == Arm::Treatment)];
            if let Some(report) = report_of(event) {
                report.failures = vec![says.to_owned()];
            }
        });
        let (judgement, decision) = story.decided();
        assert_eq!(decision.gate, gate, "{name}: {:?}", decision.reasons);
        assert_eq!(judgement.cells[0].scenarios[0].verdict, verdict, "{name}");
    }
}

#[test]
fn a_test_that_fails_in_turns_is_never_confirmed() {
    let names = ["alpha", "beta", "gamma", "delta"];
    for (fail, gate) in [
        ([["alpha", "beta"], ["beta", "gamma"]], Gate::Undecided),
        ([["alpha", "gamma"], ["beta", "gamma"]], Gate::Undecided),
        ([["alpha", "beta"], ["alpha", "gamma"]], Gate::Undecided),
        ([["alpha", "beta"], ["alpha", "beta"]], Gate::Closed),
    ] {
        let story = two_pairs(both_fail, |nth, arm, event| {
            let bad = fail[usize::from(nth > 1)][usize::from(arm == Arm::Treatment)];
            if let Some(report) = report_of(event) {
                let how = |name| {
                    if name == bad {
                        SubOutcome::Failed
                    } else {
                        SubOutcome::Passed
                    }
                };
                report.results = names.iter().map(|&name| test(name, how(name))).collect();
                report.failures = vec![format!("test `{bad}` failed")];
            }
        });
        let (_, decision) = story.decided();
        assert_eq!(decision.gate, gate, "{fail:?}: {:?}", decision.reasons);
    }
}

/// Results of control and treatment in each pair.
type Pairs = [[Vec<SubResult>; 2]; 2];

#[test]
fn tests_that_are_skipped_or_gone_only_with_the_updates_close_the_gate() {
    let passed = |count: usize| -> Vec<SubResult> {
        (0..count)
            .map(|n| test(&format!("t{n}"), SubOutcome::Passed))
            .collect()
    };
    let skipped = || -> Vec<SubResult> {
        let how = |n| {
            if n == 0 {
                SubOutcome::Passed
            } else {
                SubOutcome::Skipped
            }
        };
        (0..12).map(|n| test(&format!("t{n}"), how(n))).collect()
    };
    // Control's and treatment's results in each pair.
    let cases: [(&str, Pairs, Gate); 6] = [
        (
            "skipped",
            [[passed(12), skipped()], [passed(12), skipped()]],
            Gate::Closed,
        ),
        (
            "gone",
            [[passed(50), passed(1)], [passed(50), passed(1)]],
            Gate::Closed,
        ),
        (
            "skipped in both arms",
            [[skipped(), skipped()], [skipped(), skipped()]],
            Gate::Undecided,
        ),
        (
            "gone once",
            [[passed(50), passed(1)], [passed(50), passed(50)]],
            Gate::Undecided,
        ),
        (
            "gone without them too",
            [[passed(50), passed(1)], [passed(1), passed(1)]],
            Gate::Undecided,
        ),
        (
            "more",
            [[passed(2), passed(50)], [passed(2), passed(50)]],
            Gate::Undecided,
        ),
    ];
    for (name, results, gate) in cases {
        let story = two_pairs(all_pass, |nth, arm, event| {
            if let Some(report) = report_of(event) {
                report.outcome = StepOutcome::Passed;
                report.results = results[usize::from(nth > 1)][usize::from(arm == Arm::Treatment)].clone();
            }
        });
        let (judgement, decision) = story.decided();
        assert_eq!(decision.gate, gate, "{name}: {:?}", decision.reasons);
        // Where nothing is to be confirmed a fresh pair is astray.
        let asked = !matches!(name, "skipped in both arms" | "more");
        assert_eq!(judgement.cells[0].strays == 0, asked, "{name}");
    }
}
