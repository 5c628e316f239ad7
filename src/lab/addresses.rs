//! Whose addresses nodes have: patchgate's, or their own. Pure.

use crate::input::finding::Finding;
use crate::input::words::show;
use crate::lab::file::{AddressMode, GroupSection, Lab, RoleSection};
use crate::model::hardware::NicHardware;
use crate::model::plan::{Addresses, NodePlan};

/// The addresses of a role's nodes; `nics` are the cards of their image.
///
/// # Errors
/// A card's MAC address cannot be one.
pub fn of(
    lab: &Lab,
    role: &RoleSection,
    image: &str,
    nics: &[NicHardware],
) -> Result<Addresses, Box<Finding>> {
    match role.addresses.get_ref() {
        AddressMode::Give => Ok(Addresses::Given),
        AddressMode::Keep => {
            let told = nics.iter().filter_map(|nic| nic.mac.as_deref());
            let macs = told.map(|mac| {
                card(mac).ok_or_else(|| {
                    let message = format!(
                        "{} is no MAC address of a card; image {} was taken with it",
                        show(mac),
                        show(image)
                    );
                    let finding = Finding::error(&lab.source, role.addresses.span(), message);
                    Box::new(finding.with_hint("import it anew, with a MAC address of its own in its source"))
                })
            });
            Ok(Addresses::Kept {
                macs: macs.collect::<Result<_, _>>()?,
            })
        }
    }
}

/// A MAC address that one card can have, in small letters: the first bit of its first byte is for many (IEEE 802, 8.2), and libvirt
/// keeps those that begin with `fe` for its own ends of the wires.
fn card(mac: &str) -> Option<String> {
    let bytes: Vec<u8> = mac
        .split([':', '-'])
        .map(|byte| {
            let is_one = byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_one.then(|| u8::from_str_radix(byte, 16).ok()).flatten()
        })
        .collect::<Option<_>>()?;
    let [first, ..] = bytes[..] else { return None };
    let fits = bytes.len() == 6 && first & 1 == 0 && first != 0xfe && bytes.iter().any(|byte| *byte != 0);
    let words: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    fits.then(|| words.join(":"))
}

/// Cards of a cell that have one MAC address: on one wire none of them would be reached.
pub fn twice(lab: &Lab, cell: &str, group: &GroupSection, nodes: &[NodePlan]) -> Vec<Finding> {
    let mut known: Vec<(&str, &str)> = Vec::new();
    let mut findings = Vec::new();
    for node in nodes {
        let Addresses::Kept { macs } = &node.addresses else {
            continue;
        };
        for mac in macs {
            let Some((_, other)) = known.iter().find(|(known, _)| known == mac) else {
                known.push((mac, &node.role));
                continue;
            };
            let what = if *other == node.role {
                format!("two cards of {}", show(other))
            } else {
                format!("{} and {}", show(other), show(&node.role))
            };
            let message = format!("{what} in cell {} have one MAC address, {mac}", show(cell));
            let finding = Finding::error(&lab.source, group.roles.span(), message);
            findings.push(finding.with_hint(
                "they were taken from one machine, or from one template: import each from its own, or take `addresses = \"keep\"` \
                 from their roles",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::card;

    #[test]
    fn a_card_has_six_bytes_of_its_own() {
        for (mac, is) in [
            ("52:54:00:01:02:03", Some("52:54:00:01:02:03")),
            ("00-50-56-AB-CD-EF", Some("00:50:56:ab:cd:ef")),
            ("01:00:5e:00:00:01", None),
            ("ff:ff:ff:ff:ff:ff", None),
            ("fe:54:00:01:02:03", None),
            ("00:00:00:00:00:00", None),
            ("52:54:00:01:02", None),
            ("52:54:00:01:02:03:04", None),
            ("52:54:00:01:02:+3", None),
            ("5254.0001.0203", None),
            ("52:54:00:01:02:03\n", None),
            ("", None),
        ] {
            assert_eq!(card(mac).as_deref(), is, "{mac}");
        }
    }
}
