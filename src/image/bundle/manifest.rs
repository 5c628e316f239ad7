//! The manifest of an appliance: a digest of each of its files, one a line (DMTF DSP0243, 5.1). Its writers have dialects:
//! `SHA256(a.vmdk)= 0f…`, `SHA1 (a.vmdk) = 0f…`, `SHA2-256(a.vmdk)= 0f…` as OpenSSL 3 calls it, and `0f…  a.vmdk` of sha256sum(1). A
//! line that is none of these is refused, never passed over.

use sha1::Sha1;
use sha2::digest::DynDigest;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use crate::image::bundle::names::plain;
use crate::input::{hex, safe};

/// Bytes of a manifest.
pub const LIMIT: u64 = 4 << 20;

/// By what a file is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    const ALL: [Self; 5] = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    fn bits(self) -> usize {
        match self {
            Self::Sha1 => 160,
            Self::Sha224 => 224,
            Self::Sha256 => 256,
            Self::Sha384 => 384,
            Self::Sha512 => 512,
        }
    }

    fn hasher(self) -> Box<dyn DynDigest> {
        match self {
            Self::Sha1 => Box::new(Sha1::default()),
            Self::Sha224 => Box::new(Sha224::default()),
            Self::Sha256 => Box::new(Sha256::default()),
            Self::Sha384 => Box::new(Sha384::default()),
            Self::Sha512 => Box::new(Sha512::default()),
        }
    }

    /// By the name that a line has: `SHA1`, `sha-256`, `SHA2-512`.
    fn named(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let rest = word.strip_prefix("sha")?;
        let rest = rest.strip_prefix("2-").or(rest.strip_prefix('-')).unwrap_or(rest);
        Self::ALL
            .into_iter()
            .find(|known| known.name()["SHA-".len()..] == *rest)
    }
}

/// What one line says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    algorithm: Algorithm,
    name: String,
    digest: String,
}

/// A manifest.
#[derive(Debug, Default)]
pub struct Manifest {
    lines: Vec<Line>,
}

/// A line that is not understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Strange {
    /// Which, from 1.
    pub line: usize,
    /// What stands there, made safe.
    pub text: String,
}

/// Reads a manifest, whose names are relative to where it stands.
pub fn read(bytes: &[u8]) -> Result<Manifest, Strange> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = Vec::new();
    for (index, text) in text.trim_start_matches('\u{feff}').split('\n').enumerate() {
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        lines.push(line(text).ok_or_else(|| Strange {
            line: index + 1,
            text: format!("`{}`", safe::line(text)),
        })?);
    }
    Ok(Manifest { lines })
}

fn line(text: &str) -> Option<Line> {
    let (algorithm, name, digest) = match text.split_once('(') {
        Some((word, rest)) if Algorithm::named(word.trim()).is_some() => {
            // The name may have brackets and equals signs of its own; the digest has none.
            let (name, digest) = rest.rsplit_once('=')?;
            let name = name.trim_end().strip_suffix(')')?;
            (Algorithm::named(word.trim())?, name, digest.trim())
        }
        _ => {
            let (digest, name) = text.split_once(' ')?;
            let name = name.strip_prefix([' ', '*']).unwrap_or(name);
            let algorithm = Algorithm::ALL
                .into_iter()
                .find(|known| known.bits() == digest.len() * 4)?;
            (algorithm, name, digest)
        }
    };
    let whole = digest.len() * 4 == algorithm.bits() && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some(Line {
        algorithm,
        name: plain(name.trim())?,
        digest: whole.then(|| digest.to_ascii_lowercase())?,
    })
}

impl Manifest {
    /// The files that it knows.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.name.as_str())
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Adds what another one says, which stands in that folder below this one's: its name with a slash behind it, or nothing.
    pub fn add(&mut self, folder: &str, other: Self) {
        let lines = other.lines.into_iter().map(|line| Line {
            name: format!("{folder}{}", line.name),
            ..line
        });
        self.lines.extend(lines);
    }

    /// Whether it knows a file.
    pub fn knows(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// What looks at a file while it is read.
    pub fn watch(&self, name: &str) -> Watch {
        let lines = self.lines.iter().filter(|line| line.name == name);
        Watch(
            lines
                .map(|line| (line.algorithm, line.digest.clone(), line.algorithm.hasher()))
                .collect(),
        )
    }
}

/// What looks at a file while it is read.
pub struct Watch(Vec<(Algorithm, String, Box<dyn DynDigest>)>);

impl Watch {
    /// Whether the manifest does not know the file.
    pub fn is_idle(&self) -> bool {
        self.0.is_empty()
    }

    /// The next bytes.
    pub fn see(&mut self, bytes: &[u8]) {
        for (_, _, hasher) in &mut self.0 {
            hasher.update(bytes);
        }
    }

    /// Whether it is the file that the manifest was written for; else by which digest it is not.
    pub fn verdict(self) -> Result<(), &'static str> {
        for (algorithm, expected, hasher) in self.0 {
            if hex(&hasher.finalize()) != expected {
                return Err(algorithm.name());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const EMPTY_SHA1: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

    #[test]
    fn every_dialect_says_the_same_file_and_digest() {
        for (text, name) in [
            (format!("SHA256(a.vmdk)= {EMPTY}"), "a.vmdk"),
            (format!("SHA256 (a.vmdk) = {EMPTY}\r"), "a.vmdk"),
            (format!("SHA2-256(a.vmdk)= {EMPTY}"), "a.vmdk"),
            (format!("sha-256(a.vmdk)={}", EMPTY.to_uppercase()), "a.vmdk"),
            (format!("SHA1(a.vmdk)= {EMPTY_SHA1}"), "a.vmdk"),
            (
                format!("SHA1 ( a (1) = x.vmdk ) = {EMPTY_SHA1}"),
                "a (1) = x.vmdk",
            ),
            (format!("\u{feff}{EMPTY}  ./a.vmdk"), "a.vmdk"),
            (format!("{EMPTY_SHA1} *a.vmdk"), "a.vmdk"),
        ] {
            let manifest = read(format!("{text}\n\n").as_bytes()).expect("a manifest");
            assert_eq!(manifest.names().collect::<Vec<_>>(), [name], "{text}");
            assert_eq!(manifest.watch(name).verdict(), Ok(()), "{text}");
            let mut other = manifest.watch(name);
            other.see(b"x");
            assert!(other.verdict().is_err(), "{text}");
            assert!(manifest.watch("b").is_idle());
        }
    }

    #[test]
    fn a_line_that_is_not_understood_is_named_and_not_passed_over() {
        for text in [
            format!("MD5(a)= {EMPTY}"),
            format!("SHA256(a)= {EMPTY_SHA1}"),
            format!("SHA256(a)= {}x", &EMPTY[1..]),
            format!("SHA256(a)  {EMPTY}"),
            format!("SHA256(../a)= {EMPTY}"),
            format!("SHA256()= {EMPTY}"),
            "-----BEGIN CERTIFICATE-----".to_owned(),
            EMPTY.to_owned(),
        ] {
            let strange = read(format!("SHA256(b)= {EMPTY}\n{text}\n").as_bytes()).expect_err(&text);
            assert_eq!(strange.line, 2, "{text}");
        }
    }

    #[test]
    fn a_file_that_is_listed_twice_must_fit_both() {
        let text = format!("SHA256(a)= {EMPTY}\nSHA1(a)= {}\n", "0".repeat(40));
        let manifest = read(text.as_bytes()).expect("a manifest");
        assert_eq!(manifest.watch("a").verdict(), Err("SHA-1"));
    }
}
