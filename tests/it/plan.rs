//! The plan: what it holds, that the same input gives the same bytes, and that nothing can make its loading panic.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchgate::cli::init::{self, InitArgs};
use patchgate::guest::families::Families;
use patchgate::input::decode::decode;
use patchgate::input::finding::{Finding, Severity, Source};
use patchgate::lab::build::{ImageChoice, build, build_selected};
use patchgate::lab::file::Lab;
use patchgate::lab::lint::lint;
use patchgate::lab::load;
use patchgate::lab::scenario::parse;
use patchgate::lab::select::Selection;
use patchgate::model::expected::Expected;
use patchgate::model::hardware::Firmware;
use patchgate::model::id::{Arm, CellId};
use patchgate::model::machine::MachinePlan;
use patchgate::model::plan::{HostPlan, ImagePin, Plan};
use patchgate::model::scenario::Scenario;
use patchgate::report;
use patchgate::report::plan::Expecting;
use patchgate::session::predict::predict;
use patchgate::units::Mib;
use proptest::prelude::*;

pub fn demo() -> (Lab, Vec<Scenario>) {
    let checked =
        Lab::open(Path::new("patchgate.toml"), &Families::default()).expect("the demo lab is right");
    (checked.lab, checked.scenarios)
}

/// The cells that `make demo` runs.
const DEMO: &str = "web,database";

pub fn demo_plan(lab: &Lab, scenarios: &[Scenario], images: &[ImageChoice]) -> Result<Plan, Vec<Finding>> {
    let selection = Selection::parse(DEMO).expect("a selection");
    build_selected(lab, scenarios, images, Some(&selection))
}

/// One image for each OS version and role of a lab; those of `debian-11` are not built.
pub fn images(lab: &Lab) -> Vec<ImageChoice> {
    let roles: Vec<&str> = lab.file.role.keys().map(|role| role.get_ref().as_str()).collect();
    lab.file
        .image
        .keys()
        .flat_map(|os| roles.iter().map(move |role| choice(os.get_ref(), role)))
        .collect()
}

fn choice(os: &str, role: &str) -> ImageChoice {
    ImageChoice {
        os: os.to_owned(),
        role: role.to_owned(),
        pin: ImagePin {
            name: format!("{os}+{role}"),
            os: os.to_owned(),
            key: "c0ffee".repeat(4),
            sha256: (os != "debian-11").then(|| "5ea1".repeat(16)),
            machine: MachinePlan::default(),
            manager: None,
        },
        recipes: BTreeMap::from([(format!("images/{os}.toml"), "0a".repeat(32))]),
        sources: vec![
            format!("deb [trusted=yes] http://deb.debian.org/debian {os} main"),
            "deb file:/srv/repository ./".to_owned(),
        ],
    }
}

fn json(plan: &Plan) -> String {
    serde_json::to_string_pretty(plan).expect("a plan has a JSON form")
}

#[test]
fn the_demo_plan_has_every_choice_made() {
    let (lab, scenarios) = demo();
    let mut plan = demo_plan(&lab, &scenarios, &images(&lab)).expect("the demo lab can be planned");
    assert_eq!(plan.digest, plan.content_digest().expect("a digest"));
    // The scenarios have goldens of their own, in the form of their files.
    for scenario in plan.scenarios.values_mut() {
        scenario.steps.truncate(1);
        scenario.digest = "(digest)".into();
    }
    for (name, value) in &mut plan.inputs {
        if name == "lab" || name.starts_with("scenario ") {
            assert_eq!(value.len(), 64, "{name}");
            *value = "(digest)".into();
        }
    }
    plan.digest = "(digest)".into();
    insta::assert_snapshot!(json(&plan));
}

#[test]
fn the_plan_is_shown_as_a_table_with_what_is_not_built() {
    let (lab, scenarios) = demo();
    let plan = demo_plan(&lab, &scenarios, &images(&lab)).expect("a plan");
    let shown = |expected: &Expected| report::plan::text(&plan, &predict(&plan, expected).text());
    let text = shown(&Expected::default());
    let shown_digest = text
        .lines()
        .find(|line| line.starts_with("plan: "))
        .expect("a digest is shown")
        .to_owned();
    insta::assert_snapshot!(text.replace(&shown_digest, "plan: (digest)"));

    let mut expected = Expected::default();
    let cell = |name: &str| CellId(name.to_owned());
    for arm in Arm::BOTH {
        expected.note(&cell("web/debian-12"), arm, Duration::from_secs(90));
        expected.note(&cell("database/debian-12"), arm, Duration::from_secs(150));
    }
    let time = |text: &str| {
        text.lines()
            .find(|line| line.starts_with("time: "))
            .map(str::to_owned)
    };
    assert_eq!(
        time(&shown(&expected)).as_deref(),
        Some(
            "time: about 2m 30s, by the last runs of 2 of 4 cells; of the others as much is expected as of these on average; longer \
             where the hosts have not room for all arms at once"
        )
    );
    let json = serde_json::to_string_pretty(&Expecting {
        plan: &plan,
        expected: predict(&plan, &expected),
    })
    .expect("JSON");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        json["expected"],
        serde_json::json!({ "seconds": 150, "known_cells": 2, "cells": 4, "budgets_known": false })
    );
    let plan: Plan = serde_json::from_value(json).expect("the plan is read with what stands beside it");
    assert_eq!(plan.digest, plan.content_digest().expect("a digest"));
}

