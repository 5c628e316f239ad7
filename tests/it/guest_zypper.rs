//! What is made of what zypper 1.14.42 printed, in tests/transcripts/zypper: each of our own scripts over a root that has the
//! packages of a repository full of traps.

use std::path::Path;
use std::time::Duration;

use patchgate::guest::answer::Pending;
use patchgate::guest::families::Families;
use patchgate::guest::family::Updates;
use patchgate::guest::zypper::Zypper;
use patchgate::model::advisory::{Kind, Severity};
use patchgate::model::outcome::Cause;
use patchgate::model::update::{Update, UpdateSet, Why};
use proptest::prelude::*;

use crate::testkit::parts::find;

fn transcript(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/zypper");
    std::fs::read_to_string(path.join(name).with_extension("txt")).expect(name)
}

fn pending(name: &str) -> Pending {
    Zypper.parse_pending(&transcript(name)).expect(name)
}

/// What an answer that is none is refused with.
fn refusal(output: &str) -> String {
    Zypper
        .parse_pending(output)
        .map(|_| ())
        .expect_err("no answer")
        .to_string()
}

/// Each as `name from -> to`.
fn words(updates: &[Update]) -> Vec<String> {
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "-".to_owned());
    let mut words: Vec<String> = updates
        .iter()
        .map(|update| {
            format!(
                "{} {} -> {}",
                update.name,
                version(&update.from),
                version(&update.to)
            )
        })
        .collect();
    words.sort();
    words
}

fn blamed(name: &str) -> (Cause, String) {
    Zypper.blame(&transcript(name)).expect(name)
}

#[test]
fn a_full_update_is_a_resolved_transaction_with_all_that_comes_and_goes() {
    let pending = pending("pending");
    assert_eq!(pending.updates.len(), 29);
    let words = words(&pending.updates);
    for one in [
        // An epoch is part of a version, and a version may have `~` and `^`.
        "ledger 2.4-1 -> 1:2.3-1",
        "tilde 2.0~rc1-1 -> 2.0-1",
        "caret 1.0-1 -> 1.0^20260101git-1",
        "0install.lab_x 1.0-1 -> 1.1-1",
        "gtk+extra++ 1.0-1 -> 1.1-1",
        // The one that would be taken, of two that are newer.
        "till 1.0-1 -> 1.2-1",
        // Two replace one, and a weak dependency comes along.
        "oldname 1.0-1 -> -",
        "newname - -> 2.0-1",
        "newname-common - -> 2.0-1",
        "helper - -> 1.0-1",
        // Kernels stand side by side.
        "kernel-lab-6.1.0-4 - -> 6.1.0-4",
    ] {
        assert!(words.iter().any(|word| word == one), "{one} in {words:?}");
    }
    let kernel = find(&pending.updates, "kernel-lab-6.1.0-4");
    assert!(kernel.kernel && kernel.arch == "noarch" && kernel.change.is_none());
    for update in pending.updates.iter().filter(|update| update.to.is_some()) {
        assert_eq!(update.origin, "updates", "{}", update.name);
    }
    assert_eq!(pending.silent, Vec::<String>::new());
}

#[test]
fn held_is_told_from_broken_and_each_with_its_reason() {
    let pending = pending("pending");
    let kept: Vec<_> = pending
        .kept
        .iter()
        .map(|one| (one.name.as_str(), one.to.as_deref(), one.why))
        .collect();
    assert_eq!(kept, [("held", Some("1.1-1"), Why::Held)]);
    let broken: Vec<_> = pending
        .broken
        .iter()
        .map(|(update, why)| (update.name.as_str(), update.to.as_deref(), why.as_str()))
        .collect();
    assert_eq!(
        broken,
        [
            (
                "needs-missing",
                Some("1.1-1"),
                "nothing provides not-in-any-repository >= 2 needed by needs-missing-1.1-1.noarch"
            ),
            (
                "web",
                Some("2.0-1"),
                "web-2.0-1.noarch conflicts with cache < 2 provided by cache-1.0-1.noarch"
            ),
        ]
    );
}

