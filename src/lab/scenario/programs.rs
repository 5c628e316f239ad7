//! Reading `script`, `sql`, `log`, `wait` and `reboot` steps.

use toml::Spanned;
use toml::de::DeValue;

use crate::input::names::{UNIT, is_host, is_name};
use crate::input::read::{Reader, Section};
use crate::input::template::has_variables;
use crate::input::words::show;
use crate::lab::scenario::expect::{expectation, expected, json_paths, regex, text_keys};
use crate::lab::scenario::keys;
use crate::lab::scenario::values::{absolute, department_file, given, period, thing_name, user};
use crate::model::scenario::{Action, Engine, Log, LogSource, Results, Script, Sql};
use crate::units::Period;

/// Words of one command line that a scenario may give.
const WORDS: usize = 50;

pub(super) fn script(
    reader: &mut Reader<'_>,
    step: &Section<'_>,
    what: String,
    value: &Spanned<DeValue<'_>>,
) -> Option<Script> {
    let example = "script = { file = \"smoke.t\", interpreter = \"perl\", output = \"tap\" }";
    let table = reader.section(what, value, example)?;
    reader.known(
        &table,
        &keys::SCRIPT.names(),
        &[
            ("user", "it belongs to the step, beside `script`"),
            ("path", "it is called `file`"),
        ],
    );
    let file = given(reader, &table, "file", "\"smoke.t\"")?;
    department_file(reader, &file);
    let outputs = [
        ("exit", Results::Exit),
        ("tap", Results::Tap),
        ("junit", Results::Junit),
    ];
    let chosen = reader.choice(&table, "output", &outputs);
    let means_nothing = chosen == Some(Results::Exit) || table.get("output").is_none();
    let results = reader
        .text(&table, "results", "\"/tmp/results.xml\"")
        .map(|path| absolute(reader, path));
    if results.is_some() && means_nothing {
        reader.hinted(
            table.key_span("results"),
            format!("{} has `results`, and its output means nothing", table.what),
            "say what they are: output = \"tap\" or output = \"junit\"",
        );
    }
    let expected = expected(reader, step)?;
    Some(Script {
        file: file.into_inner(),
        interpreter: interpreter(reader, &table)?,
        args: words(reader, &table, "args", "[\"--verbose\"]"),
        user: user(reader, step),
        output: chosen.unwrap_or_default(),
        results,
        exit: expected.exit,
        stdout: expected.stdout,
        stderr: expected.stderr,
    })
}

fn interpreter(reader: &mut Reader<'_>, table: &Section<'_>) -> Option<Vec<String>> {
    let example = "\"perl\"";
    let Some(value) = table.get("interpreter") else {
        reader.missing(table, "interpreter", example);
        return None;
    };
    let words = if value.get_ref().is_str() {
        vec![reader.text(table, "interpreter", example)?.into_inner()]
    } else {
        words(reader, table, "interpreter", "[\"python3\", \"-m\", \"pytest\"]")
    };
    let program = words.first().map_or("", String::as_str);
    let is_right = if program.starts_with('/') {
        !program.contains('\0')
    } else {
        is_name(program, "._+-", 100)
    };
    if !is_right {
        reader.hinted(
            value.span(),
            format!("{} is not a program of the guest", show(program)),
            format!("write its name or its absolute path: interpreter = {example}"),
        );
        return None;
    }
    Some(words)
}

fn words(reader: &mut Reader<'_>, table: &Section<'_>, key: &str, example: &str) -> Vec<String> {
    let Some(texts) = reader.texts(table, key, example) else {
        return Vec::new();
    };
    if texts.get_ref().len() > WORDS {
        reader.error(
            texts.span(),
            format!("`{key}` of {} has more than {WORDS} entries", table.what),
        );
    }
    for text in texts.get_ref() {
        if text.get_ref().contains('\0') {
            reader.error(text.span(), format!("an entry of `{key}` holds a NUL character"));
        }
    }
    texts.into_inner().into_iter().map(Spanned::into_inner).collect()
}

