//! The tables of keys of all files: what they say of defaults, examples and other names is so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use patchgate::input::finding::Source;
use patchgate::input::keys::{Key, Shape, Table, Usual};
use patchgate::input::schema::schema;
use patchgate::lab::build::{ImageChoice, build};
use patchgate::lab::keys as lab;
use patchgate::lab::load;
use patchgate::lab::recipe::{keys as recipe, load_os};
use patchgate::lab::scenario::keys as scenario;
use patchgate::lab::scenario::parse;
use patchgate::model::machine::MachinePlan;
use patchgate::model::observation::Class;
use patchgate::model::plan::ImagePin;
use patchgate::model::scenario::Scenario;
use serde_json::{Value, json};

/// The tables at which the formats begin.
const ROOTS: [&Table; 4] = [&lab::LAB_FILE, &recipe::OS, &recipe::ROLE, &scenario::SCENARIO];

fn keys() -> Vec<(&'static Table, &'static Key)> {
    ROOTS
        .iter()
        .flat_map(|root| root.all())
        .flat_map(|table| table.keys().map(move |key| (table, key)))
        .collect()
}

/// Every table below one, found by its address and not by its name.
fn walk(table: &'static Table, found: &mut Vec<&'static Table>) {
    if !found.iter().any(|known| std::ptr::eq(*known, table)) {
        found.push(table);
        for key in table.keys() {
            for inner in key.shape.tables() {
                walk(inner, found);
            }
        }
    }
}

#[test]
fn tables_of_a_format_and_keys_of_a_table_have_names_of_their_own() {
    for root in ROOTS {
        let mut tables = Vec::new();
        walk(root, &mut tables);
        assert_eq!(
            tables.len(),
            root.all().len(),
            "a name of {} is taken twice",
            root.name
        );
        for table in tables {
            let mut names = table.names();
            names.sort_unstable();
            names.dedup();
            assert_eq!(
                names.len(),
                table.keys().count(),
                "a key of {} is there twice",
                table.name
            );
        }
    }
}

#[test]
fn what_a_key_is_called_instead_is_a_key() {
    for table in ROOTS.iter().flat_map(|root| root.all()) {
        for (name, hint) in table.elsewhere {
            // `when` of a step, which only a cleanup step does not have.
            assert!(
                !table.names().contains(name) || *name == "when",
                "{name} is a key of {}",
                table.name
            );
            if let Some(rest) = hint.strip_prefix("it is called `") {
                let called = rest.split('`').next().unwrap_or_default();
                assert!(
                    table.names().contains(&called),
                    "{called} is no key of {}",
                    table.name
                );
            }
        }
    }
}

/// A hint that is followed to the letter changes nothing that nobody asked for.
#[test]
fn an_example_of_a_key_with_a_default_is_its_default_or_meant_as_one() {
    for (table, key) in keys() {
        if let Usual::Value(usual) = key.usual
            && key.examples.is_empty()
        {
            assert_eq!(key.example(), usual, "{} of {}", key.name, table.name);
        }
    }
    for (table, key, like) in [
        (&lab::LAB, "confirm", "confirm = 1"),
        (&lab::LAB, "confirm_pairs", "confirm_pairs = 2"),
        (&lab::HOST, "vcpus", "vcpus = 8"),
        (&lab::ROLE, "vcpus", "vcpus = 1"),
        (&lab::DEADLINES, "apply", "apply = \"60m\""),
        (&lab::PERFORMANCE, "confidence", "confidence = 0.95"),
    ] {
        assert_eq!(table.key(key).like(), like);
    }
}

#[test]
fn texts_are_sentences() {
    for (table, key) in keys() {
        for about in [table.about, key.about] {
            assert!(
                about.ends_with('.') && about.starts_with(char::is_alphabetic),
                "{about}"
            );
        }
    }
}

#[test]
fn every_class_of_drift_has_its_key() {
    let mut expected: Vec<&str> = Class::ALL.map(Class::word).to_vec();
    expected.push("ignore");
    assert_eq!(lab::DRIFT.names(), expected);
}

/// The schema of what a key's table is, alone.
fn alone(table: &'static Table) -> jsonschema::Validator {
    let mut schema = schema("a table", &[table]);
    let root = schema.as_object_mut().expect("an object");
    // One key at a time.
    root.remove("required");
    root.remove("oneOf");
    jsonschema::draft202012::new(&schema).expect("a schema")
}

