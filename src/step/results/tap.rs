//! The Test Anything Protocol (testanything.org/tap-version-14-specification.html), and prove(1)'s page around it. Pure.

use std::collections::BTreeSet;

use crate::model::results::{SubOutcome, SubResult};
use crate::step::results::plain::plain;
use crate::step::results::read::{Read, clip};

/// Reads one text.
pub(super) fn read(text: &str, read: &mut Read) {
    let text = plain(text);
    // The specification wants every kind of line's end taken for one.
    let lines: Vec<&str> = text.split(['\n', '\r']).collect();
    let is_page = |pair: &[&str]| pair[0].starts_with("Files=") && pair[1].starts_with(PROVE_SAYS);
    if lines.windows(2).any(is_page) {
        return prove(&lines, read);
    }
    let mut stream = Stream::default();
    for line in lines {
        stream.line(line);
    }
    stream.end(None, read);
}

/// How prove begins its word on all files.
const PROVE_SAYS: &str = "Result: ";

/// What prove shows: of each file a line of its own, its TAP where it was asked for, and its word on it. A script may call it
/// more than once, and write TAP of its own around it.
fn prove(lines: &[&str], read: &mut Read) {
    let mut stream = Stream::default();
    let mut file: Option<&str> = None;
    for line in lines {
        if let Some((next, word)) = prove_file(line) {
            std::mem::take(&mut stream).close(file.take(), read);
            if word.is_empty() {
                file = Some(next);
            } else {
                read.results.push(SubResult {
                    name: clip(next),
                    outcome: match word.split([':', ' ']).next() {
                        Some("ok") => SubOutcome::Passed,
                        Some("skipped") => SubOutcome::Skipped,
                        Some(_) | None => SubOutcome::Failed,
                    },
                    message: if word == "ok" { String::new() } else { clip(word) },
                });
            }
        } else if line.starts_with("Files=") {
            std::mem::take(&mut stream).close(file.take(), read);
        } else if let Some(result) = line.strip_prefix(PROVE_SAYS) {
            if result.trim() != "PASS" {
                read.failures.push(format!("prove says {}", clip(result.trim())));
            }
        } else if !(line.trim_end() == "ok" && (stream.is_whole() || stream.is_empty())) {
            // A bare `ok` behind a whole plan is prove's own.
            stream.line(line);
        }
    }
    stream.close(file, read);
}

/// `t/books.t ..`, and what prove says of it on the same line where it shows no TAP.
fn prove_file(line: &str) -> Option<(&str, &str)> {
    let (file, rest) = line.split_once(" ..")?;
    let rest = rest.trim_start_matches('.');
    let is_file = !file.is_empty() && !file.contains([' ', '\t', '#']);
    (is_file && (rest.is_empty() || rest.starts_with(' '))).then(|| (file, rest.trim()))
}

/// One stream of TAP.
#[derive(Default)]
struct Stream {
    results: Vec<SubResult>,
    failures: Vec<String>,
    numbers: BTreeSet<usize>,
    last: usize,
    /// How many tests are planned, why none where there are none, and how many results stood before it.
    plan: Option<(usize, String, usize)>,
    plans: usize,
    bailed_out: bool,
    /// Whether the line before was a test's: a YAML block may follow.
    after_test: bool,
    in_yaml: bool,
}

impl Stream {
    /// Whether there is a plan and it is kept.
    fn is_whole(&self) -> bool {
        self.plan
            .as_ref()
            .is_some_and(|(count, _, _)| *count == self.results.len())
    }

    /// Whether nothing of a test is in it.
    fn is_empty(&self) -> bool {
        self.results.is_empty() && self.failures.is_empty() && self.plans == 0
    }

    /// Ends what may be no stream at all: text around prove's page, of no file.
    fn close(self, file: Option<&str>, read: &mut Read) {
        if file.is_some() || !self.is_empty() {
            self.end(file, read);
        }
    }

    fn line(&mut self, line: &str) {
        let text = line.trim();
        let is_indented = line.starts_with([' ', '\t']);
        if self.bailed_out || text.is_empty() {
            return;
        }
        if self.in_yaml && is_indented {
            self.in_yaml = text != "...";
            return;
        }
        self.in_yaml = is_indented && self.after_test && text == "---";
        if self.in_yaml {
            return;
        }
        if let Some(diagnostic) = text.strip_prefix('#') {
            if !is_indented {
                self.diagnostic(diagnostic);
            }
            return;
        }
        let ended = test_line(text);
        self.after_test = ended.is_some();
        // One that a subtest calls ends all.
        if text
            .get(..9)
            .is_some_and(|start| start.eq_ignore_ascii_case("bail out!"))
        {
            self.bailed_out = true;
            let why = text.get(9..).unwrap_or_default();
            self.failures
                .push(format!("the script bailed out: {}", clip(why)));
        } else if is_indented {
            // A subtest's, and its parent's line has the result.
        } else if let Some(plan) = text.strip_prefix("1..") {
            self.planned(line, plan);
        } else if let Some((ok, rest)) = ended {
            self.test(ok, rest);
        }
    }

