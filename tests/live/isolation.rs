//! What a clone must not reach, tried from the inside by root, who gives himself a route first.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, TcpListener, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use crate::lab::{LiveLab, text};
use crate::outside::{self, Outside};

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

/// What a department's step sees of patchgate's own commands: the proxy's address, while updates are fetched.
const SPY: &str = r#"title = "The proxy is no way elsewhere"
owner = "tests"
timeout = "8m"

[[step]]
name = "whoever fetches is watched"
on = "app"
when = "before-updates"
run = """systemd-run --unit=pg-spy bash -c 'while sleep 0.2; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\\\0" "\\\\n" | grep -aoE "http://10[.][0-9.]+:[0-9]+" >> /var/lib/pg-seen; done'"""

[[step]]
name = "nothing else is reached"
on = "app"
timeout = "6m"
script = { file = "asks.sh", interpreter = "bash" }
"#;

/// Asks the proxy for what it must not do, and the network.
const ASKS: &str = r#"set -u
[ "$(dpkg-query -W -f '${Version}' pg-good)" = 2.0 ] || exit 0
proxy=$(grep -v ':9$' /var/lib/pg-seen | sort | uniq -c | sort -rn | head -n 1) proxy=${proxy##*/}
host=${proxy%:*} port=${proxy#*:}
[ -n "$port" ] || { echo "the proxy was not seen"; exit 1; }
ask() { # METHOD ADDRESS: the status, and squid's word
  exec 3<> "/dev/tcp/$host/$port" || { echo silent; return; }
  printf '%s %s HTTP/1.0\r\n\r\n' "$1" "$2" >&3
  timeout 70 head -c 2000 <&3 | tr -d '\r' | sed -n -e '1s/^[^ ]* \([0-9]*\).*/\1/p' -e 's/^X-Squid-Error: //p' | paste -sd' '
  exec 3>&-
}
bad=0
is() { # EXPECTED METHOD ADDRESS
  local answer; answer=$(ask "$2" "$3")
  echo "$2 $3: $answer"
  case $answer in $1*) ;; *) bad=1 ;; esac
}
is 200 CONNECT NAME:443
for at in SERVER:443 NEIGHBOUR:443 HOST:443 "$host:22" 127.0.0.1:22 10.213.0.2:443 NAME:22; do
  is '403 ERR_ACCESS_DENIED' CONNECT "$at"
done
own=$(ip -4 -o address show dev eth0 | sed -n 's/.* inet \([0-9.]*\).*/\1/p')
for other in 2 3 4 5 6 7; do
  other=${own%.*}.$other
  [ "$other" = "$own" ] && continue
  is '403 ERR_ACCESS_DENIED' HEAD "http://$other/"
  timeout 3 bash -c "exec 4<> /dev/tcp/$other/22" 2> /dev/null && { echo "$other answers"; bad=1; }
  ip address add "$other/24" dev eth0
  ip route replace "$host" dev eth0 src "$other"
  timeout 3 bash -c "exec 4<> /dev/tcp/$host/$port" 2> /dev/null && { echo "$other is taken for its own"; bad=1; }
  ip route delete "$host" dev eth0 src "$other"
  ip address delete "$other/24" dev eth0
done
mac=$(cat /sys/class/net/eth0/address)
ip link set eth0 address 52:54:00:00:00:07
timeout 3 bash -c "exec 4<> /dev/tcp/$host/$port" 2> /dev/null && { echo "another's MAC is taken for its own"; bad=1; }
ip link set eth0 address "$mac"
touch /var/lib/pg-asked
until answer=$(ask CONNECT NAME:443); [ "$answer" = '403 ERR_ACCESS_DENIED 0' ]; do
  [ $SECONDS -lt 250 ] || { echo "CONNECT to the host by a listed name: $answer"; exit 1; }
  sleep 5
done
echo "CONNECT to the host by a listed name: $answer"
exit $bad
"#;

/// A lab with a source that is asked through a tunnel, in a world whose name server lies.
fn lab_in_it() -> LiveLab {
    let lab = LiveLab::new("pg-good", "app", "auto");
    lab.add_source(&format!("https://{}/repo", outside::NAME));
    lab.add_scenario("tunnel", SPY);
    let asks = ASKS
        .replace("SERVER", outside::SERVER)
        .replace("NEIGHBOUR", outside::NEIGHBOUR)
        .replace("HOST", outside::HOST)
        .replace("NAME", outside::NAME);
    fs::write(lab.path().join("scenarios/app/asks.sh"), asks).expect("a script");
    lab
}

#[test]
fn a_tunnel_leads_to_its_source_alone() {
    let outside = Outside::begin();
    let lab = lab_in_it();
    let mut child = lab.start_in(&outside.asked(), &["run", "--plain"]);
    lab.wait_for(&mut child, "treatment", "scenarios");
    // Its first question is for the source where it was.
    std::thread::sleep(Duration::from_secs(25));
    outside.moves(outside::HOST);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(lab.left("auto"), Vec::<String>::new());
}

/// A squid whose configuration looks up whom a number belongs to, as an older patchgate's did.
const LENIENT: &str = r#"
cp /usr/sbin/squid DIR/squid
cat > DIR/lenient << 'END'
#!/bin/bash
conf=${!#}
lenient=$(mktemp DIR/XXXXXX)
sed -e 's/dstdomain -n/dstdomain/' -e '/^http_access deny number$/d' "$conf" > "$lenient"
exec DIR/squid "${@:1:$#-1}" "$lenient"
END
chmod 755 DIR/lenient DIR/squid
chmod 1777 DIR
mount --bind DIR/lenient /usr/sbin/squid
"#;

#[test]
fn the_probe_notices_a_proxy_that_lets_numbers_through() {
    let outside = Outside::begin();
    let lab = lab_in_it();
    let folder = tempfile::tempdir().expect("a folder");
    let lenient = LENIENT.replace("DIR", &folder.path().display().to_string());
    let child = lab.start_in(&(outside.asked() + &lenient), &["run", "--plain"]);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let told = text(&output);
    let refused = format!("the proxy does not refuse CONNECT {}:443", outside::SERVER);
    assert!(told.contains(&refused), "{told}");
    assert_eq!(lab.left("auto"), Vec::<String>::new());
}
