//! Taking variables out of what a step gave. Pure.

use std::collections::BTreeMap;

use crate::guest::family::Family;
use crate::guest::http;
use crate::input::pattern::Pattern;
use crate::input::{json, template};
use crate::model::scenario::{Action, Capture};
use crate::step::raw::Raw;

/// The text that a step is about: standard output, a response's body, a query's rows, a file's content.
pub fn output(family: &Family, action: &Action, raw: &Raw) -> String {
    let text = raw.text();
    match action {
        Action::Http(asked) => {
            let answer = http::parse_response(&asked.method, &raw.stdout);
            answer.map_or_else(|_| String::new(), |answer| answer.body)
        }
        Action::Sql(query) => family.system.rows(query.engine, &text),
        Action::File(_) => {
            let file = family.system.file(&text);
            file.map_or("", |file| file.content).to_owned()
        }
        Action::Run(_)
        | Action::Script(_)
        | Action::Tcp(_)
        | Action::Service(_)
        | Action::Package(_)
        | Action::Log(_)
        | Action::Wait(_)
        | Action::Reboot => text,
    }
}

/// The values of a step's variables.
///
/// # Errors
/// One sentence for each that cannot be taken.
pub fn take(
    family: &Family,
    captures: &BTreeMap<String, Capture>,
    action: &Action,
    raw: &Raw,
) -> Result<BTreeMap<String, String>, Vec<String>> {
    let mut values = BTreeMap::new();
    let mut failures = Vec::new();
    let output = output(family, action, raw);
    for (name, capture) in captures {
        match one(capture, &output, raw).and_then(|text| template::value(&text)) {
            Ok(value) => {
                values.insert(name.clone(), value);
            }
            Err(problem) => failures.push(format!("variable `{name}` cannot be captured: {problem}")),
        }
    }
    if failures.is_empty() {
        Ok(values)
    } else {
        Err(failures)
    }
}

fn one(capture: &Capture, output: &str, raw: &Raw) -> Result<String, String> {
    match capture {
        Capture::Output => Ok(output.to_owned()),
        Capture::Json(path) => {
            let selected = json::select(output, path).map_err(|problem| format!("the output {problem}"))?;
            match selected.as_slice() {
                [one] => Ok(one.text.clone()),
                [] => Err(format!("{path} selects nothing")),
                many => Err(format!("{path} selects {} values, and one is needed", many.len())),
            }
        }
        Capture::Matches(pattern) => {
            let regex = Pattern::new(pattern)?;
            regex
                .affords(output.len())
                .map_err(|problem| format!("/{pattern}/ {problem}"))?;
            let found = regex
                .captures(output)
                .ok_or_else(|| format!("/{pattern}/ does not match the output"))?;
            found
                .get(1)
                .or_else(|| if regex.has_group() { None } else { found.get(0) })
                .map(|group| group.as_str().to_owned())
                .ok_or_else(|| format!("the first group of /{pattern}/ matched nothing"))
        }
        Capture::Header(name) => {
            // Of a header the method does not matter.
            let answer = http::parse_response("GET", &raw.stdout).map_err(|error| error.to_string())?;
            let header = answer.headers.into_iter().find(|(header, _)| header == name);
            header
                .map(|(_, value)| value)
                .ok_or_else(|| format!("the answer has no header {name}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::debian::DEBIAN;
    use crate::model::scenario::expect::TextExpectation;
    use crate::model::scenario::{Http, Run};

    fn run() -> Action {
        Action::Run(Run {
            command: String::new(),
            user: None,
            exit: 0,
            stdout: TextExpectation::default(),
            stderr: TextExpectation::default(),
        })
    }

    fn taken(action: &Action, output: &str, capture: Capture) -> Result<String, String> {
        let raw = Raw {
            exit: Some(0),
            stdout: output.into(),
            ..Raw::default()
        };
        take(&DEBIAN, &[("v".to_owned(), capture)].into(), action, &raw)
            .map(|mut values| values.remove("v").expect("the value"))
            .map_err(|failures| failures.join("; "))
    }

    #[test]
    fn variables_are_taken_from_every_kind_of_output() {
        let answer = "HTTP/1.1 201 Created\r\nLocation: /invoice/7\r\n\r\n{\"id\": 7.10, \"lines\": [1, 2]}";
        let http = Action::Http(Http::default());
        let json = |path: &str| Capture::Json(path.to_owned());
        let matches = |pattern: &str| Capture::Matches(pattern.to_owned());
        for (action, output, capture, is) in [
            (run(), "INV-1\n", Capture::Output, Ok("INV-1")),
            (run(), "posted INV-42 today", matches("INV-([0-9]+)"), Ok("42")),
            (run(), "posted INV-42 today", matches("INV-[0-9]+"), Ok("INV-42")),
            (http.clone(), answer, json("$.id"), Ok("7.10")),
            (
                http.clone(),
                answer,
                Capture::Header("location".into()),
                Ok("/invoice/7"),
            ),
            (run(), " \n", Capture::Output, Err("it is empty")),
            (run(), "none", matches("INV-([0-9]+)"), Err("does not match")),
            (run(), "a", matches("a(b)?"), Err("matched nothing")),
            (http.clone(), answer, json("$.lines[*]"), Err("selects 2 values")),
            (http.clone(), answer, json("$.none"), Err("selects nothing")),
            (run(), "<html>", json("$.id"), Err("the output is not JSON")),
            (
                http,
                answer,
                Capture::Header("x-id".into()),
                Err("no header x-id"),
            ),
        ] {
            match (taken(&action, output, capture), is) {
                (Ok(value), Ok(is)) => assert_eq!(value, is),
                (Err(problem), Err(says)) => assert!(problem.contains(says), "{problem}"),
                (value, is) => panic!("{value:?}, expected {is:?}"),
            }
        }
    }
}
