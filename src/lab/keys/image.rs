//! The keys of `[image.NAME]` and `[image.NAME.hardware]`.

use crate::input::keys::{Key, Shape, Table};

/// `[image.NAME]`
pub static IMAGE: Table = Table {
    name: "image",
    about: "Where a base disk comes from, and the machine that its clones are given.",
    groups: &[&[
        Key::one_of(
            "build",
            Shape::Path,
            "The recipe that it is built from, relative to the lab file.",
        )
        .such_as(&["\"images/debian-12.toml\""]),
        Key::one_of(
            "imported",
            Shape::Filled,
            "The SHA-256 that `patchgate image import` printed.",
        )
        .such_as(&["\"<the sha256 that `patchgate image import` printed>\""]),
        Key::optional(
            "hardware",
            Shape::Table(&HARDWARE),
            "The machine that its clones are given.",
        )
        .such_as(&["{ firmware = \"uefi\" }"]),
        Key::optional(
            "package_manager",
            Shape::Filled,
            "What installs its updates, for an OS that patchgate does not know by its name: one that `patchgate check` lists where \
             it does not know the OS.",
        )
        .unless_given("that of its OS version"),
    ]],
    elsewhere: &[
        (
            "file",
            "import the disk with `patchgate image import FILE`, and write imported = \"<sha256>\"",
        ),
        ("sha256", "it is called `imported`"),
        ("recipe", "it is called `build`"),
    ],
};

/// `[image.NAME.hardware]`
pub static HARDWARE: Table = Table {
    name: "hardware",
    about: "The machine that clones of an image are given. What is not said is what the import has read, or else what such an \
            OS version is usually installed on.",
    groups: &[&[
        Key::optional(
            "firmware",
            Shape::Word(&["bios", "uefi", "uefi-secure"]),
            "What begins it: SeaBIOS, OVMF, or OVMF that runs only what Microsoft's keys have signed. The variables of OVMF \
             are each clone's own.",
        )
        .unless_given("bios; windows-11 and windows-server-2025: uefi-secure"),
        Key::optional(
            "machine",
            Shape::Word(&["q35", "pc"]),
            "The board: one of PCI Express, or the older one with IDE.",
        )
        .unless_given("q35"),
        Key::optional(
            "cpu",
            Shape::Filled,
            "The CPU by libvirt's name; `max` has all that the host, or the emulator, can give.",
        )
        .unless_given("the host's under KVM, else QEMU's plainest; `max` where an OS version asks for more")
        .such_as(&["\"max\""]),
        Key::optional(
            "tpm",
            Shape::Flag,
            "Whether it has a TPM 2.0, each clone an empty one of its own; such clones are cold.",
        )
        .unless_given("false; windows-11: true"),
        Key::optional(
            "clock",
            Shape::Word(&["utc", "localtime"]),
            "What its clock shows.",
        )
        .unless_given("utc; windows: localtime"),
        Key::optional(
            "video",
            Shape::Word(&["vga", "virtio", "none"]),
            "What it draws on; without any there is no picture of its screen.",
        )
        .unless_given("vga"),
        Key::optional(
            "hyperv",
            Shape::Flag,
            "Whether it shows Windows the interfaces of Hyper-V; under KVM alone.",
        )
        .unless_given("false; windows: true"),
        Key::optional(
            "disk_bus",
            Shape::Word(&[
                "virtio", "scsi", "sata", "ide", "nvme", "pvscsi", "lsi-sas", "lsi", "megasas",
            ]),
            "What its disks are attached to, where the import has not read it of a disk; clones with nvme are cold.",
        )
        .unless_given("virtio; windows: sata"),
        Key::optional(
            "nic",
            Shape::Word(&["virtio", "e1000", "e1000e", "rtl8139", "vmxnet3"]),
            "The model of its network cards, where the import has not read it of a card.",
        )
        .unless_given("virtio; windows: e1000e"),
    ]],
    elsewhere: &[
        ("memory", "it belongs to the role: [role.NAME]"),
        ("vcpus", "it belongs to the role: [role.NAME]"),
        ("bus", "it is called `disk_bus`"),
        ("board", "it is called `machine`"),
        ("uefi", "write firmware = \"uefi\""),
    ],
};
