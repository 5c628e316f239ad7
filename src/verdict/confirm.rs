//! Whether a fresh pair of arms shows again what would close the gate. Pure.
//!
//! What is seen once, in one pair of arms, may be chance: a time-out under load, a fault of the host. It closes the gate when
//! as many fresh pairs as the plan asks for show the same. A fresh pair opens nothing: a cell of which anything had to be
//! confirmed has not passed.
//!
//! The same is what is the same but for chance: a new socket on a port that is drawn, a file with another number. A node that
//! does not come through its updates is the same however that is noticed. Inside of a scenario it is the same test, or the same
//! message, and one that no run without the updates shows, in whatever pair.
#![warn(clippy::wildcard_enum_match_arm)]

use std::collections::BTreeMap;

use crate::model::drift::Effect;
use crate::model::observation::{Change, Class};
use crate::model::plan::Plan;
use crate::model::scenario::Scenario;
use crate::verdict::drift::DriftFinding;
use crate::verdict::inside::New;
use crate::verdict::model::{ArmOutcome, ArmResult, CellJudgement, NodeState, ScenarioJudgement, Verdict};
use crate::verdict::suspect::{Closing, Standing, Suspect};
use crate::verdict::{blame, drift, inside};

/// What was seen in one pair of arms that would close the gate.
struct Sight {
    /// In words.
    words: String,
    /// Whether it can be proof by itself.
    is_proof: bool,
    /// What it is but for chance, where that is less than what it is.
    kin: Option<String>,
}

type Sights = BTreeMap<Closing, Sight>;

fn sights(cell: &CellJudgement) -> Sights {
    let mut sights = Sights::new();
    if !cell.required {
        return sights;
    }
    for scenario in cell.scenarios.iter().filter(|scenario| scenario.required) {
        if is_regressed(scenario) {
            let what = Closing::Scenario {
                name: scenario.name.clone(),
            };
            let sight = Sight {
                words: scenario.reason.clone(),
                is_proof: true,
                kin: None,
            };
            sights.insert(what, sight);
        }
    }
    for (arm, fault) in &cell.faults {
        if let Some(what) = cell.blamed(*arm, fault) {
            let sight = Sight {
                words: format!("{}, {}: {}", fault.stage, fault.cause.words(), fault.message),
                is_proof: blame::is_proof(fault),
                kin: None,
            };
            sights.insert(what, sight);
        }
    }
    for node in &cell.nodes {
        let differs = node.state == NodeState::Differs;
        if differs {
            let what = Closing::Install {
                role: Some(node.role.clone()),
            };
            sights.entry(what).or_insert_with(|| Sight {
                words: node.state.words().to_owned(),
                is_proof: true,
                kin: None,
            });
        }
        for finding in &node.drift.findings {
            let said = differs && finding.class == Class::Package;
            if finding.effect == Effect::Fail && !said {
                let what = Closing::Drift {
                    role: node.role.clone(),
                    class: finding.class,
                    item: finding.item.clone(),
                };
                let sight = Sight {
                    words: finding.words(),
                    is_proof: true,
                    kin: Some(kin(finding)),
                };
                sights.insert(what, sight);
            }
        }
    }
    sights
}

fn is_regressed(scenario: &ScenarioJudgement) -> bool {
    match scenario.verdict {
        Verdict::Regressed => true,
        Verdict::Pass
        | Verdict::Fixed
        | Verdict::AlreadyBroken
        | Verdict::Flaky
        | Verdict::Sporadic
        | Verdict::Inconclusive(_)
        | Verdict::NotRun => false,
    }
}

/// What a finding is but for chance: of a socket its address and program, of all else its name without numbers; and whether it
/// came, went or changed.
fn kin(finding: &DriftFinding) -> String {
    let (how, value) = match &finding.change {
        Change::New { to } => ("new", to),
        Change::Gone { from } => ("gone", from),
        Change::Changed { to, .. } => ("changed", to),
    };
    if finding.class == Class::Listening {
        format!("{how} {} {value}", drift::address(&finding.item))
    } else {
        format!("{how} {}", without_numbers(&finding.item))
    }
}

fn without_numbers(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if !character.is_ascii_digit() {
            plain.push(character);
        } else if !plain.ends_with('#') {
            plain.push('#');
        }
    }
    plain
}

/// Whether what was seen in two pairs of arms is the same.
fn is_same((one, seen): (&Closing, &Sight), (other, again): (&Closing, &Sight)) -> bool {
    match (one, other) {
        (
            Closing::Install { role: one } | Closing::Lost { role: one },
            Closing::Install { role: other } | Closing::Lost { role: other },
        ) => one == other || one.is_none() || other.is_none(),
        (
            Closing::Drift {
                role: one,
                class,
                item: _,
            },
            Closing::Drift {
                role: other,
                class: again_class,
                item: _,
            },
        ) => one == other && class == again_class && seen.kin == again.kin,
        (Closing::Scenario { name: one }, Closing::Scenario { name: other }) => one == other,
        (
            Closing::Scenario { .. } | Closing::Install { .. } | Closing::Lost { .. } | Closing::Drift { .. },
            _,
        ) => false,
    }
}

