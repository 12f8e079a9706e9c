//! What a node was asked for in several texts, put together: both backends of iptables, nft, sets, addresses, routes.
//!
//! The same thing may come twice, as sosreports have it, and must then say the same: of two answers that differ nobody
//! knows which holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::form::{self, Form};
use super::{Captured, Facts, Part, addresses, connections, ipset, ipvs, routes, sysctl};
use crate::diagnostic::{Diagnostic, Diagnostics, Inert, ParseError};
use crate::iptables::parse::Variant;
use crate::iptables::ruleset as ipt;
use crate::net::Family;
use crate::nftables::ruleset as nft;
use crate::node::{Connection, IpSets, Link, Route, RoutingRule, RuleAction, Sysctls};
use crate::ruleset::Ruleset;
use crate::settings::ProxyMode;
use crate::{iptables, nftables};

/// A text with the name that tells the user which it is.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file, or the place in an archive.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Reads texts of one node and puts them together; those of no form that is known are ignored.
///
/// # Errors
/// A text is broken, or two tell different things of the same.
pub fn join(sources: &[Source], hint: Option<Family>) -> Result<Captured, Diagnostics> {
    let mut joined = Joined::default();
    let mut faults = Diagnostics::default();
    let mut seen: Vec<&str> = Vec::new();
    for source in sources.iter().filter(|source| !source.text.trim().is_empty()) {
        if seen.contains(&source.text.as_str()) {
            continue;
        }
        seen.push(&source.text);
        if let Some(form) = form::of(&source.text)
            && let Err(fault) = joined.add(form, source, hint)
        {
            faults.append(fault);
        }
    }
    if faults.has_errors() { Err(faults) } else { Ok(joined.captured()) }
}

/// Reads one text of rules.
pub(super) fn read_rules(text: &str, hint: Option<Family>) -> Result<Captured, ParseError> {
    let mut joined = Joined::default();
    // A text that is known to be the only one contradicts nothing.
    let added = match form::of(text) {
        Some(Form::NftJson) => {
            nftables::parse::parse_json(text).map(|rules| joined.add_nftables("", Form::NftJson, rules))
        }
        Some(Form::NftListing) => {
            nftables::parse::parse_listing(text).map(|rules| joined.add_nftables("", Form::NftListing, rules))
        }
        _ => iptables::parse::parse(text, hint).map(|capture| joined.add_iptables("", capture)),
    };
    match added? {
        Ok(()) => Ok(joined.captured()),
        Err(faults) => {
            let message = faults.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join("; ");
            Err(ParseError { line: 1, message })
        }
    }
}

/// Where something was read first.
type Place<'s> = &'s str;

