//! Debian's parsers on recorded guest output, and the proof on made-up states.

use patchgate::guest::apt::Apt;
use patchgate::guest::debian::DEBIAN;
use patchgate::guest::family::Updates;
use patchgate::guest::linux::{action, boot};
use patchgate::model::policy::{KeptBack, UpdateMode, UpdatePolicy};
use patchgate::model::update::{Update, UpdateSet, Why};
use proptest::prelude::*;

use crate::guest_debian_proof::update;

const SIMULATION: &str = include_str!("../transcripts/debian-12/apt-get-s-dist-upgrade.txt");

fn policy(mode: UpdateMode) -> UpdatePolicy {
    UpdatePolicy {
        mode,
        listed: Vec::new(),
        exclude: Vec::new(),
        expect_updates: true,
        kept_back: KeptBack::Note,
        security_origins: Vec::new(),
    }
}

#[test]
fn a_recorded_simulation_is_read_whole() {
    let updates = Apt.parse_updates(SIMULATION).expect("readable");
    assert_eq!(updates.len(), 13);
    let find = |name: &str| updates.iter().find(|update| update.name == name).expect("listed");
    assert_eq!(
        *find("libssl3"),
        Update {
            name: "libssl3".into(),
            arch: "amd64".into(),
            from: Some("3.0.20-1~deb12u2".into()),
            to: Some("3.0.22-1~deb12u2".into()),
            origin: "Debian-Security:12/oldstable-security".into(),
            ..Update::default()
        }
    );
    let kernel = find("linux-image-6.1.0-56-cloud-amd64");
    assert_eq!((&kernel.from, kernel.kernel), (&None, true));
    assert_eq!(find("tzdata").arch, "all");
}

fn choose(pending: &[Update], policy: &UpdatePolicy) -> Vec<Update> {
    policy.choose(pending, |update| Apt.is_security(update, DEBIAN.security))
}

#[test]
fn removals_several_origins_and_foreign_architectures_are_read() {
    let text = "\
2 upgraded, 0 newly installed, 2 to remove and 0 not upgraded.
Remv old-daemon [1.2-3]
Purg older-daemon [1.2-3]
Inst libc6 [2.31-13+deb11u11] (2.31-13+deb11u14 Debian:11.11/oldoldstable, Debian-Security:11/oldoldstable-security [amd64]) []
Inst libfoo:i386 (1.0 Debian:12.15/oldstable [i386])
";
    let updates = Apt.parse_updates(text).expect("readable");
    assert_eq!((&updates[0].to, &updates[1].to), (&None, &None));
    let updates = &updates[1..];
    assert_eq!(
        updates[1].origin,
        "Debian:11.11/oldoldstable, Debian-Security:11/oldoldstable-security"
    );
    assert_eq!(updates[2].name, "libfoo:i386");
    let security = choose(updates, &policy(UpdateMode::Security));
    assert_eq!(
        security
            .iter()
            .map(|update| update.name.as_str())
            .collect::<Vec<_>>(),
        ["libc6"]
    );
    assert_eq!(choose(updates, &policy(UpdateMode::All)).len(), 3);
    let listed = UpdatePolicy {
        listed: vec!["libfoo".into(), "libc6".into()],
        exclude: vec!["libc6".into()],
        ..policy(UpdateMode::Listed)
    };
    assert_eq!(choose(updates, &listed).len(), 1);
}

#[test]
fn a_line_that_cannot_be_read_is_an_error_and_no_name_can_be_an_option() {
    for line in [
        "Inst",
        "Inst nginx",
        "Inst nginx [1 (2 Debian [amd64])",
        "Inst nginx [1] (2 Debian amd64)",
        "Inst -o=x [1] (2 Debian [amd64])",
        "Inst $(reboot) [1] (2 Debian [amd64])",
        "Remv nginx",
    ] {
        let text = format!("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n{line}\n");
        match Apt.parse_updates(&text) {
            Err(error) => assert!(error.to_string().contains("cannot be read"), "{error}"),
            Ok(updates) => assert!(updates.is_empty() && line == "Inst", "{line}: {updates:?}"),
        }
    }
}

