//! What would close the gate is confirmed by a fresh pair of arms: which journals close, and that none opens by it.

use patchgate::gate::{Gate, Severity};
use patchgate::model::event::Event;
use patchgate::model::id::Arm;
use patchgate::model::outcome::{Cause, Stage};
use patchgate::model::plan::Plan;
use patchgate::model::policy::Confirm;
use patchgate::verdict::{Standing, Verdict, to_confirm};

use crate::testkit::parts::fault;
use crate::testkit::plans::{cell, cell_id, plan, scenario};
use crate::testkit::story::{Go, Said, Story, all_pass, of_run};

use patchgate::model::scenario::When;

const WEB: &str = "web/debian-12";

fn one_cell(confirm: Confirm) -> Plan {
    let page = scenario("web/page", &[When::AfterReboot]);
    let mut plan = plan(vec![cell(WEB, &["web"], &["web/page"])], vec![page]);
    plan.confirm = confirm;
    plan
}

fn confirming() -> Said {
    of_run(Event::CellConfirming {
        cell: cell_id(WEB),
        why: vec!["control passed, treatment failed".to_owned()],
    })
}

fn regresses(_: &str, arm: Arm, _: &str) -> Vec<Go> {
    match arm {
        Arm::Control => vec![Go::Pass],
        Arm::Treatment => vec![Go::FailAt(0), Go::FailAt(0)],
    }
}

type How<'a> = &'a dyn Fn(&mut Story);

/// A pair of arms in which both come to their end.
fn pair(story: &mut Story, go: impl Fn(&str, Arm, &str) -> Vec<Go>) {
    let cell = story.plan.cells[0].clone();
    for arm in Arm::BOTH {
        story.arm_begins(&cell, arm);
        story.scenarios(&cell, arm, &go);
        story.arm_ends(&cell.id, arm);
    }
}

/// A pair of which treatment falls at a stage.
fn falls(story: &mut Story, cause: Cause, stage: Stage) {
    let cell = story.plan.cells[0].clone();
    story.arm_begins(&cell, Arm::Control);
    story.scenarios(&cell, Arm::Control, &all_pass);
    story.arm_ends(&cell.id, Arm::Control);
    story.say(&cell.id, Arm::Treatment, Event::ArmStarted);
    let mut fault = fault(cause, stage);
    fault.role = Some("web".to_owned());
    story.fail(WEB, Arm::Treatment, fault);
    story.arm_ends(&cell.id, Arm::Treatment);
}

