//! Plans to text, in the format asked for.

use super::assume;
use crate::assume::Assumed;
use crate::assume::json::WithAssumed;
use crate::input::Sources;
use crate::markup;
use crate::net::Family;
use crate::nftables::list::version::NftVersion;
use crate::plan::Plan;
use crate::text::Text;
use crate::{iptables, nftables};

/// A mode with one of its output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Save,
    Restore,
    IptablesJson,
    List,
    Script,
    NftablesJson,
}

impl Format {
    /// How the file of a node and a family ends; without a family, the file of all.
    pub(super) fn suffix(self, family: Family) -> &'static str {
        match (self, family) {
            (Format::Save, Family::Ipv4) => "iptables-save",
            (Format::Save, Family::Ipv6) => "ip6tables-save",
            (Format::Restore, Family::Ipv4) => "iptables-restore",
            (Format::Restore, Family::Ipv6) => "ip6tables-restore",
            (Format::List | Format::Script, Family::Ipv4) => "ip.nft",
            (Format::List | Format::Script, Family::Ipv6) => "ip6.nft",
            (Format::IptablesJson | Format::NftablesJson, _) => "json",
        }
    }

    /// Whether it tells where in the input each rule comes from.
    pub(super) fn shows_origins(self) -> bool {
        matches!(self, Format::IptablesJson | Format::NftablesJson)
    }

    /// Whether a text does not tell its family by itself.
    fn needs_heading(self) -> bool {
        matches!(self, Format::Save | Format::Restore)
    }
}

/// The rulesets of one node as text.
#[derive(Debug)]
pub(super) enum Rendered {
    /// A text per family.
    Families {
        format: Format,
        /// The comment line that leads the whole; empty for none.
        banner: String,
        texts: Vec<(Family, Text)>,
    },
    /// One text for all families.
    Whole(Text),
}

impl Rendered {
    /// All of it for standard output.
    pub(super) fn into_text(self) -> Text {
        let (format, banner, texts) = match self {
            Rendered::Whole(text) => return text,
            Rendered::Families { format, banner, texts } => (format, banner, texts),
        };
        let headed = texts.len() > 1 && format.needs_heading();
        let mut all = Text::from(banner);
        for (family, text) in texts {
            if headed {
                all.push(format!("# {family}: {}\n", format.suffix(family)));
            }
            all.extend([text]);
        }
        all
    }

    /// Endings of file names, with the text of each file.
    pub(super) fn into_files(self) -> Vec<(&'static str, Text)> {
        match self {
            Rendered::Whole(text) => vec![("json", text)],
            Rendered::Families { format, banner, texts } => texts
                .into_iter()
                .map(|(family, text)| {
                    let mut whole = Text::from(banner.clone());
                    whole.extend([text]);
                    (format.suffix(family), whole)
                })
                .collect(),
        }
    }
}

/// The rules of one node, from which those of other nodes take whatever is the same; one per family. Each format of
/// iptables has a model of its own, for they put the same [stretches](iptables) together otherwise: the listing sorts
/// what belongs to a chain by the chain's name, the text for `iptables-restore` keeps the order of the plan, declarations
/// first. Rules of nftables are listed whole by set and map, of which no stretch stands by itself.
pub(super) enum Model<'p, 'c> {
    Saved(iptables::saved::Model<'p, 'c>),
    Restore(iptables::restore::Model<'p, 'c>),
    /// Nothing is taken over.
    None,
}

impl<'p, 'c> Model<'p, 'c> {
    pub(super) fn new(plan: &'p Plan<'c>, format: Format) -> Self {
        match format {
            Format::Save => Model::Saved(iptables::saved::Model::new(plan)),
            Format::Restore => Model::Restore(iptables::restore::Model::new(plan)),
            _ => Model::None,
        }
    }
}

/// Compiles the plans of a node and prints the rulesets, listings as `nft` prints them. Models are in the order of the
/// plans.
pub(super) fn render<'c>(
    plans: &[Plan<'c>],
    models: &[Model<'_, 'c>],
    format: Format,
    sources: &Sources,
    assumed: Option<&Assumed>,
    nft: NftVersion,
) -> Rendered {
    let text = |(i, plan)| match (format, models.get(i)) {
        (Format::Save, Some(Model::Saved(model))) => model.print(plan),
        (Format::Save, _) => iptables::saved::print(plan),
        (Format::Restore, Some(Model::Restore(model))) => model.print(plan),
        (Format::Restore, _) => iptables::restore::print(plan),
        (Format::Script, _) => nftables::script::print(&nftables::compile(plan)).into(),
        (_, _) => listing(plan, nft),
    };
    match format {
        Format::IptablesJson => Rendered::Whole(iptables_json(plans, sources, assumed).into()),
        Format::NftablesJson => Rendered::Whole(nftables_json(plans, sources, assumed).into()),
        Format::Save | Format::Restore | Format::List | Format::Script => Rendered::Families {
            format,
            banner: assume::comment(assumed),
            texts: plans.iter().enumerate().map(|(i, plan)| (plan.family(), text((i, plan)))).collect(),
        },
    }
}

fn listing(plan: &Plan<'_>, nft: NftVersion) -> Text {
    let ruleset = nftables::compile(plan);
    let text = nftables::list::text(&ruleset, nft);
    // Nobody needs to wait until it is freed.
    std::thread::spawn(|| drop(ruleset));
    text
}

fn iptables_json(plans: &[Plan<'_>], sources: &Sources, assumed: Option<&Assumed>) -> String {
    let rulesets: Vec<_> = plans.iter().map(iptables::compile).collect();
    let pairs: Vec<_> = plans.iter().zip(&rulesets).collect();
    assume::print_json(&iptables::json::print(&pairs, sources), assumed)
}

fn nftables_json(plans: &[Plan<'_>], sources: &Sources, assumed: Option<&Assumed>) -> String {
    let rulesets: Vec<_> = plans.iter().map(nftables::compile).collect();
    let pairs: Vec<_> = plans.iter().zip(&rulesets).collect();
    let nftables::json::Rulesets { nftables, kuberules } = nftables::json::print(&pairs, sources);
    let kuberules = WithAssumed { answer: kuberules, assumed: assumed.map(Assumed::json) };
    markup::json(&nftables::json::Rulesets { nftables, kuberules })
}
