//! Whether hosts, and this machine, can do what a run asks of them: every check, its result and its remedy.

pub mod check;
mod network;
mod removal;

use std::path::{Path, PathBuf};

use crate::host::connect::connect;
use crate::host::connected::Connected;
use crate::model::hardware::{Firmware, Hardware};
use crate::model::id::RunId;
use crate::model::machine::MachinePlan;
use crate::model::name::PoolName;
use crate::model::plan::{HostPlan, NODE_OVERHEAD_MIB};
use crate::model::policy::Accel;
use crate::model::resource::Made;
use crate::port::LabError;
use crate::record::state::{State, StateError};
use crate::session::begin;
use crate::session::doctor::check::{Check, Health};
use crate::system::output;
use crate::system::user::is_root;
use crate::units::Mib;

/// Memory below which not even one small node can run.
const MEMORY_NEEDED: Mib = Mib(512 + NODE_OVERHEAD_MIB);
/// Memory for the two arms of a cell with two small nodes.
const MEMORY_WANTED: Mib = Mib(4 * MEMORY_NEEDED.0);
/// Disk for one image and its overlays.
const DISK_NEEDED: Mib = Mib(2 * 1024);
/// Disk for a few images and the overlays of a large update.
const DISK_WANTED: Mib = Mib(10 * 1024);
/// What building images needs: a program or file, and the Debian package that has it.
const IMAGE_TOOLS: &[(&str, &str)] = &[
    ("mmdebstrap", "mmdebstrap"),
    ("mke2fs", "e2fsprogs"),
    ("sfdisk", "fdisk"),
    ("grub-mkimage", "grub-common"),
    ("/usr/lib/grub/i386-pc/boot.img", "grub-pc-bin"),
    ("qemu-img", "qemu-utils"),
    ("zstd", "zstd"),
];

/// Makes every check, of each host in turn and of the machine that patchgate runs on.
pub async fn examine(hosts: &[HostPlan]) -> Vec<Check> {
    let mut checks = Vec::new();
    for host in hosts {
        let of_host = examine_host(host).await;
        let name = (hosts.len() > 1).then(|| host.uri.clone());
        checks.extend(of_host.into_iter().map(|check| Check {
            host: name.clone(),
            ..check
        }));
    }
    checks.push(state(State::open()));
    checks.push(image_tools(&find));
    checks.push(root());
    checks
}

async fn examine_host(host: &HostPlan) -> Vec<Check> {
    let mut checks = Vec::new();
    match connect(host).await {
        Ok(lab) => {
            let lab = lab.as_ref();
            checks.push(Check::ok(
                "libvirt",
                format!("{}; {}", lab.chosen(), lab.version()),
            ));
            checks.push(emulator(lab).await);
            checks.push(accelerator(lab, host.accel).await);
            checks.extend(capacity(lab, host).await);
            // Named as a run's, so that `clean` finds what a killed doctor leaves.
            let run = begin::new_id();
            checks.push(pool(lab, &run).await);
            checks.push(machines(lab).await);
            checks.push(network::networks(lab, &run).await);
            checks.push(network::isolation(lab, &run).await);
            if lab.is_local() {
                checks.extend(helpers(lab));
            }
        }
        Err(error) => checks.push(Check::failed("libvirt", error)),
    }
    checks
}

async fn emulator(lab: &dyn Connected) -> Check {
    match lab.emulator().await {
        Ok(emulator) if emulator.forgotten => Check::warning(
            "emulator",
            format!(
                "{}; libvirt examines it anew at every call, so that each VM takes minutes to start",
                emulator.path
            ),
            "let QEMU's user open /dev/kvm as udev does: chgrp kvm /dev/kvm && chmod 660 /dev/kvm",
        ),
        Ok(emulator) => Check::ok("emulator", format!("{} for x86_64", emulator.path)),
        Err(error) => Check::failed(
            "emulator",
            LabError {
                hint: Some("install qemu-system-x86 on the host".into()),
                ..error
            },
        ),
    }
}

async fn accelerator(lab: &dyn Connected, wanted: Accel) -> Check {
    let slow = "guests run some ten times slower; for KVM, enable virtualisation in the firmware, or nested \
                virtualisation where the host is a VM itself";
    let chosen = match wanted {
        Accel::Auto => lab.accelerator_anew().await,
        Accel::Kvm | Accel::Tcg => lab.accelerator(wanted).await,
    };
    match chosen {
        Ok(choice) if choice.kvm || wanted == Accel::Tcg => Check::ok("accelerator", choice.reason),
        Ok(choice) => Check::warning("accelerator", choice.reason, slow),
        Err(error) => Check::failed("accelerator", error),
    }
}

