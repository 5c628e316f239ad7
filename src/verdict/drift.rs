//! Drift of one node: what differs between the arms after the reboot and can only come from the updates. Pure.
//!
//! Control before, control after and treatment before are three looks at the same software: what is not the same in all
//! of them tells the noise. What cannot be compared is never taken for equal.
#![warn(clippy::wildcard_enum_match_arm)]

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::drift::{DriftPolicy, Effect};
use crate::model::id::Arm;
use crate::model::observation::{Change, Class, FAILED, Moment, Observation, words};
use crate::model::update::{UpdateSet, is_unfinished};

mod counted;
mod noise;
mod pattern;

use noise::Beside;

/// What became of a node beyond its updates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeDrift {
    /// What all below comes to.
    pub state: DriftState,
    /// What differs and counts, what fails first.
    pub findings: Vec<DriftFinding>,
    /// What could not be compared though the plan asks for it, one sentence each.
    pub undecided: Vec<String>,
    /// Classes that this guest has no means to tell, and what it lacks.
    pub unreadable: Vec<(Class, String)>,
    /// Items that differ without the updates too: `class:item`.
    pub noise: Vec<String>,
    /// How many differences the plan's patterns leave out.
    pub ignored: usize,
}

/// What a node's drift comes to, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftState {
    /// Nothing differs that counts.
    None,
    /// Something differs that is worth a look.
    Warned,
    /// Something that can fail could not be compared.
    Undecided,
    /// Something differs that must not.
    Failed,
}

impl DriftState {
    /// The state in words, to stand after the node's name and a colon.
    pub fn words(self) -> &'static str {
        match self {
            Self::None => "nothing differs between the arms that counts",
            Self::Warned => "differences that are worth a look",
            Self::Undecided => "the arms could not be compared in all that can fail",
            Self::Failed => "differences that close the gate",
        }
    }
}

/// One difference that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriftFinding {
    /// What it does.
    pub effect: Effect,
    /// What it is about.
    pub class: Class,
    /// Which of them.
    pub item: String,
    /// Whether it was so at the end of the soak, and not yet after the reboot.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// What became of it.
    #[serde(flatten)]
    pub change: Change,
}

impl DriftFinding {
    /// The finding in words, such as `service nginx.service stopped (running in control)`.
    pub fn words(&self) -> String {
        let words = words(self.class, &self.item, &self.change);
        if self.late {
            format!("{words}, {}", Moment::AfterSoak)
        } else {
            words
        }
    }
}

/// The protocol with the address of an item of sockets, without its port.
pub(super) fn address(item: &str) -> &str {
    pattern::socket(item).map_or(item, |(address, _)| address)
}

/// What was seen of a node in both arms at both moments. Several records of one look must say the same.
#[derive(Debug, Default)]
pub(super) struct Looks<'a>(BTreeMap<(Arm, Moment), Vec<&'a Observation>>);

/// A look of those that are compared.
type Look = (Arm, Moment);

/// The look that counts and the three that tell the noise, in this order.
const LOOKS: [Look; 4] = [
    (Arm::Treatment, Moment::AfterReboot),
    (Arm::Control, Moment::AfterReboot),
    (Arm::Control, Moment::BeforeUpdates),
    (Arm::Treatment, Moment::BeforeUpdates),
];

/// The same at the end of the soak.
const LATE: [Look; 4] = [
    (Arm::Treatment, Moment::AfterSoak),
    (Arm::Control, Moment::AfterSoak),
    (Arm::Control, Moment::AfterReboot),
    (Arm::Treatment, Moment::BeforeUpdates),
];

impl<'a> Looks<'a> {
    pub(super) fn add(&mut self, arm: Arm, moment: Moment, observation: &'a Observation) {
        self.0.entry((arm, moment)).or_default().push(observation);
    }

