//! What a Linux guest logged since a moment: a mark is taken, and later read from.

use std::time::Duration;

use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::linux::command::{bounded, script};
use crate::guest::log::Mark;
use crate::guest::what;
use crate::input;
use crate::model::scenario::LogSource;

/// Asks how far a log has come.
pub fn mark(source: &LogSource) -> GuestCommand {
    // An empty journal has no cursor.
    const JOURNAL: &str = include_str!("log_mark_unit.sh");
    const FILE: &str = include_str!("log_mark_file.sh");
    match source {
        LogSource::Unit(_) => script(what::MARK, JOURNAL, &[]),
        LogSource::File(path) => script(what::MARK, FILE, &[path]),
    }
}

/// Reads the answer to [`mark`].
pub fn parse_mark(output: &str) -> Result<Mark, ParseError> {
    let mut fields = output.split_whitespace();
    let mark = match (fields.next(), fields.next(), fields.next(), fields.next()) {
        (Some("absent"), None, _, _) => Some(Mark::Absent),
        (Some("file"), Some(inode), Some(size), None) => inode
            .parse()
            .ok()
            .zip(size.parse().ok())
            .map(|(inode, size)| Mark::File { inode, size }),
        (Some("boot"), Some(boot), None, _) => Some(Mark::Journal {
            boot: boot.to_owned(),
            cursor: String::new(),
        }),
        (Some("boot"), Some(boot), Some("cursor"), Some(cursor)) => Some(Mark::Journal {
            boot: boot.to_owned(),
            cursor: cursor.to_owned(),
        }),
        _ => None,
    };
    mark.ok_or_else(|| ParseError {
        what: "mark of a log",
        problem: format!("`{}`", input::clip(output)),
    })
}

/// Reads what came after a mark.
pub fn read(source: &LogSource, mark: &Mark, timeout: Duration) -> GuestCommand {
    // Another boot may have another journal: then all of it is new.
    const JOURNAL: &str = include_str!("log_unit.sh");
    // A file that was rotated has its rest under another name, with the inode it had; one that is shorter was emptied.
    const FILE: &str = include_str!("log_file.sh");
    let (text, args) = match (source, mark) {
        (LogSource::Unit(unit), Mark::Journal { boot, cursor }) => {
            (JOURNAL, [unit.clone(), boot.clone(), cursor.clone()])
        }
        (LogSource::Unit(unit), Mark::File { .. } | Mark::Absent) => {
            (JOURNAL, [unit.clone(), String::new(), String::new()])
        }
        (LogSource::File(path), Mark::File { inode, size }) => {
            (FILE, [path.clone(), inode.to_string(), size.to_string()])
        }
        (LogSource::File(path), Mark::Journal { .. } | Mark::Absent) => {
            (FILE, [path.clone(), String::new(), String::new()])
        }
    };
    let mut line = vec!["/bin/bash", "-c", text, "patchgate"];
    line.extend(args.iter().map(String::as_str));
    bounded("log", &line, &[], timeout)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Runs a command's own words here: a log file is a log file.
    fn performed(command: &GuestCommand) -> String {
        let (program, arguments) = command.argv.split_first().expect("a program");
        let output = Command::new(program).args(arguments).output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    #[test]
    fn only_new_lines_of_a_file_are_read_whatever_rotation_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.log");
        let source = LogSource::File(path.to_string_lossy().into_owned());
        let marked = || parse_mark(&performed(&mark(&source))).expect("a mark");
        let since = |mark: &Mark| performed(&read(&source, mark, Duration::from_secs(5)));
        let append = |text: &str| {
            use std::io::Write;
            let mut file = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(&path)
                .expect("the log");
            file.write_all(text.as_bytes()).expect("written");
        };
        let absent = marked();
        assert_eq!(absent, Mark::Absent);
        let refused = |mark: &Mark| {
            let command = read(&source, mark, Duration::from_secs(5));
            let output = Command::new(&command.argv[0])
                .args(&command.argv[1..])
                .output()
                .expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                !output.status.success() && said.contains("there is no file"),
                "{said}"
            );
        };
        // A log that was there neither before nor after was not looked at.
        refused(&absent);
        append("old\n");
        assert_eq!(since(&absent), "old\n");
        let mark = marked();
        assert_eq!(since(&mark), "");
        append("new\n");
        assert_eq!(since(&mark), "new\n");
        std::fs::rename(&path, folder.path().join("app.log.1")).expect("rotated");
        append("newer\n");
        assert_eq!(since(&mark), "new\nnewer\n");
        let mark = marked();
        std::fs::write(&path, "x\n").expect("emptied");
        assert_eq!(since(&mark), "x\n");
        std::fs::rename(&path, folder.path().join("app.log.2")).expect("rotated, and nothing logged since");
        assert_eq!(since(&mark), "x\n");
        std::fs::remove_file(folder.path().join("app.log.2")).expect("removed");
        refused(&mark);
    }

    #[test]
    fn marks_are_read_and_garbage_is_refused() {
        let journal = |cursor: &str| Mark::Journal {
            boot: "b1".to_owned(),
            cursor: cursor.to_owned(),
        };
        for (output, is) in [
            ("boot b1\ncursor s=1;i=2\n", Some(journal("s=1;i=2"))),
            ("boot b1\n", Some(journal(""))),
            ("file 12 345\n", Some(Mark::File { inode: 12, size: 345 })),
            ("absent\n", Some(Mark::Absent)),
            ("", None),
            ("file x y\n", None),
            ("\u{1b}[31m garbage", None),
        ] {
            assert_eq!(parse_mark(output).ok(), is, "{output}");
        }
    }
}
