//! What is fed: every reader of what a person, a department, a guest or a dead run wrote.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use patchgate::decide::Decided;
use patchgate::guest::debian::DEBIAN;
use patchgate::guest::{http, linux};
use patchgate::host::agent::{Agent, Channel, ChannelError};
use patchgate::image::domain_xml;
use patchgate::image::format::qcow2::guest::Guest;
use patchgate::image::format::read::Source as _;
use patchgate::image::format::vmdk::description;
use patchgate::image::format::{boot, check, detect, raw};
use patchgate::input::finding::{Finding, Source, draw};
use patchgate::input::json;
use patchgate::input::pattern::Pattern;
use patchgate::lab::{load, recipe, scenario};
use patchgate::port::GuestAgent;
use patchgate::record::journal;
use patchgate::step::results;

use crate::bundles;
use crate::disks;
use crate::firmware;
use crate::seeds::seeds;

/// One reader with what it is fed.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// What inputs are made of.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words of its format.
    pub words: &'static [&'static str],
    /// Reads one.
    pub run: fn(&[u8]),
}

const TOML: &[&str] = &[
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "= ",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "\\u0000",
    "${",
    "}",
    "\n",
    "#",
    ".",
    ",",
    "true",
    "[[step]]\n",
    "[step.http]\n",
    "on = \"web\"\n",
    "json = { \"$..a\" = 1 }",
    "1979-05-27T07:32:00Z",
    "0x1f",
    "inf",
    "\u{feff}",
    "\u{202e}",
];

const JSON: &[&str] = &[
    "{", "}", "[", "]", "\"", ":", ",", "null", "true", "\\u0000", "\\ud800", "1e999", "-0", "\n", "\u{202e}",
];

