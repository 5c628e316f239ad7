//! Guests that others made, as production has them: taken over, looked at, and run to a verdict on real clones. Their disks are made by
//! `tests/guests/make.sh`, which takes an hour, and these tests take another: `make test-guests` runs them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::lab::text;

/// The folder of the disks.
fn disks() -> PathBuf {
    let folder = std::env::var_os("PATCHGATE_GUESTS_DIR");
    PathBuf::from(
        folder.expect("PATCHGATE_GUESTS_DIR names the folder with the disks; `make test-guests` does that"),
    )
}

/// A folder with a store, a state folder and, once it is written, a lab.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        Self(tempfile::tempdir_in("/var/tmp").expect("a folder"))
    }

    fn patchgate(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_patchgate"))
            .args(args)
            .current_dir(self.0.path())
            .env("PATCHGATE_IMAGES", self.0.path().join("images"))
            .env("PATCHGATE_STATE", self.0.path().join("state"))
            .stdin(Stdio::null())
            .output()
            .expect("it runs")
    }

    /// Imports a disk, and others beside it, with the first look.
    fn import(&self, role: &str, disks_of: &[&str], more: &[&str]) -> Output {
        let files: Vec<String> = disks_of
            .iter()
            .map(|name| disks().join(format!("{name}.raw")).display().to_string())
            .collect();
        let mut args = vec!["image", "import", files[0].as_str(), "--role", role];
        for file in &files[1..] {
            args.extend(["--disk", file]);
        }
        args.extend(more);
        self.patchgate(&args)
    }

    /// Takes a domain over that has this disk and a card of this MAC address; it is only defined.
    fn import_domain(&self, role: &str, disk: &str, mac: &str) -> Output {
        let name = format!("foreign-{}-{role}", std::process::id());
        let xml = format!(
            "<domain type='qemu'><name>{name}</name><memory unit='MiB'>512</memory><vcpu>1</vcpu>\
             <os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features><devices>\
             <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/><target dev='vda' bus='virtio'/></disk>\
             <interface type='network'><source network='default'/><mac address='{mac}'/><model type='virtio'/></interface>\
             </devices></domain>",
            disks().join(format!("{disk}.raw")).display()
        );
        let file = self.0.path().join("domain.xml");
        fs::write(&file, xml).expect("written");
        let virsh = |args: &[&str]| {
            let output = Command::new("virsh")
                .args(["-q", "-c", "qemu:///system"])
                .args(args)
                .output();
            let output = output.expect("virsh");
            assert!(output.status.success(), "{args:?}: {}", text(&output));
        };
        virsh(&["define", file.to_str().expect("a path")]);
        let output = self.patchgate(&[
            "image",
            "import",
            "--domain",
            &name,
            "--role",
            role,
            "--os",
            "debian-12",
            "--no-probe",
        ]);
        virsh(&["undefine", &name]);
        output
    }

    /// Writes a lab of those roles, in one group, from the sections that their imports printed; `keys` go into every role.
    fn lab(&self, sections: &[&Output], roles: &[&str], keys: &str, steps: &str) {
        let mut lab = "[lab]\nname = \"foreign\"\nupdates = \"security\"\n\n[[host]]\nuri = \"auto\"\n\n[network]\nsources = \
                       [\"http://deb.debian.org/debian\", \"http://deb.debian.org/debian-security\"]\n\n"
            .to_owned();
        for (output, role) in sections.iter().zip(roles) {
            let text = String::from_utf8_lossy(&output.stdout);
            let image = text.lines().take_while(|line| !line.starts_with("[role."));
            let image = image
                .filter(|line| !line.starts_with('#'))
                .collect::<Vec<_>>()
                .join("\n");
            write!(lab, "{image}\n[role.{role}]\nmemory = \"512MiB\"\n{keys}\n").expect("a text");
        }
        let listed = format!("{roles:?}");
        write!(
            lab,
            "[group.foreign]\nowner = \"tests\"\nadmin = \"tests\"\nos = [\"debian-12\"]\nroles = {listed}\nscenarios = [\"foreign\"]\n"
        )
        .expect("a text");
        let folder = self.0.path().join("scenarios/foreign");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(
            folder.join("it.toml"),
            format!("title = \"it is itself\"\nowner = \"tests\"\n\n{steps}"),
        )
        .expect("written");
        fs::write(self.0.path().join("patchgate.toml"), lab).expect("written");
    }

    /// Runs the lab to an open gate; what was said.
    fn opens(&self) -> String {
        let output = self.patchgate(&["run"]);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains("gate: OPEN"), "{said}");
        said
    }
}

