//! Which builder makes what a recipe describes.

use crate::image::build::builder::Builder;
use crate::image::build::debian::Debian;
use crate::lab::recipe::OsRecipe;

/// The builder of a recipe. Recipes so far have a suite on a mirror, as Debian and what is derived from it.
pub fn of(_recipe: &OsRecipe) -> &'static dyn Builder {
    &Debian
}
