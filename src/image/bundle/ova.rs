//! Tar archives as appliances come in them: ustar, GNU's and POSIX's (pax), read by their blocks. Only where each file stands is
//! read; nothing is unpacked by its name.
//! <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06>,
//! <https://www.gnu.org/software/tar/manual/html_node/Standard.html>.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::image::bundle::error::{Problem, shown};
use crate::image::bundle::names::{MOST_ENTRIES, plain};
use crate::image::bundle::part::Part;
use crate::system::file::FileError;

/// Bytes of a block.
const BLOCK: u64 = 512;
/// The same, as a length.
const HEADER: usize = 512;
/// Bytes of a long name or of pax's records.
const RECORDS: u64 = 1 << 20;

/// An archive, and where its files are in it.
#[derive(Debug)]
pub struct Archive {
    file: File,
    entries: BTreeMap<String, Entry>,
    /// Whether its end is marked, as every writer does.
    pub ended: bool,
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    File { at: u64, size: u64 },
    Link,
    Folder,
    Other,
}

/// One header.
#[derive(Debug)]
struct Header {
    name: String,
    size: u64,
    kind: u8,
}

/// What headers before an entry say of it.
#[derive(Debug, Default)]
struct Ahead {
    name: Option<String>,
    size: Option<u64>,
    holes: bool,
}

impl Archive {
    /// Reads where the files of an archive are; `None` for a file that is no archive.
    pub fn of(file: File, stop: &dyn Fn() -> bool) -> Result<Option<Self>, Problem> {
        let length = file.metadata().map_err(Problem::reading)?.len();
        let mut entries = BTreeMap::new();
        let mut ahead = Ahead::default();
        let mut at = 0;
        let mut ended = false;
        let mut count = 0;
        while at < length {
            if stop() {
                return Err(Problem::Stopped);
            }
            let mut block = [0; HEADER];
            if length - at < BLOCK {
                return if at == 0 {
                    Ok(None)
                } else {
                    Err(Problem::Cut("it ends inside a block of the archive".to_owned()))
                };
            }
            file.read_exact_at(&mut block, at).map_err(Problem::reading)?;
            if at == 0 && &block[257..262] != b"ustar" {
                return Ok(None);
            }
            if block.iter().all(|&byte| byte == 0) {
                ended = true;
                break;
            }
            let Some(header) = Header::of(&block) else {
                return if at == 0 {
                    Ok(None)
                } else {
                    Err(Problem::Damaged(format!(
                        "the archive has no header at byte {at}"
                    )))
                };
            };
            count += 1;
            if count > MOST_ENTRIES {
                return Err(Problem::Unfit(format!(
                    "is an archive of more than {MOST_ENTRIES} entries"
                )));
            }
            let body = at + BLOCK;
            let size = header.body(&ahead);
            at = size
                .checked_next_multiple_of(BLOCK)
                .and_then(|size| body.checked_add(size))
                .filter(|_| size <= length - body)
                .ok_or_else(|| cut(&header, &ahead, size, length - body))?;
            if header.is_about_the_next() {
                ahead.read(&header, &file, body)?;
            } else {
                let (name, entry) = header.entry(std::mem::take(&mut ahead), body)?;
                if let Some(name) = name
                    && entries.insert(name.clone(), entry).is_some()
                    && !matches!(entry, Entry::Folder)
                {
                    return Err(Problem::Damaged(format!(
                        "the archive has {} twice",
                        shown(&name)
                    )));
                }
            }
        }
        if count == 0 {
            return Ok(None);
        }
        Ok(Some(Self { file, entries, ended }))
    }

    /// The names of its files and links.
    pub fn names(&self) -> Vec<&str> {
        let files = self.entries.iter().filter(|(_, entry)| match entry {
            Entry::File { .. } | Entry::Link => true,
            Entry::Folder | Entry::Other => false,
        });
        files.map(|(name, _)| name.as_str()).collect()
    }

    /// A file of it. A link is none, and an error.
    pub fn part(&self, name: &str) -> Result<Option<Part>, Problem> {
        match self.entries.get(name) {
            None => Ok(None),
            Some(Entry::File { at, size }) => {
                let file = self.file.try_clone().map_err(Problem::reading)?;
                Ok(Some(Part::new(file, *at, *size)))
            }
            Some(Entry::Link) => Err(Problem::of_file(name, FileError::Link)),
            Some(Entry::Folder | Entry::Other) => Err(Problem::of_file(name, FileError::NotAFile)),
        }
    }
}

fn cut(header: &Header, ahead: &Ahead, size: u64, there: u64) -> Problem {
    let name = ahead.name.as_ref().unwrap_or(&header.name);
    Problem::Cut(format!(
        "{} has {size} bytes, and the archive ends after {there} of them",
        shown(name)
    ))
}

