//! The first look at an image: what a guest is asked, what its answers mean, and what a lab makes of them before a run.

use std::fs;
use std::sync::Arc;

use jiff::Timestamp;
use patchgate::fake::{Agent, GuestScript, SCREEN};
use patchgate::guest::debian::DEBIAN;
use patchgate::guest::families::Families;
use patchgate::guest::look::{Line, Weight, assess, hindrances};
use patchgate::guest::what;
use patchgate::image::catalogue::Store;
use patchgate::image::facts;
use patchgate::image::manifest::{DISK, Identity, ImageSource, Sealed, seal};
use patchgate::model::facts::{AgentFacts, Facts, SystemFacts};
use patchgate::model::hardware::Firmware;
use patchgate::model::outcome::Cause;
use patchgate::session::look::{Look, remedy};
use patchgate::session::ready::Ready;
use predicates::prelude::*;
use predicates::str::contains;

use crate::testkit::cli::patchgate;
use crate::testkit::lab::{Lab, Quiet};

const UBUNTU: &str = include_str!("../transcripts/look/netplan-and-cloud-init.txt");
const RHEL: &str = include_str!("../transcripts/look/selinux-and-networkmanager.txt");

fn read(output: &str) -> SystemFacts {
    DEBIAN.system.parse_look(output).expect("an answer")
}

/// An agent that may do all that a run asks of it.
fn agent() -> AgentFacts {
    AgentFacts {
        version: "7.2.22".to_owned(),
        commands: [
            "guest-exec",
            "guest-exec-status",
            "guest-file-open",
            "guest-file-read",
            "guest-file-write",
            "guest-fsfreeze-freeze",
        ]
        .map(|name| (name.to_owned(), true))
        .into(),
        trial: None,
    }
}

fn facts(output: &str) -> Facts {
    Facts {
        agent: agent(),
        system: Some(read(output)),
    }
}

fn line<'l>(lines: &'l [Line], what: &str) -> &'l Line {
    lines.iter().find(|line| line.what == what).expect(what)
}

#[test]
fn a_server_set_up_by_a_cloud_is_read_whole() {
    let lines = assess(
        &facts(UBUNTU),
        "ubuntu-24.04",
        Families::default().of("ubuntu-24.04"),
    );
    for (what, found) in [
        ("agent", "version 7.2.22"),
        ("OS", "Ubuntu 24.04.3 LTS"),
        ("network", "networkd, netplan, cloud-init"),
        ("addresses", "enp1s0 192.168.10.5/24"),
        (
            "cloud-init",
            "has set up instance iid-vmware-42041d3e from DataSourceVMware",
        ),
        ("locale", "de_DE.UTF-8"),
        ("time zone", "Europe/Berlin"),
        ("machine id", "0123456789abcdef0123456789abcdef"),
        (
            "virtio drivers",
            "virtio_blk, virtio_net, virtio_pci, virtio_scsi",
        ),
    ] {
        assert_eq!(line(&lines, what).found, found, "{what}");
    }
    let sources = line(&lines, "sources");
    assert_eq!(
        sources.remedy,
        "for the lab file: [network] sources = [\"http://archive.ubuntu.com/ubuntu\", \"https://repo.example/erp\"]"
    );
    assert!(!format!("{lines:?}").contains("hunter2"), "{lines:?}");
    for (what, said) in [
        ("pending reboot", "/run/reboot-required is there"),
        ("failed units", "backup-to-san.service"),
        ("free disk", "/ 412 of 9000 MiB"),
        ("firewall", "ufw, nft, 12 rules"),
    ] {
        let line = line(&lines, what);
        assert!(
            line.weight == Weight::Note && line.found.contains(said),
            "{line:?}"
        );
    }
    assert_eq!(
        hindrances(
            &facts(UBUNTU),
            "ubuntu-24.04",
            Families::default().of("ubuntu-24.04")
        ),
        []
    );
}

