//! What of apt's errors is neither the updates' fault nor their sources'.

use crate::input;
use crate::model::outcome::Cause;

/// Whose fault the output of an apt-get that failed says it is, in words.
pub fn blame(output: &str) -> Option<(Cause, String)> {
    if output.contains("No space left on device") {
        return Some((Cause::GuestDisk, "the guest's disk is full".to_owned()));
    }
    output.lines().find_map(|line| {
        let error = line.trim().strip_prefix("E: ")?;
        if is_hook(error) {
            let words = format!(
                "a hook of the guest's own apt failed, which an isolated clone can make of one that wants a network: {}",
                input::clip(error)
            );
            return Some((Cause::GuestHook, words));
        }
        if error.starts_with("Could not get lock") {
            let words = format!("another apt of the guest's did not end: {}", input::clip(error));
            return Some((Cause::GuestBusy, words));
        }
        error.starts_with("Held packages were changed").then(|| {
            let words = "packages of the set were put on hold after it was resolved, so a step before the updates did that";
            (Cause::ScenarioInvalid, words.to_owned())
        })
    })
}

/// What apt says of a command that its own configuration names (apt.conf(5): `DPkg::Pre-Invoke`, `Post-Invoke`,
/// `Pre-Install-Pkgs`, `APT::Update::Post-Invoke` and the like).
fn is_hook(error: &str) -> bool {
    error.starts_with("Problem executing scripts ") || error.starts_with("Failure running script ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_locks_and_holds_are_not_the_updates() {
        for (output, cause) in [
            (
                "E: Problem executing scripts DPkg::Post-Invoke 'curl http://cmdb.example/'\nE: Sub-process returned an error code\n",
                Some(Cause::GuestHook),
            ),
            (
                "Selecting...\nE: Failure running script bash -c 'exec 3<>/dev/tcp/192.0.2.1/80'\n",
                Some(Cause::GuestHook),
            ),
            (
                "E: Problem executing scripts APT::Update::Post-Invoke-Success 'notify'\n",
                Some(Cause::GuestHook),
            ),
            (
                "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 417 (apt-get)\n",
                Some(Cause::GuestBusy),
            ),
            (
                "E: Held packages were changed and -y was used without --allow-change-held-packages.\n",
                Some(Cause::ScenarioInvalid),
            ),
            (
                "dpkg: error: write: No space left on device\n",
                Some(Cause::GuestDisk),
            ),
            // What a package's own script prints is not apt's.
            (
                "Failure running script of mine\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n",
                None,
            ),
            ("", None),
        ] {
            assert_eq!(blame(output).map(|(cause, _)| cause), cause, "{output}");
        }
    }
}
