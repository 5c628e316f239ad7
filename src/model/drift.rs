//! What a plan makes of drift: per class whether a difference between the arms fails, warns or is ignored.

use std::collections::BTreeMap;
use std::fmt;

use glob::Pattern;
use serde::{Deserialize, Serialize};

use crate::model::observation::Class;

/// What a difference does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It closes the gate, and its cell has not passed.
    Fail,
    /// It is told.
    Warn,
    /// It is left out.
    Ignore,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Ignore => "ignore",
        })
    }
}

/// From where on an amount has grown: both must hold against the largest of the looks without the updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// By more than so many percent.
    pub percent: u64,
    /// And by at least so much, in the class's unit.
    pub least: u64,
}

/// What is made of drift; every choice is made in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftPolicy {
    /// What a difference of a class does.
    pub effects: BTreeMap<Class, Effect>,
    /// From where on an amount counts; a class of amounts without a bound is not judged.
    pub bounds: BTreeMap<Class, Bound>,
    /// Items that are left out: `class:item` as reports write it, or with `*`, `?` and `[...]` as glob(7).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
}

impl Default for DriftPolicy {
    /// What stops or opens a service, touches an admin's settings or shows a sick system fails; what is worth a look
    /// warns. docs/admins.md has it as a table.
    fn default() -> Self {
        let effect = |class| match class {
            Class::Service
            | Class::Listening
            | Class::Restart
            | Class::Kernel
            | Class::Package
            | Class::Config
            | Class::Taint
            | Class::Dump
            | Class::Mount
            | Class::User
            | Class::Firewall => Effect::Fail,
            Class::Stale
            | Class::Journal
            | Class::Leftover
            | Class::Certificate
            | Class::Timer
            | Class::Enabled
            | Class::Disk
            | Class::Memory
            | Class::Boot => Effect::Warn,
        };
        Self {
            effects: Class::ALL.map(|class| (class, effect(class))).into(),
            bounds: [
                // A service that was restarted without the updates too may be so as often again.
                (
                    Class::Restart,
                    Bound {
                        percent: 100,
                        least: 1,
                    },
                ),
                (
                    Class::Disk,
                    Bound {
                        percent: 20,
                        least: 512,
                    },
                ),
                (
                    Class::Memory,
                    Bound {
                        percent: 25,
                        least: 64,
                    },
                ),
                (
                    Class::Boot,
                    Bound {
                        percent: 50,
                        least: 10_000,
                    },
                ),
            ]
            .into(),
            ignore: Vec::new(),
        }
    }
}

impl DriftPolicy {
    /// What a difference of a class does. A plan that does not say so fails: nothing is left out unsaid.
    pub fn effect(&self, class: Class) -> Effect {
        self.effects.get(&class).copied().unwrap_or(Effect::Fail)
    }

    /// Whether an item is left out.
    pub fn ignores(&self, class: Class, item: &str) -> bool {
        let name = format!("{class}:{item}");
        // `[::]` is an address before it is a set of characters.
        self.ignore.iter().any(|pattern| {
            *pattern == name || Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(&name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_items_and_addresses_are_taken_as_they_are() {
        let policy = DriftPolicy {
            ignore: ["service:foo-*.service", "listening:tcp [::]:8080", "*:web?"]
                .map(str::to_owned)
                .into(),
            ..DriftPolicy::default()
        };
        for (class, item, ignored) in [
            (Class::Service, "foo-a.service", true),
            (Class::Service, "foo-a.service.d", false),
            (Class::Timer, "foo-a.service", false),
            (Class::Listening, "tcp [::]:8080", true),
            (Class::Listening, "tcp 0.0.0.0:8080", false),
            (Class::User, "web1", true),
        ] {
            assert_eq!(policy.ignores(class, item), ignored, "{class}:{item}");
        }
    }

    #[test]
    fn a_class_that_a_plan_does_not_know_fails() {
        let policy = DriftPolicy {
            effects: BTreeMap::new(),
            ..DriftPolicy::default()
        };
        assert_eq!(policy.effect(Class::Timer), Effect::Fail);
    }
}
