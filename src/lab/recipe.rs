//! OS and role recipes: what an image is built from, as a person writes it.
//!
//! A recipe is trusted like the lab file is: its commands run as root in a chroot. What is checked here is what a
//! person gets wrong; every finding names file, line and column.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use toml::Spanned;

use crate::input::finding::{Finding, Severity, Source};
use crate::input::hex;
use crate::lab::disk::{digest_bounded, read_bounded};
use crate::units::Mib;

/// The largest recipe that is read, in bytes.
const RECIPE_LIMIT: u64 = 1024 * 1024;
/// The largest file that a recipe places in an image, in bytes.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;
/// The largest local package, in bytes.
const DEB_LIMIT: u64 = 512 * 1024 * 1024;
/// The smallest and largest disk; a Debian server with room for a new kernel needs some 2 GiB.
const DISK_RANGE: (Mib, Mib) = (Mib(1024), Mib(64 * 1024));

/// An OS recipe, checked, with the files that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OsRecipe {
    /// The OS version that it builds, such as `debian-12`.
    pub os: String,
    /// Debian's name for it, such as `bookworm`.
    pub suite: String,
    /// Where packages come from while building.
    pub mirror: String,
    /// Packages beside the essential ones, all from the suite's `main`.
    pub packages: Vec<String>,
    /// Options of apt, for the build and in the guest.
    pub apt: Vec<String>,
    /// Options of dpkg, for the build and in the guest.
    pub dpkg: Vec<String>,
    /// The guest's update sources: lines of its `sources.list`.
    pub sources: Vec<String>,
    /// The disk's size.
    pub disk: Mib,
    /// The kernel's command line, beside its root file system.
    pub kernel: String,
    /// What is done to the installed system.
    #[serde(flatten)]
    pub changes: Changes,
    /// The recipe and the files that it names, with the SHA-256 of their bytes.
    #[serde(skip)]
    pub inputs: BTreeMap<PathBuf, String>,
}

/// A role recipe, checked, with the files that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleRecipe {
    /// Its packages from the base's own release.
    pub packages: Vec<String>,
    /// Its packages on OS versions where they are named differently, instead of `packages`.
    pub packages_for: BTreeMap<String, Vec<String>>,
    /// Packages that are fetched, with what they depend on, and left for the commands to install: their scripts need
    /// something that runs.
    pub fetch: Vec<String>,
    /// Local packages that are installed beside them.
    pub debs: Vec<LocalDeb>,
    /// What is done to the installed system.
    #[serde(flatten)]
    pub changes: Changes,
    /// The recipe and the files that it names, with the SHA-256 of their bytes.
    #[serde(skip)]
    pub inputs: BTreeMap<PathBuf, String>,
}

impl RoleRecipe {
    /// The packages on that OS version.
    pub fn packages_on(&self, os: &str) -> &[String] {
        self.packages_for.get(os).unwrap_or(&self.packages)
    }
}

/// What a recipe does to the installed system, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Files to write.
    pub files: Vec<RecipeFile>,
    /// systemd units to mask.
    pub mask: Vec<String>,
    /// systemd units to enable.
    pub enable: Vec<String>,
    /// Shell commands, run in a chroot as root, without a network.
    pub commands: Vec<String>,
}

