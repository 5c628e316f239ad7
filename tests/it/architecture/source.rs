//! The paths that a source names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// How often one `use` is followed through another.
const USES: usize = 3;

/// A source without comments, character and string literals, and without its unit tests, which come last. A literal that is a
/// path is kept: attributes such as `#[serde(with = "...")]` name functions like this.
pub fn bare(source: &str) -> String {
    let source = source
        .split("\n#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(source);
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() {
        let next = chars.get(at + 1).copied();
        match chars[at] {
            '/' if next == Some('/') => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
            }
            '/' if next == Some('*') => {
                at += 2;
                while at < chars.len() && !(chars[at] == '*' && chars.get(at + 1) == Some(&'/')) {
                    at += 1;
                }
                at += 2;
            }
            'r' if matches!(next, Some('"' | '#')) && !ends_in_name(&out) => {
                let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
                if chars.get(at + 1 + hashes) != Some(&'"') {
                    out.push('r');
                    at += 1;
                    continue;
                }
                at += hashes + 2;
                let closes = |at: usize| {
                    chars[at] == '"'
                        && chars[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes
                };
                while at < chars.len() && !closes(at) {
                    at += 1;
                }
                at += hashes + 1;
            }
            '"' => {
                at += 1;
                let begin = at;
                while at < chars.len() && chars[at] != '"' {
                    at += if chars[at] == '\\' { 2 } else { 1 };
                }
                let text: String = chars[begin..at.min(chars.len())].iter().collect();
                at += 1;
                out.push_str(if is_path(&text) { &text } else { " " });
            }
            '\'' if next == Some('\\') => {
                at += 3;
                while at < chars.len() && chars[at] != '\'' {
                    at += 1;
                }
                at += 1;
            }
            '\'' if chars.get(at + 2) == Some(&'\'') => at += 3,
            c => {
                out.push(c);
                at += 1;
            }
        }
    }
    out
}

/// Whether what was read ends in a name, and not in the `b` or `c` of a literal.
fn ends_in_name(out: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let out = match out.strip_suffix(['b', 'c']) {
        Some(rest) if !rest.ends_with(is_part) => rest,
        _ => out,
    };
    out.ends_with(is_part)
}

fn is_path(text: &str) -> bool {
    ["crate::", "self::", "super::"]
        .iter()
        .any(|root| text.starts_with(root))
        && text.chars().all(|c| c.is_alphanumeric() || "_:".contains(c))
}

/// The words and signs of a source.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in bare(source).chars().chain([' ']) {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        match (c, tokens.last_mut()) {
            (':', Some(last)) if last == ":" => last.push(':'),
            (c, _) if c.is_whitespace() => {}
            (c, _) => tokens.push(c.to_string()),
        }
    }
    tokens
}

/// The methods that a source calls.
pub fn methods(source: &str) -> BTreeSet<String> {
    let tokens = tokens(source);
    let called = tokens
        .windows(3)
        .filter(|three| three[0] == "." && three[2] == "(");
    called.map(|three| three[1].clone()).collect()
}

/// The files that a source takes in whole, past its module's name.
pub fn takes_in(source: &str) -> bool {
    let tokens = tokens(source);
    let is = |at: &[String], words: &[&str]| at.iter().map(String::as_str).eq(words.iter().copied());
    tokens.windows(2).any(|two| is(two, &["include", "!"]))
        || tokens.windows(4).any(|four| is(four, &["#", "[", "path", "="]))
}

