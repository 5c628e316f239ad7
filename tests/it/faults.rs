//! Faults of the world, planted in the fake lab: those of `tests/faults` one by one, and others by chance. A fault costs its own
//! cell, never another's, and never makes a gate lie.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use patchgate::decide::Decided;
use patchgate::fake::{Fault, GuestScript};
use patchgate::gate::Gate;
use patchgate::model::outcome::Cause;
use patchgate::model::policy::Confirm;
use patchgate::port::LabError;
use patchgate::record::journal;
use patchgate::run::{self, RunError};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::testkit::guests::broken_by_updates;
use crate::testkit::lab::{End, Lab, Quiet, exit};

/// Longer than any run of these labs may take.
const LONGEST: Duration = Duration::from_secs(4 * 3600);

/// A file of `tests/faults`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Planned {
    #[serde(default = "undecided")]
    gate: String,
    /// How the arm of the cell 1 ends, where the fault ends it.
    cause: Option<Cause>,
    fault: Vec<Fault>,
}

fn undecided() -> String {
    "UNDECIDED".to_owned()
}

async fn ended(lab: Lab, what: &str) -> End {
    tokio::time::timeout(LONGEST, lab.run())
        .await
        .unwrap_or_else(|_| panic!("{what}: no end"))
}

#[tokio::test(start_paused = true)]
async fn each_planned_fault_costs_its_own_cell_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(files.len() > 10);
    for file in files {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let planned: Planned = toml::from_str(&fs::read_to_string(&file).expect("a file"))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let lab = Lab::default().with_cells(3);
        lab.fake.plant(planned.fault);
        let end = ended(lab, &name).await;
        let line = end.line(&planned.gate);
        if planned.gate == "OPEN" {
            assert_eq!(line, "cells=3/3 regressed=0 inconclusive=0", "{name}");
        } else {
            assert_eq!(line, "cells=2/3 regressed=0 inconclusive=1", "{name}");
            let causes: BTreeSet<Cause> = end.faults().into_iter().map(|(_, cause)| cause).collect();
            if let Some(cause) = planned.cause {
                assert_eq!(causes, BTreeSet::from([cause]), "{name}");
            }
        }
        end.left_nothing();
    }
}

/// Numbers by chance that are the same for the same seed.
struct Chance {
    seed: u64,
    drawn: u64,
}

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.drawn += 1;
        let hash = Sha256::digest(format!("{} {}", self.seed, self.drawn));
        let number = u64::from_le_bytes(hash[..8].try_into().expect("eight bytes"));
        usize::try_from(number % limit as u64).expect("below a usize")
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

const OPERATIONS: [&str; 8] = [
    "create_pool",
    "place_image",
    "create_network",
    "create_outlet",
    "create_filter",
    "create_overlay",
    "create_vm",
    "machine",
];
const COMMANDS: [&str; 15] = [
    "read the boot id",
    "wait for the services to settle",
    "reboot",
    "give the node its name",
    "see what the node can reach",
    "observe the node",
    "observe the node's files",
    "read the update sources",
    "list the pending updates",
    "resolve the update set",
    "fetch the update set",
    "install the update set",
    "read the package states",
    "see whether a reboot is needed",
    "run",
];
/// Faults of the world alone, which strike once: what an update itself does wrong strikes again.
const OF_OPERATIONS: [&str; 4] = ["refused", "no-memory", "disk-full", "host-gone"];
const OF_COMMANDS: [&str; 9] = [
    "disk-full",
    "host-gone",
    "agent-killed",
    "agent-late",
    "garbled",
    "not-utf8",
    "flood",
    "hangs",
    "vm-killed",
];

fn by_chance(chance: &mut Chance) -> Vec<Fault> {
    let many = 1 + chance.below(3);
    (0..many)
        .map(|_| {
            let (at, kind) = if chance.below(4) == 0 {
                (*chance.of(&OPERATIONS), *chance.of(&OF_OPERATIONS))
            } else {
                (*chance.of(&COMMANDS), *chance.of(&OF_COMMANDS))
            };
            let nth = 1 + chance.below(6);
            toml::from_str(&format!("at = {at:?}\nnth = {nth}\ndo = {kind:?}\n")).expect("a fault")
        })
        .collect()
}

/// What this process has in memory, in MiB (proc_pid_statm(5): pages, which are 4 KiB on x86-64).
fn resident_mib() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("/proc");
    let pages = statm.split(' ').nth(1).expect("a second field");
    pages.parse::<u64>().expect("a number") * 4096 / (1024 * 1024)
}

/// Figures for who soaks; a test that passes shows them to nobody else.
fn tell(figures: &str) {
    writeln!(std::io::stdout(), "{figures}").expect("standard output");
}

