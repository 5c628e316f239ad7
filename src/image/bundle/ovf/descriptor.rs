//! An OVF descriptor: files, disks, and the machine that is wanted (DMTF DSP0243). Pure.

use roxmltree::{Document, Node, ParsingOptions};

use crate::image::bundle::error::{Problem, listed, shown};
use crate::image::bundle::ovf::bounds;
use crate::image::bundle::ovf::item::{attribute, text};
use crate::image::bundle::ovf::machine::{self, Machine};
use crate::image::bundle::ovf::units;
use crate::image::foreign::Format;
use crate::input::safe;

/// Bytes of a descriptor.
pub const LIMIT: u64 = 8 << 20;

/// What a descriptor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Its files.
    pub files: Vec<FileRef>,
    /// Its disks.
    pub disks: Vec<Disk>,
    /// The machine.
    pub machine: Machine,
    /// Whether it has others, which other disks may be of.
    pub others: bool,
}

/// A file of the export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    /// By what a disk names it.
    pub id: String,
    /// Its path from the descriptor, or an address.
    pub href: String,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// By what it is compressed; `gzip` is the only one in use.
    pub compression: Option<String>,
    /// Bytes of each of its pieces but the last.
    pub piece: Option<u64>,
}

/// A disk of the export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// By what a machine names it.
    pub id: String,
    /// Its file; one without is empty.
    pub file: Option<String>,
    /// Its size in bytes as the guest sees it.
    pub capacity: Option<u64>,
    /// Its format, as far as that is known by its address.
    pub format: Option<Format>,
    /// The disk that it only has the differences to.
    pub parent: Option<String>,
}

/// Whether a file's beginning is that of a descriptor.
pub fn looks_like(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    text.starts_with('<') && (text.contains("<Envelope") || text.contains(":Envelope"))
}

/// Reads a descriptor; `file` is its name in errors, `wanted` the machine that is asked for.
pub fn read(file: &str, bytes: &[u8], wanted: Option<&str>) -> Result<Descriptor, Problem> {
    let wrong = |problem: String| Problem::Descriptor {
        file: shown(file),
        problem,
    };
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not in UTF-8".to_owned()))?;
    if let Some(what) = bounds::exceeded(text) {
        return Err(wrong(format!("it has too many {what}")));
    }
    // No DTD: nothing is expanded, and nothing else is read.
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: 200_000,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text.trim_start_matches('\u{feff}'), options)
        .map_err(|error| wrong(safe::line(&error.to_string())))?;
    let envelope = document.root_element();
    if !is(envelope, "Envelope") {
        let name = shown(envelope.tag_name().name());
        return Err(wrong(format!("it is no envelope of OVF, but {name}")));
    }
    let systems: Vec<Node<'_, '_>> = envelope
        .descendants()
        .filter(|node| is(*node, "VirtualSystem"))
        .collect();
    let system = choose(&systems, wanted)?;
    Ok(Descriptor {
        files: envelope
            .descendants()
            .filter(|node| is(*node, "File"))
            .filter_map(file_ref)
            .collect(),
        disks: envelope
            .descendants()
            .filter(|node| is(*node, "Disk"))
            .filter_map(disk)
            .collect(),
        machine: machine::read(system, configuration(envelope)),
        others: systems.len() > 1,
    })
}

fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

fn choose<'a, 'b>(systems: &[Node<'a, 'b>], wanted: Option<&str>) -> Result<Node<'a, 'b>, Problem> {
    let name = |system: &Node<'a, 'b>| {
        attribute(*system, "id")
            .or(text(*system, "Name"))
            .unwrap_or_default()
    };
    let names = || listed(systems.iter().map(name));
    match (systems, wanted) {
        ([], _) => Err(Problem::Unfit("has a descriptor without a machine".to_owned())),
        (_, Some(wanted)) => systems
            .iter()
            .find(|system| name(system) == wanted || text(**system, "Name") == Some(wanted))
            .copied()
            .ok_or_else(|| Problem::NoSuchMachine {
                asked: shown(wanted),
                names: names(),
            }),
        ([one], None) => Ok(*one),
        ([_, _, ..], None) => Err(Problem::Several {
            what: "machines",
            names: names(),
            remedy: "say which one is meant with --machine NAME; each is an image of its own",
        }),
    }
}

/// The configuration that is taken where several are offered: the one that is marked, else the first (DSP0243, 9.8).
fn configuration<'a>(envelope: Node<'a, '_>) -> Option<&'a str> {
    let all = || envelope.descendants().filter(|node| is(*node, "Configuration"));
    let marked = all().find(|node| matches!(attribute(*node, "default"), Some("true" | "1")));
    attribute(marked.or_else(|| all().next())?, "id")
}

fn file_ref(node: Node<'_, '_>) -> Option<FileRef> {
    let number = |name: &str| attribute(node, name).and_then(|text| text.parse().ok());
    Some(FileRef {
        id: attribute(node, "id")?.to_owned(),
        href: attribute(node, "href")?.to_owned(),
        size: number("size"),
        compression: attribute(node, "compression")
            .filter(|name| !name.is_empty() && *name != "identity")
            .map(str::to_owned),
        piece: number("chunkSize").filter(|&size| size > 0),
    })
}

fn disk(node: Node<'_, '_>) -> Option<Disk> {
    let capacity = attribute(node, "capacity").and_then(|text| text.parse::<u64>().ok());
    let unit = attribute(node, "capacityAllocationUnits").map_or(Some(1), units::bytes);
    let own = |name: &str| {
        attribute(node, name)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    Some(Disk {
        id: own("diskId")?,
        file: own("fileRef"),
        capacity: capacity
            .zip(unit)
            .and_then(|(count, unit)| count.checked_mul(unit)),
        format: attribute(node, "format").and_then(format),
        parent: own("parentRef"),
    })
}

/// The format behind an address; only of those whose writers mean it.
fn format(address: &str) -> Option<Format> {
    let address = address.to_ascii_lowercase();
    let has = |word: &str| address.contains(word);
    if has("/vmdk") {
        Some(Format::Vmdk)
    } else if has("qcow") {
        Some(Format::Qcow2)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_and_other_documents_are_refused() {
        let entity = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/shadow\">]><Envelope>&x;</Envelope>";
        for (text, why) in [
            (entity, "DTD"),
            ("<Envelope>", "closed"),
            ("<domain/>", "no envelope"),
            ("", "root"),
        ] {
            let error = read("a.ovf", text.as_bytes(), None).expect_err(text).to_string();
            assert!(
                error.to_lowercase().contains(&why.to_lowercase()),
                "{text}: {error}"
            );
        }
        assert!(read("a.ovf", b"\xff\xfe<", None).is_err());
    }

    #[test]
    fn one_machine_of_several_is_taken_where_its_name_is_asked_for() {
        let text = "<Envelope xmlns:ovf='o'><VirtualSystemCollection>\
                    <VirtualSystem ovf:id='web'/><VirtualSystem ovf:id='db'><Name>The database</Name></VirtualSystem>\
                    </VirtualSystemCollection></Envelope>";
        let read = |wanted| read("a.ovf", text.as_bytes(), wanted);
        let error = read(None).expect_err("several").to_string();
        assert!(error.contains("`web`, `db`"), "{error}");
        assert!(read(Some("db")).expect("one").others);
        read(Some("The database")).expect("one");
        let error = read(Some("mail")).expect_err("none").to_string();
        assert!(error.contains("no machine `mail`"), "{error}");
    }
}
