//! Files that are replaced and still in use: the lines `stale MARK PATH` of a guest's answer, of proc_pid_maps(5).

/// A file that a process has mapped and that is not on the disk any more: code wherever it is, and data where packages have
/// theirs. Memory that only looks like a file is none.
pub fn stale_file(line: &str) -> Option<&str> {
    const MEMORY: [&str; 7] = [
        "/memfd:",
        "/SYSV",
        "/dev/",
        "/i915",
        "/drm",
        "/anon_hugepage",
        "/[",
    ];
    const WORK: [&str; 6] = ["/tmp/", "/run/", "/var/", "/home/", "/root/", "/srv/"];
    let (executable, path) = line.strip_prefix("stale ")?.split_once(' ')?;
    let is_memory = MEMORY.iter().any(|start| path.starts_with(start));
    let is_work = executable != "x" && WORK.iter().any(|start| path.starts_with(start));
    (!is_memory && !is_work).then_some(path)
}
