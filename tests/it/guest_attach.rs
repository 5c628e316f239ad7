//! The card to the outlet of a node that keeps its own network, configured here by stand-ins of the guest's programs.

use std::fs;

use patchgate::guest::command::GuestCommand;
use patchgate::guest::debian::DEBIAN;
use patchgate::guest::identity::{Place, Way};

use crate::testkit::standins::{perform, program, write};

const MAC: &str = "52:54:00:00:04:00";

/// A guest of two cards whose `ip`, `nmcli` and `networkctl` write down how they are called.
struct Guest(tempfile::TempDir);

/// `ip` with one address that can be set on the second card: in the file `address`.
const IP: &str = r#"
case "$*" in
  "-o link show dev ens3") echo '2: ens3: <UP> mtu 1500\    link/ether 00:50:56:00:00:01 brd ff:ff:ff:ff:ff:ff permaddr 00:50:56:00:00:02' ;;
  "-o link show dev ens4") echo '3: ens4: <UP> mtu 1500\    link/ether 52:54:00:00:04:00 brd ff:ff:ff:ff:ff:ff' ;;
  "-4 -o address show to "*) [ "$6" != 192.168.10.5/32 ] || echo '2: ens3    inet 192.168.10.5/24 scope global ens3' ;;
  "-4 -o address show dev ens4") [ ! -s "$root/address" ] || echo "3: ens4    inet $(cat "$root/address") scope global ens4" ;;
  "-4 -o address show dev ens3") ;;
  "-4 route show "*) [ ! -e "$root/route" ] || echo "$4 scope link" ;;
  "-4 address flush dev ens4") echo "$*" >> "$root/calls"; : > "$root/address" ;;
  "address add "*) echo "$*" >> "$root/calls"; [ -e "$root/moves" ] && echo 192.168.77.7/24 > "$root/address" || echo "$3" > "$root/address" ;;
  "route replace "*) echo "$*" >> "$root/calls"; : > "$root/route" ;;
  *) echo "$*" >> "$root/calls" ;;
esac"#;

/// `systemctl`: what manages the network is active where its folder is there.
const SYSTEMCTL: &str = r#"
case "$*" in
  *is-active*systemd-networkd*) [ -d "$root/run/systemd/netif/links" ] ;;
  *is-active*NetworkManager*) [ -d "$root/run/NetworkManager" ] ;;
esac"#;

impl Guest {
    fn new() -> Self {
        let guest = Self(tempfile::tempdir().expect("a folder"));
        for card in ["ens3", "ens4"] {
            fs::create_dir_all(guest.0.path().join(format!("net/{card}/device"))).expect("made");
            let address = if card == "ens4" { MAC } else { "52:54:00:00:03:00" };
            write(
                &guest.0.path().join(format!("net/{card}/address")),
                &format!("{address}\n"),
            );
        }
        fs::create_dir_all(guest.0.path().join("etc")).expect("made");
        fs::create_dir_all(guest.0.path().join("proc/kernel")).expect("made");
        // It stands on the first one, and has its address.
        fs::create_dir_all(guest.0.path().join("net/bond0")).expect("made");
        guest.program("ip", IP);
        for name in ["nmcli", "networkctl"] {
            guest.program(name, &format!("echo {name} \"$*\" >> \"$root/calls\""));
        }
        // What keeps the guest quiet is not to be told to the machine of this test.
        guest.program("systemctl", SYSTEMCTL);
        guest.program("sleep", "exit 0");
        guest
    }

    fn program(&self, name: &str, text: &str) {
        program(&self.0.path().join("bin").join(name), text);
    }

    fn has(&self, folder: &str) {
        fs::create_dir_all(self.0.path().join(folder)).expect("made");
    }

    /// Exit code, last line of the error output, and how its programs were called.
    fn attach(&self, mac: &str, gateway: &str) -> (Option<i32>, String, String) {
        let way = Way {
            mac: mac.to_owned(),
            address: [10, 213, 1, 34].into(),
            gateway: gateway.parse().expect("an address"),
        };
        let command = DEBIAN.system.attach(&way);
        self.perform(&command)
    }

