//! VMs: their XML, their state, their console.

use std::fmt::Display;

use virt::connect::Connect;
use virt::domain::{
    Domain, DomainPausedReason, DomainShutoffReason, DomainState, DomainStateEnum, DomainStateReason,
    DomainStateReasonEnum,
};
use virt::error::ErrorNumber;
use virt::sys;

use super::error::{doing, found, is_absent, lab_error};
use super::xml::{Element, Mark, child, element, mark, parse, read_mark};
use super::{pool, volume};
use crate::plan::model::TB_CACHE_MIB;
use crate::port::{LabError, VmSpec, VmState};

/// The first libvirt that knows `<tb-cache>` (<https://libvirt.org/formatdomain.html#hypervisor-features>).
const TB_CACHE_SINCE: u32 = 8_000_000;

/// Bytes of the console that are shown.
const CONSOLE_TAIL: u64 = 8 * 1024;

/// Defines and starts a VM, or leaves nothing.
pub fn create(conn: &Connect, spec: &VmSpec) -> Result<(), LabError> {
    let (pool, overlay) = volume::find(conn, &spec.pool, &spec.overlay)?;
    let reading = || doing(format!("reading volume {}/{}", spec.pool, spec.overlay));
    let disk = overlay.path().map_err(reading())?;
    let folder = pool::target(&pool)?;
    let tb_cache = conn.lib_version().map_err(reading())? >= TB_CACHE_SINCE;
    // Defined rather than transient: a transient domain vanishes when its guest stops, and with it the reason, which
    // tells a guest that powered off from a QEMU that the host killed.
    let domain = conn
        .define_domain_xml(&describe(spec, &disk, &folder, tb_cache).render())
        .map_err(doing(format!("defining domain {}", spec.name)))?;
    domain.create().map_err(|error| {
        let error = lab_error(&format!("starting domain {}", spec.name), &error);
        // Its failure leaves a domain that is off and carries the mark, which `clean` finds.
        let _ = domain.undefine();
        error
    })
}

/// The domain's XML (<https://libvirt.org/formatdomain.html>).
pub fn describe(spec: &VmSpec, disk: &str, folder: &str, tb_cache: bool) -> Element {
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
    element("domain")
        .with("type", kind)
        .child(element("name").text(&spec.name))
        .child(mark(&spec.tag, Some(&spec.role)))
        .child(element("memory").with("unit", "MiB").text(spec.memory.0))
        .child(element("vcpu").text(spec.vcpus))
        .child(
            element("os")
                .child(
                    element("type")
                        .with("arch", "x86_64")
                        .with("machine", "q35")
                        .text("hvm"),
                )
                .child(element("boot").with("dev", "hd")),
        )
        .child(features)
        .child(cpu)
        .child(element("clock").with("offset", "utc"))
        .child(element("on_poweroff").text("destroy"))
        .child(element("on_reboot").text("restart"))
        .child(element("on_crash").text("destroy"))
        .child(devices(spec, disk, folder))
}

fn devices(spec: &VmSpec, disk: &str, folder: &str) -> Element {
    let disk = element("disk")
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
        .child(element("source").with("file", disk))
        .child(element("target").with("dev", "vda").with("bus", "virtio"));
    let interface = match &spec.network {
        Some(network) => element("interface")
            .with("type", "network")
            .child(element("source").with("network", network)),
        None => element("interface").with("type", "user"),
    }
    .child(element("mac").with("address", &spec.mac))
    .child(element("model").with("type", "virtio"))
    // Without a boot ROM the firmware does not look for a network to boot from.
    .child(element("rom").with("enabled", "no"));
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
        .child(disk)
        .child(element("controller").with("type", "usb").with("model", "none"))
        .child(interface)
        .child(console)
        .child(agent)
        .child(random)
        .child(element("memballoon").with("model", "none"))
}

/// What a VM is doing.
pub fn state(conn: &Connect, name: &str) -> Result<VmState, LabError> {
    let Some(domain) = found(conn.lookup_domain_by_name(name), &format!("domain {name}"))? else {
        return Ok(VmState::Gone);
    };
    // `Domain::state` swallows errors; `info` does not.
    match domain.info() {
        Ok(_) => {}
        Err(error) if is_absent(&error) => return Ok(VmState::Gone),
        Err(error) => return Err(lab_error(&format!("reading the state of domain {name}"), &error)),
    }
    let (state, reason) = domain
        .state()
        .map_err(doing(format!("reading the state of domain {name}")))?;
    Ok(translate(state, reason))
}

