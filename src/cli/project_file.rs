//! `kuberules.toml`: what a repository says once for every run of `lint` over it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::session::{Session, Stop};
use crate::diagnostic::{Diagnostic, Place};
use crate::input::Pattern;
use crate::net::Cidr;
use crate::settings::Release;

/// Its name, looked for in the input's folder and every one above.
pub(super) const NAME: &str = "kuberules.toml";

/// What it may say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ProjectFile {
    /// Where it was read.
    #[serde(skip)]
    pub(super) path: Option<PathBuf>,
    /// Codes whose findings are left out, each with the reason.
    pub(super) ignore: BTreeMap<String, String>,
    /// The network of the nodes, where the input has no Nodes.
    pub(super) node_network: Option<String>,
    /// As `--cluster-cidr`.
    pub(super) cluster_cidr: Option<String>,
    /// As `--kube-version`.
    pub(super) kube_version: Option<String>,
    /// As `--exclude`.
    pub(super) exclude: Vec<String>,
}

impl ProjectFile {
    /// Reads the nearest one upwards from the first input; nothing where there is none.
    ///
    /// # Errors
    /// It cannot be read or says something wrong; reported by the session.
    pub(super) fn find(first: Option<&OsStr>, session: &mut Session) -> Result<ProjectFile, Stop> {
        let start = first.filter(|input| *input != "-").map_or_else(|| PathBuf::from("."), PathBuf::from);
        let Some(path) = nearest(&start) else { return Ok(ProjectFile::default()) };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            session.stop(Diagnostic::error(format!("cannot read {}: {error}", path.display())))
        })?;
        let mut file = parse(&text).map_err(|(message, line)| {
            let place = Place { file: path.display().to_string().into(), line: Some(line) };
            let help = "it may hold ignore, node-network, cluster-cidr, kube-version and exclude";
            session.stop(Diagnostic::error(message).at(Some(place)).help(help))
        })?;
        file.path = Some(path);
        Ok(file)
    }

    /// The release it names.
    pub(super) fn release(&self) -> Option<Release> {
        self.kube_version.as_ref().and_then(|text| text.parse().ok())
    }

    /// What to leave out of folders; invalid patterns are reported when the file is read.
    pub(super) fn patterns(&self) -> impl Iterator<Item = Pattern> {
        self.exclude.iter().filter_map(|text| Pattern::new(text).ok())
    }

    /// The nodes' network.
    pub(super) fn node_network(&self) -> Option<Cidr> {
        self.node_network.as_ref().and_then(|text| Cidr::parse_lenient(text))
    }
}

fn nearest(start: &Path) -> Option<PathBuf> {
    let absolute = std::fs::canonicalize(start).ok()?;
    let folder = absolute.ancestors().map(|folder| folder.join(NAME)).find(|path| path.is_file())?;
    let here = std::env::current_dir().ok().and_then(|here| std::fs::canonicalize(here).ok());
    let short = here.and_then(|here| folder.strip_prefix(here).ok().map(Path::to_owned));
    Some(short.unwrap_or(folder))
}

/// Reads the text; a fault has its line.
fn parse(text: &str) -> Result<ProjectFile, (String, u32)> {
    let file: ProjectFile = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        (error.message().to_owned(), line_of(before))
    })?;
    let wrong = |key: &str, message: String| {
        let start = text.find(key).and_then(|start| text.get(..start)).unwrap_or_default();
        Err((message, line_of(start)))
    };
    if let Some(version) = file.kube_version.as_ref()
        && let Err(error) = version.parse::<Release>()
    {
        return wrong("kube-version", format!("kube-version: {error}"));
    }
    if file.node_network.is_some() && file.node_network().is_none() {
        return wrong("node-network", "node-network: write it as address/length".to_owned());
    }
    if let Some((glob, error)) = file.exclude.iter().find_map(|glob| Some((glob, Pattern::new(glob).err()?)))
    {
        return wrong(glob, format!("exclude: {glob:?}: {error}"));
    }
    if let Some((code, _)) = file.ignore.iter().find(|(code, _)| crate::lint::find(code).is_none()) {
        return wrong(code, format!("ignore: there is no code {code}"));
    }
    if let Some((code, _)) = file.ignore.iter().find(|(_, reason)| reason.trim().is_empty()) {
        return wrong(code, format!("ignore: {code} needs a reason"));
    }
    Ok(file)
}

fn line_of(before: &str) -> u32 {
    u32::try_from(before.matches('\n').count()).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_it_may_say() {
        let file = parse("cluster-cidr = '10.244.0.0/16'\nnode-network = '192.168.0.0/24'\nkube-version = '1.35'\nexclude = ['old/**']\n[ignore]\nKR010 = 'one replica on purpose'\n").unwrap();
        assert_eq!(file.ignore.get("KR010").unwrap(), "one replica on purpose");
        assert_eq!(file.release().unwrap().minor, 35);
        assert_eq!(file.node_network().unwrap().to_string(), "192.168.0.0/24");
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        for (text, line, says) in [
            ("a = 1\n", 1, "unknown field `a`"),
            ("\nkube-version = '1.2'\n", 2, "kube-version: \"1.2\" is not a release"),
            ("[ignore]\nKR010 = ''\n", 2, "ignore: KR010 needs a reason"),
            ("[ignore]\nKR999 = 'x'\n", 2, "ignore: there is no code KR999"),
            ("node-network = 'here'\n", 1, "node-network: write it as address/length"),
            ("x = [\n", 1, ""),
        ] {
            let (message, found) = parse(text).unwrap_err();
            assert!(message.contains(says), "{message}");
            assert!(says.is_empty() || found == line, "{text}: {found}");
        }
    }
}
