//! What is wrong with a lab's hosts.

use toml::Spanned;

use crate::input::words::show;
use crate::lab::file::HostSection;
use crate::lab::lint::state::Lint;
use crate::model::policy::NetworkMode;
use crate::model::uri::{is_local, is_system};

/// Looks at every host: once there, and able to isolate its clones.
pub(super) fn hosts<'a>(lint: &mut Lint<'a>) {
    let hosts = &lint.lab.file.host;
    for (at, host) in hosts.iter().enumerate() {
        let uri = |host: &'a Spanned<HostSection>| host.get_ref().uri.get_ref().as_str();
        let known: Vec<&str> = hosts[..at].iter().map(uri).collect();
        let own = uri(host);
        if known.contains(&own) {
            lint.error(
                host,
                format!("host {} is there twice", show(own)),
                "one [[host]] for each libvirt URI: what is free there is given away once",
            );
        }
        // `auto` is of this machine too.
        let local = known.iter().copied().find(|known| is_local(known));
        let other = match own {
            "auto" => local,
            own => (is_local(own) && known.contains(&"auto")).then_some(own),
        };
        if let Some(other) = other {
            lint.error(
                host,
                format!("`auto` and {} are both of this machine", show(other)),
                "keep one of them: what is free there is given away once",
            );
        }
        if is_uri(lint, host.get_ref()) {
            isolation(lint, host.get_ref());
        }
    }
}

/// Where clones cannot be cut off from the world, the lab has to say that they are not.
fn isolation(lint: &mut Lint<'_>, host: &HostSection) {
    let uri = host.uri.get_ref().as_str();
    let can = uri == "auto" || (is_system(uri) && is_local(uri));
    if can || *lint.lab.file.network.mode.get_ref() == NetworkMode::Open {
        return;
    }
    lint.error(
        &host.uri,
        format!(
            "clones on {} cannot be cut off from the world",
            show(host.uri.get_ref())
        ),
        "run patchgate on the lab host with uri = \"qemu:///system\"; or, where clones may reach whatever the host \
         reaches, write mode = \"open\" below [network]",
    );
}

/// Whether the URI is one; complains where it is not.
fn is_uri(lint: &mut Lint<'_>, host: &HostSection) -> bool {
    let uri = host.uri.get_ref().as_str();
    let scheme = uri.split_once("://").map(|(scheme, _)| scheme);
    let is_qemu = scheme.is_some_and(|scheme| scheme == "qemu" || scheme.starts_with("qemu+"));
    let plain = uri.len() <= 500 && uri.chars().all(|c| c.is_ascii_graphic());
    if uri == "auto" || (is_qemu && plain) {
        return true;
    }
    let message = match scheme {
        Some(scheme) if !is_qemu => {
            format!(
                "patchgate drives QEMU through libvirt, and {} is another driver",
                show(scheme)
            )
        }
        _ => format!("{} is not a libvirt URI", show(uri)),
    };
    lint.error(
        &host.uri,
        message,
        "write \"auto\", \"qemu:///system\", \"qemu:///session\" or \"qemu+ssh://HOST/system\"",
    );
    false
}
