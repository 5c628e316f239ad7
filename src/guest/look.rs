//! What the first look at a guest means: what is there, what is wanting, and how that is mended, to the letter.

use serde::Serialize;

use crate::guest::family::Family;
use crate::model::facts::{AgentFacts, Facts, Release, SystemFacts};
use crate::model::hardware::Firmware;

/// What a line says of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Nothing is wanting.
    Fine,
    /// It is worth knowing, and keeps no run from its end.
    Note,
    /// With it no run comes to its end.
    Keeps,
}

/// One line of what a look has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What was looked at.
    pub what: &'static str,
    /// What was found.
    pub found: String,
    /// What it means.
    pub weight: Weight,
    /// What is wanting; empty where nothing is.
    pub wanting: String,
    /// How that is mended; empty where nothing is to be done.
    pub remedy: String,
}

fn fine(what: &'static str, found: String) -> Line {
    Line {
        what,
        found,
        weight: Weight::Fine,
        wanting: String::new(),
        remedy: String::new(),
    }
}

fn note(what: &'static str, found: String, wanting: &str, remedy: &str) -> Line {
    Line {
        weight: Weight::Note,
        wanting: wanting.to_owned(),
        remedy: remedy.to_owned(),
        ..fine(what, found)
    }
}

fn keeps(what: &'static str, found: String, wanting: String, remedy: String) -> Line {
    Line {
        weight: Weight::Keeps,
        wanting,
        remedy,
        ..fine(what, found)
    }
}

/// What is done about an agent that does not answer at all.
pub const NO_AGENT: &str = "install it in the image and have it started: `apt-get install qemu-guest-agent` (Debian, Ubuntu), `dnf \
                            install qemu-guest-agent` (RHEL and its like) or `zypper install qemu-guest-agent` (SLES), then \
                            `systemctl enable --now qemu-guest-agent`";

/// What is said of a guest that was given other firmware than its disk was made for.
pub const NO_LOADER: &str = "no boot loader answered";

/// That, with its remedy, of a disk of that image.
pub fn no_loader(made_for: Firmware, image: &str) -> (String, String) {
    let (under, has, word) = match made_for {
        Firmware::Bios => (
            "UEFI",
            "no EFI system partition, and code that a BIOS begins",
            "bios",
        ),
        Firmware::Uefi | Firmware::UefiSecure => (
            "BIOS",
            "an EFI system partition, and nothing that a BIOS begins",
            "uefi",
        ),
    };
    (
        format!("{NO_LOADER} under {under}; the disk has {has}"),
        format!("write firmware = \"{word}\" below [image.\"{image}\".hardware]"),
    )
}

/// What a run asks of an agent.
const NEEDED: [&str; 2] = ["guest-exec", "guest-exec-status"];
/// What it does without, and others need.
const OTHERS: [&str; 4] = [
    "guest-file-open",
    "guest-file-read",
    "guest-file-write",
    "guest-fsfreeze-freeze",
];
/// Free disk below which updates find no room, in MiB.
const LEAST_MIB: u64 = 1024;

/// What a look has found, line by line; `os` is the OS version that the image is said to be of, and `family` what updates it.
pub fn assess(facts: &Facts, os: &str, family: Option<Family>) -> Vec<Line> {
    let mut lines = vec![agent(&facts.agent, facts.system.as_ref())];
    if let Some(system) = &facts.system {
        lines.push(release(&system.release, os));
        lines.push(manager(system, os, family));
        lines.extend(others(system));
    }
    lines
}

/// What of it keeps a run from its end.
pub fn hindrances(facts: &Facts, os: &str, family: Option<Family>) -> Vec<Line> {
    let mut lines = assess(facts, os, family);
    lines.retain(|line| line.weight == Weight::Keeps);
    lines
}

/// Where an agent's commands are forbidden.
fn where_forbidden(system: Option<&SystemFacts>) -> String {
    let set = system.map_or(&[][..], |system| &system.agent_settings);
    if let Some(first) = set.first() {
        return format!("`{first}`");
    }
    "`block-rpcs`, `allow-rpcs` or `blacklist` in /etc/qemu/qemu-ga.conf, or `BLACKLIST_RPC` or `FILTER_RPC_ARGS` in \
     /etc/sysconfig/qemu-ga"
        .to_owned()
}

