//! dnf's parsers on what our program answered from the real dnf 4.14, in a root with the lab's tricky packages.

use std::time::Duration;

use patchgate::guest::answer::Pending;
use patchgate::guest::dnf::DNF4;
use patchgate::guest::families::Families;
use patchgate::guest::family::Updates;
use patchgate::model::advisory::{Kind, Purpose, Severity};
use patchgate::model::outcome::Cause;
use patchgate::model::update::{PackageStates, Update, UpdateSet, Why};
use proptest::prelude::*;

use crate::testkit::parts::find;

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../transcripts/dnf4/", $name, ".txt"))
    };
}

fn pending(output: &str) -> Pending {
    DNF4.parse_pending(output).expect("an answer")
}

fn versions<'u>(updates: &'u [Update], name: &str) -> (Option<&'u str>, Option<&'u str>) {
    let update = find(updates, name);
    (update.from.as_deref(), update.to.as_deref())
}

#[test]
fn what_is_pending_is_the_whole_transaction() {
    let all = pending(recorded!("pending"));
    let of = |name| versions(&all.updates, name);
    assert_eq!(all.updates.len(), 31);
    // Epochs, tildes, carets, dashes; the newest version and not that which the advisory names.
    assert_eq!(of("ledger"), (Some("2.4-1"), Some("1:2.3-1")));
    assert_eq!(of("tilde"), (Some("2.0~rc1-1"), Some("2.0-1")));
    assert_eq!(of("caret"), (Some("1.0-1"), Some("1.0^20260101git-1")));
    assert_eq!(of("mod_lab-2-3"), (Some("1.0-1"), Some("1.0-2")));
    assert_eq!(of("till"), (Some("1.0-1"), Some("1.2-1")));
    // Obsoletes and weak dependencies; the kernel that comes, and the oldest that goes.
    assert_eq!(of("oldname"), (Some("1.0-1"), None));
    assert_eq!(of("newname"), (None, Some("2.0-1")));
    assert_eq!(of("helper"), (None, Some("1.0-1")));
    assert_eq!(of("kernel-lab-6.1.0-4"), (None, Some("6.1.0-4")));
    assert_eq!(of("kernel-lab-6.1.0-1"), (Some("6.1.0-1"), None));
    let kernels: Vec<&str> = all
        .updates
        .iter()
        .filter(|update| update.kernel)
        .map(|update| &*update.name)
        .collect();
    assert_eq!(kernels, ["kernel-lab-6.1.0-1", "kernel-lab-6.1.0-4"]);
    // The stream that the guest follows.
    assert_eq!(of("stockdb"), (Some("5.1-1.module_1"), Some("5.2-1.module_2")));
    assert!(all.silent.is_empty() && all.lists.is_some());
}

#[test]
fn advisories_say_what_an_update_is_for() {
    let all = pending(recorded!("pending")).updates;
    let purpose = |name| find(&all, name).purpose;
    let issued = Some(jiff::civil::date(2026, 10, 2));
    let of = |kind, severity| {
        Some(Purpose {
            kind,
            severity,
            issued,
        })
    };
    assert_eq!(purpose("till"), of(Kind::Security, Some(Severity::Important)));
    assert_eq!(purpose("ledger"), of(Kind::Security, Some(Severity::Critical)));
    assert_eq!(purpose("gtk+extra++"), of(Kind::Security, None));
    assert_eq!(
        purpose("kernel-lab-6.1.0-4"),
        of(Kind::Security, Some(Severity::Important))
    );
    assert_eq!(purpose("newname"), of(Kind::Enhancement, None));
    assert_eq!((purpose("till-docs"), purpose("tilde")), (None, None));
    assert!(DNF4.is_security(find(&all, "till"), &[]) && !DNF4.is_security(find(&all, "till-docs"), &[]));
    assert!(DNF4.is_security(find(&all, "till-docs"), &["updates"]));
}

#[test]
fn what_cannot_be_installed_has_its_reason() {
    let broken = pending(recorded!("pending")).broken;
    let reasons: Vec<(&str, &str)> = broken
        .iter()
        .map(|(update, why)| (&*update.name, &**why))
        .collect();
    assert_eq!(reasons.len(), 2);
    assert_eq!(reasons[0].0, "needs-missing");
    assert!(reasons[0].1.contains("not-in-any-repository"), "{}", reasons[0].1);
    assert_eq!(reasons[1].0, "web");
    assert!(
        reasons[1].1.contains("conflicts with cache < 2"),
        "{}",
        reasons[1].1
    );
    assert_eq!(broken[1].0.to.as_deref(), Some("2.0-1"));
}

