//! Commands that tell how long their action took, by the guest's own clock: the agent's round trip takes longer than most
//! actions do, and varies more.

use std::time::Duration;

use crate::guest::command::{GuestCommand, ParseError};
use crate::guest::linux::command::BOUND;

/// As [`BOUND`], with the same arguments, and the action's time in microseconds as the last line of the error output.
///
/// A script of our own is run in a fork of this shell, so that its start is not timed. `EPOCHREALTIME` (bash(1), since
/// 5.0) has a comma in some locales. The error output's reader is waited for, so that nothing comes after the time; it
/// must not hold the other output open meanwhile.
const TIMED: &str = include_str!("timed.sh");

/// Digits of a time that are read: a day has eleven.
const DIGITS: usize = 12;

/// The same command, timed; `None` for one that is not bounded in the guest.
pub fn timed(mut command: GuestCommand) -> Option<GuestCommand> {
    let script = command.argv.iter_mut().find(|arg| *arg == BOUND)?;
    TIMED.clone_into(script);
    Some(command)
}

/// Whether a command tells its time.
pub fn is_timed(command: &GuestCommand) -> bool {
    command.argv.iter().any(|arg| arg == TIMED)
}

/// Takes the time, in microseconds, from the end of a timed command's error output, which is then the action's own.
///
/// # Errors
/// There is none, or none that can be: no action takes no time, or longer than `limit`.
pub fn take(stderr: &mut Vec<u8>, limit: Duration) -> Result<u64, ParseError> {
    let wrong = |problem: &str| ParseError {
        what: "time of an action",
        problem: problem.to_owned(),
    };
    let line = stderr
        .strip_suffix(b"\n")
        .and_then(|text| text.rsplit(|&byte| byte == b'\n').next())
        .filter(|line| (1..=DIGITS).contains(&line.len()) && line.iter().all(u8::is_ascii_digit))
        .ok_or_else(|| wrong("the error output does not end with a number of microseconds"))?;
    let us = line
        .iter()
        .fold(0_u64, |us, digit| us * 10 + u64::from(digit - b'0'));
    // The line feed before it is the script's too.
    let end = stderr.len().saturating_sub(line.len() + 2);
    if us == 0 || u128::from(us) > limit.as_micros() {
        return Err(wrong(&format!("{us} µs is none that can be")));
    }
    stderr.truncate(end);
    Ok(us)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[test]
    fn the_time_is_taken_off_and_the_rest_is_the_actions_own() {
        for (stderr, us, rest) in [
            ("\n12345\n", 12_345, ""),
            ("warning\n\n7\n", 7, "warning\n"),
            ("warning\n7\n", 7, "warning"),
            ("1\n\n2\n", 2, "1\n"),
        ] {
            let mut bytes = stderr.as_bytes().to_vec();
            assert_eq!(take(&mut bytes, LIMIT), Ok(us), "{stderr:?}");
            assert_eq!(String::from_utf8_lossy(&bytes), rest, "{stderr:?}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for stderr in [
            "",
            "\n",
            "\n\n",
            "12",
            "\n-12\n",
            "\n0\n",
            "\n12 µs\n",
            "\n30000001\n",
            "\n9999999999999999999999999\n",
            "7\nbash: no clock\n",
        ] {
            assert!(
                take(&mut stderr.as_bytes().to_vec(), LIMIT).is_err(),
                "{stderr:?}"
            );
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        use proptest::prelude::*;
        proptest!(|(mut bytes: Vec<u8>)| { let _ = take(&mut bytes, LIMIT); });
        proptest!(|(text in "[0-9\n-]{0,30}")| { let _ = take(&mut text.into_bytes(), LIMIT); });
    }
}