/// `PATCHGATE_SOAK_RUNS` says how many there are, `PATCHGATE_SOAK_SEED` with which number they begin.
#[tokio::test(start_paused = true)]
async fn faults_by_chance_never_make_a_gate_lie() {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}: {text} is no number")),
        Err(_) => default,
    };
    let (first, runs) = (
        number("PATCHGATE_SOAK_SEED", 0),
        number("PATCHGATE_SOAK_RUNS", 20),
    );
    let mut gates = [0u64; 3];
    let mut warm = None;
    for seed in first..first + runs {
        let mut chance = Chance { seed, drawn: 0 };
        let broken = chance.below(2) == 0;
        let mut lab = Lab::default().with_cells(1 + chance.below(3));
        lab.script(GuestScript {
            steps: Arc::new(move |call| exit(i32::from(broken && call.updated), "")),
            ..GuestScript::default()
        });
        let mut faults = by_chance(&mut chance);
        if chance.below(2) == 0 {
            lab.plan.confirm = Confirm::default();
            // Two that strike the same arm of both pairs look like the updates' doing, and one does not.
            faults.truncate(1);
        }
        let told = format!(
            "seed {seed}, broken {broken}, confirmed {}, {faults:?}",
            lab.plan.confirm.is_on()
        );
        lab.fake.plant(faults);
        let Some(end) = tokio::time::timeout(LONGEST, lab.run_if_taken())
            .await
            .unwrap_or_else(|_| panic!("{told}: no end"))
        else {
            continue;
        };
        match end.gate() {
            Gate::Open => assert!(!broken, "{told}: a false open"),
            Gate::Closed => assert!(broken, "{told}: a false closed: {:?}", end.reasons()),
            Gate::Undecided => {}
        }
        gates[end.gate() as usize] += 1;
        if seed == first + runs / 4 {
            warm = Some(resident_mib());
        }
        if end.left_behind().is_empty() {
            end.left_nothing();
        } else {
            end.is_cleaned_up().await;
        }
    }
    tell(&format!(
        "gates of {runs} runs: open, closed, undecided {gates:?}"
    ));
    // A few runs need not have them all.
    if let Some(warm) = warm.filter(|_| runs >= 200) {
        assert!(gates.iter().all(|&many| many > 0), "{gates:?}");
        let now = resident_mib();
        tell(&format!(
            "memory after a quarter of them {warm} MiB, after all {now} MiB"
        ));
        assert!(now < warm + 64, "{warm} MiB after a quarter, {now} MiB after all");
    }
}

/// A clock that goes back an hour, or on by a day, each time it is asked.
fn jumping() -> Timestamp {
    static ASKED: AtomicI64 = AtomicI64::new(0);
    let asked = ASKED.fetch_add(1, Ordering::Relaxed);
    let hours = if asked % 2 == 0 { asked * 24 } else { -asked };
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
}

#[tokio::test(start_paused = true)]
async fn a_jumping_clock_decides_nothing() {
    let end = Lab::default().with_clock(jumping).run().await;
    assert_eq!(end.line("OPEN"), "cells=1/1 regressed=0 inconclusive=0");
    end.left_nothing();
    assert!(end.reports().contains("OPEN"));
    let lab = Lab::default().with_clock(jumping);
    lab.script(broken_by_updates());
    lab.run().await.line("CLOSED");
}

#[tokio::test(start_paused = true)]
async fn a_dead_proxy_undecides() {
    let lab = Lab::default().with_cells(2);
    lab.proxies
        .refuse(LabError::new(Cause::HostRefused, "squid ended: 1"));
    let end = lab.run().await;
    end.line("UNDECIDED");
    end.left_nothing();
}

/// Set for the process in which [`a_disk_that_fills_under_the_journal_stops_the_run`] lets files grow to a few kilobytes only.
const SMALL_DISK: &str = "PATCHGATE_TEST_SMALL_DISK";

#[tokio::test(start_paused = true)]
async fn a_disk_that_fills_under_the_journal_stops_the_run() {
    if std::env::var_os(SMALL_DISK).is_none() {
        // The limit is the whole process's, and other tests may run in this one.
        let status = Command::new("bash")
            .args(["-c", "trap '' XFSZ; ulimit -f 24; exec \"$@\"", "bash"])
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg("faults::a_disk_that_fills_under_the_journal_stops_the_run")
            .env(SMALL_DISK, "yes")
            .output()
            .expect("bash");
        let said =
            String::from_utf8_lossy(&status.stdout).into_owned() + &String::from_utf8_lossy(&status.stderr);
        assert!(status.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let lab = Lab::default().with_cells(4);
    let (state, setup) = (lab.state(), lab.setup(Arc::new(Quiet)));
    let run = setup.run.clone();
    let run_dir = state.create_run(&run).expect("run folder");
    let budget = run::preflight(&setup).await.expect("room");
    let error = run::execute(setup, budget, &run_dir)
        .await
        .expect_err("a full disk");
    assert!(matches!(error, RunError::Journal(_)), "{error}");
    assert_eq!(lab.fake.present(), Vec::<String>::new());
    assert_eq!(lab.fake.violations(), Vec::<String>::new());
    let journal = journal::read(&state.journal(&run)).expect("what was written is whole");
    assert_ne!(Decided::of(journal, false).decision.gate, Gate::Open);
}