/// What an import said, which ended so.
fn said(output: &Output, exit: i32) -> String {
    let said = text(output);
    assert_eq!(output.status.code(), Some(exit), "{said}");
    said
}

fn says(said: &str, words: &[&str]) {
    for words in words {
        assert!(said.contains(words), "{words}: {said}");
    }
}

fn step(role: &str, run: &str, contains: &str) -> String {
    format!(
        "[[step]]\nname = \"{contains}\"\non = \"{role}\"\nrun = '''{run}'''\nexpect = {{ stdout = {{ contains = '''{contains}''' }} }}\n\n"
    )
}

/// One guest from import to an open gate.
fn verdict(disks_of: &[&str], more: &[&str], run: &str, contains: &str) -> (World, String) {
    let world = World::new();
    let taken = world.import("app", disks_of, more);
    said(&taken, 0);
    world.lab(&[&taken], &["app"], "", &step("app", run, contains));
    let said = world.opens();
    (world, said)
}

/// Two guests with addresses of their own, of which the second reads the first's page.
fn talk(first: (&str, &str), second: (&str, &str)) {
    let world = World::new();
    let one = world.import_domain("one", first.0, first.1);
    let two = world.import_domain("two", second.0, second.1);
    said(&one, 0);
    said(&two, 0);
    let page = "for i in $(seq 30); do curl -sS -m 10 http://192.168.10.5/ && break; sleep 2; done; ip neigh show 192.168.10.5";
    let steps = step("two", page, "hello from a")
        + &step("two", page, first.1)
        + &step("two", "ip -4 -o address show", "192.168.10.6/24")
        + &step(
            "two",
            "! ping -c 2 -W 2 192.168.10.1 > /dev/null && echo silence",
            "silence",
        );
    world.lab(&[&one, &two], &["one", "two"], "addresses = \"keep\"", &steps);
    world.opens();
}

