//! `patchgate init`: a lab of one's own to begin with.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::error::UserError;
use crate::lab::new;

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The lab's folder; made where it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

/// Writes a new lab and says what to do next.
pub fn run(args: &InitArgs) -> Result<String, UserError> {
    let dir = &args.dir;
    let written: Vec<String> = new::write(dir)?
        .iter()
        .map(|path| format!("  {}", path.display()))
        .collect();
    let written = written.join("\n");
    let enter = if dir == Path::new(".") {
        String::new()
    } else {
        format!("cd {} && ", shell_word(&dir.display().to_string()))
    };
    Ok(format!(
        "written:\n{written}\n\nnext:\n  {enter}patchgate check     # looks it all over\n  {enter}patchgate doctor    # can this machine run it?\n"
    ))
}

/// A text as one word of a shell.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
