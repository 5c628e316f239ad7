//! What libvirt says of itself, of QEMU and of the host.

use std::collections::BTreeMap;
use std::fmt::Display;

use virt::connect::Connect;

use crate::host::libvirt::error::doing;
use crate::host::libvirt::xml::{child, parse};
use crate::model::outcome::Cause;
use crate::port::LabError;

/// The first QEMU that migrates to a file by itself; older ones start a program for it, which libvirt forbids them.
const FILE_SINCE: u32 = 8_002_000;

/// For versions: libvirt's numbers are `major * 1000000 + minor * 1000 + micro`.
pub fn version(number: u32) -> impl Display {
    format!(
        "{}.{}.{}",
        number / 1_000_000,
        number / 1000 % 1000,
        number % 1000
    )
}

/// What a saved state can only be used with, beside its devices.
pub fn machine(conn: &Connect, kvm: bool) -> Result<BTreeMap<String, String>, LabError> {
    let asking = || doing("asking libvirt for its machine");
    let qemu = conn.hyp_version().map_err(asking())?;
    if qemu < FILE_SINCE {
        return Err(LabError::new(
            Cause::HostRefused,
            format!(
                "QEMU {} there cannot save a VM to a file; {} and newer can",
                version(qemu),
                version(FILE_SINCE)
            ),
        )
        .with_hint("update QEMU, or write clone = \"cold\" below [lab]"));
    }
    let kind = if kvm { "kvm" } else { "qemu" };
    let domain = conn
        .domain_capabilities(None, Some("x86_64"), Some("q35"), Some(kind), 0)
        .map_err(asking())?;
    let type_of = |xml: &str| {
        let document = parse(xml)?;
        Some(child(document.root_element(), "machine")?.text()?.to_owned())
    };
    let cpu = if kvm {
        host_cpu(&conn.capabilities().map_err(asking())?)
    } else {
        "qemu64".to_owned()
    };
    Ok([
        ("QEMU", version(qemu).to_string()),
        (
            "libvirt",
            version(conn.lib_version().map_err(asking())?).to_string(),
        ),
        ("machine type", type_of(&domain).unwrap_or_default()),
        ("accelerator", if kvm { "kvm" } else { "tcg" }.to_owned()),
        ("CPU", cpu),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into())
}

/// The host's CPU, which guests under KVM are shown as it is: model, microcode and features.
fn host_cpu(capabilities: &str) -> String {
    let document = parse(capabilities);
    let cpu = document
        .as_ref()
        .and_then(|document| child(child(document.root_element(), "host")?, "cpu"));
    cpu.into_iter()
        .flat_map(|cpu| cpu.children())
        .filter(roxmltree::Node::is_element)
        .map(|node| {
            let attributes = node.attributes().map(|attribute| attribute.value());
            let words: Vec<&str> = attributes.chain(node.text().map(str::trim)).collect();
            words.join(" ")
        })
        .collect::<Vec<_>>()
        .join(";")
}

/// The user and group that QEMU runs as, where libvirt changes to others than its own: `+64055:+64055`.
pub fn owner(conn: &Connect) -> Result<Option<(String, String)>, LabError> {
    let capabilities = conn
        .capabilities()
        .map_err(doing("asking libvirt for QEMU's user"))?;
    Ok(owner_in(&capabilities))
}

fn owner_in(capabilities: &str) -> Option<(String, String)> {
    let document = parse(capabilities)?;
    let label = child(document.root_element(), "host")?
        .children()
        .filter(|node| node.has_tag_name("secmodel"))
        .find(|node| child(*node, "model").and_then(|model| model.text()) == Some("dac"))?
        .children()
        .find(|node| node.has_tag_name("baselabel") && node.attribute("type") == Some("qemu"))?
        .text()?;
    let (user, group) = label.split_once(':')?;
    let number = |text: &str| Some(text.strip_prefix('+')?.parse::<u32>().ok()?.to_string());
    Some((number(user)?, number(group)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPABILITIES: &str = "<capabilities><host>
        <cpu><arch>x86_64</arch><model>EPYC</model><microcode version='17'/><feature name='svm'/></cpu>
        <secmodel><model>none</model><doi>0</doi></secmodel>
        <secmodel><model>dac</model><baselabel type='kvm'>+1:+2</baselabel><baselabel type='qemu'>+64055:+107</baselabel></secmodel>
        </host></capabilities>";

    #[test]
    fn the_user_of_qemu_and_the_hosts_cpu_are_read_from_libvirts_capabilities() {
        assert_eq!(owner_in(CAPABILITIES), Some(("64055".into(), "107".into())));
        assert_eq!(host_cpu(CAPABILITIES), "x86_64;EPYC;17;svm");
        for none in [
            "<capabilities><host/></capabilities>",
            "<capabilities><host><secmodel><model>dac</model><baselabel type='qemu'>root:root</baselabel></secmodel></host></capabilities>",
            "<capabilities",
        ] {
            assert_eq!(owner_in(none), None, "{none}");
        }
    }

    #[test]
    fn versions_are_shown_as_libvirt_writes_them() {
        assert_eq!(version(10_000_002).to_string(), "10.0.2");
    }
}
