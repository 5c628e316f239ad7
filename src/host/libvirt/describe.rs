//! A VM as libvirt's XML.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::host::libvirt::xml::{Element, element, mark};
use crate::input::hex;
use crate::model::id::RunId;
use crate::model::plan::TB_CACHE_MIB;
use crate::port::{Bus, Disk, Firmware, LabError, Nic, NicModel, Power, Tag, VmSpec};
use crate::units::Mib;

/// Where a VM's files are on its host.
pub struct Places {
    /// The paths of its disks, in their order.
    pub disks: Vec<String>,
    /// Its pool's folder.
    pub folder: String,
}

/// The domain's XML (<https://libvirt.org/formatdomain.html>).
pub fn describe(spec: &VmSpec, places: &Places, tb_cache: bool) -> Element {
    // Measured under TCG, boot to agent: qemu64 needs a fifth less of the host's time than `maximum`; q35 and pc are
    // alike.
    let (kind, cpu) = if spec.kvm {
        ("kvm", element("cpu").with("mode", "host-passthrough"))
    } else {
        let model = element("model").with("fallback", "forbid").text("qemu64");
        (
            "qemu",
            element("cpu")
                .with("mode", "custom")
                .with("match", "exact")
                .child(model),
        )
    };
    let mut features = element("features").child(element("acpi")).child(element("apic"));
    if tb_cache && !spec.kvm {
        let size = element("tb-cache").with("unit", "MiB").text(TB_CACHE_MIB);
        features = features.child(element("tcg").child(size));
    }
    let domain = element("domain").with("type", kind);
    let domain = match spec.power {
        Power::On => domain,
        Power::Savable { .. } | Power::Saved { .. } => domain.with("xmlns:qemu", QEMU),
    };
    domain
        .child(element("name").text(&spec.name))
        .child(mark(&spec.tag, Some(&spec.role)))
        .child(element("memory").with("unit", "MiB").text(spec.memory.0))
        .child(element("vcpu").text(spec.vcpus))
        .child(os(spec.firmware))
        .child(features)
        .child(cpu)
        .child(element("clock").with("offset", "utc"))
        .child(element("on_poweroff").text("destroy"))
        .child(element("on_reboot").text("restart"))
        .child(element("on_crash").text("destroy"))
        .child(devices(spec, places))
        .children(memory(spec, &places.folder))
}

/// The namespace of what libvirt hands to QEMU as it is (<https://libvirt.org/drvqemu.html#pass-through-of-arbitrary-qemu-commands>).
const QEMU: &str = "http://libvirt.org/schemas/domain/qemu/1.0";

/// The memory of a VM that is to be saved, or goes on from a saved one, which libvirt has no words for: a file that the first
/// one writes and the others map privately, so that they share what they do not change
/// (<https://www.qemu.org/docs/master/system/vm-templating.html>).
fn memory(spec: &VmSpec, folder: &str) -> Option<Element> {
    let (ram, is_saved) = match &spec.power {
        Power::On => return None,
        Power::Savable { ram } => (ram, false),
        Power::Saved { ram, .. } => (ram, true),
    };
    let mut object = serde_json::json!({
        "qom-type": "memory-backend-file",
        "id": "patchgate-ram",
        "mem-path": format!("{folder}/{ram}"),
        "size": spec.memory.bytes(),
        "share": !is_saved,
    });
    if is_saved {
        object["readonly"] = true.into();
        object["rom"] = "off".into();
    }
    let object = object.to_string();
    let mut arguments = vec!["-object", &object, "-machine", "memory-backend=patchgate-ram"];
    if is_saved {
        arguments.extend(["-incoming", "defer"]);
    }
    let arguments = arguments
        .into_iter()
        .map(|argument| element("qemu:arg").with("value", argument));
    Some(element("qemu:commandline").children(arguments))
}

