//! The queue between the feeder and the lanes: which mails a lane takes next, and how many.
//!
//! Most urgent first. A domain that makes lanes wait is slow: its mails leave one by one on few
//! lanes as long as others wait, so that it holds up nobody; one quick answer clears it. The
//! number of mails kept here is bounded by the feeder; nothing is sent or recorded here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

/// A mail that takes a lane so long makes its domain a slow one.
const SLOW: Duration = Duration::from_secs(2);

/// Mails kept of a slow domain; the others stay in the store.
const KEPT_OF_SLOW: usize = 32;

/// Of so many lanes one may serve slow domains while others wait.
const LANES_FOR_ONE_SLOW: usize = 4;

/// What waits here.
pub(super) trait Bound {
    /// The recipient's domain.
    fn domain(&self) -> &str;

    /// Whether a copy of it may have been accepted before: it flies alone, so that a crash amid
    /// a flight of others adds no doubt to it.
    fn is_doubtful(&self) -> bool;
}

/// How mails are dealt out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deal {
    /// Lanes at most.
    pub(super) lanes: usize,
    /// Mails in a flight at most.
    pub(super) flight: usize,
}

/// Mails to be sent by one lane, one after another, with one commit before the first dot.
#[derive(Debug)]
pub(super) struct Flight<J> {
    pub(super) jobs: VecDeque<J>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Quick,
    Slow,
}

/// The queue.
#[derive(Debug)]
pub(super) struct Queue<J> {
    inner: Mutex<Inner<J>>,
    deal: Deal,
    more: Notify,
    room: Notify,
}

#[derive(Debug)]
struct Inner<J> {
    quick: VecDeque<J>,
    /// Slow domains, served in turn; one without mails stays known.
    slow: VecDeque<(String, VecDeque<J>)>,
    lanes_on_slow: usize,
    waiting: usize,
    closed: bool,
}

impl<J: Bound> Queue<J> {
    pub(super) fn new(deal: Deal) -> Self {
        Self {
            inner: Mutex::new(Inner {
                quick: VecDeque::new(),
                slow: VecDeque::new(),
                lanes_on_slow: 0,
                waiting: 0,
                closed: false,
            }),
            deal,
            more: Notify::new(),
            room: Notify::new(),
        }
    }

    /// Adds mails, the most urgent first; gives back those of slow domains that are too many.
    pub(super) fn push(&self, jobs: impl IntoIterator<Item = J>) -> Vec<J> {
        let mut inner = self.lock();
        let mut too_many = Vec::new();
        for job in jobs {
            match inner.slow.iter_mut().find(|(d, _)| d == job.domain()) {
                None => inner.quick.push_back(job),
                Some((_, kept)) if kept.len() < KEPT_OF_SLOW => kept.push_back(job),
                Some(_) => too_many.push(job),
            }
        }
        drop(inner);
        self.more.notify_waiters();
        too_many
    }

    /// The mails that wait here.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// The lanes that wait for a mail.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// The slow domains, with the number of mails of each that may still be added.
    pub(super) fn room_of_slow(&self) -> HashMap<String, u32> {
        self.lock()
            .slow
            .iter()
            .map(|(domain, kept)| {
                let room = KEPT_OF_SLOW.saturating_sub(kept.len());
                (domain.clone(), u32::try_from(room).unwrap_or(u32::MAX))
            })
            .collect()
    }

    /// The next flight; waits for one, and is `None` once the queue is closed and empty.
    pub(super) async fn take(&self) -> Option<Flight<J>> {
        loop {
            let mut more = std::pin::pin!(self.more.notified());
            // Enabled before the look, so that what is pushed between the two wakes it.
            more.as_mut().enable();
            {
                let mut inner = self.lock();
                let taken = inner.take(self.deal);
                if taken.is_some() || (inner.closed && inner.len() == 0) {
                    drop(inner);
                    self.room.notify_one();
                    return taken;
                }
                inner.waiting += 1;
            }
            // Whoever waits for the lanes sees that one has nothing to do.
            self.room.notify_one();
            more.await;
            self.lock().waiting -= 1;
        }
    }

    /// The next flight if there is one now that keeps nobody waiting.
    pub(super) fn take_quick(&self) -> Option<Flight<J>> {
        let mut inner = self.lock();
        if inner.is_turn_of_slow(self.deal) {
            return None;
        }
        let taken = inner.take_quick(self.deal);
        drop(inner);
        self.room.notify_one();
        taken
    }

