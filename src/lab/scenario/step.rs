//! Reading a `[[step]]` or `[[cleanup]]`.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;

use crate::input::json;
use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::template::{self, ITEM, Piece};
use crate::input::words::{list, show};
use crate::lab::scenario::entry::Entry;
use crate::lab::scenario::expect::regex;
use crate::lab::scenario::keys::CAPTURE;
use crate::lab::scenario::values::period;
use crate::lab::scenario::{action, measure, variables};
use crate::model::scenario::{Action, Capture, Retry, Step, When};
use crate::units::Period;

/// How long one attempt of a step may take where its file does not say.
const STEP_TIMEOUT: Period = Period::seconds(30);

/// How long a reboot may take where its file does not say, and the whole scenario has so long.
const REBOOT_TIMEOUT: Period = Period::seconds(300);

/// Entries of one `each`, and names of one `capture` or `secrets`.
const ENTRIES: usize = 100;

/// Reads a step; nothing where it cannot be known what it does.
pub(super) fn read<'a>(
    reader: &mut Reader<'_>,
    section: Section<'a>,
    is_cleanup: bool,
    whole: Period,
) -> Option<Entry<'a>> {
    let name = reader.required(&section, "name");
    let on = reader.required(&section, "on").into_inner();
    let when = if is_cleanup {
        When::default()
    } else {
        reader.choice(&section, "when").unwrap_or_default()
    };
    let timeout = timeout(reader, &section, whole);
    let retry = reader
        .table(&section, "retry")
        .and_then(|table| retry(reader, &table, whole));
    let items = each(reader, &section);
    item_name(reader, &section, &name, !items.is_empty());
    let secrets = secrets(reader, &section);
    let action = action::read(reader, &section)?;
    let (capture, captures) = capture(reader, &section, &action);
    Some(Entry {
        step: Step {
            name: name.into_inner(),
            on,
            when,
            timeout,
            retry,
            measure: if is_cleanup {
                None
            } else {
                measure::read(reader, &section, &action, when)
            },
            item: None,
            capture,
            secrets: secrets.iter().map(|secret| secret.get_ref().clone()).collect(),
            action,
        },
        section,
        items,
        secrets,
        captures,
    })
}

fn timeout(reader: &mut Reader<'_>, section: &Section<'_>, whole: Period) -> Period {
    let Some(timeout) = period(reader, section, "timeout") else {
        let usual = if section.get("reboot").is_some() {
            REBOOT_TIMEOUT
        } else if section.get("wait").is_some() {
            whole
        } else {
            STEP_TIMEOUT
        };
        return usual.min(whole);
    };
    if *timeout.get_ref() > whole {
        reader.hinted(
            timeout.span(),
            format!(
                "`timeout` of {} is {}, and the whole scenario has {whole}",
                section.what,
                timeout.get_ref()
            ),
            "give the scenario a longer `timeout` at the top of the file, or the step a shorter one",
        );
    }
    timeout.into_inner()
}

/// A step's name is shown in every report: it has no variable but that of `each`.
fn item_name(reader: &mut Reader<'_>, section: &Section<'_>, name: &Spanned<String>, has_items: bool) {
    let is_item = |piece: &Piece<'_>| match piece {
        Piece::Plain(_) => true,
        Piece::Variable(name) => has_items && *name == ITEM,
        Piece::Broken(_) => false,
    };
    if !template::pieces(name.get_ref()).iter().all(is_item) {
        reader.hinted(
            name.span(),
            format!("the name of {} has a variable", section.what),
            "a name is the same in every run; only ${item} of `each` can be in it",
        );
    }
}

