//! What is in a folder besides manifests and is not read: counted by kind and reported in one line.

use std::collections::BTreeMap;

use super::Options;
use crate::diagnostic::{Diagnostic, Diagnostics, Place, message};

/// Why something is left out, in the order in which the line reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// Makes manifests when Helm renders it.
    HelmChart,
    /// Makes manifests when it is built.
    Kustomization,
    /// Only has meaning as a part of a kustomization: a patch, a component.
    PartOfKustomization,
    /// A template of another kind.
    Template,
    /// YAML or JSON that is not a Kubernetes object.
    WithoutKind,
    /// Neither YAML nor JSON, and without the name of a kind that is read.
    Unreadable,
    /// A folder whose name begins with a dot.
    HiddenFolder,
    /// A symbolic link to a folder.
    LinkToFolder,
    /// A named pipe, a socket or a device.
    SpecialFile,
    /// Named by `--exclude`.
    Excluded,
}

impl Why {
    fn words(self, count: usize) -> String {
        let (one, many, remedy) = match self {
            Why::HelmChart => ("Helm chart", "Helm charts", "render {} with `helm template`"),
            Why::Kustomization => ("kustomization", "kustomizations", "build {} with `kubectl kustomize`"),
            Why::PartOfKustomization => ("part of kustomizations", "parts of kustomizations", ""),
            Why::Template => ("template", "templates", "render {} first"),
            Why::WithoutKind => ("file without kind", "files without kind", ""),
            Why::Unreadable => {
                ("file that is neither YAML nor JSON", "files that are neither YAML nor JSON", "")
            }
            Why::HiddenFolder => ("hidden folder", "hidden folders", ""),
            Why::LinkToFolder => ("link to a folder", "links to folders", ""),
            Why::SpecialFile => ("special file", "special files", ""),
            Why::Excluded => ("excluded path", "excluded paths", ""),
        };
        let (name, them) = if count == 1 { (one, "it") } else { (many, "them") };
        let words = format!("{count} {name}");
        if remedy.is_empty() { words } else { format!("{words} ({})", remedy.replace("{}", them)) }
    }
}

/// Everything left out.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    paths: BTreeMap<Why, Vec<String>>,
    /// Objects of another group whose kind has the same name as one that is read, by kind and group.
    pub(super) other_groups: BTreeMap<(String, String), usize>,
}

impl LeftOut {
    pub(super) fn add(&mut self, why: Why, path: impl Into<String>) {
        self.paths.entry(why).or_default().push(path.into());
    }

    /// The line that reports it, and one for each path if all are to be listed.
    pub(super) fn tell(&self, options: &Options, diagnostics: &mut Diagnostics) {
        let told = self.paths.iter().filter(|(why, _)| **why != Why::Excluded);
        let paths = told.map(|(why, paths)| why.words(paths.len()));
        let groups = self.other_groups.iter().map(|((kind, group), count)| match group.as_str() {
            "" => format!("{count} {kind} of the core group"),
            group => format!("{count} {kind} of {group}"),
        });
        let all: Vec<String> = paths.chain(groups).collect();
        if !all.is_empty() {
            let more = if options.verbose || self.paths.is_empty() { "" } else { "; --verbose lists them" };
            diagnostics.push(Diagnostic::note(message!("left out: {}{more}", all.join(", "))));
        }
        for (why, paths) in self.paths.iter().filter(|_| options.verbose) {
            for path in paths {
                let place = Place { file: path.as_str().into(), line: None };
                let message = message!("left out: {}", why.words(1).trim_start_matches("1 "));
                diagnostics.push(Diagnostic::note(message).at(Some(place)));
            }
        }
    }

    /// What to do if nothing else was found.
    pub(super) fn remedy(&self) -> Option<String> {
        let first = |why| self.paths.get(&why).and_then(|paths| paths.first());
        if let Some(folder) = first(Why::Kustomization) {
            return Some(format!("kubectl kustomize {folder} | kuberules ..."));
        }
        first(Why::HelmChart).map(|folder| format!("helm template {folder} | kuberules ..."))
    }

    /// Whether nothing was left out that might have been meant.
    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.other_groups.is_empty()
    }
}
