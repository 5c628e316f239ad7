//! XML for libvirt: elements that cannot be written unescaped, and patchgate's mark in `<metadata>`.

use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::host::libvirt::error::{is_absent, lab_error};
use crate::model::id::RunId;
use crate::port::{LabError, Tag, foreign};

/// The XML namespace of patchgate's mark.
pub const NAMESPACE: &str = "https://patchgate.dev/libvirt/1";

/// Bytes of a domain's or network's XML that are read; libvirt's own limit for a string is 4 MiB.
const READ_LIMIT: usize = 4 * 1024 * 1024;

/// One element with its attributes and content.
#[derive(Debug, Clone)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    text: Option<String>,
    children: Vec<Element>,
}

/// An empty element.
pub fn element(name: &'static str) -> Element {
    Element {
        name,
        attributes: Vec::new(),
        text: None,
        children: Vec::new(),
    }
}

impl Element {
    /// Adds an attribute.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "takes text, numbers and addresses alike"
    )]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }

    /// Sets the text; an element has either text or children.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "takes text, numbers and addresses alike"
    )]
    pub fn text(mut self, text: impl ToString) -> Self {
        self.text = Some(text.to_string());
        self
    }

    /// Adds a child.
    #[must_use]
    pub fn child(mut self, child: Element) -> Self {
        self.children.push(child);
        self
    }

    /// Adds children.
    #[must_use]
    pub fn children(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children);
        self
    }

    /// The document, indented by two spaces, with a line feed at its end.
    pub fn render(&self) -> String {
        let mut text = String::new();
        self.render_into(&mut text, 0);
        text
    }

    fn render_into(&self, out: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        // Writing to a String cannot fail.
        let _ = write!(out, "{indent}<{}", self.name);
        for (name, value) in &self.attributes {
            let _ = write!(out, " {name}=\"{}\"", escape(value));
        }
        if let Some(text) = &self.text {
            let _ = writeln!(out, ">{}</{}>", escape(text), self.name);
        } else if self.children.is_empty() {
            out.push_str("/>\n");
        } else {
            out.push_str(">\n");
            for child in &self.children {
                child.render_into(out, depth + 1);
            }
            let _ = writeln!(out, "{indent}</{}>", self.name);
        }
    }
}

/// Text as XML 1.0 can hold it. Control characters cannot be written there even escaped
/// (<https://www.w3.org/TR/xml/#charsets>); each becomes U+FFFD, which no name of libvirt's contains.
fn escape(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| match c {
            '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => c,
            _ => '\u{fffd}',
        })
        .collect();
    quick_xml::escape::escape(text.as_str()).into_owned()
}

/// Patchgate's mark as read from a domain or network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The run.
    pub run: RunId,
    /// The cell; not on what belongs to a whole run.
    pub cell: Option<String>,
    /// The arm; not on what belongs to a whole run.
    pub arm: Option<String>,
    /// The node's role; on domains only.
    pub role: Option<String>,
    /// The run's folder.
    pub run_dir: PathBuf,
}

/// The `<metadata>` element that marks a resource.
pub fn mark(tag: &Tag, role: Option<&str>) -> Element {
    let mut mark = element("patchgate:run")
        .with("xmlns:patchgate", NAMESPACE)
        .with("id", tag.run.as_str());
    if let Some(arm) = &tag.arm {
        mark = mark
            .with("cell", encode(arm.cell.0.as_bytes()))
            .with("arm", arm.kind);
        if arm.nth_try != 1 {
            mark = mark.with("try", arm.nth_try);
        }
    }
    if let Some(role) = role {
        mark = mark.with("role", encode(role.as_bytes()));
    }
    let mark = mark.with("dir", encode(tag.run_dir.as_os_str().as_bytes()));
    element("metadata").child(mark)
}

/// The `<metadata>` element that marks what all arms of a run share.
pub fn mark_run(run: &RunId, run_dir: &Path) -> Element {
    let mark = element("patchgate:run")
        .with("xmlns:patchgate", NAMESPACE)
        .with("id", run.as_str())
        .with("dir", encode(run_dir.as_os_str().as_bytes()));
    element("metadata").child(mark)
}

/// The mark in a domain's or network's XML; `None` where it carries none that can be understood.
pub fn read_mark(xml: &str) -> Option<Mark> {
    let document = parse(xml)?;
    let metadata = child(document.root_element(), "metadata")?;
    let mark = metadata
        .children()
        .find(|node| node.has_tag_name((NAMESPACE, "run")))?;
    let text = |name| decode(mark.attribute(name)?);
    let words = |name| Some(String::from_utf8_lossy(&text(name)?).into_owned());
    Some(Mark {
        run: mark.attribute("id")?.parse().ok()?,
        cell: words("cell"),
        arm: words("arm"),
        role: words("role"),
        run_dir: PathBuf::from(OsString::from_vec(text("dir")?)),
    })
}

