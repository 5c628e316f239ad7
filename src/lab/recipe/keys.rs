//! The keys of recipes: what their reader knows and asks for, what docs/images.md lists, and what `patchgate schema recipe`
//! says.

use crate::input::keys::{Key, Shape, Table};

/// What is done to the installed system, by either recipe.
static CHANGES: [Key; 4] = [
    Key::optional("mask", Shape::Texts(0), "systemd units to mask.").such_as(&["[\"apt-daily.timer\"]"]),
    Key::optional("enable", Shape::Texts(0), "systemd units to enable.").such_as(&["[\"nginx.service\"]"]),
    Key::optional(
        "commands",
        Shape::Texts(0),
        "Shell commands, run as root in a chroot, without a network.",
    )
    .such_as(&["[\"nginx -t\"]"]),
    Key::optional(
        "file",
        Shape::Tables(&FILE, 0),
        "Files to write, [[file]], owned by root.",
    ),
];

const fn packages(about: &'static str) -> Key {
    Key::optional("packages", Shape::Texts(0), about).such_as(&["[\"nginx\"]"])
}

/// An OS recipe, `[image.OS] build`.
pub static OS: Table = Table {
    name: "os-recipe",
    about: "What the disk of an OS version is built from.",
    groups: &[
        &[
            Key::required(
                "os",
                Shape::Filled,
                "The OS version that it builds, as the lab file names it.",
            )
            .such_as(&["\"debian-12\""]),
            Key::required("suite", Shape::Filled, "The distribution's own name for it.")
                .such_as(&["\"bookworm\""]),
            Key::required(
                "mirror",
                Shape::Filled,
                "Where packages come from while building.",
            )
            .such_as(&["\"http://deb.debian.org/debian\""]),
            Key::required("disk", Shape::Size, "The disk's size, from 1GiB to 64GiB.").such_as(&["\"4GiB\""]),
            packages("Packages beside the essential ones, all from the suite's main."),
            Key::optional(
                "apt",
                Shape::Texts(0),
                "Options of apt, while building and in the guest.",
            )
            .such_as(&["['APT::Install-Recommends \"false\"']"]),
            Key::optional(
                "dpkg",
                Shape::Texts(0),
                "Options of dpkg, while building and in the guest.",
            )
            .such_as(&["[\"force-unsafe-io\"]"]),
            Key::required(
                "sources",
                Shape::Texts(1),
                "The guest's own update sources: lines of its sources.list.",
            )
            .such_as(&["[\"deb http://deb.debian.org/debian bookworm main\"]"]),
            Key::optional(
                "kernel",
                Shape::Text,
                "The kernel's command line, beside its root file system.",
            )
            .usually("\"console=ttyS0 quiet net.ifnames=0 no_timer_check\""),
        ],
        &CHANGES,
    ],
    elsewhere: &[
        ("packages_for", "it belongs into the recipe of a role"),
        ("fetch", "it belongs into the recipe of a role"),
        ("debs", "it belongs into the recipe of a role"),
        ("release", "it is called `suite`"),
        ("files", "write each file as [[file]]"),
        ("package", "it is called `packages`"),
        ("run", "it is called `commands`"),
    ],
};

const OF_OS: &str =
    "it belongs into the recipe of an OS version; a role's is a layer on whichever its groups name";

/// A role recipe, `[role.NAME] recipe`.
pub static ROLE: Table = Table {
    name: "role-recipe",
    about: "The layer of a role on the disk of an OS version.",
    groups: &[
        &[
            packages("Packages from the base's own release."),
            Key::optional(
                "packages_for",
                Shape::Map(&Shape::Texts(0)),
                "The packages on OS versions where they are named differently, instead of `packages`.",
            )
            .such_as(&["{ debian-11 = [\"nginx-light\"] }"]),
            Key::optional(
                "fetch",
                Shape::Texts(0),
                "Packages that are only fetched, with what they depend on; `commands` install them, where their scripts \
                 need something that runs (apt-get install finds them without a network).",
            )
            .such_as(&["[\"exim4\"]"]),
            Key::optional(
                "debs",
                Shape::Texts(0),
                "Local package files, relative to the recipe.",
            )
            .such_as(&["[\"shop_1.0_all.deb\"]"]),
        ],
        &CHANGES,
    ],
    elsewhere: &[
        ("os", OF_OS),
        ("suite", OF_OS),
        ("mirror", OF_OS),
        ("disk", OF_OS),
        ("apt", OF_OS),
        ("dpkg", OF_OS),
        ("sources", OF_OS),
        ("kernel", OF_OS),
        ("role", "the lab file names the role: [role.NAME]"),
        ("files", "write each file as [[file]]"),
        ("package", "it is called `packages`"),
        ("run", "it is called `commands`"),
    ],
};

/// `[[file]]`
pub static FILE: Table = Table {
    name: "file",
    about: "A file to write.",
    groups: &[&[
        Key::required("path", Shape::Filled, "Its absolute path in the guest.").such_as(&["\"/etc/motd\""]),
        Key::one_of("content", Shape::Text, "What it holds."),
        Key::one_of(
            "source",
            Shape::Path,
            "The file that it is a copy of, relative to the recipe.",
        )
        .such_as(&["\"files/motd\""]),
        Key::optional("mode", Shape::Text, "Its permission bits, as octal digits.").usually("\"0644\""),
    ]],
    elsewhere: &[
        ("owner", "files are root's; `commands` can give one away: chown"),
        ("text", "it is called `content`"),
        ("from", "it is called `source`"),
        ("name", "it is called `path`"),
    ],
};
