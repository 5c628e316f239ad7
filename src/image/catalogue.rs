//! Which images a lab needs: lab file and recipes in, definitions with their keys out.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;

use crate::image::build::key::{base_key, layer_key};
use crate::image::machine;
use crate::image::manifest::Sealed;
pub use crate::image::store::{Listing, Store};
use crate::input::finding::{Finding, Severity};
use crate::lab::build::ImageChoice;
use crate::lab::file::{ImageSection, Lab};
use crate::lab::recipe::{self, OsRecipe, RoleRecipe};
use crate::model::hardware::Wishes;
use crate::model::plan::ImagePin;

/// An image as the lab defines it, sealed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDef {
    /// Its name, such as `debian-12+web`, or `debian-12` for a base.
    pub name: String,
    /// The OS version.
    pub os: String,
    /// The role; `None` for a base.
    pub role: Option<String>,
    /// Digest of all that it is built from; of an imported disk, its SHA-256.
    pub key: String,
    /// Where its disk comes from.
    pub origin: Origin,
    /// The recipes and the files that they name, as seen from the lab file, with the SHA-256 of their bytes.
    pub recipes: BTreeMap<String, String>,
    /// What the lab file says of the machine that its clones are given.
    pub hardware: Wishes,
    /// What the lab file says installs its updates.
    pub manager: Option<String>,
    /// What the store has of it.
    pub sealed: Option<Sealed>,
}

/// Where an image's disk comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built from recipes.
    Build {
        /// The base.
        os: Box<OsRecipe>,
        /// The layer on it.
        role: Option<Box<RoleRecipe>>,
    },
    /// A disk that the admin has imported.
    Imported {
        /// The sealed disk's SHA-256.
        sha256: String,
    },
}

impl ImageDef {
    /// What the plan says of it.
    pub fn pin(&self) -> ImagePin {
        ImagePin {
            name: self.name.clone(),
            os: self.os.clone(),
            key: self.key.clone(),
            sha256: self.sealed.as_ref().map(|sealed| sealed.manifest.sha256.clone()),
            machine: machine::of(
                &self.hardware,
                &self.os,
                self.sealed.as_ref().map(|sealed| &sealed.manifest),
            ),
            manager: self.manager.clone(),
        }
    }

    /// The base that its role layer stands on.
    pub fn base(&self, store: &Store) -> Option<Self> {
        match &self.origin {
            Origin::Build { os, role: Some(_) } => Some(Self {
                hardware: self.hardware.clone(),
                ..base_of(os, BTreeMap::new(), store)
            }),
            Origin::Build { role: None, .. } | Origin::Imported { .. } => None,
        }
    }
}

/// What a plan may choose from.
pub fn choices(images: &[ImageDef]) -> Vec<ImageChoice> {
    images
        .iter()
        .filter_map(|image| {
            Some(ImageChoice {
                os: image.os.clone(),
                role: image.role.clone()?,
                pin: image.pin(),
                recipes: image.recipes.clone(),
                sources: match &image.origin {
                    Origin::Build { os, .. } => os.sources.clone(),
                    Origin::Imported { .. } => Vec::new(),
                },
            })
        })
        .collect()
}

fn base_of(os: &OsRecipe, recipes: BTreeMap<String, String>, store: &Store) -> ImageDef {
    let key = base_key(os);
    ImageDef {
        sealed: store.find(&os.os, &key).ok().flatten(),
        name: os.os.clone(),
        os: os.os.clone(),
        role: None,
        key,
        origin: Origin::Build {
            os: Box::new(os.clone()),
            role: None,
        },
        recipes,
        hardware: Wishes::default(),
        manager: None,
    }
}

/// The images that the nodes of the lab's cells are forked from, each once, sorted by name.
pub fn needed(lab: &Lab, store: &Store) -> Result<Vec<ImageDef>, Vec<Finding>> {
    let mut images = BTreeMap::new();
    let mut findings: Vec<Finding> = Vec::new();
    for group in lab.file.group.values() {
        for os in group.os.get_ref() {
            for role in group.roles.get_ref() {
                let name = image_name(os.get_ref(), Some(role.get_ref()));
                if images.contains_key(&name) {
                    continue;
                }
                let asked = Asked {
                    os: os.get_ref(),
                    os_span: Some(os.span()),
                    role: Some(role.get_ref()),
                    role_span: Some(role.span()),
                };
                match define(lab, store, &asked) {
                    Ok(image) => {
                        images.insert(name, image);
                    }
                    Err(new) => findings.extend(new),
                }
            }
        }
    }
    if findings.is_empty() {
        return Ok(images.into_values().collect());
    }
    // One recipe serves many nodes; what is wrong with it is said once.
    let mut once: Vec<Finding> = Vec::new();
    for finding in findings {
        if !once.contains(&finding) {
            once.push(finding);
        }
    }
    Err(once)
}

