//! Results as harnesses really write them, one file each in `tests/dialects`: which pass, and what the others are refused for.

use std::path::Path;

use patchgate::step::results::{self, Read};

use crate::testkit::guests::names;

/// A file, and what is to be said of it; nothing where it passes.
const CASES: &[(&str, &str)] = &[
    // The Test Anything Protocol, version 14, and those before it.
    ("directive-proper.tap", ""),
    (
        "hashtag-hides-failure.tap",
        "Ledger#todoList shows three open entries",
    ),
    ("skip-link-in-name.tap", "the page's #skip-link leads to #main"),
    ("bail-out-in-subtest.tap", "bailed out: the drawer is stuck"),
    (
        "zero-plan-after-results.tap",
        "0 tests were planned, and 2 have a result",
    ),
    ("out-of-order-pass.tap", ""),
    ("one-number-twice.tap", "test 1 has two results"),
    ("yaml-speaks-of-failure-pass.tap", ""),
    ("buffered-subtest-pass.tap", ""),
    ("bom-and-crlf-pass.tap", ""),
    ("utf-16-pass.tap", ""),
    ("coloured-pass.tap", ""),
    ("coloured-failure.tap", "test `the till closes` failed"),
    // What prove(1), goss and bats print.
    ("prove-verbose.tap", ""),
    ("prove-two-files-pass.tap", ""),
    ("prove-quiet-pass.tap", ""),
    ("prove-failure.tap", "debits equal credits"),
    ("prove-died.tap", "2 tests were planned, and 1"),
    ("goss-pass.tap", ""),
    ("bats-failure.tap", "the till closes"),
    // JUnit's XML, as each writes it.
    ("nothing-was-run.xml", "every test was skipped"),
    ("googletest-skipped-one-pass.xml", ""),
    ("googletest-skipped-all.xml", "every test was skipped"),
    ("surefire-pass.xml", ""),
    ("surefire-flaky.xml", ""),
    ("surefire-rerun-failed.xml", "expected 12.50 but was 12.51"),
    ("rerun-alone.xml", "totals"),
    ("gradle-retry.xml", "totals()"),
    ("pester-pass.xml", ""),
    ("pester-failed.xml", "Expected 0, but got 12."),
    ("status-alone-says-failed.xml", "totals"),
    ("behave-untested.xml", "every test was skipped"),
    ("goss-pass.xml", ""),
    (
        "error-only-in-attributes.xml",
        "1 of its tests failed, and none is said to",
    ),
    (
        "counts-without-cases.xml",
        "5 tests are declared, and 0 have a result",
    ),
    (
        "one-case-missing.xml",
        "3 tests are declared, and 2 have a result",
    ),
    ("pytest-subtests-pass.xml", ""),
    ("pytest-failed-subtests.xml", "12.51"),
    ("pytest-setup-error.xml", "failed on setup"),
    ("escape-reference-pass.xml", ""),
    ("raw-escape-pass.xml", ""),
    ("escape-in-failure.xml", "shut"),
    ("utf-16-pass.xml", ""),
    ("cut.xml", "not XML"),
];

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects")
}

fn read(name: &str) -> Read {
    let bytes = std::fs::read(folder().join(name)).expect(name);
    let text = results::decode(&bytes);
    if Path::new(name).extension().is_some_and(|kind| kind == "tap") {
        results::tap(&[(name, &text)])
    } else {
        results::junit(&[(name, &text)])
    }
}

#[test]
fn each_file_is_read_as_its_harness_means_it() {
    let wrong: Vec<String> = CASES
        .iter()
        .filter_map(|(name, says)| {
            let failures = read(name).failures;
            let is_right = if says.is_empty() {
                failures.is_empty()
            } else {
                failures.iter().any(|failure| failure.contains(says))
            };
            (!is_right).then(|| format!("{name}: {failures:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_of_the_folder_has_its_case() {
    let mut named: Vec<String> = CASES.iter().map(|(name, _)| (*name).to_owned()).collect();
    named.sort();
    assert_eq!(named, names(&folder()));
}
