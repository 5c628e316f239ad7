//! How a program is held that reads what a stranger made.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::system::file::{FileError, Folder};
use crate::system::user::is_root;

/// Nobody's user and group (<https://www.debian.org/doc/debian-policy/ch-opersys.html#uid-and-gid-classes>).
const NOBODY: u32 = 65_534;

/// How a program is held that reads what a stranger made: as nobody, where patchgate is root, and within bounds
/// (prlimit(1)). It works in a folder that is nobody's for that time, so names are relative to it.
#[derive(Debug, Clone)]
pub struct Confined {
    /// The folder.
    pub folder: PathBuf,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of a file that it writes.
    pub file: u64,
}

impl Confined {
    /// Gives the folder and what is in it to nobody. A program with more rights than it needs is then none.
    pub fn give(&self) -> io::Result<()> {
        self.hand_over(NOBODY)
    }

    /// Takes the folder and what is in it back.
    pub fn take(&self) -> io::Result<()> {
        self.hand_over(0)
    }

    /// Whether what was made there is a file of its own: no link, and known by no other name. Whoever has taken over the program
    /// could have laid one in root's way.
    pub fn made(&self, name: &str) -> Result<(), FileError> {
        let file = Folder::open(&self.folder)?.file(Path::new(name))?;
        if file.metadata()?.nlink() == 1 {
            Ok(())
        } else {
            Err(FileError::Link)
        }
    }

    /// What goes before a program to hold it, one that may run for so long.
    pub fn hold(&self, deadline: Duration) -> Vec<String> {
        let mut argv = Vec::new();
        if is_root() {
            let user = [
                "setpriv",
                "--reuid",
                "USER",
                "--regid",
                "USER",
                "--clear-groups",
                "--no-new-privs",
            ];
            argv.extend(user.map(|word| word.replace("USER", &NOBODY.to_string())));
            argv.extend(["--pdeathsig", "KILL"].map(str::to_owned));
        }
        argv.push("prlimit".to_owned());
        let seconds = deadline.as_secs().max(1);
        for (limit, most) in [
            ("as", self.memory),
            ("fsize", self.file),
            ("cpu", seconds),
            ("core", 0),
            ("nofile", 64),
        ] {
            argv.push(format!("--{limit}={most}:{most}"));
        }
        argv
    }

    fn hand_over(&self, to: u32) -> io::Result<()> {
        if !is_root() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.folder)? {
            std::os::unix::fs::lchown(entry?.path(), Some(to), Some(to))?;
        }
        std::os::unix::fs::chown(&self.folder, Some(to), Some(to))
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::image::process::{Dialect, Job, Runner};

    #[test]
    fn what_reads_a_strangers_file_is_nobody_and_has_its_bounds() {
        let dir = tempfile::tempdir().expect("a folder");
        let runner = Runner::new(
            &dir.path().join("log"),
            &CancellationToken::new(),
            Dialect::default(),
        )
        .expect("a runner");
        let confined = Confined {
            folder: dir.path().join("room"),
            memory: 1 << 30,
            file: 1 << 20,
        };
        fs::create_dir(&confined.folder).expect("a folder");
        fs::write(confined.folder.join("theirs"), "1\n").expect("a file");
        confined.give().expect("given");
        let ask = |script: &str| {
            let job = Job::asking("ask", Duration::from_secs(60), &["sh", "-c", script]).confined(&confined);
            runner.run(&job)
        };
        let user = ask("id -u; id -G").expect("it runs");
        if is_root() {
            assert_eq!(user.split_whitespace().collect::<Vec<_>>(), ["65534", "65534"]);
        }
        let bounds = ask("ulimit -v; ulimit -t; ulimit -c").expect("it runs");
        assert_eq!(
            bounds.split_whitespace().collect::<Vec<_>>(),
            ["1048576", "60", "0"]
        );
        let works = ask("cat theirs && echo 2 > own && cat own").expect("it runs");
        assert_eq!(works.split_whitespace().collect::<Vec<_>>(), ["1", "2"]);
        assert!(
            ask("head -c 2M /dev/zero > large").is_err(),
            "it may write no more"
        );
        if is_root() {
            assert!(ask("cat /etc/shadow").is_err(), "it reads what it must not");
        }
        confined.made("own").expect("a file of its own");
        for (laid, how) in [
            ("link", "ln -s /etc/shadow link"),
            ("other", "ln own other"),
            ("none", "true"),
        ] {
            ask(how).expect("it runs");
            assert!(confined.made(laid).is_err(), "{laid}");
        }
        confined.take().expect("taken");
        let own = confined.folder.join("own").metadata().expect("it is there");
        assert_eq!(own.uid(), crate::system::user::id());
    }
}
