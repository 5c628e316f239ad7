//! What varies by chance: patterns of items with their values, learned from looks at the same software. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// The items of one class in four looks, the one that counts and control's beside it first.
pub(super) type Items<'a> = [&'a BTreeMap<String, String>; 4];

/// An item of a look, with its value.
pub(super) type Entry<'a> = (&'a str, &'a str);

/// A part of a name that varies by chance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Chance {
    /// Decimal digits, after letters that do not vary.
    Number(String),
    /// So many hexadecimal digits.
    Hex(usize),
    /// So many letters and digits, as mktemp(3) draws them.
    Word(usize),
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    Fixed(String),
    Chance(Chance),
}

/// A range of ports out of which one is taken by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Band {
    /// Below 1024, as bindresvport(3) takes them.
    Reserved,
    /// Those that a program chooses by itself.
    Chosen,
    /// Those that Linux chooses unless told otherwise (ip(7), `ip_local_port_range`).
    Kernels,
}

impl Band {
    fn of(port: u16) -> Self {
        match port {
            0..=1023 => Self::Reserved,
            32_768..=60_999 => Self::Kernels,
            1024.. => Self::Chosen,
        }
    }
}

/// What entries have in common that differ by chance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pattern {
    /// Names and values.
    Text {
        /// Parts of the item.
        item: Vec<Piece>,
        /// Parts of the value.
        value: Vec<Piece>,
    },
    /// A program's sockets.
    Ports {
        /// Protocol and address.
        address: String,
        /// The value: the program's name.
        program: String,
        /// Where the ports are that it took.
        bands: BTreeSet<Band>,
    },
}

/// The protocol with the address, and the port, of an item of sockets.
pub(super) fn socket(item: &str) -> Option<(&str, u16)> {
    let (address, port) = item.rsplit_once(':')?;
    Some((address, port.parse().ok()?))
}

/// Whether the kernel is who chose a port.
pub(super) fn is_kernels(port: u16) -> bool {
    Band::of(port) == Band::Kernels
}

impl Pattern {
    /// A program's sockets on ports like these.
    pub(super) fn ports(address: &str, program: &str, ports: impl IntoIterator<Item = u16>) -> Self {
        Self::Ports {
            address: address.to_owned(),
            program: program.to_owned(),
            bands: ports.into_iter().map(Band::of).collect(),
        }
    }

    /// What two entries have in common that differ only in what can be chance; `long` asks that to be long, too.
    pub(super) fn of_two(one: Entry<'_>, other: Entry<'_>, long: bool) -> Option<Self> {
        let item = merged(one.0, other.0, long)?;
        let value = merged(one.1, other.1, long)?;
        let stands = |pieces: &[Piece]| {
            pieces
                .iter()
                .any(|piece| matches!(piece, Piece::Fixed(text) if text.chars().any(char::is_alphanumeric)))
        };
        stands(&item).then_some(Self::Text { item, value })
    }

    /// What an entry is one of by its name alone, where that has a long number in it.
    pub(super) fn of_one((item, value): Entry<'_>) -> Option<Self> {
        let alone = |text: &str| -> Vec<Piece> {
            parts(text)
                .into_iter()
                .map(|part| {
                    let (letters, digits) = numbered(part);
                    if digits.len() >= 4 {
                        Piece::Chance(Chance::Number(letters.to_owned()))
                    } else if part.len() >= 8 && is_hex(part) && has_digit(part) {
                        Piece::Chance(Chance::Hex(part.len()))
                    } else {
                        Piece::Fixed(part.to_owned())
                    }
                })
                .collect()
        };
        let item = alone(item);
        let varies = item.iter().any(|piece| matches!(piece, Piece::Chance(_)));
        // A digest of digits alone is still one among digests.
        let value = parts(value)
            .into_iter()
            .map(|part| match part.len() {
                12.. if is_hex(part) => Piece::Chance(Chance::Hex(part.len())),
                _ => Piece::Fixed(part.to_owned()),
            })
            .collect();
        varies.then_some(Self::Text { item, value })
    }

    /// Whether an entry is one of those.
    pub(super) fn fits(&self, (item, value): Entry<'_>) -> bool {
        match self {
            Self::Text {
                item: items,
                value: values,
            } => fits(items, item) && fits(values, value),
            Self::Ports {
                address,
                program,
                bands,
            } => {
                program == value
                    && socket(item).is_some_and(|(at, port)| at == address && bands.contains(&Band::of(port)))
            }
        }
    }

    /// Whether how many there are is chance too: sockets of UDP on the kernel's ports are clients that wait for an answer.
    pub(super) fn is_uncounted(&self) -> bool {
        match self {
            Self::Text { .. } => false,
            Self::Ports { address, bands, .. } => {
                address.starts_with("udp ") && bands.iter().all(|band| *band == Band::Kernels)
            }
        }
    }