/// A file to write into an image, owned by root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecipeFile {
    /// Its absolute path in the guest.
    pub path: String,
    /// Its permission bits.
    pub mode: u32,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// A package file on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LocalDeb {
    /// Where it is.
    #[serde(skip)]
    pub path: PathBuf,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OsFile {
    os: Spanned<String>,
    suite: Spanned<String>,
    mirror: Spanned<String>,
    #[serde(default)]
    packages: Vec<Spanned<String>>,
    #[serde(default)]
    apt: Vec<String>,
    #[serde(default)]
    dpkg: Vec<String>,
    sources: Spanned<Vec<Spanned<String>>>,
    disk: Spanned<Mib>,
    #[serde(default = "default_kernel")]
    kernel: Spanned<String>,
    #[serde(default)]
    mask: Vec<Spanned<String>>,
    #[serde(default)]
    enable: Vec<Spanned<String>>,
    #[serde(default)]
    commands: Vec<Spanned<String>>,
    #[serde(default)]
    file: Vec<FileEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleFile {
    #[serde(default)]
    packages: Vec<Spanned<String>>,
    #[serde(default)]
    packages_for: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
    #[serde(default)]
    fetch: Vec<Spanned<String>>,
    #[serde(default)]
    debs: Vec<Spanned<PathBuf>>,
    #[serde(default)]
    mask: Vec<Spanned<String>>,
    #[serde(default)]
    enable: Vec<Spanned<String>>,
    #[serde(default)]
    commands: Vec<Spanned<String>>,
    #[serde(default)]
    file: Vec<FileEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEntry {
    path: Spanned<String>,
    content: Option<String>,
    source: Option<Spanned<PathBuf>>,
    mode: Option<Spanned<String>>,
}

fn default_kernel() -> Spanned<String> {
    Spanned::new(0..0, "console=ttyS0 quiet net.ifnames=0".into())
}

/// Reads an OS recipe.
pub fn load_os(path: &Path) -> Result<OsRecipe, Vec<Finding>> {
    let mut lint = Lint::open(path)?;
    let file: OsFile = lint.parse()?;
    lint.name(&file.os, "OS version", "debian-12");
    lint.name(&file.suite, "suite", "bookworm");
    lint.plain(&file.mirror, "mirror");
    if !["http://", "https://"]
        .iter()
        .any(|scheme| file.mirror.get_ref().starts_with(scheme))
    {
        lint.error(
            file.mirror.span(),
            format!("mirror `{}` is not an address", file.mirror.get_ref()),
        )
        .with("write one such as http://deb.debian.org/debian");
    }
    if file.sources.get_ref().is_empty() {
        lint.error(
            file.sources.span(),
            "no update sources: nothing would ever be pending",
        )
        .with("list the release and its security archive as lines of sources.list");
    }
    for line in file.sources.get_ref() {
        lint.plain(line, "update source");
        if !line.get_ref().starts_with("deb ") {
            lint.error(
                line.span(),
                format!("`{}` is not a line of sources.list", line.get_ref()),
            )
            .with("write one such as \"deb http://deb.debian.org/debian bookworm main\"");
        }
    }
    if !(DISK_RANGE.0..=DISK_RANGE.1).contains(file.disk.get_ref()) {
        lint.error(
            file.disk.span(),
            format!("disk of {} is out of range", file.disk.get_ref()),
        )
        .with(format!("write a size from {} to {}", DISK_RANGE.0, DISK_RANGE.1));
    }
    lint.plain(&file.kernel, "kernel command line");
    if file
        .kernel
        .get_ref()
        .contains(['"', '\'', '$', ';', '{', '}', '\\'])
    {
        lint.error(
            file.kernel.span(),
            "kernel command line holds a character that GRUB would interpret",
        );
    }
    let recipe = OsRecipe {
        packages: lint.packages(&file.packages),
        changes: lint.changes(&file.file, &file.mask, &file.enable, &file.commands),
        os: file.os.into_inner(),
        suite: file.suite.into_inner(),
        mirror: file.mirror.into_inner(),
        apt: file.apt,
        dpkg: file.dpkg,
        sources: file
            .sources
            .into_inner()
            .into_iter()
            .map(Spanned::into_inner)
            .collect(),
        disk: file.disk.into_inner(),
        kernel: file.kernel.into_inner(),
        inputs: std::mem::take(&mut lint.inputs),
    };
    lint.finish(recipe)
}

/// Reads a role recipe.
pub fn load_role(path: &Path) -> Result<RoleRecipe, Vec<Finding>> {
    let mut lint = Lint::open(path)?;
    let file: RoleFile = lint.parse()?;
    let mut packages_for = BTreeMap::new();
    for (os, packages) in &file.packages_for {
        lint.name(os, "OS version", "debian-12");
        packages_for.insert(os.get_ref().clone(), lint.packages(packages));
    }
    let recipe = RoleRecipe {
        packages: lint.packages(&file.packages),
        packages_for,
        fetch: lint.packages(&file.fetch),
        debs: file.debs.iter().filter_map(|deb| lint.deb(deb)).collect(),
        changes: lint.changes(&file.file, &file.mask, &file.enable, &file.commands),
        inputs: std::mem::take(&mut lint.inputs),
    };
    lint.finish(recipe)
}

/// One recipe while it is checked.
struct Lint {
    source: Source,
    findings: Vec<Finding>,
    inputs: BTreeMap<PathBuf, String>,
}

/// The finding just added, to give it a remedy.
struct Added<'a>(&'a mut Finding);

impl Added<'_> {
    fn with(self, hint: impl Into<String>) {
        self.0.hint = Some(hint.into());
    }
}

impl Lint {
    fn open(path: &Path) -> Result<Self, Vec<Finding>> {
        let refuse = |problem: String| {
            vec![Finding {
                severity: Severity::Error,
                message: format!("recipe {}: {problem}", path.display()),
                place: None,
                hint: Some("recipes are named relative to the lab file".into()),
            }]
        };
        let bytes = read_bounded(path, RECIPE_LIMIT).map_err(refuse)?;
        let digest = hex(&Sha256::digest(&bytes));
        let text = String::from_utf8(bytes).map_err(|_| refuse("not UTF-8 text".into()))?;
        Ok(Self {
            source: Source::new(path, text),
            findings: Vec::new(),
            inputs: BTreeMap::from([(path.to_owned(), digest)]),
        })
    }

    fn parse<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Vec<Finding>> {
        toml::from_str(&self.source.text).map_err(|error| {
            vec![Finding::error(
                &self.source,
                error.span().unwrap_or(0..0),
                error.message(),
            )]
        })
    }

    fn finish<T>(self, recipe: T) -> Result<T, Vec<Finding>> {
        if self.findings.is_empty() {
            Ok(recipe)
        } else {
            Err(self.findings)
        }
    }

