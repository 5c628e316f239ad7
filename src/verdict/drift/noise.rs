//! The noise among the differences of one class. Pure.
//!
//! Three looks are at the same software: control before and after its reboot, and treatment before its updates. What is not
//! the same in all of them excuses what one of them had, and nothing else. Where what varies among them is a port, a number
//! or a drawn name, any other of its kind is excused too, as many as were seen.
//!
//! Control after its reboot is of another moment than the two before, so that what both of these lack, or have otherwise, and
//! control then has, comes with the moment and not by chance: with the updates it has to come too. Only looks of one moment
//! that disagree excuse its lack. What comes by the end of the soak was slow, and is no finding.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::observation::{Change, Class, changes};
use crate::verdict::drift::pattern::{self, Entry, Items, Pattern};

/// Entries of a look that patterns are learned from, at most. A class that varies in more is told item by item.
const LEARNED: usize = 200;

/// What is left of the differences of a class.
pub(super) struct Sifted {
    /// What is no noise.
    pub(super) changes: Vec<(String, Change)>,
    /// What varies without the updates too, by its name.
    pub(super) noise: BTreeSet<String>,
}

/// Looks beside the four that are compared.
#[derive(Clone, Copy)]
pub(super) struct Beside<'a> {
    /// Both arms before the updates.
    pub(super) before: [&'a BTreeMap<String, String>; 2],
    /// Treatment and control at the end of the soak, where that is yet to be compared.
    pub(super) later: Option<[&'a BTreeMap<String, String>; 2]>,
}

impl Beside<'_> {
    /// Whether the arms differ for good in what control came to by another moment: the looks of one moment agree on it, and
    /// it did not level out by the end of the soak.
    fn lasts<T: PartialEq>(self, of: impl Fn(&BTreeMap<String, String>) -> T) -> bool {
        let [control, treatment] = self.before.map(&of);
        let levels = self.later.is_some_and(|later| {
            let [treatment, control] = later.map(&of);
            treatment == control
        });
        control == treatment && !levels
    }
}

/// How the looks at the same software, and treatment after the reboot, are filled with what fits a pattern.
struct Count {
    least: usize,
    most: usize,
    /// In control beside treatment.
    beside: usize,
    now: usize,
}

impl Count {
    fn of(pattern: &Pattern, [treatment, looks @ ..]: Items<'_>) -> Self {
        let count =
            |items: &BTreeMap<String, String>| entries(items).filter(|&entry| pattern.fits(entry)).count();
        let looks = looks.map(count);
        Self {
            least: looks.iter().copied().min().unwrap_or_default(),
            most: looks.iter().copied().max().unwrap_or_default(),
            beside: looks[0],
            now: count(treatment),
        }
    }

    /// Where how many there are varies too, it may vary by as much again.
    fn is_too_many(&self) -> bool {
        self.now > self.most + (self.most - self.least)
    }

    /// What each look has never vanishes by chance.
    fn is_too_few(&self) -> bool {
        self.least > 0 && self.now < self.least.saturating_sub(self.most - self.least).max(1)
    }
}

fn entries(items: &BTreeMap<String, String>) -> impl Iterator<Item = Entry<'_>> {
    items.iter().map(|(item, value)| (item.as_str(), value.as_str()))
}

/// The patterns that an entry fits.
fn of<'p>(patterns: &'p [(Pattern, Count)], entry: Entry<'p>) -> impl Iterator<Item = &'p (Pattern, Count)> {
    patterns.iter().filter(move |(pattern, _)| pattern.fits(entry))
}

/// Sifts the differences between control and treatment after the reboot.
pub(super) fn sift(class: Class, items: Items<'_>, beside: Beside<'_>) -> Sifted {
    let [treatment, looks @ ..] = items;
    let control = looks[0];
    let has = |items: &BTreeMap<String, String>, (item, value): Entry<'_>| {
        items.get(item).is_some_and(|has| has == value)
    };
    let varying: Vec<Entry<'_>> = looks
        .iter()
        .flat_map(|items| entries(items))
        .filter(|&entry| !looks.iter().all(|items| has(items, entry)))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let patterns: Vec<(Pattern, Count)> = learn(class, &varying, looks)
        .into_iter()
        .map(|pattern| {
            let count = Count::of(&pattern, items);
            (pattern, count)
        })
        .collect();

    let mut noise = BTreeSet::new();
    for &entry in &varying {
        match of(&patterns, entry).next() {
            Some((pattern, _)) => noise.insert(pattern.name()),
            None => noise.insert(entry.0.to_owned()),
        };
    }
    let mut kept: Vec<(String, Change)> = changes(control, treatment)
        .into_iter()
        .filter(|(item, change)| {
            let is_of = |value: &str, counted: bool| {
                of(&patterns, (item, value))
                    .any(|(pattern, count)| !counted || pattern.is_uncounted() || !count.is_too_many())
            };
            let lasts = || beside.lasts(|items| items.get(item).cloned());
            match change {
                Change::New { to } => {
                    let was_seen = looks.iter().any(|items| has(items, (item, to)));
                    !was_seen && !is_of(to, true)
                }
                Change::Changed { to, .. } => {
                    let was_seen = looks.iter().any(|items| has(items, (item, to)));
                    (!was_seen || lasts()) && !is_of(to, true)
                }
                Change::Gone { from } => {
                    let was_seen = looks.iter().any(|items| !items.contains_key(item));
                    (!was_seen || lasts()) && !is_of(from, false)
                }
            }
        })
        .collect();
    for (pattern, count) in &patterns {
        let fitting = |items: &BTreeMap<String, String>| entries(items).any(|entry| pattern.fits(entry));
        let never_came = count.now == 0 && count.beside > 0 && beside.lasts(fitting);
        if (count.is_too_few() || never_came) && !pattern.is_uncounted() {
            let had = entries(control).find(|&entry| pattern.fits(entry));
            let from = had.map_or_else(String::new, |(_, value)| value.to_owned());
            kept.push((pattern.item(), Change::Gone { from }));
        }
    }
    kept.sort();
    kept.dedup();
    noise.retain(|name| kept.iter().all(|(item, _)| item != name));
    Sifted { changes: kept, noise }
}

