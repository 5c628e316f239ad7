//! Networks: a wire between the nodes of each arm, and an outlet per run, through which its clones get their updates.

use std::net::Ipv4Addr;

use virt::connect::Connect;
use virt::error::ErrorNumber;

use crate::host::libvirt::error::{doing, found, is_absent, lab_error};
use crate::host::libvirt::xml::{Element, Mark, element, is_of_run, mark, mark_run, parse, read_mark};
use crate::model::id::RunId;
use crate::model::name::NetworkName;
use crate::model::outcome::Cause;
use crate::port::{LabError, NetworkSpec, OutletInfo, OutletSpec};

/// Where the outlets are taken from.
const SPACE: Net = Net {
    base: 0x0ad5_0000,
    bits: 16,
};
/// The smallest outlet: 13 VMs.
const SMALLEST: u8 = 28;
/// The largest outlet: 4093 VMs.
const LARGEST: u8 = 20;
/// How many networks are tried when libvirt says that one is in use.
const TRIES: u32 = 32;

/// An IPv4 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Net {
    base: u32,
    bits: u8,
}

impl Net {
    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0)
    }

    fn overlaps(self, other: Self) -> bool {
        let mask = self.mask() & other.mask();
        self.base & mask == other.base & mask
    }

    fn address(self, host: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base | host)
    }
}

/// Makes an arm's network: a bridge on which the host has no address (libvirt switches IPv6 off on it as well), so that
/// nothing but the arm's own nodes is there.
pub fn create(conn: &Connect, spec: &NetworkSpec) -> Result<(), LabError> {
    retried(conn, &spec.name, |bridge| Some(describe(spec, bridge)))
}

/// Makes a run's outlet. `taken` are addresses in use beside those of libvirt's own networks.
pub fn create_outlet(
    conn: &Connect,
    spec: &OutletSpec,
    mut taken: Vec<String>,
) -> Result<OutletInfo, LabError> {
    let making = |error| lab_error(&format!("making network {}", spec.name), &error);
    for network in conn.list_all_networks(0).map_err(making)? {
        // One that vanishes while we look takes no addresses.
        taken.extend(network.xml_desc(0));
    }
    let mut taken: Vec<Net> = taken.iter().flat_map(|text| nets(text)).collect();
    let bits = bits_for(spec.macs.len()).ok_or_else(|| {
        LabError::new(
            Cause::HostRefused,
            format!("network {} has no room for {} VMs", spec.name, spec.macs.len()),
        )
        .with_hint("select fewer cells, and run the others after them")
    })?;
    let mut chosen = None;
    retried(conn, &spec.name, |bridge| {
        // Creators do not know of each other before libvirt does, so each starts its search somewhere else.
        let net = pick(&taken, bits, uuid::Uuid::new_v4().as_u128())?;
        taken.push(net);
        chosen = Some(net);
        Some(describe_outlet(spec, net, bridge))
    })?;
    let net = chosen.ok_or_else(|| LabError::new(Cause::Internal, "a network without an address"))?;
    Ok(info(net))
}

/// What comes of an outlet at that network.
fn info(net: Net) -> OutletInfo {
    OutletInfo {
        gateway: net.address(1),
        prefix: net.bits,
    }
}

/// Makes a network, anew where libvirt says that its bridge or addresses are in use. Transient, since one call makes it
/// and one removes it, and nothing of it outlives its use or a restart of the host; libvirtd keeps it over its own
/// restart.
fn retried(
    conn: &Connect,
    name: &NetworkName,
    mut describe: impl FnMut(&str) -> Option<Element>,
) -> Result<(), LabError> {
    let mut tries = 0;
    loop {
        let salt = uuid::Uuid::new_v4().as_u128();
        let bridge = format!("pgbr{:08x}", (salt >> 64) & 0xffff_ffff);
        let Some(xml) = describe(&bridge) else {
            return Err(LabError::new(
                Cause::HostRefused,
                format!("making network {name}: no free network in 10.213.0.0/16"),
            )
            .with_hint("`patchgate clean` removes what dead runs left"));
        };
        match conn.create_network_xml(&xml.render()) {
            Ok(_) => return Ok(()),
            Err(error) if tries < TRIES && error.message().contains("already in use") => tries += 1,
            Err(error) => return Err(lab_error(&format!("making network {name}"), &error)),
        }
    }
}