#[test]
fn names_of_another_hypervisor_are_told_with_what_to_write_instead() {
    let facts = facts(RHEL);
    let lines = assess(&facts, "rhel-9", None);
    for (what, said, remedy) in [
        ("addresses", "NetworkManager ens192", "MAC address"),
        ("disks by name", "a name only on the bus", "UUID="),
        (
            "virtio drivers",
            "no driver for a virtio disk",
            "dracut -f --add-drivers",
        ),
        (
            "package manager",
            "cannot apply updates to this OS version yet",
            "undecided",
        ),
    ] {
        let line = line(&lines, what);
        assert!(
            line.weight == Weight::Note && line.wanting.contains(said) && line.remedy.contains(remedy),
            "{line:?}"
        );
    }
    let system = facts.system.expect("a system");
    assert_eq!(system.managers, ["dnf", "yum"]);
    assert_eq!(
        system.confined[..2],
        ["SELinux is enforcing", "virt_qemu_ga_run_unconfined is off"]
    );
}

#[test]
fn what_keeps_a_run_from_its_end_is_said_with_its_remedy() {
    let family = Families::default().of("ubuntu-24.04");
    let kept = |facts: &Facts, os: &str| {
        let lines = hindrances(facts, os, family);
        lines
            .into_iter()
            .map(|line| (line.what, line.wanting, line.remedy))
            .collect::<Vec<_>>()
    };
    let blocked = |name: &str| {
        let mut facts = Facts {
            agent: agent(),
            system: None,
        };
        facts.agent.commands.insert(name.to_owned(), false);
        facts
    };
    let [(what, _, remedy)] = &kept(&blocked("guest-exec"), "debian-12")[..] else {
        panic!("not said");
    };
    assert_eq!(*what, "agent");
    for said in [
        "guest-exec",
        "block-rpcs",
        "allow-rpcs",
        "/etc/qemu/qemu-ga.conf",
        "/etc/sysconfig/qemu-ga",
    ] {
        assert!(remedy.contains(said), "{said}: {remedy}");
    }
    assert_eq!(kept(&blocked("guest-file-open"), "debian-12"), []);

    let mut confined = facts(RHEL);
    confined.agent.trial = Some("to put a file into the guest: Permission denied".into());
    let said = &kept(&confined, "rhel-9")[0];
    assert!(
        said.2.contains("setsebool -P virt_qemu_ga_run_unconfined 1"),
        "{said:?}"
    );

    let said = kept(&facts(RHEL), "debian-12");
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0].1, "the image is called debian-12, and this is rhel-9");
    assert!(said[0].2.contains("`--os rhel-9`"), "{said:?}");
    assert_eq!(
        said[1].1,
        "updates of debian-12 are installed by apt-get, which is not there"
    );
}

#[test]
fn what_was_cut_is_not_taken_for_nothing() {
    let cut = UBUNTU.split("@@ failed").next().expect("a text");
    let lines = assess(
        &facts(cut),
        "ubuntu-24.04",
        Families::default().of("ubuntu-24.04"),
    );
    let unread: Vec<&str> = lines
        .iter()
        .filter(|line| line.what == "not read")
        .map(|line| line.found.split(':').next().unwrap_or_default())
        .collect();
    assert!(
        unread.contains(&"failed") && unread.contains(&"firewalls"),
        "{unread:?}"
    );
    assert!(DEBIAN.system.parse_look("").is_err());
}

/// A look at the node of a fake lab.
async fn looked(lab: &Lab) -> Look {
    let ready = Ready::of(lab.setup(Arc::new(Quiet)), lab.state())
        .await
        .expect("the host takes it");
    let look = ready.look(|_| ()).await.expect("it starts");
    assert_eq!(lab.fake.present(), Vec::<String>::new());
    assert_eq!(lab.fake.violations(), Vec::<String>::new());
    look
}

fn lab(agent: Agent) -> Lab {
    let lab = Lab::default();
    lab.script(GuestScript {
        agent,
        ..GuestScript::default()
    });
    lab
}