/// A digest of all that patchgate says of a VM beside what differs from one to the next: a state that was saved with other
/// devices cannot be used.
pub fn devices_digest(kvm: bool) -> Result<String, LabError> {
    let any = "any";
    let spec = VmSpec {
        name: any.parse()?,
        tag: Tag {
            run: RunId::new(jiff::Timestamp::UNIX_EPOCH, 0),
            arm: None,
            run_dir: PathBuf::new(),
        },
        role: String::new(),
        pool: any.parse()?,
        disks: vec![Disk {
            volume: any.parse()?,
            base: any.parse()?,
            bus: Bus::Virtio,
        }],
        nics: vec![Nic {
            network: None,
            mac: String::new(),
            apart: false,
            model: NicModel::Virtio,
            filter: None,
        }],
        memory: Mib(0),
        vcpus: 0,
        firmware: Firmware::Bios,
        kvm,
        power: Power::Savable { ram: any.parse()? },
    };
    let places = Places {
        disks: vec![String::new()],
        folder: String::new(),
    };
    Ok(hex(&Sha256::digest(describe(&spec, &places, true).render())))
}

/// A guest's machine, and what begins it.
fn os(firmware: Firmware) -> Element {
    match firmware {
        // What q35 begins with where nothing else is said.
        Firmware::Bios => machine("q35"),
    }
}

/// A machine of that type, which boots from its first disk.
pub(super) fn machine(kind: &str) -> Element {
    let kind = element("type")
        .with("arch", "x86_64")
        .with("machine", kind)
        .text("hvm");
    element("os").child(kind).child(element("boot").with("dev", "hd"))
}

/// The name that a guest gives its disk of that place, from 0: `vda`.
fn device(bus: Bus, at: usize) -> String {
    let prefix = match bus {
        Bus::Virtio => "vd",
    };
    let mut letters = String::new();
    let mut rest = at + 1;
    while let Some(more) = rest.checked_sub(1) {
        letters.insert(0, char::from(b'a' + u8::try_from(more % 26).unwrap_or(0)));
        rest = more / 26;
    }
    format!("{prefix}{letters}")
}

fn disk(at: usize, bus: Bus, file: &str) -> Element {
    let target = element("target").with("dev", device(bus, at)).with(
        "bus",
        match bus {
            Bus::Virtio => "virtio",
        },
    );
    element("disk")
        .with("type", "file")
        .with("device", "disk")
        // A clone is thrown away, so nothing is lost with the host.
        .child(
            element("driver")
                .with("name", "qemu")
                .with("type", "qcow2")
                .with("cache", "unsafe")
                .with("discard", "unmap"),
        )
        .child(element("source").with("file", file))
        .child(target)
}

fn devices(spec: &VmSpec, Places { disks, folder }: &Places) -> Element {
    let disks = spec.disks.iter().zip(disks).enumerate();
    let disks = disks.map(|(at, (of, file))| disk(at, of.bus, file));
    // The log is virtlogd's, which bounds it (2 MiB, then rotated); in the pool's folder it goes with the run.
    let console = element("serial")
        .with("type", "pty")
        .child(
            element("log")
                .with("file", format!("{folder}/{}.console", spec.name))
                .with("append", "off"),
        )
        .child(element("target").with("port", 0));
    let agent = element("channel").with("type", "unix").child(
        element("target")
            .with("type", "virtio")
            .with("name", "org.qemu.guest_agent.0"),
    );
    let random = element("rng")
        .with("model", "virtio")
        .child(element("backend").with("model", "random").text("/dev/urandom"));
    element("devices")
        .children(disks)
        .child(element("controller").with("type", "usb").with("model", "none"))
        .children(spec.nics.iter().map(interface))
        .child(console)
        .child(agent)
        .child(random)
        .child(element("memballoon").with("model", "none"))
}