#[derive(Default)]
struct Joined<'s> {
    iptables: Vec<(Place<'s>, Option<Variant>, ipt::Ruleset)>,
    headers: Vec<Family>,
    legacy_tables_present: bool,
    incompatible_tables: Vec<String>,
    nftables: Vec<(Place<'s>, Form, nft::Table)>,
    has_nftables: bool,
    sets: Option<IpSets>,
    set_places: BTreeMap<String, Place<'s>>,
    links: Option<Vec<(Place<'s>, Link)>>,
    facts: Facts,
    sysctls: Option<Place<'s>>,
    rules_in: Option<Place<'s>>,
    routes_in: Option<Place<'s>>,
}

impl<'s> Joined<'s> {
    fn add(&mut self, form: Form, source: &'s Source, hint: Option<Family>) -> Result<(), Diagnostics> {
        let (name, text) = (source.name.as_str(), source.text.as_str());
        let broken =
            |error: ParseError| Diagnostics::from(Diagnostic::error(format!("{}: {error}", Inert(name))));
        match form {
            Form::IptablesSave => {
                let capture = iptables::parse::parse(text, hint).map_err(broken)?;
                self.add_iptables(name, capture)
            }
            Form::NftListing => {
                self.add_nftables(name, form, nftables::parse::parse_listing(text).map_err(broken)?)
            }
            Form::NftJson => {
                self.add_nftables(name, form, nftables::parse::parse_json(text).map_err(broken)?)
            }
            Form::IpsetSave => self.add_sets(name, ipset::read_save(text).map_err(broken)?),
            Form::IpsetList => self.add_sets(name, ipset::read_list(text).map_err(broken)?),
            Form::Addresses => self.add_links(name, addresses::read(text)),
            Form::AddressesJson => self.add_links(name, addresses::read_json(text).map_err(broken)?),
            Form::Routes => self.add_routes(name, routes::read(text)),
            Form::RoutesJson => self.add_routes(name, routes::read_json(text).map_err(broken)?),
            Form::RoutingRules => self.add_rules(name, routes::read_rules(text)),
            Form::RoutingRulesJson => self.add_rules(name, routes::read_rules_json(text).map_err(broken)?),
            Form::Connections => {
                self.add_connections(connections::read(text));
                Ok(())
            }
            Form::VirtualServers => {
                self.facts.virtual_servers.get_or_insert_default().extend(ipvs::read(text));
                Ok(())
            }
            Form::Sysctls => self.add_sysctls(name, &sysctl::read(text)),
        }
    }

    fn add_iptables(
        &mut self,
        place: Place<'s>,
        capture: iptables::parse::Capture,
    ) -> Result<(), Diagnostics> {
        self.headers.extend(capture.headers);
        self.legacy_tables_present |= capture.legacy_tables_present;
        self.incompatible_tables.extend(capture.incompatible_tables);
        for part in capture.parts {
            let same = |(_, variant, ruleset): &&mut (Place<'s>, Option<Variant>, ipt::Ruleset)| {
                *variant == part.variant && ruleset.family == part.ruleset.family
            };
            let Some((first, _, known)) = self.iptables.iter_mut().find(same) else {
                self.iptables.push((place, part.variant, part.ruleset));
                continue;
            };
            for table in part.ruleset.tables {
                match known.tables.iter().find(|known| known.name == table.name) {
                    None => known.tables.push(table),
                    Some(known) if *known == table => {}
                    Some(_) => {
                        let what = format!("table {} of iptables ({})", table.name.name(), known.family);
                        return Err(contradiction(&what, first, place));
                    }
                }
            }
        }
        Ok(())
    }

    fn add_nftables(
        &mut self,
        place: Place<'s>,
        form: Form,
        ruleset: nft::Ruleset,
    ) -> Result<(), Diagnostics> {
        self.has_nftables = true;
        for table in ruleset.tables {
            let same = |(_, _, known): &&(Place<'s>, Form, nft::Table)| {
                known.family == table.family && known.name == table.name
            };
            match self.nftables.iter().find(same) {
                None => self.nftables.push((place, form, table)),
                // The two forms write the same otherwise.
                Some((_, other, known)) if *other != form || shape(known) == shape(&table) => {}
                Some((first, ..)) => {
                    let what = format!("table {} {} of nftables", table.family.name(), table.name);
                    return Err(contradiction(&what, first, place));
                }
            }
        }
        Ok(())
    }

    fn add_sets(&mut self, place: Place<'s>, sets: IpSets) -> Result<(), Diagnostics> {
        let known = self.sets.get_or_insert_default();
        for (name, set) in sets.iter() {
            match known.get(name) {
                None => {
                    known.insert(name.into(), set.clone());
                    self.set_places.insert(name.to_owned(), place);
                }
                Some(known) if known == set => {}
                Some(_) => {
                    let first = self.set_places.get(name).copied().unwrap_or_default();
                    return Err(contradiction(&format!("ipset {name}"), first, place));
                }
            }
        }
        Ok(())
    }

    /// A listing of interfaces without any address is `ip link`: it contradicts nothing. One of a single family says
    /// nothing of the other.
    fn add_links(&mut self, place: Place<'s>, links: Vec<Link>) -> Result<(), Diagnostics> {
        let all = self.links.get_or_insert_default();
        let has = |links: &[Link], family| {
            let mut addresses = links.iter().flat_map(|link| &link.addresses);
            addresses.any(|address| Family::of(address.ip) == family)
        };
        let earlier: Vec<Link> = all.iter().map(|(_, link)| link.clone()).collect();
        for link in &links {
            let Some((first, known)) = all.iter_mut().find(|(_, known)| known.name == link.name) else {
                all.push((place, link.clone()));
                continue;
            };
            for family in Family::ALL.into_iter().filter(|family| has(&links, *family)) {
                let of = |link: &Link| {
                    let mut ips: Vec<_> =
                        link.addresses.iter().filter(|a| Family::of(a.ip) == family).copied().collect();
                    ips.sort_by_key(|address| address.ip);
                    ips
                };
                if !has(&earlier, family) {
                    known.addresses.extend(of(link));
                    known.broadcasts.extend(&link.broadcasts);
                } else if of(known) != of(link) {
                    return Err(contradiction(&format!("interface {}", link.name), first, place));
                }
            }
            known.master = known.master.take().or_else(|| link.master.clone());
        }
        Ok(())
    }

    /// `ip route` shows table main and IPv4, `ip -6 route` the other family: a table of a family that is there already
    /// must say the same.
    fn add_routes(&mut self, place: Place<'s>, routes: Vec<Route>) -> Result<(), Diagnostics> {
        let known = Arc::make_mut(&mut self.facts.network).routes.get_or_insert_default();
        let key = |route: &Route| (route.table.clone(), route.destination.family());
        let mut keys: Vec<_> = routes.iter().map(key).collect();
        keys.sort();
        keys.dedup();
        for wanted in keys {
            let new: Vec<_> = routes.iter().filter(|route| key(route) == wanted).cloned().collect();
            let old: Vec<_> = known.iter().filter(|route| key(route) == wanted).cloned().collect();
            match old.as_slice() {
                [] => known.extend(new),
                old if old == new => {}
                _ => {
                    let first = self.routes_in.unwrap_or_default();
                    return Err(contradiction(&format!("routing table {}", wanted.0), first, place));
                }
            }
        }
        self.routes_in.get_or_insert(place);
        Ok(())
    }

    fn add_rules(&mut self, place: Place<'s>, mut rules: Vec<RoutingRule>) -> Result<(), Diagnostics> {
        // `ip -6 rule` has no table "default"; nothing else tells the families apart.
        let family = if rules.iter().any(|rule| rule.action == RuleAction::Table("default".into())) {
            Family::Ipv4
        } else {
            Family::Ipv6
        };
        for rule in &mut rules {
            rule.family = rule.family.or(Some(family));
        }
        let known = Arc::make_mut(&mut self.facts.network).rules.get_or_insert_default();
        let of_family = |rules: &[RoutingRule]| -> Vec<_> {
            rules.iter().filter(|rule| rule.family == Some(family)).cloned().collect()
        };
        match of_family(known).as_slice() {
            [] => known.extend(rules),
            old if old == of_family(&rules) => {}
            _ => return Err(contradiction("ip rule", self.rules_in.unwrap_or_default(), place)),
        }
        self.rules_in.get_or_insert(place);
        Ok(())
    }

    /// Connections come and go: of two listings, the first counts for those that are in both.
    fn add_connections(&mut self, more: Vec<Connection>) {
        let ends = |c: &Connection| (c.protocol, c.source, c.destination, c.reply_source, c.zone);
        let known = self.facts.connections.get_or_insert_default();
        let mut seen: BTreeSet<_> = known.iter().map(ends).collect();
        known.extend(more.into_iter().filter(|connection| seen.insert(ends(connection))));
    }

    fn add_sysctls(&mut self, place: Place<'s>, more: &Sysctls) -> Result<(), Diagnostics> {
        let first = *self.sysctls.get_or_insert(place);
        match self.facts.sysctls.learn(more) {
            Ok(()) => Ok(()),
            Err(name) => Err(contradiction(&format!("sysctl {name}"), first, place)),
        }
    }

    fn captured(self) -> Captured {
        let mut facts = self.facts;
        facts.sets = self.sets.map(Arc::new);
        Arc::make_mut(&mut facts.network).links =
            self.links.map(|links| links.into_iter().map(|(_, link)| link).collect());
        let native = native_tables(&self.iptables, self.nftables);
        let mut parts: Vec<Part> = Vec::new();
        for (_, variant, ruleset) in self.iptables {
            parts.push(Part { variant, ruleset: ruleset.into() });
        }
        // What nft mode registered runs before what the legacy modules did, where both ask for the same place.
        parts.sort_by_key(|part| part.variant == Some(Variant::Legacy));
        let has_iptables = !parts.is_empty() || !self.headers.is_empty() || !self.has_nftables;
        if self.has_nftables && !(has_iptables && native.tables.is_empty()) {
            let ruleset = Arc::new(native);
            let part =
                |family| Part { variant: None, ruleset: Ruleset::Nftables(Arc::clone(&ruleset), family) };
            parts.extend(Family::ALL.map(part));
        }
        let language = language(&parts, has_iptables);
        Captured {
            language,
            parts,
            headers: self.headers,
            legacy_tables_present: self.legacy_tables_present,
            incompatible_tables: self.incompatible_tables,
            facts,
        }
    }
}

/// The language of kube-proxy's rules: of iptables where both hold some, and where neither does and iptables was asked.
fn language(parts: &[Part], has_iptables: bool) -> ProxyMode {
    let mut own = parts.iter().map(|part| &part.ruleset).filter(|ruleset| ruleset.has_kube_proxys_rules());
    match own.next() {
        Some(ruleset) => ruleset.mode(),
        None if has_iptables => ProxyMode::Iptables,
        None => ProxyMode::Nftables,
    }
}

/// Tables of nftables but for those of iptables-nft that stand in the text of its own tool, which says more.
fn native_tables(
    saved: &[(Place<'_>, Option<Variant>, ipt::Ruleset)],
    tables: Vec<(Place<'_>, Form, nft::Table)>,
) -> nft::Ruleset {
    let is_saved = |table: &nft::Table| {
        let family = match table.family {
            nft::TableFamily::Ip => Family::Ipv4,
            nft::TableFamily::Ip6 => Family::Ipv6,
            _ => return false,
        };
        let Some(name) = ipt::TableName::from_name(&table.name) else { return false };
        let may_be_nft = |variant: &Option<Variant>| *variant != Some(Variant::Legacy);
        saved.iter().any(|(_, variant, ruleset)| {
            may_be_nft(variant) && ruleset.family == family && ruleset.table(name).is_some()
        })
    };
    let tables = tables.into_iter().map(|(_, _, table)| table);
    nft::Ruleset { tables: tables.filter(|table| !is_saved(table)).collect() }
}

/// What of a table does not change by itself: counters do, and sets that rules fill.
fn shape(table: &nft::Table) -> Vec<(String, usize)> {
    let chains = table.chains.iter().map(|chain| (chain.name.to_string(), chain.rules.len()));
    let is_fixed = |set: &&nft::Set| !set.flags.iter().any(|flag| flag == "dynamic" || flag == "timeout");
    let sets = table.sets.iter().filter(is_fixed).map(|set| (set.name.to_string(), set.elements.len()));
    chains.chain(sets).collect()
}

fn contradiction(what: &str, first: &str, second: &str) -> Diagnostics {
    let places = if first == second {
        format!("twice in {}", Inert(first))
    } else {
        format!("in {} and in {}", Inert(first), Inert(second))
    };
    Diagnostic::error(format!("{} is {places}, and they differ", Inert(what)))
        .help("give what one node printed at one time")
        .into()
}