#[test]
fn what_updates_are_for_comes_from_all_patches_blocked_ones_too() {
    let pending = pending("pending");
    let purpose = |name: &str| find(&pending.updates, name).purpose;
    let is = |name: &str| purpose(name).map(|purpose| (purpose.kind, purpose.severity));
    assert_eq!(is("till"), Some((Kind::Security, Some(Severity::Important))));
    assert_eq!(is("ledger"), Some((Kind::Security, Some(Severity::Critical))));
    assert_eq!(is("gtk+extra++"), Some((Kind::Security, None)));
    assert_eq!(
        is("kernel-lab-6.1.0-4"),
        Some((Kind::Security, Some(Severity::Important)))
    );
    assert_eq!(is("conf"), Some((Kind::Bugfix, None)));
    // Its patch names a version that no source has.
    assert_eq!(is("tilde"), None);
    assert_eq!(is("till-docs"), None);
    let issued = purpose("till").and_then(|purpose| purpose.issued);
    assert_eq!(issued.map(|date| date.to_string()).as_deref(), Some("2026-10-02"));
    assert!(Zypper.is_security(find(&pending.updates, "till"), &[]));
    assert!(!Zypper.is_security(find(&pending.updates, "conf"), &[]));
    assert!(Zypper.is_security(find(&pending.updates, "conf"), &["upd*"]));
}

#[test]
fn a_choice_resolves_to_itself_and_its_weak_dependency() {
    let updates = Zypper.parse_updates(&transcript("resolve")).expect("updates");
    assert_eq!(
        words(&updates),
        [
            "helper - -> 1.0-1",
            "ledger 2.4-1 -> 1:2.3-1",
            "recommends 1.0-1 -> 1.1-1",
            "till 1.0-1 -> 1.2-1"
        ]
    );
    // The same of each as in the answer that it was chosen from.
    let all = pending("pending");
    for update in &updates {
        assert_eq!(update, find(&all.updates, &update.name));
    }
}

#[test]
fn advisories_are_closed_by_the_set_or_stay_open_beside_it() {
    let output = transcript("advisories");
    let all = pending("pending").updates;
    let set = UpdateSet::pin(
        all.into_iter()
            .filter(|update| ["till", "tilde", "kernel-lab-6.1.0-4"].contains(&update.name.as_str()))
            .collect(),
    );
    let advisories = Zypper.parse_advisories(&output, &set).expect("advisories");
    // One is listed as the next to be installed and six as blocked by it: all of them are needed.
    assert_eq!(advisories.len(), 7);
    let advisory = |id: &str| advisories.iter().find(|one| one.id == id).expect(id);
    let till = advisory("LAB-SA-2026:001");
    assert!(till.is_closed());
    assert_eq!(till.closed_by, ["till"]);
    assert_eq!(till.cves, ["CVE-2099-0001", "CVE-2099-0002"]);
    assert_eq!(till.title, "till: two holes closed");
    assert_eq!(advisory("LAB-SA-2026:006").closed_by, ["kernel-lab-6.1.0-4"]);
    assert_eq!(advisory("LAB-SA-2026:006").open_in, Vec::<String>::new());
    // Behind a lock, and of a version that no source has.
    assert_eq!(advisory("LAB-SA-2026:004").open_in, ["held"]);
    assert_eq!(advisory("LAB-SA-2026:005").open_in, ["tilde"]);
    assert_eq!(advisory("LAB-SA-2026:005").closed_by, Vec::<String>::new());
    assert_eq!(advisory("LAB-BA-2026:007").open_in, ["conf", "mod_lab-2-3"]);
    assert_eq!(advisory("LAB-SA-2026:003").severity, None);
}

#[test]
fn sources_without_advisories_are_named() {
    let pending = pending("no-advisories");
    assert_eq!(
        words(&pending.updates),
        ["conf 1.0-1 -> 1.1-1", "till 1.0-1 -> 1.2-1"]
    );
    assert_eq!(pending.silent, ["updates"]);
}

