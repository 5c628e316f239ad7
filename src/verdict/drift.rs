//! Drift of one node: what differs between the arms after the reboot and can only come from the updates. Pure.
//!
//! Control before, control after and treatment before are three looks at the same software: what is not the same in all
//! of them is noise, and no finding. What cannot be compared is never taken for equal.
#![warn(clippy::wildcard_enum_match_arm)]

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::drift::{DriftPolicy, Effect};
use crate::model::id::Arm;
use crate::model::observation::{
    Change, Class, EXPIRES, FAILED, Moment, Observation, changes, is_pinned, words,
};
use crate::model::update::UpdateSet;

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
    /// What became of it.
    #[serde(flatten)]
    pub change: Change,
}

impl DriftFinding {
    /// The finding in words, such as `service nginx.service stopped (running in control)`.
    pub fn words(&self) -> String {
        words(self.class, &self.item, &self.change)
    }
}

/// What was seen of a node in both arms at both moments. Several records of one look must say the same.
#[derive(Debug, Default)]
pub(super) struct Looks<'a>(BTreeMap<(Arm, Moment), Vec<&'a Observation>>);

/// The look that counts and the three that tell the noise, in this order.
const LOOKS: [(Arm, Moment); 4] = [
    (Arm::Treatment, Moment::AfterReboot),
    (Arm::Control, Moment::AfterReboot),
    (Arm::Control, Moment::BeforeUpdates),
    (Arm::Treatment, Moment::BeforeUpdates),
];

