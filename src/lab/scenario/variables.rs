//! Whether every variable that a scenario uses has a value by then, and every secret stands where it stays one.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use toml::de::DeValue;

use crate::input::read::Reader;
use crate::input::template::{self, ITEM, Piece};
use crate::input::words::{did_you_mean, show};
use crate::lab::scenario::entry::Entry;
use crate::model::scenario::{Action, When};
use crate::step::render;

/// Variables of one scenario: a guest's command gets them all in its environment, which the kernel bounds (execve(2)).
const LIMIT: usize = 200;

/// Complains of a name that no variable can have.
pub(super) fn name(reader: &mut Reader<'_>, name: &Spanned<String>) {
    if !template::is_variable(name.get_ref()) || name.get_ref() == ITEM {
        let hint = if name.get_ref() == ITEM {
            "`item` is the entry of `each`"
        } else {
            "a variable's name begins with a lower-case letter, and has such letters, digits and `_`"
        };
        reader.hinted(
            name.span(),
            format!("{} cannot be the name of a variable", show(name.get_ref())),
            hint,
        );
    }
}

/// Looks at every use of a variable, in the order in which steps run.
pub(super) fn check(
    reader: &mut Reader<'_>,
    vars: &BTreeMap<String, String>,
    steps: &[Entry<'_>],
    cleanup: &[Entry<'_>],
) {
    let mut known: BTreeSet<&str> = vars.keys().map(String::as_str).collect();
    let captured: BTreeMap<&str, &Entry<'_>> = steps
        .iter()
        .chain(cleanup)
        .flat_map(|entry| {
            entry
                .captures
                .iter()
                .map(move |name| (name.get_ref().as_str(), entry))
        })
        .collect();
    let names: BTreeSet<&str> = known.iter().chain(captured.keys()).copied().collect();
    if let (true, Some(last)) = (
        names.len() > LIMIT,
        steps.iter().rev().find_map(|entry| entry.captures.last()),
    ) {
        reader.hinted(
            last.span(),
            format!(
                "the scenario has {} variables; at most {LIMIT} are taken",
                names.len()
            ),
            "capture what later steps use, and split the scenario where that is too much",
        );
    }
    let of = |when: When| steps.iter().filter(move |entry| entry.step.when == when);
    let order = of(When::BeforeUpdates)
        .chain(of(When::AfterReboot))
        .chain(cleanup);
    for entry in order {
        let scope = Scope {
            known: &known,
            captured: &captured,
            entry,
            uses_constants: Cell::new(false),
        };
        scope.step(reader);
        if scope.uses_constants.get() {
            scope.trial(reader, vars);
        }
        for name in &entry.captures {
            if vars.contains_key(name.get_ref()) {
                reader.hinted(
                    name.span(),
                    format!("{} is a constant of [vars] already", show(name.get_ref())),
                    "give one of both another name",
                );
            }
            known.insert(name.get_ref());
        }
    }
}

/// What one step can use.
struct Scope<'s, 'a> {
    known: &'s BTreeSet<&'s str>,
    captured: &'s BTreeMap<&'s str, &'s Entry<'a>>,
    entry: &'s Entry<'a>,
    /// Whether a variable was seen whose value may be known before anything is started.
    uses_constants: Cell<bool>,
}

impl Scope<'_, '_> {
    fn step(&self, reader: &mut Reader<'_>) {
        let kind = self.entry.step.action.kind();
        if let Some(first) = self.entry.secrets.first()
            && !matches!(kind, "run" | "script" | "http" | "sql")
        {
            reader.hinted(
                first.span(),
                format!(
                    "{} has no use for a secret: it is a step of `{kind}`",
                    self.entry.section.what
                ),
                "secrets are handed to run, script, http and sql",
            );
        }
        // `run` and `script` get variables in their environment: what a guest answered never becomes a part of a command
        // line.
        let own = (!matches!(self.entry.step.action, Action::Run(_) | Action::Script(_))).then_some(kind);
        for key in ["expect"].into_iter().chain(own) {
            if let Some(value) = self.entry.section.get(key) {
                self.walk(reader, &mut vec![key], value);
            }
        }
    }

    /// The depth is bounded by TOML's parser.
    fn walk<'v>(&self, reader: &mut Reader<'_>, path: &mut Vec<&'v str>, value: &'v Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::String(text) => {
                for piece in template::pieces(text) {
                    match piece {
                        Piece::Plain(_) => {}
                        Piece::Variable(name) => self.variable(reader, path, value, text, name),
                        Piece::Broken(_) => reader.hinted(
                            value.span(),
                            "a `${` without a variable's name and `}` behind it",
                            "a variable is ${name}; for the characters themselves write $${",
                        ),
                    }
                }
            }
            DeValue::Array(array) => {
                for item in array {
                    self.walk(reader, path, item);
                }
            }
            DeValue::Table(table) => {
                for (key, value) in table {
                    path.push(key.get_ref());
                    self.walk(reader, path, value);
                    path.pop();
                }
            }
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
    }

    fn variable(
        &self,
        reader: &mut Reader<'_>,
        path: &[&str],
        value: &Spanned<DeValue<'_>>,
        text: &str,
        name: &str,
    ) {
        let entry = self.entry;
        if entry.step.secrets.iter().any(|secret| secret == name) {
            if !stays_secret(path, text, name) {
                reader.hinted(
                    value.span(),
                    format!("secret {} would be seen here", show(name)),
                    "a secret can stand in http's path, headers, body, form, json and auth, and in sql's query and \
                     password",
                );
            }
            return;
        }
        if self.known.contains(name) || (name == ITEM && !entry.items.is_empty()) {
            self.uses_constants.set(true);
            return;
        }
        let what = &entry.section.what;
        let message = format!("unknown variable {} in {what}", show(name));
        let hint = if name == ITEM {
            "`item` is the entry of `each`: each = [\"EUR\", \"USD\"]".to_owned()
        } else if template::is_secret(name) {
            format!("a secret must be asked for: secrets = [{name:?}]")
        } else if let Some(later) = self.captured.get(name) {
            format!("it is captured by {}, which runs later", later.section.what)
        } else {
            let known = self.known.iter().copied();
            format!(
                "{}; for the characters themselves write $${{",
                did_you_mean(name, "variable", known)
            )
        };
        reader.hinted(value.span(), message, hint);
    }

    /// Tries the step with the values that are known, so that a wrong constant is found before anything is started.
    fn trial(&self, reader: &mut Reader<'_>, vars: &BTreeMap<String, String>) {
        let step = &self.entry.step;
        let items: Vec<Option<&String>> = if self.entry.items.is_empty() {
            vec![None]
        } else {
            self.entry.items.iter().map(Some).collect()
        };
        for item in items {
            let value = |name: &str| match item {
                Some(item) if name == ITEM => Some(item.clone()),
                Some(_) | None => vars.get(name).cloned(),
            };
            // What is captured, secret or unknown has no value yet.
            if let Err(render::Problem::Wrong(problem)) = render::action(&step.action, &value) {
                reader.hinted(
                    self.entry.section.key_span(step.action.kind()),
                    format!("{}: {problem}", self.entry.section.what),
                    "a constant of [vars] or an entry of `each` has a value that does not fit",
                );
                return;
            }
        }
    }
}

/// Whether a secret at that place is neither on a command line nor in a report.
fn stays_secret(path: &[&str], text: &str, name: &str) -> bool {
    match path {
        ["http", "url"] => {
            let rest = text.split_once("://").map_or("", |(_, rest)| rest);
            let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
            let uses = |text: &str| {
                template::pieces(text)
                    .iter()
                    .filter(|piece| **piece == Piece::Variable(name))
                    .count()
            };
            uses(path) == uses(text)
        }
        ["http", "headers" | "body" | "form" | "json" | "auth", ..] | ["sql", "query" | "password"] => true,
        _ => false,
    }
}
