//! Three small services as Debian packages, version 1.0 installed and 2.0 pending in a repository inside the image.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};

/// Each package's name, the port of its service, and what version 2.0 does.
const PACKAGES: [(&str, u16, Update); 3] = [
    ("pg-good", 8081, Update::Good),
    ("pg-bad", 8082, Update::BreaksAfterReboot),
    ("pg-half", 8083, Update::FailsHalfWay),
];

#[derive(Clone, Copy, PartialEq)]
enum Update {
    Good,
    /// Its service wants a file that only the installation makes, in a folder that a boot empties.
    BreaksAfterReboot,
    /// Its postinst fails.
    FailsHalfWay,
}

/// The port of a package's service.
pub fn port(package: &str) -> u16 {
    PACKAGES
        .iter()
        .find(|(name, ..)| *name == package)
        .expect("a known package")
        .1
}

/// Writes `installed/*.deb`, `repo/*.deb` and `repo/Packages`.
pub fn write(folder: &Path) {
    let mut index = String::new();
    for (name, port, update) in PACKAGES {
        build(folder, "installed", name, "1.0", port, Update::Good);
        let deb = build(folder, "repo", name, "2.0", port, update);
        let bytes = fs::read(folder.join("repo").join(&deb)).expect("read");
        let hash = Sha256::digest(&bytes);
        write!(
            index,
            "{}Filename: ./{deb}\nSize: {}\nSHA256: {}\n\n",
            control(name, "2.0"),
            bytes.len(),
            patchgate::input::hex(&hash)
        )
        .expect("write");
    }
    fs::write(folder.join("repo/Packages"), index).expect("write");
}

/// The role recipe that installs them.
pub fn recipe(more: &str) -> String {
    let quoted = |names: Vec<String>| {
        names
            .iter()
            .map(|name| format!("\"{name}\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let debs = PACKAGES
        .iter()
        .map(|(name, ..)| format!("packages/installed/{name}_1.0_all.deb"));
    let units = PACKAGES.iter().map(|(name, ..)| format!("{name}.service"));
    let mut recipe = format!(
        "debs = [{}]\nenable = [{}]\n{more}",
        quoted(debs.collect()),
        quoted(units.collect())
    );
    recipe.push_str(
        "\n[[file]]\npath = \"/etc/apt/sources.list\"\ncontent = \"deb [trusted=yes] file:/srv/repo ./\\n\"\n",
    );
    let debs = PACKAGES.iter().map(|(name, ..)| format!("{name}_2.0_all.deb"));
    for file in debs.chain(["Packages".to_owned()]) {
        write!(
            recipe,
            "\n[[file]]\npath = \"/srv/repo/{file}\"\nsource = \"packages/repo/{file}\"\n"
        )
        .expect("write");
    }
    recipe
}

fn control(name: &str, version: &str) -> String {
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: tests <tests@example.org>\nDepends: \
         perl-base\nDescription: a service for patchgate's own tests\n"
    )
}

fn build(folder: &Path, to: &str, name: &str, version: &str, port: u16, update: Update) -> String {
    let tree = folder.join(format!("{name}-{version}"));
    let put = |path: &str, text: String, mode: u32| {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(&path, text).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
    };
    put("DEBIAN/control", control(name, version), 0o644);
    let mut postinst = "#!/bin/sh\nset -e\n".to_owned();
    let mut check = String::new();
    match update {
        Update::Good => {}
        Update::BreaksAfterReboot => {
            check = format!("die \"no licence in /run/{name}\" unless -e '/run/{name}/licence';\n");
            write!(postinst, "mkdir -p /run/{name}\ntouch /run/{name}/licence\n").expect("write");
        }
        Update::FailsHalfWay => postinst.push_str("echo 'cannot migrate the settings' >&2\nexit 1\n"),
    }
    write!(
        postinst,
        "[ -d /run/systemd/system ] || exit 0\nsystemctl daemon-reload\nsystemctl restart {name}.service\n"
    )
    .expect("write");
    put("DEBIAN/postinst", postinst, 0o755);
    put(
        &format!("usr/lib/{name}/server"),
        format!(
            r#"#!/usr/bin/perl
use strict; use IO::Socket::INET;
{check}my $server = IO::Socket::INET->new(LocalPort => {port}, Listen => 5, ReuseAddr => 1) or die $!;
while (my $client = $server->accept) {{
    while (<$client>) {{ last if /^\r?$/ }}
    print $client "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n{name} {version}\n";
    close $client;
}}
"#
        ),
        0o755,
    );
    put(
        &format!("lib/systemd/system/{name}.service"),
        format!(
            "[Unit]\nDescription={name}\n\n[Service]\nExecStart=/usr/lib/{name}/server\n\n[Install]\nWantedBy=multi-user.target\n"
        ),
        0o644,
    );
    fs::create_dir_all(folder.join(to)).expect("folder");
    let deb = format!("{name}_{version}_all.deb");
    // The same bytes every time, so that the image's digest is the same and it is built once.
    let output = Command::new("dpkg-deb")
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .args(["--root-owner-group", "--build"])
        .arg(&tree)
        .arg(folder.join(to).join(&deb))
        .output()
        .expect("dpkg-deb starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    deb
}