#[test]
fn the_time_of_a_plan_follows_from_the_budgets() {
    let (lab, scenarios) = demo();
    let mut plan = demo_plan(&lab, &scenarios, &images(&lab)).expect("a plan");
    let mut expected = Expected::default();
    for cell in &plan.cells {
        expected.note(&cell.id, Arm::Control, Duration::from_secs(60));
        expected.note(&cell.id, Arm::Treatment, Duration::from_secs(120));
    }
    // Eight arms of 896 MiB with one vCPU each: two minutes for four treatments, one for four controls.
    for (hosts, seconds) in [
        (vec![(896, 8)], Some(12 * 60)),
        (vec![(2 * 896, 8)], Some(6 * 60)),
        (vec![(100_000, 4)], Some(3 * 60)),
        (vec![(2 * 896, 8), (2 * 896, 8)], Some(3 * 60)),
        (vec![(895, 8)], None),
    ] {
        let host = |&(memory, vcpus): &(u64, u32)| HostPlan {
            memory: Some(Mib(memory)),
            vcpus: Some(vcpus),
            ..HostPlan::at("auto")
        };
        plan.hosts = hosts.iter().map(host).collect();
        let predicted = predict(&plan, &expected);
        assert_eq!(predicted.seconds, seconds, "{hosts:?}");
        assert!(predicted.budgets_known);
    }
}

#[test]
fn a_selection_plans_its_cells_and_asks_only_for_their_images() {
    let (lab, scenarios) = demo();
    let selection = Selection::parse("web/debian-12").expect("a selection");
    let plan =
        build_selected(&lab, &scenarios, &[choice("debian-12", "web")], Some(&selection)).expect("a plan");
    let cells: Vec<&str> = plan.cells.iter().map(|cell| cell.id.0.as_str()).collect();
    assert_eq!(cells, ["web/debian-12"]);
    let all = build(&lab, &scenarios, &images(&lab))
        .expect("a plan")
        .cells
        .len();
    assert!(all > 1 && plan.left_out.len() == all - 1, "{:?}", plan.left_out);
    let departments: BTreeSet<&str> = plan.scenarios.values().map(|s| s.department.as_str()).collect();
    assert_eq!(departments, BTreeSet::from(["web"]));
}

#[test]
fn a_selection_without_a_cell_is_refused_with_the_cells() {
    let (lab, scenarios) = demo();
    let selection = Selection::parse("wbe").expect("a selection");
    let findings = build_selected(&lab, &scenarios, &images(&lab), Some(&selection)).expect_err("no cell");
    let finding = findings.first().expect("a finding");
    assert_eq!(
        finding.message,
        "patchgate.toml: the selection's `wbe` fits no cell"
    );
    assert_eq!(
        finding.hint.as_deref(),
        Some(
            "did you mean `web`? cells: `accounting/debian-12`, `database/debian-11`, `database/debian-12`, \
             `erp/debian-12`, `erp/debian-13`, `web/debian-11` and `web/debian-12`"
        )
    );
}

#[test]
fn what_is_not_there_keeps_the_plan_from_being_made() {
    let (lab, scenarios) = demo();
    let messages = |result: Result<Plan, Vec<Finding>>| -> Vec<String> {
        let findings = result.expect_err("not planned");
        findings.iter().map(|finding| finding.message.clone()).collect()
    };
    let no_images = messages(demo_plan(&lab, &scenarios, &[]));
    assert_eq!(no_images.len(), 4);
    assert_eq!(
        no_images[0],
        "there is no image of `debian-11` for role `database`"
    );
    let no_scenarios = messages(demo_plan(&lab, &[], &images(&lab)));
    assert_eq!(no_scenarios.len(), 4);
    assert_eq!(
        no_scenarios[0],
        "cell `database/debian-11` has no scenario: nothing would be tested"
    );
}

