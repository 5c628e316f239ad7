//! Trying from inside a Linux guest what it can reach.

use std::time::Duration;

use crate::guest::command::GuestCommand;
use crate::guest::linux::command::bounded;
use crate::guest::probe::{Probe, UNLISTED};
use crate::guest::what;
use crate::model::update::Source;

/// The command. It first gives the guest a route by way of the host, since a missing route is not what isolates it.
pub fn command(probe: &Probe) -> GuestCommand {
    const TEXT: &str = include_str!("probe.sh");
    let (address, port) = (&probe.proxy.0, probe.proxy.1.to_string());
    let mut argv = vec![
        "/bin/bash",
        "-c",
        TEXT,
        UNLISTED,
        address,
        &port,
        probe.name.as_deref().unwrap_or(""),
    ];
    let targets: Vec<String> = probe
        .tcp
        .iter()
        .map(|target| format!("tcp/{target}"))
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

    fn probe(sources: &[&str]) -> Probe {
        Probe {
            proxy: ("10.213.0.1".into(), 3128),
            sources: sources.iter().map(|&uri| uri.to_owned()).collect(),
            refused: vec!["CONNECT 127.0.0.1:22".into()],
            tcp: vec!["10.213.0.1/4711".into()],
            udp: vec!["10.213.0.1/4712".into()],
            name: Some("deb.debian.org".into()),
        }
    }

    #[test]
    fn what_is_tried_is_handed_over_as_arguments() {
        let command = command(&probe(&[
            "http://deb.debian.org/debian/",
            "https://repo.example/x/",
        ]));
        let end = &command.argv[command.argv.len() - 9..];
        assert_eq!(
            end,
            [
                UNLISTED,
                "10.213.0.1",
                "3128",
                "deb.debian.org",
                "tcp/10.213.0.1/4711",
                "udp/10.213.0.1/4712",
                "refused CONNECT 127.0.0.1:22",
                "source HEAD http://deb.debian.org/debian/",
                "source CONNECT repo.example:443"
            ]
        );
    }
}
