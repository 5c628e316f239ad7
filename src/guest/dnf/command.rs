//! dnf's commands: one program of ours with a verb, for dnf 4 on its own Python API, and for dnf 5 on its command line.

use std::time::Duration;

use crate::guest::command::GuestCommand;
use crate::guest::linux::command::{listing, patience};
use crate::guest::rpm::ENV;
use crate::input;
use crate::model::update::Update;

/// Which dnf it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Major {
    /// dnf 4, asked by its own Python API.
    Four,
    /// dnf 5, asked by its command line: a pinned set is a stored transaction of ours, which is replayed as it is or not at all.
    Five,
}

impl Major {
    /// The shell text, with what follows it of the program in its own language.
    fn program(self) -> &'static [&'static str] {
        match self {
            Self::Four => &[
                include_str!("dnf4.sh"),
                "patchgate",
                concat!(include_str!("dnf4.py"), include_str!("dnf4_set.py")),
            ],
            Self::Five => &[include_str!("dnf5.sh"), "patchgate"],
        }
    }

    /// A call of the program, with the updates that it takes on its standard input.
    pub fn call(
        self,
        what: &str,
        verb: &str,
        proxy: Option<&str>,
        updates: Option<&[Update]>,
        timeout: Duration,
    ) -> GuestCommand {
        let patience = patience(timeout).to_string();
        let line = [
            &["/bin/bash", "-c"],
            self.program(),
            &[verb, proxy.unwrap_or(""), &patience, "/"],
        ];
        let mut command = listing(what, &line.concat(), &ENV, timeout);
        command.stdin = updates.map(|updates| pinned(updates).into_bytes());
        command
    }
}

/// Updates as the program reads them, each in a line.
fn pinned(updates: &[Update]) -> String {
    let mut text = String::new();
    for update in updates {
        let (from, to) = (update.from.as_deref(), update.to.as_deref());
        let fields = [
            &update.name,
            &update.arch,
            from.unwrap_or(""),
            to.unwrap_or(""),
            &update.origin,
        ];
        // No name that rpm knows has any of these.
        text.push_str(
            &fields
                .map(|field| field.replace(['\t', '\n', '\r'], "?"))
                .join("\t"),
        );
        text.push('\n');
    }
    text
}

/// What of the error output of the verb `refresh` says that a repository could not be read.
pub fn refresh_errors(stderr: &str) -> Vec<String> {
    stderr
        .lines()
        .filter_map(|line| line.strip_prefix("Unread\t"))
        .map(|line| input::clip(&line.replacen('\t', ": ", 1)))
        .collect()
}