    /// The item with `*` in place of what is chance.
    pub(super) fn item(&self) -> String {
        match self {
            Self::Text { item, .. } => item
                .iter()
                .map(|piece| match piece {
                    Piece::Fixed(text) => text.clone(),
                    Piece::Chance(Chance::Number(letters)) => format!("{letters}*"),
                    Piece::Chance(Chance::Hex(_) | Chance::Word(_)) => "*".to_owned(),
                })
                .collect(),
            Self::Ports { address, .. } => format!("{address}:*"),
        }
    }

    /// What it is called among the noise.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Ports { program, .. } if !program.is_empty() => format!("{} {program}", self.item()),
            Self::Ports { .. } | Self::Text { .. } => self.item(),
        }
    }
}

/// Runs of letters and digits, and what stands between them, sign by sign.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = if first.is_alphanumeric() {
            rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (part, behind) = rest.split_at(end);
        parts.push(part);
        rest = behind;
    }
    parts
}

fn merged(one: &str, other: &str, long: bool) -> Option<Vec<Piece>> {
    let (one, other) = (parts(one), parts(other));
    if one.len() != other.len() {
        return None;
    }
    one.into_iter()
        .zip(other)
        .map(|(one, other)| {
            if one == other {
                return Some(Piece::Fixed(one.to_owned()));
            }
            chance(one, other, long).map(Piece::Chance)
        })
        .collect()
}

/// What two parts have in common that differ.
fn chance(one: &str, other: &str, long: bool) -> Option<Chance> {
    const HEX: usize = 6;
    // Digests, of which some happen to have digits alone.
    if one.len() == other.len() && one.len() >= 12 && is_hex(one) && is_hex(other) {
        return Some(Chance::Hex(one.len()));
    }
    let ((letters, number), (others, another)) = (numbered(one), numbered(other));
    if letters == others && !number.is_empty() && !another.is_empty() {
        let is_long = number.len().min(another.len()) >= 3;
        return (is_long || !long).then(|| Chance::Number(letters.to_owned()));
    }
    if one.len() != other.len() || one.len() < HEX {
        return None;
    }
    if is_hex(one) && is_hex(other) && (has_digit(one) || has_digit(other)) {
        return Some(Chance::Hex(one.len()));
    }
    // `r4af21c07`, as systemd-run(1) names what it starts.
    let drawn = |text: &str| {
        has_digit(text)
            || (text.chars().skip(1).any(|c| c.is_ascii_uppercase())
                && text.chars().any(|c| c.is_ascii_lowercase()))
    };
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric());
    (is_plain(one) && is_plain(other) && drawn(one) && drawn(other)).then_some(Chance::Word(one.len()))
}

/// The letters before the decimal digits at the end, and these.
fn numbered(part: &str) -> (&str, &str) {
    let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
    part.split_at(letters.len())
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

fn fits(pieces: &[Piece], text: &str) -> bool {
    let parts = parts(text);
    parts.len() == pieces.len()
        && parts.into_iter().zip(pieces).all(|(part, piece)| match piece {
            Piece::Fixed(text) => text == part,
            Piece::Chance(Chance::Number(letters)) => part
                .strip_prefix(letters.as_str())
                .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())),
            Piece::Chance(Chance::Hex(length)) => part.len() == *length && is_hex(part),
            Piece::Chance(Chance::Word(length)) => {
                part.len() == *length && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_by_chance_is_a_pattern_and_what_does_not_is_none() {
        for (one, other, pattern) in [
            ("/etc/a/x-12.conf", "/etc/a/x-7.conf", Some("/etc/a/x-*.conf")),
            ("/etc/a/x12", "/etc/a/x7", Some("/etc/a/x*")),
            ("/etc/a/tmp.XyZabC", "/etc/a/tmp.QwErTy", Some("/etc/a/tmp.*")),
            ("/etc/0a1b2c3d", "/etc/99887766", Some("/etc/*")),
            ("/etc/a.conf", "/etc/b.conf", None),
            ("/etc/master.conf", "/etc/backup.conf", None),
            ("/etc/a/1.conf", "/etc/b/1.conf", None),
            ("/etc/a/1.conf", "/etc/a/1/x.conf", None),
            ("12", "13", None),
        ] {
            let found = Pattern::of_two((one, ""), (other, ""), false);
            assert_eq!(
                found.as_ref().map(Pattern::item).as_deref(),
                pattern,
                "{one} {other}"
            );
            if let Some(found) = found {
                assert!(found.fits((one, "")) && found.fits((other, "")));
                assert!(!found.fits((one, "failed")));
            }
        }
        let digest = Pattern::of_two(("/etc/x", "aaaa11112222"), ("/etc/x", "000011112222"), false);
        let digest = digest.expect("digests differ");
        assert!(digest.fits(("/etc/x", "123456789012")) && !digest.fits(("/etc/x", "missing")));
    }
}
