//! Ubuntu: what apt here says of archives that are made as Ubuntu's are, and what Ubuntu's own tools say beside it. Nothing
//! was recorded on a real Ubuntu: the latter is written after the sources of ubuntu-pro-client (apt-hook) and snap(8).

use std::fs::{self, File, FileTimes};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use patchgate::guest::answer::Pending;
use patchgate::guest::apt::{Apt, QUIET};
use patchgate::guest::command::GuestCommand;
use patchgate::guest::families::Families;
use patchgate::guest::family::Updates;
use patchgate::guest::ubuntu::UBUNTU;
use patchgate::input::hex;
use patchgate::model::update::{UpdateSet, Why};
use sha2::{Digest, Sha256};

use crate::testkit::standins::{program, write};

const LIMIT: Duration = Duration::from_secs(120);

/// Ids of machines whose turn an update of half of them is, and is not: apt's own draw.
const ITS_TURN: &str = "0123456789abcdef0123456789abcdef";
const NOT_YET: &str = "11111111111111111111111111111111";

/// A guest of which apt and its archives are real and all else is files of a folder.
struct Guest(tempfile::TempDir);

impl Guest {
    /// `libssl3` and `linux-base` are of security, the latter superseded; `slow` is for half of all machines, `tool` of a third
    /// party.
    fn new() -> Self {
        let guest = Self(tempfile::tempdir().expect("a folder"));
        let package = |name: &str, version: &str, more: &str| {
            format!(
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: x <x@example.org>\n{more}\
                 Filename: ./{name}.deb\nSize: 10\nSHA256: {}\nDescription: x\n\n",
                "0".repeat(64)
            )
        };
        let half = "Phased-Update-Percentage: 50\n";
        let updates = [
            package("libssl3", "3.0.2-2", ""),
            package("linux-base", "3", ""),
            package("slow", "2", half),
        ];
        let security = [package("libssl3", "3.0.2-2", ""), package("linux-base", "2", "")];
        guest.archive(
            "updates",
            "Ubuntu",
            "jammy-updates",
            "Version: 22.04\n",
            &updates.concat(),
        );
        guest.archive(
            "security",
            "Ubuntu",
            "jammy-security",
            "Version: 22.04\n",
            &security.concat(),
        );
        guest.archive(
            "third",
            "Shop, tools (8.1)",
            "jammy",
            "",
            &package("tool", "9", ""),
        );
        let installed = [
            ("libssl3", "3.0.2-1"),
            ("linux-base", "1"),
            ("slow", "1"),
            ("tool", "8"),
        ];
        let status = installed.map(|(name, version)| {
            format!(
                "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nMaintainer: x <x@example.org>\n\
                 Version: {version}\nDescription: x\n\n"
            )
        });
        write(&guest.at("dpkg/status"), &status.concat());
        let sources = ["updates", "security", "third"]
            .map(|name| format!("deb [trusted=yes] file:{} ./\n", guest.at(name).display()));
        write(&guest.at("sources.list"), &sources.concat());
        for folder in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(guest.at(folder)).expect("made");
        }
        let conf = format!(
            "Dir::State \"{0}\"; Dir::State::lists \"{0}/lists\"; Dir::State::status \"{0}/dpkg/status\"; Dir::Cache \"{0}\";\n\
             Dir::Etc::sourcelist \"{0}/sources.list\"; Dir::Etc::sourceparts \"{0}/none\"; Dir::Etc::parts \"{0}/none\";\n\
             Dir::Etc::preferencesparts \"{0}/none\"; Dir::Etc::machine-id \"{0}/machine-id\"; APT::Architecture \"amd64\";\n\
             APT::Sandbox::User \"root\"; APT::Architectures {{ \"amd64\"; }};\n",
            guest.0.path().display()
        );
        write(&guest.at("apt.conf"), &conf);
        program(
            &guest.at("bin/snap"),
            "printf '%s\\n' 'Name    Version   Rev   Tracking       Publisher   Notes' \
             'core22  20240111  1122  latest/stable  canonical✓  base'",
        );
        guest.is_machine(ITS_TURN, false);
        let update = Command::new("apt-get")
            .arg("update")
            .env("APT_CONFIG", guest.at("apt.conf"))
            .output()
            .expect("apt-get runs");
        assert!(
            update.status.success(),
            "{}",
            String::from_utf8_lossy(&update.stderr)
        );
        guest
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn archive(&self, name: &str, label: &str, suite: &str, more: &str, packages: &str) {
        write(&self.at(&format!("{name}/Packages")), packages);
        let release = format!(
            "Origin: {label}\nLabel: {label}\nSuite: {suite}\nCodename: jammy\n{more}Date: Thu, 20 Nov 2025 10:00:00 UTC\n\
             Architectures: amd64\nComponents: main\nSHA256:\n {} {} Packages\n",
            hex(&Sha256::digest(packages)),
            packages.len()
        );
        write(&self.at(&format!("{name}/Release")), &release);
    }

