//! What a step can do: one key each, most with a table of its own.

use crate::input::keys::{Key, Shape, Table};
use crate::lab::scenario::keys::text::{EXPECT, EXPECTED, JSON_KEY, TEXT_KEYS, expected, json};

/// What goes with `run` and `script`.
pub static COMMAND: [Key; 2] = [
    Key::optional(
        "user",
        Shape::Text,
        "The guest's user who runs `run` or `script`.",
    )
    .unless_given("root")
    .such_as(&["\"postgres\""]),
    Key::optional(
        "expect",
        Shape::Table(&EXPECT),
        "What is expected of `run` or `script`.",
    )
    .unless_given("exit code 0")
    .such_as(&["{ exit = 0, stdout = \"0.00\" }"]),
];

/// The actions that look at a node and change nothing; a role's `ready` may be one of them as well.
pub static LOOKS: [Key; 6] = [
    Key::one_of("run", Shape::Filled, "A shell command in the guest.")
        .such_as(&["\"systemctl is-active nginx\""]),
    Key::one_of(
        "http",
        Shape::Table(&HTTP),
        "An HTTP request that the node makes.",
    )
    .such_as(&["{ url = \"http://web/\", status = 200 }"]),
    Key::one_of(
        "tcp",
        Shape::Either(&[Shape::Text, Shape::Table(&TCP)]),
        "A TCP connection that the node makes.",
    )
    .such_as(&["\"web:80\"", "{ host = \"web\", port = 80 }"]),
    Key::one_of(
        "service",
        Shape::Either(&[Shape::Text, Shape::Table(&SERVICE)]),
        "The state of a service.",
    )
    .such_as(&["\"nginx\"", "{ name = \"nginx\", enabled = true }"]),
    Key::one_of(
        "file",
        Shape::Either(&[Shape::Text, Shape::Table(&FILE)]),
        "A file of the guest.",
    )
    .such_as(&["{ path = \"/etc/nginx/nginx.conf\", contains = \"...\" }"]),
    Key::one_of(
        "package",
        Shape::Either(&[Shape::Text, Shape::Table(&PACKAGE)]),
        "A package of the guest.",
    )
    .such_as(&[
        "\"nginx\"",
        "{ name = \"nginx\", version = { contains = \"1.22\" } }",
    ]),
];

/// The other actions.
pub static PROGRAMS: [Key; 5] = [
    Key::one_of(
        "script",
        Shape::Table(&SCRIPT),
        "A file of the department's, run in the guest.",
    )
    .such_as(&["{ file = \"smoke.t\", interpreter = \"perl\", output = \"tap\" }"]),
    Key::one_of("sql", Shape::Table(&SQL), "A query of a database.")
        .such_as(&["{ database = \"shop\", query = \"select count(*) from orders\", rows = \"3\" }"]),
    Key::one_of(
        "log",
        Shape::Table(&LOG),
        "What must not have been logged since the step before began.",
    )
    .such_as(&["{ unit = \"nginx\", unexpected = '(?i)error' }"]),
    Key::one_of("wait", Shape::Span, "A pause.").such_as(&["\"5s\""]),
    Key::one_of(
        "reboot",
        Shape::True,
        "The node reboots, and must come back within the step's timeout.",
    ),
];