    /// A flight has landed: every mail of it has its outcome.
    pub(super) fn landed(&self, flight: &Flight<J>) {
        if flight.kind == Kind::Slow {
            self.lock().lanes_on_slow -= 1;
            // It may be the turn of another slow one.
            self.more.notify_waiters();
            self.room.notify_one();
        }
    }

    /// A mail of this domain took a lane so long. Gives back the waiting mails of a domain that
    /// has become slow, as far as they are too many.
    pub(super) fn took(&self, domain: &str, time: Duration) -> Vec<J> {
        let mut inner = self.lock();
        let known = inner.slow.iter().position(|(d, _)| d == domain);
        match (known, time >= SLOW) {
            (None, false) | (Some(_), true) => Vec::new(),
            (Some(at), false) => {
                let (_, kept) = inner.slow.remove(at).unwrap_or_default();
                // They are the older ones.
                for job in kept.into_iter().rev() {
                    inner.quick.push_front(job);
                }
                drop(inner);
                self.more.notify_waiters();
                Vec::new()
            }
            (None, true) => {
                let (mut theirs, others): (VecDeque<J>, VecDeque<J>) =
                    std::mem::take(&mut inner.quick)
                        .into_iter()
                        .partition(|job| job.domain() == domain);
                inner.quick = others;
                let too_many = theirs.split_off(theirs.len().min(KEPT_OF_SLOW));
                inner.slow.push_back((domain.to_owned(), theirs));
                drop(inner);
                self.room.notify_one();
                too_many.into()
            }
        }
    }

    /// Whether a domain is slow.
    pub(super) fn is_slow(&self, domain: &str) -> bool {
        self.lock().slow.iter().any(|(d, _)| d == domain)
    }

    /// No more mails will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.more.notify_waiters();
    }

    /// Waits until a mail has been taken, or a lane has nothing to do.
    pub(super) async fn room(&self) {
        self.room.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner<J>> {
        self.inner.lock().expect("no lane panics")
    }
}

impl<J: Bound> Inner<J> {
    fn len(&self) -> usize {
        self.quick.len() + self.slow.iter().map(|(_, kept)| kept.len()).sum::<usize>()
    }

    fn has_slow(&self) -> bool {
        self.slow.iter().any(|(_, kept)| !kept.is_empty())
    }

    /// Slow domains have a lane of their own even while others wait, but where there is only one.
    fn is_turn_of_slow(&self, deal: Deal) -> bool {
        let theirs = (deal.lanes / LANES_FOR_ONE_SLOW).max(1);
        deal.lanes > 1 && self.lanes_on_slow < theirs && self.has_slow()
    }

    fn take(&mut self, deal: Deal) -> Option<Flight<J>> {
        if self.is_turn_of_slow(deal) {
            return self.take_slow();
        }
        self.take_quick(deal).or_else(|| {
            // One lane stays free for those who come next, unless nobody does.
            let free = deal.lanes == 1 || self.closed || self.lanes_on_slow + 1 < deal.lanes;
            if free { self.take_slow() } else { None }
        })
    }

    /// With little to send a flight is one mail: what a crash may repeat is then one mail, and
    /// the lanes end together.
    fn take_quick(&mut self, deal: Deal) -> Option<Flight<J>> {
        let share = self.quick.len() / (2 * deal.lanes);
        let most = share.clamp(1, deal.flight).min(self.quick.len());
        let doubtful = self.quick.iter().take(most).position(Bound::is_doubtful);
        let size = doubtful.map_or(most, |at| at.max(1));
        let jobs: VecDeque<J> = self.quick.drain(..size).collect();
        (!jobs.is_empty()).then_some(Flight {
            jobs,
            kind: Kind::Quick,
        })
    }

