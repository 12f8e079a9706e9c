//! A value for each IP family.

use crate::net::Family;

/// A value for each family; "none" is a value, such as [`Option::None`] or an empty list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerFamily<T> {
    /// For IPv4.
    pub ipv4: T,
    /// For IPv6.
    pub ipv6: T,
}

impl<T> PerFamily<T> {
    /// Makes the value of each family, IPv4 first.
    pub fn of(mut make: impl FnMut(Family) -> T) -> PerFamily<T> {
        PerFamily { ipv4: make(Family::Ipv4), ipv6: make(Family::Ipv6) }
    }

    /// Makes the value of each family, IPv4 first.
    ///
    /// # Errors
    /// The first error in making one.
    pub fn try_of<E>(mut make: impl FnMut(Family) -> Result<T, E>) -> Result<PerFamily<T>, E> {
        Ok(PerFamily { ipv4: make(Family::Ipv4)?, ipv6: make(Family::Ipv6)? })
    }

    /// The value of a family.
    pub fn get(&self, family: Family) -> &T {
        match family {
            Family::Ipv4 => &self.ipv4,
            Family::Ipv6 => &self.ipv6,
        }
    }

    /// The value of a family, mutable.
    pub fn get_mut(&mut self, family: Family) -> &mut T {
        match family {
            Family::Ipv4 => &mut self.ipv4,
            Family::Ipv6 => &mut self.ipv6,
        }
    }

    /// The value of a family, by value.
    pub fn into(self, family: Family) -> T {
        match family {
            Family::Ipv4 => self.ipv4,
            Family::Ipv6 => self.ipv6,
        }
    }

    /// Both values, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.ipv4, &self.ipv6].into_iter()
    }

    /// Both values paired with those of another, IPv4 first.
    pub fn zip<U>(self, other: PerFamily<U>) -> impl Iterator<Item = (T, U)> {
        [(self.ipv4, other.ipv4), (self.ipv6, other.ipv6)].into_iter()
    }
}
