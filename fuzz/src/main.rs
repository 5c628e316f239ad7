//! `patchgate-fuzz [--inputs N] [--seconds N] [--seed N] [TARGET..]`: feeds each target with changed seeds, the same for the same
//! seed. A panic, or an input that takes more than a second of processor time, is written to `target/fuzz/` and ends it with 1.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod bundles;
mod change;
mod disks;
mod firmware;
mod seeds;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use change::Chance;
use rustix::time::{ClockId, clock_gettime};
use targets::Target;

/// No input of a few kilobytes may take more of a processor's time.
const LONGEST: Duration = Duration::from_secs(1);

struct Asked {
    inputs: u64,
    time: Duration,
    seed: u64,
    names: Vec<String>,
}

fn asked() -> Result<Asked, String> {
    let mut asked = Asked {
        inputs: u64::MAX,
        time: Duration::from_secs(60),
        seed: 1,
        names: Vec::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().and_then(|value| value.parse::<u64>().ok());
            value.ok_or_else(|| format!("{word} takes a number"))
        };
        match word.as_str() {
            "--inputs" => {
                asked.inputs = number()?;
                asked.time = Duration::MAX;
            }
            "--seconds" => asked.time = Duration::from_secs(number()?),
            "--seed" => asked.seed = number()?,
            _ if targets::ALL.iter().any(|target| target.name == word) => asked.names.push(word),
            _ => {
                let names: Vec<&str> = targets::ALL.iter().map(|target| target.name).collect();
                return Err(format!("{word} is no target; there are: {}", names.join(" ")));
            }
        }
    }
    Ok(asked)
}

/// Processor time of this process so far; unlike the clock's it is the same on a machine that is busy with other things.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap_or_default(),
        time.tv_nsec.try_into().unwrap_or_default(),
    )
}

/// Runs one target; how many inputs it took, or where the one stands that it could not bear.
#[expect(clippy::disallowed_methods, reason = "it measures how long inputs take")]
fn run(target: &Target, asked: &Asked, share: Duration) -> Result<u64, PathBuf> {
    let seeds = (target.seeds)();
    let mut chance = Chance::new(asked.seed);
    let began = Instant::now();
    let mut count = 0;
    while count < asked.inputs && began.elapsed() < share {
        let input = change::change(&seeds, target.words, &mut chance);
        let started = spent();
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
        let took = spent().saturating_sub(started);
        if outcome.is_err() || took > LONGEST {
            let folder = PathBuf::from("target/fuzz");
            let path = folder.join(format!("{}-{}-{count}", target.name, asked.seed));
            let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, &input));
            println!(
                "{}: an input took {took:?}, panicked: {}",
                target.name,
                outcome.is_err()
            );
            return written.map_or_else(|error| Err(PathBuf::from(error.to_string())), |()| Err(path));
        }
        count += 1;
    }
    Ok(count)
}

fn main() -> ExitCode {
    let asked = match asked() {
        Ok(asked) => asked,
        Err(problem) => {
            println!("{problem}");
            return ExitCode::from(2);
        }
    };
    let chosen: Vec<&Target> = targets::ALL
        .iter()
        .filter(|target| asked.names.is_empty() || asked.names.iter().any(|name| name == target.name))
        .collect();
    let share = asked.time / u32::try_from(chosen.len()).unwrap_or(u32::MAX);
    let (mut all, mut good) = (0, true);
    for target in chosen {
        match run(target, &asked, share) {
            Ok(count) => {
                println!("{:<12} {count:>10} inputs", target.name);
                all += count;
            }
            Err(path) => {
                println!("{:<12} FAILED: {}", target.name, path.display());
                good = false;
            }
        }
    }
    println!("{:<12} {all:>10} inputs, seed {}", "all", asked.seed);
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
