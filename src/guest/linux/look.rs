//! What a Linux guest is that nobody has asked before: one bounded command, and the parser of its output, which is in sections
//! as those of `observe` are.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::linux::command::bounded;
use crate::guest::linux::identity::CONFIGURED;
use crate::guest::linux::observe::{HEAD, Sections};
use crate::guest::{managers, what};
use crate::input;
use crate::model::facts::{Card, CloudInit, FileSystem, Release, SystemFacts};
use crate::model::observation::Reading;

/// How long it may take: what is in an initramfs takes long to list under TCG.
const PATIENCE: Duration = Duration::from_secs(240);
/// Entries of a list that are kept.
const MOST: usize = 200;

/// The command.
pub fn command() -> GuestCommand {
    const TEXT: &str = include_str!("look.sh");
    let text = [HEAD, managers::TEXT, CONFIGURED, TEXT].concat();
    let line = ["/bin/bash", "-c", &text, "patchgate"];
    bounded(what::LOOK, &line, &[("SYSTEMD_COLORS", "0")], PATIENCE)
}

/// Reads the answer to [`command`]. What is missing or cut is said in `unread`.
///
/// # Errors
/// The running kernel is not told: then it is no answer at all.
pub fn parse(output: &str) -> Result<SystemFacts, ParseError> {
    let mut reader = Reader {
        sections: Sections::read(&[output]),
        facts: SystemFacts::default(),
    };
    let kernel = reader.list("kernel");
    let Some(kernel) = kernel.into_iter().next().filter(|text| !text.is_empty()) else {
        return Err(ParseError {
            what: "the first look",
            problem: format!("no kernel release in `{}`", input::clip(output)),
        });
    };
    let release = release(&reader.list("release"));
    let machine_id = reader.one("machine");
    let (cards, strangers) = cards(&reader.list("cards"), &reader.list("configured"));
    let drivers: BTreeSet<String> = reader
        .list("drivers")
        .iter()
        .map(|name| name.replace('-', "_"))
        .collect();
    let sources: BTreeSet<String> = reader.list("sources").iter().map(|text| address(text)).collect();
    let facts = SystemFacts {
        release,
        kernel,
        machine_id,
        confined: reader.list("confined"),
        agent_settings: reader.list("agent"),
        managers: reader.list("managers"),
        sources: sources.into_iter().collect(),
        network: reader.list("network"),
        cards,
        strangers,
        cloud_init: cloud_init(&reader.list("cloud")),
        reboot: reader.list("reboot"),
        failed: reader.list("failed"),
        disks: disks(&reader.list("disk")),
        by_place: reader.list("by_place"),
        locale: reader.one("locale"),
        zone: reader.one("zone"),
        drivers: drivers.into_iter().collect(),
        firewalls: reader.list("firewalls"),
        ..reader.facts
    };
    Ok(facts)
}

/// Reads sections, and notes which cannot be read.
struct Reader<'a> {
    sections: Sections<'a>,
    facts: SystemFacts,
}

impl Reader<'_> {
    /// The lines of a section, each bounded.
    fn list(&mut self, name: &str) -> Vec<String> {
        match self.sections.lines(name) {
            Ok(lines) => lines.iter().take(MOST).map(|line| input::clip(line)).collect(),
            Err(Reading::Unreadable(why) | Reading::Absent(why)) => {
                self.facts.unread.insert(name.to_owned(), why);
                Vec::new()
            }
            Err(Reading::Items(_)) => Vec::new(),
        }
    }

    /// The one line of a section; empty where there is none.
    fn one(&mut self, name: &str) -> String {
        self.list(name).into_iter().next().unwrap_or_default()
    }
}

/// os-release(5): assignments, perhaps quoted.
fn release(lines: &[String]) -> Release {
    let value = |name: &str| {
        let found = lines
            .iter()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found
            .unwrap_or_default()
            .trim()
            .trim_matches(['"', '\''])
            .to_owned()
    };
    Release {
        id: value("ID"),
        version: value("VERSION_ID"),
        like: value("ID_LIKE").split_whitespace().map(str::to_owned).collect(),
        name: value("PRETTY_NAME"),
    }
}