/// `http`
pub static HTTP: Table = Table {
    name: "http",
    about: "An HTTP request that the node makes, and the answer that is expected.",
    groups: &[
        &[
            Key::required(
                "url",
                Shape::Filled,
                "A URL, http://host/path or https://host/path; the host is a role or a name the guest knows.",
            )
            .such_as(&["\"http://web/\""]),
            Key::optional(
                "method",
                Shape::Word(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
                "The request's method.",
            )
            .unless_given("GET, or POST where something is sent"),
            Key::optional("headers", Shape::Map(&Shape::Text), "Headers of the request.")
                .such_as(&["{ \"accept\" = \"text/html\" }"]),
            Key::optional("body", Shape::Text, "The body of the request."),
            Key::optional(
                "form",
                Shape::Map(&Shape::Text),
                "Fields of a form, sent as the body.",
            )
            .such_as(&["{ user = \"clerk\", lines = \"2\" }"]),
            Key::optional("json", Shape::Anything, "A JSON document, sent as the body."),
            Key::optional("auth", Shape::Table(&AUTH), "Basic authentication.")
                .such_as(&["{ user = \"clerk\", password = \"${CLERK_PASSWORD}\" }"]),
            Key::optional("cookies", Shape::Flag, "Whether cookies are kept and sent.").usually("true"),
            Key::optional("follow", Shape::Whole(0, 10), "How many redirects are followed.").usually("0"),
            Key::optional(
                "ca",
                Shape::Text,
                "A file of the department's folder with the authority of an https server, in PEM.",
            )
            .such_as(&["\"ca.pem\""]),
            Key::optional(
                "ca_in_guest",
                Shape::Text,
                "A file of the guest with the authority of an https server, in PEM.",
            )
            .such_as(&["\"/etc/ssl/certs/ca-certificates.crt\""]),
            Key::optional(
                "status",
                Shape::Whole(100, 599),
                "The status code that is expected.",
            )
            .usually("200"),
            Key::optional(
                "response",
                Shape::Map(&EXPECTED),
                "What is expected of headers of the answer.",
            )
            .such_as(&["{ \"content-type\" = { contains = \"text/html\" } }"]),
            json(
                "response_json",
                "The answer is JSON, and what these JSONPaths select is as expected.",
            ),
        ],
        &TEXT_KEYS,
    ],
    elsewhere: &[
        (
            "header",
            "it is called `headers`; those of the answer are `response`",
        ),
        (
            "insecure",
            "a certificate is always verified; give its authority with `ca`",
        ),
        (
            "user",
            "it belongs inside `auth`: auth = { user = \"...\", password = \"...\" }",
        ),
    ],
};

/// `auth` of `http`.
pub static AUTH: Table = Table {
    name: "auth",
    about: "Basic authentication.",
    groups: &[&[
        Key::required("user", Shape::Filled, "The user's name.").such_as(&["\"clerk\""]),
        Key::required("password", Shape::Filled, "The password, best as ${SECRET}.")
            .such_as(&["\"${CLERK_PASSWORD}\""]),
    ]],
    elsewhere: &[("name", "it is called `user`")],
};

/// `tcp`
pub static TCP: Table = Table {
    name: "tcp",
    about: "A TCP connection that the node makes.",
    groups: &[&[
        Key::required("host", Shape::Filled, "A role or a name the guest knows.").such_as(&["\"web\""]),
        Key::required("port", Shape::Whole(1, 65_535), "The port.").such_as(&["80"]),
        Key::optional("open", Shape::Flag, "Whether a connection must be accepted.").usually("true"),
    ]],
    elsewhere: &[],
};

/// `service`
pub static SERVICE: Table = Table {
    name: "service",
    about: "The state of a service.",
    groups: &[&[
        Key::required("name", Shape::Filled, "Its name, such as nginx.").such_as(&["\"nginx\""]),
        Key::optional("running", Shape::Flag, "Whether it must be running.").usually("true"),
        Key::optional("enabled", Shape::Flag, "Whether it must be started at boot.")
            .unless_given("it is not looked at"),
    ]],
    elsewhere: &[],
};

/// `file`
pub static FILE: Table = Table {
    name: "file",
    about: "A file of the guest.",
    groups: &[
        &[
            Key::required("path", Shape::Filled, "Its absolute path.")
                .such_as(&["\"/etc/nginx/nginx.conf\""]),
            Key::optional("exists", Shape::Flag, "Whether it must exist.").usually("true"),
            Key::optional("mode", Shape::Text, "Its permission bits, such as 0644.").such_as(&["\"0644\""]),
            Key::optional("owner", Shape::Text, "Its owner's name.").such_as(&["\"root\""]),
        ],
        &JSON_KEY,
        &TEXT_KEYS,
    ],
    elsewhere: &[],
};

/// `package`
pub static PACKAGE: Table = Table {
    name: "package",
    about: "A package of the guest.",
    groups: &[&[
        Key::required("name", Shape::Filled, "Its name.").such_as(&["\"nginx\""]),
        Key::optional("installed", Shape::Flag, "Whether it must be installed.").usually("true"),
        expected("version", "Its version."),
    ]],
    elsewhere: &[],
};

/// `script`
pub static SCRIPT: Table = Table {
    name: "script",
    about: "A file of the department's folder, put into the guest, run there and removed again.",
    groups: &[&[
        Key::required(
            "file",
            Shape::Filled,
            "Its path in the department's folder; at most 1 MiB.",
        )
        .such_as(&["\"smoke.t\""]),
        Key::required(
            "interpreter",
            Shape::Either(&[Shape::Text, Shape::Texts(1)]),
            "The program that runs it, with the arguments that come before the file.",
        )
        .such_as(&["\"perl\"", "[\"python3\", \"-m\", \"pytest\"]"]),
        Key::optional("args", Shape::Texts(0), "The arguments that come after the file.")
            .such_as(&["[\"--verbose\"]"]),
        Key::optional(
            "output",
            Shape::Word(&["exit", "tap", "junit"]),
            "What its output means.",
        )
        .usually("\"exit\""),
        Key::optional("results", Shape::Text, "The guest's file that has the results; * and ? stand for any part of its name, where there are several.")
            .unless_given("standard output")
            .such_as(&["\"/tmp/results.xml\"", "\"/tmp/reports/TEST-*.xml\""]),
    ]],
    elsewhere: &[
        ("user", "it belongs to the step, beside `script`"),
        ("path", "it is called `file`"),
    ],
};

/// `sql`
pub static SQL: Table = Table {
    name: "sql",
    about: "A query through the client of a database server in the guest.",
    groups: &[
        &[
            Key::required("database", Shape::Filled, "The database.").such_as(&["\"shop\""]),
            Key::required("query", Shape::Filled, "One statement, or several.")
                .such_as(&["\"select count(*) from orders\""]),
            Key::optional(
                "engine",
                Shape::Word(&["postgresql", "mysql", "sqlserver"]),
                "Which server.",
            )
            .usually("\"postgresql\""),
            Key::optional("host", Shape::Text, "The server's host.")
                .unless_given("the node itself")
                .such_as(&["\"database\""]),
            Key::optional("port", Shape::Whole(1, 65_535), "The server's port."),
            Key::optional("user", Shape::Text, "The database's user.").such_as(&["\"postgres\""]),
            Key::optional("password", Shape::Text, "The user's password, best as ${SECRET}.")
                .such_as(&["\"${SHOP_PASSWORD}\""]),
            expected(
                "rows",
                "The rows that are expected: one to a line, columns separated by |.",
            ),
        ],
        &JSON_KEY,
        &TEXT_KEYS,
    ],
    elsewhere: &[
        (
            "expect",
            "write what is expected beside `query`: rows = \"3|124.95\"",
        ),
        ("db", "it is called `database`"),
    ],
};

/// `log`
pub static LOG: Table = Table {
    name: "log",
    about: "What must not have been logged since the step before began; a unit or a file.",
    groups: &[&[
        Key::one_of(
            "unit",
            Shape::Filled,
            "The unit whose journal is read, such as nginx.",
        )
        .such_as(&["\"nginx\""]),
        Key::one_of("file", Shape::Filled, "The absolute path of a log file.")
            .such_as(&["\"/var/log/app.log\""]),
        Key::required(
            "unexpected",
            Shape::Filled,
            "A regular expression that no new line may match.",
        )
        .such_as(&["'(?i)error'"]),
    ]],
    elsewhere: &[(
        "matches",
        "it is called `unexpected`: lines that must not be there",
    )],
};
