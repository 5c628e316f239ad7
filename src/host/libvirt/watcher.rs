//! The process that watches over a copy of a running domain, from the copy's side.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::host::libvirt::error::one_line;
use crate::image::domain::watch::READY;
use crate::model::outcome::Cause;
use crate::model::uri::HostUri;
use crate::port::{LabError, LiveSpec};
use crate::system::child;

/// How long it may take to reach its host.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take to end what it watched over: as long as libvirt may take for each of some calls.
const END_LIMIT: Duration = Duration::from_secs(600);
/// Bytes of what it says.
const SAID: u64 = 4096;

/// What libvirt's client takes from the environment to reach a host (<https://libvirt.org/uri.html>), by way of SSH too.
const ENVIRONMENT: [&str; 9] = [
    "HOME",
    "USER",
    "LOGNAME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "SSH_AUTH_SOCK",
    "LIBVIRT_AUTH_FILE",
];

/// A watcher that waits for its copy to end.
pub struct Watcher {
    child: Child,
    tells: ChildStdin,
    says: BufReader<ChildStdout>,
}

fn failed(why: &str) -> LabError {
    LabError::new(
        Cause::HostRefused,
        format!("who would thaw the domain, should patchgate die, cannot be started: {why}"),
    )
}

impl Watcher {
    /// Starts one, which knows its host when this returns. It outlives its parent.
    pub async fn start(spec: &LiveSpec, uri: &HostUri) -> Result<Self, LabError> {
        let (program, args) = spec
            .watcher
            .split_first()
            .ok_or_else(|| failed("there is no such program"))?;
        let mut command = child::command(program);
        command
            .args(args)
            .args(["--", uri.as_str(), spec.domain.as_str(), spec.id.as_str()].map(OsString::from))
            .envs(
                ENVIRONMENT
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // An interrupt from the terminal is the copy's to hear; its end is the watcher's.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = Command::from(command)
            .spawn()
            .map_err(|error| failed(&error.to_string()))?;
        let (Some(tells), Some(says)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("it has no pipe"));
        };
        let mut watcher = Self {
            child,
            tells,
            says: BufReader::new(says),
        };
        let mut line = String::new();
        let mut first = (&mut watcher.says).take(SAID);
        let answer = tokio::time::timeout(READY_LIMIT, first.read_line(&mut line)).await;
        match answer {
            Ok(Ok(_)) if line.trim() == READY => Ok(watcher),
            Ok(Ok(_)) => Err(failed(&one_line(&line))),
            Ok(Err(error)) => Err(failed(&error.to_string())),
            Err(_) => Err(failed("it does not reach the host in time")),
        }
    }

    /// Tells it how the copy stands.
    pub async fn tell(&mut self, word: &str) -> Result<(), LabError> {
        let told = self.tells.write_all(format!("{word}\n").as_bytes()).await;
        told.map_err(|error| failed(&error.to_string()))
    }

    /// Lets it end what is left of the copy, and waits for that.
    pub async fn end(self) -> Result<(), LabError> {
        let Self {
            mut child,
            tells,
            says,
        } = self;
        drop(tells);
        let ending = async {
            let mut text = String::new();
            // What it says is cut, not missed.
            let _ = says.take(SAID).read_to_string(&mut text).await;
            child.wait().await.map(|status| (status, text))
        };
        let left = |why: &str| {
            LabError::new(
                Cause::HostRefused,
                format!("what the copy made cannot be removed: {why}"),
            )
            .with_hint("`patchgate clean --all` removes it; `virsh domjobinfo` shows a job that is left")
        };
        match tokio::time::timeout(END_LIMIT, ending).await {
            Ok(Ok((status, _))) if status.success() => Ok(()),
            Ok(Ok((_, text))) => Err(left(&one_line(&text))),
            Ok(Err(error)) => Err(left(&error.to_string())),
            Err(_) => Err(left("it does not end")),
        }
    }
}
