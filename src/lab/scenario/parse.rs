//! Reading a scenario's text. Pure; [`crate::lab::scenario::load`] reads the files.

use std::collections::BTreeMap;
use std::ops::Range;

use sha2::{Digest, Sha256};
use toml::Spanned;
use toml::de::DeValue;

use crate::input::finding::{Finding, Severity, Source};
use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::words::show;
use crate::input::{decode, hex, template};
use crate::lab::scenario::entry::Entry;
use crate::lab::scenario::keys::SCENARIO;
use crate::lab::scenario::values::period;
use crate::lab::scenario::{step, variables};
use crate::model::scenario::{Scenario, Step, When};
use crate::units::Period;

/// Steps of one scenario, each entry of an `each` counted.
const STEP_LIMIT: usize = 200;

/// Bytes of all steps of one list, each entry of an `each` counted: the plan and every journal hold them.
const SIZE_LIMIT: usize = 1024 * 1024;

/// Constants of one scenario.
const VARS_LIMIT: usize = 100;

/// How long a whole scenario may take where its file does not say.
const TIMEOUT: Period = Period::seconds(120);

/// A scenario with the places in its file that the lint points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioFile {
    /// The scenario.
    pub scenario: Scenario,
    /// Its file.
    pub source: Source,
    /// Where each step names its role: the steps in their order, then the cleanup steps.
    pub on: Vec<Range<usize>>,
    /// The secrets that steps ask for, with their places.
    pub secrets: Vec<Spanned<String>>,
    /// The department's files that steps need, with their places.
    pub files: Vec<Spanned<String>>,
}

/// Reads the scenario `<department>/<stem>`. The scenario is there where no finding is an error; its digest is that of
/// the text alone.
pub fn parse(department: &str, stem: &str, source: &Source) -> (Option<ScenarioFile>, Vec<Finding>) {
    let table = match decode::table(source) {
        Ok(table) => table,
        Err(findings) => return (None, findings),
    };
    let mut reader = Reader::new(source);
    let root = reader.enter("the scenario", 0..0, &SCENARIO, table.get_ref());
    let title = reader.required(&root, "title");
    let owner = reader.required(&root, "owner");
    let required = reader.flag(&root, "required").unwrap_or(true);
    let retries = reader.number(&root, "retries").map_or(0, Spanned::into_inner);
    let timeout = period(&mut reader, &root, "timeout").map_or(TIMEOUT, Spanned::into_inner);
    let vars = vars(&mut reader, &root);
    let entries = steps(&mut reader, &root, timeout);
    let cleanup = cleanup(&mut reader, &root, timeout);
    variables::check(&mut reader, &vars, &entries, &cleanup);
    let findings = reader.finish();
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return (None, findings);
    }
    let all = || entries.iter().chain(&cleanup);
    let expanded = |entries: &[Entry<'_>]| -> Vec<Step> { entries.iter().flat_map(Entry::steps).collect() };
    let scenario = Scenario {
        name: format!("{department}/{stem}"),
        department: department.to_owned(),
        title: title.into_inner(),
        owner: owner.into_inner(),
        required,
        timeout,
        retries,
        vars,
        steps: expanded(&entries),
        cleanup: expanded(&cleanup),
        files: BTreeMap::new(),
        digest: hex(&Sha256::digest(source.text.as_bytes())),
    };
    let file = ScenarioFile {
        scenario,
        source: source.clone(),
        on: all()
            .flat_map(|entry| entry.steps().into_iter().map(|_| entry.section.span_of("on")))
            .collect(),
        secrets: all().flat_map(|entry| entry.secrets.iter().cloned()).collect(),
        files: all()
            .filter_map(|entry| {
                let file = entry.step.action.file()?.to_owned();
                let key = entry.step.action.kind();
                Some(Spanned::new(entry.section.span_of(key), file))
            })
            .collect(),
    };
    (Some(file), findings)
}

fn vars(reader: &mut Reader<'_>, root: &Section<'_>) -> BTreeMap<String, String> {
    let mut vars = BTreeMap::new();
    let like = root.like("vars");
    let value = root.get("vars");
    let Some(table) = value.and_then(|value| reader.names_of("[vars]", value, &like)) else {
        return vars;
    };
    if table.count() > VARS_LIMIT {
        reader.error(table.span, format!("[vars] has more than {VARS_LIMIT} constants"));
        return vars;
    }
    for (name, value) in table.entries() {
        variables::name(reader, &name);
        let text = match value.get_ref() {
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().to_owned(),
            DeValue::Float(float) => float.as_str().to_owned(),
            _ => match reader.text_value(&format!("constant {}", show(name.get_ref())), value, &like) {
                Some(text) => text.into_inner(),
                None => continue,
            },
        };
        match template::value(&text) {
            Ok(text) => {
                vars.insert(name.into_inner(), text);
            }
            Err(problem) => reader.error(
                value.span(),
                format!("constant {} cannot be used: {problem}", show(name.get_ref())),
            ),
        }
    }
    vars
}

