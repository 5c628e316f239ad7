//! What of the differences of one class counts: by what the class is about, and what the pinned set explains. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::drift::DriftPolicy;
use crate::model::observation::{Change, Class, EXPIRES, FAILED, Observation, is_pinned, normalise};
use crate::model::update::UpdateSet;
use crate::verdict::drift::pattern::Items;

/// Units that fail in all looks, and with the updates say so in words that no look without them has.
pub(super) fn failed_anew([treatment, looks @ ..]: [&Observation; 4]) -> Vec<(String, Change)> {
    let has_failed = |observation: &Observation, unit: &str| {
        let state = observation
            .items(Class::Service)
            .and_then(|items| items.get(unit));
        state.is_some_and(|state| state == FAILED)
    };
    let says = |observation: &Observation, unit: &str| -> BTreeSet<String> {
        let log = observation.unit_logs.get(unit).map_or("", String::as_str);
        log.lines()
            .map(normalise)
            .filter(|line| !line.is_empty())
            .collect()
    };
    let failing = treatment
        .unit_logs
        .iter()
        .filter(|(unit, _)| has_failed(treatment, unit) && looks.iter().all(|look| has_failed(look, unit)));
    failing
        .filter_map(|(unit, log)| {
            let known: BTreeSet<String> = looks.iter().flat_map(|look| says(look, unit)).collect();
            let mut lines = log.lines().map(normalise);
            let new = lines.rfind(|line| !line.is_empty() && !known.contains(line))?;
            // Without the words of the looks before there is nothing to tell it from.
            (!known.is_empty()).then(|| {
                let change = Change::Changed {
                    from: FAILED.to_owned(),
                    to: format!("{FAILED} in another way: {new}"),
                };
                (unit.clone(), change)
            })
        })
        .collect()
}

/// Whether the scripts of a pinned package speak of a file that belongs to no package.
pub(super) fn is_written_by_set(path: &str, seen: [&Observation; 4], set: Option<&UpdateSet>) -> bool {
    let pinned =
        |package: &String| set.is_some_and(|set| set.updates.iter().any(|update| update.name == *package));
    seen.iter()
        .filter_map(|observation| observation.writers.get(path))
        .flatten()
        .any(pinned)
}

/// Amounts that have grown beyond the class's bound, against the largest of the looks without the updates.
pub(super) fn grown(
    policy: &DriftPolicy,
    class: Class,
    [treatment, looks @ ..]: Items<'_>,
) -> Vec<(String, Change)> {
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
            // What was never restarted has no number.
            let none = (class == Class::Restart).then_some(0);
            let before = looks.iter().filter_map(|items| amount(items, item).or(none));
            let before: Vec<u64> = before.collect();
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
pub(super) fn counted(
    policy: &DriftPolicy,
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
        | Class::Restart
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
            // The order is told only where it is all that differs and is not left out.
            let only = candidates
                .iter()
                .all(|(item, _)| item == "(order)" || policy.ignores(class, item));
            keep(&|item, _| only || item != "(order)")
        }
        Class::Kernel => kernel(treatment, control, &candidates, set),
    }
}

/// Whether a line of the kernel's says no more than that it was not given the processor: under a loaded host any guest's does.
/// What a kernel that hangs by itself does to a server, its scenarios find.
pub(super) fn tells_of_load(line: &str, change: &Change) -> bool {
    /// The kernel's mark of a soft lockup (Documentation/admin-guide/tainted-kernels.rst).
    const SOFT_LOCKUP: u64 = 1 << 14;
    if let Change::Changed { from, to } = change
        && let (Ok(from), Ok(to)) = (from.parse::<u64>(), to.parse::<u64>())
    {
        return from ^ to == SOFT_LOCKUP;
    }
    [
        "soft lockup",
        "blocked for more than",
        "rcu_sched self-detected stall",
        "rcu_preempt self-detected stall",
    ]
    .iter()
    .any(|sign| line.contains(sign))
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
    // Where control does not run its newest either, treatment has to run what control does.
    let stays = control.get("running") == treatment.get("running");
    if (booted(control) != Some(false) || !stays)
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

/// The value that a change is told by.
fn side(change: &Change) -> &str {
    match change {
        Change::New { to } | Change::Changed { to, .. } => to,
        Change::Gone { from } => from,
    }
}
