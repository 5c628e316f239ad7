//! Nodes that keep their own addresses, in the plan: with the cards of their images, each once.

use std::collections::BTreeMap;
use std::path::Path;

use patchgate::input::finding::{Finding, Source};
use patchgate::lab::build::{ImageChoice, build};
use patchgate::lab::load;
use patchgate::lab::scenario::parse;
use patchgate::model::hardware::NicHardware;
use patchgate::model::machine::MachinePlan;
use patchgate::model::plan::{Addresses, ImagePin, Plan};
use patchgate::report;

const LAB: &str = r#"
[lab]
name = "hq"
[image."debian-12+database"]
imported = "0000000000000000000000000000000000000000000000000000000000000000"
[image."debian-12+app"]
imported = "0000000000000000000000000000000000000000000000000000000000000000"
[role.database]
addresses = "keep"
[role.app]
addresses = "keep"
[group.erp]
owner = "ERP"
admin = "Servers"
os = ["debian-12"]
roles = ["database", "app"]
scenarios = ["erp"]
"#;

fn image(role: &str, macs: &[&str]) -> ImageChoice {
    let card = |mac: &&str| NicHardware {
        mac: Some((*mac).to_owned()),
        ..NicHardware::default()
    };
    ImageChoice {
        os: "debian-12".to_owned(),
        role: role.to_owned(),
        pin: ImagePin {
            name: format!("debian-12+{role}"),
            os: "debian-12".to_owned(),
            key: "k".to_owned(),
            sha256: Some("s".to_owned()),
            machine: MachinePlan {
                nics: macs.iter().map(card).collect(),
                ..MachinePlan::default()
            },
            manager: None,
        },
        recipes: BTreeMap::new(),
        sources: Vec::new(),
    }
}

fn planned(lab: &str, database: &[&str], app: &[&str]) -> Result<Plan, Vec<Finding>> {
    let lab = load::parse(Source::new(Path::new("patchgate.toml"), lab), ".".into()).expect("a lab");
    let text = "title = \"t\"\nowner = \"o\"\n[[step]]\nname = \"s\"\non = \"app\"\nrun = \"true\"\n";
    let (file, findings) = parse::parse("erp", "day", &Source::new(Path::new("day.toml"), text));
    assert_eq!(findings, Vec::new());
    let scenario = file.expect("a scenario").scenario;
    build(
        &lab,
        &[scenario],
        &[image("database", database), image("app", app)],
    )
}

#[test]
fn a_node_keeps_the_cards_of_its_image() {
    let plan = planned(LAB, &["00:50:56:AB:00:01", "00-50-56-ab-00-02"], &[]).expect("a plan");
    let macs = |node: usize| plan.cells[0].nodes[node].addresses.clone();
    let kept = |macs: &[&str]| Addresses::Kept {
        macs: macs.iter().map(|&mac| mac.to_owned()).collect(),
    };
    assert_eq!(macs(0), kept(&["00:50:56:ab:00:01", "00:50:56:ab:00:02"]));
    assert_eq!(macs(1), kept(&[]));
    assert!(plan.cells[0].keeps_addresses());
    let text = report::plan::text(&plan, "not known");
    assert!(
        text.contains("addresses: 2 nodes with production's own\n"),
        "{text}"
    );

    // Cards of nodes that are given addresses matter to nobody.
    let given = LAB.replace("addresses = \"keep\"", "addresses = \"give\"");
    let plan = planned(&given, &["nonsense"], &["nonsense"]).expect("a plan");
    assert_eq!(plan.cells[0].nodes[0].addresses, Addresses::Given);
    let json = serde_json::to_string(&plan).expect("JSON");
    assert!(!json.contains("addresses"), "{json}");
    assert!(!report::plan::text(&plan, "not known").contains("addresses:"));
}

#[test]
fn two_cards_of_one_cell_with_one_address_are_told_before_the_run() {
    for (database, app, said) in [
        (
            &["00:50:56:00:00:01"][..],
            &["00:50:56:00:00:01"][..],
            &["`database` and `app` in cell `erp/debian-12` have one MAC address, 00:50:56:00:00:01"][..],
        ),
        (
            &["00:50:56:00:00:01", "00:50:56:00:00:02"],
            &["00:50:56:00:00:02", "00:50:56:00:00:01"],
            &["00:50:56:00:00:02", "00:50:56:00:00:01"],
        ),
        (
            &["00:50:56:00:00:01", "00:50:56:00:00:01"],
            &[],
            &["two cards of `database` in cell `erp/debian-12`"],
        ),
        (
            &["01:00:5e:00:00:01"],
            &[],
            &[
                "`01:00:5e:00:00:01` is no MAC address of a card; image `debian-12+database` was taken with it",
            ],
        ),
    ] {
        let findings = planned(LAB, database, app).expect_err("refused");
        assert_eq!(findings.len(), said.len(), "{findings:?}");
        for (finding, said) in findings.iter().zip(said) {
            assert!(finding.message.contains(said), "{}", finding.message);
            assert!(finding.hint.as_ref().is_some_and(|hint| hint.contains("import")));
        }
    }
}
