//! Which accelerator really runs a guest. A KVM device may open, and libvirt list it, and yet its guests stall or
//! crawl (nested virtualisation without hardware's help does): only a guest that does some work tells.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use virt::connect::Connect;
use virt::sys;

use crate::host::connected::AccelChoice;
use crate::host::libvirt::describe::board;
use crate::host::libvirt::error::{doing, found, lab_error};
use crate::host::libvirt::host::LibvirtHost;
use crate::host::libvirt::xml::{Element, element};
use crate::host::libvirt::{pool, volume};
use crate::model::id::RunId;
use crate::model::name::{PoolName, VolumePath};
use crate::model::outcome::Cause;
use crate::model::policy::Accel;
use crate::port::LabError;
use crate::system::file;

/// How long a test guest may take to switch itself off; with hardware's help it takes well under a second, and under
/// TCG some two.
const GUEST_LIMIT: Duration = Duration::from_secs(10);
/// How long the whole probe may take.
const PROBE_LIMIT: Duration = Duration::from_secs(120);
/// Bytes of the cache that are read.
const CACHE_LIMIT: u64 = 64 * 1024;
/// The volume of the test guest.
const DISK: &str = "probe.raw";

/// The code of a test guest's boot sector: it switches to protected mode, counts 100 million down, and powers the machine
/// off through SeaBIOS' ACPI port (<https://wiki.osdev.org/Shutdown>). Firmware alone is no test: where KVM has to
/// emulate each instruction, SeaBIOS comes through and a boot loader takes minutes.
const BOOT_CODE: [u8; 71] = [
    0xfa, // cli
    0x31, 0xc0, // xor ax, ax
    0x8e, 0xd8, // mov ds, ax
    0x66, 0x0f, 0x01, 0x16, 0x31, 0x7c, // lgdt [0x7c31]
    0x66, 0xb8, 0x01, 0x00, 0x00, 0x00, // mov eax, 1
    0x0f, 0x22, 0xc0, // mov cr0, eax
    0x66, 0xea, 0x1c, 0x7c, 0x00, 0x00, 0x08, 0x00, // jmp 8:0x7c1c
    0xb9, 0x00, 0xe1, 0xf5, 0x05, // mov ecx, 100000000
    0x49, // dec ecx
    0x75, 0xfd, // jnz -1
    0x66, 0xba, 0x04, 0x06, // mov dx, 0x604
    0x66, 0xb8, 0x00, 0x20, // mov ax, 0x2000
    0x66, 0xef, // out dx, ax
    0xf4, // hlt
    0xeb, 0xfd, // jmp -1
    0x0f, 0x00, 0x37, 0x7c, 0x00, 0x00, // at 0x7c31: the table of segments is 16 bytes at 0x7c37
    0, 0, 0, 0, 0, 0, 0, 0, // no segment
    0xff, 0xff, 0x00, 0x00, 0x00, 0x9a, 0xcf, 0x00, // code, from 0, of 4 GiB
];

/// Chooses the accelerator that a lab wants; an error where it wants KVM and has none. The answer of a probe is kept
/// until the machine boots anew.
pub async fn probe(host: &LibvirtHost, wanted: Accel) -> Result<AccelChoice, LabError> {
    match wanted {
        Accel::Tcg => Ok(AccelChoice {
            kvm: false,
            reason: "TCG: the lab file asks for it".into(),
        }),
        Accel::Auto => match Key::of(host).and_then(|key| recall(&key)) {
            Some(choice) => Ok(choice),
            None => probe_anew(host).await,
        },
        Accel::Kvm => {
            let known = Key::of(host)
                .and_then(|key| recall(&key))
                .filter(|choice| choice.kvm);
            let choice = match known {
                Some(choice) => choice,
                None => probe_anew(host).await?,
            };
            if choice.kvm {
                return Ok(choice);
            }
            Err(LabError::new(
                Cause::HostRefused,
                format!("{} cannot run guests under KVM ({})", host.link().uri(), choice.reason),
            )
            .with_hint(
                "set accel = \"auto\" in [[host]], or enable virtualisation in the firmware, or nested virtualisation \
                 where the host is a VM itself",
            ))
        }
    }
}

/// Probes whatever is known already, and remembers the answer.
pub async fn probe_anew(host: &LibvirtHost) -> Result<AccelChoice, LabError> {
    let uri = host.link().uri().clone();
    // One blocking piece of work: it comes to its end, and removes what it made, even where its caller is dropped.
    let (choice, certain) = host
        .link()
        .call(format!("probing KVM on {uri}"), PROBE_LIMIT, move |conn| {
            // Named as a run's, so that `clean` finds what a killed probe leaves.
            let salt = uuid::Uuid::new_v4().as_u128() & 0xffff;
            let run = RunId::new(jiff::Timestamp::now(), u16::try_from(salt).unwrap_or(0));
            let pool = PoolName::of_run(&run);
            let choice = pool::create(conn, &uri, &pool).and_then(|()| compare(conn, &pool));
            let removed = pool::remove(conn, &uri, &pool);
            choice.and_then(|choice| removed.map(|()| choice))
        })
        .await?;
    if certain && let Some(key) = Key::of(host) {
        remember(&key, &choice);
    }
    Ok(choice)
}

