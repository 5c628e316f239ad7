//! A family of this test's own: checked, planned, run, proved and judged with no word of it anywhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use patchgate::decide::Decided;
use patchgate::fake::{Apply, GuestScript, Tongue};
use patchgate::guest::answer::PackageState;
use patchgate::guest::command::{GuestCommand, ParseError};
use patchgate::guest::families::Families;
use patchgate::guest::family::{Family, Updates, Words};
use patchgate::guest::linux::Linux;
use patchgate::guest::linux::command::bounded;
use patchgate::guest::what;
use patchgate::lab::build::{ImageChoice, build};
use patchgate::lab::lint::lint;
use patchgate::lab::load;
use patchgate::lab::scenario::load::load_dir;
use patchgate::model::event::Event;
use patchgate::model::machine::MachinePlan;
use patchgate::model::plan::{ImagePin, Plan};
use patchgate::model::update::{PackageStates, Update, UpdateSet};
use patchgate::record::journal;
use patchgate::run;

use crate::testkit::lab::{Lab, Quiet};

const TOY: Family = Family {
    name: "Toy",
    versions: &["toy-1"],
    covers: |os| os.starts_with("toy-"),
    system: &Linux { etc: "", quiet: "" },
    updates: &Toy,
    manager: "toy",
    security: &["box"],
};

/// A package manager of one program, which speaks in lines `NAME FROM TO`, or `NAME VERSION`.
#[derive(Debug)]
struct Toy;

fn toy(what: &str, verb: &str) -> GuestCommand {
    bounded(what, &["/usr/bin/toy", verb], &[], Duration::from_secs(60))
}

#[rustfmt::skip]
impl Updates for Toy {
    fn words(&self) -> Words { Words { refresh: "toy news", manager: "toy", database: "toys" } }
    fn refresh(&self, _: Option<&str>, _: Duration) -> GuestCommand { toy(what::REFRESH, "news") }
    fn pending(&self, _: Duration) -> GuestCommand { toy(what::PENDING, "pending") }
    fn resolve(&self, _: &[Update], _: Duration) -> GuestCommand { toy(what::RESOLVE, "resolve") }
    fn parse_updates(&self, output: &str) -> Result<Vec<Update>, ParseError> { output.lines().map(read).collect() }
    fn is_security(&self, update: &Update, origins: &[&str]) -> bool { origins.contains(&update.origin.as_str()) }
    fn fetch(&self, _: &UpdateSet, _: Option<&str>, _: Duration) -> GuestCommand { toy(what::FETCH, "fetch") }
    fn apply(&self, _: &UpdateSet, _: Duration) -> GuestCommand { toy(what::APPLY, "apply") }
    fn packages(&self) -> GuestCommand { toy(what::PACKAGES, "list") }
    fn parse_packages(&self, output: &str) -> Result<PackageStates, ParseError> { Ok(states(output)) }
    fn package(&self, name: &str, _: Duration) -> GuestCommand { toy("package", name) }
    fn parse_package(&self, output: &str) -> PackageState { PackageState { version: Some(output.into()), state: "played".into() } }
    fn reboot_hints(&self) -> GuestCommand { toy(what::REBOOT_HINTS, "hints") }
    fn reboot_reason(&self, _: &str, _: &UpdateSet) -> Option<String> { None }
}

fn read(line: &str) -> Result<Update, ParseError> {
    let [name, from, to] = line.split(' ').collect::<Vec<_>>()[..] else {
        let problem = line.to_owned();
        return Err(ParseError { what: "toy", problem });
    };
    let (arch, origin) = ("any".to_owned(), "box".to_owned());
    let (from, to) = (Some(from.to_owned()), Some(to.to_owned()));
    let name = name.to_owned();
    Ok(Update {
        name,
        arch,
        from,
        to,
        origin,
        ..Update::default()
    })
}

fn states(output: &str) -> PackageStates {
    let packages = output.lines().filter_map(|line| line.split_once(' '));
    PackageStates {
        installed: packages
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect(),
        ..PackageStates::default()
    }
}

/// The same, spoken by the fake guest.
impl Tongue for Toy {
    fn updates(&self, updates: &[Update]) -> String {
        let version = |version: &Option<String>| version.clone().unwrap_or_default();
        let line = |update: &Update| {
            format!(
                "{} {} {}\n",
                update.name,
                version(&update.from),
                version(&update.to)
            )
        };
        updates.iter().map(line).collect()
    }

    fn packages(&self, packages: &BTreeMap<String, String>, _: Option<&str>) -> String {
        let line = |(name, version): (&String, &String)| format!("{name} {version}\n");
        packages.iter().map(line).collect()
    }
}

