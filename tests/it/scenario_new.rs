//! What is new in treatment: answers that were cut, tests that fail beside old failures, and answers that take too long.

use patchgate::fake::StepCall;
use patchgate::model::id::Arm;
use patchgate::verdict::Verdict;

use crate::testkit::guests::{run, run_in};
use crate::testkit::lab::{Lab, exit};

#[tokio::test(start_paused = true)]
async fn a_test_that_its_script_ran_again_until_it_passed_is_flaky() {
    let end = run_in(
        Lab::default()
            .with_scenario(
                "[[step]]\nname = \"suite\"\non = \"web\"\nscript = { file = \"t.py\", interpreter = \"python3\", output = \"junit\" }",
            )
            .with_file("t.py", b"pass"),
        |call| {
            let rerun = if call.updated { "<flakyFailure message='12.51'/>" } else { "" };
            exit(0, &format!("<testsuite><testcase name='totals'>{rerun}</testcase></testsuite>"))
        },
    )
    .await;
    assert_eq!(end.verdict(), Verdict::Flaky, "{:?}", end.steps(Arm::Treatment));
    assert!(
        end.reports()
            .contains("test `totals` passed only when it was run again")
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_cut_fails_its_step() {
    let answers = |call: &StepCall<'_>| {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nDashboard...";
        if call.updated {
            exit(0, &whole.replace("12\r", "5000\r"))
        } else {
            exit(0, whole)
        }
    };
    let page =
        "[[step]]\nname = \"page\"\non = \"web\"\nhttp = { url = \"http://app/\", contains = \"Dashboard\" }";
    let end = run(page, answers).await;
    assert_eq!(end.verdict(), Verdict::Regressed);
    assert_eq!(
        end.steps(Arm::Treatment)[0].failures,
        ["the answer is cut: 12 of 5000 bytes of its body came"]
    );
    // Without a length only the connection tells.
    let broken = |call: &StepCall<'_>| exit(i32::from(call.updated), "HTTP/1.1 200 OK\r\n\r\nDashboard");
    let end = run(page, broken).await;
    assert_eq!(
        end.steps(Arm::Treatment)[0].failures,
        ["the answer is cut: the connection broke before its end"]
    );
}

const SUITE: &str = "[[step]]\nname = \"suite\"\non = \"web\"\nscript = { file = \"t.t\", interpreter = \"perl\", output = \"tap\" }";

/// What a suite says without the updates, and with them; the verdict, and the reports.
async fn suites(without: &'static str, with: &'static str) -> (Verdict, String) {
    let lab = Lab::default().with_scenario(SUITE).with_file("t.t", b"1");
    let end = run_in(lab, move |call| {
        exit(0, if call.updated { with } else { without })
    })
    .await;
    (end.verdict(), end.reports())
}

#[tokio::test(start_paused = true)]
async fn an_old_failure_hides_no_new_one() {
    let old = "1..2\nnot ok 1 - totals\n# got 12.51\nok 2 - the till opens\n";
    let (verdict, reason) = suites(
        old,
        "1..2\nnot ok 1 - totals\n# got 12.52\nnot ok 2 - the till opens\n# it is shut\n",
    )
    .await;
    assert_eq!(verdict, Verdict::Regressed);
    assert!(
        reason.contains("`the till opens`, which passed there, fails with them: it is shut"),
        "{reason}"
    );
    // The same failure, but for its numbers, is the same; another is not.
    let (verdict, reason) = suites(
        old,
        "1..2\nnot ok 1 - totals\n# got 12.49\nok 2 - the till opens\n",
    )
    .await;
    assert_eq!(verdict, Verdict::AlreadyBroken, "{reason}");
    let (verdict, reason) = suites(
        old,
        "1..2\nnot ok 1 - totals\n# no such table\nok 2 - the till opens\n",
    )
    .await;
    assert_eq!(verdict, Verdict::Regressed);
    assert!(
        reason.contains("`totals` now fails otherwise: no such table"),
        "{reason}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_earlier_step_that_fails_only_with_the_updates_is_a_regression() {
    let two = "[[step]]\nname = \"first\"\non = \"web\"\nrun = \"first\"\n[[step]]\nname = \"second\"\non = \"web\"\nrun = \"second\"";
    let end = run(two, |call| {
        let is_first = call.command.argv.contains(&"first".to_owned());
        exit(i32::from(call.updated == is_first), "")
    })
    .await;
    assert_eq!(end.verdict(), Verdict::Regressed);
    // And where control does not come so far, it is not known.
    let end = run(two, |call| {
        let is_first = call.command.argv.contains(&"first".to_owned());
        exit(i32::from(call.updated != is_first), "")
    })
    .await;
    assert_eq!(end.verdict(), Verdict::AlreadyBroken);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_long_to_look_through_fails_its_step_alone() {
    let page = "[[step]]\nname = \"page\"\non = \"web\"\nrun = \"true\"\nexpect = { stdout = { matches = '(?:[ab]{0,40}a[ab]{0,40}){1,20}c' } }";
    let end = run(page, |_| exit(0, &"ab".repeat(100_000))).await;
    let failures = &end.steps(Arm::Control)[0].failures;
    assert!(
        failures[0].contains("takes too long to look for in 195 KiB"),
        "{failures:?}"
    );
}