/// An address without a name and a password in it.
fn address(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (host, path) = rest.split_at(end);
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => text.to_owned(),
    }
}

/// The cards with their addresses, and who has configured cards of which names that are not there.
fn cards(lines: &[String], configured: &[String]) -> (Vec<Card>, Vec<String>) {
    let mut cards: Vec<Card> = Vec::new();
    for line in lines {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["card", name, mac] => cards.push(Card {
                name: name.to_owned(),
                mac: mac.to_owned(),
                addresses: Vec::new(),
            }),
            ["address", name, address] => {
                if let Some(card) = cards.iter_mut().find(|card| card.name == name) {
                    card.addresses.push(address.to_owned());
                }
            }
            _ => {}
        }
    }
    let is_stranger = |line: &&String| {
        let name = line.split_once(' ').map_or("", |(_, name)| name.trim());
        // A pattern, several names, or a part of a card such as `eth0.7` is nobody's name alone.
        let is_name = !name.is_empty() && !name.contains(['*', '?', '[', ' ', '.', ':', '!', '/']);
        let made = [
            "lo", "br", "bond", "veth", "docker", "virbr", "wg", "tun", "tap", "dummy",
        ];
        let is_made = made.iter().any(|prefix| name.starts_with(prefix));
        is_name && !is_made && !cards.iter().any(|card| card.name == name)
    };
    let strangers: BTreeSet<String> = configured.iter().filter(is_stranger).cloned().collect();
    (cards, strangers.into_iter().collect())
}

fn cloud_init(lines: &[String]) -> Option<CloudInit> {
    if lines.is_empty() {
        return None;
    }
    let value = |name: &str| {
        let found = lines
            .iter()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.unwrap_or_default().to_owned()
    };
    Some(CloudInit {
        instance: value("instance"),
        source: value("source"),
        disabled: lines.iter().any(|line| line == "disabled"),
    })
}

/// The lines of `df -P -B 1048576`, without their heading.
fn disks(lines: &[String]) -> Vec<FileSystem> {
    let disk = |line: &String| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        Some(FileSystem {
            mount: fields.get(5..)?.join(" "),
            size_mib: fields.get(1)?.parse().ok()?,
            free_mib: fields.get(3)?.parse().ok()?,
        })
    };
    lines.iter().skip(1).filter_map(disk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_no_password() {
        for (text, kept) in [
            ("http://deb.example/debian/", "http://deb.example/debian/"),
            ("https://me:hunter2@repo.example/x@y", "https://repo.example/x@y"),
            ("https://token@repo.example", "https://repo.example"),
            ("file:/srv/box", "file:/srv/box"),
        ] {
            assert_eq!(address(text), kept);
        }
    }

    #[test]
    fn a_configured_card_that_is_not_there_is_told_with_who_has_configured_it() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let (cards, strangers) = cards(
            &lines(
                "card enp1s0 52:54:00:00:00:01\naddress enp1s0 192.168.10.5/24\naddress docker0 172.17.0.1/16",
            ),
            &lines(
                "networkd ens192\nnetworkd en*\nifupdown lo\nifupdown enp1s0\nifcfg lo\nifupdown enp1s0:1",
            ),
        );
        assert_eq!(cards[0].addresses, ["192.168.10.5/24"]);
        assert_eq!(strangers, ["networkd ens192"]);
    }

    #[test]
    fn no_answer_makes_it_panic() {
        use proptest::prelude::*;
        proptest!(|(text: String)| { let _ = parse(&text); });
        proptest!(|(text in "(@@ (kernel|release|cards|configured|cloud|disk|drivers)\n( [a-z0-9=/:. ]{0,20}\n){0,3}(@.\n)?){0,6}")| {
            let _ = parse(&text);
        });
    }
}
