//! dnf 5's answers, recorded from our script on the real dnf5 5.4 of Debian's unstable, in a root with the lab's tricky packages.

use patchgate::guest::dnf::DNF5;
use patchgate::guest::families::Families;
use patchgate::guest::family::Updates;
use patchgate::model::advisory::{Kind, Severity};
use patchgate::model::outcome::Cause;
use patchgate::model::update::{Update, UpdateSet, Why};
use proptest::prelude::*;

use crate::testkit::parts::find;

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../transcripts/dnf5/", $name, ".txt"))
    };
}

#[test]
fn what_is_pending_is_the_whole_transaction_as_with_dnf_4() {
    let all = DNF5.parse_pending(recorded!("pending")).expect("an answer");
    let other = patchgate::guest::dnf::DNF4
        .parse_pending(include_str!("../transcripts/dnf4/pending.txt"))
        .expect("an answer");
    assert_eq!(
        UpdateSet::pin(all.updates.clone()).digest,
        UpdateSet::pin(other.updates).digest
    );
    let names = |broken: &[(Update, String)]| -> Vec<String> {
        broken.iter().map(|(update, _)| update.name.clone()).collect()
    };
    assert_eq!(names(&all.broken), names(&other.broken));
    assert!(all.broken[0].1.contains("not-in-any-repository") && all.broken[1].1.contains("cache < 2"));
    assert!(all.silent.is_empty() && all.lists.is_some());
    let purpose = find(&all.updates, "till").purpose.expect("a purpose");
    assert_eq!(
        (purpose.kind, purpose.severity),
        (Kind::Security, Some(Severity::Important))
    );
}

#[test]
fn holds_and_vendors_are_told() {
    let all = DNF5.parse_pending(recorded!("pending-held")).expect("an answer");
    let kept: Vec<(&str, Why)> = all.kept.iter().map(|one| (&*one.name, one.why)).collect();
    assert_eq!(kept, [("held", Why::Held), ("tilde", Why::Held)]);
    assert!(
        all.updates
            .iter()
            .all(|update| update.name != "held" && update.name != "tilde")
    );
    assert_eq!(all.silent, ["vendor"]);
    assert_eq!(
        find(&all.updates, "till").change.as_deref(),
        Some("vendor Lab -> Elsewhere")
    );
}

#[test]
fn advisories_are_closed_and_open() {
    let set = UpdateSet::pin(DNF5.parse_updates(recorded!("resolve")).expect("updates"));
    let names: Vec<&str> = set.updates.iter().map(|update| &*update.name).collect();
    assert_eq!(names, ["newname", "newname-common", "oldname", "till"]);
    let all = DNF5
        .parse_advisories(recorded!("advisories"), &set)
        .expect("advisories");
    let of = |id: &str| all.iter().find(|one| one.id == id).expect(id);
    assert!(of("LAB-SA-2026:001").is_closed() && of("LAB-SA-2026:001").cves.len() == 2);
    assert_eq!(of("LAB-SA-2026:002").open_in, ["ledger"]);
    assert_eq!(of("LAB-SA-2026:005").open_in, ["tilde"]);
}

#[test]
fn refusals_have_their_cause_and_name_the_culprit() {
    for (output, cause, words) in [
        (
            recorded!("fetch-gone"),
            Cause::MirrorUnreachable,
            "tilde-2.1-1.noarch is withdrawn",
        ),
        (
            recorded!("fetch-withdrawn"),
            Cause::MirrorUnreachable,
            "withdrawn-1.1-1.noarch",
        ),
        (
            recorded!("fetch-changed"),
            Cause::MirrorUnreachable,
            "changed-1.1-1.noarch",
        ),
        (
            recorded!("fetch-held"),
            Cause::ScenarioInvalid,
            "held-1.1-1.noarch was put on hold",
        ),
        (
            recorded!("fetch-more"),
            Cause::ResolveFailed,
            "helper-1.0-1.noarch",
        ),
        (
            recorded!("fetch-key"),
            Cause::ResolveFailed,
            "key d374201188f9a0d0",
        ),
        (recorded!("fetch-key"), Cause::ResolveFailed, "lab.key"),
        (
            recorded!("fetch-unsigned"),
            Cause::ResolveFailed,
            "ledger-1:2.3-1.noarch",
        ),
        (
            recorded!("resolve-broken"),
            Cause::ResolveFailed,
            "not-in-any-repository",
        ),
        (
            recorded!("apply-clash-a"),
            Cause::UpdateFailed,
            "/opt/lab/shared.txt",
        ),
        (recorded!("apply-post-fails"), Cause::UpdateFailed, "post-fails"),
        (recorded!("apply-pre-fails"), Cause::UpdateFailed, "pre-fails"),
        (recorded!("apply-preun-fails"), Cause::UpdateFailed, "preun-fails"),
    ] {
        let (told, message) = DNF5.blame(output).expect(output);
        assert_eq!(told, cause, "{message}");
        assert!(message.contains(words), "{message}");
        assert!(DNF5.parse_updates(output).is_err(), "{output}");
    }
    for whole in [recorded!("apply-whole"), recorded!("apply-post-talks")] {
        assert_eq!(DNF5.blame(whole), None);
    }
    assert_eq!(DNF5.refresh_errors(recorded!("refresh-unread")).len(), 1);
    assert!(DNF5.refresh_errors(recorded!("refresh")).is_empty());
}

#[test]
fn a_table_that_is_not_whole_is_refused() {
    let whole = recorded!("resolve");
    let cut = whole.replacen("Item", "Unread\ta row\nItem", 1);
    assert!(
        DNF5.parse_updates(&cut)
            .expect_err("refused")
            .to_string()
            .contains("a row")
    );
    assert!(
        DNF5.parse_pending("Json\t[{\nEnd\n")
            .expect_err("refused")
            .to_string()
            .contains("advisories")
    );
}

#[test]
fn newer_fedoras_have_it() {
    let manager = |os: &str| {
        Families::default()
            .of(os)
            .map(|family| family.updates.words().manager)
    };
    assert_eq!(
        (manager("fedora-40"), manager("fedora-41"), manager("fedora-42")),
        (Some("dnf"), Some("dnf5"), Some("dnf5"))
    );
}

proptest! {
    #[test]
    fn no_output_makes_a_parser_panic(at in 0usize..40000, junk in "\\PC{0,12}", text: String) {
        for whole in [recorded!("pending"), recorded!("advisories")] {
            let at = (0..=at.min(whole.len())).rev().find(|&at| whole.is_char_boundary(at)).unwrap_or(0);
            let output = format!("{}{junk}{}", &whole[..at], &whole[at..]);
            let _ = DNF5.parse_pending(&output);
            let _ = DNF5.parse_advisories(&output, &UpdateSet::default());
        }
        let _ = DNF5.parse_pending(&format!("Json\t{text}\nEnd\n"));
    }
}
