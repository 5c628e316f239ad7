//! Whole runs on real clones, by the release binary as a child.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use patchgate::model::event::Event;
use patchgate::record::journal::{self, Loaded};
use patchgate::record::share;
use patchgate::record::state::JOURNAL;

use crate::figures::Figures;
use crate::labs::{self, CELLS};
use crate::process::{self, Ended};
use crate::{Failed, Outcome};

/// Runs the fixed lab: two OS versions x two roles, one harmless update each.
pub fn fixed(work: &Path) -> Result<Outcome, Failed> {
    let lab = Lab::prepare(work)?;
    let images = [
        "debian-11+web",
        "debian-12+web",
        "debian-11+database",
        "debian-12+database",
    ];
    let (ended, journal) = lab.run("patchgate.toml", &images, &["--select", "web,database"])?;
    let share = share::of(&journal.records)
        .ok_or_else(|| Failed("the run's journal does not tell how long it waited for guests".to_owned()))?;
    let mut figures = Figures::default();
    figures.set("run_wall_s", share.wall.as_secs_f64());
    figures.set("own_share_percent", share.own_percent());
    figures.set("run_rss_mib", ended.rss_mib);
    Ok(Outcome::Measured {
        figures,
        machine: guests(&journal),
    })
}

/// Runs as many cells at once as the figure is named after.
pub fn wide(work: &Path) -> Result<Outcome, Failed> {
    let lab = Lab::prepare(work)?;
    let jobs = CELLS.to_string();
    let (ended, journal) = lab.run(labs::WIDE, &["debian-12+web"], &["--jobs", &jobs])?;
    let most = at_once(&journal);
    if most < CELLS {
        return Err(Failed(format!(
            "only {most} of {CELLS} arms ran at once: the host has too little memory for the figure"
        )));
    }
    let mut figures = Figures::default();
    figures.set("rss_mib_16_cells", ended.rss_mib);
    Ok(Outcome::Measured {
        figures,
        machine: guests(&journal),
    })
}

/// How guests were run, as the journal has it.
fn guests(journal: &Loaded) -> Vec<(&'static str, String)> {
    let chosen = journal.records.iter().find_map(|record| match &record.event {
        Event::HostChosen {
            accel, uri, version, ..
        } => Some(vec![
            ("accelerator", accel.clone()),
            ("hypervisor", format!("{uri}, {version}")),
        ]),
        _ => None,
    });
    chosen.unwrap_or_default()
}

/// The most arms that ran at the same time.
fn at_once(journal: &Loaded) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for record in &journal.records {
        match &record.event {
            Event::ArmStarted => now += 1,
            Event::ArmFinished => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

/// Where a lab is run, with a state folder of its own.
pub struct Lab {
    labs: PathBuf,
    state: PathBuf,
    out: PathBuf,
    patchgate: PathBuf,
}

impl Lab {
    /// Writes the labs.
    pub fn prepare(work: &Path) -> Result<Self, Failed> {
        let folder = work.join("whole");
        fs::create_dir_all(&folder).map_err(|error| Failed(format!("{}: {error}", folder.display())))?;
        let lab = Self {
            labs: folder.join("labs"),
            state: folder.join("state"),
            out: folder.join("out"),
            patchgate: process::patchgate()?,
        };
        labs::write(&lab.labs)?;
        Ok(lab)
    }

    fn patchgate(&self, file: &str, arguments: &[&str]) -> Result<Ended, Failed> {
        let mut command = Command::new(&self.patchgate);
        command
            .current_dir(&self.labs)
            .args(arguments)
            .args(["--lab", file])
            .env("PATCHGATE_STATE", &self.state);
        process::run(&mut command, &self.out)
    }

    /// Builds images.
    pub fn build(&self, file: &str, images: &[&str]) -> Result<(), Failed> {
        let built = self.patchgate(file, &[&["image", "build"], images].concat())?;
        if built.status.success() {
            Ok(())
        } else {
            Err(Failed(format!("the images are not built: {}", built.status)))
        }
    }

    /// Builds the images, which is not measured, and runs a lab; its gate must open.
    fn run(&self, file: &str, images: &[&str], arguments: &[&str]) -> Result<(Ended, Loaded), Failed> {
        self.build(file, images)?;
        let ended = self.patchgate(file, &[&["run", "--plain"], arguments].concat())?;
        let line = ended.stdout.lines().next_back().unwrap_or_default().to_owned();
        if !ended.status.success() {
            return Err(Failed(format!(
                "the run of {file} ended with {}: {line}",
                ended.status
            )));
        }
        let run = run_of(&line).ok_or_else(|| Failed(format!("no run is named by `{line}`")))?;
        let path = self.state.join("runs").join(run).join(JOURNAL);
        let journal = journal::read(&path).map_err(|error| Failed(error.to_string()))?;
        Ok((ended, journal))
    }
}

/// The run that the last line of `patchgate run` names.
fn run_of(line: &str) -> Option<&str> {
    line.strip_prefix("gate: ")?
        .split_whitespace()
        .find_map(|word| word.strip_prefix("run="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_names_the_run() {
        let line = "gate: OPEN run=20261123-140912-7c1f cells=4/4 regressed=0 inconclusive=0";
        assert_eq!(run_of(line), Some("20261123-140912-7c1f"));
        assert_eq!(run_of("error: no lab file"), None);
    }
}