    /// Gives the node its name, and the card its address in the cell; told like an attachment.
    fn identify(&self) -> (Option<i32>, String, String) {
        let place = Place {
            mac: MAC.to_owned(),
            address: "10.214.0.10/16".to_owned(),
            hosts: vec![("10.214.0.10".to_owned(), "web".to_owned())],
        };
        self.perform(&DEBIAN.system.identify("web", Some(&place)))
    }

    fn perform(&self, command: &GuestCommand) -> (Option<i32>, String, String) {
        let root = self.0.path().display().to_string();
        let output = perform(self.0.path(), command, |word| {
            let word = word.replace("/sys/class/net", &format!("{root}/net"));
            let word = word.replace("/run/", &format!("{root}/run/"));
            let word = word.replace("/etc/", &format!("{root}/etc/"));
            word.replace("/proc/sys/", &format!("{root}/proc/"))
        });
        let errors = String::from_utf8_lossy(&output.stderr);
        let calls = fs::read_to_string(self.0.path().join("calls")).unwrap_or_default();
        let last = errors.lines().next_back().unwrap_or_default().to_owned();
        (output.status.code(), last, calls)
    }

    fn keeps_the_card_from_its_managers(&self) {
        assert_eq!(
            self.file("run/systemd/network/00-patchgate.network"),
            format!("[Match]\nMACAddress={MAC}\n[Link]\nUnmanaged=yes\n")
        );
        assert_eq!(
            self.file("run/NetworkManager/conf.d/00-patchgate.conf"),
            format!("[device-patchgate]\nmatch-device=mac:{MAC}\nmanaged=0\n")
        );
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap_or_default()
    }
}

const GIVEN: &str = "link set ens4 up\n-4 address flush dev ens4\naddress add 10.213.1.34/32 dev ens4\n\
                     route replace 10.213.1.33/32 dev ens4 src 10.213.1.34\n";

#[test]
fn the_card_has_one_address_and_leads_to_the_host_alone() {
    let guest = Guest::new();
    assert_eq!(
        guest.attach(MAC, "10.213.1.33"),
        (Some(0), String::new(), GIVEN.to_owned())
    );
    // Where it is so already, nothing is done.
    assert_eq!(guest.attach(MAC, "10.213.1.33").2, GIVEN);
}

#[test]
fn whatever_manages_the_network_is_told_until_the_next_boot() {
    let guest = Guest::new();
    guest.has("run/systemd/netif/links");
    guest.has("run/NetworkManager");
    let (exit, errors, calls) = guest.attach(MAC, "10.213.1.33");
    assert_eq!((exit, errors.as_str()), (Some(0), ""));
    assert_eq!(
        calls,
        format!("networkctl reload\nnmcli general reload conf\nnmcli device set ens4 managed no\n{GIVEN}")
    );
    guest.keeps_the_card_from_its_managers();
}

#[test]
fn a_guest_that_moves_the_address_is_told() {
    let guest = Guest::new();
    guest.has("moves");
    let (exit, errors, _) = guest.attach(MAC, "10.213.1.33");
    assert_eq!(exit, Some(1));
    assert!(
        errors.contains("moves the address of its card to the outlet: ens4 has 192.168.77.7/24"),
        "{errors}"
    );
    // One below a bond is known by the MAC address that it had before.
    let (exit, errors, calls) = Guest::new().attach("00:50:56:00:00:02", "10.213.1.33");
    assert!(
        exit == Some(1) && calls.starts_with("link set ens3 up\n"),
        "{calls}"
    );
    assert!(
        errors.ends_with("ens3 has none, and was given 10.213.1.34"),
        "{errors}"
    );
    for (mac, gateway, said) in [
        // It is the bond's, and the card below it has another of its own.
        (
            "00:50:56:00:00:01",
            "10.213.1.33",
            "no card has the MAC address 00:50:56:00:00:01",
        ),
        (
            MAC,
            "192.168.10.5",
            "its own card ens3 has the address 192.168.10.5",
        ),
    ] {
        let guest = Guest::new();
        let (exit, errors, calls) = guest.attach(mac, gateway);
        assert_eq!((exit, calls.as_str()), (Some(1), ""));
        assert!(errors.contains(said), "{errors}");
    }
}