/// The entries of a list of tables.
fn entries<'a>(
    reader: &mut Reader<'_>,
    root: &Section<'a>,
    key: &str,
    whole: Period,
) -> Option<Vec<Entry<'a>>> {
    let span = root.span_of(key);
    let array = reader.tables(root, key, "step")?;
    let keys = root.key(key).shape.table();
    if array.len() > STEP_LIMIT {
        too_many(reader, span, array.len());
        return None;
    }
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut entries = Vec::new();
    let mut read_all = true;
    for (index, entry) in array.iter().enumerate() {
        let number = index + 1;
        let Some(section) = reader.open(format!("{key} {number}"), entry, keys, &format!("[[{key}]]")) else {
            read_all = false;
            continue;
        };
        let Some(entry) = step::read(reader, section, key == "cleanup", whole) else {
            read_all = false;
            continue;
        };
        for step in entry.steps() {
            if let Some(first) = names.get(&step.name) {
                reader.warning(
                    entry.section.span_of("name"),
                    format!(
                        "{key} {number} has the name of {key} {first}, {}",
                        show(&step.name)
                    ),
                    "give each step its own name, so that a report can tell which one failed",
                );
            } else {
                names.insert(step.name.clone(), number);
            }
        }
        entries.push(entry);
    }
    let count = entries.iter().map(|entry| entry.steps().len()).sum();
    if count > STEP_LIMIT {
        too_many(reader, span, count);
        return None;
    }
    let size: usize = entries
        .iter()
        .map(|entry| {
            let step = serde_json::to_vec(&entry.step).map_or(0, |json| json.len());
            step.saturating_mul(entry.items.len().max(1))
        })
        .fold(0, usize::saturating_add);
    if size > SIZE_LIMIT {
        reader.hinted(
            span,
            format!(
                "the steps have {} KiB with every entry of `each`; at most 1 MiB is taken",
                size / 1024
            ),
            "put long texts into a `script`, or split the scenario",
        );
        return None;
    }
    read_all.then_some(entries)
}

fn too_many(reader: &mut Reader<'_>, span: Range<usize>, count: usize) {
    reader.hinted(
        span,
        format!("the scenario has {count} steps; at most {STEP_LIMIT} are taken"),
        "split it into several scenarios",
    );
}

fn steps<'a>(reader: &mut Reader<'_>, root: &Section<'a>, whole: Period) -> Vec<Entry<'a>> {
    let nothing = "the scenario has no step: it tests nothing";
    let Some(value) = root.get("step") else {
        reader.hinted(
            0..0,
            nothing,
            "add a [[step]] with a name, a role and what to do, such as run = \"...\" or http = { url = \"...\" }",
        );
        return Vec::new();
    };
    if let DeValue::Array(array) = value.get_ref()
        && array.is_empty()
    {
        reader.hinted(
            value.span(),
            nothing,
            "add a [[step]] with a name, a role and what to do",
        );
        return Vec::new();
    }
    let Some(entries) = entries(reader, root, "step", whole) else {
        return Vec::new();
    };
    if entries.iter().all(|entry| entry.step.when == When::BeforeUpdates) {
        reader.hinted(
            0..0,
            "every step runs before the updates: the scenario tests nothing after the reboot",
            "take `when = \"before-updates\"` from the steps that check; it is for laying down what must survive",
        );
    }
    let mut after = entries
        .iter()
        .filter(|entry| entry.step.when == When::AfterReboot)
        .peekable();
    if after.peek().is_some() && !after.any(|entry| entry.step.action.can_fail()) {
        reader.hinted(
            0..0,
            "nothing in it can fail after the reboot: a pause shows nothing",
            "add a [[step]] that expects something, such as http = { url = \"...\", contains = \"...\" }",
        );
    }
    step::logs_follow_a_step(reader, &entries);
    entries
}

fn cleanup<'a>(reader: &mut Reader<'_>, root: &Section<'a>, whole: Period) -> Vec<Entry<'a>> {
    let entries = entries(reader, root, "cleanup", whole).unwrap_or_default();
    step::logs_follow_a_step(reader, &entries);
    entries
}