    /// Gives it an id, which was made in this boot or before it.
    fn is_machine(&self, id: &str, made_now: bool) {
        let path = self.at("machine-id");
        write(&path, &format!("{id}\n"));
        if !made_now {
            let old = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400));
            let file = File::options().write(true).open(&path).expect("it is there");
            file.set_times(old).expect("an old file");
        }
    }

    fn says(&self, command: &GuestCommand) -> String {
        let folder = self.0.path().display();
        let argv: Vec<String> = command
            .argv
            .iter()
            .map(|word| {
                let word = word.replace("/etc/machine-id", &format!("{folder}/machine-id"));
                word.replace("/run/patchgate/", &format!("{folder}/run/"))
            })
            .collect();
        let output = Command::new(&argv[0])
            .args(&argv[1..])
            .env_clear()
            .env("PATH", format!("{folder}/bin:/usr/bin:/bin"))
            .env("APT_CONFIG", self.at("apt.conf"))
            .envs(command.env.iter().map(|(name, value)| (name, value)))
            .output()
            .expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn pending(&self) -> Pending {
        let said = self.says(&Apt.pending(LIMIT));
        Apt.parse_pending(&said)
            .unwrap_or_else(|error| panic!("{error}: {said}"))
    }
}

/// What is left, with the version that it would get.
fn left(pending: &Pending) -> Vec<(&str, Option<&str>, Why)> {
    let left = pending.kept.iter();
    left.map(|one| (one.name.as_str(), one.to.as_deref(), one.why))
        .collect()
}

#[test]
fn an_update_for_some_machines_is_pending_where_it_is_the_turn_of_the_machine_that_a_clone_stands_for() {
    let guest = Guest::new();
    let snap = ("snap core22", Some("revision 1122"), Why::Unpinned);
    let waits = [("slow", Some("2"), Why::Phased), snap];
    let was = guest.at("run/machine-id");
    for (id, made_now, stands_for, is_pending) in [
        (ITS_TURN, false, None, true),
        (NOT_YET, false, None, false),
        // A clone was given another id than the machine's that it stands for.
        (NOT_YET, true, Some(ITS_TURN), true),
        (ITS_TURN, true, Some(NOT_YET), false),
        // An id that was made in the clone is no machine's.
        (ITS_TURN, true, None, false),
        (ITS_TURN, true, Some(""), false),
    ] {
        guest.is_machine(id, made_now);
        match stands_for {
            Some(id) => write(&was, id),
            None => drop(fs::remove_file(&was)),
        }
        let pending = guest.pending();
        let case = format!("{id} {made_now} {stands_for:?}");
        assert_eq!(
            pending.updates.iter().any(|update| update.name == "slow"),
            is_pending,
            "{case}"
        );
        let expected = if is_pending { &waits[1..] } else { &waits[..] };
        assert_eq!(left(&pending), expected, "{case}");
        assert_eq!(pending.updates.len(), 3 + usize::from(is_pending), "{case}");
    }
    // What the admin chose for the machine holds.
    let conf = fs::read_to_string(guest.at("apt.conf")).expect("its settings");
    write(
        &guest.at("apt.conf"),
        &format!("{conf}APT::Get::Always-Include-Phased-Updates \"true\";\n"),
    );
    assert_eq!(guest.pending().updates.len(), 4);
}

#[test]
fn security_is_what_the_origins_say_and_what_they_had_before() {
    let guest = Guest::new();
    let pending = guest.pending().updates;
    let others: Vec<_> = pending
        .iter()
        .filter(|update| !Apt.is_security(update, UBUNTU.security))
        .cloned()
        .collect();
    let names: Vec<&str> = others.iter().map(|update| update.name.as_str()).collect();
    assert_eq!(names, ["linux-base", "slow", "tool"]);
    let fixes = guest.says(&Apt.fixes(&others, LIMIT).expect("a command"));
    let found = |origins: &[&str]| Apt.parse_fixes(&fixes, origins).into_iter().collect::<Vec<_>>();
    assert_eq!(found(UBUNTU.security), ["linux-base"]);
    assert_eq!(found(&["Shop, tools*"]), ["tool"]);
    let tool = pending
        .iter()
        .find(|update| update.name == "tool")
        .expect("it is pending");
    assert_eq!(tool.origin, "Shop, tools (8.1):jammy");
    assert!(Apt.is_security(tool, &["Shop*:jammy"]));
}

#[test]
fn a_choice_is_resolved_by_the_same_turn() {
    let guest = Guest::new();
    guest.is_machine(NOT_YET, false);
    let pending = guest.pending().updates;
    let said = guest.says(&Apt.resolve(&pending[..1], LIMIT));
    assert_eq!(Apt.parse_updates(&said), Ok(pending[..1].to_vec()));
}

