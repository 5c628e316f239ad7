//! The keys of a scenario file: one table, from which the parser takes what it knows and `scenario schema` what it says.

use crate::measure::{REPEAT, WARMUP};

/// A table of a scenario file.
#[derive(Debug)]
pub struct Table {
    /// Its name in the schema.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// One key of a table.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
    /// What it means.
    pub about: &'static str,
}

/// What a value looks like.
#[derive(Debug)]
pub enum Shape {
    /// A text.
    Text,
    /// True or false.
    Flag,
    /// `true` and nothing else.
    True,
    /// A whole number of a range.
    Whole(i64, i64),
    /// A number, or a text that holds one or a variable.
    Number,
    /// A time span, such as `"30s"`.
    Span,
    /// One of some words.
    Word(&'static [&'static str]),
    /// A list of texts, with at least so many entries.
    Texts(usize),
    /// Any name, each with such a value.
    Map(&'static Shape),
    /// A table.
    Table(&'static Table),
    /// A list of tables.
    Tables(&'static Table),
    /// One or another.
    Either(&'static [Shape]),
    /// Anything that JSON can hold.
    Anything,
}

impl Table {
    /// The names of its keys.
    pub fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }
}

const fn key(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key {
        name,
        shape,
        required: false,
        about,
    }
}

const fn required(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key {
        name,
        shape,
        required: true,
        about,
    }
}

/// What is expected of a text: the text itself, or a table.
static EXPECTED: Shape = Shape::Either(&[Shape::Text, Shape::Table(&TEXT)]);
/// What is expected of a value of a JSON document.
static JSON_EXPECTED: Shape = Shape::Either(&[Shape::Text, Shape::Number, Shape::Flag, Shape::Table(&TEXT)]);
static TEXTS: Shape = Shape::Text;
static CAPTURES: Shape = Shape::Either(&[Shape::Word(&["output"]), Shape::Table(&CAPTURE)]);

macro_rules! text_keys {
    ($($more:expr),* $(,)?) => {
        &[
            $($more,)*
            key("equals", Shape::Text, "It is this text; white space at its end does not count."),
            key("contains", Shape::Text, "It has this text in it."),
            key("matches", Shape::Text, "This regular expression matches somewhere in it."),
            key("at_least", Shape::Number, "It is a number of at least this."),
            key("at_most", Shape::Number, "It is a number of at most this."),
            key("above", Shape::Number, "It is a number greater than this."),
            key("below", Shape::Number, "It is a number less than this."),
            key("equals_number", Shape::Number, "It is this number, however it is written."),
        ]
    };
}

/// What is expected of a text.
pub static TEXT: Table = Table {
    name: "text",
    about: "What is expected of a text; all that is given must hold.",
    keys: text_keys![key(
        "json",
        Shape::Map(&JSON_EXPECTED),
        "It is JSON, and what these JSONPaths select is as expected."
    )],
};

/// The top of the file.
pub static SCENARIO: Table = Table {
    name: "scenario",
    about: "A department's smoke test.",
    keys: &[
        required("title", Shape::Text, "What it shows, in the department's words."),
        required("owner", Shape::Text, "Who answers for it."),
        key(
            "timeout",
            Shape::Span,
            "How long one whole run may take; 2m unless given.",
        ),
        key(
            "required",
            Shape::Flag,
            "Whether the gate needs it; true unless given.",
        ),
        key(
            "retries",
            Shape::Whole(0, 3),
            "Whole runs more after a failure; a pass on one of them is flaky.",
        ),
        key("vars", Shape::Map(&VALUES), "Constants, used as ${name}."),
        required("step", Shape::Tables(&STEP), "The steps, in order."),
        key(
            "cleanup",
            Shape::Tables(&CLEANUP),
            "Steps that are run at the end in any case and decide nothing.",
        ),
    ],
};

static VALUES: Shape = Shape::Either(&[Shape::Text, Shape::Number]);

macro_rules! step_keys {
    ($($more:expr),* $(,)?) => {
        &[
            required("name", Shape::Text, "What it checks, in the department's words."),
            required("on", Shape::Text, "The role whose node it runs on."),
            key("timeout", Shape::Span, "How long one attempt may take; 30s unless given."),
            key("retry", Shape::Table(&RETRY), "It is tried again until it passes."),
            key("capture", Shape::Map(&CAPTURES), "What later steps can use of its output, as ${name}."),
            key("secrets", Shape::Texts(1), "The lab's secrets that are handed to it."),
            key("each", Shape::Texts(1), "One step for each entry, which is ${item}."),
            key("user", Shape::Text, "The guest's user who runs `run` or `script`; root unless given."),
            key("expect", Shape::Table(&EXPECT), "What is expected of `run` or `script`."),
            $($more,)*
            key("run", Shape::Text, "A shell command in the guest."),
            key("http", Shape::Table(&HTTP), "An HTTP request that the node makes."),
            key("tcp", Shape::Either(&[Shape::Text, Shape::Table(&TCP)]), "A TCP connection that the node makes."),
            key("service", Shape::Either(&[Shape::Text, Shape::Table(&SERVICE)]), "The state of a service."),
            key("file", Shape::Either(&[Shape::Text, Shape::Table(&FILE)]), "A file of the guest."),
            key("package", Shape::Either(&[Shape::Text, Shape::Table(&PACKAGE)]), "A package of the guest."),
            key("script", Shape::Table(&SCRIPT), "A file of the department's, run in the guest."),
            key("sql", Shape::Table(&SQL), "A query of a database."),
            key("log", Shape::Table(&LOG), "What must not have been logged since the step before began."),
            key("wait", Shape::Span, "A pause."),
            key("reboot", Shape::True, "The node reboots, and must come back within the step's timeout."),
        ]
    };
}

/// The keys that name an action.
pub const ACTIONS: [&str; 11] = [
    "run", "http", "tcp", "service", "file", "package", "script", "sql", "log", "wait", "reboot",
];

/// `[[step]]`
pub static STEP: Table = Table {
    name: "step",
    about: "One action and what is expected of it.",
    keys: step_keys![
        key(
            "when",
            Shape::Word(&["after-reboot", "before-updates"]),
            "When it runs; after the reboot unless given."
        ),
        key(
            "measure",
            Shape::Table(&MEASURE),
            "Its time is compared between the arms."
        ),
    ],
};

/// `measure` of a step.
pub static MEASURE: Table = Table {
    name: "measure",
    about: "How a step's time is compared between the arms.",
    keys: &[
        required(
            "repeat",
            Shape::Whole(REPEAT.0 as i64, REPEAT.1 as i64),
            "Samples in each arm.",
        ),
        key(
            "warmup",
            Shape::Whole(0, WARMUP as i64),
            "Rounds before the samples; 3 unless given.",
        ),
        key(
            "statistic",
            Shape::Word(&["p95", "median"]),
            "What is compared; the lab's unless given.",
        ),
        key(
            "slower",
            Shape::Text,
            "How much slower is too slow, such as \"30%\"; the lab's unless given.",
        ),
    ],
};

/// `[[cleanup]]`
pub static CLEANUP: Table = Table {
    name: "cleanup",
    about: "A step that is run at the end in any case and decides nothing.",
    keys: step_keys![],
};

/// `retry` of a step.
pub static RETRY: Table = Table {
    name: "retry",
    about: "A window in which a step is tried again until it passes.",
    keys: &[
        required(
            "window",
            Shape::Span,
            "From the first attempt; no attempt starts later.",
        ),
        required("every", Shape::Span, "The pause between attempts."),
    ],
};

/// A variable of `capture`.
pub static CAPTURE: Table = Table {
    name: "capture",
    about: "Which part of a step's output becomes a variable; exactly one key.",
    keys: &[
        key("json", Shape::Text, "The one value that this JSONPath selects."),
        key(
            "matches",
            Shape::Text,
            "The first group of this regular expression, or its whole match.",
        ),
        key("header", Shape::Text, "This header of the response."),
    ],
};

/// `expect` of `run` and `script`.
pub static EXPECT: Table = Table {
    name: "expect",
    about: "What is expected of a command.",
    keys: &[
        key("exit", Shape::Whole(0, 255), "Its exit code; 0 unless given."),
        key("stdout", EXPECTED_SHAPE, "Its standard output."),
        key("stderr", EXPECTED_SHAPE, "Its standard error."),
    ],
};

const EXPECTED_SHAPE: Shape = Shape::Either(&[Shape::Text, Shape::Table(&TEXT)]);

/// `http`
pub static HTTP: Table = Table {
    name: "http",
    about: "An HTTP request that the node makes, and the answer that is expected.",
    keys: text_keys![
        required(
            "url",
            Shape::Text,
            "http://host/path or https://host/path; the host is a role or a name the guest knows."
        ),
        key(
            "method",
            Shape::Word(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
            "GET unless given, or POST where something is sent."
        ),
        key("headers", Shape::Map(&TEXTS), "Headers of the request."),
        key("body", Shape::Text, "The body of the request."),
        key("form", Shape::Map(&TEXTS), "Fields of a form, sent as the body."),
        key("json", Shape::Anything, "A JSON document, sent as the body."),
        key("auth", Shape::Table(&AUTH), "Basic authentication."),
        key(
            "cookies",
            Shape::Flag,
            "Whether cookies are kept and sent; true unless given."
        ),
        key(
            "follow",
            Shape::Whole(0, 10),
            "How many redirects are followed; none unless given."
        ),
        key(
            "ca",
            Shape::Text,
            "A file of the department's folder with the authority of an https server, in PEM."
        ),
        key(
            "ca_in_guest",
            Shape::Text,
            "A file of the guest with the authority of an https server, in PEM."
        ),
        key(
            "status",
            Shape::Whole(100, 599),
            "The status code that is expected; 200 unless given."
        ),
        key(
            "response",
            Shape::Map(&EXPECTED),
            "What is expected of headers of the answer."
        ),
        key(
            "response_json",
            Shape::Map(&JSON_EXPECTED),
            "The answer is JSON, and what these JSONPaths select is as expected."
        ),
    ],
};

/// `auth` of `http`.
pub static AUTH: Table = Table {
    name: "auth",
    about: "Basic authentication.",
    keys: &[
        required("user", Shape::Text, "The user's name."),
        required("password", Shape::Text, "The password, best as ${SECRET}."),
    ],
};

/// `tcp`
pub static TCP: Table = Table {
    name: "tcp",
    about: "A TCP connection that the node makes.",
    keys: &[
        required("host", Shape::Text, "A role or a name the guest knows."),
        required("port", Shape::Whole(1, 65_535), "The port."),
        key(
            "open",
            Shape::Flag,
            "Whether a connection must be accepted; true unless given.",
        ),
    ],
};

/// `service`
pub static SERVICE: Table = Table {
    name: "service",
    about: "The state of a service.",
    keys: &[
        required("name", Shape::Text, "Its name, such as nginx."),
        key(
            "running",
            Shape::Flag,
            "Whether it must be running; true unless given.",
        ),
        key("enabled", Shape::Flag, "Whether it must be started at boot."),
    ],
};

/// `file`
pub static FILE: Table = Table {
    name: "file",
    about: "A file of the guest.",
    keys: text_keys![
        required("path", Shape::Text, "Its absolute path."),
        key("exists", Shape::Flag, "Whether it must exist; true unless given."),
        key("mode", Shape::Text, "Its permission bits, such as 0644."),
        key("owner", Shape::Text, "Its owner's name."),
        key(
            "json",
            Shape::Map(&JSON_EXPECTED),
            "It is JSON, and what these JSONPaths select is as expected."
        ),
    ],
};

/// `package`
pub static PACKAGE: Table = Table {
    name: "package",
    about: "A package of the guest.",
    keys: &[
        required("name", Shape::Text, "Its name."),
        key(
            "installed",
            Shape::Flag,
            "Whether it must be installed; true unless given.",
        ),
        key("version", EXPECTED_SHAPE, "Its version."),
    ],
};

/// `script`
pub static SCRIPT: Table = Table {
    name: "script",
    about: "A file of the department's folder, put into the guest, run there and removed again.",
    keys: &[
        required(
            "file",
            Shape::Text,
            "Its path in the department's folder; at most 1 MiB.",
        ),
        required(
            "interpreter",
            Shape::Either(&[Shape::Text, Shape::Texts(1)]),
            "The program that runs it, with the arguments that come before the file.",
        ),
        key("args", Shape::Texts(0), "The arguments that come after the file."),
        key(
            "output",
            Shape::Word(&["exit", "tap", "junit"]),
            "What its output means; exit unless given.",
        ),
        key(
            "results",
            Shape::Text,
            "The guest's file that has the results; standard output unless given.",
        ),
    ],
};

/// `sql`
pub static SQL: Table = Table {
    name: "sql",
    about: "A query through the client of a database server in the guest.",
    keys: text_keys![
        required("database", Shape::Text, "The database."),
        required("query", Shape::Text, "One statement, or several."),
        key(
            "engine",
            Shape::Word(&["postgresql", "mysql", "sqlserver"]),
            "Which server; postgresql unless given."
        ),
        key(
            "host",
            Shape::Text,
            "The server's host; the node itself unless given."
        ),
        key("port", Shape::Whole(1, 65_535), "The server's port."),
        key("user", Shape::Text, "The database's user."),
        key("password", Shape::Text, "The user's password, best as ${SECRET}."),
        key(
            "rows",
            EXPECTED_SHAPE,
            "The rows that are expected: one to a line, columns separated by |."
        ),
        key(
            "json",
            Shape::Map(&JSON_EXPECTED),
            "The answer is JSON, and what these JSONPaths select is as expected."
        ),
    ],
};

/// `log`
pub static LOG: Table = Table {
    name: "log",
    about: "What must not have been logged since the step before began; a unit or a file.",
    keys: &[
        key(
            "unit",
            Shape::Text,
            "The unit whose journal is read, such as nginx.",
        ),
        key("file", Shape::Text, "The absolute path of a log file."),
        required(
            "unexpected",
            Shape::Text,
            "A regular expression that no new line may match.",
        ),
    ],
};
