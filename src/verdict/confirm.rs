//! Whether a fresh pair of arms shows again what would close the gate. Pure.
//!
//! What is seen once, in one pair of arms, may be chance: a time-out under load, a fault of the host. It closes the gate when
//! as many fresh pairs as the plan asks for show the same. A fresh pair opens nothing: a cell of which anything had to be
//! confirmed has not passed.
#![warn(clippy::wildcard_enum_match_arm)]

use std::collections::BTreeMap;

use crate::model::drift::Effect;
use crate::model::observation::Class;
use crate::model::policy::Confirm;
use crate::verdict::blame;
use crate::verdict::model::{CellJudgement, NodeState, Verdict};
use crate::verdict::suspect::{Closing, Standing, Suspect};

/// What was seen in one pair of arms that would close the gate, in words, and whether one sight can be proof.
fn sights(cell: &CellJudgement) -> BTreeMap<Closing, (String, bool)> {
    let mut sights = BTreeMap::new();
    if !cell.required {
        return sights;
    }
    for scenario in cell.scenarios.iter().filter(|scenario| scenario.required) {
        match scenario.verdict {
            Verdict::Regressed => {
                let what = Closing::Scenario {
                    name: scenario.name.clone(),
                };
                sights.insert(what, (scenario.reason.clone(), true));
            }
            Verdict::Pass
            | Verdict::Fixed
            | Verdict::AlreadyBroken
            | Verdict::Flaky
            | Verdict::Sporadic
            | Verdict::Inconclusive(_)
            | Verdict::NotRun => {}
        }
    }
    for (arm, fault) in &cell.faults {
        if let Some(what) = cell.blamed(*arm, fault) {
            let words = format!("{}, {}: {}", fault.stage, fault.cause.words(), fault.message);
            sights.insert(what, (words, blame::is_proof(fault)));
        }
    }
    for node in &cell.nodes {
        let differs = node.state == NodeState::Differs;
        if differs {
            let what = Closing::Install {
                role: Some(node.role.clone()),
            };
            sights
                .entry(what)
                .or_insert_with(|| (node.state.words().to_owned(), true));
        }
        for finding in &node.drift.findings {
            let said = differs && finding.class == Class::Package;
            if finding.effect == Effect::Fail && !said {
                let what = Closing::Drift {
                    role: node.role.clone(),
                    class: finding.class,
                    item: finding.item.clone(),
                };
                sights.insert(what, (finding.words(), true));
            }
        }
    }
    sights
}

/// Whether a pair of arms in which something was not seen would have shown it.
fn tells(cell: &CellJudgement, what: &Closing) -> bool {
    let whole = cell.faults.is_empty() && cell.unended.is_empty();
    match what {
        Closing::Scenario { name } => {
            let mut own = cell.scenarios.iter().filter(|scenario| scenario.name == *name);
            own.any(|scenario| match scenario.verdict {
                Verdict::Pass
                | Verdict::Regressed
                | Verdict::Fixed
                | Verdict::AlreadyBroken
                | Verdict::Sporadic
                | Verdict::Flaky => true,
                Verdict::Inconclusive(_) | Verdict::NotRun => false,
            })
        }
        Closing::Install { .. } | Closing::Lost { .. } => whole,
        Closing::Drift { role, .. } => {
            let mut own = cell.nodes.iter().filter(|node| node.role == *role);
            whole && own.any(|node| node.drift.undecided.is_empty())
        }
    }
}

/// What all pairs of a cell's arms say of what would close the gate; the first comes first.
pub(super) fn weigh(policy: Confirm, pairs: &[CellJudgement]) -> Vec<Suspect> {
    let sights: Vec<_> = pairs.iter().map(sights).collect();
    let mut all: Vec<&Closing> = sights.iter().flat_map(BTreeMap::keys).collect();
    all.sort();
    all.dedup();
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let needed = count(policy.again).saturating_add(1);
    let to_come = count(policy.pairs).saturating_add(1).saturating_sub(pairs.len());
    let suspect = |what: &Closing| {
        let of = |(place, sights): (usize, &BTreeMap<Closing, (String, bool)>)| {
            let (words, proof) = sights.get(what)?;
            Some(((place, words.clone()), *proof))
        };
        let (evidence, proofs): (Vec<_>, Vec<_>) = sights.iter().enumerate().filter_map(of).unzip();
        let seen = evidence.len();
        let unseen = pairs
            .iter()
            .zip(&sights)
            .filter(|(_, sights)| !sights.contains_key(what));
        let silent = unseen.filter(|(pair, _)| !tells(pair, what)).count();
        let standing = if seen >= needed && (policy.is_on() || proofs.contains(&true)) {
            Standing::Confirmed
        } else if policy.is_on() && seen.saturating_add(to_come).saturating_add(silent) < needed {
            Standing::Sporadic
        } else {
            Standing::Unconfirmed
        };
        Suspect {
            what: what.clone(),
            seen,
            pairs: pairs.len(),
            standing,
            evidence,
        }
    };
    all.into_iter().map(suspect).collect()
}
