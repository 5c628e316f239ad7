//! Is a clone cut off from everything but its update sources? Asked from the inside, before the first step.

use std::time::Duration;

use crate::guest::{GuestCommand, linux};
use crate::input;
use crate::model::outcome::Cause;

/// An address that no lab lists; RFC 6761 keeps it from ever resolving.
pub const UNLISTED: &str = "http://patchgate.invalid/";

/// What a probe tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The proxy's address.
    pub proxy: (String, u16),
    /// An update source, where the lab has one.
    pub source: Option<String>,
    /// TCP addresses that must not answer, as `address/port`.
    pub tcp: Vec<String>,
    /// UDP addresses to which a packet is sent; whoever listens there tells whether it arrived.
    pub udp: Vec<String>,
    /// A name that must not resolve.
    pub name: Option<String>,
}

/// The command. It first gives the guest a route by way of the host, since a missing route is not what isolates it.
pub fn command(probe: &Probe) -> GuestCommand {
    const TEXT: &str = r#"gateway=$1 port=$2 source=$3 name=$4; shift 4
ip route add default via "$gateway" metric 4242 2>/dev/null
for target in "$@"; do
  case $target in
    tcp/*) timeout 4 bash -c "exec 3<>/dev/$target" 2>/dev/null && echo "open $target" ;;
    udp/*) echo patchgate > "/dev/$target" ;;
  esac &
done 2>/dev/null
[ -n "$name" ] && timeout 10 getent hosts "$name" >/dev/null && echo "resolves $name"
wait
ip route del default via "$gateway" metric 4242 2>/dev/null
ask() {
  exec 3<>"/dev/tcp/$gateway/$port" || { echo "$1 silent"; return; }
  printf '%s %s HTTP/1.0\r\n\r\n' "$2" "$3" >&3
  read -t 60 -r _ status _ <&3 || status=silent
  while read -t 10 -r header <&3; do
    case $header in X-Squid-Error:*|x-squid-error:*) status="squid ${header#*: }" ;; $'\r'|'') break ;; esac
  done
  exec 3>&-
  echo "$1 ${status%$'\r'}"
}
case $source in
  '') ;;
  https://*) host=${source#https://}; host=${host%%/*}; case $host in *:*) ;; *) host=$host:443 ;; esac; ask source CONNECT "$host" ;;
  *) ask source HEAD "$source" ;;
esac 2>/dev/null
ask unlisted HEAD "$0" 2>/dev/null
exit 0"#;
    let (address, port) = (&probe.proxy.0, probe.proxy.1.to_string());
    let mut argv = vec![
        "/bin/bash",
        "-c",
        TEXT,
        UNLISTED,
        address,
        &port,
        probe.source.as_deref().unwrap_or(""),
        probe.name.as_deref().unwrap_or(""),
    ];
    let targets: Vec<String> = probe
        .tcp
        .iter()
        .map(|target| format!("tcp/{target}"))
        .chain(probe.udp.iter().map(|target| format!("udp/{target}")))
        .collect();
    argv.extend(targets.iter().map(String::as_str));
    linux::bounded(
        "see what the node can reach",
        &argv,
        &[],
        Duration::from_secs(120),
    )
}

/// What is wrong, from the command's output; `None` where the node is cut off as it should be.
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
    let source = probe.source.as_deref()?;
    match lines("source").first() {
        Some(answer)
            if answer
                .parse::<u16>()
                .is_ok_and(|status| (100..500).contains(&status)) =>
        {
            None
        }
        Some(answer) => {
            let message = format!("{source} does not answer through the proxy: {answer}");
            Some((Cause::MirrorUnreachable, message))
        }
        None => Some((
            Cause::GuestProtocol,
            "the probe from the node ended early".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(source: Option<&str>) -> Probe {
        Probe {
            proxy: ("10.213.0.1".into(), 3128),
            source: source.map(str::to_owned),
            tcp: vec!["10.213.0.1/4711".into()],
            udp: vec!["10.213.0.1/4712".into()],
            name: Some("deb.debian.org".into()),
        }
    }

    #[test]
    fn only_silence_towards_the_world_and_an_answer_of_the_source_will_do() {
        use Cause::{GuestProtocol, MirrorUnreachable, NotIsolated};
        let with = probe(Some("http://deb.debian.org/debian"));
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
        let without = probe(None);
        assert_eq!(judge(&without, "unlisted squid ERR_ACCESS_DENIED 0\n"), None);
    }

    #[test]
    fn what_is_tried_is_handed_over_as_arguments() {
        let command = command(&probe(Some("http://deb.debian.org/debian")));
        let end = &command.argv[command.argv.len() - 7..];
        assert_eq!(
            end,
            [
                UNLISTED,
                "10.213.0.1",
                "3128",
                "http://deb.debian.org/debian",
                "deb.debian.org",
                "tcp/10.213.0.1/4711",
                "udp/10.213.0.1/4712"
            ]
        );
    }
}
