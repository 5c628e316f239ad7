//! Reading a scenario's text. Pure; [`crate::scenario::load`] reads the files.

use std::collections::BTreeMap;
use std::ops::Range;

use sha2::{Digest, Sha256};
use toml::Spanned;
use toml::de::DeValue;

use crate::config::read::{self, Reader, Section};
use crate::config::words::show;
use crate::error::{Finding, Severity, Source};
use crate::hex;
use crate::scenario::model::{Retry, Scenario, Step, When};
use crate::scenario::{action, measure};
use crate::units::Period;

/// Steps of one scenario.
const STEP_LIMIT: usize = 200;

/// How long a whole scenario may take where its file does not say.
const TIMEOUT: Period = Period::seconds(120);

/// How long one attempt of a step may take where its file does not say.
const STEP_TIMEOUT: Period = Period::seconds(30);

/// The shortest time-out and pause: a question to a guest's agent takes some 0.1 s.
const SHORTEST: Period = Period::seconds(1);

/// A scenario with the places in its file that the lint points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioFile {
    /// The scenario.
    pub scenario: Scenario,
    /// Its file.
    pub source: Source,
    /// Where each step names its role, in the order of the steps.
    pub on: Vec<Range<usize>>,
}

/// Reads the scenario `<department>/<stem>`. The scenario is there where no finding is an error.
pub fn parse(department: &str, stem: &str, source: &Source) -> (Option<ScenarioFile>, Vec<Finding>) {
    let table = match read::table(source) {
        Ok(table) => table,
        Err(findings) => return (None, findings),
    };
    let root = Section::new("the scenario", 0..0, table.get_ref());
    let mut reader = Reader::new(source);
    reader.known(
        &root,
        &["title", "owner", "timeout", "required", "retries", "step"],
        &[
            ("steps", "write each step as [[step]]"),
            (
                "name",
                "a scenario is named by its file; its first line is `title`",
            ),
            ("on", "it belongs to a step, below [[step]]"),
            ("run", "it belongs to a step, below [[step]]"),
            ("http", "it belongs to a step, below [[step]]"),
            ("lab", "this is a scenario; [lab] belongs in patchgate.toml"),
            ("group", "this is a scenario; groups belong in patchgate.toml"),
        ],
    );
    let title = reader.required(&root, "title", "\"Post an invoice and find it in the ledger\"");
    let owner = reader.required(&root, "owner", "\"finance-apps\"");
    let required = reader.flag(&root, "required").unwrap_or(true);
    let retries = reader
        .number(&root, "retries", 0..=3)
        .map_or(0, Spanned::into_inner);
    let timeout = period(&mut reader, &root, "timeout", "\"2m\"").map_or(TIMEOUT, Spanned::into_inner);
    let (steps, on) = steps(&mut reader, &root, timeout);
    let findings = reader.finish();
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return (None, findings);
    }
    let scenario = Scenario {
        name: format!("{department}/{stem}"),
        department: department.to_owned(),
        title: title.into_inner(),
        owner: owner.into_inner(),
        required,
        timeout,
        retries,
        steps,
        digest: hex(&Sha256::digest(source.text.as_bytes())),
    };
    let file = ScenarioFile {
        scenario,
        source: source.clone(),
        on,
    };
    (Some(file), findings)
}