/// Whether a domain or network that libvirt was asked to describe is there still, with the mark of that run.
///
/// # Errors
/// It has not that mark, and is left alone; or it cannot be read.
pub fn is_of_run(
    what: &str,
    described: Result<String, virt::error::Error>,
    run: &RunId,
) -> Result<bool, LabError> {
    match described {
        Ok(xml) => match read_mark(&xml) {
            Some(mark) if mark.run == *run => Ok(true),
            Some(_) | None => Err(foreign(what, run)),
        },
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(lab_error(&format!("reading {what}"), &error)),
    }
}

/// Parses libvirt's XML; `None` where it is none, or beyond any size that libvirt sends.
pub fn parse(xml: &str) -> Option<roxmltree::Document<'_>> {
    if xml.len() > READ_LIMIT {
        return None;
    }
    roxmltree::Document::parse(xml).ok()
}

/// The first child element of that name.
pub fn child<'a, 'input>(
    node: roxmltree::Node<'a, 'input>,
    name: &str,
) -> Option<roxmltree::Node<'a, 'input>> {
    node.children().find(|node| node.has_tag_name(name))
}

/// Paths may hold bytes that are no text, and XML normalises white space in attributes, so a mark's values are
/// percent-encoded outside printable ASCII.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'%' | 0..=0x1f | 0x7f.. => {
                let _ = write!(text, "%{byte:02X}");
            }
            printable => text.push(char::from(*printable)),
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |digit: Option<u8>| char::from(digit?).to_digit(16);
            let value = digit(rest.next())? * 16 + digit(rest.next())?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::id::{Arm, ArmId, CellId};

    fn tag(cell: &str, dir: &[u8]) -> Tag {
        Tag {
            run: "20261123-140912-7c1f".parse().expect("a run id"),
            arm: Some(ArmId::first(&CellId(cell.into()), Arm::Treatment)),
            run_dir: OsString::from_vec(dir.to_vec()).into(),
        }
    }

    #[test]
    fn a_mark_is_written_in_its_own_namespace() {
        insta::assert_snapshot!(mark(&tag("a\"<b>/debian-12", b"/srv/n\xc3\xa4me %1\n\xff"), Some("web")).render(), @r#"
        <metadata>
          <patchgate:run xmlns:patchgate="https://patchgate.dev/libvirt/1" id="20261123-140912-7c1f" cell="a&quot;&lt;b&gt;/debian-12" arm="treatment" role="web" dir="/srv/n%C3%A4me %251%0A%FF"/>
        </metadata>
        "#);
    }

    #[test]
    fn a_mark_tells_a_second_try_and_what_belongs_to_no_arm() {
        let second = Tag {
            arm: Some(ArmId {
                nth_try: 2,
                ..ArmId::first(&CellId::new("c", "o"), Arm::Control)
            }),
            ..tag("c/o", b"/d")
        };
        assert_eq!(
            mark(&second, None).render(),
            mark(&tag("c/o", b"/d"), None)
                .render()
                .replace(r#"arm="treatment""#, r#"arm="control" try="2""#)
        );
        let nobody = Tag { arm: None, ..second };
        assert_eq!(
            mark(&nobody, None).render(),
            mark_run(&nobody.run, &nobody.run_dir).render()
        );
    }

    #[test]
    fn what_is_no_mark_is_not_taken_for_one() {
        let good = element("domain").child(mark(&tag("c/o", b"/d"), None)).render();
        assert!(read_mark(&good).is_some());
        for xml in [
            String::new(),
            "<domain/>".into(),
            "<domain><metadata/></domain>".into(),
            good.replace("libvirt/1", "libvirt/2"),
            good.replace("20261123-140912-7c1f", "yesterday"),
            good.replace("dir=\"/d\"", "dir=\"%4\""),
            good.replace("dir=\"/d\"", ""),
            good.replace("</domain>", ""),
        ] {
            assert_eq!(read_mark(&xml), None, "{xml}");
        }
    }

    proptest! {
        #[test]
        fn any_cell_and_folder_survive_the_mark(cell in any::<String>(), dir in any::<Vec<u8>>(), role in any::<Option<String>>()) {
            let tag = tag(&cell, &dir);
            let xml = element("network").child(mark(&tag, role.as_deref())).render();
            let read = read_mark(&xml).expect("a mark");
            prop_assert_eq!(read, Mark { run: tag.run, cell: Some(cell), arm: Some("treatment".into()), role, run_dir: tag.run_dir });
        }

        #[test]
        fn any_text_gives_xml_that_parses(text in any::<String>()) {
            let xml = element("a").with("b", &text).child(element("c").text(&text)).render();
            prop_assert!(parse(&xml).is_some(), "{}", xml);
        }
    }
}