    fn take_slow(&mut self) -> Option<Flight<J>> {
        let at = self.slow.iter().position(|(_, kept)| !kept.is_empty())?;
        let (domain, mut kept) = self.slow.remove(at)?;
        let job = kept.pop_front()?;
        self.slow.push_back((domain, kept));
        self.lanes_on_slow += 1;
        Some(Flight {
            jobs: VecDeque::from([job]),
            kind: Kind::Slow,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Mail = (&'static str, u32);

    impl Bound for Mail {
        fn domain(&self) -> &str {
            self.0
        }

        fn is_doubtful(&self) -> bool {
            self.1 >= DOUBTFUL
        }
    }

    /// Mails from this number on are.
    const DOUBTFUL: u32 = 1000;

    const PATIENT: Duration = Duration::from_secs(60);
    const QUICK: Duration = Duration::from_millis(5);

    fn queue(lanes: usize, flight: usize, mails: impl IntoIterator<Item = Mail>) -> Queue<Mail> {
        let queue = Queue::new(Deal { lanes, flight });
        assert!(queue.push(mails).is_empty());
        queue
    }

    async fn take(queue: &Queue<Mail>) -> Vec<Mail> {
        let flight = queue.take().await.expect("a mail waits");
        queue.landed(&flight);
        flight.jobs.into()
    }

    #[tokio::test]
    async fn the_most_urgent_leave_first_and_with_little_to_send_one_by_one() {
        let queue = queue(2, 16, (0..100).map(|n| ("a.example", n)));
        let mut sizes = Vec::new();
        let mut order = Vec::new();
        while queue.len() > 0 {
            let flight = take(&queue).await;
            sizes.push(flight.len());
            order.extend(flight.iter().map(|m| m.1));
        }
        assert!(order.is_sorted() && order.len() == 100);
        assert_eq!(sizes[0], 16);
        assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
        assert_eq!(sizes[sizes.len() - 4..], [1, 1, 1, 1]);
    }

    #[tokio::test]
    async fn what_was_in_doubt_flies_alone() {
        let numbers = [1, 2, DOUBTFUL, DOUBTFUL + 1, 3, 4];
        let queue = queue(1, 3, numbers.map(|n| ("a.example", n)));
        let mut flights = Vec::new();
        while queue.len() > 0 {
            let flight = take(&queue).await;
            flights.push(flight.iter().map(|m| m.1).collect::<Vec<_>>());
        }
        let alone = |n| vec![n];
        let expected = [
            vec![1, 2],
            alone(DOUBTFUL),
            alone(DOUBTFUL + 1),
            alone(3),
            alone(4),
        ];
        assert_eq!(flights, expected);
    }

    #[tokio::test]
    async fn a_slow_domain_has_one_lane_of_four_and_the_others_go_on() {
        let mails = (0..100).flat_map(|n| [("slow.example", n), ("quick.example", n)]);
        let queue = queue(4, 1, mails);
        let too_many = queue.took("slow.example", PATIENT);
        assert_eq!(too_many.len(), 100 - KEPT_OF_SLOW);
        let on_its_way = queue.take().await.unwrap();
        assert_eq!(on_its_way.jobs[0].0, "slow.example");
        for n in 0..100 {
            assert_eq!(take(&queue).await, [("quick.example", n)]);
        }
        // Nobody else waits: more lanes may serve it.
        assert_eq!(take(&queue).await[0].0, "slow.example");
        queue.landed(&on_its_way);
        assert_eq!(queue.room_of_slow()["slow.example"], 2);
    }

    #[tokio::test]
    async fn on_a_single_lane_a_slow_domain_comes_last() {
        let mails = [("slow.example", 0), ("a.example", 1), ("b.example", 2)];
        let queue = queue(1, 1, mails);
        assert!(queue.took("slow.example", PATIENT).is_empty());
        assert!(queue.push([("c.example", 3)]).is_empty());
        let order = [take(&queue).await[0].1, take(&queue).await[0].1];
        assert_eq!(order, [1, 2]);
        assert_eq!(take(&queue).await[0].1, 3);
        assert_eq!(take(&queue).await[0].1, 0);
    }

    #[tokio::test]
    async fn slow_domains_take_turns_and_one_quick_answer_clears_one() {
        let mails = (0..4).flat_map(|n| [("a.example", n), ("b.example", n)]);
        let queue = queue(1, 16, mails);
        for domain in ["a.example", "b.example"] {
            assert!(queue.took(domain, PATIENT).is_empty());
        }
        let domains = [take(&queue).await[0].0, take(&queue).await[0].0];
        assert_eq!(domains, ["a.example", "b.example"]);
        assert!(queue.took("b.example", QUICK).is_empty());
        assert_eq!(queue.room_of_slow().len(), 1);
        assert_eq!(take(&queue).await[0].0, "b.example");
    }

    #[tokio::test]
    async fn a_lane_waits_for_a_mail_and_ends_with_the_queue() {
        let queue = queue(2, 16, []);
        let (taken, ()) = tokio::join!(queue.take(), async {
            assert_eq!(queue.waiting(), 1);
            assert!(queue.push([("a.example", 1)]).is_empty());
        });
        assert_eq!(taken.unwrap().jobs, [("a.example", 1)]);
        let (taken, ()) = tokio::join!(queue.take(), async { queue.close() });
        assert!(taken.is_none());
    }
}
