//! Journals that were changed by somebody who knows how their lines are tied together.

use patchgate::record::journal::chain::Chain;

/// The records of a journal's text in JSON, as [`sealed`] takes them.
pub fn bare(journal: &str) -> Vec<String> {
    let of_line = |line: &str| {
        let (record, _) = line.rsplit_once(",\"chain\":").expect("a chain");
        format!("{record}}}")
    };
    journal.lines().map(of_line).collect()
}

/// Records in JSON as a journal's text, each tied to those before it.
pub fn sealed(records: &[impl AsRef<str>]) -> String {
    let mut chain = Chain::default();
    let lines = records.iter().map(|record| chain.link(record.as_ref().into()));
    String::from_utf8(lines.flatten().collect()).expect("UTF-8")
}
