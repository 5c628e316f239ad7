//! A VM's board, its firmware, CPU and clock.

use crate::host::libvirt::describe::places::Flash;
use crate::host::libvirt::xml::{Element, element};
use crate::model::hardware::{Clock, Hardware, Machine};
use crate::model::plan::TB_CACHE_MIB;

/// The name of a CPU that has all that the host, or the emulator, can give.
const MOST: &str = "max";

/// The board, and what begins it.
pub fn os(machine: Machine, flash: Option<&Flash>) -> Element {
    let board = bios(match machine {
        Machine::Q35 => "q35",
        Machine::Pc => "pc",
    });
    let Some(flash) = flash else { return board };
    let code = element("loader")
        .with("readonly", "yes")
        .with("secure", yes(flash.smm))
        .with("type", "pflash")
        .text(&flash.code);
    let variables = element("nvram")
        .with("template", &flash.template)
        .text(&flash.variables);
    board.child(code).child(variables)
}

/// A board of that type, which begins with SeaBIOS where nothing else is said.
pub fn bios(kind: &str) -> Element {
    let kind = element("type")
        .with("arch", "x86_64")
        .with("machine", kind)
        .text("hvm");
    element("os").child(kind)
}

fn yes(holds: bool) -> &'static str {
    if holds { "yes" } else { "no" }
}

/// What the hypervisor shows of itself.
pub fn features(hardware: &Hardware, kvm: bool, flash: Option<&Flash>, tb_cache: bool) -> Element {
    let mut features = element("features").child(element("acpi")).child(element("apic"));
    if flash.is_some_and(|flash| flash.smm) {
        features = features.child(element("smm").with("state", "on"));
    }
    if hardware.hyperv && kvm {
        features = features.child(enlightenments());
    }
    if tb_cache && !kvm {
        let size = element("tb-cache").with("unit", "MiB").text(TB_CACHE_MIB);
        features = features.child(element("tcg").child(size));
    }
    features
}

/// Hyper-V's interfaces, which KVM alone has (<https://www.qemu.org/docs/master/system/i386/hyperv.html>).
fn enlightenments() -> Element {
    let on = |name: &'static str| element(name).with("state", "on");
    let spinlocks = on("spinlocks").with("retries", 8191);
    element("hyperv")
        .with("mode", "custom")
        .children(["relaxed", "vapic", "vpindex", "synic", "stimer", "frequencies"].map(on))
        .child(spinlocks)
}

/// The CPU that a guest sees.
pub fn cpu(hardware: &Hardware, kvm: bool) -> Element {
    match hardware.cpu.as_deref() {
        Some(MOST) => element("cpu").with("mode", "maximum"),
        Some(name) => named(name),
        None if kvm => element("cpu").with("mode", "host-passthrough"),
        // Measured under TCG, boot to agent: qemu64 needs a fifth less of the host's time than `maximum`; q35 and pc are
        // alike.
        None => named("qemu64"),
    }
}

fn named(name: &str) -> Element {
    let model = element("model").with("fallback", "forbid").text(name);
    element("cpu")
        .with("mode", "custom")
        .with("match", "exact")
        .child(model)
}

/// The clock, and what Windows asks of timers under KVM.
pub fn clock(hardware: &Hardware, kvm: bool) -> Element {
    let clock = element("clock").with(
        "offset",
        match hardware.clock {
            Clock::Utc => "utc",
            Clock::Localtime => "localtime",
        },
    );
    if !(hardware.hyperv && kvm) {
        return clock;
    }
    let timer = |name: &str| element("timer").with("name", name);
    clock
        .child(timer("rtc").with("tickpolicy", "catchup"))
        .child(timer("pit").with("tickpolicy", "delay"))
        .child(timer("hpet").with("present", "no"))
        .child(timer("hypervclock").with("present", "yes"))
}
