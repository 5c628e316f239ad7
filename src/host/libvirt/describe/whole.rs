//! The VM as a whole.

use crate::host::libvirt::describe::disks::Drives;
use crate::host::libvirt::describe::places::Places;
use crate::host::libvirt::describe::{board, cards, disks};
use crate::host::libvirt::xml::{Element, element, mark};
use crate::model::hardware::Video;
use crate::port::{Power, VmSpec};

/// The domain's XML (<https://libvirt.org/formatdomain.html>).
pub fn describe(spec: &VmSpec, places: &Places, tb_cache: bool) -> Element {
    let flash = places.flash.as_ref();
    let hardware = &spec.hardware;
    let Drives { elements, overrides } = disks::drives(spec, &places.disks);
    let memory = memory(spec, &places.folder);
    let domain = element("domain").with("type", if spec.kvm { "kvm" } else { "qemu" });
    let domain = if memory.is_some() || overrides.is_some() {
        domain.with("xmlns:qemu", QEMU)
    } else {
        domain
    };
    domain
        .child(element("name").text(&spec.name))
        .child(mark(&spec.tag, Some(&spec.role)))
        .child(element("memory").with("unit", "MiB").text(spec.memory.0))
        .child(element("vcpu").text(spec.vcpus))
        .child(board::os(hardware.machine, flash))
        .child(board::features(hardware, spec.kvm, flash, tb_cache))
        .child(board::cpu(hardware, spec.kvm))
        .child(board::clock(hardware, spec.kvm))
        .child(element("on_poweroff").text("destroy"))
        .child(element("on_reboot").text("restart"))
        .child(element("on_crash").text("destroy"))
        .child(devices(spec, elements, &places.folder))
        .children(memory)
        .children(overrides)
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

fn devices(spec: &VmSpec, drives: Vec<Element>, folder: &str) -> Element {
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
        .children(drives)
        .child(element("controller").with("type", "usb").with("model", "none"))
        .children(cards::ports(spec))
        .children(spec.nics.iter().map(cards::interface))
        .child(console)
        .child(agent)
        .children(spec.hardware.tpm.then(tpm))
        .children(video(spec.hardware.video))
        .child(random)
        .child(element("memballoon").with("model", "none"))
}

/// A TPM 2.0 of the VM's own: libvirt makes its state with the domain, under the domain's UUID, and removes it likewise
/// (<https://libvirt.org/formatdomain.html#tpm-device>).
fn tpm() -> Element {
    element("tpm")
        .with("model", "tpm-crb")
        .child(element("backend").with("type", "emulator").with("version", "2.0"))
}

/// What a VM draws on. Nobody can look at it from outside, but libvirt can make a picture of it.
fn video(video: Video) -> Option<Element> {
    let model = match video {
        Video::Vga => "vga",
        Video::Virtio => "virtio",
        Video::None => return None,
    };
    Some(element("video").child(element("model").with("type", model)))
}
