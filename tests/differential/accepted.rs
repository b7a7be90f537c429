//! The differences that are accepted, each with its reason, as narrow as it can be said.

mod answers;
mod editing;
mod faults;
mod reading;
mod sessions;

pub(crate) use reading::lasts;

use crate::scene::Scene;
use crate::wire::Heard;

/// How many conversations are played where nobody says how many: enough to meet every difference that is not seldom.
pub(crate) const CONVERSATIONS: u64 = 6_000;
/// How many meet the seldom ones too.
const LONG: u64 = 100_000;

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Accepted> {
    [faults::LIST, sessions::LIST, answers::LIST].into_iter().flatten()
}

/// A difference that is as it should be.
pub(crate) struct Accepted {
    pub name: &'static str,
    /// Who is right, and by what.
    pub reason: &'static str,
    judge: Judge,
}

enum Judge {
    /// Makes what may differ the same. If all is the same then, the conversation goes on.
    Alike(fn(&Scene<'_>, &mut Heard, &mut Heard)),
    /// The same; but whether it is met depends on the clock.
    AlikeByChance(fn(&Scene<'_>, &mut Heard, &mut Heard)),
    /// The two brokers are no longer in the same state, whether that shows on this connection or not: the conversation
    /// ends, and what others hear of this step is not compared.
    Apart(fn(&Scene<'_>) -> bool),
    /// The same; but it is met so seldom that only a long run must meet it.
    ApartSeldom(fn(&Scene<'_>) -> bool),
}

impl Accepted {
    /// Whether a run of so many conversations must meet it.
    pub(crate) const fn is_certain(&self, conversations: u64) -> bool {
        match self.judge {
            Judge::Alike(_) | Judge::Apart(_) => conversations >= CONVERSATIONS,
            Judge::ApartSeldom(_) => conversations >= LONG,
            Judge::AlikeByChance(_) => false,
        }
    }
}

/// Which of [`all`] explain what was heard.
pub(crate) struct Judgement {
    pub met: Vec<usize>,
    pub goes_on: bool,
}

/// `None`: it is not explained.
pub(crate) fn judge(scene: &Scene<'_>) -> Option<Judgement> {
    let apart = all().position(|accepted| match accepted.judge {
        Judge::Apart(judge) | Judge::ApartSeldom(judge) => judge(scene),
        Judge::Alike(_) | Judge::AlikeByChance(_) => false,
    });
    if let Some(met) = apart {
        return Some(Judgement { met: vec![met], goes_on: false });
    }
    let (mut ours, mut theirs) = (scene.ours.clone(), scene.theirs.clone());
    let mut met = Vec::new();
    for (at, accepted) in all().enumerate() {
        let (Judge::Alike(alike) | Judge::AlikeByChance(alike)) = accepted.judge else { continue };
        if ours == theirs {
            break;
        }
        let before = (ours.clone(), theirs.clone());
        alike(scene, &mut ours, &mut theirs);
        if (&ours, &theirs) != (&before.0, &before.1) {
            met.push(at);
        }
    }
    (ours == theirs).then_some(Judgement { met, goes_on: true })
}
