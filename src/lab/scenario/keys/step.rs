//! The file, its steps, and what goes with a step whatever it does.

use crate::input::keys::{Key, Shape, Table};
use crate::lab::scenario::keys::action::{COMMAND, LOOKS, PROGRAMS};
use crate::measure::{REPEAT, WARMUP};

/// The top of the file.
pub static SCENARIO: Table = Table {
    name: "scenario",
    about: "A department's smoke test.",
    groups: &[&[
        Key::required("title", Shape::Filled, "What it shows, in the department's words.")
            .such_as(&["\"Post an invoice and find it in the ledger\""]),
        Key::required("owner", Shape::Filled, "Who answers for it.").such_as(&["\"finance-apps\""]),
        Key::optional("timeout", Shape::Span, "How long one whole run may take.")
            .usually("\"2m\"")
            .such_as(&["\"2m\""]),
        Key::optional("required", Shape::Flag, "Whether the gate needs it.").usually("true"),
        Key::optional(
            "retries",
            Shape::Whole(0, 3),
            "Whole runs more after a failure; a pass on one of them counts as flaky, which leaves the gate undecided.",
        )
        .usually("0"),
        Key::optional(
            "vars",
            Shape::Map(&Shape::Either(&[Shape::Text, Shape::Number])),
            "Constants, used as ${name}.",
        )
        .such_as(&["{ customer = \"Window Ltd\" }"]),
        Key::required(
            "step",
            Shape::Tables(&STEP, 1),
            "The steps, in order, [[step]]; the first that fails ends the run.",
        ),
        Key::optional(
            "cleanup",
            Shape::Tables(&CLEANUP, 0),
            "Steps that are run at the end in any case and decide nothing, [[cleanup]].",
        ),
    ]],
    elsewhere: &[
        ("steps", "write each step as [[step]]"),
        (
            "name",
            "a scenario is named by its file; its first line is `title`",
        ),
        ("on", "it belongs to a step, below [[step]]"),
        ("run", "it belongs to a step, below [[step]]"),
        ("http", "it belongs to a step, below [[step]]"),
        (
            "secret",
            "secrets belong in patchgate.toml; a step names those it needs: secrets = [\"NAME\"]",
        ),
        ("lab", "this is a scenario; [lab] belongs in patchgate.toml"),
        ("group", "this is a scenario; groups belong in patchgate.toml"),
    ],
};

static COMMON: [Key; 7] = [
    Key::required(
        "name",
        Shape::Filled,
        "What it checks, in the department's words.",
    )
    .such_as(&["\"the ledger balances\""]),
    Key::required("on", Shape::Filled, "The role whose node it runs on.").such_as(&["\"web\""]),
    Key::optional(
        "timeout",
        Shape::Span,
        "How long one attempt may take; a step that hangs is ended in the guest, and named.",
    )
    .unless_given("30s; for a reboot 5m, and for a pause what the scenario has")
    .such_as(&["\"30s\""]),
    Key::optional(
        "retry",
        Shape::Table(&RETRY),
        "It is tried again until it passes, for what is true only eventually after a boot.",
    )
    .unless_given("one attempt")
    .such_as(&["{ window = \"30s\", every = \"2s\" }"]),
    Key::optional(
        "capture",
        Shape::Map(&Shape::Either(&[
            Shape::Word(&["output"]),
            Shape::Table(&CAPTURE),
        ])),
        "What later steps can use of its output, as ${name}.",
    )
    .such_as(&["{ invoice = { json = \"$.id\" } }"]),
    Key::optional(
        "secrets",
        Shape::Texts(1),
        "The lab's secrets that are handed to it.",
    )
    .such_as(&["[\"SHOP_PASSWORD\"]"]),
    Key::optional(
        "each",
        Shape::Texts(1),
        "One step for each entry, which is ${item}.",
    )
    .such_as(&["[\"EUR\", \"USD\"]"]),
];

