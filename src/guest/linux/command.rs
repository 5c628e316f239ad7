//! Commands for a Linux guest: programs with their arguments, and shell scripts of our own.

use std::time::Duration;

use crate::guest::command::{GuestCommand, LIST_LIMIT, OUTPUT_LIMIT};

/// How long a question that a live guest answers at once may take, under TCG and load.
pub(super) const QUESTION: Duration = Duration::from_secs(60);

/// The shortest limit that a command in a guest is given.
const SHORTEST: Duration = Duration::from_millis(100);

/// What commands of our own are run in, whatever the guest's locale and time zone are: the words that the parsers know, and times
/// of UTC (locale(7), tzset(3)). `C.UTF-8` is not in every guest's libc, whose shells complain then.
///
/// `LANGUAGE` goes before `LC_ALL` with some programs' own gettext, where that is not plainly `C`.
pub(in crate::guest) const OURS: [(&str, &str); 3] = [("LC_ALL", "C"), ("LANGUAGE", ""), ("TZ", "UTC")];

/// An environment, with [`OURS`] for what it does not say itself.
fn ours<'e>(env: &[(&'e str, &'e str)]) -> Vec<(&'e str, &'e str)> {
    let mut all = env.to_vec();
    let said = |name: &str| env.iter().any(|(known, _)| *known == name);
    all.extend(OURS.into_iter().filter(|(name, _)| !said(name)));
    all
}

/// Seconds of a command's time for which it may wait for what others hold; the rest is left to its own work.
pub(in crate::guest) fn patience(timeout: Duration) -> u64 {
    timeout.as_secs().saturating_sub(timeout.as_secs() / 5)
}

fn owned(env: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = env.iter();
    pairs
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// A department's command as root, or as a user of the guest: its argument list and its environment. The agent has none of a
/// log-in's own, so home, user and locale are given; what the step has of its own holds.
pub(super) fn as_user<'c>(
    user: Option<&'c str>,
    command: &[&'c str],
    env: &[(&'c str, &'c str)],
) -> (Vec<&'c str>, Vec<(&'c str, &'c str)>) {
    const AS_USER: &str = include_str!("as_user.sh");
    let mut argv = match user {
        None => Vec::new(),
        Some(user) => vec![
            "/sbin/runuser",
            "-u",
            user,
            "--",
            "/bin/sh",
            "-c",
            AS_USER,
            "patchgate",
        ],
    };
    argv.extend(command);
    let mut all = env.to_vec();
    for (name, value) in [
        ("HOME", "/root"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("LANG", "C.UTF-8"),
    ] {
        if !env.iter().any(|(known, _)| *known == name) {
            all.push((name, value));
        }
    }
    (argv, all)
}

/// A command of our own: its output is small by nature.
pub(in crate::guest) fn question(what: &str, argv: &[&str]) -> GuestCommand {
    GuestCommand {
        what: what.to_owned(),
        argv: argv.iter().map(|&arg| arg.to_owned()).collect(),
        env: owned(&OURS),
        stdin: None,
        timeout: QUESTION,
        limit: OUTPUT_LIMIT,
    }
}

/// A shell script of our own with arguments `$1`, `$2`, ...
pub(in crate::guest) fn script(what: &str, text: &str, args: &[&str]) -> GuestCommand {
    let mut line = vec!["/bin/bash", "-c", text, "patchgate"];
    line.extend(args);
    question(what, &line)
}

/// Runs the command after the limit, `$1`, with each of its outputs cut there.
pub(in crate::guest) const BOUND: &str = include_str!("bound.sh");

/// Bounds a command of our own inside the guest: in time by `timeout` (coreutils), and in output by `head`, with the rest read
/// and dropped so that the command neither blocks nor dies of a closed pipe. The exit code is the command's own.
pub fn bounded(what: &str, argv: &[&str], env: &[(&str, &str)], timeout: Duration) -> GuestCommand {
    limited(what, argv, &ours(env), timeout, OUTPUT_LIMIT)
}

/// The same for a department's command, which has the environment that it is given and nothing else.
pub(super) fn theirs(what: &str, argv: &[&str], env: &[(&str, &str)], timeout: Duration) -> GuestCommand {
    limited(what, argv, env, timeout, OUTPUT_LIMIT)
}

/// The same for a command of our own that lists all packages or files.
pub(in crate::guest) fn listing(
    what: &str,
    argv: &[&str],
    env: &[(&str, &str)],
    timeout: Duration,
) -> GuestCommand {
    limited(what, argv, &ours(env), timeout, LIST_LIMIT)
}

fn limited(what: &str, argv: &[&str], env: &[(&str, &str)], timeout: Duration, limit: usize) -> GuestCommand {
    let mut all: Vec<String> = ["/usr/bin/timeout", "-k", "5"].map(str::to_owned).into();
    // timeout(1) takes 0 for no limit at all.
    all.push(format!("{:.1}", timeout.max(SHORTEST).as_secs_f64()));
    all.extend(["/bin/bash", "-c", BOUND, "patchgate"].map(str::to_owned));
    all.push(limit.to_string());
    all.extend(argv.iter().map(|&arg| arg.to_owned()));
    GuestCommand {
        what: what.to_owned(),
        argv: all,
        env: owned(env),
        stdin: None,
        timeout: timeout + Duration::from_secs(10),
        limit,
    }
}

/// Whether an exit code is `timeout`'s own word for "too long" (timeout(1): 124, or 137 after `-k`).
pub fn is_timeout(exit: Option<i32>) -> bool {
    matches!(exit, Some(124 | 137))
}