/// The prefix of a network that holds so many VMs: beside them its own address, the host's and the broadcast's.
fn bits_for(clients: usize) -> Option<u8> {
    (LARGEST..=SMALLEST)
        .rev()
        .find(|bits| clients.saturating_add(3) <= 1 << (32 - bits))
}

/// A network of that prefix that overlaps none of `taken`; the search starts at `salt`.
fn pick(taken: &[Net], bits: u8, salt: u128) -> Option<Net> {
    let count = 1u32 << (bits - SPACE.bits);
    let start = u32::try_from(salt % u128::from(count)).unwrap_or(0);
    (0..count)
        .map(|step| Net {
            base: SPACE.base | (((start + step) % count) << (32 - bits)),
            bits,
        })
        .find(|net| !taken.iter().any(|other| other.overlaps(*net)))
}

/// Networks in a libvirt network's XML, or in the kernel's table of routes (`/proc/net/route`, proc_pid_net(5)).
fn nets(text: &str) -> Vec<Net> {
    if text.trim_start().starts_with('<') {
        return nets_of_libvirt(text);
    }
    let hexadecimal = |field: Option<&&str>| u32::from_str_radix(field?, 16).ok().map(u32::swap_bytes);
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (base, mask) = (hexadecimal(fields.get(1))?, hexadecimal(fields.get(7))?);
            let bits = u8::try_from(mask.leading_ones()).ok()?;
            // The default route leads everywhere.
            (bits > 0).then_some(Net { base, bits })
        })
        .collect()
}

fn nets_of_libvirt(xml: &str) -> Vec<Net> {
    let Some(document) = parse(xml) else {
        return Vec::new();
    };
    document
        .root_element()
        .children()
        .filter(|node| node.has_tag_name("ip") || node.has_tag_name("route"))
        .filter_map(|node| {
            let base: Ipv4Addr = node.attribute("address")?.parse().ok()?;
            let mask = node
                .attribute("netmask")
                .and_then(|mask| mask.parse::<Ipv4Addr>().ok());
            let bits = match (node.attribute("prefix"), mask) {
                (Some(prefix), _) => prefix.parse().ok().filter(|bits| *bits <= 32)?,
                (None, Some(mask)) => u8::try_from(mask.to_bits().leading_ones()).ok()?,
                (None, None) => 24,
            };
            Some(Net {
                base: base.to_bits(),
                bits,
            })
        })
        .collect()
}

/// An arm's network (<https://libvirt.org/formatnetwork.html>).
fn describe(spec: &NetworkSpec, name: &str) -> Element {
    element("network")
        .child(element("name").text(&spec.name))
        .child(mark(&spec.tag, None))
        .child(bridge(name))
}

/// A run's outlet. Without `<forward>` nothing is passed on, and its DHCP offers no router; without DNS nothing can be
/// asked, or smuggled out as a question.
fn describe_outlet(spec: &OutletSpec, net: Net, name: &str) -> Element {
    let range = element("range")
        .with("start", net.address(2))
        .with("end", net.address(!net.mask() - 1));
    let host =
        |(at, mac): (usize, &String)| element("host").with("mac", mac).with("ip", info(net).address(at));
    let network = element("network")
        .with("xmlns:dnsmasq", DNSMASQ)
        .child(element("name").text(&spec.name))
        .child(mark_run(&spec.run, &spec.run_dir));
    let network = if spec.open {
        network
            .child(element("forward").with("mode", "nat"))
            .child(bridge(name))
    } else {
        network
            .child(bridge(name))
            .child(element("dns").with("enable", "no"))
    };
    // No address of this network was ever anybody else's, and asking whether it is costs every clone three seconds.
    let no_ping = element("dnsmasq:option").with("value", "no-ping");
    network
        .child(
            element("ip")
                .with("address", net.address(1))
                .with("prefix", net.bits)
                .child(
                    element("dhcp")
                        .child(range)
                        .children(spec.macs.iter().enumerate().map(host)),
                ),
        )
        .child(element("dnsmasq:options").child(no_ping))
}

