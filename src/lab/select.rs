//! `--select`: an expression over cells.

use crate::input::words::{list, nearest, show};

/// Bytes of one pattern.
const PATTERN_BYTES: usize = 200;

/// What a selection sees of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// `<group>/<os>`
    pub id: String,
    /// The group.
    pub group: &'a str,
    /// The OS version.
    pub os: &'a str,
    /// The roles.
    pub roles: Vec<&'a str>,
}

/// An expression: terms with commas between them. A term is a pattern (`*` any characters, `?` one) over
/// `group/os`, or, without a `/`, over the group, the OS version or a role. `!` before a term leaves its cells out.
/// Without a term that takes cells in, all are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    exclude: bool,
    pattern: String,
}

/// Why an expression selects nothing that could be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Selection {
    /// Parses an expression.
    pub fn parse(expression: &str) -> Result<Self, SelectError> {
        let mut terms = Vec::new();
        for term in expression.split(',') {
            let term = term.trim();
            let pattern = term.strip_prefix('!').map_or(term, str::trim);
            let problem = match pattern.len() {
                0 => Some("one of its patterns is empty".to_owned()),
                1..=PATTERN_BYTES => None,
                _ => Some(format!("one of its patterns has more than {PATTERN_BYTES} bytes")),
            };
            if let Some(problem) = problem {
                return Err(SelectError {
                    message: format!("{} is not a selection: {problem}", show(expression)),
                    hint:
                        "write patterns with commas between them, such as `web/debian-12,database,!debian-11`"
                            .into(),
                });
            }
            terms.push(Term {
                exclude: term.starts_with('!'),
                pattern: pattern.to_owned(),
            });
        }
        Ok(Self { terms })
    }

    /// Which of the cells are selected, in their order.
    ///
    /// # Errors
    /// A term that fits no cell, which is a slip of the pen, or nothing that is left.
    pub fn apply(&self, cells: &[Candidate<'_>]) -> Result<Vec<bool>, SelectError> {
        for term in &self.terms {
            if !cells.iter().any(|cell| term.fits(cell)) {
                return Err(SelectError {
                    message: format!("the selection's {} fits no cell", show(&term.pattern)),
                    hint: hint(&term.pattern, cells),
                });
            }
        }
        let open = self.terms.iter().all(|term| term.exclude);
        let selected: Vec<bool> = cells
            .iter()
            .map(|cell| {
                let fits = |exclude: bool| {
                    self.terms
                        .iter()
                        .any(|term| term.exclude == exclude && term.fits(cell))
                };
                (open || fits(false)) && !fits(true)
            })
            .collect();
        if !selected.contains(&true) {
            return Err(SelectError {
                message: "the selection leaves no cell".into(),
                hint: format!("cells: {}", list(cells.iter().map(|cell| cell.id.as_str()))),
            });
        }
        Ok(selected)
    }
}

impl Term {
    fn fits(&self, cell: &Candidate<'_>) -> bool {
        if self.pattern.contains('/') {
            return glob(&self.pattern, &cell.id);
        }
        std::iter::once(&cell.group)
            .chain(std::iter::once(&cell.os))
            .chain(&cell.roles)
            .any(|name| glob(&self.pattern, name))
    }
}

fn hint(pattern: &str, cells: &[Candidate<'_>]) -> String {
    let names = cells.iter().flat_map(|cell| {
        [cell.id.as_str(), cell.group, cell.os]
            .into_iter()
            .chain(cell.roles.iter().copied())
    });
    let near = nearest(pattern, names).map_or(String::new(), |near| format!("did you mean {}? ", show(near)));
    format!("{near}cells: {}", list(cells.iter().map(|cell| cell.id.as_str())))
}

/// Whether a pattern with `*` and `?` fits a whole text; takes at most the product of both lengths in steps.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((star_p, star_t)) => {
                    star = Some((star_p, star_t + 1));
                    p = star_p + 1;
                    t = star_t + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells() -> Vec<Candidate<'static>> {
        let cell = |group, os, roles: &[&'static str]| Candidate {
            id: format!("{group}/{os}"),
            group,
            os,
            roles: roles.to_vec(),
        };
        vec![
            cell("shop", "debian-11", &["web"]),
            cell("shop", "debian-12", &["web"]),
            cell("erp", "debian-12", &["database", "app"]),
        ]
    }

    #[test]
    fn an_expression_selects_cells() {
        for (expression, selected) in [
            ("shop/debian-12", "shop/debian-12"),
            ("shop", "shop/debian-11 shop/debian-12"),
            ("debian-12", "shop/debian-12 erp/debian-12"),
            ("database", "erp/debian-12"),
            ("*/debian-1?, !erp", "shop/debian-11 shop/debian-12"),
            ("!debian-11", "shop/debian-12 erp/debian-12"),
            ("erp,shop/*1", "shop/debian-11 erp/debian-12"),
            ("*", "shop/debian-11 shop/debian-12 erp/debian-12"),
        ] {
            let cells = cells();
            let mask = Selection::parse(expression)
                .expect(expression)
                .apply(&cells)
                .expect(expression);
            let kept: Vec<&str> = cells
                .iter()
                .zip(mask)
                .filter(|(_, kept)| *kept)
                .map(|(c, _)| c.id.as_str())
                .collect();
            assert_eq!(kept.join(" "), selected, "{expression}");
        }
    }

    #[test]
    fn what_selects_nothing_is_told_with_the_cells() {
        for (expression, message) in [
            ("shpo", "the selection's `shpo` fits no cell"),
            ("shop,!debain-11", "the selection's `debain-11` fits no cell"),
            ("shop,!debian-*", "the selection leaves no cell"),
        ] {
            let error = Selection::parse(expression)
                .expect(expression)
                .apply(&cells())
                .expect_err(expression);
            assert_eq!(error.message, message);
            assert!(error.hint.contains("`shop/debian-11`"), "{}", error.hint);
        }
        for expression in ["", ",", "shop,", "!"] {
            let error = Selection::parse(expression).expect_err(expression);
            assert!(error.message.ends_with("one of its patterns is empty"), "{error}");
        }
        let error = Selection::parse(&"a".repeat(201)).expect_err("too long");
        assert!(error.message.contains("more than 200 bytes"), "{error}");
    }

    #[test]
    fn a_pattern_of_many_stars_ends() {
        assert!(!glob(&"*a".repeat(90), &"a".repeat(80)));
        assert!(glob("*a*b*", "xxaxxbxx"));
    }
}