fn agent(agent: &AgentFacts, system: Option<&SystemFacts>) -> Line {
    const WHAT: &str = "agent";
    let found = format!("version {}", agent.version);
    let blocked = |names: &[&'static str]| -> Vec<&'static str> {
        let mut names = names.to_vec();
        names.retain(|name| !agent.allows(name));
        names
    };
    let needed = blocked(&NEEDED);
    if !needed.is_empty() {
        return keeps(
            WHAT,
            format!("{found}; blocked: {}", needed.join(", ")),
            "without them no command can be run in the guest".to_owned(),
            format!(
                "in the image, let it have {}: change {}, then `systemctl restart qemu-guest-agent`",
                needed.join(" and "),
                where_forbidden(system)
            ),
        );
    }
    if let Some(failed) = &agent.trial {
        let denied = failed.to_lowercase().contains("permission denied");
        let confined = system.map_or(&[][..], |system| &system.confined);
        let remedy = if denied || !confined.is_empty() {
            "SELinux confines the agent: `setsebool -P virt_qemu_ga_run_unconfined 1`; where the system has no such switch, \
             `semanage permissive -a virt_qemu_ga_t`"
        } else {
            "see what it says in `journalctl -u qemu-guest-agent` of the guest"
        };
        return keeps(
            WHAT,
            format!("{found}; {failed}"),
            "what a run does was tried, and failed".to_owned(),
            remedy.to_owned(),
        );
    }
    let others = blocked(&OTHERS);
    if others.is_empty() {
        return fine(WHAT, found);
    }
    note(
        WHAT,
        format!("{found}; blocked: {}", others.join(", ")),
        "a run does without them",
        "",
    )
}

/// The OS version that a release is, in the words of `--os`; nothing where it has no name there.
pub fn label(release: &Release) -> Option<String> {
    let major = release.version.split('.').next().unwrap_or_default();
    let is = |id: &str| release.id == id || release.like.iter().any(|like| like == id);
    let version = match release.id.as_str() {
        "" => return None,
        "ubuntu" => format!("ubuntu-{}", release.version),
        "sles" | "sled" | "sle_hpc" => format!("sles-{major}"),
        "fedora" => format!("fedora-{major}"),
        _ if is("rhel") => format!("rhel-{major}"),
        id => format!("{id}-{major}"),
    };
    Some(version)
}

fn release(release: &Release, os: &str) -> Line {
    const WHAT: &str = "OS";
    let found = if release.name.is_empty() {
        format!("{} {}", release.id, release.version)
    } else {
        release.name.clone()
    };
    match label(release) {
        Some(label) if label == os => fine(WHAT, found),
        Some(label) => keeps(
            WHAT,
            found,
            format!("the image is called {os}, and this is {label}"),
            format!("import the disk again with `--os {label}`, and name it so in the lab file"),
        ),
        None => note(
            WHAT,
            "it does not tell".to_owned(),
            "there is no os-release(5) in it",
            "see that the image is of the OS version that it is called after",
        ),
    }
}

fn manager(system: &SystemFacts, os: &str, family: Option<Family>) -> Line {
    const WHAT: &str = "package manager";
    let found = if system.managers.is_empty() {
        "none that patchgate knows".to_owned()
    } else {
        system.managers.join(", ")
    };
    let Some(family) = family else {
        return note(
            WHAT,
            found,
            "patchgate cannot apply updates to this OS version yet",
            "a group on it stays undecided",
        );
    };
    let wanted = family.updates.words().manager;
    if system.managers.iter().any(|manager| manager == wanted) {
        return fine(WHAT, found);
    }
    keeps(
        WHAT,
        found,
        format!("updates of {os} are installed by {wanted}, which is not there"),
        format!("is the disk really of {os}? If it is, install {wanted} in the image"),
    )
}

/// A line of a list, where an empty one is in order.
fn listed(what: &'static str, items: &[String], none: &str) -> Line {
    let found = if items.is_empty() {
        none.to_owned()
    } else {
        items.join(", ")
    };
    fine(what, found)
}

fn others(system: &SystemFacts) -> Vec<Line> {
    let mut lines = vec![
        sources(system),
        listed("network", &system.network, "nobody that patchgate knows"),
    ];
    let cards = system.cards.iter();
    let cards: Vec<String> = cards
        .map(|card| {
            format!("{} {}", card.name, card.addresses.join(" "))
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.push(if system.strangers.is_empty() {
        listed("addresses", &cards, "no card")
    } else {
        note(
            "addresses",
            listed("", &cards, "no card").found,
            &format!(
                "configured and not there: {}; their addresses are not in the clone",
                system.strangers.join(", ")
            ),
            "with `addresses = \"keep\"` a clone's one card gets the one such name; else name cards by MAC address, or give the \
             image the card and the MAC address of its source",
        )
    });
    lines.push(cloud_init(system));
    lines.push(if system.reboot.is_empty() {
        fine("pending reboot", "no".to_owned())
    } else {
        note(
            "pending reboot",
            system.reboot.join(", "),
            "updates were installed and not yet booted: control and treatment would both boot them",
            "reboot the source before its disk is taken",
        )
    });
    lines.push(if system.failed.is_empty() {
        fine("failed units", "none".to_owned())
    } else {
        note(
            "failed units",
            system.failed.join(", "),
            "they fail in a clone, before any update",
            "`journalctl -b -u UNIT` tells why; what needs the world outside fails in every clone, in both arms alike",
        )
    });
    lines.push(disk(system));
    lines.push(by_place(system));
    let told = |text: &str| if text.is_empty() { "not set" } else { text }.to_owned();
    lines.push(fine("locale", told(&system.locale)));
    lines.push(fine("time zone", told(&system.zone)));
    lines.push(drivers(system));
    lines.push(if system.firewalls.is_empty() {
        fine("firewall", "none is active".to_owned())
    } else {
        note(
            "firewall",
            system.firewalls.join(", "),
            "it holds in clones too",
            "let it pass what the nodes of a cell ask of each other in 10.214.0.0/16, and the way to the proxy in 10.213.0.0/16",
        )
    });
    lines.push(machine_id(system));
    let unread = system.unread.iter();
    lines.extend(unread.map(|(what, why)| note("not read", format!("{what}: {why}"), "it is not known", "")));
    lines
}

fn sources(system: &SystemFacts) -> Line {
    let plain = |source: &&String| source.starts_with("http://") || source.starts_with("https://");
    let usable: Vec<String> = system
        .sources
        .iter()
        .filter(plain)
        .filter(|source| !source.contains('$'))
        .map(|source| format!("\"{}\"", source.trim_end_matches('/')))
        .collect();
    let line = listed("sources", &system.sources, "none");
    if usable.is_empty() {
        return Line {
            weight: Weight::Note,
            wanting: "no update source of the network is told".to_owned(),
            remedy: "name them in the lab file: `[network] sources = [\"http://...\"]`".to_owned(),
            ..line
        };
    }
    Line {
        remedy: format!("for the lab file: [network] sources = [{}]", usable.join(", ")),
        ..line
    }
}

fn cloud_init(system: &SystemFacts) -> Line {
    const WHAT: &str = "cloud-init";
    match &system.cloud_init {
        None => fine(WHAT, "not installed".to_owned()),
        Some(cloud) if cloud.disabled => fine(WHAT, "switched off".to_owned()),
        Some(cloud) if cloud.instance.is_empty() => note(
            WHAT,
            "installed, and has never run".to_owned(),
            "a clone would be set up anew at its first boot, or wait for a cloud that is not there",
            "boot the source once where its cloud is, or `touch /etc/cloud/cloud-init.disabled` in the image",
        ),
        Some(cloud) => fine(
            WHAT,
            format!("has set up instance {} from {}", cloud.instance, cloud.source),
        ),
    }
}

fn disk(system: &SystemFacts) -> Line {
    const WHAT: &str = "free disk";
    let shown: Vec<String> = system
        .disks
        .iter()
        .map(|disk| format!("{} {} of {} MiB", disk.mount, disk.free_mib, disk.size_mib))
        .collect();
    let tight = |mount: &str| {
        let mut disks = system.disks.iter();
        disks.any(|disk| disk.mount == mount && disk.free_mib < LEAST_MIB)
    };
    let found = listed(WHAT, &shown, "not told");
    match ["/", "/var", "/usr"].into_iter().find(|mount| tight(mount)) {
        None => found,
        Some(mount) => note(
            WHAT,
            found.found,
            &format!("{mount} has less than {LEAST_MIB} MiB free, and updates take room"),
            "make room on the source, or let the disk grow",
        ),
    }
}

fn by_place(system: &SystemFacts) -> Line {
    const WHAT: &str = "disks by name";
    if system.by_place.is_empty() {
        return fine(WHAT, "none".to_owned());
    }
    note(
        WHAT,
        system.by_place.join("; "),
        "a disk has such a name only on the bus where it was found",
        "write `UUID=...` (blkid(8)) in /etc/fstab, or give the image the bus of its source",
    )
}

fn drivers(system: &SystemFacts) -> Line {
    const WHAT: &str = "virtio drivers";
    if system.unread.contains_key("drivers") {
        return note(WHAT, "cannot be told".to_owned(), "", "");
    }
    let has = |name: &str| system.drivers.iter().any(|driver| driver == name);
    if has("virtio_blk") || has("virtio_scsi") {
        return listed(WHAT, &system.drivers, "");
    }
    note(
        WHAT,
        listed(WHAT, &system.drivers, "none").found,
        "what it boots with has no driver for a virtio disk; on such a bus it would not find its root",
        "leave the image on the bus of its source, or add them: `virtio_blk` and `virtio_scsi` in \
         /etc/initramfs-tools/modules and `update-initramfs -u`, or `dracut -f --add-drivers \"virtio_blk virtio_scsi\"`",
    )
}

fn machine_id(system: &SystemFacts) -> Line {
    const WHAT: &str = "machine id";
    if system.machine_id.len() == 32 {
        return fine(WHAT, system.machine_id.clone());
    }
    fine(WHAT, "each clone gets one at its first boot".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_the_name_that_an_import_takes() {
        let like = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        for (id, version, likes, expected) in [
            ("debian", "12", "", "debian-12"),
            ("ubuntu", "24.04", "debian", "ubuntu-24.04"),
            ("rhel", "9.4", "fedora", "rhel-9"),
            ("rocky", "9.4", "rhel centos fedora", "rhel-9"),
            ("sles", "15.6", "suse", "sles-15"),
            ("alpine", "3.20.1", "", "alpine-3"),
        ] {
            let release = Release {
                id: id.to_owned(),
                version: version.to_owned(),
                like: like(likes),
                name: String::new(),
            };
            assert_eq!(label(&release).as_deref(), Some(expected));
        }
        assert_eq!(label(&Release::default()), None);
    }
}
