//! The libvirt room against a real libvirt and QEMU: everything that a run makes, with guests of one boot sector, and
//! nothing left afterwards. Needs a daemon or the session, and qemu-img.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchgate::host::connect::connect;
use patchgate::host::connected::{Connected, is_same};
use patchgate::model::hardware::{DiskHardware, Hardware, NicModel};
use patchgate::model::id::{Arm, ArmId, CellId, RunId};
use patchgate::model::name::{DomainName, FilterName, NetworkName, PoolName, VolumePath};
use patchgate::model::outcome::Cause;
use patchgate::model::plan::HostPlan;
use patchgate::model::policy::Accel;
use patchgate::model::resource::{Made, Resource};
use patchgate::port::{
    AgentError, Disk, FilterSpec, NetworkSpec, Nic, NicFilter, OutletSpec, Power, Tag, VmSpec, VmState,
};
use patchgate::units::Mib;
use sha2::{Digest, Sha256};

/// How long a guest of one boot sector may take to do its work on a loaded host.
const GUEST_LIMIT: Duration = Duration::from_secs(120);

async fn open(uri: &str) -> Arc<dyn Connected> {
    let plan = HostPlan {
        uri: uri.into(),
        accel: Accel::Auto,
        memory: None,
        vcpus: None,
    };
    connect(&plan).await.expect("libvirt answers")
}

/// A qcow2 whose boot sector writes `hello` to the serial line, and then powers the machine off or halts.
fn image(folder: &Path, name: &str, power_off: bool) -> (PathBuf, String) {
    let mut disk = vec![
        0x31, 0xc0, // xor ax, ax
        0x8e, 0xd8, // mov ds, ax
        0xbe, 0x1f, 0x7c, // mov si, 0x7c1f
        0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xfc, // cld
        0xac, // lodsb
        0x84, 0xc0, // test al, al
        0x74, 0x03, // jz +3
        0xee, // out dx, al
        0xeb, 0xf8, // jmp -8
        0xba, 0x04, 0x06, // mov dx, 0x604
        0xb8, 0x00, 0x20, // mov ax, 0x2000
        0xef, // out dx, ax
        0xf4, // hlt
        0xeb, 0xfd, // jmp -3
        0x90, 0x90, // nop, nop: the text begins at 0x7c1f
    ];
    if !power_off {
        disk[25] = 0x90;
    }
    disk.extend_from_slice(b"\x1b[1mhello\x1b[0m from the console\r\n\0");
    disk.resize(510, 0);
    disk.extend_from_slice(&[0x55, 0xaa]);
    disk.resize(1024 * 1024, 0);
    let raw = folder.join(format!("{name}.raw"));
    let sealed = folder.join(format!("{name}.qcow2"));
    std::fs::write(&raw, disk).expect("a disk");
    let made = Command::new("qemu-img")
        .args(["convert", "-q", "-f", "raw", "-O", "qcow2"])
        .args([&raw, &sealed])
        .status()
        .expect("qemu-img");
    assert!(made.success());
    let sha256 = patchgate::input::hex(&Sha256::digest(std::fs::read(&sealed).expect("an image")));
    (sealed, sha256)
}

fn resource(host: &dyn Connected, made: Made) -> Resource {
    Resource {
        made,
        uri: host.uri().clone(),
    }
}

fn volume(pool: &PoolName, name: &str) -> VolumePath {
    VolumePath::new(pool, &name.parse().expect("a name"))
}

fn network(run: &RunId, name: &str) -> NetworkName {
    format!("pg-{run}-{name}").parse().expect("a name")
}

