//! Child processes of a build: bounded in time and output, and gone when patchgate is gone.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::image::confined::Confined;
use crate::image::error::BuildError;
use crate::system::child;

/// How much of a build's output is kept in its log file, in bytes.
const LOG_LIMIT: u64 = 8 * 1024 * 1024;
/// How much of one command's output is kept in memory, in bytes.
const TAIL_LIMIT: usize = 64 * 1024;
/// How many last lines an error shows.
const TAIL_LINES: usize = 12;
/// How often a child is looked at.
const POLL: Duration = Duration::from_millis(30);

/// What a child is kept apart from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// Nothing; it only dies with patchgate.
    Not,
    /// Its own processes and mounts: whatever it starts ends with it. Needs root.
    Processes,
    /// These, and a network that holds nothing but its own loopback. Needs root.
    Network,
}

/// One child process.
#[derive(Debug, Clone)]
pub struct Job {
    /// What it does, in words, for errors: `install the packages`.
    pub what: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// What it is kept apart from.
    pub apart: Apart,
    /// How long it may take.
    pub deadline: Duration,
    /// Whether its standard output is an answer that is read.
    pub answers: bool,
    /// How it is held, where it reads what a stranger made.
    pub confined: Option<Confined>,
}

impl Job {
    /// A job that is not kept apart.
    pub fn new(what: impl Into<String>, deadline: Duration, argv: &[&str]) -> Self {
        Self {
            what: what.into(),
            argv: argv.iter().map(|&part| part.to_owned()).collect(),
            apart: Apart::Not,
            deadline,
            answers: false,
            confined: None,
        }
    }

    /// A job whose standard output is read.
    pub fn asking(what: impl Into<String>, deadline: Duration, argv: &[&str]) -> Self {
        Self {
            answers: true,
            ..Self::new(what, deadline, argv)
        }
    }

    /// The same job, kept apart.
    #[must_use]
    pub fn apart(mut self, apart: Apart) -> Self {
        self.apart = apart;
        self
    }

    /// The same job, held within bounds.
    #[must_use]
    pub fn confined(mut self, confined: &Confined) -> Self {
        self.confined = Some(confined.clone());
        self
    }

    /// The command line that keeps the job apart. `--kill-child` and `--pdeathsig` make the kernel end it with its
    /// parent, however that ends (unshare(1), setpriv(1)).
    fn command(&self, env: &[(&str, &str)]) -> Command {
        let mut argv: Vec<&str> = vec!["setpriv", "--pdeathsig", "KILL"];
        let namespaces = [
            "unshare",
            "--fork",
            "--pid",
            "--kill-child",
            "--mount",
            "--mount-proc",
            "--ipc",
        ];
        match self.apart {
            Apart::Not => {}
            Apart::Processes => argv.extend(namespaces),
            Apart::Network => {
                argv.extend(namespaces);
                argv.extend([
                    "--net",
                    "--",
                    "sh",
                    "-c",
                    include_str!("process/loopback.sh"),
                    "sh",
                ]);
            }
        }
        let hold = self
            .confined
            .as_ref()
            .map(|confined| confined.hold(self.deadline))
            .unwrap_or_default();
        argv.extend(hold.iter().map(String::as_str));
        argv.extend(self.argv.iter().map(String::as_str));
        let mut command = child::command(argv[0]);
        command.args(&argv[1..]).envs(child::proxies());
        match &self.confined {
            Some(Confined { folder, .. }) => command.current_dir(folder),
            None => command.env("HOME", "/root"),
        };
        command.envs(env.iter().copied());
        // Ctrl-C on a terminal reaches the whole foreground group; the build ends its children itself, in order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }
}

/// How the programs of a build want to be called, and what they say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dialect {
    /// Additional environment.
    pub env: &'static [(&'static str, &'static str)],
    /// What an output has in it where packages cannot be fetched.
    pub unreachable: &'static [&'static str],
}

/// Runs the children of one build, and keeps their log.
#[derive(Debug)]
pub struct Runner {
    dialect: Dialect,
    cancel: CancellationToken,
    log: Mutex<Log>,
    log_path: PathBuf,
    /// Whether errors name the log.
    stays: bool,
}

#[derive(Debug)]
struct Log {
    file: File,
    left: u64,
}

impl Runner {
    /// A runner that logs to a new file and ends its child when `cancel` says so.
    pub fn new(log_path: &Path, cancel: &CancellationToken, dialect: Dialect) -> io::Result<Self> {
        Ok(Self {
            dialect,
            cancel: cancel.clone(),
            log: Mutex::new(Log {
                file: File::create(log_path)?,
                left: LOG_LIMIT,
            }),
            log_path: log_path.to_owned(),
            stays: true,
        })
    }

    /// A runner whose log goes with the folder that it works in, so that a refusal leaves nothing: errors have the last lines, and name no
    /// log.
    pub fn passing(folder: &Path, cancel: &CancellationToken, dialect: Dialect) -> io::Result<Self> {
        let runner = Self::new(&folder.join("log"), cancel, dialect)?;
        Ok(Self {
            stays: false,
            ..runner
        })
    }

