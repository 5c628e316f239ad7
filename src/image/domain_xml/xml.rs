//! Small things of reading a description.

use roxmltree::Node;

use crate::input::safe;

/// Whether a node is an element of libvirt's own, of that name.
pub fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name && node.tag_name().namespace().is_none()
}

/// The first child of that name.
pub fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|node| is(*node, name))
}

/// All children of that name.
pub fn children<'a, 'input>(
    node: Node<'a, 'input>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |node| is(*node, name))
}

/// An element's text; nothing where there is none.
pub fn text<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    node.text().map(str::trim).filter(|text| !text.is_empty())
}

/// The text of a child.
pub fn text_of<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    text(child(node, name)?)
}

/// An attribute of a child.
pub fn of_child<'a>(node: Node<'a, '_>, name: &str, attribute: &str) -> Option<&'a str> {
    child(node, name)?.attribute(attribute)
}

/// What somebody wrote, to be shown in a sentence.
pub fn quoted(text: &str) -> String {
    format!("`{}`", safe::line(text))
}
