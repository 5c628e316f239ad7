//! What patchgate itself reads from a Linux guest: two bounded commands, and the parser of their output.
//!
//! Each section of the output is `@@ NAME`, lines that begin with a space, perhaps `@! REASON` where reading it failed or
//! `@- REASON` where the guest has not what it takes, and `@.` at its end. What has no end was cut off, and counts as not read.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::guest::{GuestCommand, ParseError, linux, observe_items as items};
use crate::input;
use crate::model::observation::{Class, Observation, Reading};

/// How long one of the commands may take, under TCG and load.
const PATIENCE: Duration = Duration::from_secs(150);

/// The log lines that are kept of a failed unit.
const UNIT_LOG_LINES: &str = "12";

/// What both commands begin with. `section NAME LINES COMMAND...` runs a command or function for one section; of longer
/// output than that many lines nothing is believed.
const HEAD: &str = r#"shopt -s nullglob; set -o pipefail
most() { awk -v n="$1" 'NR <= n { print " " substr($0, 1, 400) } END { if (NR > n) print "@! there are more than " n " lines" }'; }
absent() { printf '@@ %s\n@- %s\n@.\n' "$1" "$2"; }
there() { command -v "$1" > /dev/null; }
section() {
  local name=$1 lines=$2; shift 2
  there "$1" || { absent "$name" "$1 is not there"; return; }
  printf '@@ %s\n' "$name"
  "$@" 2> /dev/null | most "$lines" || printf '@! %s ended with exit code %s\n' "$1" "$?"
  printf '@.\n'
}
"#;