async fn capacity(lab: &dyn Connected, host: &HostPlan) -> Vec<Check> {
    match lab.capacity().await {
        Ok(has) => {
            let budget = host
                .memory
                .map_or(has.memory_free, |budget| budget.min(has.memory_free));
            vec![
                amount(
                    "memory",
                    &format!("{} free for guests, {} vCPUs", round(budget), has.vcpus),
                    budget,
                    (MEMORY_NEEDED, MEMORY_WANTED),
                    "free memory on the host, or raise `memory` in [[host]]",
                ),
                amount(
                    "disk",
                    &format!("{} free where libvirt keeps disks", round(has.disk_free)),
                    has.disk_free,
                    (DISK_NEEDED, DISK_WANTED),
                    "free disk space there; `patchgate clean` removes what dead runs left",
                ),
            ]
        }
        Err(error) => vec![Check::failed("memory", error)],
    }
}

/// A size for reading, not for writing into a lab file.
fn round(size: Mib) -> String {
    match size.0 {
        mib @ 0..10240 => format!("{mib} MiB"),
        mib => format!("{} GiB", mib / 1024),
    }
}

/// A check of how much there is, against what is needed at all and what is wanted.
fn amount(name: &'static str, found: &str, has: Mib, (needed, wanted): (Mib, Mib), remedy: &str) -> Check {
    if has < needed {
        let found = format!("{found}; one small node needs {}", round(needed));
        Check {
            health: Health::Failed,
            ..Check::warning(name, found, remedy)
        }
    } else if has < wanted {
        Check::warning(
            name,
            format!("{found}; a small lab wants {}", round(wanted)),
            remedy,
        )
    } else {
        Check::ok(name, found)
    }
}

async fn pool(lab: &dyn Connected, run: &RunId) -> Check {
    let name = PoolName::of_run(run);
    let made = lab.create_pool(&name).await;
    let removed = removal::remove(lab, run, Made::Pool(name)).await;
    match made.and(removed) {
        Ok(()) => Check::ok("pool", "a storage pool can be made and removed"),
        Err(error) => Check::failed("pool", error),
    }
}

/// What some machines want beside QEMU; a run is refused where one of its own does not get it.
async fn machines(lab: &dyn Connected) -> Check {
    let of = |firmware, tpm| {
        MachinePlan::of(Hardware {
            firmware,
            tpm,
            ..Hardware::default()
        })
    };
    let (mut missing, mut remedies) = (Vec::new(), Vec::new());
    for (firmware, tpm) in [
        (Firmware::Uefi, false),
        (Firmware::UefiSecure, false),
        (Firmware::Bios, true),
    ] {
        if let Err(error) = lab.can_have(&of(firmware, tpm)).await {
            missing.push(error.message);
            remedies.extend(error.hint.filter(|hint| !remedies.contains(hint)));
        }
    }
    if missing.is_empty() {
        return Check::ok(
            "hardware",
            "VMs can have UEFI, with Secure Boot or without, and a TPM",
        );
    }
    Check::warning("hardware", missing.join("; "), remedies.join("; "))
}

/// Programs that libvirt itself needs beside QEMU.
fn helpers(lab: &dyn Connected) -> Vec<Check> {
    let mut checks = Vec::new();
    if lab.has_networks() {
        checks.push(match find("dnsmasq") {
            Some(path) => Check::ok("dnsmasq", path.display().to_string()),
            None => Check {
                health: Health::Failed,
                ..Check::warning(
                    "dnsmasq",
                    "not installed; no network can be made without it",
                    "apt-get install dnsmasq-base",
                )
            },
        });
    }
    checks.push(virtlogd(
        lab.has_networks(),
        Path::new("/run/libvirt/virtlogd-sock"),
    ));
    checks
}

