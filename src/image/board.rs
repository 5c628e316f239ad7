//! The board that a machine's description names, whoever wrote it: QEMU's names have a version behind them, its own or a distribution's.

use crate::model::hardware::Machine;

/// The board of a name, and what there is to say where clones have another; `shown` is the name as it may be shown. Nothing: it is not
/// known.
pub fn board(name: &str, shown: &str) -> Option<(Machine, Option<String>)> {
    let board = match name {
        "q35" => return Some((Machine::Q35, None)),
        "pc" => return Some((Machine::Pc, None)),
        _ if name.starts_with("pc-q35-") => Machine::Q35,
        _ if name.starts_with("pc-i440fx-") || is_old_pc(name) => Machine::Pc,
        _ => return None,
    };
    let word = match board {
        Machine::Q35 => "q35",
        Machine::Pc => "pc",
    };
    let said = format!(
        "its machine type {shown} is of one version of QEMU; clones have {word} as their host has it"
    );
    Some((board, Some(said)))
}

/// `pc-0.12`, `pc-1.3`, `rhel6.6.0`: before there was a name for the chipset.
fn is_old_pc(name: &str) -> bool {
    ["pc-", "rhel"]
        .into_iter()
        .filter_map(|before| name.strip_prefix(before))
        .any(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_of_another_version_is_said() {
        for (name, known) in [
            ("q35", Some((Machine::Q35, false))),
            ("pc", Some((Machine::Pc, false))),
            ("pc-q35-9.0+pve1", Some((Machine::Q35, true))),
            ("pc-q35-rhel9.2.0", Some((Machine::Q35, true))),
            ("pc-i440fx-8.1+pve0", Some((Machine::Pc, true))),
            ("pc-1.3", Some((Machine::Pc, true))),
            ("rhel6.6.0", Some((Machine::Pc, true))),
            ("microvm", None),
            ("pc-", None),
            ("", None),
        ] {
            let found = board(name, "`X`");
            let said = found.as_ref().and_then(|(_, said)| said.as_deref());
            assert!(said.is_none_or(|said| said.contains("`X`")), "{name}: {said:?}");
            assert_eq!(
                found.map(|(board, said)| (board, said.is_some())),
                known,
                "{name}"
            );
        }
    }
}
