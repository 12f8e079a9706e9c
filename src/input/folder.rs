//! A folder as it is in Git: which of its files are manifests, and which belong to a chart or a kustomization.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::Options;
use super::left_out::{LeftOut, Why};
use super::tree::{Tree, Value, read_documents};
use crate::diagnostic::{Diagnostic, Diagnostics, Message, Place, message};

/// The deepest nesting of folders that is followed.
const MAX_FOLDERS: usize = 64;

const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The files in a folder and its subfolders that may contain manifests, sorted by path.
pub(super) fn files(
    root: &Path,
    options: &Options,
    left_out: &mut LeftOut,
    diagnostics: &mut Diagnostics,
) -> Vec<PathBuf> {
    let mut walk = Walk { root, options, left_out, diagnostics, files: Vec::new(), claimed: BTreeSet::new() };
    walk.folder(root, 0);
    let Walk { files, claimed, .. } = walk;
    let is_claimed = |file: &PathBuf| normal(file).ancestors().any(|part| claimed.contains(part));
    let (claimed, files): (Vec<_>, Vec<_>) = files.into_iter().partition(is_claimed);
    for file in claimed {
        left_out.add(Why::PartOfKustomization, file.to_string_lossy());
    }
    files
}

struct Walk<'a> {
    root: &'a Path,
    options: &'a Options,
    left_out: &'a mut LeftOut,
    diagnostics: &'a mut Diagnostics,
    files: Vec<PathBuf>,
    /// What kustomizations list as parts of themselves.
    claimed: BTreeSet<PathBuf>,
}

impl Walk<'_> {
    fn folder(&mut self, path: &Path, depth: usize) {
        if depth > MAX_FOLDERS {
            let message = message!("more than {MAX_FOLDERS} nested folders: name this one by itself");
            return self.fault(path, message);
        }
        let entries = match entries(path) {
            Ok(entries) => entries,
            Err(error) => return self.fault(path, message!("the folder cannot be read: {error}")),
        };
        let has = |name: &str| entries.iter().any(|entry| entry.ends_with(name));
        let is_chart = has("Chart.yaml") && !self.is_excluded(&path.join("Chart.yaml"));
        if is_chart {
            self.left_out.add(Why::HelmChart, path.to_string_lossy());
        }
        if KUSTOMIZATIONS.iter().any(|name| has(name)) {
            self.kustomization(path);
        }
        for entry in &entries {
            if !(is_chart && belongs_to_chart(entry)) {
                self.entry(entry, depth);
            }
        }
    }

    fn entry(&mut self, path: &Path, depth: usize) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if self.is_excluded(path) {
            return self.left_out.add(Why::Excluded, path.to_string_lossy());
        }
        // Symbolic links to folders are not followed: they may lead back.
        let is_folder = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
        if is_folder && name.starts_with('.') {
            return self.left_out.add(Why::HiddenFolder, path.to_string_lossy());
        }
        if is_folder {
            return self.folder(path, depth + 1);
        }
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_ours = matches!(extension, Some("yaml" | "yml" | "json"));
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.left_out.add(Why::LinkToFolder, path.to_string_lossy()),
            Ok(_) if !is_ours || KUSTOMIZATIONS.contains(&name.as_ref()) => {}
            Ok(metadata) if !metadata.is_file() => {
                self.left_out.add(Why::SpecialFile, path.to_string_lossy())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_ours => {
                let message = "the symbolic link leads nowhere and is ignored";
                self.diagnostics.push(Diagnostic::warning(message).at(Some(place(path))));
            }
            Err(_) if !is_ours => {}
            _ => self.files.push(path.to_owned()),
        }
    }

    /// By the path within the folder, by that of a folder on the way, or only by the name.
    fn is_excluded(&self, path: &Path) -> bool {
        let within = path.strip_prefix(self.root).unwrap_or(path);
        let name = Path::new(path.file_name().unwrap_or_default());
        let matches = |pattern: &glob::Pattern| pattern.matches_path(within) || pattern.matches_path(name);
        self.options.exclude.iter().any(matches)
    }

    /// Notes what a kustomization lists as parts of itself.
    fn kustomization(&mut self, folder: &Path) {
        self.left_out.add(Why::Kustomization, folder.to_string_lossy());
        let text = KUSTOMIZATIONS.iter().find_map(|name| regular_text(&folder.join(name)));
        let documents = text.and_then(|text| read_documents(&text).ok()).unwrap_or_default();
        for document in &documents {
            if document.get("kind").and_then(Tree::as_text) == Some("Component") {
                self.claimed.insert(normal(folder));
            }
            for part in parts(document) {
                self.claimed.insert(normal(&folder.join(part)));
            }
        }
    }

    fn fault(&mut self, path: &Path, message: impl Into<Message>) {
        self.diagnostics.push(Diagnostic::error(message).at(Some(place(path))));
    }
}

fn place(path: &Path) -> Place {
    Place { file: path.to_string_lossy().into(), line: None }
}

/// The text of a file that can be read without blocking.
fn regular_text(path: &Path) -> Option<String> {
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file.then(|| fs::read_to_string(path).ok())?
}

/// Whether an entry of a chart's folder is a part of the chart (helm.sh/docs/topics/charts).
fn belongs_to_chart(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    matches!(
        name.as_ref(),
        "templates"
            | "charts"
            | "crds"
            | "ci"
            | "tests"
            | "Chart.yaml"
            | "requirements.yaml"
            | "values.schema.json"
    ) || name.starts_with("values")
}

/// Paths of a kustomization's patches and other parts that are not resources themselves.
fn parts(kustomization: &Tree) -> Vec<&str> {
    const LISTS: [&str; 8] = [
        "patchesStrategicMerge",
        "components",
        "transformers",
        "generators",
        "validators",
        "configurations",
        "crds",
        "patches",
    ];
    const OF_MAPS: [&str; 3] = ["patches", "patchesJson6902", "replacements"];
    let list = |field: &str| match kustomization.get(field).map(|tree| &tree.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    let texts = LISTS.iter().flat_map(|field| list(field)).filter_map(Tree::as_text);
    let paths = OF_MAPS.iter().flat_map(|field| list(field)).filter_map(|item| item.get("path")?.as_text());
    texts.chain(paths).filter(|path| !path.is_empty() && !path.contains('\n')).collect()
}

/// A path without `.`, and without those `..` that can be resolved.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

/// The entries of a folder, sorted by name, so that the output does not depend on the file system.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_normal() {
        for (path, expected) in
            [("a/./b/../c", "a/c"), ("../a", "../a"), ("a/../../b", "../b"), ("/a/../b", "/b")]
        {
            assert_eq!(normal(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn patches_are_parts_and_resources_are_not() {
        let text = "resources: [a.yaml]\npatches:\n- path: b.yaml\n- patch: |\n    kind: x\n- c.yaml\ncomponents: [../d]\n";
        let tree = read_documents(text).unwrap().remove(0);
        assert_eq!(parts(&tree), ["../d", "c.yaml", "b.yaml"]);
    }
}
