use super::*;
use crate::model::results::{KEPT, counts};

use SubOutcome::{Failed, Flaky, Passed, Skipped};

fn result(name: &str, outcome: SubOutcome, message: &str) -> SubResult {
    SubResult {
        name: name.to_owned(),
        outcome,
        message: message.to_owned(),
    }
}

fn report(results: &[SubResult]) -> StepReport {
    let fails = results.iter().any(|result| result.outcome == Failed);
    let mut report = StepReport::new("bats".to_owned());
    report.outcome = if fails {
        StepOutcome::Failed
    } else {
        StepOutcome::Passed
    };
    report.counts = is_cut(results).then(|| counts(results));
    report.results = results.iter().take(KEPT).cloned().collect();
    report
}

fn says(sentences: &[&str]) -> StepReport {
    let mut report = report(&[]);
    report.outcome = StepOutcome::Failed;
    report.failures = sentences.iter().map(|&sentence| sentence.to_owned()).collect();
    report
}

fn keys(new: Vec<New>) -> Vec<String> {
    new.into_iter().map(|new| new.key).collect()
}

#[test]
fn numbers_and_times_do_not_make_a_failure_another() {
    for (one, other) in [
        ("exit code is 3, expected 0", "exit code is 1, expected 0"),
        ("at 10:01:02.123  in  3.2s", "at 11:00:00.5 in 4s"),
        ("session=ab3f9, id 0x7f", "session=99aa, id 0x80"),
    ] {
        assert_eq!(signature(one), signature(other));
        assert_eq!(bag(one), bag(other));
    }
    let (one, other) = ("the page is empty", "no connection to http://app/");
    assert_ne!(signature(one), signature(other));
    assert_ne!(bag(one), bag(other));
    assert_eq!(bag("missing: {'alice', 'bob'}"), bag("missing: {'bob', 'alice'}"));
}

#[test]
fn tests_are_compared_one_by_one() {
    let old = result("old", Failed, "12.51 is not 12.50");
    let new = |without: &[SubResult], with: &[SubResult]| {
        let (without, with) = (report(without), report(with));
        !new_results(&[&without], &with).is_empty()
    };
    assert!(!new(
        std::slice::from_ref(&old),
        &[result("old", Failed, "12.52 is not 12.50")]
    ));
    assert!(new(
        std::slice::from_ref(&old),
        &[result("old", Failed, "no connection")]
    ));
    for (before, is) in [(Passed, true), (Flaky, true), (Skipped, false)] {
        let without = [old.clone(), result("till", before, "")];
        assert_eq!(new(&without, &[old.clone(), result("till", Failed, "shut")]), is);
    }
    assert!(!new(
        std::slice::from_ref(&old),
        &[old.clone(), result("unheard of", Failed, "")]
    ));
    let timed = |time: &str, outcome| result(&format!("the till opens in {time}"), outcome, "");
    assert!(new(&[timed("12ms", Passed)], &[timed("40ms", Failed)]));
    // A number in a name is no time where others have one too.
    assert!(!new(
        &[old.clone(), result("t1", Passed, ""), result("t2", Passed, "")],
        &[old.clone(), result("t550", Failed, "")]
    ));
    assert!(!new(
        &[old.clone(), result("t1", Passed, "")],
        &[old.clone(), result("t1", Passed, ""), result("t550", Failed, "")]
    ));
}

#[test]
fn what_was_cut_from_the_results_did_not_fail() {
    let old = result("old", Failed, "m");
    let many: Vec<SubResult> = (0..600).map(|n| result(&format!("t{n}"), Passed, "")).collect();
    let without = report(&[std::slice::from_ref(&old), &many[..]].concat());
    let with = report(&[&[old.clone(), result("zeta", Failed, "new")], &many[..]].concat());
    assert_eq!(keys(new_results(&[&without], &with)), ["test zeta"]);
    let few = report(&[std::slice::from_ref(&old), &many[..20]].concat());
    assert_eq!(new_results(&[&few], &with), []);
}

#[test]
fn what_varies_without_the_updates_is_never_new() {
    let rotating = |bad: &str| {
        let one = |name: &str| result(name, if name == bad { Failed } else { Passed }, "x");
        report(&["alpha", "beta", "gamma", "delta"].map(one))
    };
    let (alpha, beta, gamma) = (rotating("alpha"), rotating("beta"), rotating("gamma"));
    assert_eq!(keys(new_results(&[&alpha], &beta)), ["test beta"]);
    assert_eq!(new_results(&[&alpha, &beta], &beta), []);
    assert_eq!(new_results(&[&alpha, &beta], &gamma), []);
    assert_eq!(keys(new_results(&[&alpha, &alpha], &gamma)), ["test gamma"]);

    let sentences: [(&[&str], &str, &[&str]); 4] = [
        (&["no route"], "no connection", &["sentence connection no"]),
        (
            &["no route", "no route"],
            "no connection",
            &["sentence connection no"],
        ),
        (&["no route", "no answer"], "no connection", &[]),
        (&["missing: {a, b, c}"], "missing: {c, a, b}", &[]),
    ];
    for (known, with, new) in sentences {
        let known: Vec<StepReport> = known.iter().map(|text| says(&[text])).collect();
        let known: Vec<&StepReport> = known.iter().collect();
        assert_eq!(keys(new_sentences(&known, &says(&[with]))), new, "{with}");
    }
}

#[test]
fn a_test_that_passed_and_is_not_run_is_told() {
    let passed = |range: std::ops::Range<u32>| -> Vec<SubResult> {
        range.map(|n| result(&format!("t{n}"), Passed, "")).collect()
    };
    let timed = |times: [u32; 2]| times.map(|time| result(&format!("opens in {time} ms"), Passed, ""));
    let cases: [(Vec<SubResult>, Vec<SubResult>, &[&str]); 8] = [
        (passed(0..3), passed(0..3), &[]),
        (passed(0..3), passed(0..1), &["test 0 t1", "test 0 t2"]),
        (
            passed(0..2),
            vec![result("t0", Passed, ""), result("t1", Skipped, "no")],
            &["test 0 t1"],
        ),
        // Skipped before, too; of other times; more than before.
        (
            vec![result("t0", Passed, ""), result("t1", Skipped, "")],
            passed(0..1),
            &[],
        ),
        (timed([12, 13]).into(), timed([14, 12]).into(), &[]),
        (
            timed([12, 13]).into(),
            timed([14, 15])[..1].into(),
            &["test 0 opens in 13 ms"],
        ),
        (passed(0..2), passed(0..9), &[]),
        // Where they are cut, their number tells.
        (passed(0..900), passed(0..700), &["count 0"]),
    ];
    for (without, with, new) in cases {
        let (without, with) = (report(&without), report(&with));
        assert_eq!(keys(untested(0, &[&without], &with)), new);
        assert_eq!(untested(0, &[&without], &without), []);
    }
    // What another run without the updates does not run either.
    let (all, few) = (report(&passed(0..3)), report(&passed(0..2)));
    assert_eq!(untested(0, &[&all, &few], &few), []);
    assert_eq!(untested(0, &[&all, &all], &few).len(), 1);
}
