//! Who a Linux guest is: its name and its place, and all of its own where it goes on from a state that others go on from too.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::identity::{Answer, Identity, Place, Way};
use crate::guest::linux::command::{bounded, script};
use crate::guest::what;
use crate::input;

/// Finds a card by its MAC address.
pub(in crate::guest) const CARD: &str = include_str!("card.sh");
/// Keeps a card from whatever manages the guest's network.
const UNMANAGED: &str = include_str!("unmanaged.sh");
/// Tells which names of cards are configured.
pub(in crate::guest) const CONFIGURED: &str = include_str!("configured.sh");
/// Gives a card the name that it had where the guest comes from.
const CALLED: &str = include_str!("called.sh");

/// How long both commands may take: making RSA keys is slow without KVM.
const PATIENCE: Duration = Duration::from_secs(180);

/// Gives the node its name and, where it has a place in a network, its address and its neighbours' names. The address
/// is given anew at every boot, before the network is said to be up (systemd.special(7), `network-pre.target`). `quiet` is
/// run before that.
pub fn identify(quiet: &str, name: &str, place: Option<&Place>) -> GuestCommand {
    const TEXT: &str = include_str!("identify.sh");
    let alone = [(String::from("127.0.1.1"), name.to_owned())];
    let hosts = place.map_or(&alone[..], |place| &place.hosts);
    let lines: Vec<String> = hosts
        .iter()
        .map(|(address, name)| format!("{address} {name}"))
        .collect();
    let (mac, address) = place.map_or(("", ""), |place| (&place.mac, &place.address));
    let mut args = vec![name, mac, address];
    args.extend(lines.iter().map(String::as_str));
    script(what::IDENTIFY, &[quiet, CARD, UNMANAGED, TEXT].concat(), &args)
}

/// Configures the card to the outlet of a node that keeps its own network; `quiet` is run before that. Where a name is configured
/// that no card has, and one card is nobody's, that card gets the name.
pub fn attach(quiet: &str, way: &Way) -> GuestCommand {
    const TEXT: &str = include_str!("attach.sh");
    let (address, gateway) = (way.address.to_string(), way.gateway.to_string());
    let args = [way.mac.as_str(), &address, &gateway];
    script(
        what::ATTACH,
        &[quiet, CARD, UNMANAGED, CONFIGURED, CALLED, TEXT].concat(),
        &args,
    )
}

/// Gives a clone its clock, random numbers, machine id, interfaces and SSH host keys; `now_millis` is the time of the host.
///
/// - Random numbers: the seed is credited and the kernel's generator made anew at once (random(4): `RNDADDENTROPY`;
///   `RNDRESEEDCRNG`). Perl is the only program of every Debian that can call ioctl(2).
/// - Interfaces: a virtio card that its driver is bound to anew has the MAC address that the hypervisor gave it, and whatever
///   manages the network sees a new card. Also one whose MAC address is its own already: the network behind it is another;
///   but for a kept one, behind which are clones of the same nodes that were saved with this one.
/// - The journal is a folder named after the machine id (systemd-journald(8)), so it is renamed too.
pub fn renew(identity: &Identity, now_millis: u64) -> GuestCommand {
    const TEXT: &str = include_str!("identity_renew.sh");
    let clock = format!("{}.{:03}", now_millis / 1000, now_millis % 1000);
    let own = [&clock, &identity.seed, &identity.machine_id];
    let args: Vec<&str> = own
        .into_iter()
        .chain(&identity.kept)
        .map(String::as_str)
        .collect();
    // Not bounded as other commands are: a DHCP client that it leaves behind would keep their pipes open.
    GuestCommand {
        timeout: PATIENCE,
        ..script(what::RENEW, TEXT, &args)
    }
}

/// Asks a node who it is.
pub fn ask() -> GuestCommand {
    const TEXT: &str = include_str!("identity_ask.sh");
    bounded(what::WHO, &["/bin/bash", "-c", TEXT], &[], PATIENCE)
}

