//! What hangs below a level of a topic tree: nodes by the names of their levels, in order. Most levels have one below
//! them, a few have ten thousand.

use std::collections::BTreeMap;

/// Up to this many a sorted list costs least (a B-tree's smallest leaf has room for eleven nodes); above it a B-tree
/// bounds the work to find, add and take out, whatever names strangers choose.
const FEW_MAX: usize = 8;

/// Nodes of a tree, each under the name of its level.
#[derive(Debug)]
pub(crate) enum Levels<N> {
    /// Sorted by name; without spare room.
    Few(Vec<(Box<str>, N)>),
    #[allow(clippy::box_collection)] // rare: it must not make every node larger
    Many(Box<BTreeMap<Box<str>, N>>),
}

impl<N> Default for Levels<N> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<N> Levels<N> {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Few(few) => few.is_empty(),
            Self::Many(many) => many.is_empty(),
        }
    }

    pub(crate) fn get(&self, level: &str) -> Option<&N> {
        match self {
            Self::Few(few) => place(few, level).ok().map(|at| &few[at].1),
            Self::Many(many) => many.get(level),
        }
    }

    pub(crate) fn get_mut(&mut self, level: &str) -> Option<&mut N> {
        match self {
            Self::Few(few) => place(few, level).ok().map(|at| &mut few[at].1),
            Self::Many(many) => many.get_mut(level),
        }
    }

    /// Takes out the node of `level`, and gives back the room that it took.
    pub(crate) fn remove(&mut self, level: &str) {
        match self {
            Self::Few(few) => {
                if let Ok(at) = place(few, level) {
                    few.remove(at);
                    few.shrink_to_fit();
                }
            }
            Self::Many(many) => {
                many.remove(level);
                // Not at once: one that comes and goes must not move all the others each time.
                if many.len() <= FEW_MAX / 2 {
                    *self = Self::Few(std::mem::take(&mut **many).into_iter().collect());
                }
            }
        }
    }

    /// All of them, in the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &N)> {
        let (few, many) = match self {
            Self::Few(few) => (Some(few.iter()), None),
            Self::Many(many) => (None, Some(many.iter())),
        };
        let few = few.into_iter().flatten().map(|(level, node)| (&**level, node));
        few.chain(many.into_iter().flatten().map(|(level, node)| (&**level, node)))
    }
}

impl<N: Default> Levels<N> {
    /// The node of `level`, made if it is not there.
    pub(crate) fn get_or_grow(&mut self, level: &str) -> &mut N {
        if let Self::Few(few) = self
            && few.len() >= FEW_MAX
            && place(few, level).is_err()
        {
            *self = Self::Many(Box::new(std::mem::take(few).into_iter().collect()));
        }
        match self {
            Self::Few(few) => {
                let at = place(few, level).unwrap_or_else(|at| {
                    few.reserve_exact(1);
                    few.insert(at, (level.into(), N::default()));
                    at
                });
                &mut few[at].1
            }
            Self::Many(many) => {
                // Looked up first: an entry would need a name of its own even where there is one.
                if !many.contains_key(level) {
                    many.insert(level.into(), N::default());
                }
                many.get_mut(level).expect("it was there, or was put there")
            }
        }
    }
}

/// Where `level` stands, or would.
fn place<N>(few: &[(Box<str>, N)], level: &str) -> Result<usize, usize> {
    few.binary_search_by(|(held, _)| (**held).cmp(level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_or_many_levels_come_and_go_alike_and_leave_nothing_behind() {
        for count in [1, FEW_MAX, FEW_MAX + 1, 100] {
            let names: Vec<_> = (0..count).map(|n| format!("{:03}", n * 7 % count)).collect();
            let mut levels = Levels::<usize>::default();
            for (n, name) in names.iter().enumerate() {
                *levels.get_or_grow(name) = n;
                assert_eq!(*levels.get_or_grow(name), n, "it is there: nothing is made");
            }
            assert_eq!(matches!(levels, Levels::Many(_)), count > FEW_MAX, "{count}");
            let mut wanted: Vec<_> = names.iter().map(|name| &**name).zip(0..).collect();
            wanted.sort_unstable();
            assert!(levels.iter().map(|(name, n)| (name, *n)).eq(wanted), "in the order of their names");
            for name in &names {
                levels.remove("none");
                assert!(levels.get("none").is_none() && levels.get_mut(name).is_some());
                levels.remove(name);
                assert!(levels.get(name).is_none());
                if let Levels::Few(few) = &levels {
                    assert_eq!(few.capacity(), few.len(), "no room is kept for what has gone");
                }
            }
            assert!(levels.is_empty() && matches!(levels, Levels::Few(_)));
        }
    }
}
