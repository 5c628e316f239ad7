//! Compressed streams, unpacked by their own programs: as nobody where patchgate is root, within bounds, and with no file open but
//! the one.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::image::bundle::error::Problem;
use crate::image::confined::Confined;
use crate::image::process::missing;
use crate::input::safe;
use crate::system::child;

/// How much of a processor's time an unpacking may take.
const DEADLINE: Duration = Duration::from_secs(12 * 60 * 60);
/// Bytes of memory that a program may take; zstd's largest window without `--long` is 128 MiB.
const MEMORY: u64 = 1 << 30;
/// Bytes of what it says that are kept.
const SAID: u64 = 4096;

/// What packed a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packed {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// lzop, whose only specification is the program.
    Lzop,
}

impl Packed {
    /// What the first bytes of a file say.
    pub fn of(head: &[u8]) -> Option<Self> {
        [Self::Gzip, Self::Zstd, Self::Lzop]
            .into_iter()
            .find(|packed| head.starts_with(packed.magic()))
    }

    fn magic(self) -> &'static [u8] {
        match self {
            Self::Gzip => &[0x1f, 0x8b],
            Self::Zstd => &[0x28, 0xb5, 0x2f, 0xfd],
            Self::Lzop => &[0x89, b'L', b'Z', b'O', 0, b'\r', b'\n', 0x1a, b'\n'],
        }
    }

    /// The program that unpacks it; each is a package of that name too.
    fn tool(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lzop => "lzop",
        }
    }
}

/// What comes out of a program that unpacks. It ends with this.
#[derive(Debug)]
pub struct Unpacking {
    tool: &'static str,
    child: Child,
    out: ChildStdout,
    said: Option<JoinHandle<String>>,
}

impl Unpacking {
    /// Begins to unpack a file, from its beginning.
    pub fn of(packed: Packed, file: File) -> Result<Self, Problem> {
        let tool = packed.tool();
        for (program, package) in [("setpriv", "util-linux"), ("prlimit", "util-linux"), (tool, tool)] {
            if missing(&[program]).is_some() {
                return Err(Problem::ToolMissing {
                    tool: program,
                    package,
                });
            }
        }
        let confined = Confined {
            folder: PathBuf::from("/"),
            memory: MEMORY,
            file: 0,
        };
        let mut command = child::command("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .args(confined.hold(DEADLINE))
            .args([tool, "-dcq"])
            .current_dir(confined.folder)
            .stdin(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let failed = |source| Problem::Io {
            what: format!("`{tool}` cannot be started"),
            source,
        };
        let mut child = command.spawn().map_err(failed)?;
        let errors = child.stderr.take();
        let said = errors.map(|mut errors| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                // What is said beyond that is read too, so that the program is not kept from ending.
                let _ = (&mut errors).take(SAID).read_to_end(&mut text);
                let _ = io::copy(&mut errors, &mut io::sink());
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        let Some(out) = child.stdout.take() else {
            return Err(failed(io::ErrorKind::BrokenPipe.into()));
        };
        Ok(Self {
            tool,
            child,
            out,
            said,
        })
    }

    /// Reads what is left and drops it, and hears whether all went well: a stream that is cut or damaged is an error.
    pub fn finish(mut self) -> Result<(), Problem> {
        io::copy(&mut self.out, &mut io::sink()).map_err(Problem::reading)?;
        let ended = self.child.wait().map_err(Problem::reading)?;
        if ended.success() {
            return Ok(());
        }
        let said = self.said.take().map(JoinHandle::join);
        let said = said.and_then(Result::ok).unwrap_or_default();
        // Programs call their input by names that nobody gave it, and begin with a blank line.
        let said: Vec<&str> = said
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        Err(Problem::Damaged(format!(
            "{} does not unpack it to its end, as where a copy is cut short: {}",
            self.tool,
            safe::line(&said.join("; "))
        )))
    }
}

impl Read for Unpacking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.out.read(buffer)
    }
}

impl Drop for Unpacking {
    fn drop(&mut self) {
        // It may have ended; there is nothing to do about a failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
