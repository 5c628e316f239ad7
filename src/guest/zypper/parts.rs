//! The parts of an answer: `Part NAME EXIT`, and each line of its text behind a blank. What stands below them is ours, not
//! zypper's; the last line is `End`.

use roxmltree::{Document, Node, ParsingOptions};

use crate::guest::command::ParseError;
use crate::input;

/// What is wrong with an answer of zypper's.
pub fn wrong(problem: String) -> ParseError {
    ParseError {
        what: "zypper's answer",
        problem,
    }
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'o> {
    /// Its name.
    pub name: &'o str,
    /// zypper's exit code.
    pub exit: i32,
    /// What it printed.
    pub text: String,
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer<'o> {
    /// Its parts, in their order.
    pub parts: Vec<Part<'o>>,
    /// Its other lines.
    pub lines: Vec<&'o str>,
}

impl<'o> Answer<'o> {
    /// Takes an answer apart.
    ///
    /// # Errors
    /// It is cut, or begins with something else.
    pub fn read(output: &'o str) -> Result<Self, ParseError> {
        let mut answer = Self::default();
        let mut ended = false;
        for line in output.lines() {
            if ended {
                return Err(wrong(format!("`{}` stands behind its end", input::clip(line))));
            }
            let header = line.strip_prefix("Part ").and_then(|rest| {
                let (name, exit) = rest.rsplit_once(' ')?;
                Some((name, exit.parse().ok()?))
            });
            if let Some((name, exit)) = header {
                let text = String::new();
                answer.parts.push(Part { name, exit, text });
            } else if let (Some(line), Some(part)) = (line.strip_prefix(' '), answer.parts.last_mut()) {
                part.text.push_str(line);
                part.text.push('\n');
            } else if line == "End" {
                ended = true;
            } else if line.starts_with("Side ") || line.starts_with("List ") {
                answer.lines.push(line);
            } else {
                return Err(wrong(format!("`{}` is not understood", input::clip(line))));
            }
        }
        if ended {
            Ok(answer)
        } else {
            Err(wrong("the answer is cut".into()))
        }
    }

    /// A part by its name.
    pub fn part(&self, name: &str) -> Option<&Part<'o>> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// The XML of a part which must be there.
    ///
    /// # Errors
    /// It is not there, or is none, or tells of an error.
    pub fn document(&self, name: &str) -> Result<Document<'_>, ParseError> {
        let part = self
            .part(name)
            .ok_or_else(|| wrong(format!("`{name}` is missing")))?;
        document(&part.text)
    }

    /// What follows a word in the lines that are ours.
    pub fn told(&self, word: &str) -> impl Iterator<Item = &'o str> {
        let word = format!("{word} ");
        self.lines
            .iter()
            .filter_map(move |line| line.strip_prefix(word.as_str()))
    }
}

/// Reads zypper's XML, in which no entity is declared and nothing is expanded.
///
/// # Errors
/// It is none, or tells of an error.
pub fn document(text: &str) -> Result<Document<'_>, ParseError> {
    if let Some(tag) = text.split('<').find(|tag| is_too_much(tag)) {
        return Err(wrong(format!("too many attributes: `{}`", input::clip(tag))));
    }
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: 200_000,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text.trim(), options)
        .map_err(|error| wrong(format!("no XML: {error}: `{}`", input::clip(text.trim()))))?;
    if let Some(error) = errors(&document).next() {
        return Err(wrong(input::clip(&error)));
    }
    Ok(document)
}

/// Whether an element has more attributes than any of zypper's; the reader compares each with all others.
fn is_too_much(tag: &str) -> bool {
    let tag = tag.split('>').next().unwrap_or_default();
    tag.matches('=').count() > 64 || tag.matches("xmlns").count() > 1
}

/// The messages of an answer that are errors, each in one line.
pub fn errors<'d>(document: &'d Document<'_>) -> impl Iterator<Item = String> + 'd {
    elements(document, "message")
        .filter(|message| message.attribute("type") == Some("error"))
        .map(|message| {
            let text = message.text().unwrap_or_default();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        })
}

/// All elements of a name.
pub fn elements<'d, 't>(
    document: &'d Document<'t>,
    name: &'static str,
) -> impl Iterator<Item = Node<'d, 't>> + 'd {
    document.descendants().filter(move |node| node.has_tag_name(name))
}

/// Whether an element is of a package; `None` where its kind is none that zypper knows, or in another language than ours.
pub fn is_package(kind: &str) -> Option<bool> {
    match kind {
        "package" => Some(true),
        "patch" | "pattern" | "product" | "application" | "srcpackage" => Some(false),
        _ => None,
    }
}

/// An attribute that must be there.
///
/// # Errors
/// It is not.
pub fn attribute<'d>(node: Node<'d, '_>, name: &str) -> Result<&'d str, ParseError> {
    node.attribute(name).ok_or_else(|| {
        let tag = node.tag_name().name();
        wrong(format!("an element `{tag}` has no `{name}`"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart_and_a_cut_one_refused() {
        let answer = Answer::read("Part a 0\n <x>\n Part b 1\n </x>\nPart why a.b=1-1 4\n \nSide k\nEnd\n")
            .expect("it");
        assert_eq!(
            answer.part("a").map(|part| part.text.as_str()),
            Some("<x>\nPart b 1\n</x>\n")
        );
        assert_eq!(answer.part("why a.b=1-1").map(|part| part.exit), Some(4));
        assert_eq!(answer.told("Side").collect::<Vec<_>>(), ["k"]);
        for (output, problem) in [
            ("", "cut"),
            ("Part a 0\n x\n", "cut"),
            (
                "Part a 0\n x\nwarning: y\nEnd\n",
                "`warning: y` is not understood",
            ),
            ("End\nmore\n", "behind its end"),
            (" x\nEnd\n", "not understood"),
        ] {
            let error = Answer::read(output).expect_err(output).to_string();
            assert!(error.contains(problem), "{output}: {error}");
        }
    }

    #[test]
    fn errors_in_well_formed_xml_are_errors_and_nothing_is_expanded() {
        let error = |text: &str| document(text).map(|_| ()).expect_err(text).to_string();
        assert!(
            error("<stream><message type=\"error\">Some of\nthe repositories</message></stream>")
                .contains("Some of the repositories")
        );
        assert!(error("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>").contains("no XML"));
        assert!(error("Loading data\n<stream/>").contains("no XML"));
        assert!(error(&format!("<a {}/>", "a='' ".repeat(100))).contains("too many"));
    }
}