    /// Whether the build was asked to stop, as an error.
    pub fn check(&self) -> Result<(), BuildError> {
        if self.cancel.is_cancelled() {
            Err(BuildError::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Runs a job to its end; gives the end of its standard output where it is read, else nothing.
    pub fn run(&self, job: &Job) -> Result<String, BuildError> {
        self.check()?;
        self.note(format!("# {}: {}\n", job.what, job.argv.join(" ")).as_bytes());
        let failed = |source| BuildError::of_io(&job.what, Path::new("setpriv"), source);
        // One pipe for both, so that an error's words stay behind the output that led to them.
        let (both, write) = io::pipe().map_err(failed)?;
        let mut command = job.command(self.dialect.env);
        if job.answers {
            command.stdout(Stdio::piped()).stderr(write);
        } else {
            command.stdout(write.try_clone().map_err(failed)?).stderr(write);
        }
        let mut child = command.spawn().map_err(failed)?;
        // Its ends of the pipe would keep it open.
        drop(command);
        let answer = child.stdout.take();
        let (ended, tail, answer) = std::thread::scope(|scope| {
            let tail = scope.spawn(|| self.pump(both));
            let answer = answer.map(|pipe| scope.spawn(|| self.pump(pipe)));
            let ended = self.wait(&mut child, job);
            let text = |tail: std::thread::Result<Tail>| tail.unwrap_or_default().text();
            (ended, text(tail.join()), answer.map(|answer| text(answer.join())))
        });
        let ended = ended?;
        if ended.success() {
            return Ok(answer.unwrap_or_default());
        }
        Err(self.failure(job, ended, &tail))
    }

    /// Runs a job that makes something of what is fed to it, and hands each piece of that on. Whoever feeds may stop early where
    /// the job does.
    pub fn filter(
        &self,
        job: &Job,
        feed: impl FnOnce(&mut dyn Write) -> Result<(), BuildError> + Send,
        mut take: impl FnMut(&[u8]) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        self.check()?;
        self.note(format!("# {}: {}\n", job.what, job.argv.join(" ")).as_bytes());
        let failed = |source| BuildError::of_io(&job.what, Path::new("setpriv"), source);
        let mut command = job.command(self.dialect.env);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let (input, output, told) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (written, taken, ended, tail) = std::thread::scope(|scope| {
            let feeder = scope.spawn(|| input.map_or(Ok(()), |mut input| feed(&mut input)));
            let tail = scope.spawn(|| told.map(|pipe| self.pump(pipe)).unwrap_or_default());
            let ended = scope.spawn(|| self.wait(&mut child, job));
            // Its pipe closes with this, so that it ends where what it makes is not taken.
            let taken = output.map_or(Ok(()), |mut output| {
                let mut buffer = vec![0; 256 * 1024];
                loop {
                    match output.read(&mut buffer) {
                        Ok(0) => break Ok(()),
                        Ok(count) => take(&buffer[..count])?,
                        Err(error) => break Err(failed(error)),
                    }
                }
            });
            let died = || Err(failed(io::ErrorKind::Other.into()));
            (
                feeder.join().unwrap_or_else(|_| died()),
                taken,
                ended
                    .join()
                    .unwrap_or_else(|_| Err(failed(io::ErrorKind::Other.into()))),
                tail.join().unwrap_or_default().text(),
            )
        });
        taken?;
        let ended = ended?;
        let stopped_listening = |error: &BuildError| match error {
            BuildError::Io { source, .. } => source.kind() == io::ErrorKind::BrokenPipe,
            _ => false,
        };
        if let Err(error) = written
            && !stopped_listening(&error)
        {
            return Err(error);
        }
        if !ended.success() {
            return Err(self.failure(job, ended, &tail));
        }
        Ok(())
    }

    /// The error of a command that ended with `status`, told apart by what its output says.
    fn failure(&self, job: &Job, status: ExitStatus, output: &str) -> BuildError {
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| output.contains(phrase));
        let what = job.what.clone();
        let tail = last_lines(output);
        if says(&["No space left on device", "Disk quota exceeded"]) {
            return BuildError::DiskFull {
                what,
                path: self.log_path.parent().unwrap_or(&self.log_path).to_owned(),
            };
        }
        if says(self.dialect.unreachable) {
            return BuildError::Mirror { what, tail };
        }
        let how = match (
            status.code(),
            std::os::unix::process::ExitStatusExt::signal(&status),
        ) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no exit code".into(),
        };
        BuildError::Command {
            what,
            how,
            tail,
            log: self.stays.then(|| self.log_path.clone()),
        }
    }

    /// Waits with the job's deadline. The child is always reaped, so that its pipes close.
    #[expect(
        clippy::disallowed_methods,
        reason = "a child is waited for in the machine's time"
    )]
    fn wait(&self, child: &mut Child, job: &Job) -> Result<ExitStatus, BuildError> {
        let started = Instant::now();
        let failed = |source| BuildError::of_io(&job.what, Path::new(&job.argv[0]), source);
        loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                return Ok(status);
            }
            let verdict = if self.cancel.is_cancelled() {
                BuildError::Interrupted
            } else if started.elapsed() > job.deadline {
                BuildError::Deadline {
                    what: job.what.clone(),
                    after: job.deadline,
                }
            } else {
                std::thread::sleep(POLL);
                continue;
            };
            child.kill().map_err(failed)?;
            child.wait().map_err(failed)?;
            return Err(verdict);
        }
    }

    fn pump(&self, mut pipe: impl Read) -> Tail {
        let mut tail = Tail::default();
        let mut buffer = [0; 8192];
        // A failing read ends the output; the exit status is what decides.
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            self.note(&buffer[..count]);
            tail.push(&buffer[..count]);
        }
        tail
    }

    fn note(&self, bytes: &[u8]) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let count = usize::try_from(log.left).unwrap_or(usize::MAX).min(bytes.len());
        // The log is for people; a build does not fail for it.
        if log.file.write_all(&bytes[..count]).is_ok() {
            log.left -= count as u64;
        }
    }
}

