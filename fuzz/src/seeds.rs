//! Seeds: the repository's own files, so that what is added to them is fuzzed too.

use std::path::{Path, PathBuf};

/// Files of a folder and those below it, by how their names end; sorted.
fn files(folder: &Path, ends: &[&str], found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, ends, found);
        } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
            found.push(path);
        }
    }
}

/// What the files of folders of the repository hold, and some texts more.
pub fn seeds(folders: &[&str], ends: &[&str], texts: &[&str]) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for folder in folders {
        files(&root.join(folder), ends, &mut found);
    }
    let mut seeds: Vec<Vec<u8>> = found.iter().filter_map(|path| std::fs::read(path).ok()).collect();
    seeds.extend(texts.iter().map(|text| text.as_bytes().to_vec()));
    seeds
}
