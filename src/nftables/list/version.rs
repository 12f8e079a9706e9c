//! How versions of nft list the same table. Nothing else in the program compares versions of nft.

use std::fmt;
use std::str::FromStr;

/// A version of nft, characterized by how it lists what kube-proxy writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NftVersion {
    /// Major and minor number.
    series: (u16, u16),
    /// The patch levels known to list like this; none means all of the series.
    patches: Option<&'static [u16]>,
    /// What is particular to it.
    pub facts: ListingFacts,
}

/// What is particular to the listings of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListingFacts {
    /// The priority name `dstnat` is also used in the output hook.
    pub dstnat_in_output: bool,
    /// A mask of leading ones is printed as a prefix: `meta mark != 0x00000000/1`.
    pub mark_as_prefix: bool,
    /// Some bits of a mask are printed as `tcp flags syn / fin,syn`, rather than `tcp flags & (fin | syn) == syn`.
    pub flags_by_slash: bool,
}

/// Every version whose listings were compared, oldest first.
pub const VERSIONS: [NftVersion; 2] = [
    NftVersion {
        series: (1, 0),
        patches: Some(&[6]),
        facts: ListingFacts { dstnat_in_output: false, mark_as_prefix: true, flags_by_slash: true },
    },
    NftVersion {
        series: (1, 1),
        patches: None,
        facts: ListingFacts { dstnat_in_output: true, mark_as_prefix: false, flags_by_slash: false },
    },
];

/// 1.0.6: Debian 12, and kube-proxy's own image.
impl Default for NftVersion {
    fn default() -> Self {
        VERSIONS[0]
    }
}

impl Default for ListingFacts {
    fn default() -> Self {
        NftVersion::default().facts
    }
}

impl fmt::Display for NftVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.series.0, self.series.1)?;
        match self.patches {
            Some([patch, ..]) => write!(f, ".{patch}"),
            _ => Ok(()),
        }
    }
}

/// Text that is not a version, or is one whose listings have not been compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a version of nft whose listings kuberules knows ({})", known())]
pub struct UnknownNft {
    text: String,
}

fn known() -> String {
    VERSIONS.iter().map(NftVersion::to_string).collect::<Vec<_>>().join(", ")
}

impl FromStr for NftVersion {
    type Err = UnknownNft;

    /// Reads `1.1`, `1.1.3`, `v1.0.6` and the forms that distributions use, such as `1.0.6-2+deb12u2`.
    fn from_str(text: &str) -> Result<NftVersion, UnknownNft> {
        let numbers = numbers(text);
        let of = |(series, patch): ((u16, u16), Option<u16>)| {
            let lists_so = |version: &&NftVersion| {
                let seen = |patch| version.patches.is_none_or(|patches| patches.contains(&patch));
                version.series == series && patch.is_none_or(seen)
            };
            VERSIONS.iter().find(lists_so).copied()
        };
        numbers.and_then(of).ok_or_else(|| UnknownNft { text: text.to_owned() })
    }
}

fn numbers(text: &str) -> Option<((u16, u16), Option<u16>)> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let text = text.split(['-', '+', '~']).next()?;
    let mut parts = text.split('.');
    let mut number = || -> Option<Option<u16>> {
        match parts.next() {
            None => Some(None),
            Some(part) if part.bytes().all(|b| b.is_ascii_digit()) => part.parse().ok().map(Some),
            Some(_) => None,
        }
    };
    // A fourth number is the packager's, as in 1.0.6.1.
    let (major, minor, patch, _) = (number()??, number()??, number()?, number()?);
    Some(((major, minor), patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_find_their_row() {
        let found = |text: &str| text.parse::<NftVersion>().map(|version| version.to_string());
        for text in ["1.0", "1.0.6", "v1.0.6", "1.0.6-2+deb12u2", "1.0.6.1"] {
            assert_eq!(found(text).as_deref(), Ok("1.0.6"), "{text}");
        }
        for text in ["1.1", "1.1.3", "1.1.7"] {
            assert_eq!(found(text).as_deref(), Ok("1.1"), "{text}");
        }
        for text in ["1.0.9", "1.2", "1", "", "x", "1.1.x"] {
            let error = found(text).unwrap_err().to_string();
            assert!(
                error.ends_with("is not a version of nft whose listings kuberules knows (1.0.6, 1.1)"),
                "{error}"
            );
        }
    }
}
