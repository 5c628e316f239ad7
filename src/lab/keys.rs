//! The keys of the lab file: what its reader knows and asks for, what docs/lab.md lists, and what `patchgate schema lab` says.

mod image;

use crate::input::keys::{Key, Shape, Table};
use crate::lab::keys::image::IMAGE;
use crate::lab::scenario::keys::{COMMAND, LOOKS};
use crate::model::observation::Class;

/// The whole file.
pub static LAB_FILE: Table = Table {
    name: "lab-file",
    about: "A lab: its hosts, images, roles and groups, and what is made of what they show.",
    groups: &[&[
        Key::required(
            "lab",
            Shape::Table(&LAB),
            "The lab's name, and which updates it rehearses.",
        ),
        Key::optional("network", Shape::Table(&NETWORK), "What clones may reach."),
        Key::optional(
            "host",
            Shape::Tables(&HOST, 0),
            "The libvirt daemons that run the clones, one [[host]] each.",
        )
        .unless_given("one with every default"),
        Key::optional(
            "image",
            Shape::Map(&Shape::Table(&IMAGE)),
            "The image of an OS version, [image.debian-12], or of a disk that has its role already, \
             [image.\"debian-12+web\"].",
        ),
        Key::optional(
            "role",
            Shape::Map(&Shape::Table(&ROLE)),
            "What a server is for, [role.NAME].",
        ),
        Key::optional(
            "group",
            Shape::Map(&Shape::Table(&GROUP)),
            "A system with an owner and an admin, [group.NAME]: one cell for each of its OS versions.",
        ),
        Key::optional(
            "secret",
            Shape::Map(&Shape::Table(&SECRET)),
            "Where a secret is, [secret.NAME]; read at the start of a run.",
        ),
        Key::optional(
            "deadlines",
            Shape::Table(&DEADLINES),
            "How long each wait may take.",
        ),
        Key::optional(
            "performance",
            Shape::Table(&PERFORMANCE),
            "When a slowdown of a measured step counts.",
        ),
        Key::optional(
            "drift",
            Shape::Table(&DRIFT),
            "What a difference between the arms does.",
        ),
        Key::optional(
            "soak",
            Shape::Table(&SOAK),
            "When the nodes are looked at once more after the reboot.",
        ),
    ]],
    elsewhere: &[
        ("name", "it belongs below [lab]"),
        ("updates", "it belongs below [lab]"),
        ("exclude", "it belongs below [lab]"),
        ("listed", "it belongs below [lab]"),
        (
            "scenarios",
            "it belongs below [lab] (the folder) or [group.NAME] (the list)",
        ),
        ("uri", "it belongs below [[host]]"),
        (
            "step",
            "this is a lab file; steps belong in scenarios/<department>/<name>.toml",
        ),
    ],
};

/// `[lab]`
pub static LAB: Table = Table {
    name: "lab",
    about: "The lab itself.",
    groups: &[&[
        Key::required("name", Shape::Filled, "The lab's name.").such_as(&["\"hq\""]),
        Key::optional(
            "updates",
            Shape::Word(&["security", "all", "listed"]),
            "Which updates make up the set: those of the security archive, all that are pending, or those of the packages \
             that are listed.",
        )
        .usually("\"security\""),
        Key::optional(
            "listed",
            Shape::Texts(0),
            "The packages of updates = \"listed\".",
        )
        .such_as(&["[\"openssl\"]"]),
        Key::optional("exclude", Shape::Texts(0), "Packages that are left as they are.")
            .such_as(&["[\"mariadb-server\"]"]),
        Key::optional(
            "expect_updates",
            Shape::Flag,
            "Whether a node with nothing pending leaves the gate undecided: an empty window proves nothing.",
        )
        .usually("true"),
        Key::optional(
            "kept_back",
            Shape::Word(&["note", "undecide"]),
            "What becomes of the gate where a guest's package manager holds or keeps back pending updates. They are named in \
             any case.",
        )
        .usually("\"note\""),
        Key::optional(
            "security_origins",
            Shape::Texts(1),
            "The origins of security updates: LABEL or LABEL:ARCHIVE as the package manager shows them, with `*` for anything.",
        )
        .unless_given("the distribution's own")
        .such_as(&["[\"Acme:*-security\"]"]),
        Key::optional(
            "clone",
            Shape::Word(&["warm", "cold"]),
            "Whether clones go on from a saved state, or each is booted.",
        )
        .usually("\"warm\""),
        Key::optional(
            "reboot",
            Shape::Word(&["always", "when-needed"]),
            "Whether a cell reboots after the updates always, or only where they need it.",
        )
        .usually("\"always\""),
        Key::optional(
            "confirm",
            Shape::Whole(0, 4),
            "In how many fresh pairs of arms what would close the gate must show itself again; with 0 a single sight is proof.",
        )
        .usually("1"),
        Key::optional(
            "confirm_pairs",
            Shape::Whole(1, 4),
            "Out of how many fresh pairs of arms, at most.",
        )
        .unless_given("as many as `confirm`")
        .such_as(&["2"]),
        Key::optional("scenarios", Shape::Path, "The folder of the departments' scenarios.")
            .usually("\"scenarios\"")
            .such_as(&["\"scenarios\""]),
    ]],
    elsewhere: &[
        ("os", "it belongs below [group.NAME]"),
        ("uri", "it belongs below [[host]]"),
    ],
};