    fn diagnostic(&mut self, diagnostic: &str) {
        let last = self.results.last_mut();
        if let Some(last) = last.filter(|last| last.outcome == SubOutcome::Failed) {
            let message = format!("{} {}", last.message, diagnostic.trim());
            last.message = clip(&message);
        }
    }

    fn planned(&mut self, line: &str, plan: &str) {
        let (count, comment) = plan.split_once('#').unwrap_or((plan, ""));
        self.plans += 1;
        match count.trim().parse() {
            Ok(count) if self.plans == 1 => {
                self.plan = Some((count, comment.trim().to_owned(), self.results.len()));
            }
            Ok(_) | Err(_) => self
                .failures
                .push(format!("its plan `{}` cannot be understood", clip(line))),
        }
    }

    /// `ok 3 - name # SKIP why`, without its first words.
    fn test(&mut self, ok: bool, rest: &str) {
        let rest = rest.trim_start();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (given, rest) = rest.split_at(digits);
        let number = if given.is_empty() {
            self.last.saturating_add(1)
        } else {
            given.parse().unwrap_or(usize::MAX)
        };
        self.last = number;
        if !self.numbers.insert(number) {
            self.failures.push(format!("test {number} has two results"));
        }
        let (name, directive, comment) = comment(rest, ok);
        let name = name.trim().trim_end_matches('{').trim_end();
        let name = name.strip_prefix('-').unwrap_or(name).trim();
        let outcome = match (directive, ok) {
            (true, _) => SubOutcome::Skipped,
            (false, true) => SubOutcome::Passed,
            (false, false) => SubOutcome::Failed,
        };
        self.results.push(SubResult {
            name: if name.is_empty() {
                format!("test {number}")
            } else {
                clip(&name.replace("\\#", "#").replace("\\\\", "\\"))
            },
            outcome,
            message: match outcome {
                SubOutcome::Passed | SubOutcome::Flaky => String::new(),
                SubOutcome::Failed | SubOutcome::Skipped => clip(comment.trim_end_matches('{')),
            },
        });
    }

    fn end(mut self, file: Option<&str>, read: &mut Read) {
        let have = self.results.len();
        match &self.plan {
            _ if self.bailed_out => {}
            None if self.plans == 0 => self
                .failures
                .push("it has no plan (1..N): it may have ended early".to_owned()),
            None => {}
            Some((0, why, _)) if have == 0 => {
                if let Some(file) = file {
                    self.results.push(SubResult {
                        name: clip(file),
                        outcome: SubOutcome::Skipped,
                        message: clip(why),
                    });
                }
            }
            Some((count, _, _)) if *count != have => self
                .failures
                .push(format!("{count} tests were planned, and {have} have a result")),
            Some((_, _, before)) if *before != 0 && *before != have => self
                .failures
                .push("its plan stands between its results".to_owned()),
            Some((count, _, _)) => {
                if let Some(beyond) = self
                    .numbers
                    .iter()
                    .find(|&&number| !(1..=*count).contains(&number))
                {
                    self.failures
                        .push(format!("test {beyond} is not in the plan of {count}"));
                }
            }
        }
        if let Some(file) = file.map(clip) {
            for failure in &mut self.failures {
                *failure = format!("{file}: {failure}");
            }
            for result in &mut self.results {
                result.name = clip(&format!("{file}: {}", result.name));
            }
        }
        read.results.append(&mut self.results);
        read.failures.append(&mut self.failures);
    }
}

/// Whether a line says how a test ended, and the rest of it: `/^(not )?ok\b/`.
fn test_line(line: &str) -> Option<(bool, &str)> {
    if let Some(rest) = line.strip_prefix("not") {
        let rest = rest
            .strip_prefix(char::is_whitespace)?
            .trim_start()
            .strip_prefix("ok")?;
        let is_word = rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        return (!is_word).then_some((false, rest));
    }
    let rest = line.strip_prefix("ok")?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then_some((true, rest))
}

/// Splits a description from what follows its `#`, and says whether that makes the test one that does not count: a directive
/// is a whole word with white space on both sides of its `#`, which is not escaped. `Ledger#todoList` is a name.
fn comment(rest: &str, ok: bool) -> (&str, bool, &str) {
    let is_comment = |at: usize| {
        let before = &rest[..at];
        let escapes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
        let after = &rest[at + 1..];
        escapes % 2 == 0
            && (before.is_empty() || before.ends_with(char::is_whitespace))
            && (after.is_empty() || after.starts_with(char::is_whitespace))
    };
    let mut first = None;
    for (at, _) in rest.match_indices('#').filter(|(at, _)| is_comment(*at)) {
        let text = rest[at + 1..].trim_start();
        first = first.or(Some((at, text)));
        if is_directive(text, ok) {
            return (&rest[..at], true, text);
        }
    }
    first.map_or((rest, false, ""), |(at, text)| (&rest[..at], false, text))
}