fn each(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<String> {
    let Some(items) = reader.texts(section, "each") else {
        return Vec::new();
    };
    let count = items.get_ref().len();
    if count == 0 || count > ENTRIES {
        reader.hinted(
            items.span(),
            format!(
                "`each` of {} has {count} entries; from 1 to {ENTRIES} are taken",
                section.what
            ),
            format!("write it like this: {}", section.like("each")),
        );
    }
    for item in items.get_ref() {
        if let Err(problem) = template::value(item.get_ref()) {
            reader.error(
                item.span(),
                format!("an entry of `each` cannot be used: {problem}"),
            );
        }
    }
    items.into_inner().into_iter().map(Spanned::into_inner).collect()
}

fn secrets(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<Spanned<String>> {
    let Some(secrets) = reader.texts(section, "secrets") else {
        return Vec::new();
    };
    if secrets.get_ref().len() > ENTRIES {
        reader.error(
            secrets.span(),
            format!("`secrets` of {} has more than {ENTRIES} entries", section.what),
        );
    }
    for secret in secrets.get_ref() {
        if !template::is_secret(secret.get_ref()) {
            reader.hinted(
                secret.span(),
                format!("{} is not a secret's name", show(secret.get_ref())),
                "a secret's name has upper-case letters, digits and `_`, such as SHOP_PASSWORD",
            );
        }
    }
    secrets.into_inner()
}

fn capture(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    action: &Action,
) -> (BTreeMap<String, Capture>, Vec<Spanned<String>>) {
    let (mut captures, mut places) = (BTreeMap::new(), Vec::new());
    let like = section.like("capture");
    let Some(table) = reader.names(section, "capture") else {
        return (captures, places);
    };
    let has_output = match action {
        Action::Run(_) | Action::Http(_) | Action::File(_) | Action::Script(_) | Action::Sql(_) => true,
        Action::Tcp(_)
        | Action::Service(_)
        | Action::Package(_)
        | Action::Log(_)
        | Action::Wait(_)
        | Action::Reboot => false,
    };
    let count = table.count();
    if !has_output || count == 0 || count > ENTRIES {
        let message = if has_output {
            format!("{} has {count} names; from 1 to {ENTRIES} are taken", table.what)
        } else {
            format!(
                "{} has nothing to take from: `{}` has no output",
                table.what,
                action.kind()
            )
        };
        reader.hinted(
            section.key_span("capture"),
            message,
            format!("write it like this: {like}"),
        );
    }
    for (name, value) in table.entries() {
        variables::name(reader, &name);
        let what = format!("`{}` of {}", name.get_ref().escape_debug(), table.what);
        if let Some(capture) = one_capture(reader, what, value, &like, matches!(action, Action::Http(_))) {
            captures.insert(name.get_ref().clone(), capture);
        }
        places.push(name);
    }
    (captures, places)
}

fn one_capture(
    reader: &mut Reader<'_>,
    what: String,
    value: &Spanned<DeValue<'_>>,
    like: &str,
    is_http: bool,
) -> Option<Capture> {
    let like = format!("{like}, or \"output\" for all of the output");
    if let DeValue::String(text) = value.get_ref() {
        if text == "output" {
            return Some(Capture::Output);
        }
        reader.hinted(
            value.span(),
            format!("{what} cannot be {}", show(text)),
            format!("write it like this: {like}"),
        );
        return None;
    }
    if !value.get_ref().is_table() {
        reader.wrong_type(&what, value, "a text or a table", &like);
        return None;
    }
    let table = reader.open(what, value, &CAPTURE, &like)?;
    let known = CAPTURE.one_of();
    let given: Vec<&str> = known.iter().copied().filter(|key| table.has(key)).collect();
    let [key] = given.as_slice() else {
        reader.hinted(
            value.span(),
            format!("{} must say where to take it from, in one way", table.what),
            format!("give it one of {}", list(known)),
        );
        return None;
    };
    let text = reader.text(&table, key)?;
    match *key {
        "json" => {
            if let Err(problem) = json::check_path(text.get_ref()) {
                reader.hinted(
                    text.span(),
                    format!("{} is not a JSONPath: {problem}", show(text.get_ref())),
                    "write it like this: json = \"$.lines[0].total\"",
                );
            }
            Some(Capture::Json(text.into_inner()))
        }
        "matches" => {
            regex(reader, &text);
            Some(Capture::Matches(text.into_inner()))
        }
        _ => {
            if !is_http {
                reader.hinted(
                    text.span(),
                    format!("{}: only an answer of `http` has headers", table.what),
                    "take it from the output: { matches = '...' }",
                );
            }
            Some(Capture::Header(text.into_inner().to_ascii_lowercase()))
        }
    }
}

/// A `log` step looks at what the step before it caused, so there must be one.
pub(super) fn logs_follow_a_step(reader: &mut Reader<'_>, entries: &[Entry<'_>]) {
    for when in [When::BeforeUpdates, When::AfterReboot] {
        let first = entries.iter().find(|entry| entry.step.when == when);
        if let Some(entry) = first
            && let Action::Log(_) = entry.step.action
        {
            reader.hinted(
                entry.section.key_span("log"),
                format!(
                    "{} looks at what was logged since the step before, and there is none",
                    entry.section.what
                ),
                "put it behind the step that must not cause such lines",
            );
        }
    }
}

fn retry(reader: &mut Reader<'_>, section: &Section<'_>, whole: Period) -> Option<Retry> {
    for key in section.keys.names() {
        if !section.has(key) {
            reader.missing(section, key);
        }
    }
    let window = period(reader, section, "window")?;
    let every = period(reader, section, "every")?;
    let mut refuse = |place: &Spanned<Period>, message: String, hint: &str| {
        reader.hinted(place.span(), format!("{}: {message}", section.what), hint);
    };
    if *window.get_ref() > whole {
        let message = format!("a window of {} in a scenario that has {whole}", window.get_ref());
        refuse(
            &window,
            message,
            "give the scenario a longer `timeout` at the top of the file",
        );
    }
    if every.get_ref() > window.get_ref() {
        let message = format!("every {} in a window of {}", every.get_ref(), window.get_ref());
        refuse(
            &every,
            message,
            "`every` is the pause between attempts; make it shorter",
        );
    }
    Some(Retry {
        window: window.into_inner(),
        every: every.into_inner(),
    })
}
