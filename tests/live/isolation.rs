//! What a clone must not reach, tried from the inside by root, who gives himself a route first.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, TcpListener, ToSocketAddrs, UdpSocket};

/// An update source that only the proxy may ask.
const SOURCE: &str = "deb.debian.org";

/// Services of this machine, and what is known of the world around it.
pub struct World {
    tcp: TcpListener,
    udp: UdpSocket,
    host: IpAddr,
    source: IpAddr,
    resolver: IpAddr,
}

impl World {
    pub fn begin() -> Self {
        let tcp = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a TCP service");
        let udp = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a UDP service");
        tcp.set_nonblocking(true).expect("non-blocking");
        udp.set_nonblocking(true).expect("non-blocking");
        let source = (SOURCE, 80)
            .to_socket_addrs()
            .expect("the source has an address")
            .map(|address| address.ip())
            .find(IpAddr::is_ipv4)
            .expect("an IPv4 address");
        // Connecting a UDP socket sends nothing; it tells which of this machine's addresses leads there.
        let way = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
        way.connect((source, 80)).expect("a way");
        let resolver = fs::read_to_string("/etc/resolv.conf")
            .expect("a resolver")
            .lines()
            .find_map(|line| line.strip_prefix("nameserver ")?.trim().parse().ok())
            .expect("a name server");
        Self {
            host: way.local_addr().expect("an address").ip(),
            tcp,
            udp,
            source,
            resolver,
        }
    }

    /// A scenario that passes only where nothing of it can be reached.
    pub fn scenario(&self, role: &str) -> String {
        let tcp = self.tcp.local_addr().expect("an address").port();
        let udp = self.udp.local_addr().expect("an address").port();
        let (host, source, resolver) = (self.host, self.source, self.resolver);
        let step = |name: &str, command: &str| {
            format!(
                "\n[[step]]\nname = \"{name}\"\non = \"{role}\"\ntimeout = \"1m\"\nrun = '''bash -c \"{command}\"'''\n"
            )
        };
        let steps = [
            step(
                "the guest takes the host for its router",
                "ip route add default via \\$(ip -4 neigh show dev eth0 | cut -d' ' -f1 | head -n 1)",
            ),
            step(
                "a name does not resolve",
                &format!("! timeout 20 getent hosts {SOURCE}"),
            ),
            step(
                "the source does not answer by its address",
                &format!("! timeout 5 bash -c 'exec 3<>/dev/tcp/{source}/80'"),
            ),
            step(
                "a service of the host does not answer",
                &format!("! timeout 5 bash -c 'exec 3<>/dev/tcp/{host}/{tcp}'"),
            ),
            step(
                "a packet to the host is sent into the void",
                &format!("echo hello > /dev/udp/{host}/{udp} || true"),
            ),
            step(
                "a name server gives no answer",
                &format!(
                    "exec 3<>/dev/udp/{resolver}/53 || exit 0; printf '\\x12\\x34\\x01\\0\\0\\x01\\0\\0\\0\\0\\0\\0\\x03deb\\x06debian\\x03org\\0\\0\\x01\\0\\x01' >&3; [ \\$(timeout 5 head -c 12 <&3 | wc -c) = 0 ]"
                ),
            ),
        ];
        format!(
            "title = \"Nothing is in reach\"\nowner = \"tests\"\ntimeout = \"4m\"\n{}",
            steps.concat()
        )
    }

    /// What came to this machine's services.
    pub fn arrived(&self) -> Vec<String> {
        let mut arrived = Vec::new();
        if let Ok((_, from)) = self.tcp.accept() {
            arrived.push(format!("TCP from {from}"));
        }
        if let Ok((_, from)) = self.udp.recv_from(&mut [0; 16]) {
            arrived.push(format!("UDP from {from}"));
        }
        arrived
    }
}