/// The namespace of what libvirt hands to dnsmasq as it is (<https://libvirt.org/formatnetwork.html#network-namespaces>).
const DNSMASQ: &str = "http://libvirt.org/schemas/network/dnsmasq/1.0";

/// No spanning tree: its forwarding delay would hold up every boot.
fn bridge(name: &str) -> Element {
    element("bridge")
        .with("name", name)
        .with("stp", "off")
        .with("delay", 0)
}

/// Removes a network of a run; no error where it is not there. Another's is left alone.
pub fn remove(conn: &Connect, name: &NetworkName, run: &RunId) -> Result<(), LabError> {
    let Some(network) = found(
        conn.lookup_network_by_name(name.as_str()),
        &format!("network {name}"),
    )?
    else {
        return Ok(());
    };
    let gone =
        |error: &virt::error::Error| is_absent(error) || error.code().is(ErrorNumber::OperationInvalid);
    if !is_of_run(&format!("network {name}"), network.xml_desc(0), run)? {
        return Ok(());
    }
    match network.destroy() {
        Err(error) if !gone(&error) => return Err(lab_error(&format!("stopping network {name}"), &error)),
        Ok(()) | Err(_) => {}
    }
    match network.is_persistent() {
        Ok(true) => network
            .undefine()
            .map_err(doing(format!("undefining network {name}"))),
        Ok(false) | Err(_) => Ok(()),
    }
}

