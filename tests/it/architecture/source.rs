//! The paths that a source names.

use std::fs;
use std::path::{Path, PathBuf};

/// A source without comments, character and string literals, and without its unit tests, which come last.
pub fn bare(source: &str) -> String {
    let source = source.split("\n#[cfg(test)]\nmod tests").next().unwrap_or(source);
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
            'r' if matches!(next, Some('"' | '#'))
                && !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') =>
            {
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
                while at < chars.len() && chars[at] != '"' {
                    at += if chars[at] == '\\' { 2 } else { 1 };
                }
                at += 1;
                out.push(' ');
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

/// Every path that a source names, groups of `use` written out.
pub fn paths(source: &str) -> Vec<String> {
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
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let before = at;
        if is_word(&tokens[at]) {
            let imported = at > 0 && matches!(tokens[at - 1].as_str(), "use" | "crate");
            let known = found.len();
            read_path(&tokens, &mut at, "", &mut found);
            // A lone word is a path in `use virt;` only: elsewhere it is a name of the file's own.
            if !imported && found.len() == known + 1 && !found[known].contains("::") {
                found.pop();
            }
        }
        at = at.max(before + 1);
    }
    found
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn read_path(tokens: &[String], at: &mut usize, prefix: &str, found: &mut Vec<String>) {
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let mut path = prefix.to_owned();
    while is_word(token(*at)) {
        path.push_str(token(*at));
        *at += 1;
        if token(*at) != "::" {
            break;
        }
        *at += 1;
        path.push_str("::");
        if token(*at) == "{" {
            *at += 1;
            while !matches!(token(*at), "}" | "") {
                let before = *at;
                read_path(tokens, at, &path, found);
                *at = (*at).max(before + 1);
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
    }
    found.push(path);
}

/// A path as seen from the crate: `self` and `super` resolved, in the module that a file is.
pub fn absolute(path: &str, module: &[&str]) -> String {
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
