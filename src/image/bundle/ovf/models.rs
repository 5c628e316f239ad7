//! The models of controllers and cards that VMware and VirtualBox write, and what clones have for them.

use crate::image::bundle::ovf::item::{Item, Kind};
use crate::model::hardware::{DiskBus, NicModel};

/// What a disk of a controller is attached to; `None` for a controller that is not known.
pub fn bus(controller: &Item<'_>) -> Option<DiskBus> {
    let model = controller.model.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| model.contains(word));
    match controller.kind {
        Kind::Ide => Some(DiskBus::Ide),
        // The names of VMware (`rasd:ResourceSubType` as ovftool writes it) and of VirtualBox.
        Kind::Scsi | Kind::Storage if has(&["virtualscsi", "pvscsi"]) => Some(DiskBus::Pvscsi),
        Kind::Scsi | Kind::Storage if has(&["lsilogicsas", "lsilogic sas"]) => Some(DiskBus::LsiSas),
        Kind::Scsi => Some(DiskBus::Scsi),
        Kind::Storage if has(&["nvm"]) => Some(DiskBus::Nvme),
        Kind::Storage if has(&["ahci", "sata"]) => Some(DiskBus::Sata),
        Kind::Storage if has(&["scsi", "lsilogic", "buslogic", "sas"]) => Some(DiskBus::Scsi),
        Kind::Storage if has(&["virtio"]) => Some(DiskBus::Virtio),
        Kind::Storage if has(&["piix", "ich6", "ide"]) => Some(DiskBus::Ide),
        Kind::Storage
        | Kind::Processor
        | Kind::Memory
        | Kind::Card
        | Kind::Disk
        | Kind::Screen
        | Kind::Other => None,
    }
}

/// The model of a card, and what is to be said of it where clones have no such card.
pub fn card(model: &str) -> (Option<NicModel>, Option<&'static str>) {
    const OLD: &str = "clones have an e1000 in its place";
    match model.to_ascii_lowercase().as_str() {
        "vmxnet3" => (Some(NicModel::Vmxnet3), None),
        "e1000" | "82540em" | "82543gc" | "82545em" => (Some(NicModel::E1000), None),
        "e1000e" | "82574l" => (Some(NicModel::E1000e), None),
        "virtio" | "virtio-net" | "virtionet" => (Some(NicModel::Virtio), None),
        "rtl8139" => (Some(NicModel::Rtl8139), None),
        "pcnet32" | "pcnet" | "am79c970a" | "am79c973" | "am79c960" | "flexible" | "vmxnet" | "vmxnet2" => {
            (Some(NicModel::E1000), Some(OLD))
        }
        "" => (None, Some("its model is not told")),
        _ => (None, Some("no model that is known")),
    }
}