/// Keys that are often written beside an action instead of inside it.
const ELSEWHERE: &[(&str, &str)] = &[
    ("exit", "it belongs inside `expect`: expect = { exit = 0 }"),
    (
        "stdout",
        "it belongs inside `expect`: expect = { stdout = \"...\" }",
    ),
    (
        "stderr",
        "it belongs inside `expect`: expect = { stderr = \"...\" }",
    ),
    ("url", "it belongs inside `http`: http = { url = \"...\" }"),
    (
        "status",
        "it belongs inside `http`: http = { url = \"...\", status = 200 }",
    ),
    (
        "contains",
        "it belongs inside the action or `expect`: expect = { stdout = { contains = \"...\" } }",
    ),
    (
        "matches",
        "it belongs inside the action or `expect`: expect = { stdout = { matches = \"...\" } }",
    ),
    (
        "equals",
        "it belongs inside the action or `expect`: expect = { stdout = \"...\" }",
    ),
    ("command", "it is called `run`"),
    ("role", "it is called `on`"),
    // A `[[step]]` has it.
    ("when", "cleanup steps run at the end"),
];

/// `[[step]]`
pub static STEP: Table = Table {
    name: "step",
    about: "One action and what is expected of it.",
    groups: &[
        &COMMON,
        &COMMAND,
        &[
            Key::optional(
                "when",
                Shape::Word(&["after-reboot", "before-updates"]),
                "When it runs: after the reboot, or before the updates, to lay down what must survive.",
            )
            .usually("\"after-reboot\""),
            Key::optional(
                "measure",
                Shape::Table(&MEASURE),
                "Its time is compared between the arms.",
            )
            .such_as(&["{ repeat = 20, warmup = 3 }"]),
        ],
        &LOOKS,
        &PROGRAMS,
    ],
    elsewhere: ELSEWHERE,
};

/// `[[cleanup]]`
pub static CLEANUP: Table = Table {
    name: "cleanup",
    about: "A step that is run at the end in any case and decides nothing.",
    groups: &[&COMMON, &COMMAND, &LOOKS, &PROGRAMS],
    elsewhere: ELSEWHERE,
};

/// `measure` of a step.
pub static MEASURE: Table = Table {
    name: "measure",
    about: "How a step's time is compared between the arms.",
    groups: &[&[
        Key::required(
            "repeat",
            Shape::Whole(REPEAT.0 as i64, REPEAT.1 as i64),
            "Samples in each arm.",
        )
        .such_as(&["20"]),
        Key::optional(
            "warmup",
            Shape::Whole(0, WARMUP as i64),
            "Rounds before the samples whose times do not count.",
        )
        .usually("3"),
        Key::optional("statistic", Shape::Word(&["p95", "median"]), "What is compared.")
            .unless_given("the lab's"),
        Key::optional("slower", Shape::Share, "How much slower is too slow.").unless_given("the lab's"),
    ]],
    elsewhere: &[
        ("confidence", "it belongs below [performance] of the lab file"),
        ("times", "it is called `repeat`"),
        ("samples", "it is called `repeat`"),
    ],
};

/// `retry` of a step.
pub static RETRY: Table = Table {
    name: "retry",
    about: "A window in which a step is tried again until it passes.",
    groups: &[&[
        Key::required(
            "window",
            Shape::Span,
            "From the first attempt; no attempt starts later.",
        )
        .such_as(&["\"30s\""]),
        Key::required("every", Shape::Span, "The pause between attempts.").such_as(&["\"2s\""]),
    ]],
    elsewhere: &[("timeout", "it is called `window`")],
};

/// A variable of `capture`.
pub static CAPTURE: Table = Table {
    name: "capture",
    about: "Which part of a step's output becomes a variable; exactly one key.",
    groups: &[&[
        Key::one_of("json", Shape::Text, "The one value that this JSONPath selects."),
        Key::one_of(
            "matches",
            Shape::Text,
            "The first group of this regular expression, or its whole match.",
        ),
        Key::one_of("header", Shape::Text, "This header of the response."),
    ]],
    elsewhere: &[("regex", "it is called `matches`")],
};
