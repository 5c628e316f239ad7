//! Files that name each other in a circle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::source::{module, named};

/// Which module names which, of files with their texts; a room's own file names the files that it is made of.
fn edges(files: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let known: BTreeSet<String> = files.iter().map(|(file, _)| module(file).join("::")).collect();
    let mut edges = BTreeMap::new();
    for (file, text) in files {
        let name = module(file).join("::");
        let paths = named(file, text);
        let inside = paths.iter().filter_map(|path| path.strip_prefix("crate::"));
        let modules = inside.filter_map(|path| longest(path, &known));
        let others = modules.filter(|module| *module != name).collect();
        edges.insert(name, others);
    }
    edges
}

/// The deepest module that a path leads into.
fn longest(path: &str, known: &BTreeSet<String>) -> Option<String> {
    let mut path = path;
    loop {
        if known.contains(path) {
            return Some(path.to_owned());
        }
        path = path.rsplit_once("::")?.0;
    }
}

/// The shortest way from each module back to itself, where there is one; each circle once.
pub fn circles(files: &[(String, String)]) -> Vec<String> {
    let edges = edges(files);
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut circles = Vec::new();
    for start in edges.keys() {
        if seen.contains(start) {
            continue;
        }
        if let Some(way) = way_back(start, &edges) {
            seen.extend(way.iter().cloned());
            circles.push(way.join(" -> "));
        }
    }
    circles
}

fn way_back(start: &str, edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(at) = next.pop_front() {
        for named in edges.get(at)? {
            if named == start {
                let mut way = vec![start.to_owned(), at.to_owned()];
                let mut at = at;
                while let Some(&before) = from.get(at) {
                    way.push(before.to_owned());
                    at = before;
                }
                way.dedup();
                way.reverse();
                return Some(way);
            }
            if named != start && !from.contains_key(named.as_str()) {
                from.insert(named, at);
                next.push_back(named);
            }
        }
    }
    None
}
