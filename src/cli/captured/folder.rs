//! Folders, as sosreport, must-gather and `kubectl debug` leave them.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::bounds::{Budget, DEEPEST};
use super::found::Found;

/// The texts of a folder and of all below, in the order of their names; symbolic links to folders are not followed.
pub(super) fn read(path: &Path, found: &mut Found, budget: &mut Budget) -> io::Result<()> {
    below(path, path, 0, found, budget)
}

fn below(root: &Path, folder: &Path, depth: usize, found: &mut Found, budget: &mut Budget) -> io::Result<()> {
    if depth > DEEPEST {
        let message = format!("folders are nested more than {DEEPEST} deep: give the folder of one node");
        return Err(io::Error::other(message));
    }
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            below(root, &path, depth + 1, found, budget)?;
        } else if kind.is_file()
            || (kind.is_symlink() && fs::metadata(&path).is_ok_and(|target| target.is_file()))
        {
            budget.file()?;
            let within = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            found.take(&mut File::open(&path)?, &within, path.display().to_string(), budget)?;
        }
    }
    Ok(())
}
