//! Known outcomes: of packets of one part of the Services, and of their counterparts in parts of the same shape.
//!
//! Most of the cost of a comparison is in following packets. Those of one class have the same outcome, and so have,
//! with the addresses exchanged, their counterparts in a part of the same shape ([`super::shape`] explains why). So
//! each packet is followed only once, whether for the classes of packets or for the consequences of a change, and for
//! whichever part.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;

use super::ground::Ground;
use super::members::{Members, PacketPlace};
use super::outcome_set::{Contrast, OutcomeSet};
use super::space::Range;
use crate::walk::{Packet, Walker};

/// What happens to a packet on both sides, and how that differs; none if it does not.
#[derive(Debug, Clone)]
pub(in crate::compare) struct Outcomes {
    pub(in crate::compare) old: Arc<OutcomeSet>,
    pub(in crate::compare) new: Arc<OutcomeSet>,
    pub(in crate::compare) contrast: Option<Contrast>,
}

impl Outcomes {
    /// Follows a packet on both sides.
    pub(in crate::compare) fn of(walkers: Walkers<'_, '_, '_>, (old, new): Packets<'_>) -> Outcomes {
        let (old, new) = (OutcomeSet::of(walkers.0, old), OutcomeSet::of(walkers.1, new));
        let contrast = old.contrast(&new);
        Outcomes { old: Arc::new(old), new: Arc::new(new), contrast }
    }
}

/// The known outcomes for parts of one shape, each with the part whose packet was followed.
#[derive(Debug, Default)]
pub(in crate::compare) struct KnownOutcomes(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_place: HashMap<PacketPlace, (Arc<Members>, Outcomes)>,
    ends: usize,
}

/// How many ends are kept for parts of one shape: one packet can have ten thousand.
const MOST_KEPT: usize = 1 << 15;

/// The rules of both sides.
type Walkers<'a, 'o, 'n> = (&'a Walker<'o>, &'a Walker<'n>);

/// A packet, as each side sees it.
type Packets<'p> = (&'p Packet, &'p Packet);

/// The known outcomes, translated to one part.
pub struct Known<'k> {
    outcomes: &'k KnownOutcomes,
    members: Arc<Members>,
    ground: &'k Ground<'k>,
    /// Whether rules ask for something that the shape does not include: then no outcome can be used for another part.
    is_off: AtomicBool,
}

impl<'k> Known<'k> {
    /// For a part that has the shape of these outcomes.
    pub(in crate::compare) fn new(
        outcomes: &'k KnownOutcomes,
        members: Members,
        ground: &'k Ground<'k>,
    ) -> Known<'k> {
        Known { outcomes, members: Arc::new(members), ground, is_off: AtomicBool::new(false) }
    }

    /// Notes what rules ask about addresses.
    pub(super) fn note_asked(&self, asked: impl IntoIterator<Item = Range>) {
        if asked.into_iter().any(|range| !self.members.tells(range, self.ground)) {
            self.is_off.store(true, Ordering::Relaxed);
        }
    }

    /// What happens to a packet; follows it if that is not known.
    pub(in crate::compare) fn outcomes(
        &self,
        walkers: Walkers<'_, '_, '_>,
        packets: Packets<'_>,
    ) -> Outcomes {
        let place = self.place(packets);
        match place.and_then(|place| self.exchanged(self.find(place)?)) {
            Some(known) => {
                judge(Some(&known), walkers, packets);
                known
            }
            None => self.follow(place, walkers, packets),
        }
    }

    /// The same if it differs, and whether the packet was followed.
    pub(super) fn difference(
        &self,
        walkers: Walkers<'_, '_, '_>,
        packets: Packets<'_>,
    ) -> (Option<Outcomes>, bool) {
        let place = self.place(packets);
        let known = place.and_then(|place| {
            let found = self.find(place)?;
            Some(if found.1.contrast.is_some() { Some(self.exchanged(found)?) } else { None })
        });
        match known {
            Some(known) => {
                judge(known.as_ref(), walkers, packets);
                (known, false)
            }
            None => {
                let found = self.follow(place, walkers, packets);
                (Some(found).filter(|found| found.contrast.is_some()), true)
            }
        }
    }

    fn place(&self, packets: Packets<'_>) -> Option<PacketPlace> {
        let is_on = !self.is_off.load(Ordering::Relaxed);
        self.members.packet(packets, self.ground).filter(|_| is_on)
    }

    fn follow(
        &self,
        place: Option<PacketPlace>,
        walkers: Walkers<'_, '_, '_>,
        packets: Packets<'_>,
    ) -> Outcomes {
        let found = Outcomes::of(walkers, packets);
        // What cannot be followed is described in the words of its own rules.
        if let Some(place) = place.filter(|_| found.contrast != Some(Contrast::Unknown)) {
            let mut kept = self.lock();
            kept.ends += found.old.count() + found.new.count();
            if kept.ends <= MOST_KEPT {
                kept.by_place.insert(place, (self.members.clone(), found.clone()));
            }
        }
        found
    }

    fn find(&self, place: PacketPlace) -> Option<(Arc<Members>, Outcomes)> {
        self.lock().by_place.get(&place).cloned()
    }

    /// The outcomes of another part, with the addresses of this one.
    fn exchanged(&self, (members, known): (Arc<Members>, Outcomes)) -> Option<Outcomes> {
        if Arc::ptr_eq(&members, &self.members) {
            return Some(known);
        }
        let counterpart = |to| self.members.in_place_of(&members, to, self.ground);
        let (old, new) =
            (known.old.with_destinations(counterpart)?, known.new.with_destinations(counterpart)?);
        Some(Outcomes { old: Arc::new(old), new: Arc::new(new), contrast: known.contrast })
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.outcomes.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In tests the packet is followed anyway: it must have these outcomes; if there are none, the same on both sides.
fn judge(known: Option<&Outcomes>, walkers: Walkers<'_, '_, '_>, packets: Packets<'_>) {
    if cfg!(any(test, fuzzing)) {
        let followed = Outcomes::of(walkers, packets);
        let same = |known: &Outcomes| {
            known.old.contrast(&followed.old).is_none() && known.new.contrast(&followed.new).is_none()
        };
        assert_eq!(known.and_then(|known| known.contrast), followed.contrast, "{packets:?}");
        assert!(known.is_none_or(same), "{packets:?}: {known:?}, {followed:?}");
    }
}
