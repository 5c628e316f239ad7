//! Reading what a step does: exactly one action, with expectations that can fail.

use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::words::list;
use crate::lab::scenario::expect::expected;
use crate::lab::scenario::keys::STEP;
use crate::lab::scenario::values::user;
use crate::lab::scenario::{guest, http, programs};
use crate::model::scenario::{Action, Run};

/// Reads the one action of a step; complains where there is none, or more.
pub fn read(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Action> {
    let given: Vec<&str> = STEP.one_of().into_iter().filter(|kind| step.has(kind)).collect();
    let [kind] = given.as_slice() else {
        match given.last() {
            None => reader.hinted(
                step.span.clone(),
                format!("{} does nothing", step.what),
                format!("give it one of {}", list(step.keys.one_of())),
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
            if step.has(key) {
                reader.hinted(
                    step.key_span(key),
                    format!(
                        "{} belongs to `run` or `script`, and this step has `{kind}`",
                        step.what_of(key)
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
    match *kind {
        // A table that has fewer actions has been told of this one.
        other if !step.keys.names().contains(&other) => None,
        "run" => run(reader, step).map(Action::Run),
        "http" => http::read(reader, step).map(Action::Http),
        "tcp" => guest::tcp(reader, step).map(Action::Tcp),
        "service" => guest::service(reader, step).map(Action::Service),
        "file" => guest::file(reader, step).map(Action::File),
        "package" => guest::package(reader, step).map(Action::Package),
        "script" => programs::script(reader, step).map(Action::Script),
        "sql" => programs::sql(reader, step).map(Action::Sql),
        "log" => programs::log(reader, step).map(Action::Log),
        "wait" => programs::wait(reader, step).map(Action::Wait),
        _ => programs::reboot(reader, step),
    }
}

fn run(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Run> {
    let command = reader.required(step, "run");
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
