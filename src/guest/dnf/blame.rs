//! What our program says when it refuses, in words.

use crate::input;
use crate::model::outcome::Cause;

/// Whose fault the output of a call that failed says it is. What scripts of packages print begins otherwise.
pub fn blame(output: &str) -> Option<(Cause, String)> {
    let refused = output.lines().find_map(|line| line.strip_prefix("Refused\t"))?;
    let mut fields = refused.split('\t').map(input::clip);
    let kind = fields.next()?;
    let fields: Vec<String> = fields.collect();
    let at = |index: usize| fields.get(index).map_or("", String::as_str);
    let rest = |index: usize| {
        let words: Vec<&str> = fields.iter().skip(index).map(String::as_str).collect();
        words
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let said = match kind.as_str() {
        "busy" => (
            Cause::GuestBusy,
            format!("another package manager of the guest's did not end: {}", rest(0)),
        ),
        "image" => (
            Cause::ResolveFailed,
            format!(
                "{}; patchgate updates packages, and cannot rehearse that",
                rest(0)
            ),
        ),
        "absent" | "unsolved" => (Cause::ResolveFailed, rest(0)),
        "nosource" => (
            Cause::MirrorUnreachable,
            format!(
                "{}: is the machine subscribed, and are its sources kept in its image?",
                rest(0)
            ),
        ),
        "unread" => (
            Cause::MirrorUnreachable,
            format!("a source was not read: {}", rest(0)),
        ),
        "download" => (Cause::MirrorUnreachable, format!("not fetched: {}", rest(0))),
        "gone" => (
            Cause::MirrorUnreachable,
            format!("{} is withdrawn: the sources have it no more", at(0)),
        ),
        "changed" => (
            Cause::MirrorUnreachable,
            format!("the file of {} is not what the sources' metadata say", at(0)),
        ),
        "unfetched" => (
            Cause::MirrorUnreachable,
            format!("the file of {} is not there", at(0)),
        ),
        "held" => (
            Cause::ScenarioInvalid,
            format!(
                "{} was put on hold after it was resolved, so a step before the updates did that",
                at(0)
            ),
        ),
        "key" => {
            let file = if at(2).is_empty() {
                String::new()
            } else {
                format!(", which may be in {}", rest(2))
            };
            (
                Cause::ResolveFailed,
                format!(
                    "{} is signed by key {}, which the machine does not have{file}; a key is never taken by itself: import it \
                     in the image's recipe",
                    at(0),
                    at(1)
                ),
            )
        }
        "unsigned" => (Cause::ResolveFailed, format!("{}: {}", at(0), rest(1))),
        "differs" => (
            Cause::ResolveFailed,
            format!("what would be installed is not the pinned set: it {}", rest(0)),
        ),
        "disk" => (Cause::GuestDisk, format!("the guest's disk is full: {}", rest(0))),
        "script" | "failed" => (Cause::UpdateFailed, rest(0)),
        _ => return None,
    };
    Some(said)
}