/// `[network]`
pub static NETWORK: Table = Table {
    name: "network",
    about: "What clones may reach.",
    groups: &[&[
        Key::optional(
            "mode",
            Shape::Word(&["isolated", "open"]),
            "Whether clones reach the update sources and nothing else, or whatever the host reaches.",
        )
        .usually("\"isolated\""),
        Key::optional(
            "sources",
            Shape::Texts(0),
            "Update sources beside those of the images' recipes, as http://host[:port]/path.",
        )
        .such_as(&["[\"http://deb.debian.org/debian\"]"]),
    ]],
    elsewhere: &[
        (
            "proxy",
            "patchgate starts a proxy of its own; list what it may let through as `sources`",
        ),
        ("allow", "it is called `sources`"),
    ],
};

/// `[[host]]`
pub static HOST: Table = Table {
    name: "host",
    about: "A libvirt daemon, and what clones may use of its machine.",
    groups: &[&[
        Key::optional(
            "uri",
            Shape::Text,
            "A libvirt URI; auto takes qemu:///system where it answers, else qemu:///session.",
        )
        .usually("\"auto\"")
        .such_as(&["\"qemu:///system\""]),
        Key::optional(
            "accel",
            Shape::Word(&["auto", "kvm", "tcg"]),
            "How guests are run; auto probes KVM with a real guest and falls back to TCG.",
        )
        .usually("\"auto\""),
        Key::optional(
            "memory",
            Shape::Size,
            "Memory that clones may use at once; never more than is free, less 1GiB.",
        )
        .unless_given("what is free")
        .such_as(&["\"16GiB\""]),
        Key::optional(
            "vcpus",
            Shape::Whole(1, 65_536),
            "vCPUs that clones may use at once.",
        )
        .unless_given("the host's CPUs")
        .such_as(&["8"]),
    ]],
    elsewhere: &[("cpus", "it is called `vcpus`")],
};

/// `[role.NAME]`
pub static ROLE: Table = Table {
    name: "role",
    about: "What a server is for: the layer on its image, and the size of its nodes.",
    groups: &[&[
        Key::optional(
            "recipe",
            Shape::Path,
            "The recipe of its layer, relative to the lab file; without one the image must have been imported as OS+ROLE.",
        )
        .such_as(&["\"images/roles/web.toml\""]),
        Key::optional("memory", Shape::Size, "Guest memory of its nodes.").usually("\"512MiB\""),
        Key::optional("vcpus", Shape::Whole(1, 1024), "Guest vCPUs of its nodes.").usually("1"),
        Key::optional(
            "host",
            Shape::Text,
            "The name by which its node is known in a cell.",
        )
        .unless_given("the role's own name")
        .such_as(&["\"app\""]),
        Key::optional(
            "addresses",
            Shape::Word(&["give", "keep"]),
            "Whether patchgate gives its nodes name and address, or their own network is left as it is where they come from.",
        )
        .usually("\"give\""),
        Key::optional(
            "ready",
            Shape::Table(&READY),
            "What must hold before the next node is started; its services have settled in any case.",
        )
        .such_as(&["{ tcp = \"localhost:5432\" }"]),
    ]],
    elsewhere: &[
        ("build", "it is called `recipe`"),
        ("cpus", "it is called `vcpus`"),
        ("hostname", "it is called `host`"),
    ],
};

