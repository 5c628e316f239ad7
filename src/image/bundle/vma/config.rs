//! The configuration of a machine in Proxmox, `qemu-server.conf`: `KEY: VALUE` a line
//! (<https://pve.proxmox.com/wiki/Manual:_qm.conf>).

use std::collections::BTreeMap;

/// A configuration, of the machine itself; what is said of its snapshots is left out.
#[derive(Debug, Default)]
pub struct Config {
    keys: BTreeMap<String, String>,
    /// Keys by the name that their device has in the backup.
    devices: BTreeMap<String, String>,
}

/// What stands behind a key: a first word, and options.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Value<'a> {
    /// The first word, where it is none of the options: a volume, say.
    pub first: &'a str,
    /// The options, in their order.
    pub options: Vec<(&'a str, &'a str)>,
}

impl<'a> Value<'a> {
    /// Takes a value apart.
    pub fn of(text: &'a str) -> Self {
        let mut value = Self::default();
        for (index, part) in text.split(',').enumerate() {
            match part.split_once('=') {
                Some((key, option)) => value.options.push((key.trim(), option.trim())),
                None if index == 0 => value.first = part.trim(),
                None => {}
            }
        }
        value
    }

    /// An option.
    pub fn option(&self, key: &str) -> Option<&'a str> {
        let mut options = self.options.iter();
        options.find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    /// Whether an option is switched on.
    pub fn is_on(&self, key: &str) -> bool {
        matches!(self.option(key), Some("1" | "on" | "yes" | "true"))
    }
}

impl Config {
    /// Reads a configuration. A line of no such form says nothing; keys that are not known are the caller's to tell of.
    pub fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut config = Self::default();
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                break;
            }
            if let Some(map) = line.strip_prefix("#qmdump#map:") {
                let mut words = map.split(':');
                if let (Some(key), Some(device)) = (words.next(), words.next()) {
                    config.devices.insert(device.to_owned(), key.to_owned());
                }
            } else if let Some((key, value)) = line.split_once(':').filter(|_| !line.starts_with('#')) {
                config.keys.insert(key.trim().to_owned(), value.trim().to_owned());
            }
        }
        config
    }

    /// What a key says.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str)
    }

    /// What a key says as a number.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &str)> {
        self.keys
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The key of a device: `scsi0` for `drive-scsi0`.
    pub fn key<'a>(&'a self, device: &'a str) -> &'a str {
        if let Some(key) = self.devices.get(device) {
            return key;
        }
        let bare = device.strip_prefix("drive-").unwrap_or(device);
        bare.strip_suffix("-backup").unwrap_or(bare)
    }
}

/// A key's name and number: `scsi` and 0 of `scsi0`.
pub fn numbered(key: &str) -> Option<(&str, u32)> {
    let at = key.find(|c: char| c.is_ascii_digit())?;
    let (name, number) = key.split_at(at);
    Some((name, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_s_own_lines_are_read_and_no_snapshot_s() {
        let config = Config::read(
            b"boot: order=scsi0;net0\n# scsi9: x\nname: a\nscsi0: local:vm-1-disk-0,size=8G,ssd=1\nno line\n\
              #qmdump#map:scsi0:drive-scsi0:local:raw:\n\n[before]\nname: b\n",
        );
        assert_eq!(config.get("name"), Some("a"));
        assert_eq!(
            config.keys().map(|(key, _)| key).collect::<Vec<_>>(),
            ["boot", "name", "scsi0"]
        );
        assert_eq!(config.key("drive-scsi0"), "scsi0");
        assert_eq!(config.key("drive-tpmstate0-backup"), "tpmstate0");
        let value = Value::of(config.get("scsi0").expect("there"));
        assert_eq!(
            (value.first, value.option("size")),
            ("local:vm-1-disk-0", Some("8G"))
        );
        assert!(value.is_on("ssd") && !value.is_on("ro"));
        assert_eq!(numbered("virtio12"), Some(("virtio", 12)));
        assert_eq!(numbered("boot"), None);
    }
}
