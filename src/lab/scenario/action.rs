//! Reading what a step does: exactly one action, with expectations that can fail.

use toml::Spanned;
use toml::de::DeValue;

use crate::input::names::{PACKAGE, UNIT, is_absolute, is_host, is_name, is_port};
use crate::input::read::{Reader, Section};
use crate::input::template::has_variables;
use crate::input::words::{list, show};
use crate::lab::scenario::expect::{expectation, json_paths, text_keys};
use crate::lab::scenario::keys::{self, ACTIONS};
use crate::lab::scenario::{http, programs};
use crate::model::scenario::expect::TextExpectation;
use crate::model::scenario::{Action, File, Package, Run, Service, Tcp};

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
        "tcp" => tcp(reader, what, value).map(Action::Tcp),
        "service" => service(reader, what, value).map(Action::Service),
        "file" => file(reader, what, value).map(Action::File),
        "package" => package(reader, what, value).map(Action::Package),
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

/// The guest's user who runs a command.
pub(super) fn user(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<String> {
    let user = reader.text(step, "user", "\"postgres\"")?;
    if !is_name(user.get_ref(), "_-.", 32) {
        reader.hinted(
            user.span(),
            format!("{} is not a user's name", show(user.get_ref())),
            "write a user of the guest, such as user = \"postgres\"",
        );
    }
    Some(user.into_inner())
}

/// What is expected of a command.
#[derive(Default)]
pub(super) struct Expected {
    pub(super) exit: i32,
    pub(super) stdout: TextExpectation,
    pub(super) stderr: TextExpectation,
}

/// Reads `expect`; nothing where it is no table.
pub(super) fn expected(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Expected> {
    let Some(value) = step.get("expect") else {
        return Some(Expected::default());
    };
    let example = "expect = { exit = 0, stdout = \"0.00\" }";
    let expect = reader.section(format!("`expect` of {}", step.what), value, example)?;
    reader.known(
        &expect,
        &keys::EXPECT.names(),
        &[
            ("status", "the exit code is called `exit`"),
            ("contains", "say of what: stdout = { contains = \"...\" }"),
            ("matches", "say of what: stdout = { matches = \"...\" }"),
            ("equals", "say of what: stdout = \"...\""),
            ("json", "say of what: stdout = { json = { \"$.id\" = \"...\" } }"),
        ],
    );
    if expect.entries().next().is_none() {
        let message = format!("{} expects nothing", expect.what);
        reader.hinted(value.span(), message, format!("write it like this: {example}"));
    }
    Some(Expected {
        exit: reader
            .number(&expect, "exit", 0..=255)
            .map_or(0, Spanned::into_inner),
        stdout: expectation(reader, &expect, "stdout"),
        stderr: expectation(reader, &expect, "stderr"),
    })
}

fn tcp(reader: &mut Reader<'_>, what: String, value: &Spanned<DeValue<'_>>) -> Option<Tcp> {
    let example = "tcp = \"web:80\" or tcp = { host = \"web\", port = 80 }";
    if let DeValue::String(text) = value.get_ref() {
        let tcp = text.rsplit_once(':').and_then(|(host, port)| {
            let port = Some(port).filter(|port| is_port(port))?.parse().ok()?;
            (is_host(host) || has_variables(host)).then(|| Tcp {
                host: host.to_owned(),
                port,
                open: true,
            })
        });
        if tcp.is_none() {
            let message = format!("{what}: {} is not a host and a port from 1 to 65535", show(text));
            reader.hinted(value.span(), message, format!("write it like this: {example}"));
        }
        return tcp;
    }
    let table = text_or_table(reader, what, value, example)?;
    reader.known(&table, &keys::TCP.names(), &[]);
    let host = reader.required(&table, "host", "\"web\"");
    if !host.get_ref().is_empty() && !is_host(host.get_ref()) && !has_variables(host.get_ref()) {
        let message = format!("{} is not a host's name or address", show(host.get_ref()));
        reader.hinted(host.span(), message, format!("write it like this: {example}"));
    }
    if table.get("port").is_none() {
        reader.missing(&table, "port", "80");
    }
    Some(Tcp {
        host: host.into_inner(),
        port: reader.number(&table, "port", 1..=u16::MAX)?.into_inner(),
        open: reader.flag(&table, "open").unwrap_or(true),
    })
}

fn service(reader: &mut Reader<'_>, what: String, value: &Spanned<DeValue<'_>>) -> Option<Service> {
    let example = "service = \"nginx\" or service = { name = \"nginx\", enabled = true }";
    let (name, running, enabled) = if value.get_ref().is_str() {
        (Some(reader.text_value(&what, value, example)?), true, None)
    } else {
        let table = text_or_table(reader, what, value, example)?;
        reader.known(&table, &keys::SERVICE.names(), &[]);
        let running = reader.flag(&table, "running").unwrap_or(true);
        (
            given(reader, &table, "name", "\"nginx\""),
            running,
            reader.flag(&table, "enabled"),
        )
    };
    let name = name?;
    thing_name(reader, &name, "service", UNIT, example);
    Some(Service {
        name: name.into_inner(),
        running,
        enabled,
    })
}

fn file(reader: &mut Reader<'_>, what: String, value: &Spanned<DeValue<'_>>) -> Option<File> {
    let example = "file = { path = \"/etc/nginx/nginx.conf\", contains = \"...\" }";
    if let DeValue::String(_) = value.get_ref() {
        let path = reader.text_value(&what, value, example)?;
        return Some(File {
            path: absolute(reader, path),
            exists: true,
            mode: None,
            owner: None,
            text: TextExpectation::default(),
        });
    }
    let table = text_or_table(reader, what, value, example)?;
    reader.known(&table, &keys::FILE.names(), &[]);
    let path = given(reader, &table, "path", "\"/etc/nginx/nginx.conf\"");
    let exists = reader.flag(&table, "exists").unwrap_or(true);
    let mode = reader.text(&table, "mode", "\"0644\"");
    let octal = mode.as_ref().and_then(|mode| octal(mode.get_ref()));
    if let Some(mode) = &mode
        && octal.is_none()
    {
        let message = format!("{} is not a file's mode", show(mode.get_ref()));
        reader.hinted(mode.span(), message, "write its octal digits: mode = \"0644\"");
    }
    let owner = reader.text(&table, "owner", "\"root\"");
    let mut text = text_keys(reader, &table);
    text.json = json_paths(reader, &table, "json");
    if !exists && (mode.is_some() || owner.is_some() || !text.is_empty()) {
        reader.hinted(
            table.span_of("exists"),
            format!(
                "{} must not exist, and yet something is expected of it",
                table.what
            ),
            "take away `exists = false`, or the other expectations",
        );
    }
    Some(File {
        path: absolute(reader, path?),
        exists,
        mode: octal,
        owner: owner.map(Spanned::into_inner),
        text,
    })
}

/// Four octal digits of a mode.
fn octal(mode: &str) -> Option<String> {
    let digits = mode.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    (digits && matches!(mode.len(), 3 | 4)).then(|| format!("{mode:0>4}"))
}

pub(super) fn absolute(reader: &mut Reader<'_>, path: Spanned<String>) -> String {
    let text = path.get_ref();
    if !is_absolute(text) && !text.starts_with("${") {
        let message = format!("{} is not an absolute path of the guest", show(text));
        reader.hinted(path.span(), message, "begin it with /");
    }
    path.into_inner()
}

fn package(reader: &mut Reader<'_>, what: String, value: &Spanned<DeValue<'_>>) -> Option<Package> {
    let example = "package = \"nginx\" or package = { name = \"nginx\", version = { contains = \"1.22\" } }";
    let (name, installed, version) = if value.get_ref().is_str() {
        (
            Some(reader.text_value(&what, value, example)?),
            true,
            TextExpectation::default(),
        )
    } else {
        let table = text_or_table(reader, what, value, example)?;
        reader.known(&table, &keys::PACKAGE.names(), &[]);
        let name = given(reader, &table, "name", "\"nginx\"");
        let installed = reader.flag(&table, "installed").unwrap_or(true);
        let version = expectation(reader, &table, "version");
        if !installed && !version.is_empty() {
            reader.hinted(
                table.span_of("installed"),
                format!(
                    "{} must not be installed, and yet a version is expected",
                    table.what
                ),
                "take away `installed = false` or `version`",
            );
        }
        (name, installed, version)
    };
    let name = name?;
    thing_name(reader, &name, "package", PACKAGE, example);
    Some(Package {
        name: name.into_inner(),
        installed,
        version,
    })
}

/// The long form of an action that has a short one too.
pub(super) fn text_or_table<'a>(
    reader: &mut Reader<'_>,
    what: String,
    value: &'a Spanned<DeValue<'a>>,
    example: &str,
) -> Option<Section<'a>> {
    if !value.get_ref().is_table() {
        reader.wrong_type(&what, value, "a text or a table", example);
        return None;
    }
    reader.section(what, value, example)
}

/// A text that must be given, where it is.
pub(super) fn given(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    example: &str,
) -> Option<Spanned<String>> {
    Some(reader.required(section, key, example)).filter(|text| !text.get_ref().is_empty())
}

/// Complains of a name with characters that no such thing has.
pub(super) fn thing_name(
    reader: &mut Reader<'_>,
    name: &Spanned<String>,
    what: &str,
    also: &str,
    example: &str,
) {
    let text = name.get_ref();
    if is_name(text, also, 255) || has_variables(text) {
        return;
    }
    let message = format!("{} is not a {what}'s name", show(text));
    reader.hinted(name.span(), message, format!("write it like this: {example}"));
}
