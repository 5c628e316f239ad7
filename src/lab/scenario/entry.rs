//! A step as it is written, which may stand for several.

use toml::Spanned;

use crate::input::section::Section;
use crate::input::template::{self, ITEM};
use crate::model::scenario::Step;

/// A step as it is written, which is one step for each entry of its `each`.
pub(super) struct Entry<'a> {
    /// Its table.
    pub section: Section<'a>,
    /// The step, its name and `item` not yet those of an entry.
    pub step: Step,
    /// The entries of `each`; none without one.
    pub items: Vec<String>,
    /// The secrets that it asks for.
    pub secrets: Vec<Spanned<String>>,
    /// The places of the names that it captures.
    pub captures: Vec<Spanned<String>>,
}

impl Entry<'_> {
    /// The steps that it stands for.
    pub fn steps(&self) -> Vec<Step> {
        if self.items.is_empty() {
            return vec![self.step.clone()];
        }
        let named = template::has_variables(&self.step.name);
        self.items
            .iter()
            .map(|item| {
                let fill = template::fill(&self.step.name, &|name| (name == ITEM).then(|| item.clone()));
                Step {
                    name: match fill {
                        Ok(name) if named => name,
                        Ok(_) | Err(_) => format!("{} [{item}]", self.step.name),
                    },
                    item: Some(item.clone()),
                    ..self.step.clone()
                }
            })
            .collect()
    }
}