/// Every path that a source names: groups of `use` written out, and names that a `use` gives followed to where they lead. A
/// path that ends in `*` takes in all that there is.
fn paths(source: &str) -> BTreeSet<String> {
    let tokens = tokens(source);
    let mut found = BTreeSet::new();
    let mut given = BTreeMap::new();
    let mut at = 0;
    while at < tokens.len() {
        let before = at;
        if tokens[at] == "use" {
            at += 1;
            read_use(&tokens, &mut at, "", &mut found, &mut given);
        } else if is_word(&tokens[at]) {
            let is_extern = at > 0 && tokens[at - 1] == "crate";
            let path = read_path(&tokens, &mut at);
            // A lone word is a name of the file's own.
            if is_extern || path.contains("::") {
                found.insert(path);
            }
        }
        at = at.max(before + 1);
    }
    for _ in 0..USES {
        let followed = found.iter().filter_map(|path: &String| {
            let (first, rest) = path.split_once("::")?;
            let paths: &BTreeSet<String> = given.get(first)?;
            Some(paths.iter().map(move |path| format!("{path}::{rest}")))
        });
        let followed: Vec<String> = followed.flatten().collect();
        found.extend(followed);
    }
    found
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn read_path(tokens: &[String], at: &mut usize) -> String {
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let mut path = token(*at).to_owned();
    *at += 1;
    while token(*at) == "::" && is_word(token(*at + 1)) {
        path.push_str("::");
        path.push_str(token(*at + 1));
        *at += 2;
    }
    path
}

/// Reads what a `use` names, below `prefix`; `given` are the names that it gives, with their paths.
fn read_use(
    tokens: &[String],
    at: &mut usize,
    prefix: &str,
    found: &mut BTreeSet<String>,
    given: &mut BTreeMap<String, BTreeSet<String>>,
) {
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    if token(*at) == "::" {
        *at += 1;
    }
    if token(*at) == "{" {
        *at += 1;
        while !matches!(token(*at), "}" | "") {
            read_use(tokens, at, prefix, found, given);
            while !matches!(token(*at), "," | "}" | "") {
                *at += 1;
            }
            if token(*at) == "," {
                *at += 1;
            }
        }
        *at += 1;
        return;
    }
    if token(*at) == "*" {
        *at += 1;
        found.insert(format!("{prefix}*"));
        return;
    }
    if !is_word(token(*at)) {
        return;
    }
    let path = format!("{prefix}{}", read_path(tokens, at));
    if token(*at) == "::" {
        read_use(tokens, at, &format!("{path}::"), found, given);
        return;
    }
    let path = path.strip_suffix("::self").unwrap_or(&path).to_owned();
    let name = if token(*at) == "as" {
        token(*at + 1)
    } else {
        path.rsplit("::").next().unwrap_or_default()
    };
    given.entry(name.to_owned()).or_default().insert(path.clone());
    found.insert(path);
}

/// The modules that a file declares.
fn children(source: &str) -> BTreeSet<String> {
    let text = bare(source);
    let declared = text.split("mod ").skip(1);
    declared
        .filter_map(|rest| Some(rest.split_once(';')?.0.trim().to_owned()))
        .collect()
}

/// Every path that a file names, as seen from the crate.
pub fn named(file: &str, source: &str) -> BTreeSet<String> {
    let module = module(file);
    let children = children(source);
    let all = paths(source).into_iter().map(|path| {
        let first = path.split("::").next().unwrap_or_default();
        if children.contains(first) {
            format!("crate::{}::{path}", module.join("::"))
        } else {
            absolute(&path, &module)
        }
    });
    all.collect()
}

/// A path as seen from the crate: `self` and `super` resolved, in the module that a file is.
fn absolute(path: &str, module: &[&str]) -> String {
    let mut base: Vec<&str> = module.to_vec();
    let mut parts = path.split("::").peekable();
    let mut relative = false;
    while let Some(&part) = parts.peek() {
        match part {
            "self" => relative = true,
            "super" => {
                relative = true;
                base.pop();
            }
            _ => break,
        }
        parts.next();
    }
    let rest: Vec<&str> = parts.collect();
    if relative {
        base.insert(0, "crate");
        base.extend(rest);
        return base.join("::");
    }
    match rest.first() {
        Some(&"patchgate") => ["crate"]
            .iter()
            .chain(&rest[1..])
            .copied()
            .collect::<Vec<_>>()
            .join("::"),
        _ => rest.join("::"),
    }
}

/// The module of a file below `src`.
pub fn module(file: &str) -> Vec<&str> {
    let name = file.trim_end_matches(".rs").trim_end_matches("/mod");
    name.split('/').collect()
}

/// Every file below a folder of the repository, with its text.
pub fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source");
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    found
}
