//! Is a clone cut off from everything but its update sources? Asked from the inside, before the first step.

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
}

/// What is wrong, from the lines that a probing command prints: `open TARGET` and `resolves NAME` for what it reached;
/// `refused ANSWER` and `source ANSWER`, in the order of what was asked for, and `unlisted ANSWER` for what the proxy said,
/// which is a status, `squid ERROR ...` or `silent`. `None` where the node is cut off as it should be.
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
    let refused = "squid ERR_ACCESS_DENIED";
    match lines("unlisted").first() {
        Some(answer) if answer.starts_with(refused) => {}
        Some(answer) if answer == "silent" => {
            let message = format!(
                "the node cannot reach the proxy at {}:{}",
                probe.proxy.0, probe.proxy.1
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
        }
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
