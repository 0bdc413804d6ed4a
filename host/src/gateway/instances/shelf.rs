//! What is lent out one by one, and kept between.
//! Takes things back; gives one that is as good as new, or the place to make another. Never has more of them at work than it has places, and
//! keeps few that do nothing for longer than a moment.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{Deadline, sync::Mutex};

/// What can be lent out again and again.
pub(super) trait Reusable {
    /// To what it belongs: of something else, it is of no use any more.
    type Owner: Copy + PartialEq;

    fn owner(&self) -> Self::Owner;

    /// Whether it is used up, whoever wants it.
    fn is_worn(&self) -> bool;
}

/// A place among those at work, until it is dropped.
pub(super) struct Place(#[expect(dead_code, reason = "held for as long as somebody works there")] OwnedSemaphorePermit);

/// For how long all are kept, however many: who calls many side by side will call again.
const MOMENT: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 1_000 });

/// Things that are lent out, with a bound on how many at a time.
pub(super) struct Shelf<T> {
    /// Who waits here gets its turn in the order of asking.
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Idle<T>>>,
    /// How many are kept that do nothing.
    keeps: usize,
}

struct Idle<T> {
    /// Since when each does nothing: the newest is the last, and the first to be taken.
    things: Vec<(Instant, T)>,
    /// Whether somebody is going to take those away that are too many.
    watched: bool,
}

impl<T: Reusable> Idle<T> {
    fn of(&mut self, owner: T::Owner) -> &mut Vec<(Instant, T)> {
        self.things.retain(|(_, kept)| kept.owner() == owner);
        &mut self.things
    }
}

/// Ends what has done nothing for longer than a moment, until no more are left than are kept.
async fn tidy<T>(idle: Arc<Mutex<Idle<T>>>, keeps: usize) {
    loop {
        tokio::time::sleep(MOMENT).await;
        let mut idle = idle.lock();
        let too_many = idle.things.len().saturating_sub(keeps);
        let old = idle.things.iter().take(too_many).take_while(|(since, _)| since.elapsed() >= MOMENT).count();
        // They end when nobody waits for the shelf.
        let ended: Vec<_> = idle.things.drain(..old).collect();
        idle.watched = too_many > old;
        let goes_on = idle.watched;
        drop(idle);
        drop(ended);
        if !goes_on {
            return;
        }
    }
}

impl<T: Reusable + Send + 'static> Shelf<T> {
    pub(super) fn new(places: usize, keeps: usize) -> Self {
        let idle = Idle { things: Vec::new(), watched: false };
        Self { places: Arc::new(Semaphore::new(places)), idle: Arc::new(Mutex::new(idle)), keeps }
    }

    /// A place to work, as soon as one is free. None when that is not in time.
    pub(super) async fn place(&self, by: Deadline) -> Option<Place> {
        by.bound(Arc::clone(&self.places).acquire_owned()).await.ok()?.ok().map(Place)
    }

    /// One that does nothing. Those of another owner end here.
    pub(super) fn take(&self, owner: T::Owner) -> Option<T> {
        self.idle.lock().of(owner).pop().map(|(_, thing)| thing)
    }

    /// Keeps it, unless it is worn or of another owner. One too many is kept for a moment, if there is a runtime to end it then.
    pub(super) fn give_back(&self, thing: T, owner: T::Owner) {
        let mut idle = self.idle.lock();
        let things = idle.of(owner);
        if thing.is_worn() || thing.owner() != owner {
            return;
        }
        if things.len() >= self.keeps {
            let Ok(runtime) = Handle::try_current() else { return };
            things.push((Instant::now(), thing));
            if !std::mem::replace(&mut idle.watched, true) {
                runtime.spawn(tidy(Arc::clone(&self.idle), self.keeps));
            }
        } else {
            things.push((Instant::now(), thing));
        }
    }

    /// All that do nothing.
    pub(super) fn clear(&self) -> Vec<T> {
        std::mem::take(&mut self.idle.lock().things).into_iter().map(|(_, thing)| thing).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Thing {
        owner: u8,
        worn: bool,
    }

    impl Reusable for Thing {
        type Owner = u8;

        fn owner(&self) -> u8 {
            self.owner
        }

        fn is_worn(&self) -> bool {
            self.worn
        }
    }

    fn good(owner: u8) -> Thing {
        Thing { owner, worn: false }
    }

    #[test]
    fn what_comes_back_is_lent_again_unless_it_is_worn_or_of_another_owner() {
        let shelf = Shelf::new(9, 9);
        shelf.give_back(good(1), 1);
        shelf.give_back(Thing { owner: 1, worn: true }, 1);
        shelf.give_back(good(2), 1);
        assert_eq!(shelf.take(1), Some(good(1)));
        assert_eq!(shelf.take(1), None);
    }

    #[test]
    fn what_a_former_owner_left_is_not_kept_for_it() {
        let shelf = Shelf::new(9, 9);
        shelf.give_back(good(1), 1);
        assert_eq!(shelf.take(2), None);
        assert_eq!(shelf.take(1), None, "it ended when the other one asked");
        shelf.give_back(good(1), 1);
        shelf.give_back(good(2), 2);
        assert_eq!(shelf.clear(), [good(2)]);
    }

    #[test]
    fn only_some_are_kept_that_do_nothing() {
        let shelf = Shelf::new(9, 2);
        (0..3).for_each(|_| shelf.give_back(good(1), 1));
        assert_eq!(shelf.clear().len(), 2);
    }

    #[tokio::test]
    async fn all_are_kept_for_a_moment_and_then_only_some() {
        let shelf = Shelf::new(9, 2);
        let idle = || shelf.idle.lock().things.len();
        // The second time, whoever watched the first time has gone.
        for round in 0..2 {
            (0..5).for_each(|_| shelf.give_back(good(1), 1));
            assert_eq!(idle(), 5, "round {round}");
            let started = Instant::now();
            while idle() > 2 && started.elapsed() < MOMENT * 100 {
                tokio::time::sleep(MOMENT / 5).await;
            }
            assert!(started.elapsed() >= MOMENT, "round {round}: they were kept for a moment");
            tokio::time::sleep(MOMENT * 2).await;
            assert_eq!(idle(), 2, "round {round}");
            shelf.clear();
        }
    }

    #[tokio::test]
    async fn no_more_work_than_there_are_places_and_who_came_first_is_first() {
        let shelf = Shelf::<Thing>::new(1, 9);
        let soon = || Deadline::within(Duration::from_millis(20));
        let place = shelf.place(soon()).await;
        assert!(place.is_some());
        assert!(shelf.place(soon()).await.is_none());
        let later = Deadline::within(Duration::from_mins(1));
        let (first, (), second) = tokio::join!(
            async { shelf.place(later).await.map(|place| (Instant::now(), drop(place))) },
            async { drop(place) },
            async { shelf.place(later).await.map(|place| (Instant::now(), drop(place))) },
        );
        assert!(first.zip(second).is_some_and(|(first, second)| first.0 <= second.0));
    }
}