fn interface(nic: &Nic) -> Element {
    let interface = match &nic.network {
        Some(network) => element("interface")
            .with("type", "network")
            .child(element("source").with("network", network)),
        None => element("interface").with("type", "user"),
    }
    .child(element("mac").with("address", &nic.mac))
    .child(element("model").with(
        "type",
        match nic.model {
            NicModel::Virtio => "virtio",
        },
    ))
    // Without a boot ROM the firmware does not look for a network to boot from.
    .child(element("rom").with("enabled", "no"))
    .children(nic.apart.then(|| element("port").with("isolated", "yes")));
    match &nic.filter {
        Some(filter) => {
            let address = element("parameter")
                .with("name", "IP")
                .with("value", filter.address);
            interface.child(element("filterref").with("filter", &filter.name).child(address))
        }
        None => interface,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::libvirt::xml::read_mark;
    use crate::model::id::{Arm, ArmId, CellId};
    use crate::port::NicFilter;

    fn spec(kvm: bool, network: Option<&str>) -> VmSpec {
        VmSpec {
            name: "pg-7c1f-1-web".parse().expect("a name"),
            tag: Tag {
                run: "20261123-140912-7c1f".parse().expect("a run id"),
                arm: Some(ArmId::first(&CellId::new("R&D", "debian-12"), Arm::Control)),
                run_dir: "/srv/lab/runs/1".into(),
            },
            role: "web".into(),
            pool: "pg-20261123-140912-7c1f".parse().expect("a name"),
            disks: vec![Disk {
                volume: "web.qcow2".parse().expect("a name"),
                base: "base.qcow2".parse().expect("a name"),
                bus: Bus::Virtio,
            }],
            nics: vec![Nic {
                network: network.map(|name| name.parse().expect("a name")),
                mac: "52:54:00:01:02:03".into(),
                apart: network.is_some(),
                model: NicModel::Virtio,
                filter: network.map(|_| NicFilter {
                    name: "pg-filter".parse().expect("a name"),
                    address: [10, 213, 1, 34].into(),
                }),
            }],
            memory: Mib(512),
            vcpus: 1,
            firmware: Firmware::Bios,
            kvm,
            power: Power::On,
        }
    }

    fn places(disk: &str, folder: &str) -> Places {
        Places {
            disks: vec![disk.into()],
            folder: folder.into(),
        }
    }

    #[test]
    fn a_tcg_node_on_its_arms_network() {
        let xml = describe(&spec(false, Some("pg-net")), &places("/p/web.qcow2", "/p"), true).render();
        insta::assert_snapshot!(xml, @r#"
        <domain type="qemu">
          <name>pg-7c1f-1-web</name>
          <metadata>
            <patchgate:run xmlns:patchgate="https://patchgate.dev/libvirt/1" id="20261123-140912-7c1f" cell="R&amp;D/debian-12" arm="control" role="web" dir="/srv/lab/runs/1"/>
          </metadata>
          <memory unit="MiB">512</memory>
          <vcpu>1</vcpu>
          <os>
            <type arch="x86_64" machine="q35">hvm</type>
            <boot dev="hd"/>
          </os>
          <features>
            <acpi/>
            <apic/>
            <tcg>
              <tb-cache unit="MiB">256</tb-cache>
            </tcg>
          </features>
          <cpu mode="custom" match="exact">
            <model fallback="forbid">qemu64</model>
          </cpu>
          <clock offset="utc"/>
          <on_poweroff>destroy</on_poweroff>
          <on_reboot>restart</on_reboot>
          <on_crash>destroy</on_crash>
          <devices>
            <disk type="file" device="disk">
              <driver name="qemu" type="qcow2" cache="unsafe" discard="unmap"/>
              <source file="/p/web.qcow2"/>
              <target dev="vda" bus="virtio"/>
            </disk>
            <controller type="usb" model="none"/>
            <interface type="network">
              <source network="pg-net"/>
              <mac address="52:54:00:01:02:03"/>
              <model type="virtio"/>
              <rom enabled="no"/>
              <port isolated="yes"/>
              <filterref filter="pg-filter">
                <parameter name="IP" value="10.213.1.34"/>
              </filterref>
            </interface>
            <serial type="pty">
              <log file="/p/pg-7c1f-1-web.console" append="off"/>
              <target port="0"/>
            </serial>
            <channel type="unix">
              <target type="virtio" name="org.qemu.guest_agent.0"/>
            </channel>
            <rng model="virtio">
              <backend model="random">/dev/urandom</backend>
            </rng>
            <memballoon model="none"/>
          </devices>
        </domain>
        "#);
    }

    #[test]
    fn a_kvm_node_on_the_user_network() {
        let xml = describe(&spec(true, None), &places("/p/a&b.qcow2", "/p"), true).render();
        for part in [
            "<domain type=\"kvm\">",
            "<cpu mode=\"host-passthrough\"/>",
            "<interface type=\"user\">",
            "<source file=\"/p/a&amp;b.qcow2\"/>",
        ] {
            assert!(xml.contains(part), "{part}: {xml}");
        }
        assert!(!xml.contains("tcg") && !xml.contains("filterref"), "{xml}");
    }

    #[test]
    fn memory_that_is_saved_is_written_by_one_and_shared_by_all_others() {
        let commandline = |power| {
            let xml = describe(
                &VmSpec {
                    power,
                    ..spec(false, None)
                },
                &places("/p/d", "/p,q"),
                true,
            )
            .render();
            let from = xml.find("  <qemu:commandline>").expect("a command line");
            assert!(xml.contains("xmlns:qemu="), "{xml}");
            xml[from..].to_owned()
        };
        let ram = || "w.ram".parse().expect("a name");
        insta::assert_snapshot!(commandline(Power::Savable { ram: ram() }), @r#"
          <qemu:commandline>
            <qemu:arg value="-object"/>
            <qemu:arg value="{&quot;id&quot;:&quot;patchgate-ram&quot;,&quot;mem-path&quot;:&quot;/p,q/w.ram&quot;,&quot;qom-type&quot;:&quot;memory-backend-file&quot;,&quot;share&quot;:true,&quot;size&quot;:536870912}"/>
            <qemu:arg value="-machine"/>
            <qemu:arg value="memory-backend=patchgate-ram"/>
          </qemu:commandline>
        </domain>
        "#);
        insta::assert_snapshot!(commandline(Power::Saved { ram: ram(), state: "w.state".parse().expect("a name") }), @r#"
          <qemu:commandline>
            <qemu:arg value="-object"/>
            <qemu:arg value="{&quot;id&quot;:&quot;patchgate-ram&quot;,&quot;mem-path&quot;:&quot;/p,q/w.ram&quot;,&quot;qom-type&quot;:&quot;memory-backend-file&quot;,&quot;readonly&quot;:true,&quot;rom&quot;:&quot;off&quot;,&quot;share&quot;:false,&quot;size&quot;:536870912}"/>
            <qemu:arg value="-machine"/>
            <qemu:arg value="memory-backend=patchgate-ram"/>
            <qemu:arg value="-incoming"/>
            <qemu:arg value="defer"/>
          </qemu:commandline>
        </domain>
        "#);
    }

    #[test]
    fn disks_are_named_in_their_order() {
        let names = [0, 1, 25, 26, 27, 701, 702].map(|at| device(Bus::Virtio, at));
        assert_eq!(names, ["vda", "vdb", "vdz", "vdaa", "vdab", "vdzz", "vdaaa"]);
        let mut two = spec(false, None);
        two.disks.extend(two.disks.clone());
        let places = Places {
            disks: vec!["/p/system".into(), "/p/data".into()],
            folder: "/p".into(),
        };
        let xml = describe(&two, &places, true).render();
        let (first, second) = (
            xml.find("/p/system").expect("a disk"),
            xml.find("/p/data").expect("a disk"),
        );
        assert!(
            first < second && xml.contains("<target dev=\"vdb\" bus=\"virtio\"/>"),
            "{xml}"
        );
    }

    #[test]
    fn an_old_libvirt_gets_no_translation_cache_and_the_mark_is_read_back() {
        let xml = describe(&spec(false, None), &places("/p/d", "/p"), false).render();
        assert!(!xml.contains("tb-cache"), "{xml}");
        let mark = read_mark(&xml).expect("a mark");
        assert_eq!(
            (mark.cell.as_deref(), mark.role.as_deref()),
            (Some("R&D/debian-12"), Some("web"))
        );
    }
}