    fn error(&mut self, span: std::ops::Range<usize>, message: impl Into<String>) -> Added<'_> {
        let at = self.findings.len();
        self.findings.push(Finding::error(&self.source, span, message));
        Added(&mut self.findings[at])
    }

    /// Names become parts of file names and of package manager arguments.
    fn name(&mut self, name: &Spanned<String>, what: &str, example: &str) {
        let text = name.get_ref();
        let fits = text.len() <= 64
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'));
        if !fits {
            self.error(name.span(), format!("`{text}` is not a name for a {what}"))
                .with(format!(
                    "write lower-case letters, digits, `-` and `.`, such as `{example}`"
                ));
        }
    }

    fn plain(&mut self, text: &Spanned<String>, what: &str) {
        if text.get_ref().chars().any(char::is_control) {
            self.error(text.span(), format!("{what} holds a control character"));
        }
    }

    /// <https://www.debian.org/doc/debian-policy/ch-controlfields.html#source>
    fn packages(&mut self, packages: &[Spanned<String>]) -> Vec<String> {
        for package in packages {
            let text = package.get_ref();
            let fits = text.len() >= 2
                && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && text
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
            if !fits {
                self.error(package.span(), format!("`{text}` is not a package name"));
            }
        }
        values(packages)
    }

    fn units(&mut self, units: &[Spanned<String>]) -> Vec<String> {
        for unit in units {
            let text = unit.get_ref();
            let fits = !text.starts_with(['-', '.'])
                && text.contains('.')
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '@' | '\\'));
            if !fits {
                self.error(unit.span(), format!("`{text}` is not a systemd unit"))
                    .with("write its full name, such as `apt-daily.timer`");
            }
        }
        values(units)
    }

    fn changes(
        &mut self,
        files: &[FileEntry],
        mask: &[Spanned<String>],
        enable: &[Spanned<String>],
        commands: &[Spanned<String>],
    ) -> Changes {
        for command in commands {
            if command.get_ref().trim().is_empty() {
                self.error(command.span(), "empty command");
            }
        }
        Changes {
            files: files.iter().filter_map(|entry| self.file(entry)).collect(),
            mask: self.units(mask),
            enable: self.units(enable),
            commands: values(commands),
        }
    }

    fn file(&mut self, entry: &FileEntry) -> Option<RecipeFile> {
        let path = entry.path.get_ref();
        let parts: Vec<_> = Path::new(path).components().collect();
        let fits = matches!(parts.as_slice(), [Component::RootDir, rest @ ..]
            if !rest.is_empty() && rest.iter().all(|part| matches!(part, Component::Normal(_))));
        if !fits || path.chars().any(char::is_control) || path.ends_with('/') {
            self.error(
                entry.path.span(),
                format!("`{path}` is not the absolute path of a file"),
            );
        }
        let mode = match &entry.mode {
            None => Some(0o644),
            Some(text) => {
                let mode = u32::from_str_radix(text.get_ref(), 8)
                    .ok()
                    .filter(|mode| *mode <= 0o7777);
                if mode.is_none() {
                    self.error(text.span(), format!("`{}` is not a file mode", text.get_ref()))
                        .with("write octal digits, such as \"0644\"");
                }
                mode
            }
        };
        let content = match (&entry.content, &entry.source) {
            (Some(content), None) => Some(content.clone().into_bytes()),
            (None, Some(source)) => {
                let from = self.beside(source.get_ref());
                match read_bounded(&from, FILE_LIMIT) {
                    Ok(bytes) => {
                        self.inputs.insert(from, hex(&Sha256::digest(&bytes)));
                        Some(bytes)
                    }
                    Err(problem) => {
                        self.error(source.span(), format!("{}: {problem}", from.display()))
                            .with("`source` is relative to the recipe");
                        None
                    }
                }
            }
            (Some(_), Some(_)) | (None, None) => {
                self.error(
                    entry.path.span(),
                    format!("file `{path}` needs exactly one of `content` and `source`"),
                );
                None
            }
        };
        Some(RecipeFile {
            path: path.clone(),
            mode: mode?,
            content: content?,
        })
    }

    fn deb(&mut self, path: &Spanned<PathBuf>) -> Option<LocalDeb> {
        let from = self.beside(path.get_ref());
        let digest = if from.extension().is_some_and(|extension| extension == "deb") {
            digest_bounded(&from, DEB_LIMIT)
        } else {
            Err("not a .deb file".into())
        };
        match digest {
            Ok(sha256) => {
                self.inputs.insert(from.clone(), sha256.clone());
                Some(LocalDeb { path: from, sha256 })
            }
            Err(problem) => {
                self.error(path.span(), format!("{}: {problem}", from.display()))
                    .with("`debs` are relative to the recipe");
                None
            }
        }
    }

    fn beside(&self, path: &Path) -> PathBuf {
        self.source.path.parent().unwrap_or(Path::new("")).join(path)
    }
}

fn values(texts: &[Spanned<String>]) -> Vec<String> {
    texts.iter().map(|text| text.get_ref().clone()).collect()
}
