//! Lengths, sizes and counts in words.

use std::time::Duration;

use crate::gate::Counts;
use crate::input::safe;
use crate::model::event::Traffic;
use crate::verdict::NodeJudgement;

/// A length of time for a reader: `0.4s`, `12s`, `3m 05s`, `1h 02m`.
pub fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{}.{}s", seconds, time.subsec_millis() / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600.. => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The cells that a decision is about: `2 cells`, or `2 cells of 8` where the run left some of the lab out.
pub fn cells(counts: &Counts) -> String {
    let planned = count(counts.planned, "cell");
    match counts.left_out {
        0 => planned,
        left_out => format!("{planned} of {}", counts.planned + left_out),
    }
}

/// What passed the proxy, in words.
pub fn traffic(traffic: &Traffic) -> String {
    let mut text = format!(
        "{} from their sources, {} from the cache",
        size(traffic.mirror_bytes),
        size(traffic.cache_bytes)
    );
    if let Some(first) = traffic.refused.first() {
        let more = match traffic.refused.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        text = format!("{text}; refused: {}{more}", safe::line(first));
    }
    text
}

/// How old the lists of the update sources were when a node's set was pinned.
pub(super) fn lists(node: &NodeJudgement) -> Option<String> {
    let (made, pinned) = node.lists?;
    let seconds = pinned.duration_since(made).as_secs();
    let age = match u64::try_from(seconds) {
        Err(_) => "later than the set was pinned".to_owned(),
        Ok(seconds @ 0..172_800) => format!("{} before", length(Duration::from_secs(seconds))),
        Ok(seconds) => format!("{} days before", seconds / 86_400),
    };
    Some(format!(
        "the oldest list of its sources is of {}, {age}",
        made.strftime("%Y-%m-%d %H:%M UTC")
    ))
}

/// `512 B`, `20.1 KiB`, `1.5 MiB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => tenths(bytes, 1024, "KiB"),
        1_048_576.. => tenths(bytes, 1_048_576, "MiB"),
    }
}

fn tenths(bytes: u64, unit: u64, name: &str) -> String {
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

/// `1 update`, `2 updates`.
pub(super) fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_reads_well() {
        let passed = Traffic {
            requests: 9,
            mirror_bytes: 54_630_809,
            cache_bytes: 20_600,
            refused: vec!["GET http://bank.example/".into(), "CONNECT x:443".into()],
        };
        assert_eq!(
            traffic(&passed),
            "52.0 MiB from their sources, 20.1 KiB from the cache; refused: GET http://bank.example/ and 1 more"
        );
        assert_eq!(
            traffic(&Traffic::default()),
            "0 B from their sources, 0 B from the cache"
        );
    }

    #[test]
    fn what_passed_several_proxies_is_added_up() {
        let passed = |bytes, refused: &[&str]| Traffic {
            requests: 1,
            mirror_bytes: bytes,
            cache_bytes: 10 * bytes,
            refused: refused.iter().map(|&line| line.into()).collect(),
        };
        assert_eq!(
            passed(1, &["GET http://bank.example/"])
                .and(passed(2, &["GET http://bank.example/", "CONNECT x:443"])),
            Traffic {
                requests: 2,
                mirror_bytes: 3,
                cache_bytes: 30,
                refused: vec!["GET http://bank.example/".into(), "CONNECT x:443".into()],
            }
        );
    }

    #[test]
    fn lengths_of_time_read_well() {
        for (millis, text) in [
            (0, "0.0s"),
            (480, "0.4s"),
            (12_900, "12s"),
            (185_000, "3m 05s"),
            (3_720_000, "1h 02m"),
        ] {
            assert_eq!(length(Duration::from_millis(millis)), text);
        }
    }
}