/// Pairs of arms, each told to begin after the first.
fn pairs(confirm: Confirm, all: &[How<'_>]) -> Story {
    pairs_of(one_cell(confirm), all)
}

fn pairs_of(plan: Plan, all: &[How<'_>]) -> Story {
    let mut story = Story::begin(plan);
    for (at, how) in all.iter().enumerate() {
        if at > 0 {
            story.events.push(confirming());
        }
        story.nth_try = u32::try_from(at).expect("few") + 1;
        how(&mut story);
    }
    story.finish();
    story
}

const PASSES: How<'_> = &|story| pair(story, all_pass);
const REGRESSES: How<'_> = &|story| pair(story, regresses);
const MIRROR_DOWN: How<'_> = &|story| falls(story, Cause::MirrorUnreachable, Stage::Resolve);
const NO_RETURN: How<'_> = &|story| falls(story, Cause::RebootTimeout, Stage::Reboot);
const AGENT_LOST: How<'_> = &|story| falls(story, Cause::AgentLost, Stage::Apply);
const UPDATE_FAILS: How<'_> = &|story| falls(story, Cause::UpdateFailed, Stage::Apply);
const BOOT_BROKEN: How<'_> = &|story| falls(story, Cause::BootBroken, Stage::Reboot);
const DISK_FULL: How<'_> = &|story| falls(story, Cause::GuestDisk, Stage::Apply);
const HANGS: How<'_> = &|story| falls(story, Cause::Deadline, Stage::Apply);

const ONCE: Confirm = Confirm { again: 1, pairs: 1 };
const TWO_OF_THREE: Confirm = Confirm { again: 2, pairs: 3 };

#[test]
fn a_finding_closes_when_a_fresh_pair_shows_it_again_and_no_pair_opens_anything() {
    let cases: [(&str, Confirm, &[How<'_>], Gate, Verdict); 9] = [
        (
            "off",
            Confirm::OFF,
            &[REGRESSES],
            Gate::Closed,
            Verdict::Regressed,
        ),
        (
            "again",
            ONCE,
            &[REGRESSES, REGRESSES],
            Gate::Closed,
            Verdict::Regressed,
        ),
        (
            "not again",
            ONCE,
            &[REGRESSES, PASSES],
            Gate::Undecided,
            Verdict::Sporadic,
        ),
        (
            "no fresh pair",
            ONCE,
            &[REGRESSES],
            Gate::Undecided,
            Verdict::Inconclusive(Cause::NotConfirmed),
        ),
        (
            "a fresh pair without a result",
            ONCE,
            &[REGRESSES, MIRROR_DOWN],
            Gate::Undecided,
            Verdict::Inconclusive(Cause::NotConfirmed),
        ),
        (
            "two of three",
            TWO_OF_THREE,
            &[REGRESSES, PASSES, REGRESSES, REGRESSES],
            Gate::Closed,
            Verdict::Regressed,
        ),
        (
            "one of three",
            TWO_OF_THREE,
            &[REGRESSES, PASSES, PASSES],
            Gate::Undecided,
            Verdict::Sporadic,
        ),
        (
            "one of two so far",
            TWO_OF_THREE,
            &[REGRESSES, PASSES, REGRESSES],
            Gate::Undecided,
            Verdict::Inconclusive(Cause::NotConfirmed),
        ),
        ("nothing to confirm", ONCE, &[PASSES], Gate::Open, Verdict::Pass),
    ];
    for (name, confirm, all, gate, verdict) in cases {
        let (judgement, decision) = pairs(confirm, all).decided();
        assert_eq!(decision.gate, gate, "{name}: {:?}", decision.reasons);
        assert_eq!(judgement.cells[0].scenarios[0].verdict, verdict, "{name}");
        assert_eq!(judgement.cells[0].fresh.len(), all.len() - 1, "{name}");
    }
}

#[test]
fn what_is_new_behind_an_old_failure_is_confirmed_too() {
    let old = || vec![Go::FailAt(1), Go::FailAt(1)];
    let both_old: How<'_> = &|story| pair(story, |_, _, _| old());
    let with_new: How<'_> = &|story| {
        pair(story, |_, arm, _| match arm {
            Arm::Control => old(),
            Arm::Treatment => vec![Go::FailAt(0), Go::FailAt(0)],
        });
    };
    let cases: [(&[How<'_>], Gate, Verdict); 4] = [
        (&[with_new, with_new], Gate::Closed, Verdict::Regressed),
        (&[with_new, both_old], Gate::Undecided, Verdict::Sporadic),
        (
            &[with_new],
            Gate::Undecided,
            Verdict::Inconclusive(Cause::NotConfirmed),
        ),
        (&[both_old], Gate::Undecided, Verdict::AlreadyBroken),
    ];
    for (all, gate, verdict) in cases {
        let mut plan = one_cell(ONCE);
        let page = scenario("web/page", &[When::AfterReboot, When::AfterReboot]);
        plan.scenarios.insert(page.name.clone(), page);
        let story = pairs_of(plan, all);
        let (judgement, decision) = story.decided();
        let judged = &judgement.cells[0].scenarios[0];
        assert_eq!(
            (decision.gate, judged.verdict),
            (gate, verdict),
            "{}",
            judged.reason
        );
        let asked = to_confirm(&story.plan, &cell_id(WEB), &story.records());
        assert_eq!(
            asked.is_some(),
            verdict == Verdict::Inconclusive(Cause::NotConfirmed)
        );
        if gate == Gate::Closed {
            let said = "in 2 of 2 pairs of arms: both arms failed, and treatment of something new: ";
            assert!(judged.reason.starts_with(said), "{}", judged.reason);
        }
    }
}

#[test]
fn both_pairs_are_told() {
    let (_, decision) = pairs(ONCE, &[REGRESSES, REGRESSES]).decided();
    let first = &decision.reasons[0];
    assert_eq!(first.severity, Severity::Closes);
    assert!(
        first
            .text
            .starts_with("regressed: in 2 of 2 pairs of arms: control passed, treatment failed at"),
        "{}",
        first.text
    );
    assert!(
        first.text.ends_with("; in a fresh pair the same"),
        "{}",
        first.text
    );
    assert!(decision.reasons.iter().any(|reason| {
        reason
            .text
            .starts_with("a fresh pair of arms was run to confirm: ")
    }));
    let (_, decision) = pairs(ONCE, &[REGRESSES, MIRROR_DOWN]).decided();
    let told = decision.reasons.iter().any(|reason| {
        reason
            .text
            .starts_with("a fresh pair of arms was run to confirm: ")
            && reason.text.contains("; in it treatment, resolve: ")
    });
    assert!(told, "{:?}", decision.reasons);
    let (_, decision) = pairs(ONCE, &[REGRESSES, PASSES]).decided();
    let text = &decision.reasons[0].text;
    assert!(
        text.starts_with("sporadic: in 1 of 2 pairs of arms: control passed"),
        "{text}"
    );
}

#[test]
fn a_fresh_pair_that_nothing_asked_for_opens_nothing() {
    // Of a good cell; and more of them than the plan promises, until one says what is wanted.
    let cases: [(&str, Confirm, &[How<'_>]); 4] = [
        ("of a good cell", ONCE, &[PASSES, PASSES]),
        ("where nothing is confirmed", Confirm::OFF, &[REGRESSES, PASSES]),
        ("one too many", ONCE, &[REGRESSES, PASSES, PASSES]),
        (
            "after it was confirmed",
            TWO_OF_THREE,
            &[REGRESSES, REGRESSES, REGRESSES, PASSES],
        ),
    ];
    for (name, confirm, all) in cases {
        let (judgement, decision) = pairs(confirm, all).decided();
        assert_ne!(decision.gate, Gate::Open, "{name}");
        assert!(judgement.cells[0].strays > 0, "{name}");
        assert!(!judgement.cells[0].passed, "{name}");
    }
}

#[test]
fn no_record_less_or_in_another_place_opens_a_gate_that_a_fresh_pair_closed_or_did_not() {
    for all in [
        &[REGRESSES, REGRESSES],
        &[REGRESSES, PASSES],
        &[NO_RETURN, PASSES],
    ] {
        let story = pairs(ONCE, all);
        assert_ne!(story.decided().1.gate, Gate::Open);
        for at in 1..story.events.len() {
            let mut fewer = Story::begin(story.plan.clone());
            fewer.events.clone_from(&story.events);
            let removed = fewer.events.remove(at);
            assert_ne!(fewer.decided().1.gate, Gate::Open, "without {removed:?}");
            for to in [1, at / 2, fewer.events.len()] {
                let mut moved = Story::begin(story.plan.clone());
                moved.events.clone_from(&fewer.events);
                moved.events.insert(to.max(1), removed.clone());
                assert_ne!(
                    moved.decided().1.gate,
                    Gate::Open,
                    "{removed:?} from {at} to {to}"
                );
            }
        }
        // Nor does a journal that says nothing of the first pair's treatment arm, or of the first pair.
        for keep in [1, 2] {
            let mut part = Story::begin(story.plan.clone());
            part.events.clone_from(&story.events);
            part.events
                .retain(|(arm, _)| arm.as_ref().is_none_or(|arm| arm.nth_try == keep));
            assert_ne!(part.decided().1.gate, Gate::Open, "only try {keep}");
        }
    }
}

#[test]
fn a_run_is_asked_for_a_fresh_pair_once_both_arms_are_over_and_no_more_than_promised() {
    let asked = |confirm, all: &[How<'_>]| {
        let story = pairs(confirm, all);
        to_confirm(&story.plan, &cell_id(WEB), &story.records()).is_some()
    };
    assert!(asked(ONCE, &[REGRESSES]));
    assert!(asked(ONCE, &[NO_RETURN]));
    assert!(asked(ONCE, &[HANGS]));
    assert!(asked(TWO_OF_THREE, &[REGRESSES, PASSES, MIRROR_DOWN]));
    for (name, confirm, all) in [
        ("off", Confirm::OFF, &[REGRESSES][..]),
        ("good", ONCE, &[PASSES]),
        ("not theirs", ONCE, &[MIRROR_DOWN]),
        ("confirmed", ONCE, &[REGRESSES, REGRESSES]),
        ("over", ONCE, &[REGRESSES, MIRROR_DOWN]),
        ("out of reach", TWO_OF_THREE, &[REGRESSES, PASSES, PASSES]),
    ] {
        assert!(!asked(confirm, all), "{name}");
    }
    let mut story = pairs(ONCE, &[REGRESSES]);
    story.plan.cells[0].required = false;
    assert_eq!(
        to_confirm(&story.plan, &cell_id(WEB), &story.records()),
        None,
        "not required"
    );
    let mut story = pairs(ONCE, &[REGRESSES]);
    let last = |said: &Said| matches!(said.1, Event::ArmFinished);
    let at = story.events.iter().rposition(last).expect("an end");
    story.events.remove(at);
    assert_eq!(
        to_confirm(&story.plan, &cell_id(WEB), &story.records()),
        None,
        "not over"
    );
}

#[test]
fn an_arm_that_does_not_come_through_its_updates_twice_is_their_doing() {
    let cases: [(&str, &[How<'_>], Gate); 9] = [
        ("it hangs, and does not return", &[HANGS, NO_RETURN], Gate::Closed),
        (
            "its agent is lost, and it hangs",
            &[AGENT_LOST, HANGS],
            Gate::Closed,
        ),
        (
            "it fails, and does not boot",
            &[UPDATE_FAILS, BOOT_BROKEN],
            Gate::Closed,
        ),
        ("its disk is full, twice", &[DISK_FULL, DISK_FULL], Gate::Closed),
        ("its disk is full, once", &[DISK_FULL, PASSES], Gate::Undecided),
        ("no return, twice", &[NO_RETURN, NO_RETURN], Gate::Closed),
        ("it hangs, twice", &[HANGS, HANGS], Gate::Closed),
        ("no return, once", &[NO_RETURN, PASSES], Gate::Undecided),
        (
            "no return, and then no mirror",
            &[NO_RETURN, MIRROR_DOWN],
            Gate::Undecided,
        ),
    ];
    for (name, all, gate) in cases {
        let (_, decision) = pairs(ONCE, all).decided();
        assert_eq!(decision.gate, gate, "{name}: {:?}", decision.reasons);
        if gate == Gate::Closed {
            assert_eq!(decision.counts.regressed, 1, "{name}");
            assert!(
                decision.reasons[0]
                    .text
                    .starts_with("confirmed, in 2 of 2 pairs of arms: treatment, "),
                "{}",
                decision.reasons[0].text
            );
        }
    }
}

#[test]
fn what_the_environment_does_never_closes_however_often() {
    use Cause::{
        AgentLost, AgentSilent, Deadline, GuestBusy, GuestDisk, GuestHook, GuestStopped, HostDisk, HostLost,
        HostMemory, HostRefused, ImageDamaged, Internal, MirrorUnreachable, NotIsolated, RebootTimeout,
        ResolveFailed, VmKilled,
    };
    let always = [
        GuestBusy,
        GuestHook,
        HostDisk,
        HostLost,
        HostMemory,
        HostRefused,
        ImageDamaged,
        Internal,
        MirrorUnreachable,
        NotIsolated,
        ResolveFailed,
        VmKilled,
    ];
    let before_the_updates = [
        AgentLost,
        AgentSilent,
        Deadline,
        GuestDisk,
        GuestStopped,
        RebootTimeout,
    ];
    let stages = [
        Stage::Boot,
        Stage::Seed,
        Stage::Resolve,
        Stage::Apply,
        Stage::Reboot,
        Stage::Scenarios,
    ];
    for stage in stages {
        let causes = always
            .iter()
            .chain(before_the_updates.iter().filter(|_| stage < Stage::Apply));
        for &cause in causes {
            let fall: How<'_> = &|story| falls(story, cause, stage);
            let (judgement, decision) = pairs(ONCE, &[fall, fall]).decided();
            assert_eq!(decision.gate, Gate::Undecided, "{cause:?} {stage}");
            assert!(
                judgement.cells[0].strays > 0,
                "nothing asked for it: {cause:?} {stage}"
            );
        }
    }
}

#[test]
fn where_control_fell_too_it_is_not_the_updates_doing() {
    let both: How<'_> = &|story| {
        let cell = story.plan.cells[0].clone();
        for arm in Arm::BOTH {
            story.say(&cell.id, arm, Event::ArmStarted);
            story.fail(WEB, arm, fault(Cause::RebootTimeout, Stage::Reboot));
            story.arm_ends(&cell.id, arm);
        }
    };
    let (judgement, decision) = pairs(ONCE, &[both]).decided();
    assert_eq!(decision.gate, Gate::Undecided);
    assert_eq!(judgement.cells[0].suspects, []);
    let (judgement, decision) = pairs(ONCE, &[NO_RETURN, both]).decided();
    assert_eq!(decision.gate, Gate::Undecided);
    assert_eq!(judgement.cells[0].suspects[0].standing, Standing::Unconfirmed);
}

#[test]
fn more_fresh_pairs_than_the_plan_has_are_damage() {
    let folder = tempfile::tempdir().expect("folder");
    for (plan, pairs_told, is_whole) in [
        (ONCE, 2, true),
        (ONCE, 3, false),
        (TWO_OF_THREE, 4, true),
        (TWO_OF_THREE, 5, false),
        (Confirm::OFF, 2, false),
    ] {
        let path = folder.path().join(format!("{}-{pairs_told}.jsonl", plan.pairs));
        pairs(plan, &vec![REGRESSES; pairs_told]).write(&path);
        let read = patchgate::record::journal::read(&path);
        assert_eq!(read.is_ok(), is_whole, "{plan:?} {pairs_told}: {:?}", read.err());
    }
}