/// `ready` of a role: written like the action of a scenario's step.
pub static READY: Table = Table {
    name: "ready",
    about: "What must hold on a node before the next one is started.",
    groups: &[
        &[Key::optional("within", Shape::Span, "How long it may take after the boot.").usually("\"3m\"")],
        &COMMAND,
        &LOOKS,
    ],
    elsewhere: &[("timeout", "it is called `within`")],
};

/// `[group.NAME]`
pub static GROUP: Table = Table {
    name: "group",
    about: "A system with an owner and an admin.",
    groups: &[&[
        Key::required("owner", Shape::Filled, "Who answers for it.")
            .such_as(&["\"Web shop <shop@example.org>\""]),
        Key::required("admin", Shape::Filled, "Who patches it.")
            .such_as(&["\"Server team <servers@example.org>\""]),
        Key::required("os", Shape::Texts(1), "Its OS versions, one cell each.").such_as(&["[\"debian-12\"]"]),
        Key::required("roles", Shape::Texts(1), "Its roles in start order, one VM each.")
            .such_as(&["[\"web\"]"]),
        Key::optional("reboot", Shape::Texts(1), "The order in which its roles reboot.")
            .unless_given("the start order")
            .such_as(&["[\"database\", \"app\"]"]),
        Key::required(
            "scenarios",
            Shape::Texts(1),
            "The departments whose scenarios test it; without one nothing is tested.",
        )
        .such_as(&["[\"web\"]"]),
        Key::optional("required", Shape::Flag, "Whether the gate needs its cells.").usually("true"),
        Key::optional(
            "drift",
            Shape::Table(&DRIFT),
            "What it says of drift beyond the lab's [drift].",
        ),
        Key::optional(
            "soak",
            Shape::Table(&SOAK),
            "What it says beyond the lab's [soak].",
        ),
    ]],
    elsewhere: &[
        ("exclude", "it belongs below [lab]"),
        ("updates", "it belongs below [lab]"),
    ],
};

/// `[secret.NAME]`
pub static SECRET: Table = Table {
    name: "secret",
    about: "Where a secret is, never what it is, and who may use it.",
    groups: &[&[
        Key::one_of(
            "env",
            Shape::Filled,
            "The environment variable of patchgate that holds it.",
        )
        .such_as(&["\"ERP_PASSWORD\""]),
        Key::one_of(
            "file",
            Shape::Path,
            "The file that holds it, relative to the lab file; white space at its end does not count.",
        )
        .such_as(&["\"secrets/erp-password\""]),
        Key::required("departments", Shape::Texts(1), "Whose scenarios may ask for it.")
            .such_as(&["[\"erp\"]"]),
    ]],
    elsewhere: &[(
        "value",
        "a secret does not belong into a file that others read: name where it is with `env` or `file`",
    )],
};

/// `[deadlines]`
pub static DEADLINES: Table = Table {
    name: "deadlines",
    about: "How long each wait may take. The defaults fit a host without KVM.",
    groups: &[&[
        deadline("boot", "From power-on to the guest agent's first answer.").usually("\"5m\""),
        deadline("resolve", "Reading the update sources and resolving the set.").usually("\"5m\""),
        deadline("download", "Fetching the set.").usually("\"15m\""),
        deadline("apply", "Installing the set.").usually("\"60m\""),
        deadline("reboot", "From the reboot request to the agent's answer.").usually("\"10m\""),
    ]],
    elsewhere: &[],
};

const fn deadline(name: &'static str, about: &'static str) -> Key {
    Key::optional(name, Shape::Span, about)
}

