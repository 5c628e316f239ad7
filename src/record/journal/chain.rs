//! What ties the lines of a journal together: every line ends with a hash of itself and of all lines before it, so that the
//! last one seals them all. Pure.
//!
//! A line is a record in JSON whose last key is `chain`: SHA-256 (hexadecimal) over the `chain` of the line before (nothing,
//! for the first) and the record's JSON without that key.

use sha2::{Digest, Sha256};

/// What stands between a record and its hash.
const KEY: &[u8] = b",\"chain\":\"";
/// What ends a line.
const END: &[u8] = b"\"}\n";
/// The digits of a hash.
const DIGITS: usize = 64;

/// The chain up to some line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain(Vec<u8>);

impl Chain {
    /// Makes a record's JSON, an object with a key at least, the next line.
    pub fn link(&mut self, mut record: Vec<u8>) -> Vec<u8> {
        self.0 = self.after(&record);
        record.pop();
        record.extend_from_slice(KEY);
        record.extend_from_slice(&self.0);
        record.extend_from_slice(END);
        record
    }

    /// The JSON of the record that is the next line; nothing where the line is not the one that was written behind the lines
    /// before it.
    pub fn follow(&mut self, mut line: Vec<u8>) -> Option<Vec<u8>> {
        let written = line.strip_suffix(END)?;
        let (rest, hash) = written.split_at_checked(written.len().checked_sub(DIGITS)?)?;
        let length = rest.strip_suffix(KEY)?.len();
        let hash = hash.to_vec();
        line.truncate(length);
        line.push(b'}');
        (self.after(&line) == hash).then(|| {
            self.0 = hash;
            line
        })
    }

    /// The hash in hexadecimal digits.
    fn after(&self, record: &[u8]) -> Vec<u8> {
        let hash = Sha256::new()
            .chain_update(&self.0)
            .chain_update(record)
            .finalize();
        let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
        hash.iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_followed_only_behind_those_that_it_was_written_behind() {
        let records = [br#"{"a":1}"#, br#"{"b":2}"#, br#"{"a":1}"#];
        let mut chain = Chain::default();
        let lines = records.map(|record| chain.link(record.to_vec()));
        assert!(lines[0].starts_with(b"{\"a\":1,\"chain\":\"") && lines[0].ends_with(b"\"}\n"));
        assert_ne!(lines[0], lines[2]);

        let mut again = Chain::default();
        for (line, record) in lines.iter().zip(records) {
            assert_eq!(again.follow(line.clone()).as_deref(), Some(record.as_slice()));
        }
        assert_eq!(again, chain);
        for (order, good) in [([0, 2], 1), ([1, 0], 0), ([0, 0], 1)] {
            let mut chain = Chain::default();
            let followed = order
                .iter()
                .take_while(|at| chain.follow(lines[**at].clone()).is_some());
            assert_eq!(followed.count(), good, "{order:?}");
        }
        for at in 0..lines[0].len() * 8 {
            let mut line = lines[0].clone();
            line[at / 8] ^= 1 << (at % 8);
            assert_eq!(Chain::default().follow(line), None, "bit {at}");
        }
        assert_eq!(Chain::default().follow(b"\"}\n".to_vec()), None);
    }
}
