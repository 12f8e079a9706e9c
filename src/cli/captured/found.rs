//! The texts found so far, and what was ignored.

use std::io::{self, Read};

use super::bounds::{Budget, HEAD};
use crate::capture::{self, Source};
use crate::diagnostic::Inert;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) sources: Vec<Source>,
    /// How many files are nothing that a node is asked for, and the first of them.
    ignored: usize,
    example: Option<String>,
}

impl Found {
    fn ignore(&mut self, name: &str) {
        self.ignored += 1;
        self.example.get_or_insert_with(|| name.to_owned());
    }

    pub(super) fn note(&self) -> Option<String> {
        let example = Inert(self.example.as_deref()?).to_string();
        Some(match self.ignored {
            1 => format!("ignored {example}, which --captured does not read"),
            many => format!("ignored {many} files that --captured does not read, such as {example}"),
        })
    }
    /// Takes the text of a file that is something a node is asked for.
    pub(super) fn take(
        &mut self,
        stream: &mut impl Read,
        path: &str,
        full: String,
        budget: &mut Budget,
    ) -> io::Result<()> {
        let mut head = Vec::new();
        stream.by_ref().take(HEAD).read_to_end(&mut head)?;
        if head.is_empty() {
            return Ok(());
        }
        let is_known =
            !is_of_another_place(path) && capture::form_of(&String::from_utf8_lossy(&head)).is_some();
        if !is_known {
            self.ignore(&full);
            return Ok(());
        }
        let text = budget
            .text(io::Cursor::new(head).chain(stream))
            .map_err(|error| io::Error::other(format!("{full}: {error}")))?;
        self.sources.push(Source { name: full, text });
        Ok(())
    }
}

/// Whether a file does not tell of the node's own network: what is under `etc` is what was configured, not what the
/// kernel has, and other network namespaces have their own rules and addresses.
fn is_of_another_place(path: &str) -> bool {
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