/// Reads the answer to [`ask`].
pub fn parse(output: &str) -> Result<Answer, ParseError> {
    let garbled = |problem: String| ParseError {
        what: "who the node is",
        problem,
    };
    let mut said = Answer::default();
    let mut one: BTreeMap<&str, &str> = BTreeMap::new();
    for line in output.lines() {
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| garbled(format!("`{}` is no answer", input::clip(line))))?;
        match key {
            "mac" => drop(said.macs.insert(value.to_owned())),
            "ssh" => drop(said.ssh.insert(input::clip(value))),
            "machine-id" | "host" | "random" | "clock" => drop(one.insert(key, value)),
            _ => return Err(garbled(format!("`{}` was not asked for", input::clip(key)))),
        }
    }
    let hexadecimal = |key: &str| {
        let value = one.get(key).copied().unwrap_or_default();
        if value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(value.to_owned())
        } else {
            Err(garbled(format!("`{}` is no {key}", input::clip(value))))
        }
    };
    said.machine_id = hexadecimal("machine-id")?;
    said.random = hexadecimal("random")?;
    said.host = input::clip(one.get("host").copied().unwrap_or_default());
    said.clock_millis = one
        .get("clock")
        .and_then(|clock| clock.parse().ok())
        .ok_or_else(|| garbled("it does not tell the time".to_owned()))?;
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::identity::fault;

    const ANSWER: &str = "machine-id=0123456789abcdef0123456789abcdef\nhost=web\nmac=52:54:00:00:00:01\n\
                          ssh=ssh-ed25519 AAAA\nrandom=00112233445566778899aabbccddeeff\nclock=1795000000123\n";

    fn identity() -> Identity {
        Identity {
            machine_id: "0123456789abcdef0123456789abcdef".into(),
            seed: "00".repeat(64),
            macs: vec!["52:54:00:00:00:01".into()],
            kept: Vec::new(),
        }
    }

    fn origin() -> Answer {
        Answer {
            ssh: ["ssh-ed25519 BBBB".to_owned()].into(),
            random: "ff".repeat(16),
            ..Answer::default()
        }
    }

    #[test]
    fn a_clone_is_itself_or_it_is_told_what_is_not() {
        type Plant = fn(&mut Answer);
        let now = 1_795_000_001_000;
        let said = parse(ANSWER).expect("an answer");
        assert_eq!(fault(&identity(), "web", &said, &origin(), now), None);
        let cases: [(Plant, &str); 7] = [
            (|said| said.machine_id = "1".repeat(32), "its machine id is 1111"),
            (
                |said| said.host = "template".into(),
                "its name is `template`, not `web`",
            ),
            (
                |said| said.macs = ["52:54:00:00:00:02".into()].into(),
                "its MAC addresses are 52:54:00:00:00:02, not",
            ),
            (|said| said.ssh.clear(), "lost SSH host keys"),
            (
                |said| said.ssh = origin().ssh,
                "SSH host keys of what it was forked from",
            ),
            (
                |said| said.random = origin().random,
                "random numbers of what it was forked from",
            ),
            (|said| said.clock_millis -= 7_200_000, "its clock is 7200 s off"),
        ];
        for (plant, words) in cases {
            let mut said = said.clone();
            plant(&mut said);
            let fault = fault(&identity(), "web", &said, &origin(), now).expect(words);
            assert!(fault.contains(words), "{fault}");
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (from, to, words) in [
            ("machine-id=0", "machine-id=x", "is no machine-id"),
            ("random=00", "random=", "is no random"),
            ("clock=1", "clock=soon", "does not tell the time"),
            ("host=web", "web", "`web` is no answer"),
            ("host=web", "sudo=yes", "`sudo` was not asked for"),
        ] {
            let problem = parse(&ANSWER.replace(from, to)).expect_err(words).problem;
            assert!(problem.contains(words), "{problem}");
        }
        assert!(parse("").is_err());
    }

    #[test]
    fn what_a_clone_is_given_is_data_and_never_part_of_the_program() {
        let command = renew(&identity(), 1_795_000_000_007);
        let texts: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        assert!(texts.ends_with(&["1795000000.007", &identity().seed, &identity().machine_id]));
        let kept = Identity {
            kept: vec!["52:54:00:00:00:01".into()],
            ..identity()
        };
        let command = renew(&kept, 0);
        assert_eq!(command.argv.last().map(String::as_str), Some("52:54:00:00:00:01"));
    }
}
