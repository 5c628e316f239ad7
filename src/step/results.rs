//! Single results out of a script's output: the Test Anything Protocol and JUnit's XML. Pure; trusts nothing.

use crate::model::results::{SubOutcome, SubResult};

/// Results that are kept of one step.
const KEPT: usize = 500;

/// Characters of a name or message that are kept.
const TEXT: usize = 300;

/// What was read: the results, and what is wrong with them as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// The results, bounded; those that failed come first where some had to be left out.
    pub results: Vec<SubResult>,
    /// Sentences that make the step fail.
    pub failures: Vec<String>,
}

fn clip(text: &str) -> String {
    let mut clipped: String = text.trim().chars().take(TEXT).collect();
    if clipped.len() < text.trim().len() {
        clipped.push('…');
    }
    clipped
}

/// Ends the reading: names what failed, and refuses what tested nothing.
fn finish(mut results: Vec<SubResult>, mut failures: Vec<String>) -> Read {
    let failed = results
        .iter()
        .filter(|result| result.outcome == SubOutcome::Failed);
    let named: Vec<String> = failed
        .map(|result| {
            let message = if result.message.is_empty() { "" } else { ": " };
            format!("test `{}` failed{message}{}", result.name, result.message)
        })
        .collect();
    let passed = results.iter().any(|result| result.outcome == SubOutcome::Passed);
    if results.is_empty() {
        failures.push("there are no results: nothing was tested".to_owned());
    } else if !passed && named.is_empty() {
        failures.push("every test was skipped: nothing was tested".to_owned());
    }
    failures.extend(named.iter().take(KEPT).cloned());
    if named.len() > KEPT {
        failures.push(format!("and {} more tests failed", named.len() - KEPT));
    }
    if results.len() > KEPT {
        results.sort_by_key(|result| result.outcome != SubOutcome::Failed);
        results.truncate(KEPT);
    }
    Read { results, failures }
}

/// Reads TAP, version 12 to 14; subtests count by their parent's line, and YAML blocks are not read.
pub fn tap(text: &str) -> Read {
    let mut results: Vec<SubResult> = Vec::new();
    let mut failures = Vec::new();
    let mut planned = None;
    let mut skipped_all = false;
    for line in text.lines() {
        // What is indented belongs to a subtest or a YAML block.
        if line.starts_with([' ', '\t']) {
            continue;
        }
        if let Some(reason) = line.strip_prefix("Bail out!") {
            failures.push(format!("the script bailed out: {}", clip(reason)));
            break;
        }
        if let Some(plan) = line.strip_prefix("1..") {
            let (count, comment) = plan.split_once('#').unwrap_or((plan, ""));
            let again = planned.is_some();
            planned = count.trim().parse::<usize>().ok();
            skipped_all = planned == Some(0) && directive(comment) == Some(Directive::Skip);
            if again || planned.is_none() {
                failures.push(format!("its plan `{}` cannot be understood", clip(line)));
            }
            continue;
        }
        if let Some(diagnostic) = line.strip_prefix('#') {
            if let Some(last) = results
                .last_mut()
                .filter(|last| last.outcome == SubOutcome::Failed)
            {
                let message = format!("{} {}", last.message, diagnostic.trim());
                last.message = clip(&message);
            }
            continue;
        }
        if let Some(result) = test_line(line, results.len() + 1, &mut failures) {
            results.push(result);
        }
    }
    match planned {
        None => failures.push("it has no plan (1..N): it may have ended early".to_owned()),
        Some(0) if skipped_all => {}
        Some(count) if count != results.len() => failures.push(format!(
            "{count} tests were planned, and {} have a result",
            results.len()
        )),
        Some(_) => {}
    }
    finish(results, failures)
}

#[derive(PartialEq, Eq)]
enum Directive {
    Skip,
    Todo,
}

fn directive(comment: &str) -> Option<Directive> {
    let word = comment.trim_start().to_ascii_lowercase();
    if word.starts_with("skip") {
        Some(Directive::Skip)
    } else if word.starts_with("todo") {
        Some(Directive::Todo)
    } else {
        None
    }
}

