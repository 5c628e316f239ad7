//! Single results out of a script's output: the Test Anything Protocol and JUnit's XML. Pure; trusts nothing.

mod junit;
mod plain;
mod read;
mod tap;

pub use plain::decode;
pub use read::Read;

use read::{clip, finish};

/// Reads TAP, version 12 to 14, by itself or as prove(1) shows it; subtests count by their parent's line, and YAML blocks
/// are not read. Several texts, each with its file's name, are read as one.
pub fn tap(texts: &[(&str, &str)]) -> Read {
    all(texts, tap::read)
}

/// Reads JUnit's XML, as pytest, Surefire, Pester, goss, googletest and others write it. Several texts, each with its file's
/// name, are read as one.
pub fn junit(texts: &[(&str, &str)]) -> Read {
    all(texts, junit::read)
}

fn all(texts: &[(&str, &str)], read: fn(&str, &mut Read)) -> Read {
    let mut whole = Read::default();
    for (name, text) in texts {
        let mut one = Read::default();
        read(text, &mut one);
        whole.results.append(&mut one.results);
        let place = if texts.len() > 1 {
            format!("{}: ", clip(name))
        } else {
            String::new()
        };
        whole.failures.extend(
            one.failures
                .into_iter()
                .map(|failure| format!("{place}{failure}")),
        );
    }
    finish(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::read::TEXT;
    use super::*;
    use crate::model::results::KEPT;

    #[test]
    fn results_are_bounded_and_failed_ones_are_kept() {
        let lines: Vec<String> = (1..=5000)
            .map(|number| format!("ok {number} - {}", "n".repeat(1000)))
            .collect();
        let read = tap(&[(
            "",
            &format!("1..5001\n{}\nnot ok 5001 - last\n", lines.join("\n")),
        )]);
        assert_eq!(
            (read.results.len(), read.results[0].name.as_str()),
            (KEPT, "last")
        );
        assert_eq!(read.failures, ["test `last` failed"]);
        assert!(read.results[1].name.chars().count() <= TEXT + 1);
    }

    #[test]
    fn several_files_are_one_and_each_must_be_whole() {
        let suite = |inner: &str| format!("<testsuite name='s'>{inner}</testsuite>");
        let (good, none) = (suite("<testcase name='a'/>"), suite(""));
        let skipped = suite("<testcase name='b'><skipped/></testcase>");
        let read = junit(&[("a.xml", &good), ("b.xml", &skipped), ("c.xml", &none)]);
        assert_eq!((read.results.len(), read.failures.len()), (2, 0), "{read:?}");
        let read = junit(&[("a.xml", &good), ("b.xml", "<testsuite")]);
        assert!(
            read.failures[0].starts_with("b.xml: the results are not XML"),
            "{read:?}"
        );
        assert!(junit(&[]).failures[0].contains("no results"));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_panic(text in "(ok |not ok |1\\.\\.|#|- |<testsuite>|Result: |\u{1b}\\[|&#|[\\PC\n ]){0,60}") {
            let _ = tap(&[("", &text)]);
            let _ = junit(&[("", &text)]);
        }
    }
}