/// How a test guest fared.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It did its work and switched itself off.
    Ran(Duration),
    /// It did not, in time.
    Stalled,
    /// It could not be started.
    Refused(String),
}

/// The choice, and whether it is worth remembering.
fn compare(conn: &Connect, pool: &PoolName) -> Result<(AccelChoice, bool), LabError> {
    let disk = VolumePath {
        pool: pool.clone(),
        name: DISK.parse()?,
    };
    volume::place_bytes(conn, &disk, &boot_disk())?;
    let kvm = run_guest(conn, &disk, "kvm")?;
    // A test guest that fails under TCG too says nothing about KVM.
    let tcg = match kvm {
        Fate::Ran(_) => None,
        Fate::Stalled | Fate::Refused(_) => Some(run_guest(conn, &disk, "qemu")?),
    };
    Ok(choose(&kvm, tcg.as_ref()))
}

fn choose(kvm: &Fate, tcg: Option<&Fate>) -> (AccelChoice, bool) {
    let limit = GUEST_LIMIT.as_secs();
    let (reason, certain) = match (kvm, tcg) {
        (Fate::Ran(took), _) => (
            format!("KVM: a test guest ran in {:.1} s", took.as_secs_f64()),
            true,
        ),
        (Fate::Stalled, Some(Fate::Ran(_))) => (
            format!("TCG: /dev/kvm opens but a test guest did not run within {limit} s"),
            true,
        ),
        (Fate::Refused(message), Some(Fate::Ran(_))) => {
            (format!("TCG: libvirt refuses KVM: {message}"), false)
        }
        (_, Some(Fate::Refused(message))) => {
            (format!("TCG: no test guest could be started: {message}"), false)
        }
        (_, Some(Fate::Stalled) | None) => (
            format!(
                "TCG: a test guest ran neither under KVM nor under TCG within {limit} s; the host is overloaded"
            ),
            false,
        ),
    };
    let kvm = matches!(kvm, Fate::Ran(_));
    (AccelChoice { kvm, reason }, certain)
}

fn run_guest(conn: &Connect, disk: &VolumePath, kind: &'static str) -> Result<Fate, LabError> {
    let (_, volume) = volume::find(conn, disk)?;
    let file = volume.path().map_err(doing("reading the test guest's disk"))?;
    let name = format!("{}-{kind}", disk.pool);
    let xml = describe(&name, kind, &file).render();
    let begin = Instant::now();
    // Should this process die, libvirt stops the guest.
    let domain = match conn.create_domain_xml(&xml, sys::VIR_DOMAIN_START_AUTODESTROY) {
        Ok(domain) => domain,
        Err(error) => return Ok(Fate::Refused(lab_error("starting a test guest", &error).message)),
    };
    let started = Instant::now();
    loop {
        match found(conn.lookup_domain_by_name(&name), &format!("domain {name}")) {
            Ok(None) => return Ok(Fate::Ran(begin.elapsed())),
            Ok(Some(_)) if started.elapsed() < GUEST_LIMIT => std::thread::sleep(Duration::from_millis(50)),
            Ok(Some(_)) | Err(_) => break,
        }
    }
    // It may stop at this very moment; what counts is that it is gone before its disk is.
    let _ = domain.destroy();
    match found(conn.lookup_domain_by_name(&name), &format!("domain {name}"))? {
        None => Ok(Fate::Stalled),
        Some(_) => Err(LabError::new(
            Cause::HostRefused,
            format!("domain {name} cannot be stopped"),
        )),
    }
}

/// The test guest: transient, with `pc`, whose ACPI port is where the boot sector expects it.
fn describe(name: &str, kind: &str, disk: &str) -> Element {
    element("domain")
        .with("type", kind)
        .child(element("name").text(name))
        .child(element("memory").with("unit", "MiB").text(64))
        .child(element("vcpu").text(1))
        .child(board::bios("pc").child(element("boot").with("dev", "hd")))
        .child(element("features").child(element("acpi")))
        .child(element("on_poweroff").text("destroy"))
        .child(element("on_reboot").text("destroy"))
        .child(element("on_crash").text("destroy"))
        .child(
            element("devices")
                .child(
                    element("disk")
                        .with("type", "file")
                        .with("device", "disk")
                        .child(element("driver").with("name", "qemu").with("type", "raw"))
                        .child(element("source").with("file", disk))
                        .child(element("target").with("dev", "vda").with("bus", "virtio")),
                )
                .child(element("controller").with("type", "usb").with("model", "none"))
                .child(element("memballoon").with("model", "none")),
        )
}