fn steps(reader: &mut Reader<'_>, root: &Section<'_>, timeout: Period) -> (Vec<Step>, Vec<Range<usize>>) {
    let nothing = (Vec::new(), Vec::new());
    let Some(value) = root.get("step") else {
        reader.hinted(
            0..0,
            "the scenario has no step: it tests nothing",
            "add a [[step]] with a name, a role and what to do, such as run = \"...\" or http = { url = \"...\" }",
        );
        return nothing;
    };
    let DeValue::Array(array) = value.get_ref() else {
        reader.hinted(
            value.span(),
            "a step is an entry of a list",
            "write [[step]] with two brackets",
        );
        return nothing;
    };
    if array.is_empty() {
        reader.hinted(
            value.span(),
            "the scenario has no step: it tests nothing",
            "add a [[step]] with a name, a role and what to do",
        );
        return nothing;
    }
    if array.len() > STEP_LIMIT {
        reader.hinted(
            value.span(),
            format!(
                "the scenario has {} steps; at most {STEP_LIMIT} are taken",
                array.len()
            ),
            "split it into several scenarios",
        );
        return nothing;
    }
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut read_all = true;
    let (mut steps, mut places) = nothing;
    for (index, entry) in array.iter().enumerate() {
        let number = index + 1;
        let Some(section) = reader.section(format!("step {number}"), entry, "[[step]]") else {
            read_all = false;
            continue;
        };
        if let Some(step) = step(reader, &section, timeout) {
            if let Some(first) = names.get(&step.name) {
                reader.warning(
                    section.span_of("name"),
                    format!("step {number} has the name of step {first}, {}", show(&step.name)),
                    "give each step its own name, so that a report can tell which one failed",
                );
            } else {
                names.insert(step.name.clone(), number);
            }
            places.push(section.span_of("on"));
            steps.push(step);
        } else {
            read_all = false;
        }
    }
    if read_all && steps.iter().all(|step| step.when == When::BeforeUpdates) {
        reader.hinted(
            0..0,
            "every step runs before the updates: the scenario tests nothing after the reboot",
            "take `when = \"before-updates\"` from the steps that check; it is for laying down what must survive",
        );
    }
    (steps, places)
}

fn step(reader: &mut Reader<'_>, section: &Section<'_>, whole: Period) -> Option<Step> {
    let mut known = vec![
        "name", "on", "when", "timeout", "retry", "measure", "user", "expect",
    ];
    known.extend(action::KINDS);
    reader.known(section, &known, action::MISPLACED);
    let name = reader
        .required(section, "name", "\"the ledger balances\"")
        .into_inner();
    let on = reader.required(section, "on", "\"web\"").into_inner();
    let moments = [
        ("after-reboot", When::AfterReboot),
        ("before-updates", When::BeforeUpdates),
    ];
    let when = reader.choice(section, "when", &moments).unwrap_or_default();
    let timeout = match period(reader, section, "timeout", "\"30s\"") {
        None => STEP_TIMEOUT.min(whole),
        Some(timeout) => {
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
    };
    let retry = section.get("retry").and_then(|value| {
        let what = format!("`retry` of {}", section.what);
        let table = reader.section(what, value, "retry = { window = \"30s\", every = \"2s\" }")?;
        retry(reader, &table, whole)
    });
    let measure = measure::read(reader, section, when);
    let action = action::read(reader, section)?;
    Some(Step {
        name,
        on,
        when,
        timeout,
        retry,
        measure,
        action,
    })
}

fn retry(reader: &mut Reader<'_>, section: &Section<'_>, whole: Period) -> Option<Retry> {
    reader.known(
        section,
        &["window", "every"],
        &[("timeout", "it is called `window`")],
    );
    let missing = |reader: &mut Reader<'_>, key: &str, example: &str| {
        if section.get(key).is_none() {
            reader.missing(section, key, example);
        }
    };
    missing(reader, "window", "\"30s\"");
    missing(reader, "every", "\"2s\"");
    let window = period(reader, section, "window", "\"30s\"")?;
    let every = period(reader, section, "every", "\"2s\"")?;
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

/// A time span that is long enough to mean something.
fn period(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    example: &str,
) -> Option<Spanned<Period>> {
    let period = reader.parsed::<Period>(section, key, example)?;
    if *period.get_ref() < SHORTEST {
        reader.hinted(
            period.span(),
            format!(
                "`{key}` of {} is {}; the shortest is {SHORTEST}",
                section.what,
                period.get_ref()
            ),
            format!("write it like this: {key} = {example}"),
        );
        return None;
    }
    Some(period)
}