#[test]
fn every_input_that_decides_the_result_changes_the_digest() {
    let (lab, scenarios) = demo();
    let base = build(&lab, &scenarios, &images(&lab)).expect("a plan").digest;
    let mut digests = BTreeSet::from([base]);
    let mut differs = |what: &str, lab: &Lab, scenarios: &[Scenario], images: &[ImageChoice]| {
        let digest = build(lab, scenarios, images).expect(what).digest;
        assert!(digests.insert(digest), "{what}");
    };
    let text = |from: &str, to: &str| {
        let changed = lab.source.text.replace(from, to);
        assert_ne!(changed, *lab.source.text, "{from}");
        let source = Source::new(Path::new("patchgate.toml"), changed);
        load::parse(source, PathBuf::from(".")).expect("a lab")
    };
    differs(
        "updates",
        &text("\"security\"", "\"all\""),
        &scenarios,
        &images(&lab),
    );
    differs("memory", &text("512MiB", "640MiB"), &scenarios, &images(&lab));
    differs(
        "owner",
        &text("Order handling", "Orders"),
        &scenarios,
        &images(&lab),
    );
    let mut other = scenarios.clone();
    other[0].digest = "00".repeat(32);
    differs("scenario file", &lab, &other, &images(&lab));
    let mut other = images(&lab);
    for image in &mut other {
        image.pin.sha256 = Some("11".repeat(32));
    }
    differs("image", &lab, &scenarios, &other);
    let mut other = images(&lab);
    for image in &mut other {
        image.recipes = BTreeMap::from([("x".into(), "y".into())]);
    }
    differs("recipe", &lab, &scenarios, &other);
    let mut other = images(&lab);
    for image in &mut other {
        image.pin.machine.hardware.firmware = Firmware::Uefi;
    }
    differs("hardware", &lab, &scenarios, &other);
}

#[test]
fn comments_and_white_space_do_not_change_the_plan() {
    let (lab, scenarios) = demo();
    let spaced = lab.source.text.replace('\n', "   # x\n\n");
    let other = load::parse(Source::new(Path::new("other.toml"), spaced), PathBuf::from(".")).expect("a lab");
    let plan = |lab| json(&build(lab, &scenarios, &images(lab)).expect("a plan"));
    assert_eq!(plan(&lab), plan(&other));
}

#[test]
fn init_writes_a_lab_that_passes_check_and_never_overwrites() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = InitArgs {
        dir: folder.path().join("my lab/deep"),
    };
    let said = init::run(&args).expect("written");
    assert!(said.contains("my lab/deep' && patchgate check"), "{said}");
    let checked =
        Lab::open(&args.dir.join("patchgate.toml"), &Families::default()).expect("the new lab is right");
    assert_eq!(checked.warnings, []);
    let images = images(&checked.lab);
    checked.plan(None, &images).expect("the new lab can be planned");

    let scenario = args.dir.join("scenarios/shop/page.toml");
    std::fs::remove_file(&scenario).expect("removed");
    let lab_file = args.dir.join("patchgate.toml");
    std::fs::write(&lab_file, "mine").expect("written");
    let refused = init::run(&args).expect_err("not overwritten");
    assert_eq!(refused.exit, 2);
    assert!(refused.message.contains("patchgate.toml"), "{}", refused.message);
    assert_eq!(std::fs::read_to_string(&lab_file).expect("read"), "mine");
    assert!(!scenario.exists(), "nothing is half written");
}

#[test]
fn init_writes_every_file_that_its_recipes_copy_into_the_image() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = InitArgs {
        dir: folder.path().to_owned(),
    };
    init::run(&args).expect("written");
    for recipe in ["images/debian-12.toml", "images/roles/web.toml"] {
        let path = folder.path().join(recipe);
        let table: toml::Table = std::fs::read_to_string(&path)
            .expect(recipe)
            .parse()
            .expect(recipe);
        let files = table
            .get("file")
            .and_then(toml::Value::as_array)
            .cloned()
            .unwrap_or_default();
        for source in files.iter().filter_map(|file| file.get("source")?.as_str()) {
            let copied = path.parent().expect("a folder").join(source);
            assert!(copied.is_file(), "{recipe} copies {source}");
        }
    }
}