#[test]
fn holds_excludes_streams_and_vendors_are_told() {
    let all = pending(recorded!("pending-held"));
    let kept: Vec<(&str, Option<&str>, Why)> = all
        .kept
        .iter()
        .map(|one| (&*one.name, one.to.as_deref(), one.why))
        .collect();
    assert_eq!(
        kept,
        [
            // Excluded for its repository, locked by versionlock, excluded altogether.
            ("caret", Some("1.0^20260101git-1"), Why::Held),
            ("held", Some("1.1-1"), Why::Held),
            ("tilde", Some("2.0-1"), Why::Held),
            ("stockdb", Some("7.0-1"), Why::Stream),
        ]
    );
    assert!(all.updates.iter().all(|update| update.name != "held"));
    let till = find(&all.updates, "till");
    assert_eq!(
        (till.origin.as_str(), till.change.as_deref()),
        ("vendor", Some("vendor Lab -> Elsewhere"))
    );
    assert_eq!(all.silent, ["vendor"]);
    let open = DNF4
        .parse_advisories(recorded!("advisories-held"), &UpdateSet::default())
        .expect("advisories");
    let held = open
        .iter()
        .find(|one| one.id == "LAB-SA-2026:004")
        .expect("it is told");
    assert_eq!(
        (held.open_in.clone(), held.is_closed()),
        (vec!["held".to_owned()], false)
    );
}

#[test]
fn sources_without_advisories_are_named() {
    assert_eq!(pending(recorded!("pending-silent")).silent, ["updates"]);
}

#[test]
fn a_choice_is_resolved_with_what_belongs_to_it() {
    let names = |output| -> Vec<String> {
        let updates = DNF4.parse_updates(output).expect("updates");
        updates.into_iter().map(|update| update.name).collect()
    };
    assert_eq!(names(recorded!("resolve")), ["ledger", "till"]);
    assert_eq!(
        names(recorded!("resolve-obsoletes")),
        ["newname", "newname-common", "oldname"]
    );
}

#[test]
fn advisories_are_closed_by_newer_versions_too_and_open_where_nothing_mends_them() {
    let all = DNF4
        .parse_advisories(recorded!("advisories"), &UpdateSet::default())
        .expect("advisories");
    let of = |id: &str| all.iter().find(|one| one.id == id).expect(id);
    let till = of("LAB-SA-2026:001");
    assert!(till.is_closed() && till.closed_by == ["till"]);
    assert_eq!(till.cves, ["CVE-2099-0001", "CVE-2099-0002"]);
    assert_eq!(of("LAB-SA-2026:003").severity, None);
    // A version that no source has.
    assert_eq!(of("LAB-SA-2026:005").open_in, ["tilde"]);
    assert!(!of("LAB-SA-2026:005").is_closed());
}

#[test]
fn refusals_have_their_cause_and_name_the_culprit() {
    for (output, cause, words) in [
        (
            recorded!("fetch-gone"),
            Cause::MirrorUnreachable,
            "till-1.3-1.noarch is withdrawn",
        ),
        (
            recorded!("fetch-withdrawn"),
            Cause::MirrorUnreachable,
            "withdrawn-1.1-1.noarch",
        ),
        (
            recorded!("fetch-withdrawn-http"),
            Cause::MirrorUnreachable,
            "withdrawn-1.1-1.noarch",
        ),
        (
            recorded!("fetch-changed"),
            Cause::MirrorUnreachable,
            "changed-1.1-1.noarch",
        ),
        (
            recorded!("fetch-changed-http"),
            Cause::MirrorUnreachable,
            "changed-1.1-1.noarch",
        ),
        (
            recorded!("fetch-held"),
            Cause::ScenarioInvalid,
            "held-1.1-1.noarch was put on hold",
        ),
        (recorded!("fetch-more"), Cause::ResolveFailed, "helper"),
        (
            recorded!("fetch-key"),
            Cause::ResolveFailed,
            "key d374201188f9a0d0, which the machine does not have, which may be in file:///srv/lab.key \
             (AF717909BE6EF98EAAE5A41DD374201188F9A0D0)",
        ),
        (recorded!("fetch-unsigned"), Cause::ResolveFailed, "is not signed"),
        (
            recorded!("resolve-broken"),
            Cause::ResolveFailed,
            "not-in-any-repository",
        ),
        (recorded!("pending-busy"), Cause::GuestBusy, "hold.py"),
        (
            recorded!("pending-no-source"),
            Cause::MirrorUnreachable,
            "no repository is enabled",
        ),
        (
            recorded!("apply-clash"),
            Cause::UpdateFailed,
            "/opt/lab/shared.txt",
        ),
        (recorded!("apply-post-fails"), Cause::UpdateFailed, "post-fails"),
        (recorded!("apply-post-asks"), Cause::UpdateFailed, "post-asks"),
        (recorded!("apply-pre-fails"), Cause::UpdateFailed, "pre-fails"),
        (recorded!("apply-preun-fails"), Cause::UpdateFailed, "preun-fails"),
        (recorded!("apply-disk"), Cause::GuestDisk, "3MB more space"),
        (
            "Refused\timage\tthe system is booted from an image (ostree or bootc)\n",
            Cause::ResolveFailed,
            "ostree",
        ),
    ] {
        let (told, message) = DNF4.blame(output).expect(output);
        assert_eq!(told, cause, "{message}");
        assert!(message.contains(words), "{message}");
        assert!(DNF4.parse_updates(output).is_err(), "{output}");
    }
}