/// All targets.
pub const ALL: &[Target] = &[
    Target {
        name: "lab",
        seeds: || {
            seeds(
                &["tests/bad/lab"],
                &[".toml"],
                &[include_str!("../../patchgate.toml")],
            )
        },
        words: TOML,
        run: |input| {
            let source = source(input);
            if let Err(findings) = load::parse(source, PathBuf::from(".")) {
                draw_all(&findings);
            }
        },
    },
    Target {
        name: "scenario",
        seeds: || seeds(&["tests/bad/scenario", "scenarios"], &[".toml"], &[]),
        words: TOML,
        run: |input| {
            let (_, findings) = scenario::parse::parse("web", "page", &source(input));
            draw_all(&findings);
        },
    },
    Target {
        name: "recipe",
        seeds: || seeds(&["tests/bad/recipe", "images"], &[".toml"], &[]),
        words: TOML,
        run: |input| {
            with_file("recipe.toml", input, |path| {
                let _ = recipe::load_os(path);
                let _ = recipe::load_role(path);
            });
        },
    },
    Target {
        name: "journal",
        seeds: || seeds(&["tests/it/gate/snapshots"], &[".snap.jsonl"], &[]),
        words: JSON,
        run: |input| {
            with_file("journal.jsonl", input, |path| {
                if let Ok(journal) = journal::read(path) {
                    let run = journal.run.clone();
                    let _ = Decided::of(journal, false).decision.line(&run);
                }
            });
        },
    },
    Target {
        name: "agent",
        seeds: || {
            seeds(
                &[],
                &[],
                &[
                    "{\"return\": {\"pid\": 7}}\n{\"return\": {\"exited\": true, \"exitcode\": 0, \"out-data\": \"b2s=\"}}",
                    "{\"return\": {}}",
                    "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}",
                    "{\"return\": {\"pid\": -1}}\n{\"return\": {\"exited\": true, \"signal\": 9, \"err-data\": \"====\", \"out-truncated\": true}}",
                ],
            )
        },
        words: JSON,
        run: agent,
    },
    Target {
        name: "updates",
        seeds: || {
            seeds(
                &["tests/transcripts"],
                &[".txt"],
                &[
                    "nginx:amd64\t1.22.1-9\tii \nopenssl\t3.0\tiF \n",
                    "running 6.1.0\nnext 6.1.0\nend\n",
                ],
            )
        },
        words: &[
            "Inst ",
            "Remv ",
            "Purg ",
            "Conf ",
            " [",
            "] (",
            ")",
            "\t",
            "\n",
            ":amd64",
            ", ",
            "ii ",
            "== ",
            "\u{1b}[0m",
            "\0",
        ],
        run: |input| {
            let text = String::from_utf8_lossy(input);
            let _ = DEBIAN.updates.parse_updates(&text);
            let _ = DEBIAN.updates.parse_packages(&text);
            let _ = DEBIAN.updates.parse_package(&text);
            let _ = DEBIAN.updates.refresh_errors(&text);
            let _ = DEBIAN.updates.blame(&text);
            let _ = linux::identity::parse(&text);
            let _ = DEBIAN.system.service(&text);
            let _ = DEBIAN.system.file(&text);
            let _ = DEBIAN.system.parse_mark(&text);
            let _ = DEBIAN.system.parse_results(input);
            let half = (text.len() / 2..=text.len()).find(|at| text.is_char_boundary(*at));
            let halves = text.split_at(half.unwrap_or(0));
            let _ = DEBIAN.system.parse_observation(&[halves.0, halves.1]);
        },
    },
    Target {
        name: "http",
        seeds: || {
            seeds(
                &[],
                &[],
                &[
                    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                ],
            )
        },
        words: &[
            "\r\n",
            "HTTP/1.1 200 OK\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Content-Length: ",
            "ffffffffffffffff\r\n",
            "0\r\n",
            ": ",
            ";",
            "Set-Cookie: a=b\r\n",
        ],
        run: |input| {
            for method in ["GET", "HEAD"] {
                let _ = http::parse_response(method, input);
            }
        },
    },
    Target {
        name: "tap",
        seeds: || seeds(&["tests/dialects"], &[".tap"], &[]),
        words: &[
            "ok ",
            "not ok ",
            "1..",
            "# SKIP",
            "# TODO",
            "Bail out!",
            "    ",
            "  ---\n",
            "  ...\n",
            "Files=\nResult: PASS\n",
            "t/a.t .. ",
            "\u{1b}[",
            "\\#",
            "\r",
            "{\n",
            "}\n",
        ],
        run: |input| {
            let text = results::decode(input);
            let _ = results::tap(&[("a", &text)]);
        },
    },
    Target {
        name: "junit",
        seeds: || seeds(&["tests/dialects"], &[".xml"], &[]),
        words: &[
            "<testsuite>",
            "</testsuite>",
            "<testsuite><testsuite>",
            "<testcase name='a'/>",
            "<failure/>",
            "tests='",
            "&#27;",
            "&#",
            ";",
            "<![CDATA[",
            "]]>",
            "<!--",
            "-->",
            "<?xml",
            "?>",
            "<!DOCTYPE a [",
            "\u{1b}[",
            "xmlns:a='b' ",
        ],
        run: |input| {
            let text = results::decode(input);
            let _ = results::junit(&[("a", &text), ("b", "<testsuite/>")]);
        },
    },
    Target {
        name: "disk",
        seeds: disks::seeds,
        words: &[
            "KDMV",
            "conectix",
            "cxsparse",
            "vhdxfile",
            "EFI PART",
            "RW 8 FLAT \"a\" 0\n",
            "parentCID=1\n",
            "=",
            "\0\0\0\0",
            "\0\0\0\u{1}",
            "\u{1}\0\0\0",
            "\u{7f}",
            "\n",
        ],
        run: disk,
    },
    Target {
        name: "domain",
        seeds: || {
            let os = "<os firmware='efi'><type arch='x86_64' machine='pc-q35-6.2'>hvm</type><loader secure='yes' type='pflash'>/c.fd\
                      </loader><nvram template='/v.fd'>/n.fd</nvram></os>";
            let disk = "<disk type='file' device='disk'><driver type='qcow2'/><source file='/a'/><backingStore type='file'>\
                        <format type='raw'/><source file='/b'/><backingStore/></backingStore><target dev='vda' bus='virtio'/>\
                        <serial>a</serial><wwn>5000c500a1b2c3d4</wwn><boot order='1'/></disk>";
            let rest = "<interface type='bridge'><mac address='52:54:00:aa:bb:01'/><source bridge='b'/><address type='pci' bus='0x1'/>\
                        </interface><hostdev type='pci'/><tpm><backend type='emulator'/></tpm><channel type='unix'/>";
            let domain = format!(
                "<domain><memory unit='GiB'>2</memory><vcpu current='1'>2</vcpu>{os}<clock offset='utc'/><devices>{disk}{rest}</devices></domain>"
            );
            vec![domain.into_bytes()]
        },
        words: &[
            "<disk type='network'>",
            "<backingStore type='file'>",
            "<backingStore>",
            "</backingStore>",
            "<source file='/a'/>",
            "<target dev='vda'/>",
            "<shareable/>",
            "<qemu:commandline xmlns:qemu='q'>",
            "unit='TiB'",
            "99999999999999999999",
            "&#27;",
            "<![CDATA[",
            "<!DOCTYPE a [",
            "\u{202e}",
        ],
        run: |input| {
            let _ = domain_xml::whole::read(&String::from_utf8_lossy(input));
        },
    },
    Target {
        name: "jsonpath",
        seeds: || {
            let document = "\n{\"lines\": [{\"account\": \"3010\", \"amount\": 0.10}, {\"a\": [1, [2, [3]]]}], \"total\": 12.5}";
            let paths = [
                "$.lines[*].amount",
                "$..a",
                "$.lines[?@.account == '3010' && (@.amount > 0 || !@.x)]",
                "$['lines'][0, 1:2:1]",
                "$..[?count(@.*) > 1]",
                "$.lines[?length(value(@..account)) == 4]",
            ];
            paths
                .iter()
                .map(|path| format!("{path}{document}").into_bytes())
                .collect()
        },
        words: &[
            "$", "@", "..", ".*", "[*]", "[?", "]", "(", ")", "&&", "||", "!", "'", "\"", "[0]", "[::-1]",
            ",", "==", "match(", "count(", "value(", "length(", "\n", "[", "{", "1e400",
        ],
        run: |input| {
            let text = String::from_utf8_lossy(input);
            let (path, document) = text.split_once('\n').unwrap_or((&text, "{}"));
            let _ = json::check_path(path);
            let _ = json::select(document, path);
        },
    },
    Target {
        name: "pattern",
        seeds: || {
            let patterns = [
                "(?i)error|fatal",
                r"^\d{4}-\d{2}$",
                r"([a-z]{1,9}\.)+[^\]]",
                r"(?<n>a+)(?:b|c)*?$",
                r"\p{L}+[[:alpha:]&&[^a]]",
            ];
            patterns
                .iter()
                .map(|pattern| format!("{pattern}\nthe text of an error: 2026-11 aaaa.b").into_bytes())
                .collect()
        },
        words: &[
            "(", ")", "(?:", "[", "]", "[^", "{1,9}", "{100}", "{", "}", "*", "+?", "|", "\\", "\\w",
            "\\p{L}", "(?x)", "^", "$", "\n", "é",
        ],
        run: |input| {
            let text = String::from_utf8_lossy(input);
            let (pattern, text) = text.split_once('\n').unwrap_or((&text, ""));
            if let Ok(pattern) = Pattern::new(pattern)
                && pattern.affords(text.len()).is_ok()
            {
                let _ = pattern.captures(text);
            }
        },
    },
    Target {
        name: "ovf",
        seeds: bundles::ovf_seeds,
        words: bundles::OVF_WORDS,
        run: bundles::ovf,
    },
    Target {
        name: "firmware",
        seeds: firmware::seeds,
        words: &[
            "EFI        \x10",
            "_FVH",
            "B\0o\0o\0t\0",
            "BOOTX64 EFI",
            "\0\0\0\0",
        ],
        run: firmware::firmware,
    },
    Target {
        name: "vma",
        seeds: bundles::vma_seeds,
        words: bundles::VMA_WORDS,
        run: bundles::vma,
    },
];