#[test]
fn the_card_in_the_cell_is_kept_from_whatever_manages_the_network_and_a_deaf_one_costs_nothing() {
    let given = "link set ens4 up\naddress replace 10.214.0.10/16 dev ens4\n";
    let guest = Guest::new();
    assert_eq!(guest.identify(), (Some(0), String::new(), given.to_owned()));

    let guest = Guest::new();
    guest.has("run/systemd/netif/links");
    guest.has("run/NetworkManager");
    // Without a bus neither of them can be told.
    guest.program("networkctl", "echo networkctl \"$*\" >> \"$root/calls\"; exit 1");
    guest.program("nmcli", "echo nmcli \"$*\" >> \"$root/calls\"; exit 1");
    let (exit, errors, calls) = guest.identify();
    assert_eq!((exit, errors.as_str()), (Some(0), ""));
    let told = "networkctl reload\nnmcli general reload conf\nnmcli device set ens4 managed no\n";
    // Who lets go of the card drops its address, which is given again.
    assert_eq!(calls, format!("{given}{told}{}", given.repeat(3)));
    guest.keeps_the_card_from_its_managers();
}

#[test]
fn a_card_that_is_nobodys_gets_the_one_name_that_is_configured_and_not_there() {
    let config = "[Match]\nName=ens192\n[Network]\nAddress=192.168.10.5/24\n";
    let guest = Guest::new();
    write(&guest.0.path().join("etc/systemd/network/10-lan.network"), config);
    let (exit, errors, calls) = guest.attach(MAC, "10.213.1.33");
    assert_eq!((exit, errors.as_str()), (Some(0), ""));
    let asked = "networkctl --no-pager --no-legend list ens3\n";
    let named = "link set ens3 down\nlink set ens3 name ens192\nlink set ens192 up\nnetworkctl reload\nnetworkctl reconfigure ens192\n";
    assert_eq!(calls, format!("{asked}{named}{GIVEN}"));
    // So it is called again after the reboot.
    assert_eq!(
        guest.file("etc/systemd/network/00-patchgate.link"),
        "[Match]\nMACAddress=52:54:00:00:03:00\n[Link]\nName=ens192\n"
    );
    // Which of two it was nobody can say; one that is matched by a pattern or its own name has no other; what is made is no card.
    for (name, config) in [
        ("systemd/network/20-more.network", "[Match]\nName=ens224\n"),
        ("systemd/network/20-more.network", "[Match]\nName=en*\n"),
        ("network/interfaces", "auto ens3\niface ens3 inet dhcp\n"),
        ("systemd/network/10-lan.network", "[Match]\nName=br0\n"),
    ] {
        let guest = Guest::new();
        let lan = guest.0.path().join("etc/systemd/network/10-lan.network");
        write(&lan, "[Match]\nName=ens192\n[Network]\nDHCP=yes\n");
        write(&guest.0.path().join("etc").join(name), config);
        assert_eq!(
            guest.attach(MAC, "10.213.1.33").2.replace(asked, ""),
            GIVEN,
            "{config}"
        );
    }
    // One that has an address by its kind alone has its network.
    let guest = Guest::new();
    write(&guest.0.path().join("etc/systemd/network/10-lan.network"), config);
    guest.program("networkctl", "echo '2 ens3 ether degraded configured'");
    assert_eq!(guest.attach(MAC, "10.213.1.33").2, GIVEN);
}