#[test]
fn what_is_for_subscribers_is_named_and_no_package_that_is_kept_back() {
    let text = "\
Reading package lists...
Calculating upgrade...
Get more security updates through Ubuntu Pro with 'esm-apps' enabled:
  libavcodec58 imagemagick
  libavutil56
Learn more about Ubuntu Pro at https://ubuntu.com/pro
The following upgrades have been deferred due to phasing:
  snapd held-one
The following packages have been kept back:
  cloud-init
The following packages will be upgraded:
  libc6
1 upgraded, 0 newly installed, 0 to remove and 4 not upgraded.
1 standard LTS security update
Inst libc6 [2.35-0ubuntu3.7] (2.35-0ubuntu3.8 Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security [amd64])
Conf libc6 (2.35-0ubuntu3.8 Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security [amd64])
Hold held-one
Snap core22 1122
Snap lxd
";
    let pending = Apt.parse_pending(text).expect("readable");
    assert_eq!(pending.updates.len(), 1);
    assert!(Apt.is_security(&pending.updates[0], UBUNTU.security));
    assert_eq!(
        left(&pending),
        [
            ("cloud-init", None, Why::KeptBack),
            ("held-one", None, Why::Held),
            ("imagemagick", None, Why::Unsubscribed),
            ("libavcodec58", None, Why::Unsubscribed),
            ("libavutil56", None, Why::Unsubscribed),
            ("snapd", None, Why::Phased),
            // It counts four, of which none is a subscriber's.
            ("a package that apt does not name", None, Why::KeptBack),
            ("snap core22", Some("revision 1122"), Why::Unpinned),
        ]
    );
    for heading in [
        "Get another security update through Ubuntu Pro with 'esm-apps' enabled:",
        "The following security update requires Ubuntu Pro with 'esm-infra' enabled:",
        "The following security updates require Ubuntu Pro with 'esm-infra' enabled:",
    ] {
        let text =
            format!("{heading}\n  one\n0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n");
        let pending = Apt.parse_pending(&text).expect("readable");
        assert_eq!(left(&pending), [("one", None, Why::Unsubscribed)], "{heading}");
    }
}

#[test]
fn its_labels_are_known_and_no_command_of_it_asks_or_leaves_the_release() {
    let families = Families::default();
    for os in UBUNTU.versions {
        assert_eq!(families.of(os).map(|family| family.name), Some("Ubuntu"), "{os}");
    }
    let set = UpdateSet::default();
    for command in [
        Apt.refresh(None, LIMIT),
        Apt.pending(LIMIT),
        Apt.resolve(&[], LIMIT),
        Apt.fetch(&set, None, LIMIT),
        Apt.apply(&set, LIMIT),
    ] {
        let has = |name: &str, value: &str| command.env.contains(&(name.to_owned(), value.to_owned()));
        assert!(has("NEEDRESTART_SUSPEND", "1") && has("DEBIAN_FRONTEND", "noninteractive"));
        assert!(
            !command.argv.concat().contains("do-release-upgrade"),
            "{}",
            command.what
        );
    }
}

#[test]
fn timers_of_apts_own_are_stopped_until_the_next_boot_and_masked_ones_left() {
    for (masked, calls) in [
        (
            &[][..],
            "mask --runtime apt-daily.timer apt-daily-upgrade.timer apt-daily.service\nstop apt-daily.timer apt-daily-upgrade.timer\n",
        ),
        (
            &["etc/systemd/system/apt-daily.timer"],
            "mask --runtime apt-daily-upgrade.timer apt-daily.service\nstop apt-daily.timer apt-daily-upgrade.timer\n",
        ),
        (
            &[
                "etc/systemd/system/apt-daily.timer",
                "etc/systemd/system/apt-daily-upgrade.timer",
                "run/systemd/system/apt-daily.service",
            ],
            "",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        // The fourth unit is not there at all.
        for unit in ["apt-daily.timer", "apt-daily-upgrade.timer", "apt-daily.service"] {
            write(&at(&format!("lib/systemd/system/{unit}")), "");
        }
        for link in masked {
            fs::create_dir_all(at(link).parent().expect("a folder")).expect("made");
            std::os::unix::fs::symlink("/dev/null", at(link)).expect("linked");
        }
        program(
            &at("bin/systemctl"),
            &format!("printf '%s\\n' \"$*\" >> {}", at("calls").display()),
        );
        let root = folder.path().display();
        let text = ["lib", "etc", "run"].iter().fold(QUIET.to_owned(), |text, part| {
            text.replace(&format!("\"/{part}/systemd"), &format!("\"{root}/{part}/systemd"))
        });
        let output = Command::new("bash")
            .args(["-ec", &format!("{text}\necho after")])
            .env("PATH", format!("{root}/bin:/usr/bin:/bin"))
            .output()
            .expect("it runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "after\n");
        assert_eq!(
            fs::read_to_string(at("calls")).unwrap_or_default(),
            calls,
            "{masked:?}"
        );
    }
}
