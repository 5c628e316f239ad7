//! Amounts in OVF: `byte * 2^20` as the standard has it (DMTF DSP0004, annex C), and `MegaBytes` as its drafts had. Whoever writes
//! these words means powers of two.

/// How many bytes one of a unit is; `None` for a unit that is not known.
pub fn bytes(unit: &str) -> Option<u64> {
    let mut whole: Option<u64> = None;
    let mut factor: u64 = 1;
    for word in unit.split('*') {
        let word = word.trim().to_ascii_lowercase();
        if let Some((base, power)) = word.split_once('^') {
            let base: u64 = base.trim().parse().ok()?;
            factor = factor.checked_mul(base.checked_pow(power.trim().parse().ok()?)?)?;
        } else if let Ok(number) = word.parse::<u64>() {
            factor = factor.checked_mul(number)?;
        } else if whole.replace(named(&word)?).is_some() {
            return None;
        }
    }
    whole?.checked_mul(factor).filter(|&bytes| bytes > 0)
}

fn named(word: &str) -> Option<u64> {
    Some(match word {
        "byte" | "bytes" | "b" => 1,
        "kilobyte" | "kilobytes" | "kb" | "kib" => 1 << 10,
        "megabyte" | "megabytes" | "mb" | "mib" => 1 << 20,
        "gigabyte" | "gigabytes" | "gb" | "gib" => 1 << 30,
        "terabyte" | "terabytes" | "tb" | "tib" => 1 << 40,
        _ => return None,
    })
}

/// Bytes as people say them.
pub fn said(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes / unit);
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_as_their_writers_mean_them() {
        for (unit, expected) in [
            ("byte", Some(1)),
            ("byte * 2^20", Some(1 << 20)),
            ("byte*2^30", Some(1 << 30)),
            ("byte * 10^9", Some(1_000_000_000)),
            ("byte * 1024 * 2^10", Some(1 << 20)),
            ("MegaBytes", Some(1 << 20)),
            ("GigaBytes", Some(1 << 30)),
            ("GB", Some(1 << 30)),
            ("", None),
            ("hertz * 10^6", None),
            ("2^20", None),
            ("byte * byte", None),
            ("byte * 2^64", None),
            ("byte * 0", None),
            ("byte * 2^-1", None),
            ("byte * 2^99999999999", None),
        ] {
            assert_eq!(bytes(unit), expected, "{unit}");
        }
        assert_eq!(said(1 << 30), "1 GiB");
        assert_eq!(said(1537), "1537 bytes");
    }
}
