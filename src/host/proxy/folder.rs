//! The folders of squid's cache. All but the cache itself belongs to whoever runs patchgate, and nothing below the cache is
//! touched as root: who has taken over squid can lay no link in root's way.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::system::{file, user};

/// The user that Debian's squid runs as; squid refuses to run as root.
pub const USER: &str = "proxy";
/// Bytes of the machine's list of users that are read.
const USERS_LIMIT: u64 = 16 * 1024 * 1024;
/// Runs at once with a cache of their own; each cache belongs to one squid at a time.
const SLOTS: u32 = 64;

/// A folder with a cache that no other run uses, and the lock on it.
pub fn slot(base: &Path) -> io::Result<(PathBuf, File)> {
    if let Some(parent) = base.parent() {
        fs::create_dir_all(parent)?;
    }
    ours(base)?;
    for number in 0..SLOTS {
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(base.join(format!("{number}.lock")))?;
        match lock.try_lock() {
            Ok(()) => {
                let dir = base.join(number.to_string());
                // What an earlier version gave to squid as a whole may hold anything.
                if ours(&dir).is_err() {
                    remove(&dir)?;
                    ours(&dir)?;
                }
                cache(&dir.join("cache"))?;
                return Ok((dir, lock));
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other(format!("{SLOTS} runs have a proxy already")))
}

/// Makes sure of a folder of our own that nobody else may write in.
fn ours(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o755).create(dir) {
        Ok(()) => fs::set_permissions(dir, Permissions::from_mode(0o755))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = fs::symlink_metadata(dir)?;
    let is_ours = found.uid() == user::id() && found.mode() & 0o022 == 0;
    if !found.is_dir() || !is_ours {
        let message = format!("{} is no folder that belongs to this user alone", dir.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    Ok(())
}

/// Makes sure of squid's own folder, in one of ours.
fn cache(dir: &Path) -> io::Result<()> {
    let its = if user::is_root() { Some(ids()?) } else { None };
    let owner = its.map_or(user::id(), |(uid, _)| uid);
    match fs::symlink_metadata(dir) {
        Ok(found) if found.is_dir() && found.uid() == owner => return Ok(()),
        Ok(_) => remove(dir)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    DirBuilder::new().mode(0o750).create(dir)?;
    match its {
        // New, and in a folder that only we may write in.
        Some((uid, gid)) => chown(dir, Some(uid), Some(gid)),
        None => Ok(()),
    }
}

/// Removes what is there; of a link the link.
fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

/// The numbers of squid's user and group.
fn ids() -> io::Result<(u32, u32)> {
    let users = file::read(Path::new("/etc/passwd"), USERS_LIMIT)?;
    let users = String::from_utf8_lossy(&users);
    let ids = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_its = fields.next() == Some(USER);
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        is_its.then_some((uid, gid))
    });
    ids.ok_or_else(|| io::Error::other(format!("there is no user {USER}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_squids_user_left_there_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (base, outside) = (folder.path().join("proxy"), folder.path().join("outside"));
        fs::create_dir(&outside).expect("a folder");
        fs::write(outside.join("precious"), "x").expect("a file");
        fs::create_dir(&base).expect("a folder");
        fs::set_permissions(&base, Permissions::from_mode(0o755)).expect("permissions");
        // As an earlier version left it: links where root wrote and gave away.
        std::os::unix::fs::symlink(&outside, base.join("0")).expect("a link");
        let (dir, lock) = slot(&base).expect("a slot");
        assert!(fs::symlink_metadata(&dir).expect("it is there").is_dir());
        drop(lock);
        remove(&dir.join("cache")).expect("removed");
        std::os::unix::fs::symlink(&outside, dir.join("cache")).expect("a link");
        let (dir, _lock) = slot(&base).expect("a slot");
        assert!(
            fs::symlink_metadata(dir.join("cache"))
                .expect("it is there")
                .is_dir()
        );
        assert_eq!(
            fs::metadata(outside.join("precious")).expect("untouched").len(),
            1
        );
        assert_eq!(
            fs::symlink_metadata(&outside).expect("untouched").uid(),
            user::id()
        );
        fs::set_permissions(&base, Permissions::from_mode(0o777)).expect("permissions");
        let refused = slot(&base).expect_err("anybody may write there");
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{refused}");
    }
}
