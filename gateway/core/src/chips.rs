//! `chipId`: which of the gateway's radios heard a packet, counted from 0.
//!
//! The kernel numbers adapters as they come (`hci0`, `hci1` …), and one that is plugged in again may have another
//! number. So an adapter is known by its address: the configured ones first, in their order, then others in the order
//! in which they come. Where an address is not told (recordings of other formats), the kernel's number stands for it.

use std::collections::BTreeMap;

use crate::MacAddress;

/// Radios that are told apart; what more there are, are all the last one.
pub const CHIPS_MAX: usize = 256;

/// Who is which chip.
#[derive(Clone, Debug, Default)]
pub struct Chips {
    known: Vec<Who>,
    /// By the kernel's number: a place in `known`.
    by_index: BTreeMap<u16, u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Address(MacAddress),
    /// A kernel's number of which no address is known yet.
    Index(u16),
}

impl Chips {
    /// The configured ones, in their order.
    pub fn new(configured: &[MacAddress]) -> Self {
        let known = configured.iter().take(CHIPS_MAX).map(|mac| Who::Address(*mac)).collect();
        Self { known, by_index: BTreeMap::new() }
    }

    /// The adapter that the kernel calls `index` now has this address.
    pub fn came(&mut self, index: u16, address: MacAddress) {
        // All zeros: it is not known yet, and is told later.
        if address == MacAddress([0; 6]) {
            return;
        }
        let chip = self.chip(Who::Address(address));
        self.by_index.insert(index, chip);
    }

    /// The kernel's number is free; the next one who has it may be another.
    pub fn went(&mut self, index: u16) {
        self.by_index.remove(&index);
    }

    /// The kernel's numbers are to be told anew; who is which chip stays.
    pub fn forget_numbers(&mut self) {
        self.by_index.clear();
    }

    /// Which chip the adapter is that the kernel calls `index`.
    pub fn of(&mut self, index: u16) -> u16 {
        if let Some(chip) = self.by_index.get(&index) {
            return *chip;
        }
        let chip = self.chip(Who::Index(index));
        self.by_index.insert(index, chip);
        chip
    }

    /// The address of the first chip; `None`: it has not been told.
    pub fn first_address(&self) -> Option<MacAddress> {
        match self.known.first() {
            Some(Who::Address(mac)) => Some(*mac),
            _ => None,
        }
    }

    fn chip(&mut self, who: Who) -> u16 {
        let at = self.known.iter().position(|known| *known == who).unwrap_or_else(|| {
            if self.known.len() < CHIPS_MAX {
                self.known.push(who);
            }
            self.known.len() - 1
        });
        at as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(last: u8) -> MacAddress {
        MacAddress([0, 0xAA, 1, 0, 0, last])
    }

    #[test]
    fn configured_adapters_have_their_places_and_others_come_after_them() {
        let mut chips = Chips::new(&[mac(1), mac(2)]);
        chips.came(0, mac(2));
        chips.came(1, mac(3));
        chips.came(2, mac(1));
        assert_eq!([0, 1, 2].map(|index| chips.of(index)), [1, 2, 0]);
        assert_eq!(chips.first_address(), Some(mac(1)));
    }

    #[test]
    fn an_adapter_that_comes_back_under_another_number_is_who_it_was() {
        let mut chips = Chips::default();
        chips.came(0, mac(1));
        chips.came(1, mac(2));
        chips.went(0);
        chips.came(2, mac(1));
        chips.came(0, mac(3));
        assert_eq!([0, 1, 2].map(|index| chips.of(index)), [2, 1, 0]);
    }

    #[test]
    fn without_addresses_the_numbers_stand_for_themselves() {
        let mut chips = Chips::default();
        chips.came(5, MacAddress([0; 6]));
        assert_eq!([5, 3, 5].map(|index| chips.of(index)), [0, 1, 0]);
        assert_eq!(chips.first_address(), None);
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let mut chips = Chips::default();
        let all: Vec<_> = (0..1000).map(|index| chips.of(index)).collect();
        assert_eq!((all[999], chips.known.len()), (CHIPS_MAX as u16 - 1, CHIPS_MAX));
    }
}
