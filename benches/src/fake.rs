//! A thousand cells on the in-memory lab, and the replay of their journal: what patchgate itself takes, without a guest.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use patchgate::decide::Decided;
use patchgate::fake::{self, FakeLab, FakeProxies, GuestScript};
use patchgate::gate::Gate;
use patchgate::guest::families::Families;
use patchgate::lab::build::ImageChoice;
use patchgate::lab::file::Lab;
use patchgate::model::event::{Event, Record};
use patchgate::model::expected::Expected;
use patchgate::model::id::RunId;
use patchgate::model::machine::MachinePlan;
use patchgate::model::plan::{HostPlan, ImagePin, Plan};
use patchgate::port::Observer;
use patchgate::record::state::State;
use patchgate::run::{HostSetup, Setup};
use patchgate::secret::Secrets;
use patchgate::session::ready::Ready;
use tokio_util::sync::CancellationToken;

use crate::figures::{Figures, percentile};
use crate::{Failed, Outcome, process};

/// Groups of the lab, each on two OS versions.
const GROUPS: usize = 500;
const OS: [&str; 2] = ["debian-12", "debian-13"];
const RUN: &str = "20251123-140912-7c1f";
/// How often a replay is timed.
const REPLAYS: usize = 5;

const SCENARIO: &str = r#"
title = "The page is served"
owner = "web team"
timeout = "2m"

[[step]]
name = "it answers"
on = "web"
run = "true"

[[step]]
name = "the server runs"
on = "web"
run = "true"
"#;

/// A lab of so many groups.
fn lab_file(groups: usize) -> String {
    let mut text = "[lab]\nname = \"bench\"\n[soak]\nlook = false\n".to_owned();
    for os in OS {
        // Writing to a String cannot fail.
        let _ = write!(text, "[image.\"{os}+web\"]\nimported = \"{}\"\n", "5e".repeat(32));
    }
    text.push_str("[role.web]\n");
    for group in 0..groups {
        let _ = write!(
            text,
            "[group.g{group:04}]\nowner = \"web team\"\nadmin = \"servers\"\nos = {OS:?}\nroles = [\"web\"]\n\
             scenarios = [\"web\"]\n"
        );
    }
    text
}

fn plan(folder: &Path, groups: usize) -> Result<Plan, Failed> {
    let io = |error: std::io::Error| Failed(format!("{}: {error}", folder.display()));
    let scenarios = folder.join("scenarios");
    fs::create_dir_all(scenarios.join("web")).map_err(io)?;
    fs::write(scenarios.join("web/page.toml"), SCENARIO).map_err(io)?;
    let file = folder.join("patchgate.toml");
    fs::write(&file, lab_file(groups)).map_err(io)?;
    let images = OS.map(|os| ImageChoice {
        os: os.to_owned(),
        role: "web".to_owned(),
        pin: ImagePin {
            name: format!("{os}+web"),
            os: os.to_owned(),
            key: "c0ffee".repeat(4),
            sha256: Some("5e".repeat(32)),
            machine: MachinePlan::default(),
            manager: None,
        },
        recipes: BTreeMap::new(),
        sources: vec!["deb http://deb.debian.org/debian bookworm main".to_owned()],
    });
    Lab::open(&file, &Families::default())
        .and_then(|checked| checked.plan(None, &images))
        .map_err(|refused| Failed(format!("{refused}: {:?}", refused.findings())))
}

struct Quiet;

impl Observer for Quiet {
    fn record(&self, _: &Record) {}
    fn notice(&self, _: &str) {}
}

/// Runs and judges a fake lab of so many groups in a folder, its state below it. Returns how many cells passed.
fn rehearse(folder: &Path, groups: usize) -> Result<usize, Failed> {
    let plan = plan(folder, groups)?;
    let state = State::at(folder.join("state"));
    let run: RunId = RUN.parse().map_err(Failed)?;
    let lab = FakeLab::default();
    lab.script("web", GuestScript::default());
    let setup = Setup {
        run: run.clone(),
        families: Families::default(),
        images: OS
            .map(|os| (format!("{os}+web"), PathBuf::from("/nonexistent")))
            .into(),
        plan,
        files: BTreeMap::new(),
        secrets: Secrets::default(),
        proxies: Arc::new(FakeProxies::default()),
        warm: None,
        hosts: vec![HostSetup {
            plan: HostPlan::at(fake::URI),
            host: Arc::new(lab),
            chosen: Event::HostChosen {
                uri: fake::URI.to_owned(),
                accel: "none".to_owned(),
                reason: "a fake".to_owned(),
                version: "0".to_owned(),
            },
            kvm: false,
        }],
        absent: Vec::new(),
        expected: Expected::default(),
        jobs: None,
        resumed: None,
        keep_failed: false,
        confirm: patchgate::verdict::to_confirm,
        observer: Arc::new(Quiet),
        stop: CancellationToken::new(),
        now: Timestamp::now,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed(error.to_string()))?;
    let rehearsed = runtime.block_on(async {
        let ready = Ready::of(setup, state.clone()).await?;
        ready.run(|_| ()).await
    });
    rehearsed.map_err(|error| Failed(error.to_string()))?;
    let decided = Decided::load(&state, &run, Timestamp::now()).map_err(|error| Failed(error.to_string()))?;
    let decision = decided.decision;
    match decision.gate {
        Gate::Open => Ok(decision.counts.passed),
        Gate::Closed | Gate::Undecided => Err(Failed(format!("the fake lab's {}", decision.line(&run)))),
    }
}

