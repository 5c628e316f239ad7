//! Saved VMs: QEMU's own migration to and from a file, without the memory, which is a file already
//! (<https://www.qemu.org/docs/master/system/vm-templating.html>). Libvirt saves a VM for itself alone, never for others.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use virt::connect::Connect;
use virt::domain::Domain;

use crate::host::libvirt::error::{doing, from_message};
use crate::host::libvirt::{pool, volume};
use crate::model::name::{PoolName, VolumeName, VolumePath};
use crate::model::outcome::Cause;
use crate::port::{LabError, VmSpec};

/// How long QEMU may take to write or read a state of some megabytes.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks at how far it is.
const POLL: Duration = Duration::from_millis(10);
/// What a state's file has room for before QEMU writes it anew.
const STATE_ROOM: u64 = 1024 * 1024;

/// Saves what a paused VM holds beside its memory and disk.
pub fn save(conn: &Connect, spec: &VmSpec, state: &VolumeName) -> Result<(), LabError> {
    let saving = || doing(format!("saving domain {}", spec.name));
    let domain = conn.lookup_domain_by_name(spec.name.as_str()).map_err(saving())?;
    volume::create_owned(conn, &VolumePath::new(&spec.pool, state), STATE_ROOM)?;
    let uri = uri(conn, &spec.pool, state)?;
    let monitor = Monitor {
        domain: &domain,
        what: format!("saving domain {}", spec.name),
    };
    monitor.share_memory()?;
    monitor.ask("migrate", &json!({ "uri": uri }))?;
    monitor.migrated()
}

/// Lets a VM that waits for a state have it. It is paused then.
pub fn load(conn: &Connect, domain: &Domain, spec: &VmSpec, state: &VolumeName) -> Result<(), LabError> {
    let uri = uri(conn, &spec.pool, state)?;
    let monitor = Monitor {
        domain,
        what: format!("forking domain {} from a saved one", spec.name),
    };
    monitor.share_memory()?;
    monitor.ask("migrate-incoming", &json!({ "uri": uri }))?;
    monitor.migrated()
}

fn uri(conn: &Connect, pool: &PoolName, state: &VolumeName) -> Result<String, LabError> {
    let handle = conn
        .lookup_storage_pool_by_name(pool.as_str())
        .map_err(doing(format!("looking up pool {pool}")))?;
    Ok(format!("file:{}/{state}", pool::target(&handle)?))
}

/// QEMU's own monitor (<https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html>).
struct Monitor<'a> {
    domain: &'a Domain,
    what: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "return")]
    answer: Option<Value>,
    error: Option<Value>,
}

impl Monitor<'_> {
    fn ask(&self, command: &str, arguments: &Value) -> Result<Value, LabError> {
        let request = json!({ "execute": command, "arguments": arguments }).to_string();
        let text = self
            .domain
            .qemu_monitor_command(&request, 0)
            .map_err(doing(self.what.clone()))?;
        let refused = |why: &str| from_message(&format!("{}: QEMU refused `{command}`", self.what), why);
        let answer: Answer = serde_json::from_str(&text).map_err(|error| refused(&error.to_string()))?;
        match (answer.answer, answer.error) {
            (Some(answer), _) => Ok(answer),
            (None, error) => {
                let words = error.as_ref().and_then(|error| error["desc"].as_str());
                Err(refused(words.unwrap_or("it does not say why")))
            }
        }
    }

    /// Leaves memory that is a file out of the state.
    fn share_memory(&self) -> Result<(), LabError> {
        let capability = json!({ "capability": "x-ignore-shared", "state": true });
        self.ask(
            "migrate-set-capabilities",
            &json!({ "capabilities": [capability] }),
        )?;
        Ok(())
    }

    /// Waits until the state is written or read.
    fn migrated(&self) -> Result<(), LabError> {
        let begin = Instant::now();
        loop {
            let answer = self.ask("query-migrate", &json!({}))?;
            match answer["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") => {
                    let why = answer["error-desc"].as_str().unwrap_or("QEMU does not say why");
                    return Err(from_message(&self.what, why));
                }
                Some(_) | None if begin.elapsed() > PATIENCE => {
                    let message = format!("{}: not over after {} s", self.what, PATIENCE.as_secs());
                    return Err(LabError::new(Cause::HostRefused, message));
                }
                Some(_) | None => std::thread::sleep(POLL),
            }
        }
    }
}
