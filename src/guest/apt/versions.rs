//! Which versions the sources have, as `apt-cache policy` tells (apt-cache(8)).

use std::collections::BTreeSet;

/// The packages of which a security archive has a version that is newer than what is installed. The table of a package has
/// its versions from the newest on, and ` ***` before the installed one; below each are the archives that have it:
/// `500 http://security.debian.org/debian-security bookworm-security/main amd64 Packages`.
pub fn superseded(output: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut package = None;
    let mut newer = false;
    for line in output.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if !line.starts_with(' ') {
            package = line.strip_suffix(':');
            newer = false;
        } else if line.trim_end() == "  Version table:" {
            newer = true;
        } else if fields.first() == Some(&"***") {
            newer = false;
        } else if let (true, Some(name), [_, _, suite, ..]) = (newer, package, &fields[..])
            && suite
                .split('/')
                .next()
                .is_some_and(|suite| suite.ends_with("-security"))
        {
            found.insert(name.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_below_a_point_release_is_found_and_an_installed_one_is_not() {
        let output = "\
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
";
        assert_eq!(superseded(output), BTreeSet::from(["openssl".to_owned()]));
        assert_eq!(
            superseded("\u{fffd}\n  Version table:\n     1 500\n"),
            BTreeSet::new()
        );
    }
}
