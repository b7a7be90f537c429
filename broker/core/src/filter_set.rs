//! The filters that one session has subscribed to. Most sessions have one or two, some have very many.

use std::collections::BTreeSet;

use mqtt::{TopicFilter, TopicFilterBuf};

/// Up to this many filters a list costs least; above it, looking each up in a list would make the work of an
/// UNSUBSCRIBE for all of them grow with the square of their number.
const FEW_MAX: usize = 8;

/// Filters, each once.
#[derive(Debug)]
#[allow(clippy::box_collection)] // the set is rare: it must not make every session larger
pub(crate) enum FilterSet {
    Few(Vec<TopicFilterBuf>),
    Many(Box<BTreeSet<TopicFilterBuf>>),
}

impl Default for FilterSet {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl FilterSet {
    /// Adds a filter that is not there yet.
    pub(crate) fn insert(&mut self, filter: TopicFilterBuf) {
        match self {
            Self::Few(filters) if filters.len() < FEW_MAX => {
                if filters.is_empty() {
                    filters.reserve_exact(1); // a Vec would begin with room for four
                }
                filters.push(filter);
            }
            Self::Few(filters) => {
                let mut many: BTreeSet<_> = std::mem::take(filters).into_iter().collect();
                many.insert(filter);
                *self = Self::Many(Box::new(many));
            }
            Self::Many(filters) => {
                filters.insert(filter);
            }
        }
    }

    pub(crate) fn remove(&mut self, filter: TopicFilter<'_>) {
        match self {
            Self::Few(filters) => filters.retain(|held| held.as_filter() != filter),
            Self::Many(filters) => {
                filters.remove(&TopicFilterBuf::from(filter));
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Few(filters) => filters.is_empty(),
            Self::Many(filters) => filters.is_empty(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = TopicFilter<'_>> {
        let (few, many) = match self {
            Self::Few(filters) => (Some(filters.iter()), None),
            Self::Many(filters) => (None, Some(filters.iter())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten()).map(TopicFilterBuf::as_filter)
    }
}

impl FromIterator<TopicFilterBuf> for FilterSet {
    fn from_iter<I: IntoIterator<Item = TopicFilterBuf>>(filters: I) -> Self {
        let mut set = Self::default();
        filters.into_iter().for_each(|filter| set.insert(filter));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_or_many_filters_come_and_go_alike() {
        for count in [1, FEW_MAX, FEW_MAX + 1, 50] {
            let names: Vec<_> = (0..count).map(|n| format!("f/{n:02}")).collect();
            let filters = || names.iter().map(|name| TopicFilter::new(name).unwrap());
            let mut set: FilterSet = filters().map(TopicFilterBuf::from).collect();
            assert_eq!(set.iter().collect::<Vec<_>>(), filters().collect::<Vec<_>>());
            set.remove(TopicFilter::new("f/none").unwrap());
            assert_eq!(set.iter().count(), count);
            filters().rev().for_each(|filter| set.remove(filter));
            assert!(set.is_empty(), "{count}");
        }
    }
}