#[cfg(unix)]
#[test]
fn init_leaves_nothing_where_it_cannot_write_all() {
    let folder = tempfile::tempdir().expect("a folder");
    // A file where a folder is needed: the lab file and the scenario are written before it is met.
    std::fs::write(folder.path().join("images"), "in the way").expect("written");
    let args = InitArgs {
        dir: folder.path().to_owned(),
    };
    let refused = init::run(&args).expect_err("not written");
    assert!(
        refused.message.ends_with("nothing was left behind"),
        "{}",
        refused.message
    );
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("listed").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

/// Sections of a lab, each whole, so that any order says the same.
const SECTIONS: [&str; 8] = [
    "[lab]\nname = \"hq\"\nupdates = \"all\"\nexclude = [\"b\", \"a\"]\n",
    "[[host]]\nuri = \"auto\"\n",
    "[image.debian-11]\nbuild = \"images/debian-11.toml\"\n",
    "[image.debian-12]\nbuild = \"images/debian-12.toml\"\n",
    "[role.web]\nrecipe = \"images/roles/web.toml\"\n",
    "[role.database]\nrecipe = \"images/roles/database.toml\"\nvcpus = 2\n",
    "[group.b]\nowner = \"o\"\nadmin = \"a\"\nos = [\"debian-12\", \"debian-11\"]\nroles = [\"web\"]\nscenarios = [\"web\"]\n",
    "[group.a]\nowner = \"o\"\nadmin = \"a\"\nos = [\"debian-12\"]\nroles = [\"database\"]\nscenarios = [\"database\"]\n",
];

/// Pieces that lab files and scenarios are made of, right and wrong.
fn fragments() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "[lab]\n",
        "[[host]]\n",
        "[host]\n",
        "[image.x]\n",
        "[role.web]\n",
        "[group.shop]\n",
        "[group]\n",
        "[[step]]\n",
        "[step]\n",
        "[deadlines]\n",
        "name = \"x\"\n",
        "name = 5\n",
        "on = \"web\"\n",
        "os = [\"debian-12\"]\n",
        "os = [[1]]\n",
        "roles = [\"web\"]\n",
        "roles = []\n",
        "scenarios = [\"web\", 1.5]\n",
        "memory = \"99999999999TiB\"\n",
        "memory = \"16777216TiB\"\n",
        "vcpus = 65536\n",
        "vcpus = -1\n",
        "vcpus = 0xffffffffffffffffff\n",
        "retries = 1\n",
        "title = \"t\"\n",
        "owner = \"o\"\n",
        "admin = \"a\"\n",
        "timeout = \"1h\"\n",
        "run = \"true\"\n",
        "expect = { stdout = { matches = \"(\" } }\n",
        "http = { url = \"http://[::1]:80\" }\n",
        "http = { url = \"http://é:\" }\n",
        "tcp = \"::\"\n",
        "tcp = \"[:80\"\n",
        "file = \"/\"\n",
        "package = {}\n",
        "build = \"\"\n",
        "imported = \"é\"\n",
        "uri = \"://\"\n",
        "step = [1, {}]\n",
        "group = 1979-05-27\n",
        "\"\" = 1\n",
        "'a.b' = { c = 1 }\n",
        "updates = \"listed\"\n",
        "listed = [\"\", \"-\"]\n",
        "= \n",
        "\"\"\"",
        "[",
        "é",
        "\u{feff}",
    ]);
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

/// Loads bytes as everything that they could be, and draws what is wrong with them.
fn load_as_anything(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let source = match decode(Path::new("x.toml"), bytes) {
        Ok(source) => source,
        Err(finding) => {
            patchgate::input::finding::draw(&finding, false);
            return Ok(());
        }
    };
    let (scenario, mut findings) = parse::parse("web", "x", &source);
    prop_assert_eq!(
        scenario.is_none(),
        findings.iter().any(|finding| finding.severity == Severity::Error)
    );
    match load::parse(source, PathBuf::from(".")) {
        Ok(lab) => {
            let scenarios: Vec<_> = scenario.into_iter().collect();
            findings.extend(lint(&lab, &scenarios, &BTreeSet::new(), &Families::default()));
            let _ = build(&lab, &[], &images(&lab));
        }
        Err(errors) => {
            prop_assert!(!errors.is_empty());
            findings.extend(errors);
        }
    }
    for finding in &findings {
        let drawn = patchgate::input::finding::draw(finding, false);
        prop_assert!(!drawn.contains('\u{1b}'), "{}", drawn);
        if let Some(place) = &finding.place {
            prop_assert!(place.span.end <= place.source.text.len(), "{:?}", finding);
            prop_assert!(
                place.source.text.get(place.span.clone()).is_some(),
                "{:?}",
                finding
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_loading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        load_as_anything(bytes)?;
    }

    #[test]
    fn no_text_makes_loading_panic(text in "\\PC{0,200}") {
        load_as_anything(text.into_bytes())?;
    }

    #[test]
    fn no_mix_of_fragments_makes_loading_panic(text in fragments()) {
        load_as_anything(text.into_bytes())?;
    }

    #[test]
    fn the_order_of_tables_does_not_matter(order in Just(SECTIONS.to_vec()).prop_shuffle()) {
        let (_, scenarios) = demo();
        let plan = |sections: &[&str]| {
            let source = Source::new(Path::new("patchgate.toml"), sections.join("\n"));
            let lab = load::parse(source, PathBuf::from(".")).expect("a lab");
            json(&build(&lab, &scenarios, &images(&lab)).expect("a plan"))
        };
        prop_assert_eq!(plan(&order), plan(&SECTIONS));
    }
}
