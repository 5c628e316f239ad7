//! Which versions the sources have, as `apt-cache policy` tells (apt-cache(8)).

use std::collections::{BTreeMap, BTreeSet};

use crate::guest::apt::origin;

/// The packages of which an archive of these origins has a version that is newer than what is installed. First come the
/// archives, each with a line that tells what it is:
///
/// ```text
///  500 http://security.debian.org/debian-security bookworm-security/main amd64 Packages
///      release v=12,o=Debian,a=oldstable-security,n=bookworm-security,l=Debian-Security,c=main,b=amd64
/// ```
///
/// then a table for each package, with its versions from the newest on, and ` ***` before the installed one; below each are the
/// archives that have it.
pub fn superseded(output: &str, origins: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut archives = BTreeMap::new();
    let mut last = None;
    let mut package = None;
    let mut newer = false;
    for line in output.lines() {
        let said = line.trim();
        let archive = said
            .split_once(' ')
            .filter(|(priority, _)| priority.parse::<i32>().is_ok())
            .map(|(_, archive)| archive);
        if !line.starts_with(' ') {
            package = line.strip_suffix(':');
            newer = false;
        } else if let Some(release) = said.strip_prefix("release ") {
            if let Some(archive) = last.take() {
                archives.insert(archive, origin_of(release));
            }
        } else if said == "Version table:" {
            newer = true;
        } else if said.starts_with("*** ") {
            newer = false;
        } else if let (true, Some(name), Some(archive)) = (newer, package, archive) {
            let is_one = |its: &String| origin::is_among(its, origins);
            if archives.get(archive).is_some_and(is_one) {
                found.insert(name.to_owned());
            }
        } else {
            last = archive;
        }
    }
    found
}

/// An origin as the simulation has it, from the fields of a Release file: `v=12,o=Debian,a=oldstable,l=Debian`. A value may
/// have commas in it.
fn origin_of(release: &str) -> String {
    let mut fields: BTreeMap<&str, String> = BTreeMap::new();
    let mut last = "";
    for part in release.split(',') {
        if let Some((key @ ("v" | "o" | "a" | "n" | "l" | "c" | "b"), value)) = part.split_once('=') {
            last = key;
            fields.insert(key, value.to_owned());
        } else {
            let value = fields.entry(last).or_default();
            value.push(',');
            value.push_str(part);
        }
    }
    let field = |key: &str| fields.get(key).map_or("", String::as_str);
    format!("{}:{}/{}", field("l"), field("v"), field("a"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What apt 2.6 says of its archives.
    const ARCHIVES: &str = "\
Package files:
 100 /var/lib/dpkg/status
     release a=now
 500 http://security.debian.org/debian-security bookworm-security/main amd64 Packages
     release v=12,o=Debian,a=oldstable-security,n=bookworm-security,l=Debian-Security,c=main,b=amd64
     origin security.debian.org
 500 http://deb.debian.org/debian bookworm/main amd64 Packages
     release v=12.15,o=Debian,a=oldstable,n=bookworm,l=Debian,c=main,b=amd64
     origin deb.debian.org
 500 http://shop.example/apt jammy/main amd64 Packages
     release o=Shop,a=jammy,n=jammy,l=Shop, tools (8.1),c=main,b=amd64
     origin shop.example
Pinned packages:
";

    fn superseded_in(tables: &str, origins: &[&str]) -> Vec<String> {
        let found = superseded(&format!("{ARCHIVES}{tables}"), origins);
        found.into_iter().collect()
    }

    #[test]
    fn a_fix_below_a_point_release_is_found_and_an_installed_one_is_not() {
        let tables = "\
openssl:
  Installed: 3.0.15-1~deb12u1
  Candidate: 3.0.17-1~deb12u2
  Version table:
     3.0.17-1~deb12u2 500
        500 http://deb.debian.org/debian bookworm/main amd64 Packages
     3.0.16-1~deb12u1 500
        500 http://security.debian.org/debian-security bookworm-security/main amd64 Packages
 *** 3.0.15-1~deb12u1 100
        100 /var/lib/dpkg/status
tzdata:
  Installed: 2026a
  Candidate: 2026b
  Version table:
     2026b 500
        500 http://deb.debian.org/debian bookworm/main amd64 Packages
 *** 2026a 500
        500 http://security.debian.org/debian-security bookworm-security/main amd64 Packages
        100 /var/lib/dpkg/status
tool:
  Installed: 8
  Candidate: 9
  Version table:
     9 500 (phased 10%)
        500 http://shop.example/apt jammy/main amd64 Packages
 *** 8 100
        100 /var/lib/dpkg/status
";
        assert_eq!(superseded_in(tables, &["Debian-Security"]), ["openssl"]);
        assert_eq!(superseded_in(tables, &["Shop, tools (8.1)"]), ["tool"]);
        assert_eq!(
            superseded_in(tables, &["Debian:*-security"]),
            Vec::<String>::new()
        );
        // Without the archives nobody knows what they are.
        assert_eq!(superseded(tables, &["*"]), BTreeSet::new());
        assert_eq!(
            superseded("\u{fffd}\n  Version table:\n     1 500\n     release ,\n", &["*"]),
            BTreeSet::new()
        );
    }
}