macro_rules! guests {
    ($($(#[$about:meta])* $name:ident => $body:block)*) => {
        $(
            $(#[$about])*
            #[test]
            #[ignore = "its disks are made by tests/guests/make.sh: `make test-guests`"]
            fn $name() $body
        )*
    };
}

guests! {
    uefi_with_grub => {
        verdict(&["uefi-grub"], &[], "ls /sys/firmware/efi", "efivars");
    }

    secure_boot_by_shim_with_a_tpm => {
        let run = "od -An -t u1 -j 4 /sys/firmware/efi/efivars/SecureBoot-*; cat /sys/class/tpm/tpm0/tpm_version_major";
        verdict(&["uefi-secure"], &["--firmware", "uefi-secure"], run, "1");
    }

    bios_with_cloud_init_and_netplan => {
        verdict(&["cloud-netplan"], &[], "cloud-init status; ls /etc/netplan", "yaml");
    }

    networkmanager_that_speaks_german_in_berlin => {
        verdict(&["networkmanager"], &[], "cat /etc/default/locale /etc/locale.conf; date +%Z", "de_DE.UTF-8");
    }

    lvm_with_a_second_disk => {
        verdict(&["lvm-two-disks", "lvm-two-disks-data"], &[], "findmnt -no SOURCE / /data", "/dev/mapper/data-data");
    }

    two_nodes_with_static_addresses_talk => {
        talk(("static-a", "52:54:00:15:00:0a"), ("static-b", "52:54:00:15:00:0b"));
    }

    a_card_that_is_named_by_mac => {
        talk(("plant-card-by-mac", "00:50:56:aa:bb:02"), ("static-b", "52:54:00:15:00:0b"));
    }

    the_name_of_the_card_on_vmware => {
        talk(("plant-name-of-the-old-card", "00:50:56:aa:bb:02"), ("static-b", "52:54:00:15:00:0b"));
    }

    a_file_system_table_by_names_boots_on_the_sources_bus_and_is_named_on_another => {
        let disks = ["plant-fstab-by-name", "plant-fstab-by-name-data"];
        // Which of them is sda is drawn at each boot (sd(4) is probed asynchronously), so that no verdict stands on it.
        let own = World::new().import("app", &disks, &["--os", "debian-12", "--disk-bus", "sata"]);
        says(&text(&own), &["/dev/sda1, /dev/sdb1"]);
        let other = World::new().import("app", &disks, &["--os", "debian-12"]);
        says(&text(&other), &["its /etc/fstab waits for /dev/sda1, /dev/sdb1", "its screen: ", "--disk-bus"]);
    }

    an_initramfs_without_virtio_boots_on_the_sources_bus_and_is_told_on_another => {
        let disk = ["plant-initramfs-without-virtio"];
        verdict(&disk, &["--disk-bus", "pvscsi"], "lsblk -dno NAME; lsmod", "vmw_pvscsi");
        let other = World::new().import("app", &disk, &["--os", "debian-12"]);
        says(&text(&other), &["Dropping to a shell!", "its screen: ", "its initramfs has no driver", "--disk-bus"]);
    }

    cloud_init_that_ran_elsewhere_does_not_begin_anew => {
        let run = "cat /var/lib/cloud/data/instance-id; ls /var/lib/cloud/instances";
        let (_, said) = verdict(&["plant-cloud-init-of-another-cloud"], &[], run, "iid-vmware-42041d3e");
        assert!(!said.contains("iid-datasource-none"), "{said}");
    }

    lvm_that_knows_another_disk => {
        let disks = ["plant-lvm-knows-another-disk", "plant-lvm-knows-another-disk-data"];
        verdict(&disks, &[], "findmnt -no SOURCE /", "/dev/mapper/system-root");
    }

    an_agent_whose_commands_are_blocked_is_told_with_the_file => {
        let taken = World::new().import("app", &["plant-agent-blocks-exec"], &["--os", "debian-12"]);
        says(&text(&taken), &["blocked: guest-exec, guest-exec-status", "/etc/qemu/qemu-ga.conf", "cannot be run yet"]);
        // Debian 12's agent knows no list of what is allowed, so that nothing is blocked there.
        said(&World::new().import("app", &["plant-agent-allows-few"], &[]), 0);
    }

    a_boot_loader_in_a_folder_of_its_own => {
        let world = World::new();
        let taken = world.import("app", &["plant-efi-without-fallback"], &[]);
        says(&said(&taken, 0), &["clones boot \\EFI\\debian\\shimx64.efi by an entry of their NVRAM", "can be run"]);
    }

    one_machine_id_in_two_roles_is_made_two_or_told => {
        let world = World::new();
        let one = world.import_domain("one", "plant-same-machine-id-a", "52:54:00:15:00:0a");
        let two = world.import_domain("two", "plant-same-machine-id-b", "52:54:00:15:00:0b");
        world.lab(&[&one, &two], &["one", "two"], "addresses = \"keep\"", &step("two", "cat /etc/machine-id", ""));
        for role in ["one", "two"] {
            said(&world.patchgate(&["image", "probe", &format!("debian-12+{role}")]), 0);
        }
        says(&text(&world.patchgate(&["check"])), &["machine id"]);
    }

    a_guest_without_an_agent_gets_one => {
        let world = World::new();
        let without = world.import("app", &["no-agent"], &["--os", "debian-12"]);
        says(&text(&without), &["its screen: ", "apt-get install qemu-guest-agent", "--prepare"]);
        let with = world.import("app", &["no-agent"], &["--os", "debian-12", "--prepare"]);
        says(&said(&with, 0), &["can be run"]);
        let ran = World::new().import("app", &["no-agent-ran"], &["--os", "debian-12", "--prepare"]);
        says(&text(&ran), &["is not made to begin anew"]);
    }

    one_disk_in_each_format_boots => {
        let (content, folder) = (disks().join("uefi-grub.raw"), World::new());
        let mut digests = Vec::new();
        for (format, options, name) in [
            ("raw", "", "disk.raw"),
            ("qcow2", "", "disk.qcow2"),
            ("vmdk", "subformat=monolithicSparse", "sparse.vmdk"),
            ("vmdk", "subformat=streamOptimized", "stream.vmdk"),
            ("vhdx", "", "disk.vhdx"),
            ("vpc", "force_size=on", "disk.vhd"),
            ("vdi", "", "disk.vdi"),
        ] {
            let made = folder.0.path().join(name);
            convert(&content, format, options, &made);
            let world = World::new();
            let taken = world.patchgate(&["image", "import", made.to_str().expect("a path"), "--role", "app"]);
            let said = said(&taken, 0);
            says(&said, &["can be run"]);
            let digest = said.lines().find(|line| line.starts_with("content of disk 1: ")).expect("a digest");
            digests.push(digest.to_owned());
            fs::remove_file(&made).expect("removed");
        }
        digests.dedup();
        assert_eq!(digests.len(), 1, "{digests:?}");
    }
}

fn convert(from: &Path, format: &str, options: &str, to: &Path) {
    let mut command = Command::new("qemu-img");
    command.args(["convert", "-f", "raw", "-O", format]);
    if !options.is_empty() {
        command.args(["-o", options]);
    }
    let output = command.arg(from).arg(to).output().expect("qemu-img");
    assert!(output.status.success(), "{}", text(&output));
}
