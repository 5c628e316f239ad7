//! The JSON Schemas of lab file, recipes and scenarios: they take what is right and refuse what is wrong by its shape.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use patchgate::cli::init::{self, InitArgs};
use patchgate::input::decode;
use patchgate::input::finding::Source;
use patchgate::lab::load;
use patchgate::lab::recipe::{load_os, load_role};
use patchgate::lab::scenario::parse;
use patchgate::lab::schema;
use serde_json::Value;

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::new(schema).expect("a schema")
}

/// A file as a document, where it is TOML at all.
fn document(path: &Path) -> Option<Value> {
    let text = String::from_utf8(std::fs::read(path).expect("a file")).ok()?;
    let table: toml::Table = toml::from_str(&text).ok()?;
    serde_json::to_value(table).ok()
}

fn toml_files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect(folder)
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has no file");
    files
}

fn fits(validator: &Validator, path: &Path) {
    let document = document(path).expect("TOML");
    let errors: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new(), "{}", path.display());
}

#[test]
fn the_shipped_files_fit_their_schemas() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("new");
    init::run(&InitArgs { dir: dir.clone() }).expect("a new lab");
    let [lab, recipe, scenario] =
        [schema::lab(), schema::recipe(), schema::scenario()].map(|s| validator(&s));
    for path in ["patchgate.toml".into(), dir.join("patchgate.toml")] {
        fits(&lab, &path);
    }
    let recipes = ["images", "images/roles"].map(toml_files).concat();
    let new = ["images/debian-12.toml", "images/roles/web.toml"].map(|name| dir.join(name));
    for path in recipes.iter().chain(&new) {
        fits(&recipe, path);
    }
    let departments = std::fs::read_dir("scenarios").expect("the departments");
    for department in departments {
        let department = department.expect("an entry").path();
        for path in toml_files(department.to_str().expect("UTF-8")) {
            fits(&scenario, &path);
        }
    }
    fits(&scenario, &dir.join("scenarios/shop/page.toml"));
}

/// Wrong files that a schema takes, with what it cannot say.
const BEYOND: [(&str, &str); 19] = [
    ("lab/asks-for-nothing", "that values contradict each other"),
    ("lab/image-not-a-digest", "what a SHA-256 looks like"),
    ("lab/invisible-character", "what can be seen"),
    ("lab/memory-without-end", "how much memory a guest can have"),
    ("scenario/always-true", "that an empty text is in every text"),
    ("scenario/bad-regex", "what a regular expression is"),
    ("scenario/bad-urls", "what a URL is"),
    ("scenario/bad-user", "what a user's name looks like"),
    ("scenario/endless-patterns", "what takes for ever"),
    ("scenario/expect-without-run", "that a key goes with another"),
    (
        "scenario/expects-nothing",
        "that a table without a key says nothing",
    ),
    ("scenario/head-with-body", "that values contradict each other"),
    ("scenario/nothing-after-the-updates", "what steps do together"),
    ("scenario/nothing-can-fail", "what steps do together"),
    ("scenario/nul", "which characters a command takes"),
    ("scenario/secret-in-the-open", "where a secret stays one"),
    (
        "scenario/stdout-expects-nothing",
        "that a table without a key says nothing",
    ),
    ("scenario/too-many-steps", "what steps are in all"),
    ("scenario/unknown-variable", "which variables there are by then"),
];

/// What the reader refuses the schema refuses too, as far as it is TOML and its shape tells; what is right the schema takes.
fn alike(folder: &str, schema: &Value, is_right: fn(&Path) -> bool) {
    let validator = validator(schema);
    let mut wrong = Vec::new();
    for path in toml_files(folder) {
        let Some(document) = document(&path) else {
            continue;
        };
        let name = path.strip_prefix("tests/bad").expect("a bad file");
        let name = name.with_extension("").display().to_string();
        let beyond = BEYOND.iter().any(|(known, _)| *known == name);
        let expected = is_right(&path) || beyond;
        if validator.is_valid(&document) != expected {
            wrong.push(format!("{name}: the schema says {}", !expected));
        }
        assert!(!(beyond && is_right(&path)), "{name} is right");
    }
    assert_eq!(wrong, Vec::<String>::new());
}

fn source(path: &Path) -> Option<Source> {
    decode::decode(path, std::fs::read(path).expect("a file")).ok()
}

#[test]
fn bad_lab_files_do_not_fit() {
    alike("tests/bad/lab", &schema::lab(), |path| {
        source(path).is_some_and(|source| load::parse(source, PathBuf::from("tests/bad/lab")).is_ok())
    });
}

#[test]
fn bad_scenarios_do_not_fit() {
    alike("tests/bad/scenario", &schema::scenario(), |path| {
        source(path).is_some_and(|source| parse::parse("bad", "bad", &source).0.is_some())
    });
}

#[test]
fn bad_recipes_do_not_fit() {
    alike("tests/bad/recipe", &schema::recipe(), |path| {
        load_os(path).is_ok() || load_role(path).is_ok()
    });
}
