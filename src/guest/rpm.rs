//! rpm: the truth about packages of the families whose updates dnf, yum or zypper resolve.

pub mod nevra;
pub mod order;
mod packages;

use crate::guest::pattern::fits;
use crate::model::advisory::Kind;
use crate::model::update::Update;

pub use packages::{ENV, package, packages, parse_package, parse_packages};

/// Whether an update is one of security: by what advisories say of it, or since all of its repository are.
pub fn is_security(update: &Update, repositories: &[&str]) -> bool {
    let is_told = update
        .purpose
        .is_some_and(|purpose| purpose.kind == Kind::Security);
    is_told || repositories.iter().any(|pattern| fits(pattern, &update.origin))
}

/// Shell text that tells of the files below /etc, as [`Linux`](crate::guest::linux::Linux) takes it.
pub const ETC: &str = include_str!("rpm/observe_etc.sh");

/// Shell text that keeps the guest from updating itself beside a run, as [`Linux`](crate::guest::linux::Linux) takes it.
pub const QUIET: &str = include_str!("rpm/quiet.sh");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::advisory::Purpose;

    #[test]
    fn an_update_is_of_security_by_its_advisories_or_by_its_repository() {
        let of = |kind| Update {
            origin: "acme-security".to_owned(),
            purpose: Some(Purpose {
                kind,
                severity: None,
                issued: None,
            }),
            ..Update::default()
        };
        assert!(is_security(&of(Kind::Security), &[]));
        assert!(!is_security(&of(Kind::Bugfix), &["other"]));
        assert!(is_security(&of(Kind::Bugfix), &["*-security"]));
        assert!(is_security(
            &Update {
                purpose: None,
                ..of(Kind::Other)
            },
            &["acme-security"]
        ));
    }
}
