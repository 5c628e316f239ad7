//! JUnit's XML. There is no one schema of it: what is read is what its writers have in common, and where they differ the
//! stricter reading holds (tests/dialects has a file of each). Pure.

use std::collections::HashMap;

use roxmltree::{Document, Node, NodeId};

use crate::model::results::{SubOutcome, SubResult};
use crate::step::results::plain::{plain, with_references};
use crate::step::results::read::{Read, clip};

/// How deep a case may stand; writers that have a suite for each block of a test stay far below.
const DEPTH: usize = 100;

/// Reads one text.
pub(super) fn read(text: &str, read: &mut Read) {
    let text = plain(&with_references(text));
    // The declaration may name another version or encoding than the text, which is decoded, has by now.
    let text = match text.trim().strip_prefix("<?xml") {
        Some(rest) => rest.split_once("?>").map_or("", |(_, rest)| rest).trim_start(),
        None => text.trim(),
    };
    // No DTD: nothing is expanded.
    let options = roxmltree::ParsingOptions {
        allow_dtd: false,
        nodes_limit: 200_000,
        ..roxmltree::ParsingOptions::default()
    };
    let document = match Document::parse_with_options(text, options) {
        Ok(document) => document,
        Err(error) => return read.failures.push(format!("the results are not XML: {error}")),
    };
    let root = document.root_element();
    if !is_suite(root) {
        return read.failures.push(format!(
            "the results are not JUnit's: their root is `{}`",
            clip(root.tag_name().name())
        ));
    }
    let mut inside: HashMap<NodeId, Inside> = HashMap::new();
    for node in document.descendants().filter(|node| is(*node, &["testcase"])) {
        if node.ancestors().nth(DEPTH).is_some() {
            let problem = format!("the results are nested more than {DEPTH} deep");
            return read.failures.push(problem);
        }
        let result = case(node);
        for suite in node.ancestors().filter(|node| is_suite(*node)) {
            let inside = inside.entry(suite.id()).or_default();
            inside.cases += 1;
            inside.failed += usize::from(result.outcome == SubOutcome::Failed);
        }
        read.results.push(result);
    }
    // pytest counts subtests, of which no case tells (pytest-dev/pytest-subtests).
    let counts_subtests = document
        .descendants()
        .any(|node| is_suite(node) && matches!(node.attribute("name"), Some("pytest" | "pytest tests")));
    for suite in document.descendants().filter(|node| is_suite(*node)) {
        let inside = inside.get(&suite.id()).copied().unwrap_or_default();
        suite_as_whole(suite, inside, counts_subtests, read);
    }
}

/// What stands inside a suite.
#[derive(Debug, Clone, Copy, Default)]
struct Inside {
    cases: usize,
    failed: usize,
}

