//! What VMware, VirtualBox and Proxmox have in common.

/// What is said of a TPM whose state no export has.
pub const NO_STATE: &str = "the state of its TPM is not in the export: each clone begins with an empty one, and what was sealed to \
     the old one stays sealed";

/// A MAC address in the one form, from `00:50:56:…`, `00-50-56-…` or `005056…`.
pub fn mac(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-')).collect();
    let fits = digits.len() == 12 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let pairs: Vec<&str> = fits.then(|| (0..6).filter_map(|at| digits.get(2 * at..2 * at + 2)).collect())?;
    Some(pairs.join(":").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_address_has_one_form_or_is_none() {
        for text in ["00:50:56:AB:cd:01", "00-50-56-ab-cd-01", "005056ABCD01"] {
            assert_eq!(mac(text).as_deref(), Some("00:50:56:ab:cd:01"), "{text}");
        }
        for text in [
            "",
            "7",
            "00:50:56:ab:cd",
            "00:50:56:ab:cd:0g",
            "00:50:56:ab:cd:\u{e9}1",
        ] {
            assert_eq!(mac(text), None, "{text}");
        }
    }
}
