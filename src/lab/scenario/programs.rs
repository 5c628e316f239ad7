//! Reading `script`, `sql`, `log`, `wait` and `reboot` steps.

use toml::Spanned;
use toml::de::DeValue;

use crate::input::names::{UNIT, is_host, is_name};
use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::template::has_variables;
use crate::input::words::show;
use crate::lab::scenario::expect::{expectation, expected, json_paths, regex, text_keys};
use crate::lab::scenario::values::{absolute, department_file, given, period, thing_name, user};
use crate::model::scenario::{Action, Log, LogSource, Results, Script, Sql};
use crate::units::Period;

/// Words of one command line that a scenario may give.
const WORDS: usize = 50;

/// Reads `script`.
pub(super) fn script(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Script> {
    let table = reader.table(step, "script")?;
    let file = given(reader, &table, "file")?;
    department_file(reader, &file);
    let chosen = reader.choice(&table, "output");
    let means_nothing = chosen == Some(Results::Exit) || !table.has("output");
    let results = reader.text(&table, "results").map(|path| absolute(reader, path));
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
        args: words(reader, &table, "args"),
        user: user(reader, step),
        output: chosen.unwrap_or_default(),
        results,
        exit: expected.exit,
        stdout: expected.stdout,
        stderr: expected.stderr,
    })
}

fn interpreter(reader: &mut Reader<'_>, table: &Section<'_>) -> Option<Vec<String>> {
    let Some(value) = table.get("interpreter") else {
        reader.missing(table, "interpreter");
        return None;
    };
    let words = if value.get_ref().is_str() {
        vec![reader.text(table, "interpreter")?.into_inner()]
    } else {
        words(reader, table, "interpreter")
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
            format!(
                "write its name or its absolute path: {}",
                table.like("interpreter")
            ),
        );
        return None;
    }
    Some(words)
}

fn words(reader: &mut Reader<'_>, table: &Section<'_>, key: &str) -> Vec<String> {
    let Some(texts) = reader.texts(table, key) else {
        return Vec::new();
    };
    if texts.get_ref().len() > WORDS {
        reader.error(
            texts.span(),
            format!("{} has more than {WORDS} entries", table.what_of(key)),
        );
    }
    for text in texts.get_ref() {
        if text.get_ref().contains('\0') {
            reader.error(text.span(), format!("an entry of `{key}` holds a NUL character"));
        }
    }
    texts.into_inner().into_iter().map(Spanned::into_inner).collect()
}

/// Reads `sql`.
pub(super) fn sql(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Sql> {
    let table = reader.table(step, "sql")?;
    let engine = reader.choice(&table, "engine").unwrap_or_default();
    let database = reader.required(&table, "database");
    let query = reader.required(&table, "query");
    let host = reader.text(&table, "host");
    if let Some(host) = &host
        && !is_host(host.get_ref())
        && !has_variables(host.get_ref())
    {
        let message = format!("{} is not a host's name or address", show(host.get_ref()));
        reader.hinted(host.span(), message, "leave it out for the node's own server");
    }
    let user = reader.text(&table, "user");
    if let Some(user) = &user
        && !is_name(user.get_ref(), "_-.@$", 128)
        && !has_variables(user.get_ref())
    {
        let message = format!("{} is not a database user's name", show(user.get_ref()));
        reader.hinted(
            user.span(),
            message,
            format!("write it like this: {}", table.like("user")),
        );
    }
    let password = reader.text(&table, "password");
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
        port: reader.number(&table, "port").map(Spanned::into_inner),
        user: user.map(Spanned::into_inner),
        password: password.map(Spanned::into_inner),
        rows,
    })
}

/// Reads `log`.
pub(super) fn log(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Log> {
    let like = step.like("log");
    let table = reader.table(step, "log")?;
    let unexpected = given(reader, &table, "unexpected");
    if let Some(unexpected) = &unexpected {
        regex(reader, unexpected);
    }
    let source = match (table.has("unit"), table.has("file")) {
        (true, false) => {
            let unit = given(reader, &table, "unit")?;
            thing_name(reader, &unit, "unit", UNIT, &like);
            LogSource::Unit(unit.into_inner())
        }
        (false, true) => {
            let file = given(reader, &table, "file")?;
            LogSource::File(absolute(reader, file))
        }
        (false, false) | (true, true) => {
            reader.hinted(
                table.span.clone(),
                format!("{} must name a unit or a file, and one alone", table.what),
                format!("write it like this: {like}"),
            );
            return None;
        }
    };
    Some(Log {
        source,
        unexpected: unexpected?.into_inner(),
    })
}

/// Reads `wait`.
pub(super) fn wait(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Period> {
    period(reader, step, "wait").map(Spanned::into_inner)
}

/// Reads `reboot`.
pub(super) fn reboot(reader: &mut Reader<'_>, step: &Section<'_>) -> Option<Action> {
    let value = step.get("reboot")?;
    if let DeValue::Boolean(true) = value.get_ref() {
        return Some(Action::Reboot);
    }
    reader.wrong_type(&step.what_of("reboot"), value, "true", &step.like("reboot"));
    None
}