fn value(text: &str) -> Value {
    let mut table: toml::Table = toml::from_str(&format!("value = {text}")).expect(text);
    serde_json::to_value(table.remove("value")).expect("JSON")
}

#[test]
fn examples_and_defaults_fit_their_keys() {
    for (table, key) in keys() {
        let usual = match key.usual {
            Usual::Value(usual) => Some(usual),
            Usual::Nothing | Usual::Words(_) => None,
        };
        for text in key.examples.iter().copied().chain(usual) {
            let document = json!({ key.name: value(text) });
            assert!(
                alone(table).is_valid(&document),
                "{} of {}: {text}",
                key.name,
                table.name
            );
        }
    }
}

#[test]
fn the_reader_takes_every_word_of_a_choice() {
    let words: Vec<&str> = keys()
        .iter()
        .filter_map(|(_, key)| match key.shape {
            Shape::Word(words) => Some(words),
            _ => None,
        })
        .flatten()
        .copied()
        .collect();
    assert!(words.len() > 40, "{words:?}");
    for (start, table, whole) in LAB.into_iter().chain(SCENARIO).chain([OS]) {
        for key in table.keys() {
            for word in key.shape.words() {
                // What `listed` and `open` ask for beside them is the lint's.
                let text = whole.replacen(start, &format!("{start}\n{} = {word:?}", key.name), 1);
                let read = read(whole, &text);
                assert!(read.is_ok(), "{text}\n{read:?}");
            }
        }
    }
}

#[test]
fn what_a_table_says_is_usual_is_what_holds_without_it() {
    let script = "[step.script]\nfile = \"smoke.t\"\ninterpreter = \"perl\"";
    let actions = ACTIONS.into_iter().chain([(script, &scenario::SCRIPT)]);
    let actions = actions.map(|(action, table)| (action, table, format!("{STEP}{action}\n")));
    let places = LAB.into_iter().chain(SCENARIO).chain([OS, FILE]);
    let places = places.map(|(start, table, whole)| (start, table, whole.to_owned()));
    let mut seen = BTreeSet::new();
    for (start, table, whole) in places.chain(actions) {
        let without = read(&whole, &whole).expect(&whole);
        for key in table.keys() {
            if let Usual::Value(usual) = key.usual {
                let text = whole.replacen(start, &format!("{start}\n{} = {usual}", key.name), 1);
                assert_eq!(read(&whole, &text).as_ref(), Ok(&without), "{text}");
                seen.insert((table.name, key.name));
            }
        }
    }
    for (table, key) in keys() {
        let has = matches!(key.usual, Usual::Value(_));
        let name = (table.name, key.name);
        assert!(!has || seen.contains(&name), "{name:?} was not looked at");
    }
}

