//! The probe of the isolation on a node that keeps its own network, performed here by stand-ins of the guest's programs; the
//! proxy is a listener of this test's.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;

use patchgate::guest::debian::DEBIAN;
use patchgate::guest::probe::{Probe, Wire, judge};
use patchgate::model::outcome::Cause;

use crate::testkit::standins::{perform, program, write};

const WIRE: &str = "00:50:56:00:00:01";
const OUTLET: &str = "52:54:00:00:04:00";
const PEER: &str = "00:50:56:00:00:03";
const STRANGER: &str = "00:50:56:00:00:99";

const IP: &str = r#"
case "$*" in
  "-o link show dev ens3") echo '2: ens3: <UP> mtu 1500\    link/ether 00:50:56:00:00:01 brd ff:ff:ff:ff:ff:ff' ;;
  "-o link show dev ens4") echo '3: ens4: <UP> mtu 1500\    link/ether 52:54:00:00:04:00 brd ff:ff:ff:ff:ff:ff' ;;
  "-4 route show") echo 'default via 192.168.10.1 dev ens3 proto static'; echo '192.168.10.0/24 dev ens3 scope link' ;;
  "-6 route show") echo 'default via fe80::1 dev ens3 proto ra' ;;
  "-4 -o address show dev ens4") echo '3: ens4    inet 192.168.10.5/24 scope global ens4' ;;
  "neigh show dev "*) cat "$root/neigh-$4" 2> /dev/null ;;
  *) echo "$*" >> "$root/calls" ;;
esac"#;

/// A proxy that denies what nobody listed; its port.
fn proxy() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut asked = [0; 512];
            let read = stream.read(&mut asked).expect("a request");
            let is_listed = !String::from_utf8_lossy(&asked[..read]).contains("patchgate.invalid");
            let answer: &[u8] = if is_listed {
                b"HTTP/1.0 200 OK\r\n\r\n"
            } else {
                b"HTTP/1.0 403 No\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\n\r\n"
            };
            stream.write_all(answer).expect("an answer");
        }
    });
    port
}

struct Guest(tempfile::TempDir);

impl Guest {
    fn new() -> Self {
        let guest = Self(tempfile::tempdir().expect("a folder"));
        for card in ["ens3", "ens4"] {
            fs::create_dir_all(guest.0.path().join(format!("net/{card}/device"))).expect("made");
        }
        guest.has("hosts", "127.0.0.1 localhost\n192.168.10.6 erp-app\n");
        guest.has("resolv.conf", "nameserver 192.168.10.2\nnameserver 127.0.0.53\n");
        guest.program("ip", IP);
        guest.program("bridge", "cat \"$root/fdb\" 2> /dev/null");
        guest.program("sleep", "exit 0");
        // What is tried beside the proxy is out of reach.
        guest.program("timeout", "exit 124");
        guest
    }

    fn has(&self, name: &str, text: &str) {
        write(&self.0.path().join(name), text);
    }

    fn program(&self, name: &str, text: &str) {
        program(&self.0.path().join("bin").join(name), text);
    }

    fn found(&self, probe: &Probe) -> Option<(Cause, String)> {
        let root = self.0.path().display().to_string();
        let command = DEBIAN.system.probe(probe);
        let at = |word: &str| {
            let word = word.replace("/sys/class/net", &format!("{root}/net"));
            let word = word.replace("/etc/", &format!("{root}/"));
            let word = word.replace("/run/", &format!("{root}/run/"));
            word.replace("/dev/udp/$address/9", &format!("{root}/called-$address"))
        };
        let output = perform(self.0.path(), &command, at);
        assert!(output.status.success());
        judge(probe, &String::from_utf8_lossy(&output.stdout))
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.0.path().join("calls")).unwrap_or_default()
    }

    /// Who was spoken to on the wire.
    fn called(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("a folder");
        let names = entries.map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        });
        let called = names.filter_map(|name| name.strip_prefix("called-").map(str::to_owned));
        let mut called: Vec<String> = called.collect();
        called.sort();
        called
    }
}

