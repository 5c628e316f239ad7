//! Why a node's updates are made, in words: what a window closes, and what stays open.

use std::collections::BTreeSet;

use crate::input::words::first;
use crate::model::advisory::{Advisory, Kind, Severity};
use crate::model::update::{Unrehearsed, Why};
use crate::report::words::count;
use crate::verdict::NodeJudgement;

/// Advisories and CVEs that a line names.
const NAMED: usize = 12;

/// What is said of a node's set, a line each; nothing where its sources tell nothing.
pub(super) fn lines(node: &NodeJudgement) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(problem) = &node.advisories_unread {
        lines.push(format!("what its updates are for could not be read: {problem}"));
    }
    let updates = node.set.as_ref().map_or(0, |set| set.updates.len());
    lines.extend(told(&node.advisories, updates, &node.rest));
    lines
}

/// What advisories say of a set of so many updates, and of what is left out of it.
fn told(advisories: &[Advisory], updates: usize, rest: &[Unrehearsed]) -> Vec<String> {
    let mut lines = Vec::new();
    let closed = || advisories.iter().filter(|one| one.is_closed());
    if closed().next().is_some() {
        let told: BTreeSet<&str> = closed()
            .flat_map(|one| &one.closed_by)
            .map(String::as_str)
            .collect();
        let cves: BTreeSet<&str> = closed().flat_map(|one| &one.cves).map(String::as_str).collect();
        lines.push(format!(
            "closed by this window: {}, {}, told of {} of {}",
            count_kinds(closed()),
            count(cves.len(), "CVE"),
            told.len(),
            count(updates, "update")
        ));
        if !cves.is_empty() {
            lines.push(format!("closes {}", named(cves.into_iter().rev())));
        }
        let grave = closed().filter(|one| one.severity >= Some(Severity::Important));
        let grave: Vec<String> = grave.map(in_words).collect();
        if !grave.is_empty() {
            lines.push(format!(
                "important and above: {}",
                named(grave.iter().map(String::as_str))
            ));
        }
    }
    for one in advisories.iter().filter(|one| !one.open_in.is_empty()) {
        let why = one.open_in.iter().map(|package| {
            let left = rest.iter().find(|rest| rest.name == *package);
            match left.map(|rest| rest.why) {
                Some(Why::Held) => format!("because of the hold on {package}"),
                Some(why) => format!("{package} is {}", why.words()),
                None => format!("no source has what mends {package}"),
            }
        });
        lines.push(format!(
            "still open: {}: {}",
            in_words(one),
            why.collect::<Vec<_>>().join(", ")
        ));
    }
    lines
}

fn count_kinds<'a>(all: impl Iterator<Item = &'a Advisory> + Clone) -> String {
    let security = all.clone().filter(|one| one.kind == Kind::Security).count();
    let total = all.count();
    match total {
        1 => format!("1 advisory ({security} of security)"),
        _ => format!("{total} advisories ({security} of security)"),
    }
}

/// An advisory with its severity and its CVEs, short.
fn in_words(one: &Advisory) -> String {
    let mut more: Vec<String> = one.severity.iter().map(ToString::to_string).collect();
    if !one.cves.is_empty() {
        more.push(named(one.cves.iter().map(String::as_str)));
    }
    if more.is_empty() {
        one.id.clone()
    } else {
        format!("{} ({})", one.id, more.join(", "))
    }
}

fn named<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<String> = all.map(str::to_owned).collect();
    first(&all, NAMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_and_what_stays_open_is_said_with_its_reason() {
        let advisory = |id: &str, cves: &[&str], closed: &[&str], open: &[&str]| Advisory {
            id: id.to_owned(),
            kind: Kind::Security,
            severity: Severity::parse("Important"),
            title: String::new(),
            cves: cves.iter().map(|&cve| cve.to_owned()).collect(),
            closed_by: closed.iter().map(|&name| name.to_owned()).collect(),
            open_in: open.iter().map(|&name| name.to_owned()).collect(),
        };
        let rest = [Unrehearsed {
            name: "held".to_owned(),
            to: None,
            why: Why::Held,
        }];
        let advisories = [
            advisory("SA-1", &["CVE-2099-0001", "CVE-2099-0002"], &["till"], &[]),
            advisory("SA-2", &["CVE-2099-0001"], &["till"], &[]),
            advisory("SA-3", &[], &[], &["held"]),
            advisory("SA-4", &[], &[], &["gone"]),
        ];
        assert_eq!(
            told(&advisories, 2, &rest),
            [
                "closed by this window: 2 advisories (2 of security), 2 CVEs, told of 1 of 2 updates",
                "closes CVE-2099-0002, CVE-2099-0001",
                "important and above: SA-1 (important, CVE-2099-0001, CVE-2099-0002), SA-2 (important, CVE-2099-0001)",
                "still open: SA-3 (important): because of the hold on held",
                "still open: SA-4 (important): no source has what mends gone",
            ]
        );
        assert!(told(&[], 2, &rest).is_empty());
    }
}
