//! What names an image: a digest of all that decides what is on its disk.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::image::build::builders;
use crate::input::hex;
use crate::lab::recipe::{Changes, OsRecipe, RoleRecipe};

/// The builders' generation: raise it when the same recipes give another disk.
const FORMAT: u32 = 1;

/// The key of a base: everything that decides its disk but the mirror's content of the day.
pub fn base_key(os: &OsRecipe) -> String {
    #[derive(Serialize)]
    struct Decides<'a> {
        format: u32,
        builder: &'a [&'a str],
        os: &'a OsRecipe,
    }
    digest(&Decides {
        format: FORMAT,
        builder: builders::of(os).decides(),
        os,
    })
}

/// The key of a role layer on the base of that key. Packages for other OS versions do not matter to it.
pub fn layer_key(role: &RoleRecipe, os: &str, base: &str) -> String {
    #[derive(Serialize)]
    struct Decides<'a> {
        base: &'a str,
        packages: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        fetch: Option<&'a [String]>,
        debs: Vec<&'a str>,
        changes: &'a Changes,
    }
    digest(&Decides {
        base,
        packages: role.packages_on(os),
        fetch: Some(role.fetch.as_slice()).filter(|fetch| !fetch.is_empty()),
        debs: role.debs.iter().map(|deb| deb.sha256.as_str()).collect(),
        changes: &role.changes,
    })
}

fn digest(decides: &impl Serialize) -> String {
    let mut hasher = Sha256::new();
    // Writing to a hasher cannot fail, and the keys of these structs are strings.
    if let Ok(json) = serde_json::to_vec(decides) {
        hasher.update(json);
    }
    hex(&hasher.finalize())
}