/// The image of that name, `OS` or `OS+ROLE`, as the lab defines it, whether a cell needs it or not.
pub fn named(lab: &Lab, store: &Store, name: &str) -> Result<ImageDef, Vec<Finding>> {
    let (os, role) = match name.split_once('+') {
        Some((os, role)) => (os, Some(role)),
        None => (name, None),
    };
    let asked = Asked {
        os,
        os_span: None,
        role,
        role_span: None,
    };
    define(lab, store, &asked)
}

/// The name of an image: `debian-12+web`, or `debian-12` without a role.
pub fn image_name(os: &str, role: Option<&str>) -> String {
    role.map_or_else(|| os.to_owned(), |role| format!("{os}+{role}"))
}

/// An image that is asked for, and where.
struct Asked<'a> {
    os: &'a str,
    os_span: Option<Range<usize>>,
    role: Option<&'a str>,
    role_span: Option<Range<usize>>,
}

fn define(lab: &Lab, store: &Store, asked: &Asked<'_>) -> Result<ImageDef, Vec<Finding>> {
    let name = image_name(asked.os, asked.role);
    let refuse =
        |span: Option<Range<usize>>, message: String, hint: String| vec![finding(lab, span, message, hint)];
    // A disk that has its role already goes before a base of the same OS version.
    if asked.role.is_some()
        && let Some((section_name, section)) = section_of(lab, &name)
    {
        return match section_kind(lab, section_name, section)? {
            Kind::Imported(sha256) => imported(lab, store, asked, &sha256, section),
            Kind::Build(path) => Err(refuse(
                Some(path.span()),
                format!("image `{name}` names a recipe"),
                format!(
                    "a recipe builds a base such as `{}`; a role has its own under [role]",
                    asked.os
                ),
            )),
        };
    }
    let Some((section_name, section)) = section_of(lab, asked.os) else {
        return Err(refuse(
            asked.os_span.clone(),
            format!("no image for the OS version `{}`", asked.os),
            format!("add [image.{}] with `build` or `imported`", asked.os),
        ));
    };
    let recipe_of_role = match asked.role {
        None => None,
        Some(role) => match lab.file.role.iter().find(|(name, _)| name.get_ref() == role) {
            Some((_, section)) => section.recipe.as_ref(),
            None => {
                return Err(refuse(
                    asked.role_span.clone(),
                    format!("no role `{role}`"),
                    format!("add [role.{role}] with its `recipe`"),
                ));
            }
        },
    };
    match (
        section_kind(lab, section_name, section)?,
        recipe_of_role,
        asked.role,
    ) {
        (Kind::Imported(sha256), None, _) => imported(lab, store, asked, &sha256, section),
        (Kind::Imported(_), Some(recipe), _) => Err(refuse(
            Some(recipe.span()),
            format!(
                "the recipe cannot be layered on `{}`, which was imported",
                asked.os
            ),
            format!("import a disk that has the role and name it [image.\"{name}\"], or take `recipe` out"),
        )),
        (Kind::Build(_), None, Some(role)) => Err(refuse(
            asked.role_span.clone(),
            format!("role `{role}` has no recipe, and no image `{name}` is imported"),
            format!("give [role.{role}] a `recipe`, or add [image.\"{name}\"] with `imported`"),
        )),
        (Kind::Build(path), recipe, _) => Ok(ImageDef {
            hardware: section.hardware.clone(),
            manager: section.manager(),
            ..built(lab, store, asked, section_name, path, recipe)?
        }),
    }
}

/// The one key of an `[image]` section.
enum Kind<'a> {
    Build(&'a Spanned<std::path::PathBuf>),
    Imported(Spanned<String>),
}

fn section_of<'a>(lab: &'a Lab, name: &str) -> Option<(&'a Spanned<String>, &'a ImageSection)> {
    lab.file.image.iter().find(|(key, _)| key.get_ref() == name)
}

