//! Folders, as sosreport, must-gather and `kubectl debug` leave them.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::Found;
use super::archive::take;
use super::bounds::{Budget, DEEPEST};

/// The texts of a folder and of all below, in the order of their names; symbolic links to folders are not followed.
pub(super) fn read(path: &Path, found: &mut Found, budget: &mut Budget) -> io::Result<()> {
    below(path, path, 0, found, budget)
}

fn below(root: &Path, folder: &Path, depth: usize, found: &mut Found, budget: &mut Budget) -> io::Result<()> {
    if depth > DEEPEST {
        return Err(io::Error::other(format!("folders are nested more than {DEEPEST} deep")));
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
            take(&mut File::open(&path)?, &within, path.display().to_string(), found, budget)?;
        }
    }
    Ok(())
}

/// Whether a file does not tell of the node's own network: what is under `etc` is what was configured, not what the
/// kernel has, and other network namespaces have their own rules and addresses.
pub(super) fn is_of_another_place(path: &str) -> bool {
    let mut folders = path.split('/').rev();
    let name = folders.next().unwrap_or_default();
    name.contains("netns_exec")
        || folders.any(|folder| folder == "etc" || folder == "namespaces" || folder == "netns")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_configured_is_not_what_the_kernel_has() {
        assert!(is_of_another_place("sos-1/etc/sysconfig/iptables"));
        assert!(is_of_another_place("sos-1/sos_commands/networking/namespaces/cni-1/ip_address"));
        assert!(is_of_another_place("sos_commands/networking/ip_netns_exec_cni-1_iptables-save"));
        assert!(!is_of_another_place("sos_commands/firewall_tables/iptables-save"));
        assert!(!is_of_another_place("etc"));
    }
}
