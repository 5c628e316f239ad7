//! Inputs made of seeds: cut, joined, repeated, nested, with words of the format and with single bits turned. The same for the
//! same seed of chance.

/// Bytes of an input.
const LONGEST: usize = 16 * 1024;

/// SplitMix64 (Steele, Lea and Flood 2014): small, and good enough here.
pub struct Chance(u64);

impl Chance {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`; 0 where that is 0.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    fn one<'a, T: ?Sized>(&mut self, all: &'a [&'a T]) -> Option<&'a T> {
        all.get(self.below(all.len())).copied()
    }
}

/// One input.
pub fn change(seeds: &[Vec<u8>], words: &[&str], chance: &mut Chance) -> Vec<u8> {
    let mut input = seeds.get(chance.below(seeds.len())).cloned().unwrap_or_default();
    for _ in 0..=chance.below(6) {
        once(&mut input, seeds, words, chance);
    }
    input.truncate(LONGEST);
    input
}

fn once(input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str], chance: &mut Chance) {
    let at = chance.below(input.len() + 1);
    let end = at + chance.below((input.len() - at).min(64) + 1);
    match chance.below(12) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << chance.below(8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = chance.next().to_le_bytes()[0];
            }
        }
        2 => drop(input.drain(at..end)),
        3 => input.truncate(at),
        4 => {
            let piece = input[at..end].to_vec();
            for _ in 0..=chance.below(20) {
                input.splice(at..at, piece.iter().copied());
            }
        }
        5 => {
            let other = seeds.get(chance.below(seeds.len())).cloned().unwrap_or_default();
            let from = chance.below(other.len() + 1);
            let piece = &other[from..(from + chance.below(256)).min(other.len())];
            input.splice(at..end, piece.iter().copied());
        }
        6..=9 => {
            if let Some(word) = chance.one(words) {
                input.splice(at..end, word.bytes());
            }
        }
        10 => {
            // Deep nests are where recursion ends badly.
            if let Some(word) = chance.one(words) {
                let times = 1 << chance.below(12);
                input.splice(at..at, word.repeat(times).into_bytes());
            }
        }
        _ => {
            let number = match chance.below(5) {
                0 => "0".to_owned(),
                1 => "-1".to_owned(),
                2 => "18446744073709551616".to_owned(),
                3 => "9".repeat(chance.below(400)),
                _ => chance.next().to_string(),
            };
            input.splice(at..end, number.into_bytes());
        }
    }
}
