//! Reading what a recipe does to the installed system, and the files that it takes from beside itself.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};
use toml::Spanned;

use crate::input::hex;
use crate::input::read::Reader;
use crate::input::section::Section;
use crate::input::words::show;
use crate::lab::recipe::types::{Changes, LocalDeb, RecipeFile};
use crate::lab::recipe::values::bare;
use crate::system::file;

/// The largest file that a recipe places in an image, in bytes.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;
/// The largest local package, in bytes.
pub const DEB_LIMIT: u64 = 512 * 1024 * 1024;

/// The permission bits of a file whose recipe does not say.
const MODE: u32 = 0o644;

/// What stands beside a recipe, and what of it was read.
#[derive(Debug)]
pub(super) struct Beside {
    /// The recipe's folder.
    pub(super) folder: PathBuf,
    /// The recipe and the files that it names, with the SHA-256 of their bytes.
    pub(super) inputs: BTreeMap<PathBuf, String>,
}

/// Reads what is done to the installed system.
pub(super) fn changes(reader: &mut Reader<'_>, root: &Section<'_>, beside: &mut Beside) -> Changes {
    let commands = reader.list(root, "commands");
    for command in &commands {
        if command.get_ref().trim().is_empty() {
            reader.hinted(
                command.span(),
                "empty command",
                "take it away, or write what it shall do",
            );
        }
    }
    let entries = reader.tables(root, "file", "file").unwrap_or_default();
    let keys = root.key("file").shape.table();
    let mut files = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let section = reader.open(format!("file {}", index + 1), entry, keys, "[[file]]");
        files.extend(section.and_then(|section| file(reader, &section, beside)));
    }
    Changes {
        files,
        mask: units(reader, root, "mask"),
        enable: units(reader, root, "enable"),
        commands: bare(commands),
    }
}

fn units(reader: &mut Reader<'_>, root: &Section<'_>, key: &str) -> Vec<String> {
    let units = reader.list(root, key);
    for unit in &units {
        let text = unit.get_ref();
        let fits = !text.starts_with(['-', '.'])
            && text.contains('.')
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '@' | '\\'));
        if !fits {
            reader.hinted(
                unit.span(),
                format!("{} is not a systemd unit", show(text)),
                format!("write its full name: {}", root.like(key)),
            );
        }
    }
    bare(units)
}

fn file(reader: &mut Reader<'_>, section: &Section<'_>, beside: &mut Beside) -> Option<RecipeFile> {
    let path = reader.required(section, "path");
    let shown = show(path.get_ref());
    if !path.get_ref().is_empty() && !is_file_path(path.get_ref()) {
        reader.hinted(
            path.span(),
            format!("{shown} is not the absolute path of a file"),
            format!("write it like this: {}", section.like("path")),
        );
    }
    let mode = mode(reader, section);
    let content = reader.text(section, "content");
    let source = reader.path(section, "source");
    if section.has("content") == section.has("source") {
        reader.hinted(
            section.span_of("path"),
            format!("file {shown} needs exactly one of `content` and `source`"),
            "`content` is the text itself, `source` a file relative to the recipe",
        );
    }
    let content = match source {
        Some(source) => beside.read(reader, &source)?,
        None => content?.into_inner().into_bytes(),
    };
    Some(RecipeFile {
        path: path.into_inner(),
        mode: mode?,
        content,
    })
}

/// Whether a text is the absolute path of a file, without `..`.
fn is_file_path(path: &str) -> bool {
    let parts: Vec<_> = Path::new(path).components().collect();
    let fits = matches!(parts.as_slice(), [Component::RootDir, rest @ ..]
        if !rest.is_empty() && rest.iter().all(|part| matches!(part, Component::Normal(_))));
    fits && !path.chars().any(char::is_control) && !path.ends_with('/')
}

fn mode(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<u32> {
    if !section.has("mode") {
        return Some(MODE);
    }
    let text = reader.text(section, "mode")?;
    let mode = u32::from_str_radix(text.get_ref(), 8)
        .ok()
        .filter(|mode| *mode <= 0o7777);
    if mode.is_none() {
        reader.hinted(
            text.span(),
            format!("{} is not a file mode", show(text.get_ref())),
            "write octal digits, such as \"0644\"",
        );
    }
    mode
}

/// Reads `debs`.
pub(super) fn debs(reader: &mut Reader<'_>, root: &Section<'_>, beside: &mut Beside) -> Vec<LocalDeb> {
    let paths = reader.list(root, "debs");
    paths.iter().filter_map(|path| beside.deb(reader, path)).collect()
}

impl Beside {
    fn read(&mut self, reader: &mut Reader<'_>, source: &Spanned<PathBuf>) -> Option<Vec<u8>> {
        let from = self.folder.join(source.get_ref());
        match file::read(&from, FILE_LIMIT) {
            Ok(bytes) => {
                self.inputs.insert(from, hex(&Sha256::digest(&bytes)));
                Some(bytes)
            }
            Err(problem) => {
                reader.hinted(
                    source.span(),
                    format!("{} {problem}", show(&from.display().to_string())),
                    "`source` is relative to the recipe",
                );
                None
            }
        }
    }

    fn deb(&mut self, reader: &mut Reader<'_>, path: &Spanned<String>) -> Option<LocalDeb> {
        let from = self.folder.join(path.get_ref());
        let digest = if from.extension().is_some_and(|extension| extension == "deb") {
            file::digest(&from, DEB_LIMIT).map_err(|error| error.to_string())
        } else {
            Err("is not a .deb file".into())
        };
        match digest {
            Ok(sha256) => {
                self.inputs.insert(from.clone(), sha256.clone());
                Some(LocalDeb { path: from, sha256 })
            }
            Err(problem) => {
                reader.hinted(
                    path.span(),
                    format!("{} {problem}", show(&from.display().to_string())),
                    "`debs` are relative to the recipe",
                );
                None
            }
        }
    }
}
