//! How rpm names a version of a package (<https://rpm-software-management.github.io/rpm/manual/spec.html>): name, epoch, version,
//! release and architecture. An absent epoch is 0 (rpm-queryformat(7), `EPOCHNUM`).

/// `[EPOCH:]VERSION-RELEASE`, which is what [`Update::to`](crate::model::update::Update::to) has; no epoch where it is 0.
pub fn evr(epoch: &str, version: &str, release: &str) -> String {
    match epoch {
        "" | "0" | "(none)" => format!("{version}-{release}"),
        epoch => format!("{epoch}:{version}-{release}"),
    }
}

/// A name in full, apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nevra<'t> {
    /// The package.
    pub name: &'t str,
    /// `[EPOCH:]VERSION-RELEASE`.
    pub evr: String,
    /// Such as `x86_64` or `noarch`.
    pub arch: &'t str,
}

impl<'t> Nevra<'t> {
    /// Reads `NAME-[EPOCH:]VERSION-RELEASE.ARCH`, which is how dnf writes it; `None` for what is none.
    pub fn parse(text: &'t str) -> Option<Self> {
        let (rest, arch) = text.rsplit_once('.')?;
        let (rest, release) = rest.rsplit_once('-')?;
        let (name, version) = rest.rsplit_once('-')?;
        let (epoch, version) = version.split_once(':').unwrap_or(("", version));
        let whole = is_name(name) && is_version(version) && is_version(release) && is_arch(arch);
        (whole && epoch.chars().all(|c| c.is_ascii_digit())).then(|| Self {
            name,
            evr: evr(epoch, version, release),
            arch,
        })
    }
}

/// Whether a text can be a package's name. Nothing else may reach a command, nor what reads as an option there.
pub fn is_name(text: &str) -> bool {
    text.len() <= 256
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
}

/// Whether a text can be a version or a release.
pub fn is_version(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._+~^".contains(c);
    (1..=256).contains(&text.len()) && text.chars().all(fits)
}

/// Whether a text can be `[EPOCH:]VERSION-RELEASE`.
pub fn is_evr(text: &str) -> bool {
    let (epoch, rest) = text.split_once(':').unwrap_or(("", text));
    epoch.chars().all(|c| c.is_ascii_digit())
        && rest
            .split_once('-')
            .is_some_and(|(version, release)| is_version(version) && is_version(release))
}

/// Whether a text can be an architecture.
pub fn is_arch(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_full_are_taken_apart_from_their_end() {
        for (text, name, evr, arch) in [
            ("till-1.2-1.noarch", "till", "1.2-1", "noarch"),
            ("ledger-1:2.3-1.noarch", "ledger", "1:2.3-1", "noarch"),
            ("ledger-0:2.3-1.noarch", "ledger", "2.3-1", "noarch"),
            ("mod_lab-2-3-1.0-2.x86_64", "mod_lab-2-3", "1.0-2", "x86_64"),
            ("gtk+extra++-1.1-1.noarch", "gtk+extra++", "1.1-1", "noarch"),
            ("0install.lab_x-1.1-1.noarch", "0install.lab_x", "1.1-1", "noarch"),
            (
                "caret-1.0^20260101git-1.noarch",
                "caret",
                "1.0^20260101git-1",
                "noarch",
            ),
            ("tilde-2.0~rc1-1.fc40.i686", "tilde", "2.0~rc1-1.fc40", "i686"),
        ] {
            let evr = evr.to_owned();
            assert_eq!(Nevra::parse(text), Some(Nevra { name, evr, arch }), "{text}");
        }
        for wrong in [
            "",
            "till",
            "till-1.noarch",
            "-a-1-1.noarch",
            "a b-1-1.noarch",
            "a-x:1-1.noarch",
            "a-1-1.",
            "a-1-$(id).x",
        ] {
            assert_eq!(Nevra::parse(wrong), None, "{wrong}");
        }
        assert!(is_evr("1:2.3-1") && is_evr("2.0~rc1-1") && !is_evr("1") && !is_evr("1-1 --setopt"));
    }
}
