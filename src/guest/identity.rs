//! What makes a clone itself, where it goes on from a state that others go on from too: commands that give it an identity of
//! its own, and what it answers when it is asked who it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::guest::{GuestCommand, ParseError, linux};
use crate::input;

/// How long both commands may take: making RSA keys is slow without KVM.
const PATIENCE: Duration = Duration::from_secs(180);

/// How far a clone's clock may be from the host's, which asks through an agent on a loaded host.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(15);

/// What a clone is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its machine id (machine-id(5)): 32 hexadecimal digits.
    pub machine_id: String,
    /// What its random numbers begin with beside its own: 128 hexadecimal digits, of nobody else.
    pub seed: String,
    /// The MAC addresses of its interfaces.
    pub macs: Vec<String>,
}

/// What a node says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Its machine id.
    pub machine_id: String,
    /// Its host name.
    pub host: String,
    /// The MAC addresses of its interfaces.
    pub macs: BTreeSet<String>,
    /// The fingerprints of its SSH host keys.
    pub ssh: BTreeSet<String>,
    /// 16 bytes of its `/dev/urandom`, hexadecimal.
    pub random: String,
    /// Its clock: milliseconds since 1970.
    pub clock_millis: u64,
}

/// Gives a clone its clock, random numbers, machine id, interfaces and SSH host keys; `now_millis` is the time of the host.
///
/// - Random numbers: the seed is credited and the kernel's generator made anew at once (random(4): `RNDADDENTROPY`;
///   `RNDRESEEDCRNG`). Perl is the only program of every Debian that can call ioctl(2).
/// - Interfaces: a virtio card that its driver is bound to anew has the MAC address that the hypervisor gave it, and whatever
///   manages the network sees a new card. Also one whose MAC address is its own already: the network behind it is another.
/// - The journal is a folder named after the machine id (systemd-journald(8)), so it is renamed too.
pub fn renew(identity: &Identity, now_millis: u64) -> GuestCommand {
    const TEXT: &str = r#"set -e
clock=$1 seed=$2 id=$3
date -u -s "@$clock" > /dev/null
perl -e '
  my $seed = pack "H*", $ARGV[0];
  open my $random, "+<", "/dev/urandom" or die "/dev/urandom: $!\n";
  ioctl $random, 0x40085203, pack("ii", 8 * length $seed, length $seed) . $seed or die "RNDADDENTROPY: $!\n";
  ioctl $random, 0x5207, 0 or die "RNDRESEEDCRNG: $!\n";
' "$seed"
read -r old < /etc/machine-id || true
printf '%s\n' "$id" > /etc/machine-id
[ ! -f /var/lib/dbus/machine-id ] || [ -L /var/lib/dbus/machine-id ] || printf '%s\n' "$id" > /var/lib/dbus/machine-id
for dir in /var/log/journal /run/log/journal; do
  [ -z "$old" ] || [ ! -d "$dir/$old" ] || mv "$dir/$old" "$dir/$id"
done
keys=
for key in /etc/ssh/ssh_host_*_key; do
  [ -f "$key" ] || continue
  kind=${key#/etc/ssh/ssh_host_}; rm -f "$key" "$key.pub"
  ssh-keygen -q -t "${kind%_key}" -N '' -C "root@$(cat /etc/hostname)" -f "$key"
  keys=1
done
[ -z "$keys" ] || systemctl try-reload-or-restart ssh.service
cards=()
for dir in /sys/class/net/*; do
  [ "$(readlink "$dir/device/driver" 2> /dev/null)" ] || continue
  driver=$(readlink -f "$dir/device/driver"); [ "${driver##*/}" = virtio_net ] || continue
  card=$(readlink -f "$dir/device"); name=${dir##*/}
  if command -v ifdown > /dev/null && ifquery "$name" > /dev/null 2>&1; then ifdown --force "$name" > /dev/null 2>&1 || true; fi
  cards+=("${card##*/} $name")
done
for card in "${cards[@]}"; do echo "${card% *}" > /sys/bus/virtio/drivers/virtio_net/unbind; done
for card in "${cards[@]}"; do
  echo "${card% *}" > /sys/bus/virtio/drivers/virtio_net/bind
  name=${card#* } tries=0
  while [ ! -e "/sys/class/net/$name" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
  if command -v ifup > /dev/null && ifquery "$name" > /dev/null 2>&1; then ifup --force "$name" > /dev/null 2>&1; fi
done"#;
    let clock = format!("{}.{:03}", now_millis / 1000, now_millis % 1000);
    let args = [
        clock.as_str(),
        identity.seed.as_str(),
        identity.machine_id.as_str(),
    ];
    // Not bounded as other commands are: a DHCP client that it leaves behind would keep their pipes open.
    GuestCommand {
        timeout: PATIENCE,
        ..linux::script("give the clone an identity of its own", TEXT, &args)
    }
}

/// Asks a node who it is.
pub fn ask() -> GuestCommand {
    const TEXT: &str = r#"printf 'machine-id=%s\n' "$(cat /etc/machine-id)"
printf 'host=%s\n' "$(cat /proc/sys/kernel/hostname)"
for dir in /sys/class/net/*; do [ ! -e "$dir/device" ] || printf 'mac=%s\n' "$(cat "$dir/address")"; done
for key in /etc/ssh/ssh_host_*_key.pub; do
  [ ! -f "$key" ] || { read -r kind public rest < "$key"; printf 'ssh=%s %s\n' "$kind" "$public"; }
done
printf 'random=%s\n' "$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')"
date -u +clock=%s%3N"#;
    linux::bounded("ask who it is", &["/bin/bash", "-c", TEXT], &[], PATIENCE)
}

/// Reads the answer to [`ask`].
pub fn parse(output: &str) -> Result<Answer, ParseError> {
    let garbled = |problem: String| ParseError {
        what: "who the node is",
        problem,
    };
    let mut said = Answer::default();
    let mut one: BTreeMap<&str, &str> = BTreeMap::new();
    for line in output.lines() {
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| garbled(format!("`{}` is no answer", input::clip(line))))?;
        match key {
            "mac" => drop(said.macs.insert(value.to_owned())),
            "ssh" => drop(said.ssh.insert(input::clip(value))),
            "machine-id" | "host" | "random" | "clock" => drop(one.insert(key, value)),
            _ => return Err(garbled(format!("`{}` was not asked for", input::clip(key)))),
        }
    }
    let hexadecimal = |key: &str| {
        let value = one.get(key).copied().unwrap_or_default();
        if value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(value.to_owned())
        } else {
            Err(garbled(format!("`{}` is no {key}", input::clip(value))))
        }
    };
    said.machine_id = hexadecimal("machine-id")?;
    said.random = hexadecimal("random")?;
    said.host = input::clip(one.get("host").copied().unwrap_or_default());
    said.clock_millis = one
        .get("clock")
        .and_then(|clock| clock.parse().ok())
        .ok_or_else(|| garbled("it does not tell the time".to_owned()))?;
    Ok(said)
}

/// Why a clone is not what it was to be, or still what it was forked from; nothing where it is itself. `now_millis` is the
/// time of the host when it answered.
pub fn fault(
    identity: &Identity,
    host: &str,
    said: &Answer,
    origin: &Answer,
    now_millis: u64,
) -> Option<String> {
    let tolerance = u64::try_from(CLOCK_TOLERANCE.as_millis()).unwrap_or(u64::MAX);
    let off = now_millis.abs_diff(said.clock_millis);
    let macs: BTreeSet<String> = identity.macs.iter().cloned().collect();
    if said.machine_id != identity.machine_id {
        Some(format!("its machine id is {}, not its own", said.machine_id))
    } else if said.host != host {
        Some(format!("its name is `{}`, not `{host}`", said.host))
    } else if said.macs != macs {
        let words = |macs: &BTreeSet<String>| macs.iter().cloned().collect::<Vec<_>>().join(", ");
        Some(format!(
            "its MAC addresses are {}, not {}",
            words(&said.macs),
            words(&macs)
        ))
    } else if said.ssh.len() != origin.ssh.len() {
        Some("it has lost SSH host keys".to_owned())
    } else if !said.ssh.is_disjoint(&origin.ssh) {
        Some("it has the SSH host keys of what it was forked from".to_owned())
    } else if said.random == origin.random {
        Some("it has the random numbers of what it was forked from".to_owned())
    } else if off > tolerance {
        Some(format!("its clock is {} s off", off / 1000))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "machine-id=0123456789abcdef0123456789abcdef\nhost=web\nmac=52:54:00:00:00:01\n\
                          ssh=ssh-ed25519 AAAA\nrandom=00112233445566778899aabbccddeeff\nclock=1795000000123\n";

    fn identity() -> Identity {
        Identity {
            machine_id: "0123456789abcdef0123456789abcdef".into(),
            seed: "00".repeat(64),
            macs: vec!["52:54:00:00:00:01".into()],
        }
    }

    fn origin() -> Answer {
        Answer {
            ssh: ["ssh-ed25519 BBBB".to_owned()].into(),
            random: "ff".repeat(16),
            ..Answer::default()
        }
    }

    #[test]
    fn a_clone_is_itself_or_it_is_told_what_is_not() {
        type Plant = fn(&mut Answer);
        let now = 1_795_000_001_000;
        let said = parse(ANSWER).expect("an answer");
        assert_eq!(fault(&identity(), "web", &said, &origin(), now), None);
        let cases: [(Plant, &str); 7] = [
            (|said| said.machine_id = "1".repeat(32), "its machine id is 1111"),
            (
                |said| said.host = "template".into(),
                "its name is `template`, not `web`",
            ),
            (
                |said| said.macs = ["52:54:00:00:00:02".into()].into(),
                "its MAC addresses are 52:54:00:00:00:02, not",
            ),
            (|said| said.ssh.clear(), "lost SSH host keys"),
            (
                |said| said.ssh = origin().ssh,
                "SSH host keys of what it was forked from",
            ),
            (
                |said| said.random = origin().random,
                "random numbers of what it was forked from",
            ),
            (|said| said.clock_millis -= 7_200_000, "its clock is 7200 s off"),
        ];
        for (plant, words) in cases {
            let mut said = said.clone();
            plant(&mut said);
            let fault = fault(&identity(), "web", &said, &origin(), now).expect(words);
            assert!(fault.contains(words), "{fault}");
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (from, to, words) in [
            ("machine-id=0", "machine-id=x", "is no machine-id"),
            ("random=00", "random=", "is no random"),
            ("clock=1", "clock=soon", "does not tell the time"),
            ("host=web", "web", "`web` is no answer"),
            ("host=web", "sudo=yes", "`sudo` was not asked for"),
        ] {
            let problem = parse(&ANSWER.replace(from, to)).expect_err(words).problem;
            assert!(problem.contains(words), "{problem}");
        }
        assert!(parse("").is_err());
    }

    #[test]
    fn what_a_clone_is_given_is_data_and_never_part_of_the_program() {
        let command = renew(&identity(), 1_795_000_000_007);
        let texts: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        assert!(texts.ends_with(&["1795000000.007", &identity().seed, &identity().machine_id]));
    }
}
