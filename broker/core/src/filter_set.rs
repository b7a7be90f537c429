//! The filters that one session has subscribed to. Most sessions have one or two, some have very many.

use std::collections::BTreeSet;

use mqtt::{TopicFilter, TopicFilterBuf};

use crate::limits::tree_bytes;

/// Up to this many filters a list costs least; above it, looking each up in a list would make the work of an
/// UNSUBSCRIBE for all of them grow with the square of their number.
const FEW_MAX: usize = 8;

/// Filters, each once.
#[derive(Debug)]
pub(crate) enum FilterSet {
    Few(Vec<TopicFilterBuf>),
    /// Rare: it must not make every session larger.
    Many(Box<Many>),
}

#[derive(Debug, Default)]
pub(crate) struct Many {
    filters: BTreeSet<TopicFilterBuf>,
    /// Memory that all of them take, reckoned.
    bytes: usize,
}

impl Default for FilterSet {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Many {
    fn insert(&mut self, filter: TopicFilterBuf) {
        self.bytes += tree_bytes(filter.as_str());
        self.filters.insert(filter);
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
                let mut many = Many::default();
                for filter in std::mem::take(filters) {
                    many.insert(filter);
                }
                many.insert(filter);
                *self = Self::Many(Box::new(many));
            }
            Self::Many(many) => many.insert(filter),
        }
    }

    pub(crate) fn remove(&mut self, filter: TopicFilter<'_>) {
        match self {
            Self::Few(filters) => filters.retain(|held| held.as_filter() != filter),
            Self::Many(many) => {
                if many.filters.remove(&TopicFilterBuf::from(filter)) {
                    many.bytes -= tree_bytes(filter.as_str());
                }
            }
        }
    }

    pub(crate) fn has(&self, filter: TopicFilter<'_>) -> bool {
        match self {
            Self::Few(filters) => filters.iter().any(|held| held.as_filter() == filter),
            Self::Many(many) => many.filters.contains(&TopicFilterBuf::from(filter)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(filters) => filters.len(),
            Self::Many(many) => many.filters.len(),
        }
    }

    /// Memory that all of them take, reckoned from above.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Few(filters) => filters.iter().map(|filter| tree_bytes(filter.as_str())).sum(),
            Self::Many(many) => many.bytes,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = TopicFilter<'_>> {
        let (few, many) = match self {
            Self::Few(filters) => (Some(filters.iter()), None),
            Self::Many(many) => (None, Some(many.filters.iter())),
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
            assert_eq!(set.len(), count);
            assert_eq!(set.bytes(), names.iter().map(|name| tree_bytes(name)).sum::<usize>());
            assert!(filters().all(|filter| set.has(filter)) && !set.has(TopicFilter::new("f/none").unwrap()));
            set.remove(TopicFilter::new("f/none").unwrap());
            assert_eq!(set.iter().count(), count);
            filters().rev().for_each(|filter| set.remove(filter));
            assert!(set.is_empty() && set.bytes() == 0, "{count}");
        }
    }
}
