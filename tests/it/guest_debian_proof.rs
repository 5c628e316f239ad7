//! The proof that exactly the pinned set is installed, on made-up states of Debian's packages.

use patchgate::guest::apt::Apt;
use patchgate::guest::family::Updates;
use patchgate::model::update::{PackageStates, Update, UpdateSet};

fn states(packages: &[(&str, &str)]) -> PackageStates {
    PackageStates {
        installed: packages
            .iter()
            .map(|(name, version)| ((*name).into(), (*version).into()))
            .collect(),
        ..PackageStates::default()
    }
}

pub fn update(name: &str, from: Option<&str>, to: Option<&str>) -> Update {
    Update {
        name: name.into(),
        arch: "amd64".into(),
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
        origin: "o".into(),
        kernel: name.starts_with("linux-image"),
        ..Update::default()
    }
}

#[test]
fn the_proof_holds_only_for_exactly_the_set_in_another_boot() {
    let set = UpdateSet::pin(vec![
        update("a", Some("1"), Some("2")),
        update("gone", Some("1"), None),
    ]);
    let before = states(&[("a:amd64", "1"), ("b:all", "1"), ("gone:amd64", "1")]);
    let good = states(&[("a:amd64", "2"), ("b:all", "1")]);
    assert!(Apt.prove(&set, &before, &good, true, "6.1").holds());
    assert!(!Apt.prove(&set, &before, &good, false, "6.1").holds());
    for (after, says) in [
        (states(&[("a:amd64", "1"), ("b:all", "1")]), "a: is 1, pinned 2"),
        (states(&[("b:all", "1")]), "a: is absent, pinned 2"),
        (
            states(&[("a:amd64", "2"), ("b:all", "1"), ("gone:amd64", "1")]),
            "gone: is 1, pinned absent",
        ),
        (states(&[("a:amd64", "2"), ("b:all", "9")]), "b:all: 1 -> 9"),
        (states(&[("a:amd64", "2")]), "b:all: 1 -> absent"),
        (
            states(&[("a:amd64", "2"), ("b:all", "1"), ("c:all", "1")]),
            "c:all: new 1",
        ),
    ] {
        let proof = Apt.prove(&set, &before, &after, true, "6.1");
        assert!(!proof.holds(), "{says}");
        assert_eq!([proof.missing, proof.unexpected].concat(), [says]);
    }
    let mut half = good;
    half.unfinished.insert("a:amd64".into(), "iF".into());
    assert_eq!(
        Apt.prove(&set, &before, &half, true, "6.1").half_configured,
        ["a:amd64: dpkg state `iF`"]
    );
}

#[test]
fn a_proof_tells_architectures_apart() {
    let base = [
        ("dpkg:amd64", "1"),
        ("b:amd64", "1"),
        ("x:amd64", "1"),
        ("x:i386", "1"),
    ];
    let before = states(&base);
    let without = |gone: &[&str]| {
        let left: Vec<_> = base
            .into_iter()
            .filter(|(name, _)| !gone.contains(name))
            .collect();
        states(&left)
    };
    let remove = |name: &str| {
        UpdateSet::pin(vec![Update {
            arch: String::new(),
            ..update(name, Some("1"), None)
        }])
    };
    // apt names the system's own architecture by leaving it away, and each other.
    for (name, gone, problems) in [
        ("x", &["x:amd64"][..], &[][..]),
        ("x:i386", &["x:i386"], &[]),
        (
            "x",
            &["x:i386"],
            &["x: is 1, pinned absent", "x:i386: 1 -> absent"],
        ),
        ("x", &["x:amd64", "x:i386"], &["x:i386: 1 -> absent"]),
        ("x:i386", &[], &["x:i386: is 1, pinned absent"]),
        ("x:i386", &["x:i386", "x:amd64"], &["x:amd64: 1 -> absent"]),
    ] {
        let proof = Apt.prove(&remove(name), &before, &without(gone), true, "6.1");
        assert_eq!(
            [proof.missing, proof.unexpected].concat(),
            problems,
            "{name} {gone:?}"
        );
    }
    // One architecture of two is updated; the other is not its own to change.
    let set = UpdateSet::pin(vec![update("x", Some("1"), Some("2"))]);
    let after = states(&[
        ("dpkg:amd64", "1"),
        ("b:amd64", "1"),
        ("x:amd64", "2"),
        ("x:i386", "2"),
    ]);
    let proof = Apt.prove(&set, &before, &after, true, "6.1");
    assert_eq!(
        (proof.missing, proof.unexpected),
        (Vec::new(), vec!["x:i386: 1 -> 2".to_owned()])
    );
    // A package that is built for all from now on.
    let set = UpdateSet::pin(vec![Update {
        arch: "all".into(),
        ..update("b", Some("1"), Some("2"))
    }]);
    let after = states(&[
        ("dpkg:amd64", "1"),
        ("b:all", "2"),
        ("x:amd64", "1"),
        ("x:i386", "1"),
    ]);
    assert!(Apt.prove(&set, &before, &after, true, "6.1").holds());
}

#[test]
fn what_was_broken_before_the_updates_is_not_theirs() {
    let set = UpdateSet::pin(vec![update("a", Some("1"), Some("2"))]);
    let with = |a: &str, old: Option<&str>| {
        let mut states = states(&[("a:amd64", a)]);
        if let Some(state) = old {
            states.unfinished.insert("old:all".into(), state.into());
        }
        states
    };
    let before = with("1", Some("iF"));
    let holds = |after: &PackageStates| Apt.prove(&set, &before, after, true, "6.1").holds();
    assert!(holds(&with("2", Some("iF"))));
    assert!(!holds(&with("2", Some("iU"))), "in another way");
    assert!(
        !Apt.prove(&set, &with("1", None), &with("2", Some("iF")), true, "6.1")
            .holds()
    );
    // It is whole now.
    let mut repaired = with("2", None);
    repaired.installed.insert("old:all".into(), "1".into());
    assert!(holds(&repaired));
    // One of the set is the set's to finish.
    let mut pinned = with("1", None);
    let a = pinned.installed.remove("a:amd64");
    assert!(a.is_some());
    pinned.unfinished.insert("a:amd64".into(), "iF".into());
    assert!(!Apt.prove(&set, &pinned, &pinned, true, "6.1").holds());
}

#[test]
fn the_list_of_a_large_guest_is_not_cut() {
    let command = Apt.packages();
    // 12,000 packages of a desktop, at some 65 bytes.
    assert!(command.limit >= 12_000 * 65, "{}", command.limit);
    let limit = command.limit.to_string();
    assert!(
        command.argv.contains(&limit),
        "the guest cuts where the host does"
    );
}

#[test]
fn a_new_kernel_must_be_the_one_that_runs() {
    let set = UpdateSet::pin(vec![update(
        "linux-image-6.1.0-56-cloud-amd64",
        None,
        Some("6.1.192-2"),
    )]);
    let before = states(&[("a:all", "1")]);
    let after = states(&[
        ("a:all", "1"),
        ("linux-image-6.1.0-56-cloud-amd64:amd64", "6.1.192-2"),
    ]);
    assert!(
        Apt.prove(&set, &before, &after, true, "6.1.0-56-cloud-amd64")
            .holds()
    );
    let old = Apt.prove(&set, &before, &after, true, "6.1.0-50-cloud-amd64");
    assert_eq!(
        old.missing,
        ["kernel 6.1.0-56-cloud-amd64: installed, but 6.1.0-50-cloud-amd64 was booted"]
    );
}