/// `ok 3 - name # SKIP why`
fn test_line(line: &str, number: usize, failures: &mut Vec<String>) -> Option<SubResult> {
    let (ok, rest) = match (line.strip_prefix("not ok"), line.strip_prefix("ok")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return None,
    };
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let rest = rest.trim_start();
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (given, rest) = rest.split_at(digits);
    if !given.is_empty() && given.parse() != Ok(number) {
        failures.push(format!("test {given} is the {number}. in order"));
    }
    // An escaped # is part of the name.
    let comment = rest
        .match_indices('#')
        .find(|(at, _)| !rest[..*at].ends_with('\\') && directive(&rest[at + 1..]).is_some());
    let (name, comment) = comment.map_or((rest, ""), |(at, _)| (&rest[..at], &rest[at + 1..]));
    let name = name
        .trim()
        .trim_start_matches("- ")
        .trim_start_matches('-')
        .trim();
    let outcome = match (directive(comment), ok) {
        (Some(_), _) => SubOutcome::Skipped,
        (None, true) => SubOutcome::Passed,
        (None, false) => SubOutcome::Failed,
    };
    Some(SubResult {
        name: if name.is_empty() {
            format!("test {number}")
        } else {
            clip(name)
        },
        outcome,
        message: clip(comment),
    })
}

/// Reads JUnit's XML, as pytest, goss, Pester and others write it.
pub fn junit(text: &str) -> Read {
    let wrong = |problem: String| Read {
        results: Vec::new(),
        failures: vec![problem],
    };
    // No DTD: nothing is expanded.
    let options = roxmltree::ParsingOptions {
        allow_dtd: false,
        nodes_limit: 200_000,
        ..roxmltree::ParsingOptions::default()
    };
    let document =
        match roxmltree::Document::parse_with_options(text.trim_start_matches('\u{feff}').trim(), options) {
            Ok(document) => document,
            Err(error) => return wrong(format!("the results are not XML: {error}")),
        };
    let root = document.root_element();
    if !matches!(root.tag_name().name(), "testsuites" | "testsuite") {
        return wrong(format!(
            "the results are not JUnit's: their root is `{}`",
            clip(root.tag_name().name())
        ));
    }
    let cases: Vec<_> = document
        .descendants()
        .filter(|node| node.tag_name().name() == "testcase")
        .collect();
    let mut failures = Vec::new();
    // A suite may fail as a whole, in its set-up say, and have no case that tells.
    let suites = document
        .descendants()
        .filter(|node| matches!(node.tag_name().name(), "testsuite" | "testsuites"));
    for suite in suites {
        let inside = suite
            .descendants()
            .filter(|node| node.tag_name().name() == "testcase")
            .count();
        let declared = suite
            .attribute("tests")
            .and_then(|tests| tests.parse::<usize>().ok());
        if let Some(declared) = declared
            && declared > inside
        {
            failures.push(format!(
                "{declared} tests are declared, and {inside} have a result"
            ));
        }
        let broken = suite
            .children()
            .any(|node| matches!(node.tag_name().name(), "error" | "failure"));
        if broken {
            failures.push(format!(
                "suite `{}` failed as a whole",
                clip(suite.attribute("name").unwrap_or("without a name"))
            ));
        }
    }
    finish(cases.into_iter().map(case).collect(), failures)
}