/// Where a pair of arms shows it, if it does.
fn find<'s>(sights: &'s Sights, what: &Closing, sight: &Sight) -> Option<&'s Sight> {
    let kin = || {
        let mut all = sights.iter();
        all.find(|&other| is_same((what, sight), other))
            .map(|(_, sight)| sight)
    };
    sights.get(what).or_else(kin)
}

/// Leaves of what is new inside of a scenario only those pairs of arms that show the same, against all runs without the updates.
/// One always stays, so that what was seen is told.
fn hold_to_all_controls(plan: &Plan, pairs: &[CellJudgement], sights: &mut [Sights]) {
    for (name, scenario) in &plan.scenarios {
        let what = Closing::Scenario { name: name.clone() };
        let judged = |pair: usize| pairs.get(pair)?.scenarios.iter().find(|own| own.name == *name);
        let seen: Vec<(usize, &ScenarioJudgement)> = (0..sights.len())
            .filter(|&place| sights.get(place).is_some_and(|sights| sights.contains_key(&what)))
            .filter_map(|place| Some((place, judged(place)?)))
            .collect();
        let controls: Vec<&ArmResult> = (0..pairs.len())
            .filter_map(|place| Some(&judged(place)?.control))
            .filter(|control| match control.outcome {
                ArmOutcome::Passed | ArmOutcome::FlakyPassed | ArmOutcome::Failed => true,
                ArmOutcome::Errored(_) | ArmOutcome::NotRun => false,
            })
            .collect();
        if !seen.iter().any(|(_, own)| is_inside(scenario, own)) {
            continue;
        }
        let new: Vec<(usize, Vec<New>)> = seen
            .iter()
            .map(|(place, own)| (*place, inside::new(scenario, &controls, &own.treatment)))
            .collect();
        let shows = |new: &[New], key: &str| new.iter().any(|new| new.key == key);
        let often = |key: &str| new.iter().filter(|(_, new)| shows(new, key)).count();
        let keys = new.iter().rev().flat_map(|(_, new)| new.iter().rev());
        let most = keys.map(|new| &new.key).max_by_key(|key| often(key)).cloned();
        let keeps = |place: usize, own: &[New]| match &most {
            Some(key) => shows(own, key),
            None => seen.first().is_some_and(|(first, _)| *first == place),
        };
        let kept: Vec<&(usize, Vec<New>)> = new.iter().filter(|(place, new)| keeps(*place, new)).collect();
        for (place, own) in &seen {
            let Some(sights) = sights.get_mut(*place) else {
                continue;
            };
            let Some((_, new)) = kept.iter().find(|(kept, _)| kept == place) else {
                sights.remove(&what);
                continue;
            };
            let common = |new: &&New| kept.iter().all(|(_, other)| shows(other, &new.key));
            let common: Vec<New> = new.iter().filter(common).cloned().collect();
            if let (Some(sight), Some(words)) = (sights.get_mut(&what), inside::words(&common)) {
                sight.words = inside::told(own.control.outcome, own.treatment.outcome, &words);
            }
        }
    }
}

/// Whether a pair of arms shows something new inside of a scenario, and not that it passes and fails.
fn is_inside(scenario: &Scenario, own: &ScenarioJudgement) -> bool {
    match (own.control.outcome, own.treatment.outcome) {
        (ArmOutcome::Failed, _) => true,
        (_, ArmOutcome::Failed) => false,
        // Else it regressed by its time.
        (_, _) => !inside::new(scenario, &[&own.control], &own.treatment).is_empty(),
    }
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
pub(super) fn weigh(plan: &Plan, pairs: &[CellJudgement]) -> Vec<Suspect> {
    let policy = plan.confirm;
    let mut sights: Vec<Sights> = pairs.iter().map(sights).collect();
    hold_to_all_controls(plan, pairs, &mut sights);
    // What a later pair shows of an earlier one's kin is told as that.
    let mut all: Vec<(&Closing, &Sight)> = Vec::new();
    for (place, own) in sights.iter().enumerate() {
        let earlier = sights.get(..place).unwrap_or_default();
        all.extend(
            own.iter()
                .filter(|(what, sight)| earlier.iter().all(|earlier| find(earlier, what, sight).is_none())),
        );
    }
    all.sort_by_key(|(what, _)| *what);
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let needed = count(policy.again).saturating_add(1);
    let to_come = count(policy.pairs).saturating_add(1).saturating_sub(pairs.len());
    let suspect = |(what, sight): (&Closing, &Sight)| {
        let found: Vec<Option<&Sight>> = sights.iter().map(|sights| find(sights, what, sight)).collect();
        let evidence: Vec<(usize, String)> = found
            .iter()
            .enumerate()
            .filter_map(|(place, sight)| Some((place, sight.as_ref()?.words.clone())))
            .collect();
        let has_proof = found.iter().flatten().any(|sight| sight.is_proof);
        let seen = evidence.len();
        let unseen = pairs.iter().zip(&found).filter(|(_, sight)| sight.is_none());
        let silent = unseen.filter(|(pair, _)| !tells(pair, what)).count();
        let standing = if seen >= needed && (policy.is_on() || has_proof) {
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