impl Header {
    /// Reads a header; `None` where its checksum says that it is none.
    fn of(block: &[u8; HEADER]) -> Option<Self> {
        let sum = octal(&block[148..156])?;
        let counted = |sign: fn(u8) -> i64| {
            let bytes = block.iter().enumerate();
            bytes
                .map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { sign(byte) })
                .sum::<i64>()
        };
        // Some old writers added signed bytes.
        let sum = i64::try_from(sum).ok()?;
        if sum != counted(i64::from) && sum != counted(|byte| i64::from(byte.cast_signed())) {
            return None;
        }
        let name = text(&block[..100]);
        // GNU's headers have other things there.
        let prefix = if &block[257..263] == b"ustar\0" {
            text(&block[345..500])
        } else {
            String::new()
        };
        Some(Self {
            name: if prefix.is_empty() {
                name
            } else {
                format!("{prefix}/{name}")
            },
            size: number(&block[124..136])?,
            kind: block[156],
        })
    }

    /// Bytes that follow the header; the size of what is no file means nothing.
    fn body(&self, ahead: &Ahead) -> u64 {
        match self.kind {
            b'1'..=b'6' => 0,
            _ if self.is_about_the_next() => self.size,
            _ => ahead.size.unwrap_or(self.size),
        }
    }

    /// Whether it says something of the entry after it, or of all.
    fn is_about_the_next(&self) -> bool {
        matches!(self.kind, b'x' | b'g' | b'L' | b'K')
    }

    /// The entry, with what was said ahead of it. A folder above everything has no name.
    fn entry(self, ahead: Ahead, at: u64) -> Result<(Option<String>, Entry), Problem> {
        let size = self.body(&ahead);
        let name = ahead.name.unwrap_or(self.name);
        let entry = match self.kind {
            b'0' | b'7' | 0 => Entry::File { at, size },
            b'1' | b'2' => Entry::Link,
            b'5' => Entry::Folder,
            _ => Entry::Other,
        };
        if ahead.holes || self.kind == b'S' {
            return Err(Problem::Unfit(format!(
                "has {} stored with holes, as `tar --sparse` does; pack it anew without",
                shown(&name)
            )));
        }
        match plain(&name) {
            Some(name) => Ok((Some(name), entry)),
            None if matches!(entry, Entry::Folder) && matches!(name.as_str(), "." | "./") => {
                Ok((None, entry))
            }
            None => Err(Problem::Outside(shown(&name))),
        }
    }
}

impl Ahead {
    fn read(&mut self, header: &Header, file: &File, at: u64) -> Result<(), Problem> {
        if header.size > RECORDS {
            return Err(Problem::Damaged("a name in the archive has no end".to_owned()));
        }
        let file = file.try_clone().map_err(Problem::reading)?;
        let bytes = Part::new(file, at, header.size).bytes(&header.name, RECORDS)?;
        match header.kind {
            b'L' => self.name = Some(text(&bytes)),
            b'x' => {
                self.records(&bytes).ok_or_else(|| {
                    Problem::Damaged("a pax header of the archive has no such form".to_owned())
                })?;
            }
            // A link's aim, and what is said of all entries: nothing of it is of use here.
            _ => {}
        }
        Ok(())
    }

    /// Records of the form `LENGTH KEY=VALUE\n`, where the length counts itself.
    fn records(&mut self, mut bytes: &[u8]) -> Option<()> {
        while bytes.iter().any(|&byte| byte != 0) {
            let blank = bytes.iter().take(20).position(|&byte| byte == b' ')?;
            let length: usize = std::str::from_utf8(&bytes[..blank]).ok()?.parse().ok()?;
            let record = bytes.get(blank + 1..length)?.strip_suffix(b"\n")?;
            bytes = &bytes[length..];
            let equals = record.iter().position(|&byte| byte == b'=')?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => self.name = Some(String::from_utf8_lossy(value).into_owned()),
                b"size" => self.size = Some(std::str::from_utf8(value).ok()?.parse().ok()?),
                _ => self.holes |= key.starts_with(b"GNU.sparse."),
            }
        }
        Some(())
    }
}

/// Text up to its first NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// A number in octal digits, between blanks and NULs.
fn octal(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let digits = text.trim_matches([' ', '\0']);
    if digits.is_empty() {
        return Some(0);
    }
    digits
        .bytes()
        .all(|digit| digit.is_ascii_digit())
        .then(|| u64::from_str_radix(digits, 8).ok())?
}

/// A number in octal digits or, from 8 GiB on, in base 256: the first bit is set, and the rest is the number.
fn number(bytes: &[u8]) -> Option<u64> {
    match bytes {
        [0x80, rest @ ..] => {
            let (high, low) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
            let fits = high.iter().all(|&byte| byte == 0);
            fits.then(|| low.try_into().ok().map(u64::from_be_bytes))?
        }
        [first, ..] if *first >= 0x80 => None,
        _ => octal(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_both_bases_and_never_wrap() {
        assert_eq!(number(b"00000000644\0"), Some(0o644));
        assert_eq!(number(b"        644 "), Some(0o644));
        assert_eq!(
            number(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1]),
            Some((2 << 32) | 1)
        );
        for wrong in [
            b"0000000x644\0".as_slice(),
            &[0xff; 12],
            &[0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            b"00000000689\0",
        ] {
            assert_eq!(number(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn pax_records_end_where_they_say() {
        let mut ahead = Ahead::default();
        let records = ["path=a/b.vmdk", "size=8589934592", "comment=x = y"];
        let lines = records.map(|record| format!("{} {record}\n", record.len() + 4));
        let text = lines.concat();
        ahead.records(text.as_bytes()).expect("records");
        assert_eq!(ahead.name.as_deref(), Some("a/b.vmdk"));
        assert_eq!(ahead.size, Some(8_589_934_592));
        for wrong in ["99 path=a\n", "x path=a\n", "10 path=a!", "5 a\n", "0 path=a\n"] {
            assert!(Ahead::default().records(wrong.as_bytes()).is_none(), "{wrong}");
        }
        let mut holes = Ahead::default();
        holes.records(b"22 GNU.sparse.major=1\n").expect("records");
        assert!(holes.holes);
    }
}
