//! What was measured: statistics, the table and the JSON file.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Number, Value};

/// Every key that a part may give, with its meaning and the bound that it is held against.
const KEYS: [(&str, &str, &str); 19] = [
    ("fork_warm_p50_s", "warm fork to agent ready, seconds, p50", ""),
    ("fork_warm_p95_s", "warm fork to agent ready, seconds, p95", ""),
    ("fork_cold_p50_s", "cold fork to agent ready, seconds, p50", ""),
    ("fork_over_cold_p50", "warm p50 over cold p50", ""),
    ("fork_p95_over_p50", "warm p95 over warm p50", ""),
    ("clones_alive", "clones of one image alive at once", ""),
    ("clones_wall_s", "until all of them were ready, seconds", ""),
    ("clone_host_memory_mib", "host memory of one, MiB", ""),
    ("clone_disk_mib", "disk of one, MiB", ""),
    ("run_wall_s", "the fixed lab's run, seconds", ""),
    (
        "own_share_percent",
        "of which patchgate's and libvirt's own, %",
        "",
    ),
    ("run_rss_mib", "patchgate's peak memory in it, MiB", ""),
    ("rss_mib_16_cells", "patchgate's peak memory, 16 cells, MiB", ""),
    ("fake_cells", "cells on the fake lab", ""),
    ("fake_cpu_s", "processor time of their run, seconds", "< 5"),
    ("fake_rss_mib", "peak memory of their run, MiB", "< 200"),
    ("fake_journal_mib", "their journal, MiB", ""),
    ("gate_replay_s", "`patchgate gate` on it, seconds", "< 1"),
    ("report_replay_s", "the slowest `patchgate report`, seconds", ""),
];

/// Figures by key.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<&'static str, f64>);

impl Figures {
    /// Sets a figure. A key that [`KEYS`] does not have would be printed nowhere.
    pub fn set(&mut self, key: &'static str, value: f64) {
        debug_assert!(KEYS.iter().any(|(known, ..)| *known == key), "{key} has no row");
        self.0.insert(key, value);
    }

    /// A figure.
    pub fn get(&self, key: &str) -> Option<f64> {
        self.0.get(key).copied()
    }

    /// Takes another part's figures in.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The rows of what was measured.
    pub fn table(&self) -> String {
        let mut table = format!("{:<22} {:>10}  {:<6} what it is\n", "figure", "value", "bound");
        for (key, words, bound) in KEYS {
            if let Some(value) = self.get(key) {
                // Writing to a String cannot fail.
                let _ = writeln!(table, "{key:<22} {:>10}  {bound:<6} {words}", shown(value));
            }
        }
        table
    }

    /// The file's content: the figures, the machine, and why other parts have none.
    pub fn json(&self, machine: &BTreeMap<&str, String>, not_run: &BTreeMap<&str, String>) -> String {
        let texts = |map: &BTreeMap<&str, String>| {
            let fields = map
                .iter()
                .map(|(key, text)| ((*key).to_owned(), text.as_str().into()));
            Value::Object(fields.collect::<Map<_, _>>())
        };
        let mut object = Map::new();
        object.insert("machine".to_owned(), texts(machine));
        object.insert("not_run".to_owned(), texts(not_run));
        let figures = self.0.iter().filter_map(|(key, value)| {
            let rounded = (value * 1000.0).round() / 1000.0;
            Some(((*key).to_owned(), Value::Number(Number::from_f64(rounded)?)))
        });
        object.extend(figures);
        format!("{:#}\n", Value::Object(object))
    }
}

fn shown(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value}")
    } else {
        format!("{value:.3}")
    }
}

/// The smallest of the values that so many percent of them do not exceed (nearest rank); `None` of nothing.
pub fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let ten: Vec<f64> = (1..=10).rev().map(f64::from).collect();
        for (values, percent, expected) in [
            (&ten[..], 50, Some(5.0)),
            (&ten[..], 95, Some(10.0)),
            (&ten[..9], 50, Some(6.0)),
            (&ten[..1], 95, Some(10.0)),
            (&[], 50, None),
        ] {
            assert_eq!(percentile(values, percent), expected, "p{percent} of {values:?}");
        }
    }

    #[test]
    fn the_file_has_what_was_measured_and_the_reason_for_what_was_not() {
        let mut figures = Figures::default();
        figures.set("fake_cells", 1000.0);
        figures.set("gate_replay_s", 0.512_345);
        let not_run = BTreeMap::from([("clones", "not selected".to_owned())]);
        let machine = BTreeMap::from([("cores", "2".to_owned())]);
        let value: Value = serde_json::from_str(&figures.json(&machine, &not_run)).expect("JSON");
        assert_eq!(value["fake_cells"], 1000.0);
        assert_eq!(value["gate_replay_s"], 0.512);
        assert_eq!(value["machine"]["cores"], "2");
        assert_eq!(value["not_run"]["clones"], "not selected");
        assert_eq!(value.get("clones_alive"), None);
        let table = figures.table();
        assert!(
            table.contains("0.512") && !table.contains("clones_alive"),
            "{table}"
        );
    }
}