pub(super) fn sql(reader: &mut Reader<'_>, what: String, value: &Spanned<DeValue<'_>>) -> Option<Sql> {
    let example = "sql = { database = \"shop\", query = \"select count(*) from orders\", rows = \"3\" }";
    let table = reader.section(what, value, example)?;
    reader.known(
        &table,
        &keys::SQL.names(),
        &[
            (
                "expect",
                "write what is expected beside `query`: rows = \"3|124.95\"",
            ),
            ("db", "it is called `database`"),
        ],
    );
    let engines = [
        ("postgresql", Engine::Postgresql),
        ("mysql", Engine::Mysql),
        ("sqlserver", Engine::Sqlserver),
    ];
    let engine = reader.choice(&table, "engine", &engines).unwrap_or_default();
    let database = reader.required(&table, "database", "\"shop\"");
    let query = reader.required(&table, "query", "\"select count(*) from orders\"");
    let host = reader.text(&table, "host", "\"database\"");
    if let Some(host) = &host
        && !is_host(host.get_ref())
        && !has_variables(host.get_ref())
    {
        let message = format!("{} is not a host's name or address", show(host.get_ref()));
        reader.hinted(host.span(), message, "leave it out for the node's own server");
    }
    let user = reader.text(&table, "user", "\"postgres\"");
    if let Some(user) = &user
        && !is_name(user.get_ref(), "_-.@$", 128)
        && !has_variables(user.get_ref())
    {
        let message = format!("{} is not a database user's name", show(user.get_ref()));
        reader.hinted(user.span(), message, "write it like this: user = \"postgres\"");
    }
    let password = reader.text(&table, "password", "\"${SHOP_PASSWORD}\"");
    if let (Some(password), None) = (&password, &user) {
        reader.hinted(
            password.span(),
            format!("{} has a password and no user", table.what),
            "say whose it is: user = \"...\"",
        );
    }
    let mut rows = expectation(reader, &table, "rows");
    let beside = text_keys(reader, &table);
    let json = json_paths(reader, &table, "json");
    if !(rows.is_empty() || beside.is_empty() && json.is_empty()) {
        reader.hinted(
            table.key_span("rows"),
            format!("{} expects something of its rows in two places", table.what),
            "put it all into rows = { ... }, or take `rows` away",
        );
    }
    if rows.is_empty() {
        rows = beside;
        rows.json = json;
    }
    Some(Sql {
        engine,
        database: database.into_inner(),
        query: query.into_inner(),
        host: host.map(Spanned::into_inner),
        port: reader
            .number(&table, "port", 1..=u16::MAX)
            .map(Spanned::into_inner),
        user: user.map(Spanned::into_inner),
        password: password.map(Spanned::into_inner),
        rows,
    })
}

pub(super) fn log(reader: &mut Reader<'_>, what: String, value: &Spanned<DeValue<'_>>) -> Option<Log> {
    let example = "log = { unit = \"nginx\", unexpected = '(?i)error' }";
    let table = reader.section(what, value, example)?;
    reader.known(
        &table,
        &keys::LOG.names(),
        &[(
            "matches",
            "it is called `unexpected`: lines that must not be there",
        )],
    );
    let unexpected = given(reader, &table, "unexpected", "'(?i)error'");
    if let Some(unexpected) = &unexpected {
        regex(reader, unexpected);
    }
    let source = match (table.get("unit"), table.get("file")) {
        (Some(_), None) => {
            let unit = given(reader, &table, "unit", "\"nginx\"")?;
            thing_name(reader, &unit, "unit", UNIT, example);
            LogSource::Unit(unit.into_inner())
        }
        (None, Some(_)) => {
            let file = given(reader, &table, "file", "\"/var/log/app.log\"")?;
            LogSource::File(absolute(reader, file))
        }
        (None, None) | (Some(_), Some(_)) => {
            reader.hinted(
                value.span(),
                format!("{} must name a unit or a file, and one alone", table.what),
                format!("write it like this: {example}"),
            );
            return None;
        }
    };
    Some(Log {
        source,
        unexpected: unexpected?.into_inner(),
    })
}

pub(super) fn wait(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Period> {
    period(reader, step, "wait", "\"5s\"").map(Spanned::into_inner)
}

pub(super) fn reboot(reader: &mut Reader<'_>, what: &str, value: &Spanned<DeValue<'_>>) -> Option<Action> {
    if let DeValue::Boolean(true) = value.get_ref() {
        return Some(Action::Reboot);
    }
    reader.wrong_type(what, value, "true", "reboot = true");
    None
}
