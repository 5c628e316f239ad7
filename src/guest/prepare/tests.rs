use std::net::Ipv4Addr;

use super::*;
use crate::guest::identity;

/// A disk of a few files; some paths cannot be read.
#[derive(Default)]
struct Disk {
    files: BTreeMap<&'static str, &'static str>,
    broken: &'static str,
}

impl Files for Disk {
    fn is_there(&self, path: &str) -> Result<bool, Unreadable> {
        let text = self.text(path)?;
        Ok(text.is_some() || !self.names(path)?.is_empty())
    }

    fn text(&self, path: &str) -> Result<Option<String>, Unreadable> {
        if path == self.broken {
            return Err(Unreadable(format!("{path}: damaged")));
        }
        Ok(self.files.get(path).map(|&text| text.to_owned()))
    }

    fn names(&self, path: &str) -> Result<Vec<String>, Unreadable> {
        let below = format!("{path}/");
        let files = self.files.keys().filter_map(|name| name.strip_prefix(&below));
        let mut names: Vec<String> = files
            .map(|rest| rest.split('/').next().unwrap_or_default().to_owned())
            .collect();
        names.dedup();
        Ok(names)
    }
}

const STATUS: &str = "Package: apt\nStatus: install ok installed\nVersion: 2.6.1\n\nPackage: old\nStatus: deinstall ok \
                      config-files\nVersion: 1\n\nPackage: libc6\nStatus: hold ok installed\nArchitecture: amd64\nVersion: 2.36-9\n";

/// A disk on which cloud-init has never run, with these files beside.
fn disk(more: &[(&'static str, &'static str)]) -> Disk {
    let usual = [
        ("/usr/bin/apt-get", ""),
        ("/usr/bin/cloud-init", ""),
        (
            "/etc/fstab",
            "# /dev/vdb /var ext4\nUUID=1 / ext4 defaults 0 1\nUUID=2 /boot/efi vfat\n",
        ),
        ("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
        (
            "/etc/apt/sources.list",
            "deb http://deb.debian.org/debian bookworm main\n",
        ),
        ("/var/lib/dpkg/status", STATUS),
    ];
    Disk {
        files: usual.into_iter().chain(more.iter().copied()).collect(),
        broken: "",
    }
}

#[test]
fn cloud_init_is_given_a_seed_only_where_a_disk_shows_that_it_has_never_run() {
    let seed = Ok(Way::Seed {
        sources: vec!["http://deb.debian.org/debian".to_owned()],
        machine: "kept".to_owned(),
    });
    assert_eq!(choose(&Inside::of(&disk(&[])), true), seed);
    assert_eq!(choose(&Inside::of(&disk(&[])), false), seed);
    let mut unreadable = disk(&[]);
    unreadable.broken = "/etc/fstab";
    let without = |path| {
        let mut disk = disk(&[]);
        disk.files.remove(path);
        disk
    };
    let has_run = "and is not made to begin anew";
    for (disk, why) in [
        (
            disk(&[
                ("/var/lib/cloud/instance", ""),
                ("/var/lib/cloud/data/instance-id", "i-7\n"),
            ]),
            "instance i-7",
        ),
        (
            disk(&[("/var/lib/cloud/instances/i-7/user-data.txt", "")]),
            has_run,
        ),
        (disk(&[("/var/lib/cloud/sem/config_ssh.once", "")]), has_run),
        (disk(&[("/etc/cloud/cloud-init.disabled", "")]), "is switched off"),
        (without("/usr/bin/cloud-init"), "is not installed"),
        (without("/var/lib/dpkg/status"), "are not apt's"),
        (without("/etc/apt/sources.list"), "no update source"),
        (
            disk(&[("/etc/fstab", "UUID=3 /var/ ext4\n")]),
            "/var is on a file system of its own",
        ),
        (
            disk(&[("/etc/fstab", "UUID=3 /var/lib/cloud ext4\n")]),
            "cannot be read from this disk",
        ),
        (unreadable, "/etc/fstab: damaged"),
    ] {
        let inside = Inside::of(&disk);
        let Ok(Way::Customize { why: said }) = choose(&inside, true) else {
            panic!("{why}: {inside:?}");
        };
        assert!(said.contains(why), "{why}: {said}");
        let by_hand = choose(&inside, false).expect_err(why);
        assert!(by_hand.to_string().contains(why), "{by_hand}");
        for remedy in [
            "apt-get install libguestfs-tools",
            "apt-get install qemu-guest-agent",
            "import it again",
        ] {
            assert!(by_hand.hint.contains(remedy), "{}", by_hand.hint);
        }
    }
}

#[test]
fn what_is_installed_and_from_where_is_read_as_apt_reads_it() {
    let inside = Inside::of(&disk(&[
        (
            "/etc/apt/sources.list",
            "# deb http://no.example/debian a b\ndeb-src http://no.example/src a b\n\tdeb  [arch=amd64 signed-by=/a] \
             http://one.example/debian/ stable main\ndeb file:/srv/repo ./\ndeb https://me:secret@two.example/erp a b\n",
        ),
        (
            "/etc/apt/sources.list.d/debian.sources",
            "Types: deb deb-src\n# URIs: http://no.example\nURIs: mirror+file:///etc/apt/mirrors/debian.list\n http://three.example/x\n\
             Suites: bookworm\n\nTypes: deb\nEnabled: no\nURIs: http://no.example/off\n\nTypes: deb-src\nURIs: http://no.example/src\n",
        ),
        ("/etc/apt/sources.list.d/old.list.save", "deb http://no.example/saved a b\n"),
        ("/etc/apt/mirrors/debian.list", "https://deb.debian.org/debian\tpriority:1\n"),
        ("/etc/machine-id", "uninitialized\n"),
    ]))
    .expect("it is read");
    assert_eq!(
        inside.sources,
        [
            "http://one.example/debian",
            "https://deb.debian.org/debian",
            "http://three.example/x"
        ]
    );
    let packages = inside.packages.clone().expect("packages");
    let packages: Vec<(&str, &str)> = packages
        .iter()
        .map(|(name, version)| (&**name, &**version))
        .collect();
    assert_eq!(packages, [("apt", "2.6.1"), ("libc6", "2.36-9")]);
    assert_eq!(
        (inside.machine.as_str(), inside.has_agent()),
        ("uninitialized", Some(false))
    );
    for (text, machine) in [(None, "missing"), (Some("\n"), "empty")] {
        let mut disk = disk(&[]);
        disk.files.remove("/etc/machine-id");
        disk.files.extend(text.map(|text| ("/etc/machine-id", text)));
        assert_eq!(Inside::of(&disk).expect("it is read").machine, machine);
    }
}

#[test]
fn what_has_changed_is_a_line_each() {
    let map = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|&(name, what)| (name.to_owned(), what.to_owned()));
        pairs.collect::<BTreeMap<_, _>>()
    };
    let before = map(&[("a", "1"), ("b", "1"), ("c", "1")]);
    let after = map(&[("a", "1"), ("b", "2"), ("d", "1")]);
    assert_eq!(
        packages_changed(&before, &after),
        [
            "package b 1: is 2 now",
            "package c 1: removed",
            "package d 1: installed"
        ]
    );
    assert_eq!(
        files_changed(&before, &after),
        ["file b: changed", "file c: removed", "file d: new"]
    );
}