async fn wait_for_state(host: &dyn Connected, domain: &DomainName, wanted: &VmState) {
    let begin = Instant::now();
    loop {
        let state = host.vm_state(domain).await.expect("a state");
        if state == *wanted {
            return;
        }
        assert!(
            begin.elapsed() < GUEST_LIMIT,
            "{domain} is {state:?}, not {wanted:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn console(host: &dyn Connected, domain: &DomainName, wanted: &str) {
    let begin = Instant::now();
    loop {
        let text = host.console_tail(domain).await;
        if text.contains(wanted) {
            return;
        }
        assert!(begin.elapsed() < GUEST_LIMIT, "{wanted:?} is not in {text:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The networks of the run that is tried.
const NETWORKS: [&str; 4] = ["net", "other", "out", "out2"];

/// Interfaces as a run's clone has them: one behind the filter on the outlet, one to its cell.
fn nics(run: &RunId, cell: Option<&(NetworkName, Ipv4Addr)>, mac: &str) -> Vec<Nic> {
    let nic = |network: Option<NetworkName>, mac: String| Nic {
        network,
        mac,
        apart: false,
        model: NicModel::Virtio,
        slot: None,
        filter: None,
    };
    match cell {
        None => vec![nic(None, mac.into())],
        Some((cell, address)) => vec![
            Nic {
                apart: true,
                filter: Some(NicFilter {
                    name: FilterName::of_run(run),
                    address: *address,
                }),
                ..nic(Some(network(run, "out")), mac.replace("70:67", "70:68"))
            },
            nic(Some(cell.clone()), mac.into()),
        ],
    }
}

/// The names of what the run has on the host, in the order of removal.
async fn marked(host: &dyn Connected, run: &RunId) -> Vec<String> {
    let mut marked: Vec<_> = host
        .marked()
        .await
        .expect("a list")
        .into_iter()
        .filter(|mark| mark.run == *run)
        .collect();
    marked.sort_by(|a, b| a.resource.cmp(&b.resource));
    marked.iter().map(|mark| mark.resource.made.to_string()).collect()
}

async fn life_of_an_arm(host: &dyn Connected, salt: u16) {
    let run = RunId::new(jiff::Timestamp::now(), salt);
    let pool = PoolName::of_run(&run);
    let folder = tempfile::tempdir().expect("a folder");
    let tag = Tag {
        run: run.clone(),
        arm: Some(ArmId::first(&CellId::new("a<&\"b", "none-1"), Arm::Treatment)),
        run_dir: folder.path().join("run & \n dir"),
    };

    host.create_pool(&pool).await.expect("a pool");
    let (off, off_sha) = image(folder.path(), "off", true);
    let (halt, halt_sha) = image(folder.path(), "halt", false);
    let refused = host
        .place_image(&volume(&pool, "off.base"), &off, &halt_sha)
        .await
        .expect_err("a damaged image");
    assert_eq!(refused.cause, Cause::ImageDamaged, "{refused}");
    assert!(refused.message.contains(&off.display().to_string()), "{refused}");
    let raw = folder.path().join("off.raw");
    let raw_sha = patchgate::input::hex(&Sha256::digest(std::fs::read(&raw).expect("a disk")));
    let refused = host
        .place_image(&volume(&pool, "off.base"), &raw, &raw_sha)
        .await
        .expect_err("not a qcow2");
    assert!(refused.message.contains("not qcow2"), "{refused}");
    // Both refusals left no volume of that name.
    host.place_image(&volume(&pool, "off.base"), &off, &off_sha)
        .await
        .expect("a base");
    host.place_image(&volume(&pool, "halt.base"), &halt, &halt_sha)
        .await
        .expect("a base");

    let mut cell = None;
    if host.has_networks() {
        let spec = NetworkSpec {
            name: network(&run, "net"),
            tag: tag.clone(),
        };
        let other = NetworkSpec {
            name: network(&run, "other"),
            ..spec.clone()
        };
        let (made, other) = tokio::join!(host.create_network(&spec), host.create_network(&other));
        made.expect("a network");
        other.expect("a network");
        let outlet = |name: &str| OutletSpec {
            name: network(&run, name),
            run: run.clone(),
            run_dir: tag.run_dir.clone(),
            macs: ["52:54:00:70:68:11", "52:54:00:70:68:12"]
                .map(str::to_owned)
                .to_vec(),
            open: false,
        };
        let (info, second) = (outlet("out"), outlet("out2"));
        let (info, second) = tokio::join!(host.create_outlet(&info), host.create_outlet(&second));
        let (info, second) = (info.expect("an outlet"), second.expect("an outlet"));
        assert_ne!(info.gateway, second.gateway);
        let filter = FilterSpec {
            name: FilterName::of_run(&run),
            gateway: info.gateway,
            port: 3128,
        };
        host.create_filter(&filter).await.expect("a filter");
        cell = Some((spec.name, info.address(0)));
    }

    let vm = |role: &str, mac: &str| VmSpec {
        name: format!("pg-{run}-{role}").parse().expect("a name"),
        tag: tag.clone(),
        role: role.into(),
        pool: pool.clone(),
        disks: vec![Disk {
            volume: format!("{role}.overlay").parse().expect("a name"),
            base: format!("{role}.base").parse().expect("a name"),
            hardware: DiskHardware::default(),
        }],
        nics: nics(&run, cell.as_ref(), mac),
        memory: Mib(64),
        vcpus: 1,
        hardware: Hardware::default(),
        nvram: None,
        kvm: false,
        power: Power::On,
    };
    let (off, halt) = (vm("off", "52:54:00:70:67:11"), vm("halt", "52:54:00:70:67:12"));
    for spec in [&off, &halt] {
        host.create_overlay(&pool, &spec.disks[0])
            .await
            .expect("an overlay");
        host.create_vm(spec).await.expect("a VM");
    }
    console(host, &halt.name, "hello from the console\n").await;
    wait_for_state(host, &halt.name, &VmState::Running).await;
    wait_for_state(
        host,
        &off.name,
        &VmState::Off("the guest powered itself off".into()),
    )
    .await;
    console(host, &off.name, "hello").await;
    let silent = host.agent(&halt.name).ping(Duration::from_secs(1)).await;
    assert!(matches!(silent, Err(AgentError::Silent(_))), "{silent:?}");

    let mut expected = vec![format!("domain {}", halt.name), format!("domain {}", off.name)];
    if host.has_networks() {
        expected.extend(NETWORKS.map(|name| format!("network pg-{run}-{name}")));
        expected.push(format!("filter {pool}"));
    }
    expected.push(format!("pool {pool}"));
    assert_eq!(marked(host, &run).await, expected);
    let dirs: Vec<_> = host
        .marked()
        .await
        .expect("a list")
        .into_iter()
        .filter(|mark| mark.run == run)
        .collect();
    for mark in dirs {
        let nameless = matches!(mark.resource.made, Made::Pool(_) | Made::Filter(_));
        let dir = (!nameless).then(|| tag.run_dir.clone());
        assert_eq!(mark.run_dir, dir, "{}", mark.resource);
    }

    // All twice: what is gone is no error.
    for _ in 0..2 {
        for spec in [&off, &halt] {
            host.remove(&resource(host, Made::Domain(spec.name.clone())), &run)
                .await
                .expect("no domain");
            assert_eq!(host.vm_state(&spec.name).await.expect("a state"), VmState::Gone);
            let overlay = VolumePath::new(&pool, &spec.disks[0].volume);
            host.remove(&resource(host, Made::Volume(overlay)), &run)
                .await
                .expect("no volume");
        }
        if host.has_networks() {
            for name in NETWORKS {
                host.remove(&resource(host, Made::Network(network(&run, name))), &run)
                    .await
                    .expect("no network");
            }
            host.remove(&resource(host, Made::Filter(FilterName::of_run(&run))), &run)
                .await
                .expect("no filter");
        }
        host.remove(&resource(host, Made::Pool(pool.clone())), &run)
            .await
            .expect("no pool");
    }
    assert_eq!(marked(host, &run).await, Vec::<String>::new());
    assert_eq!(host.console_tail(&off.name).await, "");
}

/// A daemon that lost the definition of a pool still has its folder, which must go too.
async fn forgotten_pool(host: &dyn Connected, salt: u16) {
    let run = RunId::new(jiff::Timestamp::now(), salt);
    let pool = PoolName::of_run(&run);
    let folder = tempfile::tempdir().expect("a folder");
    host.create_pool(&pool).await.expect("a pool");
    let (file, sha256) = image(folder.path(), "halt", false);
    host.place_image(&volume(&pool, "base"), &file, &sha256)
        .await
        .expect("a base");
    for verb in ["pool-destroy", "pool-undefine"] {
        let done = Command::new("virsh")
            .args(["-q", "-c", host.uri().as_str(), verb, pool.as_str()])
            .output()
            .expect("virsh");
        assert!(
            done.status.success(),
            "{verb}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
    assert_eq!(marked(host, &run).await, [format!("pool {pool}")]);
    host.remove(&resource(host, Made::Pool(pool.clone())), &run)
        .await
        .expect("no pool");
    assert_eq!(marked(host, &run).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_arm_lives_and_leaves_nothing() {
    let host = open("auto").await;
    let capacity = host.capacity().await.expect("a capacity");
    assert!(
        capacity.memory_free.0 > 0 && capacity.vcpus > 0 && capacity.disk_free.0 > 0,
        "{capacity:?}"
    );
    life_of_an_arm(host.as_ref(), 0xa001).await;
    forgotten_pool(host.as_ref(), 0xa002).await;
}

#[tokio::test]
async fn an_arm_lives_in_the_session_and_leaves_nothing() {
    let host = open("qemu:///session").await;
    assert!(!host.has_networks());
    life_of_an_arm(host.as_ref(), 0xb001).await;
    forgotten_pool(host.as_ref(), 0xb002).await;
}

#[tokio::test]
async fn one_daemon_is_known_under_two_uris() {
    let run = RunId::new(jiff::Timestamp::now(), 0xc001);
    let system = open("qemu:///system").await;
    // That two daemons are two is what the live test of two hosts stands on.
    let other = open("qemu+unix:///system").await;
    assert!(
        is_same(system.as_ref(), other.as_ref(), &run)
            .await
            .expect("an answer")
    );
    assert_eq!(marked(system.as_ref(), &run).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_probe_decides_and_leaves_nothing() {
    let host = open("auto").await;
    let choice = host.accelerator_anew().await.expect("a choice");
    assert!(
        choice
            .reason
            .starts_with(if choice.kvm { "KVM: " } else { "TCG: " }),
        "{choice:?}"
    );
    assert_eq!(host.accelerator(Accel::Kvm).await.is_ok(), choice.kvm);
    let tcg = host.accelerator(Accel::Tcg).await.expect("a choice");
    assert!(!tcg.kvm);
}

#[tokio::test]
async fn a_refusing_libvirt_is_an_error_with_a_remedy() {
    let plan = HostPlan {
        uri: "qemu+unix:///system?socket=/nonexistent/socket".into(),
        accel: Accel::Auto,
        memory: None,
        vcpus: None,
    };
    let error = connect(&plan).await.map(|_| ()).expect_err("no such socket");
    assert_eq!(error.cause, Cause::HostRefused, "{error}");
    assert!(error.hint.is_some_and(|hint| hint.contains("libvirtd")));
}