/// All networks with patchgate's mark.
pub fn marked(conn: &Connect) -> Result<Vec<(NetworkName, Mark)>, LabError> {
    let networks = conn.list_all_networks(0).map_err(doing("listing the networks"))?;
    Ok(networks
        .iter()
        .filter_map(|network| {
            Some((
                network.name().ok()?.parse().ok()?,
                read_mark(&network.xml_desc(0).ok()?)?,
            ))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::id::{Arm, ArmId, CellId};
    use crate::port::Tag;

    #[test]
    fn a_network_without_the_runs_mark_is_left_alone() {
        let conn = Connect::open(Some("test:///default")).expect("the test driver");
        let run: RunId = "20261123-140912-7c1f".parse().expect("a run id");
        let default: NetworkName = "default".parse().expect("a name");
        assert!(conn.lookup_network_by_name(default.as_str()).is_ok());
        let error = remove(&conn, &default, &run).expect_err("no mark");
        assert!(error.message.contains("network default is not of run"), "{error}");
        assert!(conn.lookup_network_by_name(default.as_str()).is_ok());
    }

    #[test]
    fn an_arms_network_has_no_address_of_the_hosts() {
        let spec = NetworkSpec {
            name: "pg-7c1f-1-c".parse().expect("a name"),
            tag: Tag {
                run: "20261123-140912-7c1f".parse().expect("a run id"),
                arm: Some(ArmId::first(
                    &CellId::new("accounting", "debian-12"),
                    Arm::Control,
                )),
                run_dir: "/srv/lab/runs/1".into(),
            },
        };
        insta::assert_snapshot!(describe(&spec, "pgbr00000001").render(), @r#"
        <network>
          <name>pg-7c1f-1-c</name>
          <metadata>
            <patchgate:run xmlns:patchgate="https://patchgate.dev/libvirt/1" id="20261123-140912-7c1f" cell="accounting/debian-12" arm="control" dir="/srv/lab/runs/1"/>
          </metadata>
          <bridge name="pgbr00000001" stp="off" delay="0"/>
        </network>
        "#);
    }

    #[test]
    fn an_outlet_leads_to_the_host_alone_unless_it_is_open() {
        let net = Net {
            base: 0x0ad5_0120,
            bits: 28,
        };
        let outlet = |open| {
            let spec = OutletSpec {
                name: "pg-7c1f-out".parse().expect("a name"),
                run: "20261123-140912-7c1f".parse().expect("a run id"),
                run_dir: "/srv/lab/runs/1".into(),
                macs: ["52:54:00:00:00:00", "52:54:00:00:01:00"]
                    .map(str::to_owned)
                    .to_vec(),
                open,
            };
            describe_outlet(&spec, net, "pgbr00000001").render()
        };
        insta::assert_snapshot!(outlet(false), @r#"
        <network xmlns:dnsmasq="http://libvirt.org/schemas/network/dnsmasq/1.0">
          <name>pg-7c1f-out</name>
          <metadata>
            <patchgate:run xmlns:patchgate="https://patchgate.dev/libvirt/1" id="20261123-140912-7c1f" dir="/srv/lab/runs/1"/>
          </metadata>
          <bridge name="pgbr00000001" stp="off" delay="0"/>
          <dns enable="no"/>
          <ip address="10.213.1.33" prefix="28">
            <dhcp>
              <range start="10.213.1.34" end="10.213.1.46"/>
              <host mac="52:54:00:00:00:00" ip="10.213.1.34"/>
              <host mac="52:54:00:00:01:00" ip="10.213.1.35"/>
            </dhcp>
          </ip>
          <dnsmasq:options>
            <dnsmasq:option value="no-ping"/>
          </dnsmasq:options>
        </network>
        "#);
        insta::assert_snapshot!(outlet(true), @r#"
        <network xmlns:dnsmasq="http://libvirt.org/schemas/network/dnsmasq/1.0">
          <name>pg-7c1f-out</name>
          <metadata>
            <patchgate:run xmlns:patchgate="https://patchgate.dev/libvirt/1" id="20261123-140912-7c1f" dir="/srv/lab/runs/1"/>
          </metadata>
          <forward mode="nat"/>
          <bridge name="pgbr00000001" stp="off" delay="0"/>
          <ip address="10.213.1.33" prefix="28">
            <dhcp>
              <range start="10.213.1.34" end="10.213.1.46"/>
              <host mac="52:54:00:00:00:00" ip="10.213.1.34"/>
              <host mac="52:54:00:00:01:00" ip="10.213.1.35"/>
            </dhcp>
          </ip>
          <dnsmasq:options>
            <dnsmasq:option value="no-ping"/>
          </dnsmasq:options>
        </network>
        "#);
    }

    #[test]
    fn networks_are_read_from_libvirt_and_from_the_kernel() {
        let xml = "<network><ip address='192.168.122.1' netmask='255.255.255.0'/><ip family='ipv6' address='fd00::1' prefix='64'/>\
                   <ip address='10.0.0.1' prefix='8'/><ip address='10.1.1.1' prefix='77'/></network>";
        assert_eq!(
            nets(xml),
            [
                Net {
                    base: 0xc0a8_7a01,
                    bits: 24
                },
                Net {
                    base: 0x0a00_0001,
                    bits: 8
                }
            ]
        );
        let routes = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                      eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                      eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                      br0\t1001D50A\t00000000\n";
        assert_eq!(
            nets(routes),
            [Net {
                base: 0xc000_0200,
                bits: 24
            }]
        );
        assert_eq!(nets("<network"), []);
    }

    #[test]
    fn an_outlet_is_as_large_as_its_clients_need() {
        for (clients, bits) in [
            (1, Some(28)),
            (13, Some(28)),
            (14, Some(27)),
            (4093, Some(20)),
            (4094, None),
            (usize::MAX, None),
        ] {
            assert_eq!(bits_for(clients), bits, "{clients}");
        }
    }

    #[test]
    fn a_full_space_is_no_network() {
        assert_eq!(pick(&[SPACE], 28, 7), None);
        let all_but_one: Vec<Net> = (1..4096)
            .map(|n| Net {
                base: SPACE.base | n << 4,
                bits: 28,
            })
            .collect();
        assert_eq!(
            pick(&all_but_one, 28, 77),
            Some(Net {
                base: SPACE.base,
                bits: 28
            })
        );
    }

    proptest! {
        #[test]
        fn what_is_picked_is_in_the_space_and_overlaps_nothing(
            taken in prop::collection::vec((any::<u32>(), 17u8..=32), 0..20), bits in 20u8..=28, salt in any::<u128>()
        ) {
            let taken: Vec<Net> = taken.into_iter().map(|(base, bits)| Net { base: SPACE.base | base & 0xffff, bits }).collect();
            if let Some(net) = pick(&taken, bits, salt) {
                prop_assert!(net.overlaps(SPACE) && net.base & !net.mask() == 0);
                prop_assert!(!taken.iter().any(|other| other.overlaps(net)));
            }
        }
    }
}