/// The measured process: runs the fake lab in a folder and prints its cells, processor seconds and peak MiB.
pub fn child(folder: &Path) -> Result<(), Failed> {
    let cells = rehearse(folder, GROUPS)?;
    let cpu = process::own_cpu_s().ok_or_else(|| Failed("/proc/self/stat cannot be read".to_owned()))?;
    println!("{cells} {cpu} {}", process::peak_mib("self"));
    Ok(())
}

/// Runs the fake lab in a process of its own.
pub fn measure(work: &Path) -> Result<Outcome, Failed> {
    Ok(Outcome::measured(figures(work)?))
}

fn figures(work: &Path) -> Result<Figures, Failed> {
    let folder = work.join("fake");
    let io = |error: std::io::Error| Failed(format!("{}: {error}", folder.display()));
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(io)?;
    }
    fs::create_dir_all(&folder).map_err(io)?;
    let mut command = Command::new(process::this()?);
    command.arg("--fake-lab").arg(&folder);
    let ended = process::run(&mut command, &folder.join("out"))?;
    let numbers: Vec<f64> = ended
        .stdout
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect();
    let [cells, cpu, rss] = numbers[..] else {
        return Err(Failed(format!("the fake lab's run ended with {}", ended.status)));
    };
    let journal = fs::metadata(journal_of(&folder)).map_err(io)?.len();
    let mut figures = Figures::default();
    figures.set("fake_cells", cells);
    figures.set("fake_cpu_s", cpu);
    figures.set("fake_rss_mib", rss);
    #[expect(clippy::cast_precision_loss, reason = "a journal is far below 2^52 bytes")]
    figures.set("fake_journal_mib", journal as f64 / f64::from(1 << 20));
    Ok(figures)
}

fn journal_of(folder: &Path) -> PathBuf {
    folder
        .join("state/runs")
        .join(RUN)
        .join(patchgate::record::state::JOURNAL)
}

/// Times what the release binary makes of the fake lab's journal.
pub fn replay(work: &Path) -> Result<Outcome, Failed> {
    let folder = work.join("fake");
    if !journal_of(&folder).is_file() {
        figures(work)?;
    }
    let patchgate = process::patchgate()?;
    let time = |arguments: &[&str]| -> Result<f64, Failed> {
        let mut times = Vec::new();
        for _ in 0..REPLAYS {
            let mut command = Command::new(&patchgate);
            command
                .args(arguments)
                .arg(RUN)
                .env("PATCHGATE_STATE", folder.join("state"))
                .env_remove("PATCHGATE_LAB");
            let ended = process::run(&mut command, &folder.join("out"))?;
            if !ended.status.success() {
                return Err(Failed(format!(
                    "patchgate {} ended with {}",
                    arguments.join(" "),
                    ended.status
                )));
            }
            times.push(ended.wall.as_secs_f64());
        }
        percentile(&times, 50).ok_or_else(|| Failed("nothing was timed".to_owned()))
    };
    let mut figures = Figures::default();
    figures.set("gate_replay_s", time(&["gate", "--replay"])?);
    let mut slowest: f64 = 0.0;
    for format in ["text", "json", "junit", "markdown"] {
        slowest = slowest.max(time(&["report", "--format", format])?);
    }
    figures.set("report_replay_s", slowest);
    Ok(Outcome::measured(figures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_fake_lab_passes() {
        let folder = tempfile::tempdir().expect("folder");
        assert_eq!(rehearse(folder.path(), 3).expect("the gate is open"), 6);
        assert!(journal_of(folder.path()).is_file());
    }
}
