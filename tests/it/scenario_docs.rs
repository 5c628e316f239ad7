//! The examples that departments copy, and the schema that their editors go by: both must be what the parser takes.

use std::path::Path;

use patchgate::input::finding::{Severity, Source};
use patchgate::lab as config;
use patchgate::lab::scenario::load::load_file;
use patchgate::lab::schema::scenario as schema;
use serde_json::Value;

/// The TOML examples of a Markdown text, their indentation taken away.
fn examples(text: &str) -> Vec<String> {
    let mut examples = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(indent) = line.find("```toml").filter(|at| line[..*at].trim().is_empty()) else {
            continue;
        };
        let body: Vec<&str> = lines
            .by_ref()
            .take_while(|line| line.trim() != "```")
            .map(|line| line.get(indent..).unwrap_or_default())
            .collect();
        examples.push(body.join("\n"));
    }
    examples
}

/// An example as a whole scenario: what every file has is left out where it would only repeat itself.
fn whole(example: &str) -> String {
    if example.starts_with("title") {
        return example.to_owned();
    }
    format!("title = \"An example\"\nowner = \"docs\"\n{example}")
}

fn documented() -> Vec<String> {
    let text = std::fs::read_to_string("docs/scenarios.md").expect("the page");
    let all = examples(&text);
    assert!(all.len() > 10, "{} examples", all.len());
    all
}

fn is_lab(example: &str) -> bool {
    example.starts_with("[secret.")
}

/// The findings of a scenario in a department's folder that has the files which examples name.
fn findings(scenario: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let department = folder.path().join("erp");
    std::fs::create_dir(&department).expect("made");
    for file in ["smoke.t", "test_erp.py", "goss.yaml", "ca.pem"] {
        std::fs::write(department.join(file), "x\n").expect("written");
    }
    let path = department.join("example.toml");
    std::fs::write(&path, scenario).expect("written");
    let loaded = load_file(&path);
    loaded
        .findings
        .iter()
        .map(|finding| {
            let place = finding.location().unwrap_or_default();
            format!("{place}: {finding} ({:?})", finding.hint)
        })
        .collect()
}

fn as_json(scenario: &str) -> Value {
    let value: toml::Value = toml::from_str(scenario).expect("TOML");
    serde_json::to_value(value).expect("JSON")
}

#[test]
fn every_example_of_the_page_is_a_right_scenario() {
    for example in documented().iter().filter(|example| !is_lab(example)) {
        assert_eq!(findings(&whole(example)), Vec::<String>::new(), "{example}");
    }
}

#[test]
fn the_example_of_a_lab_file_is_right() {
    let example = documented()
        .into_iter()
        .find(|example| is_lab(example))
        .expect("one");
    let text = format!("[lab]\nname = \"hq\"\n{example}\n");
    let lab = config::load::parse(Source::new(Path::new("patchgate.toml"), text), ".".into());
    let names: Vec<String> = lab
        .expect("a lab")
        .file
        .secret
        .keys()
        .map(|name| name.get_ref().clone())
        .collect();
    assert_eq!(names, ["CLERK_PASSWORD", "SHOP_PASSWORD"]);
}

#[test]
fn schema_and_parser_agree_on_every_example() {
    let validator = jsonschema::draft202012::new(&schema()).expect("a schema");
    for example in documented().iter().filter(|example| !is_lab(example)) {
        let document = as_json(&whole(example));
        let errors: Vec<String> = validator
            .iter_errors(&document)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{example}");
    }
    for folder in ["scenarios/web", "scenarios/database"] {
        for entry in std::fs::read_dir(folder).expect(folder) {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let document = as_json(&std::fs::read_to_string(&path).expect("a scenario"));
                assert!(validator.is_valid(&document), "{}", path.display());
            }
        }
    }
}

