//! Processes, and what they take.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use crate::Failed;

/// How often a child's memory is looked at. What it takes in its last moment may be missed.
const LOOK: Duration = Duration::from_millis(20);

/// A child that ended.
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// From its start to its end.
    pub wall: Duration,
    /// Its peak resident memory; 0 where it was over too soon.
    pub rss_mib: f64,
}

/// The release binary, which is built beside this one.
pub fn patchgate() -> Result<PathBuf, Failed> {
    let mut binary = this()?;
    binary.set_file_name("patchgate");
    if binary.is_file() {
        Ok(binary)
    } else {
        Err(Failed(format!(
            "{}: not there; `make bench` builds it",
            binary.display()
        )))
    }
}

/// This program.
pub fn this() -> Result<PathBuf, Failed> {
    std::env::current_exe().map_err(|error| Failed(format!("this program cannot find itself: {error}")))
}

/// Runs a child to its end. Its standard error is this program's; `out` takes its standard output.
pub fn run(command: &mut Command, out: &Path) -> Result<Ended, Failed> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let fail = |error: std::io::Error| Failed(format!("{shown}: {error}"));
    let file = fs::File::create(out).map_err(|error| Failed(format!("{}: {error}", out.display())))?;
    command.stdin(Stdio::null()).stdout(file);
    let started = Instant::now();
    let mut child = command.spawn().map_err(fail)?;
    let mut rss_mib: f64 = 0.0;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(fail)? {
            break status;
        }
        rss_mib = rss_mib.max(peak_mib(&child.id().to_string()));
        nap(&mut child);
    };
    let wall = started.elapsed();
    let stdout = fs::read(out).map_err(|error| Failed(format!("{}: {error}", out.display())))?;
    Ok(Ended {
        status,
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        wall,
        rss_mib,
    })
}

/// Waits for the next look, or for the child's end, whose time is measured finer than that.
fn nap(child: &mut Child) {
    let until = Instant::now() + LOOK;
    while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The first line that a command prints, or that it cannot be asked.
pub fn first_line(program: &str, argument: &str) -> String {
    match Command::new(program).arg(argument).output() {
        Ok(Output { stdout, .. }) => {
            let text = String::from_utf8_lossy(&stdout);
            text.lines().next().unwrap_or_default().trim().to_owned()
        }
        Err(error) => format!("unknown ({program}: {error})"),
    }
}

/// Peak resident memory of a process, `self` for this one, in MiB (proc_pid_status(5), `VmHWM`); 0 once it is over.
pub fn peak_mib(pid: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    field_kib(&status, "VmHWM:").map_or(0.0, |kib| kib / 1024.0)
}

fn field_kib(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Processor time of this process so far, its own and the kernel's for it, in seconds, to a hundredth (proc_pid_stat(5);
/// its ticks are hundredths on every Linux, see `USER_HZ` in times(2)).
pub fn own_cpu_s() -> Option<f64> {
    cpu_s(&fs::read_to_string("/proc/self/stat").ok()?)
}

fn cpu_s(stat: &str) -> Option<f64> {
    // The name may have spaces and brackets; the third field follows its last bracket.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_tells_its_time_and_memory() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 99 1000 10";
        assert_eq!(cpu_s(stat), Some(3.0));
        assert_eq!(cpu_s("7 (a"), None);
        assert_eq!(
            field_kib("Name:\tx\nVmHWM:\t    2048 kB\n", "VmHWM:"),
            Some(2048.0)
        );
        assert!(own_cpu_s().is_some() && peak_mib("self") > 1.0);
        assert!(peak_mib("no such process") < 1.0);
    }

    #[test]
    fn a_child_is_measured_to_its_end() {
        let folder = tempfile::tempdir().expect("folder");
        let out = folder.path().join("out");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo said; sleep 0.2; exit 3"]);
        let ended = run(&mut command, &out).expect("it runs");
        assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(3), "said\n"));
        assert!(ended.wall >= Duration::from_millis(200) && ended.rss_mib > 0.0);
        assert!(run(&mut Command::new("/nonexistent"), &out).is_err());
    }
}
