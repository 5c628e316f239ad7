//! Reading what a step does: exactly one action, with expectations that can fail.

use crate::input::read::{Reader, Section};
use crate::input::words::list;
use crate::lab::scenario::expect::expected;
use crate::lab::scenario::keys::ACTIONS;
use crate::lab::scenario::values::user;
use crate::lab::scenario::{guest, http, programs};
use crate::model::scenario::{Action, Run};

/// Keys that are often written beside an action instead of inside it.
pub const MISPLACED: &[(&str, &str)] = &[
    ("exit", "it belongs inside `expect`: expect = { exit = 0 }"),
    (
        "stdout",
        "it belongs inside `expect`: expect = { stdout = \"...\" }",
    ),
    (
        "stderr",
        "it belongs inside `expect`: expect = { stderr = \"...\" }",
    ),
    ("url", "it belongs inside `http`: http = { url = \"...\" }"),
    (
        "status",
        "it belongs inside `http`: http = { url = \"...\", status = 200 }",
    ),
    (
        "contains",
        "it belongs inside the action or `expect`: expect = { stdout = { contains = \"...\" } }",
    ),
    (
        "matches",
        "it belongs inside the action or `expect`: expect = { stdout = { matches = \"...\" } }",
    ),
    (
        "equals",
        "it belongs inside the action or `expect`: expect = { stdout = \"...\" }",
    ),
    ("command", "it is called `run`"),
    ("role", "it is called `on`"),
];

/// Reads the one action of a step; complains where there is none, or more.
pub fn read(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Action> {
    let given: Vec<&str> = ACTIONS
        .into_iter()
        .filter(|kind| step.get(kind).is_some())
        .collect();
    let [kind] = given.as_slice() else {
        match given.last() {
            None => reader.hinted(
                step.span.clone(),
                format!("{} does nothing", step.what),
                format!("give it one of {}", list(ACTIONS)),
            ),
            Some(last) => reader.hinted(
                step.key_span(last),
                format!(
                    "{} does more than one thing: {}",
                    step.what,
                    list(given.iter().copied())
                ),
                "make each a [[step]] of its own, with its own name",
            ),
        }
        return None;
    };
    if !matches!(*kind, "run" | "script") {
        for key in ["user", "expect"] {
            if step.get(key).is_some() {
                reader.hinted(
                    step.key_span(key),
                    format!(
                        "`{key}` of {} belongs to `run` or `script`, and this step has `{kind}`",
                        step.what
                    ),
                    match (key, *kind) {
                        ("user", "sql") => "write the user inside `sql = { ... }`".to_owned(),
                        ("user", _) => format!("take it away: `{kind}` is looked at by patchgate itself"),
                        _ => format!("write what is expected inside `{kind} = {{ ... }}`"),
                    },
                );
            }
        }
    }
    let what = format!("`{kind}` of {}", step.what);
    let value = step.get(kind)?;
    match *kind {
        "run" => run(reader, step).map(Action::Run),
        "http" => {
            let table = reader.section(what, value, "http = { url = \"http://web/\", status = 200 }")?;
            Some(Action::Http(http::read(reader, &table)))
        }
        "tcp" => guest::tcp(reader, what, value).map(Action::Tcp),
        "service" => guest::service(reader, what, value).map(Action::Service),
        "file" => guest::file(reader, what, value).map(Action::File),
        "package" => guest::package(reader, what, value).map(Action::Package),
        "script" => programs::script(reader, step, what, value).map(Action::Script),
        "sql" => programs::sql(reader, what, value).map(Action::Sql),
        "log" => programs::log(reader, what, value).map(Action::Log),
        "wait" => programs::wait(reader, step).map(Action::Wait),
        _ => programs::reboot(reader, &what, value),
    }
}

fn run(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Run> {
    let command = reader.required(step, "run", "\"systemctl is-active nginx\"");
    let user = user(reader, step);
    let expected = expected(reader, step)?;
    Some(Run {
        command: command.into_inner(),
        user,
        exit: expected.exit,
        stdout: expected.stdout,
        stderr: expected.stderr,
    })
}
