//! Quantities as people write them: `"512MiB"`, `"2m 30s"`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not a quantity; the message says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseQuantityError(String);

/// An amount of memory or disk in mebibytes (1,048,576 bytes), never zero once parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mib(pub u64);

impl Mib {
    /// The same amount in bytes; saturates.
    pub fn bytes(self) -> u64 {
        self.0.saturating_mul(1024 * 1024)
    }
}

impl fmt::Display for Mib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= 1024 && self.0.is_multiple_of(1024) {
            write!(f, "{}GiB", self.0 / 1024)
        } else {
            write!(f, "{}MiB", self.0)
        }
    }
}

impl FromStr for Mib {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            ParseQuantityError(format!(
                "`{text}` is not a size; write a whole number and MiB, GiB or TiB, such as \"512MiB\" or \"16GiB\""
            ))
        };
        let text = text.trim();
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(split);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let factor = match unit.trim() {
            "MiB" => 1,
            "GiB" => 1024,
            "TiB" => 1024 * 1024,
            _ => return Err(wrong()),
        };
        match number.checked_mul(factor) {
            Some(mib) if mib > 0 => Ok(Self(mib)),
            _ => Err(wrong()),
        }
    }
}

/// A length of time as written in lab files and scenarios; shown in jiff's compact "friendly" form
/// (<https://docs.rs/jiff/latest/jiff/fmt/friendly/>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(pub Duration);

impl Period {
    /// A period of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::SignedDuration::try_from(self.0) {
            Ok(signed) => write!(f, "{signed:#}"),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

impl FromStr for Period {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            ParseQuantityError(format!(
                "`{text}` is not a time span of at most a day; write a number and s, m or h, such as \"30s\" or \"2m 30s\""
            ))
        };
        let parsed: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
        let span = Duration::try_from(parsed).map_err(|_| wrong())?;
        if span.is_zero() || span > Duration::from_secs(24 * 60 * 60) {
            return Err(wrong());
        }
        Ok(Self(span))
    }
}

/// A share in whole hundredths, from 1 % to 10000 % once parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(pub u32);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl FromStr for Percent {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.trim().strip_suffix('%').map(str::trim_end);
        number
            .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|number| number.parse().ok())
            .filter(|number| (1..=10_000).contains(number))
            .map(Self)
            .ok_or_else(|| {
                ParseQuantityError(format!(
                    "`{text}` is not a share from 1% to 10000%; write a whole number and %, such as \"30%\""
                ))
            })
    }
}

macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

serde_as_text!(Mib);
serde_as_text!(Period);
serde_as_text!(Percent);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_trip_and_wrong_ones_say_what_to_write() {
        for (text, mib) in [("512MiB", 512), ("16GiB", 16 * 1024), ("1 TiB", 1024 * 1024)] {
            assert_eq!(text.parse::<Mib>(), Ok(Mib(mib)), "{text}");
        }
        for text in ["", "12", "0MiB", "5GB", "-1MiB", "99999999999999TiB", "MiB"] {
            let error = text.parse::<Mib>().expect_err(text).to_string();
            assert!(error.contains("512MiB"), "{error}");
        }
        assert_eq!(Mib(2048).to_string(), "2GiB");
        assert_eq!(Mib(1536).to_string(), "1536MiB");
    }

    #[test]
    fn shares_round_trip_and_are_bounded() {
        for (text, percent) in [("30%", 30), ("100 %", 100), ("10000%", 10_000)] {
            let share: Percent = text.parse().expect(text);
            assert_eq!(share, Percent(percent), "{text}");
            assert_eq!(share.to_string().parse(), Ok(share), "{text}");
        }
        for text in [
            "",
            "30",
            "0%",
            "-5%",
            "+5%",
            "10001%",
            "1.5%",
            "99999999999%",
            "%",
        ] {
            let error = text.parse::<Percent>().expect_err(text).to_string();
            assert!(error.contains("\"30%\""), "{error}");
        }
    }

    #[test]
    fn periods_round_trip_and_are_bounded() {
        for (text, seconds) in [("30s", 30), ("2m", 120), ("2m 30s", 150), ("1h", 3600)] {
            let period: Period = text.parse().expect(text);
            assert_eq!(period, Period::seconds(seconds), "{text}");
            assert_eq!(period.to_string().parse(), Ok(period), "{text}");
        }
        for text in ["", "0s", "-5s", "25h", "5", "soon"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }
}