fn section_kind<'a>(
    lab: &Lab,
    name: &Spanned<String>,
    section: &'a ImageSection,
) -> Result<Kind<'a>, Vec<Finding>> {
    match (&section.build, &section.imported) {
        (Some(path), None) => Ok(Kind::Build(path)),
        (None, Some(sha256)) => Ok(Kind::Imported(sha256.clone())),
        (Some(_), Some(_)) | (None, None) => Err(vec![finding(
            lab,
            Some(name.span()),
            format!(
                "image `{}` needs exactly one of `build` and `imported`",
                name.get_ref()
            ),
            "`build` names a recipe, `imported` the SHA-256 that `patchgate image import` printed".into(),
        )]),
    }
}

fn imported(
    lab: &Lab,
    store: &Store,
    asked: &Asked<'_>,
    sha256: &Spanned<String>,
    section: &ImageSection,
) -> Result<ImageDef, Vec<Finding>> {
    let digest = sha256.get_ref().to_ascii_lowercase();
    if digest.len() != 64 || !digest.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(vec![finding(
            lab,
            Some(sha256.span()),
            format!("`{}` is not a SHA-256", sha256.get_ref()),
            "write the 64 hexadecimal digits that `patchgate image import` printed".into(),
        )]);
    }
    let sealed = store.find_disk(&digest, asked.os).ok().flatten();
    if let Some(sealed) = &sealed
        && sealed.manifest.os != asked.os
    {
        return Err(vec![finding(
            lab,
            Some(sha256.span()),
            format!(
                "the disk was imported as `{}`, not as `{}`",
                sealed.manifest.os, asked.os
            ),
            "name the image's section after the OS version, or import the disk anew with --os".into(),
        )]);
    }
    Ok(ImageDef {
        name: image_name(asked.os, asked.role),
        os: asked.os.to_owned(),
        role: asked.role.map(str::to_owned),
        key: digest.clone(),
        origin: Origin::Imported { sha256: digest },
        recipes: BTreeMap::new(),
        hardware: section.hardware.clone(),
        manager: section.manager(),
        sealed,
    })
}

fn built(
    lab: &Lab,
    store: &Store,
    asked: &Asked<'_>,
    section: &Spanned<String>,
    path: &Spanned<std::path::PathBuf>,
    role_recipe: Option<&Spanned<std::path::PathBuf>>,
) -> Result<ImageDef, Vec<Finding>> {
    let at = |span: Range<usize>| {
        move |findings: Vec<Finding>| -> Vec<Finding> {
            findings
                .into_iter()
                .map(|found| match found.place {
                    Some(_) => found,
                    None => Finding::error(&lab.source, span.clone(), found.message)
                        .with_hint(found.hint.unwrap_or_default()),
                })
                .collect()
        }
    };
    let os = recipe::load_os(&lab.dir.join(path.get_ref())).map_err(at(path.span()))?;
    if os.os != *section.get_ref() {
        return Err(vec![finding(
            lab,
            Some(path.span()),
            format!("the recipe builds `{}`, not `{}`", os.os, section.get_ref()),
            format!("name the section [image.{}]", os.os),
        )]);
    }
    let mut recipes = seen_from(&lab.dir, &os.inputs);
    let (Some(role), Some(role_path)) = (asked.role, role_recipe) else {
        return Ok(base_of(&os, recipes, store));
    };
    let layer = recipe::load_role(&lab.dir.join(role_path.get_ref())).map_err(at(role_path.span()))?;
    recipes.extend(seen_from(&lab.dir, &layer.inputs));
    let name = image_name(asked.os, Some(role));
    let key = layer_key(&layer, asked.os, &base_key(&os));
    Ok(ImageDef {
        sealed: store.find(&name, &key).ok().flatten(),
        name,
        os: asked.os.to_owned(),
        role: Some(role.to_owned()),
        key,
        origin: Origin::Build {
            os: Box::new(os),
            role: Some(Box::new(layer)),
        },
        recipes,
        hardware: Wishes::default(),
        manager: None,
    })
}

fn seen_from(dir: &Path, inputs: &BTreeMap<std::path::PathBuf, String>) -> BTreeMap<String, String> {
    inputs
        .iter()
        .map(|(path, digest)| {
            let path = path.strip_prefix(dir).unwrap_or(path);
            (path.display().to_string(), digest.clone())
        })
        .collect()
}

fn finding(lab: &Lab, span: Option<Range<usize>>, message: String, hint: String) -> Finding {
    match span {
        Some(span) => Finding::error(&lab.source, span, message).with_hint(hint),
        None => Finding {
            severity: Severity::Error,
            message,
            place: None,
            hint: Some(hint),
        },
    }
}