#[test]
fn a_seed_has_the_modules_that_it_needs_and_nothing_that_sets_a_guest_up() {
    let way = identity::Way {
        mac: "52:54:00:00:00:07".to_owned(),
        address: Ipv4Addr::new(10, 213, 7, 2),
        gateway: Ipv4Addr::new(10, 213, 7, 1),
    };
    let files = seed::files("20261127-1", &way, "http://10.213.7.1:3128/", "kept");
    let [(user, data), (meta, id), (network, off)] = &files;
    assert_eq!(
        [*user, *meta, *network],
        ["user-data", "meta-data", "network-config"]
    );
    assert_eq!(
        (id.as_str(), off.as_str()),
        (
            "instance-id: patchgate-20261127-1\n",
            "version: 1\nconfig: disabled\n"
        )
    );
    let json = data.strip_prefix("#cloud-config\n").expect("its first line");
    let config: serde_json::Value = serde_json::from_str(json).expect("JSON");
    let golden = serde_json::json!({
        "cloud_init_modules": [],
        "cloud_config_modules": ["runcmd"],
        "cloud_final_modules": ["scripts-user", "power-state-change"],
        "ssh_deletekeys": false,
        "preserve_hostname": true,
        "runcmd": [[
            "/bin/bash", "-c", crate::guest::apt::install_agent(), "patchgate", "http://10.213.7.1:3128/",
            "52:54:00:00:00:07", "10.213.7.2", "10.213.7.1", "kept",
        ]],
        "power_state": { "mode": "poweroff", "delay": "now", "timeout": 300 },
    });
    assert_eq!(config, golden);
}