/// Looks at a disk in each way, as it is and with its pieces where a VHDX has them.
fn disk(input: &[u8]) {
    for file in [input.to_vec(), disks::spread(input)] {
        let _ = detect::detect(&file, None);
        for format in disks::FORMATS {
            let _ = check::head(&file, format);
            if let Ok(shape) = check::whole(&file, format) {
                assert!(shape.holds <= shape.size, "{shape:?}");
            }
        }
        if let Ok(look) = raw::look(&file, None) {
            let _ = look.table.as_ref().and_then(boot::firmware);
        }
        if let Ok(guest) = Guest::of(&file) {
            let mut part = [0; 700];
            let _ = guest.read(300, &mut part);
        }
    }
    if let Ok(extents) = description::read(input) {
        let _ = description::read(description::write(&extents).as_bytes());
    }
}

fn draw_all(findings: &[Finding]) {
    for finding in findings {
        drop(draw(finding, false));
    }
}

fn source(input: &[u8]) -> Source {
    Source::new(
        Path::new("fuzz.toml"),
        String::from_utf8_lossy(input).into_owned(),
    )
}

/// Lends a file with that content; in memory where there is a file system for that.
fn with_file(name: &str, content: &[u8], read: impl Fn(&Path)) {
    thread_local! {
        static FOLDER: Option<tempfile::TempDir> = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).ok();
    }
    FOLDER.with(|folder| {
        let Some(folder) = folder else { return };
        let path = folder.path().join(name);
        if std::fs::write(&path, content).is_ok() {
            read(&path);
        }
    });
}

/// Answers each request with the next line of the input, and then with nothing.
struct Lines(std::sync::Mutex<Vec<String>>);

#[async_trait]
impl Channel for Lines {
    async fn ask(&self, _: String, _: Duration) -> Result<String, ChannelError> {
        let mut lines = self
            .0
            .lock()
            .map_err(|error| ChannelError::NoReply(error.to_string()))?;
        let none = || ChannelError::Refused("no more".to_owned());
        lines.pop().ok_or_else(none)
    }
}

fn agent(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.reverse();
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
    else {
        return;
    };
    runtime.block_on(async {
        let agent = Agent::new(Lines(std::sync::Mutex::new(lines)));
        let _ = agent.exec(&DEBIAN.system.boot_id()).await;
        let _ = agent.ping(Duration::from_secs(1)).await;
    });
}