fn is_directive(text: &str, ok: bool) -> bool {
    let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let rest = rest.trim_start_matches([':', ',', '.', ';', '!']);
    let is_word = |known: &str| word.eq_ignore_ascii_case(known);
    (rest.is_empty() || rest.starts_with(char::is_whitespace))
        // Some write `skipped`, which excuses no failure.
        && (is_word("skip") || is_word("todo") || (ok && (is_word("skipped") || is_word("skipping"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::results::{counts, tally};

    fn tap(text: &str) -> Read {
        crate::step::results::tap(&[("", text)])
    }

    #[test]
    fn tap_becomes_single_results() {
        use SubOutcome::{Failed, Passed, Skipped};
        let whole = "TAP version 14\n1..5\nok 1 - logs in\n    ok 1 - a subtest\n    1..1\nnot ok 2 - totals\n#   got 12.51\n  ---\n  severity: fail\n  ...\nok 3 - prints # SKIP no printer\nnot ok 4 - new layout # TODO later\nok 5 - path \\# 7\n";
        let read = tap(whole);
        let results: Vec<_> = read
            .results
            .iter()
            .map(|result| (result.name.as_str(), result.outcome))
            .collect();
        let are = [
            ("logs in", Passed),
            ("totals", Failed),
            ("prints", Skipped),
            ("new layout", Skipped),
            ("path # 7", Passed),
        ];
        assert_eq!(results, are);
        assert_eq!(read.failures, ["test `totals` failed: got 12.51"]);
        assert_eq!(tally(counts(&read.results)), "2 passed, 1 failed, 2 skipped");
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
            ("ok 1\n1..0 # SKIP\n", "0 tests were planned, and 1 have a result"),
            ("ok 1\n", "no plan"),
            ("1..2\nok 1\nok 3\n", "test 3 is not in the plan of 2"),
            ("1..2\nok 0\nok 1\n", "test 0 is not in the plan"),
            ("1..2\nok 1\nok 1\n", "test 1 has two results"),
            ("ok 1\n1..2\nok 2\n", "between its results"),
            ("1..1\nok 1 # skip all\n", "every test was skipped"),
            ("1..1\nok 1 # Skipped: no printer\n", "every test was skipped"),
            ("1..1\nnot ok 1 # Skipped: no printer\n", "test 1` failed"),
            ("1..1\nnot ok 1 - a # todolist\n", "test `a` failed"),
            ("1..1\nnot ok 1 - a #TODO b\n", "failed"),
            ("1..1\nnot ok 1 - a \\# TODO b\n", "failed"),
            ("1..1\nnot  ok 1\n", "failed"),
            (
                "1..3\nok 1\nBail out! no database\nok 2\n",
                "bailed out: no database",
            ),
            (
                "1..1\n    bail out! no database\nok 1\n",
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
        for text in [
            "ok\nok\n1..2\n",
            "1..2\nnot ok 1 - a # TODO: later\nok 2\n",
            "1..2\nok 1 - a \\\\# x\nok 2 #\n",
            "1..1\rok 1\r",
        ] {
            assert_eq!(tap(text).failures, Vec::<String>::new(), "{text}");
        }
        assert_eq!(tap("okay then\nokra\n1..1\nok 1\n").results.len(), 1);
    }

    #[test]
    fn nothing_around_a_page_of_prove_is_passed_over() {
        let page = "t/a.t .. ok\nAll tests successful.\nFiles=1, Tests=2,  0 wallclock secs\nResult: PASS\n";
        let failed = "t/b.t .. Failed 1/2 subtests\nFiles=1, Tests=2,  0 wallclock secs\nResult: FAIL\n";
        assert_eq!(tap(page).failures, Vec::<String>::new());
        assert_eq!(
            tap(&format!("starting\n{page}done\nok\n")).failures,
            Vec::<String>::new()
        );
        let before = page.find("Files=").expect("it is there");
        for (text, says) in [
            (format!("{page}{failed}"), "prove says FAIL"),
            (format!("1..2\nok 1\nnot ok 2 - own\n{page}"), "test `own` failed"),
            (format!("{page}1..1\nnot ok 1 - after\n"), "test `after` failed"),
            (format!("{page}Bail out! no database\n"), "bailed out"),
            (
                format!("{}1..1\nnot ok 1 - within\n{}", &page[..before], &page[before..]),
                "test `within` failed",
            ),
        ] {
            let read = tap(&text);
            assert!(
                read.failures.iter().any(|failure| failure.contains(says)),
                "{text}: {read:?}"
            );
        }
    }
}