#[test]
fn what_a_script_of_a_package_prints_is_no_answer() {
    assert!(recorded!("apply-post-fails").contains("| Complete!"));
    assert_eq!(DNF4.blame("End\n\n| Refused\tdisk\tno\n"), None);
    assert_eq!(DNF4.blame(recorded!("apply-whole")), None);
}

#[test]
fn a_source_that_was_not_read_is_told_though_it_may_be_skipped() {
    let errors = DNF4.refresh_errors(recorded!("refresh-unread"));
    assert!(
        errors.len() == 1 && errors[0].starts_with("gone: Failed to download"),
        "{errors:?}"
    );
    assert!(DNF4.refresh_errors(recorded!("refresh")).is_empty());
}

#[test]
fn what_is_no_answer_is_refused_with_its_line() {
    let item = "Item\ttill\tnoarch\t1.0-1\t1.2-1\tupdates\t\t\t\n";
    assert!(DNF4.parse_updates(&format!("{item}End\n")).is_ok());
    for (output, problem) in [
        (item.to_owned(), "cut"),
        (String::new(), "cut"),
        (format!("End\n{item}"), "follows its end"),
        ("Item\ttill\nEnd\n".into(), "has not the fields"),
        (
            format!("{}End\n", item.replace("till", "--setopt=x")),
            "is no update",
        ),
        (
            format!("{}End\n", item.replace("1.2-1", "1.2-$(id)")),
            "is no update",
        ),
        (format!("{}End\n", item.replace("1.2-1", "1.0-1")), "is no update"),
        (
            format!("{}End\n", item.replace("updates", "up dates")),
            "is no update",
        ),
        (
            "Last metadata expiration check: 0:00:01 ago\nEnd\n".into(),
            "is not understood",
        ),
        ("Held\tx\nEnd\n".into(), "three fields"),
        ("Closes\tLAB-1\ttill\nEnd\n".into(), "no part of it"),
    ] {
        let error = DNF4.parse_pending(&output).expect_err(&output).to_string();
        assert!(error.contains(problem), "{output}: {error}");
    }
}

#[test]
fn five_thousand_updates_are_read() {
    let line = |at| format!("Item\tbulk-{at}\tnoarch\t1.0-1\t1.1-1\tupdates\t\t\tsecurity/Low/2026-10-02\n");
    let lines: Vec<String> = (0..5000).map(line).collect();
    let text = lines.concat();
    assert!(text.len() < 1024 * 1024);
    assert_eq!(
        DNF4.parse_updates(&(text + "End\n")).expect("updates").len(),
        5000
    );
}

fn kernel(name: &str, evr: &str) -> Update {
    Update {
        name: format!("{name}-{evr}"),
        arch: "x86_64".into(),
        to: Some(evr.into()),
        origin: "baseos".into(),
        kernel: true,
        ..Update::default()
    }
}