#[test]
fn another_vendor_is_kept_back_or_told() {
    let kept = pending("vendor-kept");
    assert_eq!(words(&kept.updates), ["till 1.0-1 -> 1.2-1"]);
    let one = kept.kept.first().expect("one");
    assert_eq!(
        (one.name.as_str(), one.to.as_deref(), one.why),
        ("till", Some("9.0-1"), Why::KeptBack)
    );
    let changes = pending("vendor-changes");
    let till = find(&changes.updates, "till");
    assert_eq!(till.to.as_deref(), Some("9.0-1"));
    assert_eq!(till.origin, "vendor");
    assert_eq!(till.change.as_deref(), Some("vendor Lab -> Elsewhere"));
}

#[test]
fn kernels_are_named_with_their_versions_and_those_that_go_as_well() {
    assert_eq!(
        words(&pending("kernels").updates),
        ["kernel-lab-6.1.0-4 - -> 6.1.0-4"]
    );
    // Where zypp.conf does not keep several.
    assert_eq!(
        words(&pending("kernels-in-place").updates),
        [
            "kernel-lab-6.1.0-1 6.1.0-1 -> -",
            "kernel-lab-6.1.0-2 6.1.0-2 -> -",
            "kernel-lab-6.1.0-3 6.1.0-3 -> -",
            "kernel-lab-6.1.0-4 - -> 6.1.0-4",
        ]
    );
}

#[test]
fn a_killed_transaction_leaves_nothing_pending_and_that_is_what_zypper_says() {
    assert_eq!(words(&pending("killed").updates), ["till 1.0-1 -> 1.2-1"]);
}

#[test]
fn an_answer_of_half_of_the_sources_or_of_none_is_no_answer() {
    for name in ["pending-one-gone", "pending-all-gone", "pending-no-repos"] {
        let (cause, words) = blamed(name);
        assert_eq!(cause, Cause::MirrorUnreachable, "{name}: {words}");
        Zypper.parse_pending(&transcript(name)).expect_err(name);
    }
    assert!(blamed("pending-one-gone").1.contains("Valid metadata not found"));
    // Well-formed, empty, and of no source: with the exit code of success too.
    let empty = transcript("no-advisories").replace("enabled=\"1\"", "enabled=\"0\"");
    assert!(refusal(&empty).contains("no repository is enabled"));
    let error = transcript("no-advisories").replacen(
        "<install-summary",
        "<message type=\"error\">Some of the repositories have not been refreshed because of an error.</message>\n \
         <install-summary",
        1,
    );
    assert!(refusal(&error).contains("have not been refreshed"));
    let skipped = transcript("no-advisories").replace("Part update 0", "Part update 106");
    assert!(refusal(&skipped).contains("exit code 106"));
    for name in ["refresh-one-gone", "refresh-all-gone"] {
        assert!(!Zypper.refresh_errors(&transcript(name)).is_empty(), "{name}");
    }
    assert!(blamed("refresh-no-repos").1.contains("no repository is enabled"));
}

#[test]
fn another_language_is_refused() {
    assert!(transcript("german").contains("kind=\"Paket\""));
    assert!(refusal(&transcript("german")).contains("`Paket` is no kind"));
}

#[test]
fn unknown_keys_are_named_by_their_fingerprints() {
    let (cause, words) = blamed("key-unknown");
    assert_eq!(cause, Cause::MirrorUnreachable);
    let fingerprint = transcript("key-unknown")
        .lines()
        .find_map(|line| {
            line.trim()
                .strip_prefix("Key Fingerprint:")
                .map(|rest| rest.trim().to_owned())
        })
        .expect("a fingerprint");
    assert!(
        words.contains(&fingerprint) && words.contains("Lab signed"),
        "{words}"
    );
    let (cause, words) = blamed("unsigned");
    assert_eq!(cause, Cause::MirrorUnreachable);
    assert!(words.contains("unsigned"), "{words}");
}

