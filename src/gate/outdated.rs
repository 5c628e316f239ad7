//! Whether what a run has shown is still so: its plan against that of the lab as it is now, and its age.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::gate::decision::{Reason, Severity};
use crate::input::words::first;
use crate::model::plan::Plan;

/// Changes that are named.
const NAMED: usize = 12;
/// From what age on a run's is worth telling: mirrors have new updates every day.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// How much later than by this machine's clock a run may have begun.
pub const SKEW: SignedDuration = SignedDuration::from_mins(10);

/// Why a run that was planned as `was` says nothing of a lab whose whole plan `is` now; nothing where it does.
pub fn changed(was: &Plan, is: &Plan) -> Option<Reason> {
    if was.lab != is.lab {
        let text = format!("the run is of lab `{}`, and this is lab `{}`", was.lab, is.lab);
        let remedy = "ask in that lab's folder, or with --replay for what the run showed when it was made";
        return Some(Reason::of_run(Severity::Undecides, text, remedy));
    }
    let changes = changes(was, is);
    if changes.is_empty() {
        return None;
    }
    Some(Reason::of_run(
        Severity::Undecides,
        format!(
            "the lab is not what the run has tested any more: {}",
            first(&changes, NAMED)
        ),
        "run it again; or ask with --replay for what the run showed when it was made",
    ))
}

/// That there is no lab to hold a run against: whether it still tells of one is not known.
pub fn unheld() -> Reason {
    Reason::of_run(
        Severity::Undecides,
        "there is no lab file here to compare the run with",
        "go to the lab's folder or name its file with --lab FILE; or ask with --replay for what the run showed when it was made",
    )
}

/// Whether an input is an image that the lab has not built.
fn is_unbuilt(plan: &Plan, input: &str) -> bool {
    let mut nodes = plan.cells.iter().flat_map(|cell| &cell.nodes);
    input
        .strip_prefix("image ")
        .is_some_and(|name| nodes.any(|node| node.image.name == name && node.image.sha256.is_none()))
}

/// What is not as it was, in words, most telling first.
fn changes(was: &Plan, is: &Plan) -> Vec<String> {
    let mut changes = Vec::new();
    for (what, digest) in &was.inputs {
        let shown = match what.as_str() {
            "lab" => "the lab file",
            what => what,
        };
        match is.inputs.get(what) {
            Some(now) if now == digest => {}
            Some(_) if is_unbuilt(is, what) => {
                changes.push(format!("{shown} is not in this machine's store"));
            }
            Some(_) => changes.push(format!("{shown} was changed")),
            None => changes.push(format!("{shown} is gone")),
        }
    }
    for cell in &was.cells {
        let Some(now) = is.cell(&cell.id) else {
            changes.push(format!("cell {} is gone", cell.id));
            continue;
        };
        let asked: BTreeSet<&String> = cell.scenarios.iter().collect();
        let new = now.scenarios.iter().filter(|name| !asked.contains(name));
        changes.extend(new.map(|name| format!("scenario {name} is new in cell {}", cell.id)));
        if changes.is_empty() && now != cell {
            changes.push(format!("cell {} is planned otherwise", cell.id));
        }
    }
    let known = |cell| was.left_out.contains(cell) || was.cell(cell).is_some();
    let new = is.cells.iter().filter(|cell| !known(&cell.id));
    changes.extend(new.map(|cell| format!("cell {} is new", cell.id)));
    if changes.is_empty() && was.left_out.is_empty() && was.digest != is.digest {
        changes.push("it is planned otherwise, by another version of patchgate".to_owned());
    }
    changes
}

/// What the age of a run makes of its gate: it undecides beyond `most`, and is told beyond a day.
pub fn aged(began: Timestamp, now: Timestamp, most: Option<Duration>) -> Option<Reason> {
    const REMEDY: &str = "run it again: updates have come since that it has not seen";
    let age = now.duration_since(began);
    if age < -SKEW {
        return Some(Reason::of_run(
            Severity::Undecides,
            format!("the run begins {} from now by this machine's clock", words(-age)),
            "set the clock of the machine that is wrong",
        ));
    }
    let most = most.map(|most| SignedDuration::try_from(most).unwrap_or(SignedDuration::MAX));
    match most {
        Some(most) if age > most => Some(Reason::of_run(Severity::Undecides, beyond(age, most), REMEDY)),
        Some(_) | None if is_old(began, now) => Some(Reason::of_run(
            Severity::Notes,
            format!("the run is {} old", words(age)),
            REMEDY,
        )),
        Some(_) | None => None,
    }
}

/// Whether a run is so old that its age is worth telling.
pub fn is_old(began: Timestamp, now: Timestamp) -> bool {
    now.duration_since(began) > DAY
}

/// That an age is beyond what is asked for, so exactly that the two read differently.
fn beyond(age: SignedDuration, most: SignedDuration) -> String {
    let (mut old, mut asked) = (words(age), words(most));
    if old == asked {
        (old, asked) = (exactly(age), exactly(most));
    }
    format!("the run is {old} old, and at most {asked} are asked for")
}

fn exactly(age: SignedDuration) -> String {
    let seconds = age.as_secs();
    let parts = [
        (seconds / (24 * 60 * 60), "d"),
        (seconds / (60 * 60) % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, unit)| format!("{count} {unit}")).collect();
    // Less than a second over.
    if age.subsec_nanos() > 0 {
        format!("more than {}", parts.join(" "))
    } else {
        parts.join(" ")
    }
}

fn words(age: SignedDuration) -> String {
    let minutes = age.as_mins();
    match (minutes / (24 * 60), minutes / 60 % 24, minutes % 60) {
        (0, 0, 0) => format!("{} s", age.as_secs()),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_grows_old() {
        let at = |hours: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
        let told = |age: i64, most: Option<u64>| {
            let most = most.map(|hours| Duration::from_secs(hours * 3600));
            aged(at(1000), at(1000 + age), most).map(|reason| (reason.severity, reason.text))
        };
        assert_eq!(told(1, None), None);
        assert_eq!(told(1, Some(1)), None);
        assert_eq!(
            told(25, None),
            Some((Severity::Notes, "the run is 1 d 1 h old".to_owned()))
        );
        assert_eq!(
            told(3, Some(2)),
            Some((
                Severity::Undecides,
                "the run is 3 h old, and at most 2 h are asked for".to_owned()
            ))
        );
        let seconds = |age: i64, millis: i64| {
            let old = SignedDuration::from_secs(age) + SignedDuration::from_millis(millis);
            let most = Some(Duration::from_secs(90 * 60));
            aged(at(1000), at(1000) + old, most).map(|reason| reason.text)
        };
        assert_eq!(
            seconds(90 * 60 + 20, 0).as_deref(),
            Some("the run is 1 h 30 min 20 s old, and at most 1 h 30 min are asked for")
        );
        assert_eq!(
            seconds(90 * 60, 1).as_deref(),
            Some("the run is more than 1 h 30 min old, and at most 1 h 30 min are asked for")
        );
        assert_eq!(seconds(90 * 60, 0), None);
        assert_eq!(
            told(-1, Some(2)).map(|(severity, _)| severity),
            Some(Severity::Undecides)
        );
        assert_eq!(
            told(-1, None).map(|(severity, _)| severity),
            Some(Severity::Undecides)
        );
    }
}