/// The node's state. Shell builtins where they do, since under TCG a fork is dear.
const STATE: &str = r#"kernel() {
  read -r release < /proc/sys/kernel/osrelease && printf 'running %s\n' "$release"
  local images=(/boot/vmlinuz-*)
  (( ${#images[@]} == 0 )) || printf 'newest %s\n' "$(printf '%s\n' "${images[@]#/boot/vmlinuz-}" | sort -V | tail -n 1)"
}
# A process that ends meanwhile makes grep complain.
processes() { grep -sHE '^(Name|VmRSS):' /proc/[0-9]*/status || true; }
deleted() { grep -sHE '^[^ ]+ ..x. .* /.*\(deleted\)$' /proc/[0-9]*/maps || true; }
sick() { dmesg | { grep -E 'Oops|BUG:|WARNING: CPU|general protection|soft lockup|blocked for more than|Out of memory: Killed|Kernel panic' || true; }; }
dumps() {
  local pattern found=(/var/lib/systemd/coredump/* /var/crash/* /[c]ore /[c]ore.[0-9]*)
  read -r pattern < /proc/sys/kernel/core_pattern
  local folder=${pattern%/*}
  [[ $pattern != /* || $folder == *%* ]] || found+=("$folder"/*core*)
  (( ${#found[@]} == 0 )) || printf '%s\n' "${found[@]}"
}
firewall() {
  local tables
  if there nft; then echo '= nft'; nft -s list ruleset || return; fi
  for ip in ip ip6; do
    # Old-style tables, which nft does not show; without nft all there is.
    if ! there nft || { read -r tables < "/proc/net/${ip}_tables_names"; } 2> /dev/null; then
      there "${ip}tables-save" || continue
      echo "= ${ip}tables"; "${ip}tables-save" || return
    fi
  done
}
# What `systemctl enable` and `mask` leave: it would take systemctl itself tens of seconds to say so on a loaded host.
enabled() { find /etc/systemd/system -type l -printf '%P %l\n'; }
errors() {
  journalctl -b -p err -q --no-pager --no-hostname -o short -n 5000 | awk '
    { text = substr($0, 17, 300); key = text; gsub(/[0-9a-fA-F]*[0-9][0-9a-fA-F]*/, "~", key)
      if (!(key in seen)) { seen[key] = 1; print text } }'
}
section kernel 4 kernel
section units 3000 systemctl list-units --plain --no-legend --no-pager --full --type=service,socket,timer,mount,swap,path,automount
section listening 1000 ss -H -l -n -t -u -p
section users 5000 cat /etc/passwd
section groups 5000 cat /etc/group
section mounts 500 cat /proc/self/mounts
section taint 1 cat /proc/sys/kernel/tainted
section sick 100 sick
section dumps 500 dumps
section disk 200 df -P -l -B 1048576 -x tmpfs -x devtmpfs -x overlay -x squashfs
section memory 4 grep -E '^Mem(Total|Available):' /proc/meminfo
section boot 2 systemctl show --property=FinishTimestampMonotonic
section processes 6000 processes
section deleted 1000 deleted
if there nft || there iptables-save; then section firewall 3000 firewall; else absent firewall 'neither nft nor iptables-save is there'; fi
journals=(/run/log/journal/*/*.journal /var/log/journal/*/*.journal)
if (( ${#journals[@]} )); then section errors 300 errors; else absent errors 'there is no journal'; fi
section enabled 3000 enabled
for unit in $(systemctl list-units --failed --plain --no-legend --no-pager | head -n 8 | cut -d' ' -f1); do
  section "log $unit" 50 journalctl -b -u "$unit" -n "$1" --no-pager -o cat
done
exit 0"#;

/// The files below /etc: those that are as their package has them (dpkg's `${Conffiles}`, or ucf's register) are left
/// out in the guest, which keeps the answer small. One process for each kind of work, never one for each file.
const FILES: &str = r#"etc() {
  local known ucf found
  known=$(dpkg-query -W -f '${Conffiles}\n') || return
  ucf=$(cat /var/lib/ucf/hashfile 2> /dev/null)
  found=$(find /etc -xdev -type f -size -2048 -print0 | head -z -n 20001 | { xargs -0 -r md5sum || true; } | awk '
    kind == "dpkg" { if ($1 ~ /^\/etc\// && $2 ~ /^[0-9a-f]+$/) sum[$1] = $2; next }
    kind == "ucf" { if ($2 ~ /^\/etc\//) sum[$2] = $1; next }
    { path = substr($0, 35); seen[path] = 1; files++
      if (path ~ /\.(dpkg|ucf)-(dist|old|new|tmp)$/) print "l " path
      else if (!(path in sum)) print "o " substr($1, 1, 12) " " path
      else if (sum[path] != $1) print "m " substr($1, 1, 12) " " path }
    END { for (path in sum) if (!(path in seen)) print "x " path
      if (files == 0 || files > 20000) exit 3 }' kind=dpkg <(printf '%s\n' "$known") kind=ucf <(printf '%s\n' "$ucf") kind=etc -) || return
  [[ -n $found ]] || return 0
  printf '%s\n' "$found"
  # Files of no package that a package's own scripts speak of: its update may well write them.
  sed -n 's/^o [^ ]* //p' <<< "$found" | { grep -soHwFf - /var/lib/dpkg/info/*.{postinst,config} || true; } | sort -u |
    sed -E 's|^/var/lib/dpkg/info/([^:]+)(:[^:.]+)?\.(postinst\|config):|w \1 |'
}
certificates() {
  local file said n=0
  { find /etc -xdev -type f -size -64 \( -name '*.crt' -o -name '*.pem' -o -name '*.cer' \) ! -path '/etc/letsencrypt/archive/*' \
      ! -path '/etc/ssl/certs/java/*' ! -name ca-certificates.crt
    printf '%s\n' /etc/letsencrypt/live/*/cert.pem
  } | while IFS= read -r file; do
    [[ -n $file ]] || continue
    (( n++ < 40 )) || return 3
    said=$(openssl x509 -checkend "$1" -noout -in "$file" 2> /dev/null)
    case $said in
      *'will not expire'*) printf 'ok %s\n' "$file" ;;
      *'will expire'*) printf 'expires %s\n' "$file" ;;
    esac
  done
}
for tool in dpkg-query find xargs md5sum; do there "$tool" || { absent etc "$tool is not there"; tool=; break; }; done
[[ -z $tool ]] || section etc 5000 etc
if there openssl; then section certificates 60 certificates "$1"; else absent certificates 'openssl is not there'; fi
exit 0"#;

/// How far ahead a certificate's end is looked for, in seconds: 30 days.
const AHEAD: &str = "2592000";

/// The commands whose outputs, in their order, [`parse`] reads.
pub fn commands() -> [GuestCommand; 2] {
    let command = |what: &str, text: &str, argument: &str| {
        linux::bounded(
            what,
            &["/bin/bash", "-c", &format!("{HEAD}{text}"), "patchgate", argument],
            &[("LC_ALL", "C"), ("SYSTEMD_COLORS", "0")],
            PATIENCE,
        )
    };
    [
        command("observe the node", STATE, UNIT_LOG_LINES),
        command("observe the node's files", FILES, AHEAD),
    ]
}

/// One section of the output.
#[derive(Debug, Default)]
struct Section<'a> {
    lines: Vec<&'a str>,
    problem: Option<Reading>,
    ended: bool,
}

/// The sections of the outputs.
#[derive(Debug, Default)]
struct Sections<'a>(BTreeMap<&'a str, Section<'a>>);

impl<'a> Sections<'a> {
    fn read(outputs: &[&'a str]) -> Self {
        let mut sections: BTreeMap<&str, Section<'_>> = BTreeMap::new();
        for output in outputs {
            let mut name = None;
            for line in output.lines() {
                if let Some(next) = line.strip_prefix("@@ ") {
                    name = Some(next);
                    sections.entry(next).or_default();
                    continue;
                }
                let Some(section) = name.and_then(|name| sections.get_mut(name)) else {
                    continue;
                };
                if line == "@." {
                    section.ended = true;
                    name = None;
                } else if let Some(problem) = line.strip_prefix("@! ") {
                    section.problem = Some(Reading::Unreadable(input::clip(problem)));
                } else if let Some(problem) = line.strip_prefix("@- ") {
                    section.problem = Some(Reading::Absent(input::clip(problem)));
                } else if let Some(text) = line.strip_prefix(' ') {
                    section.lines.push(text);
                }
            }
        }
        Self(sections)
    }

    /// The lines of a section, or why there are none to be believed.
    fn lines(&self, name: &str) -> Result<&[&'a str], Reading> {
        let failed = |why: &str| Err(Reading::Unreadable(why.to_owned()));
        match self.0.get(name) {
            None => failed("the guest did not come to it"),
            Some(Section {
                problem: Some(problem),
                ..
            }) => Err(problem.clone()),
            Some(section) if !section.ended => failed("the guest's output ends within it"),
            Some(section) => Ok(&section.lines),
        }
    }

    /// Reads a class from its sections; where one of them cannot be read, the class cannot.
    fn reading<const N: usize>(
        &self,
        names: [&str; N],
        read: impl FnOnce([&[&'a str]; N]) -> BTreeMap<String, String>,
    ) -> Reading {
        let mut all: [&[&str]; N] = [&[]; N];
        for (slot, name) in all.iter_mut().zip(names) {
            match self.lines(name) {
                Ok(lines) => *slot = lines,
                Err(problem) => return problem,
            }
        }
        Reading::Items(bounded(read(all)))
    }
}

/// Items with bounded names and values.
fn bounded(items: BTreeMap<String, String>) -> BTreeMap<String, String> {
    const MOST: usize = 300;
    let clip = |text: String| match text.char_indices().nth(MOST) {
        Some((at, _)) => text[..at].to_owned(),
        None => text,
    };
    items
        .into_iter()
        .map(|(item, value)| (clip(item), clip(value)))
        .collect()
}

/// Reads the outputs of [`commands`]; packages are the family's own.
///
/// # Errors
/// The outputs have nothing of what the commands print first. Everything else that is missing or cut is unreadable.
pub fn parse(outputs: &[&str]) -> Result<Observation, ParseError> {
    let sections = Sections::read(outputs);
    let mut observation = Observation::default();
    for class in Class::ALL {
        let reading = match class {
            Class::Service => sections.reading(["units"], |[units]| items::services(units)),
            Class::Timer => sections.reading(["units"], |[units]| items::timers(units)),
            Class::Enabled => sections.reading(["enabled"], |[links]| items::enabled(links)),
            Class::Listening => sections.reading(["listening"], |[sockets]| items::listening(sockets)),
            Class::Kernel => sections.reading(["kernel"], |[lines]| items::pairs(lines)),
            Class::Config => sections.reading(["etc"], |[files]| items::config(files)),
            Class::Leftover => sections.reading(["etc"], |[files]| items::leftovers(files)),
            Class::Taint => sections.reading(["taint", "sick"], |[flags, lines]| items::taint(flags, lines)),
            Class::Dump => sections.reading(["dumps"], |[files]| items::dumps(files)),
            Class::Mount => sections.reading(["mounts"], |[mounts]| items::mounts(mounts)),
            Class::User => {
                sections.reading(["users", "groups"], |[users, groups]| items::users(users, groups))
            }
            Class::Firewall => sections.reading(["firewall"], |[rules]| items::firewall(rules)),
            Class::Stale => sections.reading(["processes", "deleted"], |[processes, maps]| {
                items::stale(processes, maps)
            }),
            Class::Journal => sections.reading(["errors"], |[lines]| items::journal(lines)),
            Class::Certificate => sections.reading(["certificates"], |[files]| items::certificates(files)),
            Class::Disk => sections.reading(["disk"], |[lines]| items::disk(lines)),
            Class::Memory => sections.reading(["memory", "processes"], |[memory, processes]| {
                items::memory(memory, processes)
            }),
            Class::Boot => match sections.reading(["boot"], |[lines]| items::boot(lines)) {
                Reading::Items(items) if items.is_empty() => {
                    Reading::Unreadable("the boot has not come to its end".to_owned())
                }
                reading => reading,
            },
            Class::Package => continue,
        };
        observation.readings.insert(class, reading);
    }
    if observation.kernel().is_none() {
        return Err(ParseError {
            what: "the observation",
            problem: format!(
                "no kernel release in `{}`",
                input::clip(outputs.first().copied().unwrap_or_default())
            ),
        });
    }
    if let Ok(lines) = sections.lines("etc") {
        observation.writers = items::writers(lines);
    }
    observation.unit_logs = sections
        .0
        .iter()
        .filter_map(|(name, section)| Some((name.strip_prefix("log ")?, section)))
        .map(|(unit, section)| {
            let text = section.lines.iter().map(|line| format!("{line}\n"));
            (unit.to_owned(), text.collect())
        })
        .collect();
    Ok(observation)
}