#[test]
fn the_kernel_that_is_booted_must_be_the_sets() {
    let evr = "5.14.0-427.el9";
    let set = UpdateSet::pin(vec![
        kernel("kernel", evr),
        kernel("kernel-core", evr),
        kernel("kernel-modules", evr),
    ]);
    let states = PackageStates::default();
    let says = |running: &str| {
        let proof = DNF4.prove(&set, &states, &states, true, running);
        proof.missing.iter().any(|line| line.contains("was booted"))
    };
    assert!(says("5.14.0-362.el9.x86_64"));
    assert!(!says("5.14.0-427.el9.x86_64") && !says("5.14.0-427.el9.x86_64+rt"));
}

#[test]
fn what_speaks_for_a_reboot_is_told() {
    let none = UpdateSet::default();
    let one = |name: &str| {
        UpdateSet::pin(vec![Update {
            name: name.into(),
            arch: "x86_64".into(),
            from: Some("1-1".into()),
            to: Some("1-2".into()),
            origin: "baseos".into(),
            ..Update::default()
        }])
    };
    for (hints, set, reason) in [
        ("", &none, Some("it cannot be told which kernel is running")),
        ("running 5.14\nend\n", &none, None),
        (
            "running 5.14\n",
            &none,
            Some("it cannot be told which replaced files are still in use"),
        ),
        (
            "running 5.14\nnext 5.15\nend\n",
            &none,
            Some("kernel 5.15 is to be booted, 5.14 is running"),
        ),
        ("running 5.14\nend\n", &one("glibc"), Some("glibc was updated")),
        ("running 5.14\nend\n", &one("nginx"), None),
        (
            "running 5.14\nsuggested till LAB-SA-2026:001\nend\n",
            &none,
            Some("an advisory suggests it: till LAB-SA-2026:001"),
        ),
        (
            "running 5.14\nstale x /usr/lib64/libz.so.1\nend\n",
            &none,
            Some("/usr/lib64/libz.so.1 is replaced and still in use"),
        ),
    ] {
        assert_eq!(DNF4.reboot_reason(hints, set).as_deref(), reason, "{hints}");
    }
}

#[test]
fn each_distribution_has_its_family() {
    let families = Families::default();
    for os in [
        "rhel-8",
        "rhel-9.4",
        "rhel-10",
        "rocky-9",
        "alma-8.10",
        "oracle-9",
        "centos-stream-9",
        "amazon-2023",
        "fedora-40",
    ] {
        assert_eq!(
            families.of(os).map(|family| family.updates.words().manager),
            Some("dnf"),
            "{os}"
        );
    }
    for os in ["rhel-7", "centos-7", "amazon-2", "rockylinux", "fedora"] {
        assert!(families.of(os).is_none(), "{os}");
    }
}

#[test]
fn a_pinned_set_goes_in_by_standard_input_and_nothing_of_it_by_a_shell() {
    let updates = DNF4
        .parse_updates(recorded!("resolve-obsoletes"))
        .expect("updates");
    let apply = DNF4.apply(&UpdateSet::pin(updates), Duration::from_secs(100));
    let stdin = String::from_utf8(apply.stdin.clone().expect("a set")).expect("text");
    assert_eq!(
        stdin,
        "newname\tnoarch\t\t2.0-1\tupdates\nnewname-common\tnoarch\t\t2.0-1\tupdates\noldname\tnoarch\t1.0-1\t\t@System\n"
    );
    assert!(
        apply
            .argv
            .ends_with(&["apply".into(), String::new(), "80".into(), "/".into()]),
        "{:?}",
        apply.argv
    );
    assert!(
        apply.env.contains(&("LC_ALL".into(), "C".into()))
            && apply.env.contains(&("LANGUAGE".into(), String::new()))
    );
}

proptest! {
    #[test]
    fn no_output_makes_a_parser_panic(at in 0usize..4000, junk in "\\PC{0,12}", text: String) {
        let whole = recorded!("pending");
        let at = (0..=at.min(whole.len())).rev().find(|&at| whole.is_char_boundary(at)).unwrap_or(0);
        for output in [format!("{}{junk}{}", &whole[..at], &whole[at..]), text.clone(), format!("Item\t{text}\nBroken\t{text}\nEnd\n")] {
            let _ = DNF4.parse_pending(&output);
            let _ = DNF4.parse_advisories(&output, &UpdateSet::default());
            let _ = DNF4.blame(&output);
            let _ = DNF4.blame(&format!("Refused\t{output}"));
            let _ = DNF4.refresh_errors(&output);
            let _ = DNF4.reboot_reason(&output, &UpdateSet::default());
        }
    }
}