#[test]
fn a_label_with_brackets_is_an_origin_like_any_other() {
    // From a public report: labels of third parties have brackets. No summary, so every `Inst` must have its `Conf`.
    let text = "\
Inst shop-runtime [8.2.20-1] (8.2.24-1 Shop packages (8.1, 8.2) for Debian:12/bookworm [amd64]) []
Inst libssl3 [3.0.15-1~deb12u1] (3.0.17-1~deb12u2 Odd [x] label:12/stable-security [amd64]) [openssl:amd64 on libssl3:amd64]
Conf shop-runtime (8.2.24-1 Shop packages (8.1, 8.2) for Debian:12/bookworm [amd64])
Conf libssl3 (3.0.17-1~deb12u2 Odd [x] label:12/stable-security [amd64])
";
    let updates = Apt.parse_updates(text).expect("readable");
    assert_eq!(
        updates[0].origin,
        "Shop packages (8.1, 8.2) for Debian:12/bookworm"
    );
    assert_eq!(
        (updates[0].to.as_deref(), updates[0].arch.as_str()),
        (Some("8.2.24-1"), "amd64")
    );
    assert_eq!(updates[1].origin, "Odd [x] label:12/stable-security");
}

#[test]
fn a_simulation_that_was_cut_is_no_answer() {
    Apt.parse_updates(SIMULATION).expect("whole");
    // Up to the end of the first line that an installation is configured in, nothing but the whole will do.
    let whole = SIMULATION.find("Conf ").expect("a Conf line");
    for (cut, _) in SIMULATION.match_indices('\n').filter(|(cut, _)| cut + 1 < whole) {
        let error = Apt.parse_updates(&SIMULATION[..=cut]).expect_err("cut");
        assert!(error.to_string().contains("cut"), "{cut}: {error}");
    }
    Apt.parse_updates("").expect_err("nothing");
    let nothing = "Calculating upgrade...\n0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n";
    assert_eq!(Apt.parse_updates(nothing), Ok(Vec::new()));
}

#[test]
fn what_a_full_upgrade_leaves_is_named_with_the_reason() {
    let text = "\
Reading package lists...
Calculating upgrade...
The following packages have been kept back:
  house-rules
  libfoo:i386 shop
The following upgrades have been deferred due to phasing:
  slow-one
1 upgraded, 0 newly installed, 0 to remove and 5 not upgraded.
Inst nginx [1] (2 Debian:12/stable [amd64])
Hold house-rules
Hold unrelated
List 1763632800 deb.debian.org_debian_dists_bookworm_InRelease
List 1763000000 security.debian.org_debian-security_dists_bookworm-security_InRelease
List nonsense x
";
    let pending = Apt.parse_pending(text).expect("readable");
    assert_eq!(pending.updates.len(), 1);
    let kept: Vec<(&str, Why)> = pending
        .kept
        .iter()
        .map(|one| (one.name.as_str(), one.why))
        .collect();
    assert_eq!(
        kept,
        [
            ("house-rules", Why::Held),
            ("libfoo:i386", Why::KeptBack),
            ("shop", Why::KeptBack),
            ("slow-one", Why::Phased),
            // It counts five.
            ("a package that apt does not name", Why::KeptBack),
        ]
    );
    assert_eq!(pending.lists.map(jiff::Timestamp::as_second), Some(1_763_000_000));
}

#[test]
fn a_package_is_excluded_in_every_architecture_or_in_one() {
    let mut updates = ["libfoo", "libfoo:i386"].map(|name| update(name, Some("1"), Some("2")));
    updates[1].arch = "i386".into();
    for (entry, left) in [
        ("libfoo", vec![]),
        ("libfoo:amd64", vec!["libfoo:i386"]),
        ("libfoo:i386", vec!["libfoo"]),
        ("libfo", vec!["libfoo", "libfoo:i386"]),
    ] {
        let policy = UpdatePolicy {
            exclude: vec![entry.into()],
            ..policy(UpdateMode::All)
        };
        let names: Vec<String> = choose(&updates, &policy)
            .into_iter()
            .map(|update| update.name)
            .collect();
        assert_eq!(names, left, "{entry}");
    }
}

#[test]
fn dpkg_states_tell_installed_from_unfinished() {
    let text =
        "a:amd64\t1\tii \nb:all\t2\trc \nc:amd64\t3\tiF \nd:amd64\t4\thi \ne:amd64\t5\tiU \nf:all\t6\tiiR\n";
    let states = Apt.parse_packages(text).expect("readable");
    assert_eq!(
        states.installed.keys().collect::<Vec<_>>(),
        ["a:amd64", "d:amd64"]
    );
    assert_eq!(
        states.unfinished.keys().collect::<Vec<_>>(),
        ["c:amd64", "e:amd64", "f:all"]
    );
    assert!(Apt.parse_packages("nonsense\n").is_err());
    assert!(Apt.parse_packages("").is_err());
}

