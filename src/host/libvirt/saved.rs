//! Saved VMs: QEMU's own migration to and from a file, without the memory, which is a file already
//! (<https://www.qemu.org/docs/master/system/vm-templating.html>). Libvirt saves a VM for itself alone, never for others.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use virt::connect::Connect;
use virt::domain::Domain;

use crate::host::libvirt::domain::version;
use crate::host::libvirt::error::{doing, from_message};
use crate::host::libvirt::xml::{child, parse};
use crate::host::libvirt::{pool, volume};
use crate::model::outcome::Cause;
use crate::port::{LabError, VmSpec};

/// The first QEMU that migrates to a file by itself; older ones start a program for it, which libvirt forbids them.
const FILE_SINCE: u32 = 8_002_000;
/// How long QEMU may take to write or read a state of less than a megabyte.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks at how far it is.
const POLL: Duration = Duration::from_millis(10);
/// What a state's file has room for before QEMU writes it anew.
const STATE_ROOM: u64 = 1024 * 1024;

/// What a saved state can only be used with, beside its devices.
pub fn machine(conn: &Connect, kvm: bool) -> Result<BTreeMap<String, String>, LabError> {
    let asking = || doing("asking libvirt for its machine");
    let qemu = conn.hyp_version().map_err(asking())?;
    if qemu < FILE_SINCE {
        return Err(LabError::new(
            Cause::HostRefused,
            format!(
                "QEMU {} there cannot save a VM to a file; {} and newer can",
                version(qemu),
                version(FILE_SINCE)
            ),
        )
        .with_hint("update QEMU, or write clone = \"cold\" below [lab]"));
    }
    let kind = if kvm { "kvm" } else { "qemu" };
    let domain = conn
        .domain_capabilities(None, Some("x86_64"), Some("q35"), Some(kind), 0)
        .map_err(asking())?;
    let type_of = |xml: &str| {
        let document = parse(xml)?;
        Some(child(document.root_element(), "machine")?.text()?.to_owned())
    };
    let cpu = if kvm {
        host_cpu(&conn.capabilities().map_err(asking())?)
    } else {
        "qemu64".to_owned()
    };
    Ok([
        ("QEMU", version(qemu).to_string()),
        (
            "libvirt",
            version(conn.lib_version().map_err(asking())?).to_string(),
        ),
        ("machine type", type_of(&domain).unwrap_or_default()),
        ("accelerator", if kvm { "kvm" } else { "tcg" }.to_owned()),
        ("CPU", cpu),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into())
}

/// The host's CPU, which guests under KVM are shown as it is: model, microcode and features.
fn host_cpu(capabilities: &str) -> String {
    let document = parse(capabilities);
    let cpu = document
        .as_ref()
        .and_then(|document| child(child(document.root_element(), "host")?, "cpu"));
    cpu.into_iter()
        .flat_map(|cpu| cpu.children())
        .filter(roxmltree::Node::is_element)
        .map(|node| {
            let attributes = node.attributes().map(|attribute| attribute.value());
            let words: Vec<&str> = attributes.chain(node.text().map(str::trim)).collect();
            words.join(" ")
        })
        .collect::<Vec<_>>()
        .join(";")
}

/// The user and group that QEMU runs as, where libvirt changes to others than its own: `+64055:+64055`.
pub fn owner(conn: &Connect) -> Result<Option<(String, String)>, LabError> {
    let capabilities = conn
        .capabilities()
        .map_err(doing("asking libvirt for QEMU's user"))?;
    Ok(owner_in(&capabilities))
}

fn owner_in(capabilities: &str) -> Option<(String, String)> {
    let document = parse(capabilities)?;
    let label = child(document.root_element(), "host")?
        .children()
        .filter(|node| node.has_tag_name("secmodel"))
        .find(|node| child(*node, "model").and_then(|model| model.text()) == Some("dac"))?
        .children()
        .find(|node| node.has_tag_name("baselabel") && node.attribute("type") == Some("qemu"))?
        .text()?;
    let (user, group) = label.split_once(':')?;
    let number = |text: &str| Some(text.strip_prefix('+')?.parse::<u32>().ok()?.to_string());
    Some((number(user)?, number(group)?))
}

/// Saves what a paused VM holds beside its memory and disk.
pub fn save(conn: &Connect, spec: &VmSpec, state: &str) -> Result<(), LabError> {
    let saving = || doing(format!("saving domain {}", spec.name));
    let domain = conn.lookup_domain_by_name(&spec.name).map_err(saving())?;
    volume::create_owned(conn, &spec.pool, state, STATE_ROOM)?;
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
pub fn load(conn: &Connect, domain: &Domain, spec: &VmSpec, state: &str) -> Result<(), LabError> {
    let uri = uri(conn, &spec.pool, state)?;
    let monitor = Monitor {
        domain,
        what: format!("forking domain {} from a saved one", spec.name),
    };
    monitor.share_memory()?;
    monitor.ask("migrate-incoming", &json!({ "uri": uri }))?;
    monitor.migrated()
}

fn uri(conn: &Connect, pool: &str, state: &str) -> Result<String, LabError> {
    let handle = conn
        .lookup_storage_pool_by_name(pool)
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

#[cfg(test)]
mod tests {
    use super::*;

    const CAPABILITIES: &str = "<capabilities><host>
        <cpu><arch>x86_64</arch><model>EPYC</model><microcode version='17'/><feature name='svm'/></cpu>
        <secmodel><model>none</model><doi>0</doi></secmodel>
        <secmodel><model>dac</model><baselabel type='kvm'>+1:+2</baselabel><baselabel type='qemu'>+64055:+107</baselabel></secmodel>
        </host></capabilities>";

    #[test]
    fn the_user_of_qemu_and_the_hosts_cpu_are_read_from_libvirts_capabilities() {
        assert_eq!(owner_in(CAPABILITIES), Some(("64055".into(), "107".into())));
        assert_eq!(host_cpu(CAPABILITIES), "x86_64;EPYC;17;svm");
        for none in [
            "<capabilities><host/></capabilities>",
            "<capabilities><host><secmodel><model>dac</model><baselabel type='qemu'>root:root</baselabel></secmodel></host></capabilities>",
            "<capabilities",
        ] {
            assert_eq!(owner_in(none), None, "{none}");
        }
    }
}