fn translate(state: DomainStateEnum, reason: DomainStateReasonEnum) -> VmState {
    let DomainStateEnum::Known(state) = state else {
        return VmState::Gone;
    };
    let DomainStateReasonEnum::Known(reason) = reason else {
        return VmState::Off("libvirt gives no reason".into());
    };
    match (state, reason) {
        (DomainState::Paused, DomainStateReason::Paused(reason)) => VmState::Paused {
            io_error: reason.is(DomainPausedReason::IOError),
        },
        (DomainState::Shutoff, DomainStateReason::Shutoff(reason)) => VmState::Off(
            if reason.is(DomainShutoffReason::Shutdown) {
                "the guest powered itself off"
            } else if reason.is(DomainShutoffReason::Crashed) {
                "its QEMU process ended unexpectedly; the host's log says whether it ran out of memory"
            } else if reason.is(DomainShutoffReason::Failed) {
                "its QEMU process failed to start"
            } else if reason.is(DomainShutoffReason::Destroyed) {
                "somebody stopped it"
            } else {
                "libvirt says no more than that it is off"
            }
            .into(),
        ),
        (DomainState::Shutdown, _) => VmState::Off("the guest is powering off".into()),
        (DomainState::Crashed, _) => VmState::Off("the guest crashed".into()),
        (DomainState::Shutoff, _) => VmState::Off("it is off".into()),
        (DomainState::Paused | DomainState::PMSuspended, _) => VmState::Paused { io_error: false },
        (DomainState::NoState | DomainState::Running | DomainState::Blocked, _) => VmState::Running,
    }
}

