//! Files that appear under their names only when all of them are whole.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::text::Text;

/// Files written next to their final names; they are removed when this is dropped.
#[derive(Debug, Default)]
pub(super) struct PendingFiles {
    files: Vec<(TempPath, PathBuf)>,
}

impl PendingFiles {
    /// Writes a file that is to be called `directory/name`.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn add(&mut self, directory: &Path, name: &str, text: &Text) -> Result<(), Diagnostics> {
        let path = directory.join(name);
        let temporary = write_beside(directory, text).map_err(|error| cannot_write(&path, &error))?;
        self.files.push((temporary, path));
        Ok(())
    }

    /// Takes the files of another list.
    pub(super) fn append(&mut self, mut other: PendingFiles) {
        self.files.append(&mut other.files);
    }

    /// Names of files in a folder that have one of the endings and that are not about to be written.
    pub(super) fn others_in(&self, directory: &Path, endings: &[String]) -> Vec<String> {
        let written: HashSet<&Path> = self.files.iter().map(|(_, path)| path.as_path()).collect();
        // A folder that cannot be listed is not reported on; the files can still be written.
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let others = entries.filter(|entry| !written.contains(directory.join(entry.file_name()).as_path()));
        let names = others.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> =
            names.filter(|name| endings.iter().any(|ending| name.ends_with(ending.as_str()))).collect();
        names.sort_unstable();
        names
    }

    /// Gives every file its name, over one that is there. That no folder has one of the names is seen to first: nothing
    /// else that can go wrong with a name is known before it is tried.
    ///
    /// # Errors
    /// A folder has the name of a file, or a file cannot be renamed; the message says how many were already.
    pub(super) fn keep(self) -> Result<(), Diagnostics> {
        let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|found| found.is_dir());
        if let Some((_, path)) = self.files.iter().find(|(_, path)| is_folder(path)) {
            let fault = io::Error::from(io::ErrorKind::IsADirectory);
            return Err(cannot_write(path, &fault).help("no file has been written").into());
        }
        let count = self.files.len();
        for (done, (temporary, path)) in self.files.into_iter().enumerate() {
            if let Err(fault) = temporary.persist(&path) {
                let help = format!("{done} of {count} files have been written before this one");
                return Err(cannot_write(&path, &fault.error).help(help).into());
            }
        }
        Ok(())
    }
}

fn write_beside(directory: &Path, text: &Text) -> io::Result<TempPath> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".kuberules-");
    #[cfg(unix)]
    builder.permissions(plain_permissions());
    let mut file = builder.tempfile_in(directory)?;
    text.pieces().try_for_each(|piece| file.write_all(piece.as_bytes()))?;
    file.as_file().sync_all()?;
    Ok(file.into_temp_path())
}

/// What any other new file gets, less the umask; the crate's default is for secrets.
#[cfg(unix)]
fn plain_permissions() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(0o666)
}

fn cannot_write(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error(format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_appear_together_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let mut files = PendingFiles::default();
        files.add(directory.path(), "a", &"1".to_owned().into()).unwrap();
        drop(files);
        assert!(names(directory.path()).is_empty());
        let mut files = PendingFiles::default();
        files.add(directory.path(), "a", &"1".to_owned().into()).unwrap();
        files.add(directory.path(), "b", &"2".to_owned().into()).unwrap();
        files.keep().unwrap();
        assert_eq!(names(directory.path()), ["a", "b"]);
        assert_eq!(std::fs::read_to_string(directory.path().join("b")).unwrap(), "2");
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let faults =
            PendingFiles::default().add(Path::new("/nonexistent"), "a", &Text::default()).unwrap_err();
        let fault = faults.iter().next().unwrap();
        assert!(fault.to_string().starts_with("error: cannot write /nonexistent/a: No such file"));
    }
}
