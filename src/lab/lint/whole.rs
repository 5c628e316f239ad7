//! Everything that is wrong with a lab, in order.

use std::collections::{BTreeMap, BTreeSet};

use crate::guest::families::Families;
use crate::input::finding::{Finding, Severity};
use crate::lab::file::Lab;
use crate::lab::lint::state::Lint;
use crate::lab::lint::{addresses, group, hosts, secret, sections};
use crate::lab::scenario::parse::ScenarioFile;

/// Everything that is wrong with a lab and its scenarios: the lab file's findings in its order, then the scenarios'.
/// `broken` names scenarios whose files are wrong, which is told elsewhere; `families` are those that can be run.
pub fn lint(
    lab: &Lab,
    scenarios: &[ScenarioFile],
    broken: &BTreeSet<String>,
    families: &Families,
) -> Vec<Finding> {
    let mut lint = Lint::new(lab, scenarios, broken, families);
    sections::lab(&mut lint);
    hosts::hosts(&mut lint);
    sections::roles(&mut lint);
    sections::images(&mut lint);
    secret::secrets(&mut lint);
    group::groups(&mut lint);
    addresses::addresses(&mut lint);
    // With errors about it would only be their echo.
    if tally(&lint.findings).0 == 0 {
        sections::unused(&mut lint);
    }
    sections::cells(&mut lint);
    let place = |finding: &Finding| {
        let place = finding.place.as_ref();
        let elsewhere = place.is_some_and(|place| place.source.path != lab.source.path);
        let file = place.map(|place| place.source.path.clone());
        (elsewhere, file, place.map(|place| place.span.start))
    };
    lint.findings.sort_by_key(place);
    lint.findings
}

/// How many findings are errors, and how many warnings.
pub fn tally(findings: &[Finding]) -> (usize, usize) {
    let counts = findings.iter().fold(BTreeMap::new(), |mut counts, finding| {
        *counts.entry(finding.severity).or_insert(0) += 1;
        counts
    });
    let of = |severity| counts.get(&severity).copied().unwrap_or(0);
    (of(Severity::Error), of(Severity::Warning))
}