/// A whole file, and after which of its lines keys of a table stand.
type Place = (&'static str, &'static Table, &'static str);

const LAB_TEXT: &str = r#"
[lab]
name = "hq"
[network]
[[host]]
[image.debian-12]
build = "images/debian-12.toml"
[role.web]
recipe = "images/roles/web.toml"
[role.web.ready]
tcp = "localhost:80"
[group.shop]
owner = "Shop"
admin = "Servers"
os = ["debian-12"]
roles = ["web"]
scenarios = ["web"]
[deadlines]
[performance]
[drift]
[soak]
"#;

const LAB: [Place; 10] = [
    ("[lab]", &lab::LAB, LAB_TEXT),
    ("[network]", &lab::NETWORK, LAB_TEXT),
    ("[[host]]", &lab::HOST, LAB_TEXT),
    ("[role.web]", &lab::ROLE, LAB_TEXT),
    ("[role.web.ready]", &lab::READY, LAB_TEXT),
    ("[group.shop]", &lab::GROUP, LAB_TEXT),
    ("[deadlines]", &lab::DEADLINES, LAB_TEXT),
    ("[performance]", &lab::PERFORMANCE, LAB_TEXT),
    ("[drift]", &lab::DRIFT, LAB_TEXT),
    ("[soak]", &lab::SOAK, LAB_TEXT),
];

const STEP: &str = "title = \"t\"\nowner = \"o\"\n[[step]]\nname = \"n\"\non = \"web\"\n";
const RUN: &str = "title = \"t\"\nowner = \"o\"\n[[step]]\nname = \"n\"\non = \"web\"\nrun = \"true\"
[[step]]\nname = \"m\"\non = \"web\"\nrun = \"true\"\n";
const MEASURED: &str = "title = \"t\"\nowner = \"o\"\n[[step]]\nname = \"n\"\non = \"web\"\nrun = \"true\"\n[step.measure]\nrepeat = 20\n";
const EXPECTING: &str = "title = \"t\"\nowner = \"o\"\n[[step]]\nname = \"n\"\non = \"web\"\nrun = \"true\"\n[step.expect]\nstdout = \"\"\n";
const ACTIONS: [(&str, &Table); 6] = [
    ("[step.http]\nurl = \"http://web/\"", &scenario::HTTP),
    ("[step.tcp]\nhost = \"web\"\nport = 80", &scenario::TCP),
    ("[step.service]\nname = \"nginx\"", &scenario::SERVICE),
    ("[step.file]\npath = \"/etc/motd\"", &scenario::FILE),
    ("[step.package]\nname = \"nginx\"", &scenario::PACKAGE),
    (
        "[step.sql]\ndatabase = \"shop\"\nquery = \"select 1\"",
        &scenario::SQL,
    ),
];

const SCENARIO: [Place; 4] = [
    ("owner = \"o\"", &scenario::SCENARIO, RUN),
    ("on = \"web\"", &scenario::STEP, RUN),
    ("repeat = 20", &scenario::MEASURE, MEASURED),
    ("stdout = \"\"", &scenario::EXPECT, EXPECTING),
];

const OS_TEXT: &str = r#"
os = "debian-12"
suite = "bookworm"
mirror = "http://deb.debian.org/debian"
disk = "2GiB"
sources = ["deb http://deb.debian.org/debian bookworm main"]
[[file]]
path = "/etc/motd"
content = "a lab"
"#;
const OS: Place = ("disk = \"2GiB\"", &recipe::OS, OS_TEXT);
const FILE: Place = ("[[file]]", &recipe::FILE, OS_TEXT);

/// What is read of a text, which is of the format of `whole`.
fn read(whole: &str, text: &str) -> Result<Value, String> {
    match whole {
        LAB_TEXT => plan_of(text),
        OS_TEXT => recipe_of(text),
        _ => scenario_of(text),
    }
}

fn scenario_file(text: &str) -> Result<Scenario, String> {
    let (file, findings) = parse::parse("web", "page", &Source::new(Path::new("page.toml"), text));
    Ok(file.ok_or(format!("{findings:?}"))?.scenario)
}

fn scenario_of(text: &str) -> Result<Value, String> {
    let mut scenario = scenario_file(text)?;
    scenario.digest = String::new();
    serde_json::to_value(scenario).map_err(|error| error.to_string())
}

fn plan_of(text: &str) -> Result<Value, String> {
    let source = Source::new(Path::new("patchgate.toml"), text);
    let lab = load::parse(source, ".".into()).map_err(|findings| format!("{findings:?}"))?;
    let image = ImageChoice {
        os: "debian-12".into(),
        role: "web".into(),
        pin: ImagePin {
            name: "debian-12+web".into(),
            os: "debian-12".into(),
            key: "c0ffee".repeat(4),
            sha256: None,
            machine: MachinePlan::default(),
            manager: None,
        },
        recipes: BTreeMap::new(),
        sources: vec!["deb http://deb.debian.org/debian bookworm main".into()],
    };
    let mut plan =
        build(&lab, &[scenario_file(RUN)?], &[image]).map_err(|findings| format!("{findings:?}"))?;
    // They tell what is written from what is not, though it decides the same.
    plan.inputs.clear();
    plan.digest.clear();
    serde_json::to_value(plan).map_err(|error| error.to_string())
}

fn recipe_of(text: &str) -> Result<Value, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = folder.path().join("debian-12.toml");
    std::fs::write(&path, text).map_err(|error| error.to_string())?;
    let recipe = load_os(&path).map_err(|findings| format!("{findings:?}"))?;
    serde_json::to_value(recipe).map_err(|error| error.to_string())
}