/// `[performance]`
pub static PERFORMANCE: Table = Table {
    name: "performance",
    about: "When a slowdown of a measured step counts.",
    groups: &[&[
        Key::optional(
            "statistic",
            Shape::Word(&["p95", "median"]),
            "What is compared of measured steps.",
        )
        .usually("\"p95\""),
        Key::optional(
            "slower",
            Shape::Share,
            "How much slower than control is too slow, from 1% to 10000%.",
        )
        .usually("\"30%\""),
        Key::optional(
            "confidence",
            Shape::Fraction(0.8, 0.999),
            "How sure that must be.",
        )
        .usually("0.95")
        .such_as(&["0.95"]),
    ]],
    elsewhere: &[
        ("repeat", "it belongs to a step: measure = { repeat = 20 }"),
        (
            "warmup",
            "it belongs to a step: measure = { repeat = 20, warmup = 3 }",
        ),
    ],
};

/// `[drift]` and `[group.NAME.drift]`
pub static DRIFT: Table = Table {
    name: "drift",
    about: "What a difference between the arms does, by its class, and which items are left out.",
    groups: &[&[
        class(Class::Service, "Services and sockets.").usually("\"fail\""),
        class(Class::Listening, "TCP and UDP sockets with their programs.").usually("\"fail\""),
        class(Class::Restart, "How often a service was restarted by itself.").usually("\"fail\""),
        class(Class::Kernel, "The running and the newest installed kernel.").usually("\"fail\""),
        class(Class::Package, "Versions and states of packages.").usually("\"fail\""),
        class(Class::Config, "Files below /etc.").usually("\"fail\""),
        class(Class::Taint, "The kernel's taint flags, oopses and hung tasks.").usually("\"fail\""),
        class(Class::Dump, "Core dumps.").usually("\"fail\""),
        class(Class::Mount, "Mounted file systems.").usually("\"fail\""),
        class(Class::User, "Users and groups.").usually("\"fail\""),
        class(Class::Firewall, "Rules of the firewall.").usually("\"fail\""),
        class(
            Class::Stale,
            "Processes that run code which is deleted on the disk.",
        )
        .usually("\"warn\""),
        class(Class::Journal, "Errors of this boot.").usually("\"warn\""),
        class(Class::Leftover, "Files that package scripts left below /etc.").usually("\"warn\""),
        class(Class::Certificate, "Certificates below /etc that soon expire.").usually("\"warn\""),
        class(Class::Timer, "Active timers.").usually("\"warn\""),
        class(Class::Enabled, "Units that are enabled or masked.").usually("\"warn\""),
        class(Class::Disk, "Disk in use, by mount.").usually("\"warn\""),
        class(Class::Memory, "Memory in use, in all and by program.").usually("\"warn\""),
        class(Class::Boot, "Time to the end of the boot.").usually("\"warn\""),
        Key::optional(
            "ignore",
            Shape::Texts(0),
            "Items that are left out, as CLASS:ITEM, with `*` for several.",
        )
        .such_as(&["[\"service:foo.service\", \"journal:*\"]"]),
    ]],
    elsewhere: &[
        ("services", "it is called `service`"),
        ("ports", "it is called `listening`"),
        ("port", "it is called `listening`"),
        ("packages", "it is called `package`"),
        ("files", "it is called `config`"),
        ("errors", "it is called `journal`"),
        ("users", "it is called `user`"),
    ],
};

/// `[soak]` and `[group.NAME.soak]`
pub static SOAK: Table = Table {
    name: "soak",
    about: "How long both arms go on after the reboot until their nodes are looked at once more.",
    groups: &[&[
        Key::optional("look", Shape::Flag, "Whether they are.").usually("true"),
        Key::optional(
            "time",
            Shape::Span,
            "How long after the reboot; the time that scenarios take counts.",
        )
        .usually("\"90s\"")
        .such_as(&["\"10m\""]),
        Key::optional(
            "scenarios",
            Shape::Flag,
            "Whether the required scenarios run once more then.",
        )
        .usually("false"),
    ]],
    elsewhere: &[],
};

const fn class(class: Class, about: &'static str) -> Key {
    Key::optional(class.word(), Shape::Word(&["fail", "warn", "ignore"]), about)
}
