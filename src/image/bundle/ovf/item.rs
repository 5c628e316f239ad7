//! An item of virtual hardware, as OVF writes it: CIM's settings, each a child of the item (DMTF DSP0243, 8.1 and annex).

use roxmltree::Node;

/// CIM's types of resources (`CIM_ResourceAllocationSettingData.ResourceType`, DMTF DSP1041).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// vCPUs.
    Processor,
    /// Memory.
    Memory,
    /// An IDE controller.
    Ide,
    /// A parallel SCSI controller.
    Scsi,
    /// Another controller of storage: AHCI, NVMe.
    Storage,
    /// A network card.
    Card,
    /// A disk.
    Disk,
    /// A screen.
    Screen,
    /// What else there is.
    Other,
}

/// One item.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its number, by which others name it.
    pub id: &'a str,
    /// Its name.
    pub name: String,
    /// Its model, in the words of whoever wrote it; empty where nothing is said.
    pub model: &'a str,
    /// Whose child it is, by number.
    pub parent: Option<&'a str>,
    /// Its place among controllers of its kind, or a card's MAC address.
    pub address: Option<&'a str>,
    /// Its place on its controller.
    pub unit: Option<u64>,
    /// What it is made of: `ovf:/disk/vmdisk1`.
    pub resource: Option<&'a str>,
    /// How much of it there is.
    pub quantity: Option<u64>,
    /// In what.
    pub units: Option<&'a str>,
    /// VMware's own settings of it.
    pub settings: Vec<(&'a str, &'a str)>,
}

/// A child's text, by its name in whatever namespace.
pub fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let child = node
        .children()
        .find(|child| child.is_element() && child.tag_name().name() == name)?;
    child.text().map(str::trim).filter(|text| !text.is_empty())
}

/// An attribute, by its name in whatever namespace.
pub fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let mut attributes = node.attributes();
    attributes
        .find(|attribute| attribute.name() == name)
        .map(|attribute| attribute.value().trim())
}

/// VMware's settings among the children of a node.
pub fn settings<'a>(node: Node<'a, '_>) -> Vec<(&'a str, &'a str)> {
    let configs = node
        .children()
        .filter(|child| matches!(child.tag_name().name(), "Config" | "ExtraConfig"));
    configs
        .filter_map(|config| Some((attribute(config, "key")?, attribute(config, "value")?)))
        .collect()
}

impl<'a> Item<'a> {
    /// Reads an item.
    pub fn of(node: Node<'a, '_>) -> Self {
        let id = text(node, "InstanceID")
            .or(text(node, "InstanceId"))
            .unwrap_or_default();
        let name = ["ElementName", "Caption", "Description"]
            .into_iter()
            .find_map(|name| text(node, name))
            .map_or_else(|| format!("item {id}"), str::to_owned);
        let kind = match text(node, "ResourceType").and_then(|kind| kind.parse::<u32>().ok()) {
            Some(3) => Kind::Processor,
            Some(4) => Kind::Memory,
            Some(5) => Kind::Ide,
            Some(6) => Kind::Scsi,
            Some(20) => Kind::Storage,
            Some(10) => Kind::Card,
            Some(17 | 31) => Kind::Disk,
            Some(24) => Kind::Screen,
            Some(_) | None => Kind::Other,
        };
        let number = |name: &str| text(node, name).and_then(|text| text.parse().ok());
        Self {
            kind,
            id,
            name,
            model: text(node, "ResourceSubType").unwrap_or_default(),
            parent: text(node, "Parent"),
            address: text(node, "Address"),
            unit: number("AddressOnParent"),
            resource: text(node, "HostResource"),
            quantity: number("VirtualQuantity"),
            units: text(node, "AllocationUnits"),
            settings: settings(node),
        }
    }
}
