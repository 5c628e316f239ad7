//! What a fault of a node is told with: the end of what it said, and the picture of its screen.

use crate::model::id::RunId;
use crate::model::name::DomainName;
use crate::model::outcome::Fault;
use crate::port::Hypervisor;
use crate::record::screens::Screens;

/// The end of an output, for a fault's detail.
pub fn tail(text: &str) -> String {
    const LINES: usize = 40;
    const BYTES: usize = 8 * 1024;
    let lines: Vec<&str> = text.lines().collect();
    let mut tail = lines[lines.len().saturating_sub(LINES)..].join("\n");
    if tail.len() > BYTES {
        let mut cut = tail.len() - BYTES;
        while !tail.is_char_boundary(cut) {
            cut += 1;
        }
        tail.drain(..cut);
    }
    tail
}

/// A fault with the end of the node's console, where it has no other detail, and with its screen, where that can be had.
pub async fn shown(
    mut fault: Fault,
    host: &dyn Hypervisor,
    (run, domain): (&RunId, &DomainName),
    screens: &Screens,
) -> Fault {
    if fault.detail.is_empty() {
        fault.detail = tail(&host.console_tail(domain).await);
    }
    let Some(png) = host.screenshot(domain).await else {
        return fault;
    };
    let node = domain.as_str();
    let node = node.strip_prefix(&format!("pg-{run}-")).unwrap_or(node);
    match screens.keep(node, &png) {
        Ok(screen) => fault.screen = screen,
        Err(error) => tracing::warn!("the screen of {domain} cannot be kept: {error}"),
    }
    fault
}

/// What of the end of a console has come since it ended in `before`.
pub fn new_of<'c>(console: &'c str, before: &str) -> &'c str {
    const KNOWN: usize = 256;
    let known: Vec<char> = before.chars().rev().take(KNOWN).collect();
    let known: String = known.into_iter().rev().collect();
    match console.rfind(&known) {
        Some(at) if !known.is_empty() => &console[at + known.len()..],
        Some(_) | None => console,
    }
}

#[cfg(test)]
mod tests {
    use super::new_of;

    #[test]
    fn what_a_console_said_before_a_reboot_is_of_another_boot() {
        let before = "You are in emergency mode\nweb login: ";
        assert_eq!(
            new_of("You are in emergency mode\nweb login: up\n", before),
            "up\n"
        );
        assert_eq!(new_of("only new", before), "only new");
        assert_eq!(new_of("all", ""), "all");
        assert_eq!(new_of("", before), "");
    }
}