const LAB: &str = "[lab]\nname = \"toys\"\nupdates = \"security\"\nscenarios = \"scenarios\"\n\
                   [[host]]\nuri = \"auto\"\n\
                   [image.\"toy-1+web\"]\nimported = \"0000000000000000000000000000000000000000000000000000000000000000\"\n\
                   [role.web]\n\
                   [group.web]\nowner = \"web team\"\nadmin = \"servers\"\nos = [\"toy-1\"]\nroles = [\"web\"]\n\
                   scenarios = [\"web\"]\n";

const SCENARIO: &str = "title = \"It plays\"\nowner = \"web team\"\n[[step]]\nname = \"it plays\"\non = \"web\"\n\
                        package = { name = \"ball\", version = { contains = \"2\" } }\n";

/// The plan of a lab on that family, checked with these families; what the check says.
fn planned(families: &Families) -> (Plan, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(at("scenarios/web")).expect("folders");
    std::fs::write(at("scenarios/web/page.toml"), SCENARIO).expect("a scenario");
    std::fs::write(at("patchgate.toml"), LAB).expect("a lab file");
    let lab = load::load(&at("patchgate.toml")).expect("a lab");
    let loaded = load_dir(&at("scenarios"));
    let findings = lint(&lab, &loaded.files, &BTreeSet::new(), families);
    let image = ImageChoice {
        os: "toy-1".to_owned(),
        role: "web".to_owned(),
        pin: ImagePin {
            name: "toy-1+web".to_owned(),
            os: "toy-1".to_owned(),
            key: "k".to_owned(),
            sha256: Some("s".to_owned()),
            machine: MachinePlan::default(),
            manager: None,
        },
        recipes: BTreeMap::new(),
        sources: vec!["http://toys.example/box".to_owned()],
    };
    let plan = build(&lab, &loaded.scenarios().expect("scenarios"), &[image]).expect("a plan");
    (
        plan,
        findings.into_iter().map(|finding| finding.message).collect(),
    )
}

/// Runs the plan on a fake guest and decides from the journal.
async fn decided(apply: Apply) -> Decided {
    let families = Families::default().with(TOY);
    let lab = Lab::default();
    lab.script(GuestScript {
        tongue: &Toy,
        packages: [("ball:any", "1"), ("car:any", "7")]
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .into(),
        pending: vec![read("ball 1 2").expect("an update")],
        reach: "source 200\nunlisted squid ERR_ACCESS_DENIED 0\n",
        steps: Arc::new(|_| patchgate::port::ExecOutput {
            exit: Some(0),
            stdout: b"2".to_vec(),
            ..patchgate::port::ExecOutput::default()
        }),
        apply,
        ..GuestScript::default()
    });
    let mut setup = lab.setup(Arc::new(Quiet));
    setup.plan = planned(&families).0;
    setup.families = families;
    setup.images = BTreeMap::from([("toy-1+web".to_owned(), PathBuf::from("/nonexistent"))]);
    let run_dir = lab.state().create_run(&setup.run).expect("a folder");
    let budget = run::preflight(&setup).await.expect("room");
    run::execute(setup, budget, &run_dir).await.expect("a run");
    assert_eq!(lab.fake.violations(), Vec::<String>::new());
    let journal = journal::read(&run_dir.journal()).expect("a journal");
    Decided::of(journal, false)
}

#[test]
fn it_is_planned_where_it_is_registered_and_refused_where_not() {
    let (plan, findings) = planned(&Families::default().with(TOY));
    assert_eq!(findings, Vec::<String>::new());
    assert_eq!(plan.cells[0].os, "toy-1");
    let (_, findings) = planned(&Families::default());
    assert_eq!(findings, ["this version of patchgate cannot update `toy-1`"]);
}

#[tokio::test(start_paused = true)]
async fn its_set_is_pinned_installed_proved_and_opens_the_gate() {
    let decided = decided(Apply::Good).await;
    let line = decided
        .decision
        .line(&"20261123-140912-7c1f".parse().expect("an id"));
    assert!(line.starts_with("gate: OPEN"), "{line}");
    let set = decided
        .journal
        .records
        .iter()
        .find_map(|record| match &record.event {
            Event::Resolved { set, .. } => Some(set.updates.clone()),
            _ => None,
        });
    assert_eq!(set, Some(vec![read("ball 1 2").expect("an update")]));
}

#[tokio::test(start_paused = true)]
async fn a_set_that_its_packages_do_not_show_never_opens_it() {
    for (apply, says) in [
        (Apply::Lies, "ball: is 1, pinned 2"),
        (Apply::Extra, "stowaway:amd64: new 1"),
        (Apply::HalfWay, "toy ended with exit code 100"),
    ] {
        let decided = decided(apply).await;
        let reasons: Vec<&str> = decided
            .decision
            .reasons
            .iter()
            .map(|reason| reason.text.as_str())
            .collect();
        let line = decided
            .decision
            .line(&"20261123-140912-7c1f".parse().expect("an id"));
        assert!(line.starts_with("gate: CLOSED"), "{line}: {reasons:?}");
        assert!(reasons.iter().any(|reason| reason.contains(says)), "{reasons:?}");
    }
}
