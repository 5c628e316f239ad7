//! What would close the gate, and what the pairs of arms say of it.
#![warn(clippy::wildcard_enum_match_arm)]

use serde::Serialize;

use crate::model::observation::Class;

/// What would close the gate, by what it is the same in every pair of arms.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Closing {
    /// A scenario passes without the updates and fails with them.
    Scenario {
        /// Its name.
        name: String,
    },
    /// A node cannot take its pinned set: installing it fails, or does not end, or leaves something else.
    Install {
        /// The node's role.
        role: Option<String>,
    },
    /// A node does not come through the updates at all.
    Lost {
        /// The node's role.
        role: Option<String>,
    },
    /// A difference between the arms that fails.
    Drift {
        /// The node's role.
        role: String,
        /// What it is about.
        class: Class,
        /// Which of them.
        item: String,
    },
}

/// What all pairs of arms of a cell say of something that would close the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suspect {
    /// What it is.
    #[serde(flatten)]
    pub what: Closing,
    /// In how many pairs of arms it was seen.
    pub seen: usize,
    /// Of how many.
    pub pairs: usize,
    /// What that comes to.
    pub standing: Standing,
    /// What was seen in each of those pairs, in words: the pair's place, where 0 is the first, and a sentence.
    pub evidence: Vec<(usize, String)>,
}

impl Suspect {
    /// Whether the first pair shows it.
    pub fn is_in_the_first(&self) -> bool {
        self.evidence.first().is_some_and(|(place, _)| *place == 0)
    }

    /// What was seen in the first pair, with what the others say of it.
    pub(super) fn evidence_words(&self) -> String {
        let first = self.evidence.iter().find(|(place, _)| *place == 0);
        let first = first.map_or("not in the first pair", |(_, said)| said);
        let again = self.again();
        let also = if again.is_empty() {
            again
        } else {
            format!("; {again}")
        };
        let words = match self.standing {
            // The verdict says the rest.
            Standing::Confirmed | Standing::Sporadic => self.count(),
            Standing::Unconfirmed => self.words(),
        };
        format!("{words}: {first}{also}")
    }

    fn count(&self) -> String {
        format!("in {} of {} pairs of arms", self.seen, self.pairs)
    }

    /// What was seen in the fresh pairs, in words; empty where nothing was.
    pub fn again(&self) -> String {
        let first = self.evidence.iter().find(|(place, _)| *place == 0);
        let fresh = self.evidence.iter().filter(|(place, _)| *place > 0);
        let words = fresh.map(|(place, said)| {
            let pair = pair_words(*place);
            match first {
                Some((_, first)) if first == said => format!("{pair} the same"),
                Some(_) | None => format!("{pair}: {said}"),
            }
        });
        words.collect::<Vec<_>>().join("; ")
    }

    /// What the pairs say of it together, to stand before what was seen; nothing where one sight is proof.
    pub fn words(&self) -> String {
        let count = self.count();
        match self.standing {
            Standing::Confirmed if self.pairs == 1 => String::new(),
            Standing::Confirmed => format!("confirmed, {count}"),
            Standing::Sporadic => format!("sporadic, {count}"),
            Standing::Unconfirmed => format!("not confirmed, {count}"),
        }
    }
}

/// A fresh pair of arms by its place, in words.
pub fn pair_words(place: usize) -> String {
    match place {
        1 => "in a fresh pair".to_owned(),
        nth => format!("in fresh pair {nth}"),
    }
}

/// What the pairs of arms say of something that would close the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It was seen as often as the plan asks for: it closes.
    Confirmed,
    /// It was not seen again.
    Sporadic,
    /// Nobody knows: a pair that should show it has no result, or there is none.
    Unconfirmed,
}