    /// What was read of a class, where there is such a look.
    fn items(&self, arm: Arm, moment: Moment, class: Class) -> Option<&'a BTreeMap<String, String>> {
        self.get(arm, moment).ok()?.items(class)
    }

    fn get(&self, arm: Arm, moment: Moment) -> Result<&'a Observation, String> {
        match self.0.get(&(arm, moment)).map(Vec::as_slice) {
            Some([first, others @ ..]) if !first.is_empty() => {
                if others.iter().all(|other| other == first) {
                    Ok(first)
                } else {
                    Err(format!("the journal contradicts itself on {arm} {moment}"))
                }
            }
            Some(_) | None => Err(format!("nobody looked at {arm} {moment}")),
        }
    }
}

/// Judges a node's drift by its plan's policy; `set` explains what it pinned, and `soaks` tells whether it is looked at once
/// more at the end of a soak.
pub(super) fn judge(
    policy: &DriftPolicy,
    looks: Option<&Looks<'_>>,
    set: Option<&UpdateSet>,
    soaks: bool,
) -> NodeDrift {
    let mut drift = NodeDrift {
        state: DriftState::None,
        findings: Vec::new(),
        undecided: Vec::new(),
        unreadable: Vec::new(),
        noise: Vec::new(),
        ignored: 0,
    };
    let none = Looks::default();
    let looks = looks.unwrap_or(&none);
    compare(&mut drift, policy, (looks, soaks), (LOOKS, &Class::ALL), set);
    if soaks {
        compare(&mut drift, policy, (looks, soaks), (LATE, &Class::LATE), set);
    }
    drift
        .findings
        .sort_by_key(|finding| (finding.effect, finding.class));
    let findings = drift
        .findings
        .first()
        .map_or(DriftState::None, |worst| match worst.effect {
            Effect::Fail => DriftState::Failed,
            Effect::Warn | Effect::Ignore => DriftState::Warned,
        });
    drift.state = drift.state.max(findings);
    drift
}