fn boot_disk() -> Vec<u8> {
    let mut disk = vec![0; 1024 * 1024];
    disk[..BOOT_CODE.len()].copy_from_slice(&BOOT_CODE);
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk
}

/// What an answer holds for: this boot of this machine, one URI, one version of QEMU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    boot: String,
    uri: String,
    version: String,
}

impl Key {
    /// None for another machine, whose boots are not known here.
    fn of(host: &LibvirtHost) -> Option<Self> {
        if !host.is_local() {
            return None;
        }
        let boot = file::read(Path::new("/proc/sys/kernel/random/boot_id"), CACHE_LIMIT).ok()?;
        Some(Self {
            boot: String::from_utf8(boot).ok()?.trim().to_owned(),
            uri: host.link().uri().to_string(),
            version: host.version().to_owned(),
        })
    }
}

/// One entry of the cache, a JSON object by URI.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    key: Key,
    choice: AccelChoice,
}

fn cache() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
    Some(cache.join("patchgate/accel.json"))
}

fn entries() -> BTreeMap<String, Entry> {
    // Whatever cannot be read is as good as none: the probe is made again.
    let read = || serde_json::from_slice(&file::read(&cache()?, CACHE_LIMIT).ok()?).ok();
    read().unwrap_or_default()
}

fn recall(key: &Key) -> Option<AccelChoice> {
    let entry = entries().remove(&key.uri)?;
    (entry.key == *key).then_some(entry.choice)
}

fn remember(key: &Key, choice: &AccelChoice) {
    let write = || -> std::io::Result<()> {
        let path = cache().ok_or(std::io::ErrorKind::NotFound)?;
        let folder = path.parent().ok_or(std::io::ErrorKind::NotFound)?;
        let mut entries = entries();
        entries.insert(
            key.uri.clone(),
            Entry {
                key: key.clone(),
                choice: choice.clone(),
            },
        );
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(&entries)?)?;
        file.persist(&path)?;
        Ok(())
    };
    if let Err(error) = write() {
        tracing::debug!(%error, "the accelerator's probe is not remembered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_guest_that_ran_under_kvm_chooses_kvm() {
        let ran = Fate::Ran(Duration::from_millis(300));
        let refused = Fate::Refused("starting a test guest: no".into());
        for (kvm, tcg, reason, certain) in [
            (&ran, None, "KVM: a test guest ran in 0.3 s", true),
            (
                &Fate::Stalled,
                Some(&ran),
                "TCG: /dev/kvm opens but a test guest did not run within 10 s",
                true,
            ),
            (
                &refused,
                Some(&ran),
                "TCG: libvirt refuses KVM: starting a test guest: no",
                false,
            ),
            (
                &refused,
                Some(&refused),
                "TCG: no test guest could be started: starting a test guest: no",
                false,
            ),
            (
                &Fate::Stalled,
                Some(&Fate::Stalled),
                "TCG: a test guest ran neither under KVM nor under TCG within 10 s; the host is overloaded",
                false,
            ),
        ] {
            let choice = AccelChoice {
                kvm: *kvm == ran,
                reason: reason.into(),
            };
            assert_eq!(choose(kvm, tcg), (choice, certain));
        }
    }

    #[test]
    fn the_test_guest() {
        insta::assert_snapshot!(describe("pg-1-kvm", "kvm", "/p/probe.raw").render(), @r#"
        <domain type="kvm">
          <name>pg-1-kvm</name>
          <memory unit="MiB">64</memory>
          <vcpu>1</vcpu>
          <os>
            <type arch="x86_64" machine="pc">hvm</type>
            <boot dev="hd"/>
          </os>
          <features>
            <acpi/>
          </features>
          <on_poweroff>destroy</on_poweroff>
          <on_reboot>destroy</on_reboot>
          <on_crash>destroy</on_crash>
          <devices>
            <disk type="file" device="disk">
              <driver name="qemu" type="raw"/>
              <source file="/p/probe.raw"/>
              <target dev="vda" bus="virtio"/>
            </disk>
            <controller type="usb" model="none"/>
            <memballoon model="none"/>
          </devices>
        </domain>
        "#);
        let disk = boot_disk();
        assert_eq!(disk.len() % 512, 0);
        assert_eq!(disk[510..512], [0x55, 0xaa]);
        // The table of segments is where the code says, and ends with the code.
        assert_eq!(disk[0x31..0x37], [0x0f, 0x00, 0x37, 0x7c, 0x00, 0x00]);
        assert_eq!(BOOT_CODE.len(), 0x37 + 16);
    }
}
