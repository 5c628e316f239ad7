//! Trying from inside a Linux guest what it can reach.

use std::time::Duration;

use crate::guest::command::GuestCommand;
use crate::guest::linux::command::bounded;
use crate::guest::linux::identity::CARD;
use crate::guest::probe::{Probe, UNLISTED};
use crate::guest::what;
use crate::model::update::Source;

/// The command. It first gives the guest a route by way of the host, since a missing route is not what isolates it; one that
/// keeps its own network, to what is tried alone.
pub fn command(probe: &Probe) -> GuestCommand {
    const TEXT: &str = include_str!("probe.sh");
    let text = [CARD, TEXT].concat();
    let (address, port) = (&probe.proxy.0, probe.proxy.1.to_string());
    let mut argv = vec![
        "/bin/bash",
        "-c",
        &text,
        UNLISTED,
        address,
        &port,
        probe.name.as_deref().unwrap_or(""),
    ];
    let card = probe.card.iter().map(|(mac, _)| format!("card {mac}"));
    let wires = probe.wire.iter().flat_map(|wire| &wire.own);
    let tcp = probe.tcp.iter().map(|target| format!("tcp/{target}"));
    let targets: Vec<String> = card
        .chain(wires.map(|mac| format!("wire {mac}")))
        .chain(tcp)
        .chain(probe.udp.iter().map(|target| format!("udp/{target}")))
        .chain(probe.refused.iter().map(|asked| format!("refused {asked}")))
        .chain(probe.sources.iter().map(|uri| format!("source {}", asked(uri))))
        .collect();
    argv.extend(targets.iter().map(String::as_str));
    bounded(what::PROBE, &argv, &[], Duration::from_secs(120))
}

/// What an update source is asked for: a tunnel, where it speaks TLS.
fn asked(uri: &str) -> String {
    match Source::parse(uri) {
        Some(source) if source.tls => format!("CONNECT {}:{}", source.host, source.port),
        Some(_) | None => format!("HEAD {uri}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::probe::Wire;

    fn probe(sources: &[&str]) -> Probe {
        Probe {
            proxy: ("10.213.0.1".into(), 3128),
            sources: sources.iter().map(|&uri| uri.to_owned()).collect(),
            refused: vec!["CONNECT 127.0.0.1:22".into()],
            tcp: vec!["10.213.0.1/4711".into()],
            udp: vec!["10.213.0.1/4712".into()],
            name: Some("deb.debian.org".into()),
            card: Some(("52:54:00:00:00:01".into(), [10, 213, 0, 2].into())),
            wire: None,
        }
    }

    #[test]
    fn what_is_tried_is_handed_over_as_arguments() {
        let mut probe = probe(&["http://deb.debian.org/debian/", "https://repo.example/x/"]);
        probe.wire = Some(Wire {
            own: vec!["52:54:00:00:00:02".into()],
            peers: vec!["52:54:00:00:00:03".into()],
        });
        let command = command(&probe);
        let end = &command.argv[command.argv.len() - 11..];
        assert_eq!(
            end,
            [
                UNLISTED,
                "10.213.0.1",
                "3128",
                "deb.debian.org",
                "card 52:54:00:00:00:01",
                "wire 52:54:00:00:00:02",
                "tcp/10.213.0.1/4711",
                "udp/10.213.0.1/4712",
                "refused CONNECT 127.0.0.1:22",
                "source HEAD http://deb.debian.org/debian/",
                "source CONNECT repo.example:443"
            ]
        );
    }
}