#[test]
fn schema_and_parser_refuse_alike() {
    let validator = jsonschema::draft202012::new(&schema()).expect("a schema");
    let step =
        |text: &str| format!("title = \"t\"\nowner = \"o\"\n[[step]]\nname = \"n\"\non = \"app\"\n{text}");
    for wrong in [
        "title = \"no owner\"\n[[step]]\nname = \"n\"\non = \"app\"\nrun = \"true\"".to_owned(),
        "title = \"t\"\nowner = \"o\"".to_owned(),
        step(""),
        step("run = \"true\"\ntcp = \"app:80\""),
        step("run = \"true\"\nretires = 3"),
        step("run = 7"),
        step("reboot = false"),
        step("http = { status = 200 }"),
        step("http = { url = \"http://app/\", follow = 11 }"),
        step("http = { url = \"http://app/\", response = { server = { is = \"nginx\" } } }"),
        step("tcp = { host = \"app\" }"),
        step("script = { file = \"smoke.t\", interpreter = \"perl\", output = \"xml\" }"),
        step("log = { unexpected = \"x\" }"),
        step("log = { unit = \"a\", file = \"/b\", unexpected = \"x\" }"),
        step("run = \"true\"\ncapture = { a = \"stdout\" }"),
        step("run = \"true\"\ncapture = { a = { json = \"$.a\", matches = \"b\" } }"),
        step("run = \"true\"\neach = []"),
        step("run = \"true\"\nexpect = { exit = 256 }"),
        step("run = \"true\"\nretry = { window = \"3s\" }"),
        format!(
            "{}\n[[cleanup]]\nname = \"c\"\non = \"app\"\nwhen = \"before-updates\"\nrun = \"true\"",
            step("run = \"true\"")
        ),
    ] {
        assert!(!findings(&wrong).is_empty(), "the parser takes {wrong}");
        assert!(!validator.is_valid(&as_json(&wrong)), "the schema takes {wrong}");
    }
}

#[test]
fn what_the_schema_cannot_say_the_parser_still_refuses() {
    let step =
        |text: &str| format!("title = \"t\"\nowner = \"o\"\n[[step]]\nname = \"n\"\non = \"app\"\n{text}");
    for (wrong, says) in [
        (
            step("http = { url = \"http://app/${invoice}\" }"),
            "unknown variable `invoice`",
        ),
        (
            step("http = { url = \"http://app/${x\" }"),
            "without a variable's name",
        ),
        (
            step("http = { url = \"http://app/${TOKEN}\" }"),
            "unknown variable `TOKEN`",
        ),
        (
            step("http = { url = \"http://${TOKEN}/\" }\nsecrets = [\"TOKEN\"]"),
            "secret `TOKEN` would be seen here",
        ),
        (
            step("http = { url = \"http://app/\", contains = \"${TOKEN}\" }\nsecrets = [\"TOKEN\"]"),
            "secret `TOKEN` would be seen here",
        ),
        (
            step("tcp = \"app:80\"\nsecrets = [\"TOKEN\"]"),
            "has no use for a secret",
        ),
        (
            step("tcp = \"app:80\"\ncapture = { a = \"output\" }"),
            "has nothing to take from",
        ),
        (
            step("run = \"true\"\ncapture = { a = { header = \"x\" } }"),
            "only an answer of `http`",
        ),
        (
            step("run = \"true\"\ncapture = { Order = \"output\" }"),
            "cannot be the name of a variable",
        ),
        (
            step("run = \"true\"\ncapture = { a = { json = \"id\" } }"),
            "not a JSONPath",
        ),
        (
            step("run = \"true\"\nexpect = { stdout = { at_least = \"many\" } }"),
            "not a decimal number",
        ),
        (
            step("log = { unit = \"nginx\", unexpected = \"x\" }"),
            "there is none",
        ),
        (
            step("script = { file = \"../x\", interpreter = \"sh\" }"),
            "not the path of a file",
        ),
        (
            step("script = { file = \"/etc/passwd\", interpreter = \"sh\" }"),
            "not the path of a file",
        ),
        (
            step("script = { file = \"none.sh\", interpreter = \"sh\" }"),
            "is not there",
        ),
        (
            step("http = { url = \"http://app/\", body = \"a\", form = { b = \"c\" } }"),
            "more than one body",
        ),
        (
            step("http = { url = \"http://app/\", json = { \"$.id\" = 1 } }"),
            "is a JSONPath",
        ),
        (
            step("http = { url = \"http://app/\", ca = \"ca.pem\" }"),
            "has no certificate",
        ),
        (
            step("each = [\"a b\"]\nservice = \"${item}\""),
            "not a service's name",
        ),
        (
            format!(
                "{}\n[[step]]\nname = \"later\"\non = \"app\"\nrun = \"true\"\ncapture = {{ late = \"output\" }}",
                step("file = \"/a/${late}\"")
            ),
            "unknown variable `late`",
        ),
    ] {
        let found = findings(&wrong).join("\n");
        assert!(found.contains(says), "{wrong}\n{found}");
        assert!(found.contains("example.toml:"), "{found}");
    }
}