fn probe(port: u16, wire: &[&str]) -> Probe {
    Probe {
        proxy: ("127.0.0.1".to_owned(), port),
        sources: vec!["http://deb.debian.org/debian/".to_owned()],
        refused: Vec::new(),
        tcp: vec!["192.0.2.1/80".to_owned(), "127.0.0.1/4711".to_owned()],
        udp: Vec::new(),
        name: None,
        card: Some((OUTLET.to_owned(), [127, 0, 0, 2].into())),
        wire: (!wire.is_empty()).then(|| Wire {
            own: wire.iter().map(|&mac| mac.to_owned()).collect(),
            peers: vec![PEER.to_owned()],
        }),
    }
}

#[test]
fn a_node_with_given_addresses_has_a_route_by_way_of_the_host_meanwhile() {
    let guest = Guest::new();
    guest.has(
        "neigh-ens3",
        &format!("10.214.0.11 lladdr {STRANGER} REACHABLE\n"),
    );
    assert_eq!(guest.found(&probe(proxy(), &[])), None);
    assert_eq!(
        guest.calls(),
        "route add default via 127.0.0.1 metric 4242\nroute del default via 127.0.0.1 metric 4242\n"
    );
    assert_eq!(guest.called(), Vec::<String>::new());
}

#[test]
fn one_that_keeps_its_network_tries_the_outlet_alone_and_calls_whom_its_settings_name() {
    let guest = Guest::new();
    guest.has(
        "neigh-ens3",
        &format!(
            "192.168.10.6 lladdr {PEER} REACHABLE\n192.168.10.1  FAILED\nfe80::3 lladdr {PEER} router STALE\n"
        ),
    );
    assert_eq!(guest.found(&probe(proxy(), &[WIRE])), None);
    assert_eq!(
        guest.calls(),
        "route add 192.0.2.1/32 via 127.0.0.1 dev ens4 onlink\nroute del 192.0.2.1/32 dev ens4\n"
    );
    assert_eq!(
        guest.called(),
        ["192.168.10.1", "192.168.10.2", "192.168.10.6", "fe80::1%ens3"]
    );
}

#[test]
fn whoever_else_answers_on_the_wire_is_found() {
    let port = proxy();
    let guest = Guest::new();
    guest.has("neigh-ens3", &format!("192.168.10.1 lladdr {STRANGER} DELAY\n"));
    let (cause, message) = guest.found(&probe(port, &[WIRE])).expect("a stranger");
    assert_eq!(cause, Cause::NotIsolated);
    assert!(message.contains("192.168.10.1 answers"), "{message}");

    // On a bridge of the guest's own, only what came in by the card is on the wire.
    for (fdb, is) in [
        (format!("{PEER} master br0\n"), None),
        (
            format!("{PEER} master br0\n{STRANGER} master br0\n"),
            Some(Cause::NotIsolated),
        ),
    ] {
        let guest = Guest::new();
        fs::create_dir_all(guest.0.path().join("net/ens3/upper_br0")).expect("made");
        fs::create_dir_all(guest.0.path().join("net/br0/bridge")).expect("made");
        guest.has("fdb", &fdb);
        guest.has(
            "neigh-br0",
            &format!("192.168.10.6 lladdr {PEER} STALE\n192.168.10.77 lladdr {STRANGER} REACHABLE\n"),
        );
        let found = guest.found(&probe(port, &[WIRE]));
        assert_eq!(found.map(|(cause, _)| cause), is, "{fdb}");
    }
}

#[test]
fn a_card_that_is_called_otherwise_and_an_address_that_was_moved_are_told() {
    let port = proxy();
    let (cause, message) = Guest::new()
        .found(&probe(port, &[WIRE, PEER]))
        .expect("a lost card");
    assert_eq!(cause, Cause::GuestProtocol);
    assert!(message.contains(&format!("the MAC address {PEER}")), "{message}");

    let nobody = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let closed = nobody.local_addr().expect("an address").port();
    drop(nobody);
    let (cause, message) = Guest::new().found(&probe(closed, &[])).expect("no proxy");
    assert_eq!(cause, Cause::MirrorUnreachable);
    assert!(
        message.contains("it has 192.168.10.5/24, and was given 127.0.0.2"),
        "{message}"
    );
}