#[test]
fn each_end_of_a_transaction_is_told_with_its_culprit() {
    for (name, cause, has) in [
        (
            "post-fails",
            Cause::UpdateFailed,
            "%post(post-fails-1.1-1.noarch)",
        ),
        (
            "posttrans-fails",
            Cause::UpdateFailed,
            "posttrans-fails-1.1-1.noarch",
        ),
        ("preun-fails", Cause::UpdateFailed, "preun-fails-1.1-1.noarch"),
        ("pre-fails", Cause::UpdateFailed, "pre-fails-1.1-1.noarch"),
        (
            "clash-a",
            Cause::UpdateFailed,
            "clash-a and clash-b both have /opt/lab/shared.txt",
        ),
        (
            "withdrawn",
            Cause::MirrorUnreachable,
            "withdrawn-1.1-1.noarch.rpm",
        ),
        ("changed", Cause::MirrorUnreachable, "changed-1.1-1.noarch.rpm"),
        (
            "apply-not-fetched",
            Cause::MirrorUnreachable,
            "conf-1.1-1.noarch.rpm",
        ),
        ("exact-gone", Cause::ResolveFailed, "till.noarch=1.3-1"),
        ("epoch-left-out", Cause::ResolveFailed, "ledger.noarch=2.3-1"),
        (
            "needs-missing",
            Cause::ResolveFailed,
            "not-in-any-repository >= 2",
        ),
        ("held", Cause::ResolveFailed, "lock"),
        ("beside", Cause::ResolveFailed, "newname-common"),
        ("diskfull", Cause::GuestDisk, "disk is full"),
        ("locked", Cause::GuestBusy, "/usr/bin/zypper"),
    ] {
        let (of, words) = blamed(name);
        assert!(of == cause && words.contains(has), "{name}: {of:?} {words}");
    }
}

#[test]
fn answers_that_are_cut_or_odd_are_refused_with_the_line() {
    let whole = transcript("pending");
    for (output, has) in [
        (String::new(), "cut"),
        (whole.replace("\nEnd\n", "\n"), "cut"),
        (
            whole.replace("Part all 0", "warning: something\nPart all 0"),
            "`warning: something`",
        ),
        (whole.replace("name=\"till\"", "name=\"$(id)\""), "$(id)"),
        (
            whole.replace("edition=\"1.2-1\"", "edition=\"1.2 --root /\""),
            "names no package",
        ),
        (whole.replace("type=\"package\"", "type=\"Paket\""), "Paket"),
        (whole.replace("to-upgrade>", "to-surprise>"), "to-surprise"),
        (
            whole
                .replace("Below conf", "Beside conf")
                .replace("Below mod", "Beside mod"),
            "LAB-BA-2026:007",
        ),
        (whole.replace("Part patches 0", "Part patchen 0"), "patches"),
        (whole.replace("</stream>", ""), "no XML"),
    ] {
        let error = refusal(&output);
        assert!(error.contains(has), "{has}: {error}");
    }
}

#[test]
fn five_thousand_updates_are_read_and_as_many_left_out_of_question() {
    let whole = transcript("no-advisories");
    let solvable = " <solvable type=\"package\" name=\"till\"";
    let line = whole
        .lines()
        .find(|line| line.starts_with(solvable))
        .expect("till");
    let many: String = (0..5000)
        .map(|at| line.replace("\"till\"", &format!("\"bulk-{at:04}\"")) + "\n")
        .collect();
    let pending = Zypper
        .parse_pending(&whole.replacen(line, &format!("{many}{line}"), 1))
        .expect("updates");
    assert_eq!(pending.updates.len(), 5002);
    // What is left out and was not asked for its reason is broken, never forgotten.
    let update = "<update kind=\"package\" name=\"till\"";
    let left = whole.replacen(
        update,
        &format!(
            "<update kind=\"package\" name=\"left\" edition=\"2-1\" arch=\"noarch\" edition-old=\"1-1\"><source \
             alias=\"updates\"/></update>{update}"
        ),
        1,
    );
    let pending = Zypper.parse_pending(&left).expect("updates");
    let (update, why) = pending.broken.first().expect("one");
    assert!(update.name == "left" && why.contains("leaves it out"), "{why}");
}