#[test]
fn every_step_of_an_each_counts() {
    let items: Vec<String> = (0..90).map(|item| format!("\"{item}\"")).collect();
    let step = format!(
        "[[step]]\nname = \"n ${{item}}\"\non = \"app\"\neach = [{}]\nwait = \"1s\"\n",
        items.join(",")
    );
    let file = |steps: usize| {
        format!(
            "title = \"t\"\nowner = \"o\"\n{}",
            step.replace("n $", "m $").repeat(steps)
        )
    };
    let errors = |text: &str| {
        findings(text)
            .iter()
            .filter(|finding| finding.contains("200 are taken"))
            .count()
    };
    assert_eq!((errors(&file(2)), errors(&file(3))), (0, 1));
}

#[test]
fn what_a_scenario_expands_to_is_bounded() {
    let start = "title = \"t\"\nowner = \"o\"\n";
    let items: Vec<String> = (0..100).map(|item| format!("\"{item}\"")).collect();
    let bomb = |bytes: usize| {
        format!(
            "{start}[[step]]\nname = \"n\"\non = \"app\"\neach = [{}]\nrun = \"true {}\"\n",
            items.join(","),
            "x".repeat(bytes)
        )
    };
    assert_eq!(findings(&bomb(9_000)), Vec::<String>::new());
    assert!(findings(&bomb(20_000)).join("\n").contains("at most 1 MiB"));
    let capturing = |steps: usize| {
        let step = |number: usize| {
            let names: Vec<String> = (0..50)
                .map(|name| format!("v{number}_{name} = \"output\""))
                .collect();
            let names = names.join(", ");
            format!("[[step]]\nname = \"n{number}\"\non = \"app\"\nrun = \"true\"\ncapture = {{ {names} }}\n")
        };
        format!("{start}{}", (0..steps).map(step).collect::<String>())
    };
    assert_eq!(findings(&capturing(4)), Vec::<String>::new());
    assert!(
        findings(&capturing(5))
            .join("\n")
            .contains("at most 200 are taken")
    );
}

#[test]
fn links_out_of_the_folder_and_huge_files_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let department = folder.path().join("erp");
    std::fs::create_dir(&department).expect("made");
    std::fs::write(folder.path().join("secret"), "hunter2").expect("written");
    std::os::unix::fs::symlink("../secret", department.join("link.sh")).expect("linked");
    std::os::unix::fs::symlink("/dev/zero", department.join("zero.sh")).expect("linked");
    std::fs::create_dir(department.join("folder.sh")).expect("made");
    std::fs::write(department.join("large.sh"), vec![b'#'; 1024 * 1024 + 1]).expect("written");
    for (file, says) in [
        ("link.sh", "is a link"),
        ("zero.sh", "is a link"),
        ("folder.sh", "is not a file"),
        ("large.sh", "larger than 1 MiB"),
    ] {
        let path = department.join("x.toml");
        let text = format!(
            "title = \"t\"\nowner = \"o\"\n[[step]]\nname = \"n\"\non = \"app\"\nscript = {{ file = \"{file}\", interpreter = \"sh\" }}"
        );
        std::fs::write(&path, text).expect("written");
        let loaded = load_file(&path);
        assert!(loaded.files.is_empty());
        let finding = loaded.findings.first().expect("a finding");
        assert_eq!(finding.severity, Severity::Error);
        assert!(finding.message.contains(says), "{finding}");
        assert!(finding.location().is_some());
    }
}

#[test]
fn a_scenarios_digest_is_also_that_of_its_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let department = folder.path().join("erp");
    std::fs::create_dir(&department).expect("made");
    let path = department.join("x.toml");
    let text = "title = \"t\"\nowner = \"o\"\n[[step]]\nname = \"n\"\non = \"app\"\nscript = { file = \"a.sh\", interpreter = \"sh\" }";
    std::fs::write(&path, text).expect("written");
    let digest = |content: &str| {
        std::fs::write(department.join("a.sh"), content).expect("written");
        let loaded = load_file(&path);
        let scenario = loaded.files.first().expect("a scenario").scenario.clone();
        // What is run is what was pinned, whatever becomes of the file.
        assert_eq!(
            loaded.contents[&scenario.files["a.sh"].sha256],
            content.as_bytes()
        );
        scenario.digest
    };
    assert_ne!(digest("true"), digest("false"));
}
