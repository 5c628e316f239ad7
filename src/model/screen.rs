//! Pictures of nodes' screens, which a run keeps in its folder and names in its journal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The folder of a run's pictures, in the run's own.
pub const FOLDER: &str = "screens";

/// Characters of a picture's name.
const LIMIT: usize = 220;

/// A picture as PNG, by its path in the run's folder: `screens/0-treatment-web-1.png`. Nothing else is one, since a report
/// makes a link of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Screen(Box<str>);

impl Screen {
    /// The `number`th picture of a run, of a node; characters that no name has are left out.
    pub fn of(node: &str, number: usize) -> Self {
        let plain = node.chars().filter(|&c| is_plain(c)).take(LIMIT - 32);
        let node: String = plain.collect();
        Self(format!("{FOLDER}/{node}-{number}.png").into())
    }

    /// Its path in the run's folder.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

impl TryFrom<String> for Screen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let name = text
            .strip_prefix(FOLDER)
            .and_then(|rest| rest.strip_prefix('/')?.strip_suffix(".png"));
        match name {
            Some(name) if !name.is_empty() && text.len() <= LIMIT && name.chars().all(is_plain) => {
                Ok(Self(text.into()))
            }
            Some(_) | None => Err(format!("`{}` is no picture of a run", text.escape_debug())),
        }
    }
}

impl From<Screen> for String {
    fn from(screen: Screen) -> Self {
        screen.0.into()
    }
}

impl fmt::Display for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_a_plain_name_in_its_folder() {
        let screen = Screen::of("0-treatment2-web", 3);
        assert_eq!(screen.as_str(), "screens/0-treatment2-web-3.png");
        assert_eq!(Screen::try_from(screen.to_string()), Ok(screen));
        let long = Screen::of(&"../x y".repeat(200), 1);
        assert!(Screen::try_from(long.to_string()).is_ok(), "{long}");
        for text in [
            "",
            "screens/.png",
            "screens/../x.png",
            "screens/a/b.png",
            "/screens/a.png",
            "screens/a.png)",
            "screens/a.svg",
            "screens/a\n.png",
            "javascript:a.png",
        ] {
            assert!(Screen::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