/// The patterns of what varies among the looks.
fn learn(class: Class, varying: &[Entry<'_>], looks: [&BTreeMap<String, String>; 3]) -> BTreeSet<Pattern> {
    match class {
        Class::Listening => ports(varying, looks),
        // A version, a release and a set of flags are no chance; errors are compared without their numbers.
        // Amounts are compared by how much they differ.
        Class::Package
        | Class::Kernel
        | Class::Taint
        | Class::Journal
        | Class::Restart
        | Class::Disk
        | Class::Memory
        | Class::Boot => BTreeSet::new(),
        Class::User | Class::Firewall | Class::Stale => texts(varying, looks, false),
        Class::Service
        | Class::Config
        | Class::Dump
        | Class::Mount
        | Class::Leftover
        | Class::Certificate
        | Class::Timer
        | Class::Enabled => texts(varying, looks, true),
    }
}

/// Pairs of looks at the same software.
const PAIRS: [(usize, usize); 3] = [(0, 1), (0, 2), (1, 2)];

/// Patterns of names and values. `by_name` tells that a long number in a name speaks for chance by itself.
fn texts(varying: &[Entry<'_>], looks: [&BTreeMap<String, String>; 3], by_name: bool) -> BTreeSet<Pattern> {
    let mut patterns = BTreeSet::new();
    // One look has this, another that instead.
    for (one, other) in PAIRS {
        let only = |this: usize, that: usize| -> Vec<Entry<'_>> {
            let lacks = |&(item, value): &Entry<'_>| looks[that].get(item).is_none_or(|has| has != value);
            entries(looks[this]).filter(lacks).take(LEARNED).collect()
        };
        let (ones, others) = (only(one, other), only(other, one));
        for &one in &ones {
            let found = others
                .iter()
                .filter_map(|&other| Pattern::of_two(one, other, false));
            patterns.extend(found);
        }
    }
    // One comes to others of its kind.
    for &entry in varying.iter().take(LEARNED) {
        for items in looks {
            let others = entries(items).filter(|other| other.0 != entry.0);
            patterns.extend(others.filter_map(|other| Pattern::of_two(entry, other, true)));
        }
        if by_name {
            patterns.extend(Pattern::of_one(entry));
        }
    }
    patterns
}

/// Patterns of sockets: one look has this port of a program, another that instead; of a port of the kernel's choice it is
/// enough that it varies.
fn ports(varying: &[Entry<'_>], looks: [&BTreeMap<String, String>; 3]) -> BTreeSet<Pattern> {
    let mut programs: BTreeMap<(&str, &str), BTreeSet<u16>> = BTreeMap::new();
    for &(item, program) in varying {
        if let Some((address, port)) = pattern::socket(item) {
            programs.entry((address, program)).or_default().insert(port);
        }
    }
    programs
        .into_iter()
        .filter_map(|((address, program), ports)| {
            let of = |items: &BTreeMap<String, String>| -> BTreeSet<u16> {
                let has = |port: &u16| {
                    items
                        .get(&format!("{address}:{port}"))
                        .is_some_and(|has| has == program)
                };
                ports.iter().copied().filter(has).collect()
            };
            let each = looks.map(of);
            let is_drawn = PAIRS.iter().any(|&(one, other)| {
                !each[one].is_subset(&each[other]) && !each[other].is_subset(&each[one])
            });
            let drawn: Vec<u16> = ports
                .into_iter()
                .filter(|&port| is_drawn || pattern::is_kernels(port))
                .collect();
            (!drawn.is_empty()).then(|| Pattern::ports(address, program, drawn))
        })
        .collect()
}
