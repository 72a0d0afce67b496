//! How do events wait for somebody who is busy, and how many of them?
//!
//! While an update is staged nobody hears events, and a log under a root may be written to all the
//! time. A queue that only grew would take memory for what concerns nobody. So it has a limit, as
//! the system's own has: what is more is lost, and told as [`Event::Lost`], which leads to a full
//! comparison. Whoever sends never waits: it may be the one who hears, too.

use crate::Event;
use crossbeam_channel::{SendError, Sender};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Events that wait at most, as many as four queues of Linux (`fs.inotify.max_queued_events`).
pub(crate) const LIMIT: usize = 4 * 16_384;

/// Where a watcher puts its events.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    /// The queue.
    sender: Sender<Event>,
    /// Has an event been lost, and is the queue still long? Written by whoever sends.
    full: Arc<AtomicBool>,
}

impl Outbox {
    pub(crate) fn new(sender: Sender<Event>) -> Outbox {
        Outbox { sender, full: Arc::default() }
    }

    /// Puts an event into the queue, if it has room. An error: nobody will ever hear it.
    pub(crate) fn send(&self, event: Event) -> Result<(), SendError<Event>> {
        let waiting = self.sender.len();
        if self.full.load(Ordering::Acquire) {
            // That events were lost is in the queue, behind all that was before. It has not been
            // heard as long as the queue is half as long, so what is lost now will be found as well.
            if waiting > LIMIT / 2 {
                return Ok(());
            }
            self.full.store(false, Ordering::Release);
        }
        if waiting < LIMIT {
            return self.sender.send(event);
        }
        // Of two who come here at once both tell: better twice than never.
        self.sender.send(Event::Lost)?;
        self.full.store(true, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{Receiver, unbounded};

    fn written(count: usize) -> Event {
        Event::Modified(format!("/app/{count}.log").into())
    }

    fn drained(events: &Receiver<Event>) -> Vec<Event> {
        events.try_iter().collect()
    }

    #[test]
    fn what_is_more_than_the_limit_is_lost_and_told() {
        let (sender, events) = unbounded();
        let outbox = Outbox::new(sender);
        for count in 0..3 * LIMIT {
            outbox.send(written(count)).unwrap();
        }
        let heard = drained(&events);
        assert_eq!(LIMIT + 1, heard.len());
        assert_eq!(Some(&Event::Lost), heard.last());
        assert!(!heard[..LIMIT].contains(&Event::Lost));
    }

    #[test]
    fn who_has_heard_that_events_were_lost_hears_all_that_come_later() {
        let (sender, events) = unbounded();
        let outbox = Outbox::new(sender);
        for round in 0..2 {
            for count in 0..LIMIT + 10 {
                outbox.send(written(count)).unwrap();
            }
            assert_eq!(Some(&Event::Lost), drained(&events).last(), "round {round}");
            outbox.send(written(0)).unwrap();
            assert_eq!(vec![written(0)], drained(&events), "round {round}");
        }
    }

    #[test]
    fn who_drains_slowly_hears_that_they_were_lost_before_anything_is_lost_again() {
        let (sender, events) = unbounded();
        let outbox = Outbox::new(sender);
        for count in 0..=LIMIT {
            outbox.send(written(count)).unwrap();
        }
        for _ in 0..LIMIT / 2 + 1 {
            events.recv().unwrap();
        }
        for count in 0..2 * LIMIT {
            outbox.send(written(count)).unwrap();
        }
        let heard = drained(&events);
        assert_eq!(2, heard.iter().filter(|event| **event == Event::Lost).count());
        assert_eq!(Some(&Event::Lost), heard.last());
    }

    #[test]
    fn nobody_who_hears_is_an_error() {
        let (sender, events) = unbounded();
        drop(events);
        assert!(Outbox::new(sender).send(Event::Rescan).is_err());
    }
}