/// The end of an output.
#[derive(Debug, Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        let excess = self.0.len().saturating_sub(TAIL_LIMIT);
        self.0.drain(..excess);
    }

    fn text(self) -> String {
        String::from_utf8_lossy(&Vec::from(self.0)).into_owned()
    }
}

/// The last lines of an output, without control characters, for an error.
fn last_lines(text: &str) -> String {
    let lines: Vec<String> = text
        .split(['\n', '\r'])
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.chars().filter(|c| !c.is_control()).take(200).collect())
        .collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// The first of these programs that is not to be found, where tools are looked for.
pub fn missing<'a>(programs: &[&'a str]) -> Option<&'a str> {
    programs.iter().copied().find(|program| {
        !child::PATH
            .split(':')
            .any(|dir| Path::new(dir).join(program).is_file())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(dir: &Path, cancel: &CancellationToken) -> Runner {
        Runner::new(&dir.join("log"), cancel, Dialect::default()).expect("a runner")
    }

    #[test]
    fn a_failing_command_is_named_with_its_exit_code_and_last_lines() {
        let dir = tempfile::tempdir().expect("a folder");
        let runner = runner(dir.path(), &CancellationToken::new());
        let script = "i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); done; echo why >&2; exit 7";
        let job = Job::new("try it", Duration::from_secs(60), &["sh", "-c", script]);
        let error = runner.run(&job).expect_err("fails").to_string();
        assert!(error.contains("try it: exit code 7"), "{error}");
        assert!(
            error.contains("why") && error.contains("line 39") && !error.contains("line 5\n"),
            "{error}"
        );
        assert!(
            std::fs::read_to_string(dir.path().join("log"))
                .expect("log")
                .contains("line 0\n")
        );
    }

    #[test]
    fn a_command_that_does_not_end_is_ended_at_its_deadline() {
        let dir = tempfile::tempdir().expect("a folder");
        let runner = runner(dir.path(), &CancellationToken::new());
        let job = Job::new("wait", Duration::from_millis(100), &["sleep", "1000"]);
        assert!(matches!(runner.run(&job), Err(BuildError::Deadline { .. })));
    }

    #[test]
    fn an_interrupt_ends_the_command_and_starts_no_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let cancel = CancellationToken::new();
        let runner = runner(dir.path(), &cancel);
        let job = Job::new("wait", Duration::from_secs(600), &["sleep", "1000"]);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| runner.run(&job));
            cancel.cancel();
            assert!(matches!(
                waiting.join().expect("ended"),
                Err(BuildError::Interrupted)
            ));
        });
        let marker = dir.path().join("marker");
        let touch = Job::new(
            "touch",
            Duration::from_secs(60),
            &["touch", marker.to_str().expect("utf-8")],
        );
        assert!(matches!(runner.run(&touch), Err(BuildError::Interrupted)));
        assert!(!marker.exists());
    }

    #[test]
    fn endless_output_is_bounded_in_memory_and_on_disk() {
        let dir = tempfile::tempdir().expect("a folder");
        let runner = runner(dir.path(), &CancellationToken::new());
        let script = "head -c 12000000 /dev/zero; echo end";
        let job = Job::asking("flood", Duration::from_secs(60), &["sh", "-c", script]);
        let out = runner.run(&job).expect("ends");
        assert!(out.len() <= TAIL_LIMIT && out.ends_with("end\n"));
        assert_eq!(
            std::fs::metadata(dir.path().join("log")).expect("log").len(),
            LOG_LIMIT
        );
    }

    #[test]
    fn last_lines_carry_no_control_characters() {
        assert_eq!(last_lines("a\x1b[31mb\n\n\rc\n"), "a[31mb\nc");
    }
}
