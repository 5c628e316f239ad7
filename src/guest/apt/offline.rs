//! What apt and dpkg have written down, read from a disk whose guest does not run.

use std::collections::BTreeMap;

use crate::guest::files::{Files, Unreadable};
use crate::model::update::Source;

/// The program by which one sees that apt is there.
const PROGRAM: &str = "/usr/bin/apt-get";
/// Where dpkg keeps what is installed.
const STATUS: &str = "/var/lib/dpkg/status";

/// Whether packages are installed by apt.
pub fn is_there(files: &dyn Files) -> Result<bool, Unreadable> {
    Ok(files.is_there(PROGRAM)? && files.is_there(STATUS)?)
}

/// The packages that are installed, by name, with their versions; an architecture that is not the first of its name is left out.
pub fn packages(files: &dyn Files) -> Result<BTreeMap<String, String>, Unreadable> {
    let status = files.text(STATUS)?.unwrap_or_default();
    let mut packages = BTreeMap::new();
    for paragraph in status.split("\n\n") {
        let field = |name: &str| {
            let mut lines = paragraph.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let installed = field("Status").is_some_and(|status| status.ends_with(" installed"));
        if let (true, Some(package), Some(version)) = (installed, field("Package"), field("Version")) {
            packages
                .entry(package.to_owned())
                .or_insert_with(|| version.to_owned());
        }
    }
    Ok(packages)
}

/// The addresses of the update sources (sources.list(5)) that lead to a web server, each once.
pub fn sources(files: &dyn Files) -> Result<Vec<String>, Unreadable> {
    const LISTS: &str = "/etc/apt/sources.list.d";
    let mut named = one_a_line(&files.text("/etc/apt/sources.list")?.unwrap_or_default());
    for name in files.names(LISTS)? {
        let text = files.text(&format!("{LISTS}/{name}"))?.unwrap_or_default();
        match name.rsplit_once('.') {
            Some((_, "list")) => named.extend(one_a_line(&text)),
            Some((_, "sources")) => named.extend(in_paragraphs(&text)),
            Some(_) | None => {}
        }
    }
    let mut sources = Vec::new();
    let mut add = |uri: &str| {
        let uri = uri.trim_end_matches('/').to_owned();
        if Source::parse(&uri).is_some() && !sources.contains(&uri) {
            sources.push(uri);
        }
    };
    for uri in named {
        // A list of mirrors (apt-transport-mirror(1)).
        match uri.strip_prefix("mirror+file:") {
            Some(path) => {
                let path = format!("/{}", path.trim_start_matches('/'));
                let mirrors = files.text(&path)?.unwrap_or_default();
                let mirrors = mirrors.lines().filter_map(|line| line.split_whitespace().next());
                mirrors.for_each(&mut add);
            }
            None => add(&uri),
        }
    }
    Ok(sources)
}

/// The addresses of a list with a source on each line.
fn one_a_line(text: &str) -> Vec<String> {
    let address = |line: &str| {
        let rest = line.trim().strip_prefix("deb")?;
        let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        rest.split_whitespace().next().map(str::to_owned)
    };
    text.lines().filter_map(address).collect()
}

/// The addresses of a list in deb822's form.
fn in_paragraphs(text: &str) -> Vec<String> {
    let mut addresses = Vec::new();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for paragraph in lines.split(|line| line.trim().is_empty()) {
        let mut fields: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let mut last = String::new();
        for line in paragraph {
            let value = if line.starts_with([' ', '\t']) {
                line
            } else if let Some((name, value)) = line.split_once(':') {
                last = name.trim().to_ascii_lowercase();
                value
            } else {
                continue;
            };
            fields
                .entry(last.clone())
                .or_default()
                .extend(value.split_whitespace());
        }
        let has = |name: &str, word: &str| fields.get(name).is_some_and(|words| words.contains(&word));
        if has("types", "deb") && !has("enabled", "no") {
            let uris = fields.get("uris").into_iter().flatten();
            addresses.extend(uris.map(|&uri| uri.to_owned()));
        }
    }
    addresses
}