/// Virtlogd keeps the guests' consoles. A system daemon needs it to run; a session starts its own.
fn virtlogd(system: bool, socket: &Path) -> Check {
    let answers = std::os::unix::net::UnixStream::connect(socket);
    match (find("virtlogd"), system, answers) {
        (Some(_), false, _) => Check::ok("virtlogd", "started by libvirt's session"),
        (_, true, Ok(_)) => Check::ok("virtlogd", format!("answers at {}", socket.display())),
        (Some(_), true, Err(error)) => Check {
            health: Health::Failed,
            ..Check::warning(
                "virtlogd",
                format!(
                    "does not answer at {}: {error}; no VM with a console can start",
                    socket.display()
                ),
                "systemctl start virtlogd.socket; without systemd, as root: virtlogd -d",
            )
        },
        (None, _, _) => Check {
            health: Health::Failed,
            ..Check::warning(
                "virtlogd",
                "not installed; no VM with a console can start",
                "apt-get install libvirt-daemon-system",
            )
        },
    }
}

/// Whether the state folder is the caller's own, and can be written to where it is there or can be made.
fn state(state: Result<State, StateError>) -> Check {
    let refused = |found: String, remedy: String| Check {
        health: Health::Failed,
        ..Check::warning("state folder", found, remedy)
    };
    let another = || "set PATCHGATE_STATE to a folder of yours".to_owned();
    let state = match state {
        Ok(state) => state,
        Err(error) => {
            let remedy = error.hint().unwrap_or_else(another);
            return refused(error.to_string(), remedy);
        }
    };
    let root = state.root();
    let nearest = root.ancestors().find(|folder| folder.exists()).unwrap_or(root);
    match output::can_make_in(nearest) {
        Ok(()) => Check::ok("state folder", root.display().to_string()),
        Err(error) => refused(
            format!("no run can be kept in {}: {error}", root.display()),
            another(),
        ),
    }
}

fn image_tools(find: &dyn Fn(&str) -> Option<PathBuf>) -> Check {
    let missing: Vec<_> = IMAGE_TOOLS
        .iter()
        .filter(|(tool, _)| find(tool).is_none())
        .collect();
    if missing.is_empty() {
        return Check::ok(
            "image tools",
            "all that `patchgate image build` calls is installed",
        );
    }
    let list = |part: fn(&(&'static str, &'static str)) -> &'static str, between: &str| {
        missing
            .iter()
            .map(|pair| part(pair))
            .collect::<Vec<_>>()
            .join(between)
    };
    Check::warning(
        "image tools",
        format!(
            "missing for `patchgate image build`: {}",
            list(|pair| pair.0, ", ")
        ),
        format!("apt-get install {}", list(|pair| pair.1, " ")),
    )
}

fn root() -> Check {
    if is_root() {
        Check::ok("root", "images can be built")
    } else {
        Check::warning(
            "root",
            "not root: images cannot be built, only imported and run",
            "call `patchgate image build` as root",
        )
    }
}

/// A program in the search path or where root's programs are, or a file by its whole path.
fn find(tool: &str) -> Option<PathBuf> {
    if tool.starts_with('/') {
        return Some(PathBuf::from(tool)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(tool))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_judged_by_what_is_needed_and_wanted() {
        let judge = |has| amount("disk", "x", has, (DISK_NEEDED, DISK_WANTED), "free some").health;
        assert_eq!(judge(Mib(DISK_NEEDED.0 - 1)), Health::Failed);
        assert_eq!(judge(DISK_NEEDED), Health::Warning);
        assert_eq!(judge(DISK_WANTED), Health::Ok);
    }

    #[test]
    fn a_state_folder_that_cannot_be_used_is_told_with_its_remedy() {
        let folder = tempfile::tempdir().expect("folder");
        let there = state(Ok(State::at(folder.path().join("not/yet"))));
        assert_eq!(there.health, Health::Ok, "{there:?}");
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("write");
        let check = state(Ok(State::at(file.join("state"))));
        assert_eq!(check.health, Health::Failed, "{check:?}");
        assert!(check.found.starts_with("no run can be kept in"), "{check:?}");
        assert!(check.remedy.is_some(), "{check:?}");
        let check = state(Err(StateError::NoPlace));
        assert_eq!((check.health, check.remedy.is_some()), (Health::Failed, true));
    }

    #[test]
    fn missing_tools_are_named_with_their_packages() {
        let check = image_tools(&|tool| (tool != "mke2fs" && tool != "zstd").then(|| tool.into()));
        assert_eq!(check.health, Health::Warning);
        assert!(check.found.ends_with("mke2fs, zstd"), "{check:?}");
        assert_eq!(check.remedy.as_deref(), Some("apt-get install e2fsprogs zstd"));
        assert_eq!(image_tools(&|tool| Some(tool.into())).health, Health::Ok);
    }
}
