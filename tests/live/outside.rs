//! The world outside, which the test made: a server behind a link of its own, and a name server that says what it is told to.

use std::fs;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Where the server is, and a neighbour of its that nobody listed. RFC 5737 keeps these for examples.
pub const SERVER: &str = "198.51.100.2";
pub const NEIGHBOUR: &str = "198.51.100.3";
/// This machine's end of the link.
pub const HOST: &str = "198.51.100.1";
/// The server's name; by the name server's word the neighbour's too.
pub const NAME: &str = "packages.example";
/// Where the name server listens.
const RESOLVER: &str = "127.7.7.7";

/// The server: takes whoever comes.
const LISTEN: &str = r"use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 443, Listen => 9, ReuseAddr => 1) or die; while (my $c = $s->accept) { close $c }";

const LINK: &str = r#"set -eu
until [ "$(readlink "/proc/$2/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
ip link add "$1" type veth peer name eth0 netns "$2"
ip address add "$3/24" dev "$1"
ip link set "$1" up
"#;

/// It; all of it is gone when this is.
pub struct Outside {
    folder: tempfile::TempDir,
    server: Child,
    resolver: Child,
}

impl Outside {
    pub fn begin() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Command::new("unshare")
            .args(["--net", "bash", "-euc"])
            .arg(format!(
                "until ip link show eth0 > /dev/null 2>&1; do sleep 0.1; done
                 for at in {SERVER} {NEIGHBOUR}; do ip address add $at/24 dev eth0; done
                 ip link set eth0 up
                 exec perl -e '{LISTEN}'"
            ))
            .stdin(Stdio::null())
            .spawn()
            .expect("unshare starts");
        let link = Command::new("bash")
            .args(["-c", LINK, "link", &format!("pgw{}", server.id())])
            .args([&server.id().to_string(), HOST])
            .status()
            .expect("bash starts");
        assert!(link.success(), "a link");
        let names = folder.path().join("names");
        fs::write(&names, format!("{SERVER} {NAME}\n")).expect("names");
        fs::write(
            folder.path().join("resolv.conf"),
            format!("nameserver {RESOLVER}\n"),
        )
        .expect("a resolver");
        let reverse: Vec<&str> = NEIGHBOUR.rsplit('.').collect();
        let resolver = Command::new("dnsmasq")
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file"])
            .args(["--no-hosts", "--bind-interfaces", "--user=root"])
            .arg(format!("--listen-address={RESOLVER}"))
            .arg(format!("--addn-hosts={}", names.display()))
            .arg(format!("--ptr-record={}.in-addr.arpa,{NAME}", reverse.join(".")))
            .stdin(Stdio::null())
            .spawn()
            .expect("dnsmasq starts");
        Self {
            folder,
            server,
            resolver,
        }
    }

    /// From now on the server's name leads elsewhere.
    pub fn moves(&self, address: &str) {
        fs::write(self.folder.path().join("names"), format!("{address} {NAME}\n")).expect("names");
        let pid = Pid::from_raw(self.resolver.id().try_into().expect("an id")).expect("an id");
        kill_process(pid, Signal::HUP).expect("dnsmasq runs");
    }

    /// What makes a shell's own view of this machine ask that name server.
    pub fn asked(&self) -> String {
        let conf = self.folder.path().join("resolv.conf");
        format!("mount --bind {} /etc/resolv.conf\n", conf.display())
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        for child in [&mut self.server, &mut self.resolver] {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