fn case(case: roxmltree::Node<'_, '_>) -> SubResult {
    let name = case.attribute("name").unwrap_or("without a name");
    let name = match case.attribute("classname").filter(|class| !class.is_empty()) {
        Some(class) => format!("{class} {name}"),
        None => name.to_owned(),
    };
    let find = |names: &[&str]| {
        case.children()
            .find(|node| node.is_element() && names.contains(&node.tag_name().name()))
    };
    let message = |node: roxmltree::Node<'_, '_>| {
        let text = node.attribute("message").filter(|text| !text.is_empty());
        clip(text.or(node.text()).unwrap_or_default())
    };
    let (outcome, message) = match (find(&["failure", "error"]), find(&["skipped"])) {
        (Some(node), _) => (SubOutcome::Failed, message(node)),
        (None, Some(node)) => (SubOutcome::Skipped, message(node)),
        (None, None) => (SubOutcome::Passed, String::new()),
    };
    SubResult {
        name: clip(&name),
        outcome,
        message,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::model::results::tally;

    use super::*;

    fn brief(read: &Read) -> (Vec<(&str, SubOutcome)>, Vec<&str>) {
        (
            read.results
                .iter()
                .map(|result| (result.name.as_str(), result.outcome))
                .collect(),
            read.failures.iter().map(String::as_str).collect(),
        )
    }

    #[test]
    fn tap_becomes_single_results() {
        use SubOutcome::{Failed, Passed, Skipped};
        let whole = "TAP version 14\n1..5\nok 1 - logs in\n    ok 1 - a subtest\n    1..1\nnot ok 2 - totals\n#   got 12.51\n  ---\n  severity: fail\n  ...\nok 3 - prints # SKIP no printer\nnot ok 4 - new layout # TODO later\nok 5 - path \\# 7\n";
        let results = vec![
            ("logs in", Passed),
            ("totals", Failed),
            ("prints", Skipped),
            ("new layout", Skipped),
            ("path \\# 7", Passed),
        ];
        assert_eq!(
            brief(&tap(whole)),
            (results, vec!["test `totals` failed: got 12.51"])
        );
        assert_eq!(tally(&tap(whole).results), "2 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn tap_that_proves_nothing_fails() {
        for (text, says) in [
            ("", "no plan"),
            ("", "no results"),
            ("1..0\n", "no results"),
            ("1..0 # SKIP not here\n", "no results"),
            ("1..2\nok 1\n", "2 tests were planned, and 1 have a result"),
            ("1..1\nok 1\nok 2\n", "1 tests were planned, and 2 have a result"),
            ("ok 1\n", "no plan"),
            ("1..2\nok 1\nok 3\n", "test 3 is the 2. in order"),
            ("1..1\nok 1 # skip all\n", "every test was skipped"),
            (
                "1..3\nok 1\nBail out! no database\nok 2\n",
                "bailed out: no database",
            ),
            ("1..x\nok 1\n", "cannot be understood"),
            ("1..1\n1..1\nok 1\n", "cannot be understood"),
        ] {
            let read = tap(text);
            assert!(
                read.failures.iter().any(|failure| failure.contains(says)),
                "{text}: {read:?}"
            );
        }
        assert_eq!(tap("ok\nok\n1..2\n").failures, Vec::<String>::new());
        assert_eq!(tap("okay then\nokra\n1..1\nok 1\n").results.len(), 1);
    }

    #[test]
    fn junit_becomes_single_results() {
        use SubOutcome::{Failed, Passed, Skipped};
        let xml = r#"<?xml version="1.0"?><testsuites><testsuite name="erp" tests="4">
            <testcase classname="test_erp" name="login"/>
            <testcase classname="test_erp" name="totals"><failure message="12.51 != 12.50">long</failure></testcase>
            <testcase name="pdf"><skipped/></testcase>
            <testcase name="mail"><error>refused</error></testcase></testsuite></testsuites>"#;
        let results = vec![
            ("test_erp login", Passed),
            ("test_erp totals", Failed),
            ("pdf", Skipped),
            ("mail", Failed),
        ];
        let failures = vec![
            "test `test_erp totals` failed: 12.51 != 12.50",
            "test `mail` failed: refused",
        ];
        assert_eq!(brief(&junit(xml)), (results, failures));
    }

    #[test]
    fn junit_that_proves_nothing_fails() {
        for (xml, says) in [
            ("", "not XML"),
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
                "<testsuite><testcase name='a'><skipped/></testcase></testsuite>",
                "every test was skipped",
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

    #[test]
    fn results_are_bounded_and_failed_ones_are_kept() {
        let lines: Vec<String> = (1..=5000)
            .map(|number| format!("ok {number} - {}", "n".repeat(1000)))
            .collect();
        let read = tap(&format!("1..5001\n{}\nnot ok 5001 - last\n", lines.join("\n")));
        assert_eq!(
            (read.results.len(), read.results[0].name.as_str()),
            (KEPT, "last")
        );
        assert_eq!(read.failures, ["test `last` failed"]);
        assert!(read.results[1].name.chars().count() <= TEXT + 1);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_panic(text in "(ok |not ok |1\\.\\.|#|- |<testsuite>|[\\PC\n ]){0,60}") {
            let _ = tap(&text);
            let _ = junit(&text);
        }
    }
}