/// Compares four looks in these classes.
fn compare(
    drift: &mut NodeDrift,
    policy: &DriftPolicy,
    (looks, soaks): (&Looks<'_>, bool),
    (order, classes): ([Look; 4], &[Class]),
    set: Option<&UpdateSet>,
) {
    let asked: Vec<Class> = classes
        .iter()
        .copied()
        .filter(|&class| policy.effect(class) != Effect::Ignore)
        .collect();
    let can_fail = asked.iter().any(|&class| policy.effect(class) == Effect::Fail);
    let mut seen = Vec::new();
    for (arm, moment) in order {
        match looks.get(arm, moment) {
            Ok(observation) => seen.push(observation),
            Err(problem) if drift.undecided.contains(&problem) => {}
            Err(problem) => drift.undecided.push(problem),
        }
    }
    match <[&Observation; 4]>::try_from(seen) {
        Ok(seen) => {
            for class in asked {
                let later = soaks && order == LOOKS;
                let later = |arm| looks.items(arm, Moment::AfterSoak, class).filter(|_| later);
                let before = |arm| looks.items(arm, Moment::BeforeUpdates, class);
                let beside = before(Arm::Control)
                    .zip(before(Arm::Treatment))
                    .map(|(control, treatment)| Beside {
                        before: [control, treatment],
                        later: later(Arm::Treatment)
                            .zip(later(Arm::Control))
                            .map(|(treatment, control)| [treatment, control]),
                    });
                of_class(drift, policy, class, (order, seen), beside, set);
            }
        }
        // Without a policy that can fail, nothing hangs on it.
        Err(_) if can_fail => drift.state = drift.state.max(DriftState::Undecided),
        Err(_) => {}
    }
}

fn of_class(
    drift: &mut NodeDrift,
    policy: &DriftPolicy,
    class: Class,
    (order, seen): ([Look; 4], [&Observation; 4]),
    beside: Option<Beside<'_>>,
    set: Option<&UpdateSet>,
) {
    let [
        Some(treatment),
        Some(control),
        Some(control_before),
        Some(treatment_before),
    ] = seen.map(|observation| observation.items(class))
    else {
        unreadable(drift, policy, class, (order, seen));
        return;
    };
    if set.is_none() && matches!(class, Class::Package | Class::Kernel) {
        let problem = format!("{class} cannot be told from what was pinned: nothing is recorded as pinned");
        drift.undecided.push(problem);
        if policy.effect(class) == Effect::Fail {
            drift.state = drift.state.max(DriftState::Undecided);
        }
        return;
    }
    let items = [treatment, control, control_before, treatment_before];
    let candidates = if class.unit().is_some() {
        counted::grown(policy, class, items)
    } else {
        let beside = beside.unwrap_or(Beside {
            before: [treatment_before; 2],
            later: None,
        });
        let sifted = noise::sift(class, items, beside);
        let named = sifted.noise.iter().map(|name| format!("{class}:{name}"));
        let mut told: BTreeSet<String> = drift.noise.iter().cloned().collect();
        for name in named {
            if told.insert(name.clone()) {
                drift.noise.push(name);
            }
        }
        sifted.changes
    };
    let mut counted = counted::counted(policy, class, items, candidates, set);
    if class == Class::Service {
        counted.extend(counted::failed_anew(seen));
    }
    let late = order == LATE;
    for (item, change) in counted {
        let is_told = |told: &DriftFinding| {
            told.class == class && told.item == item && (class.unit().is_some() || told.change == change)
        };
        if late && drift.findings.iter().any(is_told) {
            continue;
        }
        if policy.ignores(class, &item) {
            drift.ignored += 1;
            continue;
        }
        let is_mild = match class {
            // What newly runs is worth a look; what it opens, changes or stops is told by itself. What failed before, and
            // now fails in another way, did not work before either.
            Class::Service => match &change {
                Change::New { to } => to != FAILED,
                Change::Changed { from, to } => from == FAILED && to.starts_with(FAILED),
                Change::Gone { .. } => false,
            },
            // A file that a package of the set writes by its own scripts is that package's to change.
            Class::Config => counted::is_written_by_set(&item, seen, set),
            // What was half-installed before the updates and is whole now.
            Class::Package => {
                matches!(&change, Change::Changed { from, to } if is_unfinished(from) && !is_unfinished(to))
            }
            Class::Taint => counted::tells_of_load(&item, &change),
            Class::Listening
            | Class::Restart
            | Class::Kernel
            | Class::Dump
            | Class::Mount
            | Class::User
            | Class::Firewall
            | Class::Stale
            | Class::Journal
            | Class::Leftover
            | Class::Certificate
            | Class::Timer
            | Class::Enabled
            | Class::Disk
            | Class::Memory
            | Class::Boot => false,
        };
        let effect = if is_mild {
            policy.effect(class).max(Effect::Warn)
        } else {
            policy.effect(class)
        };
        drift.findings.push(DriftFinding {
            effect,
            class,
            item,
            late,
            change,
        });
    }
}

/// Notes a class that was not read in all four looks. A guest that never has the means has nothing to compare; all else
/// that is missing cannot be taken for equal.
fn unreadable(
    drift: &mut NodeDrift,
    policy: &DriftPolicy,
    class: Class,
    (order, seen): ([Look; 4], [&Observation; 4]),
) {
    let problems: Vec<(Look, &str)> = order
        .into_iter()
        .zip(seen)
        .filter_map(|(look, observation)| Some((look, observation.unreadable(class)?)))
        .collect();
    let Some(((arm, moment), why)) = problems.first() else {
        return;
    };
    if seen.iter().all(|observation| observation.lacks(class)) {
        if !drift.unreadable.iter().any(|(told, _)| *told == class) {
            drift.unreadable.push((class, (*why).to_owned()));
        }
        return;
    }
    drift
        .undecided
        .push(format!("{class} could not be read in {arm} {moment} ({why})"));
    if policy.effect(class) == Effect::Fail {
        drift.state = drift.state.max(DriftState::Undecided);
    }
}