fn is(node: Node<'_, '_>, names: &[&str]) -> bool {
    let name = node.tag_name().name();
    node.is_element() && names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn is_suite(node: Node<'_, '_>) -> bool {
    is(node, &["testsuite", "testsuites"])
}

/// A suite may fail as a whole, in its set-up say, and have no case that tells; and it may promise more than it has.
fn suite_as_whole(suite: Node<'_, '_>, inside: Inside, counts_subtests: bool, read: &mut Read) {
    let name = || clip(suite.attribute("name").unwrap_or("without a name"));
    let mut number = |attribute: &str| {
        let text = suite.attribute(attribute).unwrap_or("0").trim();
        match text.parse::<usize>() {
            Ok(number) => number,
            Err(_) if text.is_empty() => 0,
            Err(_) => {
                let problem = format!(
                    "suite `{}` has {attribute}=`{}`, which is no count",
                    name(),
                    clip(text)
                );
                read.failures.push(problem);
                0
            }
        }
    };
    let declared = number("tests");
    let failed = number("failures").saturating_add(number("errors"));
    if declared > inside.cases && !(counts_subtests && inside.cases > 0) {
        read.failures.push(format!(
            "{declared} tests are declared, and {} have a result",
            inside.cases
        ));
    }
    if suite.children().any(|node| is(node, &["error", "failure"])) {
        read.failures
            .push(format!("suite `{}` failed as a whole", name()));
    } else if failed > 0 && inside.failed == 0 {
        read.failures.push(format!(
            "suite `{}` says that {failed} of its tests failed, and none is said to",
            name()
        ));
    }
}

fn case(case: Node<'_, '_>) -> SubResult {
    let attribute = |name: &str| {
        case.attribute(name)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    };
    let name = match (attribute("classname"), attribute("name")) {
        (Some(class), Some(name)) => format!("{class} {name}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "without a name".to_owned(),
    };
    let (outcome, message) = outcome(case);
    SubResult {
        name: clip(&name),
        outcome,
        message,
    }
}

fn outcome(case: Node<'_, '_>) -> (SubOutcome, String) {
    let find = |names: &[&str]| case.children().find(|node| is(*node, names));
    let message = |node: Node<'_, '_>| {
        let text = node.attribute("message").filter(|text| !text.is_empty());
        clip(text.or(node.text()).unwrap_or_default())
    };
    if let Some(node) = find(&["failure", "error", "failed", "errored"]) {
        return (SubOutcome::Failed, message(node));
    }
    let said = ["status", "result", "success", "executed"]
        .map(|name| case.attribute(name).unwrap_or_default().trim());
    let mut ends = said.map(ending);
    // NUnit's: one that was not executed is none that failed.
    if ends[3] == Ending::Failed {
        ends[3] = Ending::Skipped;
    }
    if let Some(at) = ends.iter().position(|end| *end == Ending::Failed) {
        return (SubOutcome::Failed, format!("its status is {}", clip(said[at])));
    }
    // googletest has `notrun` and `suppressed` for what is disabled, and no element.
    let skipped = find(&["skipped", "disabled", "ignored", "pending", "warning"]);
    if let Some(node) = skipped {
        return (SubOutcome::Skipped, message(node));
    }
    if let Some(at) = ends.iter().position(|end| *end == Ending::Skipped) {
        return (SubOutcome::Skipped, format!("its status is {}", clip(said[at])));
    }
    if let Some(at) = ends.iter().position(|end| *end == Ending::Unknown) {
        let message = format!("its status is {}, which is not known", clip(said[at]));
        return (SubOutcome::Failed, message);
    }
    // Surefire: `rerun...` stands beside the failure of a test that never passed, `flaky...` in one that passed at last.
    if let Some(node) = find(&["rerunFailure", "rerunError"]) {
        return (SubOutcome::Failed, message(node));
    }
    match find(&["flakyFailure", "flakyError"]) {
        Some(node) => (SubOutcome::Flaky, message(node)),
        None => (SubOutcome::Passed, String::new()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Passed,
    Failed,
    Skipped,
    Unknown,
}

/// What a word of a case's own status means, where a writer has one.
fn ending(word: &str) -> Ending {
    if word.is_empty() {
        return Ending::Passed;
    }
    let word: String = word
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    match word.as_str() {
        "run" | "ran" | "executed" | "complete" | "completed" | "done" | "finished" | "pass" | "passed"
        | "success" | "succeeded" | "successful" | "ok" | "true" => Ending::Passed,
        "notrun" | "skip" | "skipped" | "suppressed" | "disabled" | "ignored" | "untested" | "pending"
        | "inactive" | "inconclusive" | "undefined" | "todo" => Ending::Skipped,
        "fail" | "failed" | "failure" | "error" | "errored" | "broken" | "hookerror" | "cleanuperror"
        | "timeout" | "timedout" | "aborted" | "false" => Ending::Failed,
        _ => Ending::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn junit(text: &str) -> Read {
        crate::step::results::junit(&[("", text)])
    }

    #[test]
    fn junit_becomes_single_results() {
        use SubOutcome::{Failed, Passed, Skipped};
        let xml = r#"<?xml version="1.0"?><testsuites><testsuite name="erp" tests="4">
            <testcase classname="test_erp" name="login"/>
            <testcase classname="test_erp" name="totals"><failure message="12.51 != 12.50">long</failure></testcase>
            <testcase name="pdf"><skipped/></testcase>
            <testcase name="mail"><error>refused</error></testcase></testsuite></testsuites>"#;
        let read = junit(xml);
        let results: Vec<_> = read
            .results
            .iter()
            .map(|result| (result.name.as_str(), result.outcome))
            .collect();
        let are = [
            ("test_erp login", Passed),
            ("test_erp totals", Failed),
            ("pdf", Skipped),
            ("mail", Failed),
        ];
        let failures = [
            "test `test_erp totals` failed: 12.51 != 12.50",
            "test `mail` failed: refused",
        ];
        assert_eq!(results, are);
        assert_eq!(read.failures, failures);
    }

    #[test]
    fn results_that_are_nested_without_end_are_refused_soon() {
        let nested = |suites: usize| {
            let case = "<testcase name='a'/>".repeat(1000);
            format!(
                "{}{case}{}",
                "<testsuite>".repeat(suites),
                "</testsuite>".repeat(suites)
            )
        };
        assert_eq!(junit(&nested(20)).failures, Vec::<String>::new());
        let read = junit(&nested(2000));
        assert!(
            read.failures.iter().any(|failure| failure.contains("deep")),
            "{read:?}"
        );
    }

    #[test]
    fn junit_that_proves_nothing_fails() {
        for (xml, says) in [
            ("", "not XML"),
            ("<?xml", "not XML"),
            ("<html/>", "not JUnit's"),
            ("<testsuite tests='0'/>", "no results"),
            (
                "<testsuite tests='2'><testcase name='a'/></testsuite>",
                "2 tests are declared, and 1",
            ),
            (
                "<testsuite><testcase name='a'/><error/></testsuite>",
                "failed as a whole",
            ),
            (
                "<testsuite failures='1'><testcase name='a'/></testsuite>",
                "1 of its tests failed",
            ),
            (
                "<testsuite errors='one'><testcase name='a'/></testsuite>",
                "which is no count",
            ),
            (
                "<testsuite><testcase name='a'><skipped/></testcase></testsuite>",
                "every test was skipped",
            ),
            (
                "<testsuite><testcase name='a' status='exploded'/></testsuite>",
                "exploded, which is not known",
            ),
            (
                "<testsuite><testcase name='a' status='\u{5931}\u{6557}'/></testsuite>",
                "which is not known",
            ),
            (
                "<testsuite><testcase name='a' result='\u{2717}'/></testsuite>",
                "which is not known",
            ),
            (
                "<testsuite><testcase name='a' success='False'/></testsuite>",
                "test `a` failed",
            ),
            (
                "<testsuite><testcase name='a' executed='False'/></testsuite>",
                "every test was skipped",
            ),
            (
                "<testsuite><testcase name='a'><failed/></testcase></testsuite>",
                "test `a` failed",
            ),
            (
                "<testsuite><testcase name='a'><Failure/></testcase></testsuite>",
                "test `a` failed",
            ),
            (
                "<!DOCTYPE a [<!ENTITY x 'y'>]><testsuite><testcase name='&x;'/></testsuite>",
                "not XML",
            ),
        ] {
            let read = junit(xml);
            assert!(
                read.failures.iter().any(|failure| failure.contains(says)),
                "{xml}: {read:?}"
            );
        }
    }
}