/// Stops and undefines a VM; no error where it is not there.
pub fn remove(conn: &Connect, name: &str) -> Result<(), LabError> {
    let Some(domain) = found(conn.lookup_domain_by_name(name), &format!("domain {name}"))? else {
        return Ok(());
    };
    // Not running is an answer: it may have stopped a moment ago.
    let gone =
        |error: &virt::error::Error| is_absent(error) || error.code().is(ErrorNumber::OperationInvalid);
    let stopped = domain
        .destroy()
        .or_else(|error| if gone(&error) { Ok(()) } else { domain.destroy() });
    match stopped {
        Err(error) if !gone(&error) => return Err(lab_error(&format!("stopping domain {name}"), &error)),
        Ok(()) | Err(_) => {}
    }
    let with = sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | sys::VIR_DOMAIN_UNDEFINE_NVRAM;
    // A transient domain is gone with its process.
    match domain.undefine_flags(with) {
        Err(error) if !gone(&error) => Err(lab_error(&format!("undefining domain {name}"), &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// All domains with patchgate's mark.
pub fn marked(conn: &Connect) -> Result<Vec<(String, Mark)>, LabError> {
    let domains = conn.list_all_domains(0).map_err(doing("listing the domains"))?;
    Ok(domains
        .iter()
        // One that vanishes while we look is none.
        .filter_map(|domain| Some((domain.name().ok()?, read_mark(&domain.xml_desc(0).ok()?)?)))
        .collect())
}

/// The end of a VM's console, read through its pool, so that it works on any host and for any user.
pub fn console_tail(conn: &Connect, name: &str) -> Result<Vec<u8>, LabError> {
    let reading = || doing(format!("reading the console of domain {name}"));
    let domain: Domain = conn.lookup_domain_by_name(name).map_err(reading())?;
    let xml = domain.xml_desc(0).map_err(reading())?;
    match console_file(&xml) {
        Some(file) => volume::tail(conn, &file, CONSOLE_TAIL),
        None => Ok(Vec::new()),
    }
}

fn console_file(xml: &str) -> Option<String> {
    let document = parse(xml)?;
    let serial = child(child(document.root_element(), "devices")?, "serial")?;
    Some(child(serial, "log")?.attribute("file")?.to_owned())
}

/// A console's bytes as text: escape sequences and other control characters out, lines kept. Guests are untrusted.
pub fn console_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            // ECMA-48: a control sequence is ESC [ parameters, then one final byte of @ to ~.
            '\x1b' if rest.peek() == Some(&'[') => {
                rest.next();
                while rest.next_if(|c| matches!(c, ' '..='?')).is_some() {}
                rest.next_if(|c| matches!(c, '@'..='~'));
            }
            '\r' => clean.push('\n'),
            '\n' | '\t' => clean.push(c),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}

/// For versions: libvirt's numbers are `major * 1000000 + minor * 1000 + micro`.
pub fn version(number: u32) -> impl Display {
    format!(
        "{}.{}.{}",
        number / 1_000_000,
        number / 1000 % 1000,
        number % 1000
    )
}

#[cfg(test)]
mod tests {
    use virt::domain::{DomainPausedReasonEnum, DomainShutoffReasonEnum};

    use super::*;
    use crate::outcome::Arm;
    use crate::plan::model::CellId;
    use crate::port::Tag;
    use crate::units::Mib;

    fn spec(kvm: bool, network: Option<&str>) -> VmSpec {
        VmSpec {
            name: "pg-7c1f-1-web".into(),
            tag: Tag {
                run: "20261123-140912-7c1f".parse().expect("a run id"),
                cell: CellId::new("R&D", "debian-12"),
                arm: Arm::Control,
                run_dir: "/srv/lab/runs/1".into(),
            },
            role: "web".into(),
            pool: "pg-20261123-140912-7c1f".into(),
            base: "base.qcow2".into(),
            overlay: "web.qcow2".into(),
            network: network.map(Into::into),
            mac: "52:54:00:01:02:03".into(),
            memory: Mib(512),
            vcpus: 1,
            kvm,
        }
    }

    #[test]
    fn a_tcg_node_on_its_arms_network() {
        let xml = describe(&spec(false, Some("pg-net")), "/p/web.qcow2", "/p", true).render();
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
        let xml = describe(&spec(true, None), "/p/a&b.qcow2", "/p", true).render();
        insta::assert_snapshot!(xml, @r#"
        <domain type="kvm">
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
          </features>
          <cpu mode="host-passthrough"/>
          <clock offset="utc"/>
          <on_poweroff>destroy</on_poweroff>
          <on_reboot>restart</on_reboot>
          <on_crash>destroy</on_crash>
          <devices>
            <disk type="file" device="disk">
              <driver name="qemu" type="qcow2" cache="unsafe" discard="unmap"/>
              <source file="/p/a&amp;b.qcow2"/>
              <target dev="vda" bus="virtio"/>
            </disk>
            <controller type="usb" model="none"/>
            <interface type="user">
              <mac address="52:54:00:01:02:03"/>
              <model type="virtio"/>
              <rom enabled="no"/>
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
    fn an_old_libvirt_gets_no_translation_cache_and_the_mark_is_read_back() {
        let xml = describe(&spec(false, None), "/p/d", "/p", false).render();
        assert!(!xml.contains("tb-cache"), "{xml}");
        let mark = read_mark(&xml).expect("a mark");
        assert_eq!(
            (mark.cell.as_str(), mark.role.as_deref()),
            ("R&D/debian-12", Some("web"))
        );
        assert_eq!(console_file(&xml).as_deref(), Some("/p/pg-7c1f-1-web.console"));
        assert_eq!(console_file("<domain><devices/></domain>"), None);
    }

    #[test]
    fn a_full_disk_and_a_killed_qemu_are_told_apart() {
        let paused = |reason| {
            translate(
                DomainStateEnum::Known(DomainState::Paused),
                DomainStateReasonEnum::Known(DomainStateReason::Paused(DomainPausedReasonEnum::Known(
                    reason,
                ))),
            )
        };
        assert_eq!(
            paused(DomainPausedReason::IOError),
            VmState::Paused { io_error: true }
        );
        assert_eq!(
            paused(DomainPausedReason::User),
            VmState::Paused { io_error: false }
        );
        let off = |reason| {
            translate(
                DomainStateEnum::Known(DomainState::Shutoff),
                DomainStateReasonEnum::Known(DomainStateReason::Shutoff(DomainShutoffReasonEnum::Known(
                    reason,
                ))),
            )
        };
        assert_eq!(
            off(DomainShutoffReason::Shutdown),
            VmState::Off("the guest powered itself off".into())
        );
        let VmState::Off(crashed) = off(DomainShutoffReason::Crashed) else {
            panic!("not off");
        };
        assert!(crashed.contains("QEMU process ended unexpectedly"), "{crashed}");
        let unknown = translate(
            DomainStateEnum::Unknown(u32::MAX),
            DomainStateReasonEnum::Unknown(-1),
        );
        assert_eq!(unknown, VmState::Gone);
    }

    #[test]
    fn the_console_loses_its_control_characters_and_keeps_its_words() {
        for (bytes, text) in [
            (
                &b"\x1b[0;1;31mFAILED\x1b[0m to start\r\nnext\n"[..],
                "FAILED to start\nnext\n",
            ),
            (b"a\rb\x07\x00c\tq", "a\nbc\tq"),
            (b"\xff\xfe ok", "\u{fffd}\u{fffd} ok"),
            (b"cut \x1b[3", "cut "),
            (b"", ""),
        ] {
            assert_eq!(console_text(bytes), text);
        }
    }

    #[test]
    fn versions_are_shown_as_libvirt_writes_them() {
        assert_eq!(version(10_000_002).to_string(), "10.0.2");
    }
}
