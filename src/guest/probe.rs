//! Is a clone cut off from everything but its update sources? Asked from the inside, before the first step.

use std::net::Ipv4Addr;

use crate::input;
use crate::model::outcome::Cause;

/// An address that no lab lists; RFC 6761 keeps it from ever resolving.
pub const UNLISTED: &str = "http://patchgate.invalid/";

/// What a probe tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The proxy's address.
    pub proxy: (String, u16),
    /// The update sources, each of which must answer.
    pub sources: Vec<String>,
    /// What the proxy must refuse, as `METHOD ADDRESS`.
    pub refused: Vec<String>,
    /// TCP addresses that must not answer, as `address/port`.
    pub tcp: Vec<String>,
    /// UDP addresses to which a packet is sent; whoever listens there tells whether it arrived.
    pub udp: Vec<String>,
    /// A name that must not resolve.
    pub name: Option<String>,
    /// The node's card to the outlet: its MAC address, and the address that the node is to have there.
    pub card: Option<(String, Ipv4Addr)>,
    /// The wire of a node that keeps its own network.
    pub wire: Option<Wire>,
}

/// A wire that carries what was production's network. Whoever answers there must be a node of the same cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// The MAC addresses of the node's own cards on it.
    pub own: Vec<String>,
    /// Those of the other nodes' cards.
    pub peers: Vec<String>,
}

/// What is wrong, from the lines that a probing command prints: `open TARGET` and `resolves NAME` for what it reached;
/// `neighbour ADDRESS MAC` for who answered on the wire; `lost MAC` for a card that is not there, and `has ADDRESS/BITS...` for
/// what the card to the outlet has where the proxy is silent; `refused ANSWER` and `source ANSWER`, in the order of what was
/// asked for, and `unlisted ANSWER` for what the proxy said, which is a status, `squid ERROR ...` or `silent`. `None` where the
/// node is cut off as it should be.
pub fn judge(probe: &Probe, output: &str) -> Option<(Cause, String)> {
    let lines = |key: &str| {
        let key = format!("{key} ");
        let found: Vec<String> = output
            .lines()
            .filter_map(|line| line.strip_prefix(&key))
            .map(input::clip)
            .collect();
        found
    };
    if let Some(open) = lines("open").first() {
        return Some((Cause::NotIsolated, format!("the node can reach {open}")));
    }
    if let Some(name) = lines("resolves").first() {
        let message = format!("the node can resolve {name}, so it can ask a name server");
        return Some((Cause::NotIsolated, message));
    }
    if let Some(wire) = &probe.wire {
        if let Some(mac) = lines("lost").first() {
            let message =
                format!("none of the node's cards has the MAC address {mac}: it gives one of them another");
            return Some((Cause::GuestProtocol, message));
        }
        let known = |mac: &str| wire.peers.iter().chain(&wire.own).any(|own| own == mac);
        let stranger = lines("neighbour").into_iter().find(|line| {
            let mac = line.split_once(' ').map_or("", |(_, mac)| mac);
            !known(mac)
        });
        if let Some(line) = stranger {
            let (address, mac) = line.split_once(' ').unwrap_or((&line, "no MAC address"));
            let message = format!(
                "{address} answers on the node's own network, from {mac}, which is no node of its cell"
            );
            return Some((Cause::NotIsolated, message));
        }
    }
    let refused = "squid ERR_ACCESS_DENIED";
    match lines("unlisted").first() {
        Some(answer) if answer.starts_with(refused) => {}
        Some(answer) if answer == "silent" => {
            let message = format!(
                "the node cannot reach the proxy at {}:{}{}",
                probe.proxy.0,
                probe.proxy.1,
                why_silent(probe, lines("lost").first(), lines("has").first())
            );
            return Some((Cause::MirrorUnreachable, message));
        }
        Some(answer) => {
            let message =
                format!("the proxy lets an address through that nobody listed: it answered {answer}");
            return Some((Cause::NotIsolated, message));
        }
        None => {
            return Some((
                Cause::GuestProtocol,
                "the probe from the node gave no answer".to_owned(),
            ));
        }
    }
    let early = || {
        let message = "the probe from the node ended early".to_owned();
        Some((Cause::GuestProtocol, message))
    };
    let answers = lines("refused");
    for (at, asked) in probe.refused.iter().enumerate() {
        match answers.get(at) {
            Some(answer) if answer.starts_with(refused) => {}
            Some(answer) => {
                let message = format!("the proxy does not refuse {asked}: it answered {answer}");
                return Some((Cause::NotIsolated, message));
            }
            None => return early(),
        }
    }
    let answers = lines("source");
    for (at, source) in probe.sources.iter().enumerate() {
        match answers.get(at) {
            Some(answer)
                if answer
                    .parse::<u16>()
                    .is_ok_and(|status| (100..500).contains(&status)) => {}
            Some(answer) => {
                let message = format!("{source} does not answer through the proxy: {answer}");
                return Some((Cause::MirrorUnreachable, message));
            }
            None => return early(),
        }
    }
    None
}