#[test]
fn sources_that_cannot_be_read_are_seen_even_when_apt_is_content() {
    let stderr =
        "W: Failed to fetch http://deb.debian.org/x  Could not resolve 'deb.debian.org'\nW: Some other\n";
    assert_eq!(Apt.refresh_errors(stderr).len(), 1);
    assert!(Apt.refresh_errors("N: a note\n").is_empty());
}

#[test]
fn reasons_for_a_reboot_are_named() {
    let of = |name| UpdateSet::pin(vec![update(name, Some("1"), Some("2"))]);
    let (none, libc) = (of("tzdata"), of("libc6"));
    let kernel = of("linux-image-6.1.0-18-cloud-amd64");
    for (output, set, reason) in [
        ("running 6.1\nnext 6.1\nend\n", &none, None),
        ("running 6.1\nend\n", &none, None),
        (
            "running 6.1\nnext 6.1\n",
            &none,
            Some("it cannot be told which replaced files are still in use"),
        ),
        ("end\n", &none, Some("it cannot be told which kernel is running")),
        ("", &none, Some("it cannot be told which kernel is running")),
        ("flag \nrunning 6.1\nend\n", &none, Some("/run/reboot-required: ")),
        ("flag\nrunning 6.1\nend\n", &none, Some("/run/reboot-required: ")),
        (
            "running 6.1\nnext 6.1\nend\n",
            &kernel,
            Some("a kernel was updated"),
        ),
        (
            "running 6.1\nend\n",
            &of("dbus-daemon"),
            Some("dbus-daemon was updated"),
        ),
        (
            "running 6.1\nend\n",
            &of("libssl3t64"),
            Some("libssl3t64 was updated"),
        ),
        (
            "running 6.1\nend\n",
            &of("initramfs-tools-core"),
            Some("initramfs-tools-core was updated"),
        ),
        (
            "running 6.1\nend\n",
            &of("grub-efi-amd64-signed"),
            Some("grub-efi-amd64-signed was updated"),
        ),
        (
            "running 6.1\nend\n",
            &of("shim-signed"),
            Some("shim-signed was updated"),
        ),
        (
            "running 6.1\nend\n",
            &of("zfs-dkms"),
            Some("zfs-dkms was updated"),
        ),
        (
            "running 6.1\nboot /boot/initrd.img-6.1\nend\n",
            &none,
            Some("/boot/initrd.img-6.1 is what the next boot loads, and was written in this one"),
        ),
        (
            "running 6.1\nread python3.11 /usr/lib/python3/dist-packages/x.py\nend\n",
            &none,
            Some("/usr/lib/python3/dist-packages/x.py was replaced and may be in use by python3.11"),
        ),
        (
            "running 6.1\nread it /usr/bin/agent\nend\n",
            &none,
            Some("/usr/bin/agent was replaced and may be in use"),
        ),
        (
            "running 6.1\nstale x /usr/lib/libxml2.so.2\nend\n",
            &none,
            Some("/usr/lib/libxml2.so.2 is replaced and still in use"),
        ),
        (
            "running 6.1\nstale - /usr/lib/locale/locale-archive\nend\n",
            &none,
            Some("/usr/lib/locale/locale-archive is replaced and still in use"),
        ),
        (
            "running 6.1\nstale - /var/lib/postgresql/16\nstale x /memfd:jit\nstale - /dev/zero\nstale - /[aio]\nend\n",
            &none,
            None,
        ),
        (
            "running 6.1\nstale x /var/lib/app/bin/app\nend\n",
            &none,
            Some("/var/lib/app/bin/app is replaced and still in use"),
        ),
        (
            "running 6.1\nnext 6.2\n",
            &none,
            Some("kernel 6.2 is installed, 6.1 is running"),
        ),
        (
            "flag dbus libc6\nrunning 6.1\n",
            &none,
            Some("/run/reboot-required: dbus libc6"),
        ),
        ("running 6.1\nnext 6.1\nend\n", &libc, Some("libc6 was updated")),
    ] {
        assert_eq!(Apt.reboot_reason(output, set).as_deref(), reason);
    }
}

proptest! {
    #[test]
    fn no_guest_output_makes_a_parser_panic(text: String) {
        let _ = Apt.parse_updates(&text);
        let _ = Apt.parse_updates(&format!("Inst {text}\nRemv {text}\n"));
        let _ = Apt.parse_packages(&text);
        let _ = Apt.reboot_reason(&text, &UpdateSet::pin(Vec::new()));
        let _ = boot::parse_boot_id(&text);
        let _ = action::service(&text);
        let _ = action::file(&text);
        let _ = Apt.parse_package(&text);
    }
}