#[tokio::test(start_paused = true)]
async fn a_guest_is_asked_once_and_nothing_is_done_to_it() {
    let lab = lab(Agent::Answers);
    let look = looked(&lab).await;
    let facts = look.facts.expect("facts");
    assert_eq!(
        facts.system.as_ref().map(|system| system.zone.as_str()),
        Some("Europe/Berlin")
    );
    assert_eq!(facts.agent.trial, None);
    assert!(look.faults.is_empty(), "{:?}", look.faults);
    let asked = lab.fake.asked();
    assert!(asked.iter().any(|(_, what)| what == what::LOOK));
    for never in [
        what::IDENTIFY,
        what::RENEW,
        what::REBOOT,
        what::REFRESH,
        what::APPLY,
    ] {
        assert!(!asked.iter().any(|(_, what)| what == never), "{never}");
    }
    assert_eq!(lab.state().runs().expect("runs"), [], "nothing is left of it");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_may_run_nothing_is_told_within_seconds() {
    let begun = tokio::time::Instant::now();
    let look = looked(&lab(Agent::Forbids)).await;
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    let facts = look.facts.expect("facts");
    assert!(
        !facts.agent.allows("guest-exec") && facts.system.is_none(),
        "{facts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_allowed_to_and_cannot_is_told_too() {
    let look = looked(&lab(Agent::Garbles(what::CHECK))).await;
    let facts = look.facts.expect("facts");
    assert_eq!(
        facts.agent.trial.as_deref(),
        Some("a file did not arrive whole in the guest")
    );
    assert!(facts.system.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_guest_without_an_agent_leaves_its_console_and_its_screen() {
    let lab = lab(Agent::Silent);
    let look = looked(&lab).await;
    assert!(look.facts.is_none());
    let [fault] = &look.faults[..] else {
        panic!("{:?}", look.faults);
    };
    assert_eq!(fault.cause, Cause::AgentSilent);
    assert!(fault.detail.contains("console of pg-"), "{fault:?}");
    assert!(remedy(fault).is_some_and(|words| words.contains("systemctl enable --now qemu-guest-agent")));
    assert_eq!(fs::read(&look.screens[0]).expect("a picture"), SCREEN);
}

#[tokio::test(start_paused = true)]
async fn a_disk_under_other_firmware_than_it_was_made_for_is_told_so() {
    for (made_for, said, word) in [
        (
            Firmware::Uefi,
            "no boot loader answered under BIOS; the disk has an EFI system partition",
            "firmware = \"uefi\"",
        ),
        (
            Firmware::Bios,
            "no boot loader answered under UEFI; the disk has no EFI system partition",
            "firmware = \"bios\"",
        ),
    ] {
        let mut lab = lab(Agent::Silent);
        lab.plan.cells[0].nodes[0].image.machine.made_for = Some(made_for);
        let look = looked(&lab).await;
        let fault = &look.faults[0];
        assert!(fault.message.starts_with(said), "{fault:?}");
        assert!(
            fault.hint.as_ref().is_some_and(|hint| hint.contains(word)),
            "{fault:?}"
        );
        assert_eq!(remedy(fault), None);
    }
}

/// A sealed image of that name in a store, with facts.
fn image(store: &Store, name: &str, facts: &Facts) -> Sealed {
    let (os, role) = name.split_once('+').expect("a role");
    let folder = store.folder(name, name);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(DISK), name).expect("a disk");
    let identity = Identity {
        name: name.to_owned(),
        os: os.to_owned(),
        role: Some(role.to_owned()),
        key: None,
        base_key: None,
        source: ImageSource::Imported,
    };
    let sealed = seal(&folder, identity, 1 << 20, Timestamp::UNIX_EPOCH).expect("sealed");
    let place = store.folder(name, &sealed.manifest.key);
    fs::rename(&folder, &place).expect("renamed");
    let sealed = Sealed { dir: place, ..sealed };
    facts::keep(&sealed, facts, Timestamp::UNIX_EPOCH).expect("kept");
    sealed
}

/// A lab of two roles on imported disks, of which these facts are known.
fn lab_of(web: &Facts, database: &Facts) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::at(&folder.path().join("images-store")).expect("a store");
    let images = [("debian-12+web", web), ("debian-12+database", database)];
    let sections: Vec<String> = images
        .iter()
        .map(|(name, facts)| {
            let sealed = image(&store, name, facts);
            format!("[image.\"{name}\"]\nimported = \"{}\"\n", sealed.manifest.sha256)
        })
        .collect();
    let sections = sections.concat();
    let lab = format!(
        "[lab]\nname = \"shop\"\nupdates = \"security\"\nscenarios = \"scenarios\"\n[network]\nsources = [\"http://deb.example/debian\"]\n\
         [[host]]\nuri = \"auto\"\n{sections}[role.web]\n[role.database]\n\
         [group.shop]\nowner = \"o\"\nadmin = \"a\"\nos = [\"debian-12\"]\nroles = [\"database\", \"web\"]\nscenarios = [\"web\"]\n"
    );
    fs::create_dir_all(folder.path().join("scenarios/web")).expect("folders");
    fs::write(folder.path().join("patchgate.toml"), lab).expect("a lab file");
    let scenario = "title = \"t\"\nowner = \"o\"\n[[step]]\nname = \"it answers\"\non = \"web\"\nrun = \"curl -f http://database/\"\n";
    fs::write(folder.path().join("scenarios/web/page.toml"), scenario).expect("a scenario");
    folder
}

fn good(machine_id: &str) -> Facts {
    let mut facts = facts(UBUNTU);
    let system = facts.system.as_mut().expect("a system");
    system.release.id = "debian".into();
    system.release.version = "12".into();
    machine_id.clone_into(&mut system.machine_id);
    facts
}

#[test]
fn what_cannot_work_is_refused_before_anything_starts() {
    let mut blocked = good(&"1".repeat(32));
    blocked.agent.commands.insert("guest-exec".to_owned(), false);
    let folder = lab_of(&blocked, &good(&"2".repeat(32)));
    for said in [
        "image debian-12+web cannot be run: agent",
        "guest-exec",
        "/etc/qemu/qemu-ga.conf",
        "patchgate image probe debian-12+web",
    ] {
        patchgate(folder.path())
            .arg("check")
            .assert()
            .code(2)
            .stdout(contains(said));
        patchgate(folder.path())
            .arg("plan")
            .assert()
            .code(2)
            .stderr(contains(said));
    }

    let folder = lab_of(&good(&"1".repeat(32)), &facts(RHEL));
    patchgate(folder.path())
        .arg("check")
        .assert()
        .code(2)
        .stdout(contains("debian-12+database cannot be run: OS").and(contains("`--os rhel-9`")));
}

#[test]
fn two_roles_of_a_cell_with_one_machine_id_are_said() {
    let same = "0123456789abcdef".repeat(2);
    let folder = lab_of(&good(&same), &good(&same));
    patchgate(folder.path())
        .arg("check")
        .assert()
        .success()
        .stdout(contains("have one machine id on debian-12").and(contains("/etc/machine-id")));
    let folder = lab_of(&good(&same), &good(&"2".repeat(32)));
    patchgate(folder.path())
        .arg("check")
        .assert()
        .success()
        .stdout(contains("machine id").not());
}

#[test]
fn facts_of_another_disk_are_not_used_and_that_is_said() {
    let mut blocked = good("");
    blocked.agent.commands.insert("guest-exec".to_owned(), false);
    let folder = lab_of(&blocked, &good(""));
    let store = Store::at(&folder.path().join("images-store")).expect("a store");
    for sealed in store.list().expect("a list").sealed {
        let path = sealed.dir.join(facts::FACTS);
        let text = fs::read_to_string(&path).expect("facts");
        fs::remove_file(&path).expect("removed");
        fs::write(&path, text.replace(&sealed.manifest.sha256, &"0".repeat(64))).expect("written");
    }
    patchgate(folder.path())
        .arg("check")
        .assert()
        .success()
        .stdout(contains("is of another disk").and(contains("patchgate image probe")));
}

#[test]
fn an_image_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let asked = patchgate(folder.path())
        .args(["image", "probe", "debian-12+web"])
        .assert()
        .code(2);
    if cfg!(feature = "libvirt") {
        asked.stderr(contains("image debian-12+web is not in the store").and(contains("image list")));
    }
}