impl<'a> Looks<'a> {
    pub(super) fn add(&mut self, arm: Arm, moment: Moment, observation: &'a Observation) {
        self.0.entry((arm, moment)).or_default().push(observation);
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

/// The items of one class in the four looks, as [`LOOKS`] orders them.
type Items<'a> = [&'a BTreeMap<String, String>; 4];

/// Judges a node's drift by its plan's policy; `set` explains what it pinned.
pub(super) fn judge(policy: &DriftPolicy, looks: Option<&Looks<'_>>, set: Option<&UpdateSet>) -> NodeDrift {
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
    let asked: Vec<Class> = Class::ALL
        .into_iter()
        .filter(|&class| policy.effect(class) != Effect::Ignore)
        .collect();
    let can_fail = asked.iter().any(|&class| policy.effect(class) == Effect::Fail);

    let mut seen = Vec::new();
    for (arm, moment) in LOOKS {
        match looks.get(arm, moment) {
            Ok(observation) => seen.push(observation),
            Err(problem) => drift.undecided.push(problem),
        }
    }
    match <[&Observation; 4]>::try_from(seen) {
        Ok(seen) => {
            for class in asked {
                of_class(&mut drift, policy, class, seen, set);
            }
        }
        // Without a policy that can fail, nothing hangs on it.
        Err(_) if can_fail => drift.state = DriftState::Undecided,
        Err(_) => {}
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

fn of_class(
    drift: &mut NodeDrift,
    policy: &DriftPolicy,
    class: Class,
    seen: [&Observation; 4],
    set: Option<&UpdateSet>,
) {
    let [
        Some(treatment),
        Some(control),
        Some(control_before),
        Some(treatment_before),
    ] = seen.map(|observation| observation.items(class))
    else {
        unreadable(drift, policy, class, seen);
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
        grown(policy, class, items)
    } else {
        let noise = noise(class, items);
        let named = noise.iter().map(|family| format!("{class}:{family}"));
        drift.noise.extend(named);
        changes(control, treatment)
            .into_iter()
            .filter(|(item, change)| !noise.contains(&family(class, item, side(change))))
            .collect()
    };
    let counted = counted(class, items, candidates, set);
    for (item, change) in counted {
        if policy.ignores(class, &item) {
            drift.ignored += 1;
            continue;
        }
        // What newly runs is worth a look; what it opens, changes or stops is told by itself. A file that a package
        // of the set writes by its own scripts is that package's to change, and still worth a look.
        let starts = class == Class::Service && matches!(&change, Change::New { to } if to != FAILED);
        let is_written = class == Class::Config && is_written_by_set(&item, seen, set);
        let effect = if starts || is_written {
            policy.effect(class).max(Effect::Warn)
        } else {
            policy.effect(class)
        };
        drift.findings.push(DriftFinding {
            effect,
            class,
            item,
            change,
        });
    }
}

/// Whether the scripts of a pinned package speak of a file that belongs to no package.
fn is_written_by_set(path: &str, seen: [&Observation; 4], set: Option<&UpdateSet>) -> bool {
    let pinned =
        |package: &String| set.is_some_and(|set| set.updates.iter().any(|update| update.name == *package));
    seen.iter()
        .filter_map(|observation| observation.writers.get(path))
        .flatten()
        .any(pinned)
}

/// Notes a class that was not read in all four looks. A guest that never has the means has nothing to compare; all else
/// that is missing cannot be taken for equal.
fn unreadable(drift: &mut NodeDrift, policy: &DriftPolicy, class: Class, seen: [&Observation; 4]) {
    let problems: Vec<((Arm, Moment), &str)> = LOOKS
        .into_iter()
        .zip(seen)
        .filter_map(|(look, observation)| Some((look, observation.unreadable(class)?)))
        .collect();
    let Some(((arm, moment), why)) = problems.first() else {
        return;
    };
    if seen.iter().all(|observation| observation.lacks(class)) {
        drift.unreadable.push((class, (*why).to_owned()));
        return;
    }
    drift
        .undecided
        .push(format!("{class} could not be read in {arm} {moment} ({why})"));
    if policy.effect(class) == Effect::Fail {
        drift.state = drift.state.max(DriftState::Undecided);
    }
}

/// The value that tells an item's family.
fn side(change: &Change) -> &str {
    match change {
        Change::New { to } | Change::Changed { to, .. } => to,
        Change::Gone { from } => from,
    }
}

/// What an item is one of, as far as noise goes: a socket on a port that the kernel chose is one of its program's.
/// Linux chooses from 32768 to 60999 unless told otherwise (ip(7), `ip_local_port_range`).
fn family(class: Class, item: &str, value: &str) -> String {
    if class == Class::Listening
        && let Some((address, port)) = item.rsplit_once(':')
        && port
            .parse()
            .is_ok_and(|port: u16| (32_768..=60_999).contains(&port))
    {
        return format!("{address}:* {value}");
    }
    item.to_owned()
}

/// The families that are not the same in the three looks at the same software.
fn noise(class: Class, [_, looks @ ..]: Items<'_>) -> BTreeSet<String> {
    let families = looks.map(|items| {
        let mut families: BTreeMap<String, BTreeSet<(&str, &str)>> = BTreeMap::new();
        for (item, value) in items {
            families
                .entry(family(class, item, value))
                .or_default()
                .insert((item, value));
        }
        families
    });
    families
        .iter()
        .flat_map(BTreeMap::keys)
        .filter(|name| {
            families
                .iter()
                .any(|each| each.get(*name) != families[0].get(*name))
        })
        .cloned()
        .collect()
}

/// Amounts that have grown beyond the class's bound, against the largest of the looks without the updates.
fn grown(policy: &DriftPolicy, class: Class, [treatment, looks @ ..]: Items<'_>) -> Vec<(String, Change)> {
    let Some(bound) = policy.bounds.get(&class) else {
        return Vec::new();
    };
    let amount =
        |items: &BTreeMap<String, String>, item: &str| -> Option<u64> { items.get(item)?.parse().ok() };
    treatment
        .iter()
        .filter_map(|(item, value)| {
            let now: u64 = value.parse().ok()?;
            // A program that is not there in all of them is told by its service, not by its size.
            let before: Vec<u64> = looks.iter().filter_map(|items| amount(items, item)).collect();
            let most = before
                .iter()
                .copied()
                .max()
                .filter(|_| before.len() == looks.len())?;
            let limit = most.saturating_add(most.saturating_mul(bound.percent) / 100);
            (now > limit && now - most >= bound.least).then(|| {
                let change = Change::Changed {
                    from: most.to_string(),
                    to: value.clone(),
                };
                (item.clone(), change)
            })
        })
        .collect()
}

/// The candidates that count, by what their class is about and what the pinned set explains.
fn counted(
    class: Class,
    [treatment, control, ..]: Items<'_>,
    candidates: Vec<(String, Change)>,
    set: Option<&UpdateSet>,
) -> Vec<(String, Change)> {
    let keep = |keep: &dyn Fn(&str, &Change) -> bool| {
        let kept = candidates.iter().filter(|(item, change)| keep(item, change));
        kept.cloned().collect()
    };
    match class {
        Class::Service
        | Class::Listening
        | Class::Config
        | Class::Mount
        | Class::User
        | Class::Timer
        | Class::Enabled
        | Class::Disk
        | Class::Memory
        | Class::Boot => candidates,
        // What is not there any more is no trouble.
        Class::Dump | Class::Journal | Class::Leftover => {
            keep(&|_, change| matches!(change, Change::New { .. }))
        }
        Class::Stale => keep(&|_, change| !matches!(change, Change::Gone { .. })),
        Class::Package => keep(&|package, change| !is_pinned(set, package, change)),
        Class::Certificate => {
            keep(&|_, change| !matches!(change, Change::Gone { .. }) && side(change) == EXPIRES)
        }
        Class::Taint => keep(&|item, change| match change {
            Change::New { .. } => true,
            Change::Changed { from, to } if item == "flags" => has_more_flags(from, to),
            Change::Changed { .. } | Change::Gone { .. } => false,
        }),
        Class::Firewall => {
            // The order is told only where it is all that differs.
            let only = candidates.len() == 1;
            keep(&|item, _| only || item != "(order)")
        }
        Class::Kernel => kernel(treatment, control, &candidates, set),
    }
}

/// Whether the kernel got taint flags that it had not. What is no number counts.
fn has_more_flags(from: &str, to: &str) -> bool {
    match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) => to & !from != 0,
        (Ok(_) | Err(_), _) => true,
    }
}

/// The kernel that runs must be the newest that is installed, where control's is; and another than control's only
/// where the set has a kernel.
fn kernel(
    treatment: &BTreeMap<String, String>,
    control: &BTreeMap<String, String>,
    candidates: &[(String, Change)],
    set: Option<&UpdateSet>,
) -> Vec<(String, Change)> {
    if candidates.is_empty() {
        return Vec::new();
    }
    let booted = |items: &BTreeMap<String, String>| match (items.get("running"), items.get("newest")) {
        (Some(running), Some(newest)) => Some(running == newest),
        (Some(_) | None, _) => None,
    };
    if booted(control) != Some(false)
        && booted(treatment) == Some(false)
        && let (Some(running), Some(newest)) = (treatment.get("running"), treatment.get("newest"))
    {
        let change = Change::Changed {
            from: "the newest that is installed".to_owned(),
            to: format!("{running}, with {newest} installed"),
        };
        return vec![("running".to_owned(), change)];
    }
    let pins_kernel = set.is_some_and(UpdateSet::has_kernel);
    candidates
        .iter()
        .filter(|(item, _)| item == "running" && !pins_kernel)
        .cloned()
        .collect()
}