#[test]
fn commands_have_plain_words_and_the_family_is_registered() {
    for command in [
        Zypper.pending(Duration::from_secs(60)),
        Zypper.refresh(Some("http://10.0.0.1:3128/"), Duration::from_secs(60)),
        Zypper.reboot_hints(),
    ] {
        for (name, value) in [("LC_ALL", "C"), ("LANGUAGE", ""), ("HOME", "/root")] {
            let is = command.env.iter().any(|(known, is)| known == name && is == value);
            assert!(is, "{name} of {}", command.what);
        }
    }
    let families = Families::default();
    for os in ["sles-15.6", "opensuse-leap-15.6", "leap-16.0"] {
        assert_eq!(families.of(os).map(|family| family.name), Some("SUSE"), "{os}");
    }
    assert!(families.of("opensuse-tumbleweed").is_none());
}

/// Installs one package with a stand-in for zypper, which ends with these codes in turn once it is no dry run; the exit code, how
/// often it was called so, and the error output.
fn installed_with(ends: &str) -> (Option<i32>, usize, String) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("ends"), ends).expect("written");
    std::fs::write(
        at("zypper"),
        "#!/bin/bash\ncase $* in *--dry-run*) printf '<to-upgrade>\\n<solvable type=\"package\" name=\"till\" \
         edition=\"1.2-1\" arch=\"noarch\" edition-old=\"1.0-1\" arch-old=\"noarch\"/>\\n</to-upgrade>\\n'; exit 0 ;; \
         esac\ncd \"${0%/*}\"; end=$(head -n 1 ends); sed -i 1d ends; echo \"$*\" >> calls; exit \"$end\"\n",
    )
    .expect("written");
    std::fs::set_permissions(at("zypper"), std::fs::Permissions::from_mode(0o755)).expect("a program");
    let set = UpdateSet::pin(vec![Update {
        name: "till".to_owned(),
        arch: "noarch".to_owned(),
        from: Some("1.0-1".to_owned()),
        to: Some("1.2-1".to_owned()),
        ..Update::default()
    }]);
    let command = Zypper.apply(&set, Duration::from_secs(60));
    let output = std::process::Command::new(&command.argv[0])
        .args(&command.argv[1..])
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .output()
        .expect("it runs");
    let calls = std::fs::read_to_string(at("calls")).unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), calls.lines().count(), errors)
}

#[test]
fn another_round_is_gone_when_zypper_asks_for_it_and_not_for_ever() {
    let (exit, calls, _) = installed_with("103\n0\n");
    assert_eq!((exit, calls), (Some(0), 2));
    let (exit, calls, errors) = installed_with("103\n103\n103\n0\n");
    assert_eq!((exit, calls), (Some(103), 3));
    let (cause, words) = Zypper.blame(&errors).expect("a cause");
    assert!(
        cause == Cause::ResolveFailed && words.contains("another round"),
        "{words}"
    );
    let (exit, calls, errors) = installed_with("106\n");
    assert_eq!((exit, calls), (Some(106), 1));
    assert_eq!(
        Zypper.blame(&errors).map(|(cause, _)| cause),
        Some(Cause::MirrorUnreachable)
    );
}

proptest! {
    #[test]
    fn no_answer_makes_a_parser_panic(
        name in prop::sample::select(vec!["pending", "resolve", "advisories", "vendor-changes", "key-unknown", "clash-a", "locked"]),
        at in 0usize..1_000_000,
        cut in 0usize..200,
        put in "\\PC{0,20}|[<>/= \"'&;\n]{0,20}",
    ) {
        let whole = transcript(name);
        let mut at = at % whole.len();
        while !whole.is_char_boundary(at) { at -= 1; }
        let mut to = (at + cut).min(whole.len());
        while !whole.is_char_boundary(to) { to -= 1; }
        let to = to.max(at);
        let text = format!("{}{put}{}", &whole[..at], &whole[to..]);
        let _ = Zypper.parse_pending(&text);
        let _ = Zypper.parse_advisories(&text, &UpdateSet::default());
        let _ = Zypper.blame(&text);
        let _ = Zypper.refresh_errors(&text);
        let _ = Zypper.reboot_reason(&text, &UpdateSet::default());
    }
}
