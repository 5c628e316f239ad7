//! What several pairs of arms say of what would close the gate, as reasons. Pure.
#![warn(clippy::wildcard_enum_match_arm)]

use crate::gate::decision::Severity;
use crate::verdict::{CellJudgement, Closing, Fresh, Standing, Suspect};

/// What it does to the gate; what is no suspect undecides.
pub(super) fn severity(suspect: Option<&Suspect>) -> Severity {
    match suspect.map(|suspect| suspect.standing) {
        Some(Standing::Confirmed) => Severity::Closes,
        Some(Standing::Sporadic | Standing::Unconfirmed) | None => Severity::Undecides,
    }
}

/// What was seen in the first pair, with what the others say of it.
pub(super) fn told(suspect: Option<&Suspect>, first: String) -> String {
    let Some(suspect) = suspect else { return first };
    let again = suspect.again();
    let also = if again.is_empty() {
        again
    } else {
        format!("; {again}")
    };
    match suspect.standing {
        Standing::Confirmed if suspect.pairs == 1 => first,
        // One arm that went silent is no proof. But an admin should look here first.
        Standing::Unconfirmed if suspect.pairs == 1 && matches!(suspect.what, Closing::Lost { .. }) => {
            format!("{first}; control came through the same window without this, so suspect the updates")
        }
        Standing::Confirmed | Standing::Sporadic | Standing::Unconfirmed => {
            format!("{}: {first}{also}", suspect.words())
        }
    }
}

/// The node that it is about, where it is about one.
pub(super) fn role(suspect: &Suspect) -> Option<&str> {
    match &suspect.what {
        Closing::Scenario { .. } => None,
        Closing::Install { role } | Closing::Lost { role } => role.as_deref(),
        Closing::Drift { role, .. } => Some(role),
    }
}

/// Suspects that the first pair does not show. Scenarios have verdicts that say it.
pub(super) fn only_fresh(cell: &CellJudgement) -> impl Iterator<Item = &Suspect> {
    cell.suspects.iter().filter(|suspect| {
        !suspect.is_in_the_first()
            && match suspect.what {
                Closing::Scenario { .. } => false,
                Closing::Install { .. } | Closing::Lost { .. } | Closing::Drift { .. } => true,
            }
    })
}

/// A fresh pair of arms, what it was to confirm, and what kept it from that.
pub(super) fn of_fresh(fresh: &Fresh) -> String {
    let what = fresh.why.first().map_or("nothing", String::as_str);
    let more = match fresh.why.len() {
        0 | 1 => String::new(),
        n => format!(", and {} more", n - 1),
    };
    let pair = &fresh.pair;
    let ended = match pair.faults.first() {
        Some((arm, fault)) => format!(
            "; in it {arm}, {}: {} ({})",
            fault.stage,
            fault.message,
            fault.cause.words()
        ),
        None if pair.unended.is_empty() => String::new(),
        None => {
            let arms: Vec<String> = pair.unended.iter().map(ToString::to_string).collect();
            format!("; it has no end of {} in the journal", arms.join(" and "))
        }
    };
    format!("a fresh pair of arms was run to confirm: {what}{more}{ended}")
}
