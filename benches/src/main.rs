//! `make bench [PARTS="fake replay"]`: a table on standard output and `target/bench.json`. What each figure means is in
//! docs/bench.md.

#![expect(clippy::print_stderr, clippy::print_stdout, reason = "figures are printed")]
#![expect(clippy::disallowed_methods, reason = "it measures")]

mod clones;
mod fake;
mod figures;
mod labs;
mod process;
mod whole;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use figures::Figures;

/// A part that did not come to its end, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub String);

/// What a machine or its guests are, by what it is.
type Facts = Vec<(&'static str, String)>;

/// How a part ended that did not fail.
pub enum Outcome {
    /// It has figures.
    Measured {
        /// What it measured.
        figures: Figures,
        /// What it learned of the machine meanwhile.
        machine: Facts,
    },
    /// It has none, and why.
    NotRun(String),
}

impl Outcome {
    /// Figures of patchgate alone, without a guest.
    fn measured(figures: Figures) -> Self {
        Self::Measured {
            figures,
            machine: Vec::new(),
        }
    }
}

type Part = (&'static str, fn(&Path) -> Result<Outcome, Failed>);

/// The parts by name, in the order in which they run.
const PARTS: [Part; 5] = [
    ("fake", fake::measure),
    ("replay", fake::replay),
    ("clones", clones::measure),
    ("run", whole::fixed),
    ("wide", whole::wide),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = match &arguments[..] {
        [word, folder] if word == "--fake-lab" => fake::child(Path::new(folder)),
        selected => bench(selected),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("bench: {failed}");
            ExitCode::FAILURE
        }
    }
}

/// The parts that words select, all without any.
fn selection(words: &[String]) -> Result<Vec<Part>, Failed> {
    let known = || PARTS.map(|(name, _)| name);
    if let Some(unknown) = words.iter().find(|word| !known().contains(&word.as_str())) {
        return Err(Failed(format!(
            "there is no part `{unknown}`; the parts are {}",
            known().join(", ")
        )));
    }
    let selected = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    Ok(PARTS.into_iter().filter(|(name, _)| selected(name)).collect())
}

fn bench(words: &[String]) -> Result<(), Failed> {
    let selected = selection(words)?;
    // Beside the program's own folder: `target`, wherever it is.
    let target: PathBuf = process::this()?.ancestors().skip(2).take(1).collect();
    let work = target.join("bench");
    std::fs::create_dir_all(&work).map_err(|error| Failed(format!("{}: {error}", work.display())))?;
    let mut figures = Figures::default();
    let mut not_run: BTreeMap<&str, String> = PARTS.map(|(name, _)| (name, "not selected".to_owned())).into();
    let mut facts = machine();
    let mut failed = Vec::new();
    for (name, part) in selected {
        eprintln!("bench: {name}");
        match part(&work) {
            Ok(Outcome::Measured {
                figures: measured,
                machine: learned,
            }) => {
                figures.extend(measured);
                facts.extend(learned);
                not_run.remove(name);
            }
            Ok(Outcome::NotRun(why)) => {
                not_run.insert(name, why);
            }
            Err(error) => {
                not_run.insert(name, format!("failed: {error}"));
                failed.push(name);
            }
        }
    }
    print!("{}", figures.table());
    for (name, why) in &not_run {
        println!("{name}: not measured: {why}");
    }
    let file = target.join("bench.json");
    std::fs::write(&file, figures.json(&facts, &not_run))
        .map_err(|error| Failed(format!("{}: {error}", file.display())))?;
    println!("written to {}", file.display());
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failed(format!("failed: {}", failed.join(", "))))
    }
}

/// What the figures were measured on.
fn machine() -> BTreeMap<&'static str, String> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or("unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    BTreeMap::from([
        ("cpu", value(&read("/proc/cpuinfo"), "model name")),
        ("cores", cores.to_string()),
        ("memory", value(&read("/proc/meminfo"), "MemTotal")),
        ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
        ("qemu", process::first_line("qemu-system-x86_64", "--version")),
        ("libvirt", process::first_line("virsh", "--version")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_selected_by_name_and_run_in_their_order() {
        let names = |words: &[&str]| -> Result<Vec<&str>, Failed> {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            Ok(selection(&words)?.into_iter().map(|(name, _)| name).collect())
        };
        assert_eq!(names(&[]).expect("all"), PARTS.map(|(name, _)| name));
        assert_eq!(names(&["replay", "fake"]).expect("two"), ["fake", "replay"]);
        let error = names(&["fast"]).expect_err("unknown").to_string();
        assert!(error.contains("`fast`") && error.contains("replay"), "{error}");
    }
}