/// What of the node's own settings keeps it from the proxy, as far as its card to the outlet tells; nothing where it does not.
fn why_silent(probe: &Probe, lost: Option<&String>, has: Option<&String>) -> String {
    const KEEP: &str = "`addresses = \"keep\"` in its role leaves a server's own network as it is";
    let Some((_, given)) = &probe.card else {
        return String::new();
    };
    let is_given = |one: &str| one.split('/').next() == Some(given.to_string().as_str());
    match (lost, has.map(String::as_str).map(str::trim)) {
        (Some(mac), _) => {
            format!("; no card of it has the MAC address {mac}: it gives its card to the outlet another one")
        }
        (None, Some("")) => {
            format!("; it has no address there, since nothing in it asks for one by DHCP; {KEEP}")
        }
        (None, Some(has)) if !has.split(' ').any(is_given) => {
            format!("; it moves its own address there: it has {has}, and was given {given}; {KEEP}")
        }
        (None, Some(_)) => "; it has its address there, so a firewall of its own may keep it in".to_owned(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(sources: &[&str], refused: &[&str]) -> Probe {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Probe {
            proxy: ("10.213.0.1".into(), 3128),
            sources: owned(sources),
            refused: owned(refused),
            tcp: vec!["10.213.0.1/4711".into()],
            udp: vec!["10.213.0.1/4712".into()],
            name: Some("deb.debian.org".into()),
            card: Some(("52:54:00:00:00:01".into(), [10, 213, 0, 2].into())),
            wire: None,
        }
    }

    #[test]
    fn a_node_that_sets_its_card_to_the_outlet_itself_is_told_so() {
        for (said, words) in [
            (
                "has 192.168.10.5/24 \n",
                "moves its own address there: it has 192.168.10.5/24, and was given 10.213.0.2; `addresses",
            ),
            (
                "has 192.168.10.5/24 10.213.0.2/28 \n",
                "; it has its address there, so a firewall",
            ),
            ("has 110.213.0.2/28\n", "moves its own address"),
            ("has \n", "; it has no address there"),
            (
                "lost 52:54:00:00:00:01\n",
                "no card of it has the MAC address 52:54:00:00:00:01",
            ),
            ("", "10.213.0.1:3128"),
        ] {
            let output = format!("source silent\nunlisted silent\n{said}");
            let (cause, message) = judge(&probe(&["http://a/"], &[]), &output).expect(words);
            assert_eq!(cause, Cause::MirrorUnreachable);
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn on_a_wire_that_carries_productions_network_only_nodes_of_the_cell_may_answer() {
        use Cause::{GuestProtocol, NotIsolated};
        let mut kept = probe(&[], &[]);
        kept.wire = Some(Wire {
            own: vec!["52:54:00:00:00:02".into()],
            peers: vec!["00:50:56:00:00:03".into()],
        });
        for (said, is) in [
            ("", None),
            ("neighbour 192.168.10.6 00:50:56:00:00:03\n", None),
            // It may have two cards there.
            ("neighbour fe80::1 52:54:00:00:00:02\n", None),
            (
                "neighbour 192.168.10.6 00:50:56:00:00:03\nneighbour 192.168.10.1 00:50:56:00:00:04\n",
                Some((
                    NotIsolated,
                    "192.168.10.1 answers on the node's own network, from 00:50:56:00:00:04",
                )),
            ),
            (
                "neighbour 192.168.10.1\n",
                Some((NotIsolated, "192.168.10.1 answers")),
            ),
            ("open tcp/192.0.2.1/80\n", Some((NotIsolated, "tcp/192.0.2.1/80"))),
            (
                "lost 52:54:00:00:00:02\n",
                Some((GuestProtocol, "has the MAC address 52:54:00:00:00:02")),
            ),
        ] {
            let output = format!("{said}unlisted squid ERR_ACCESS_DENIED 0\n");
            let found = judge(&kept, &output);
            assert_eq!(
                found.as_ref().map(|(cause, _)| *cause),
                is.map(|(cause, _)| cause),
                "{said}"
            );
            if let (Some((_, message)), Some((_, words))) = (found, is) {
                assert!(message.contains(words), "{message}");
            }
        }
        // Elsewhere a wire is patchgate's own.
        let output = "neighbour 10.214.0.11 00:50:56:00:00:04\nunlisted squid ERR_ACCESS_DENIED 0\n";
        assert_eq!(judge(&probe(&[], &[]), output), None);
    }

    #[test]
    fn only_silence_towards_the_world_and_an_answer_of_the_source_will_do() {
        use Cause::{GuestProtocol, MirrorUnreachable, NotIsolated};
        let with = probe(&["http://deb.debian.org/debian"], &[]);
        for (output, cause) in [
            ("source 200\nunlisted squid ERR_ACCESS_DENIED 0\n", None),
            ("source 404\nunlisted squid ERR_ACCESS_DENIED 0\n", None),
            (
                "open tcp/10.213.0.1/4711\nsource 200\nunlisted squid ERR_ACCESS_DENIED 0\n",
                Some(NotIsolated),
            ),
            (
                "resolves deb.debian.org\nsource 200\nunlisted squid ERR_ACCESS_DENIED 0\n",
                Some(NotIsolated),
            ),
            ("source 200\nunlisted 200\n", Some(NotIsolated)),
            ("source 200\nunlisted squid ERR_DNS_FAIL 0\n", Some(NotIsolated)),
            ("source silent\nunlisted silent\n", Some(MirrorUnreachable)),
            (
                "source squid ERR_CONNECT_FAIL 111\nunlisted squid ERR_ACCESS_DENIED 0\n",
                Some(MirrorUnreachable),
            ),
            (
                "source 503\nunlisted squid ERR_ACCESS_DENIED 0\n",
                Some(MirrorUnreachable),
            ),
            ("unlisted squid ERR_ACCESS_DENIED 0\n", Some(GuestProtocol)),
            ("", Some(GuestProtocol)),
            ("\u{1}\u{fffd}garbage", Some(GuestProtocol)),
        ] {
            assert_eq!(judge(&with, output).map(|(cause, _)| cause), cause, "{output}");
        }
        let denied = "unlisted squid ERR_ACCESS_DENIED 0\n";
        let more = probe(
            &["http://a/", "http://b/"],
            &["CONNECT 127.0.0.1:22", "HEAD http://a/../"],
        );
        for (output, cause) in [
            (
                "refused squid ERR_ACCESS_DENIED 0\nrefused squid ERR_ACCESS_DENIED 0\nsource 200\nsource 404\n",
                None,
            ),
            (
                "refused squid ERR_ACCESS_DENIED 0\nrefused 200\nsource 200\nsource 404\n",
                Some(NotIsolated),
            ),
            // It was tried, so it was let through.
            (
                "refused squid ERR_CONNECT_FAIL 111\nrefused squid ERR_ACCESS_DENIED 0\nsource 200\nsource 200\n",
                Some(NotIsolated),
            ),
            (
                "refused squid ERR_ACCESS_DENIED 0\nsource 200\nsource 200\n",
                Some(GuestProtocol),
            ),
            (
                "refused squid ERR_ACCESS_DENIED 0\nrefused squid ERR_ACCESS_DENIED 0\nsource 200\nsource 503\n",
                Some(MirrorUnreachable),
            ),
            (
                "refused squid ERR_ACCESS_DENIED 0\nrefused squid ERR_ACCESS_DENIED 0\nsource 200\n",
                Some(GuestProtocol),
            ),
        ] {
            let output = format!("{output}{denied}");
            assert_eq!(judge(&more, &output).map(|(cause, _)| cause), cause, "{output}");
        }
        let without = probe(&[], &[]);
        assert_eq!(judge(&without, "unlisted squid ERR_ACCESS_DENIED 0\n"), None);
    }
}
