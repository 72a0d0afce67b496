//! How many events may wait while the listener is busy?
//!
//! No events are received while an update is staged, and a log under a root may be written to all
//! the time. An unbounded queue would grow without need. So it has a limit, as the system's own
//! has: further events are replaced by one [`Event::Lost`], which leads to a full comparison.
//! Sending never blocks, because the sender may be the listener's own thread.

use super::Event;
use crossbeam_channel::{SendError, Sender};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The limit: as many events as four queues of Linux (`fs.inotify.max_queued_events`).
pub(crate) const LIMIT: usize = 4 * 16_384;

/// The sending end of a watcher's queue.
#[derive(Clone, Debug)]
pub(crate) struct BoundedSender {
    sender: Sender<Event>,
    /// Has an event been lost, and is the queue still long? Written by each sender.
    full: Arc<AtomicBool>,
}

impl BoundedSender {
    pub(crate) fn new(sender: Sender<Event>) -> BoundedSender {
        BoundedSender { sender, full: Arc::default() }
    }

    /// Adds an event to the queue, if it has room. An error means that the receiver is gone.
    pub(crate) fn send(&self, event: Event) -> Result<(), SendError<Event>> {
        let waiting = self.sender.len();
        if self.full.load(Ordering::Acquire) {
            // `Lost` is in the queue, behind all earlier events. It has not been received while the
            // queue is half as long, so the comparison that follows it will find this change as
            // well.
            if waiting > LIMIT / 2 {
                return Ok(());
            }
            self.full.store(false, Ordering::Release);
        }
        if waiting < LIMIT {
            return self.sender.send(event);
        }
        // Two threads that get here at once both send `Lost`, which costs only a second comparison.
        self.sender.send(Event::Lost)?;
        self.full.store(true, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::EventKind;
    use crossbeam_channel::{Receiver, unbounded};

    fn written(count: usize) -> Event {
        EventKind::Modified.at(format!("/app/{count}.log"))
    }

    fn drained(events: &Receiver<Event>) -> Vec<Event> {
        events.try_iter().collect()
    }

    #[test]
    fn events_beyond_the_limit_become_one_lost_event() {
        let (sender, events) = unbounded();
        let bounded = BoundedSender::new(sender);
        for count in 0..3 * LIMIT {
            bounded.send(written(count)).unwrap();
        }
        let received = drained(&events);
        assert_eq!(LIMIT + 1, received.len());
        assert_eq!(Some(&Event::Lost), received.last());
        assert!(!received[..LIMIT].contains(&Event::Lost));
    }

    #[test]
    fn after_lost_is_received_later_events_are_sent_again() {
        let (sender, events) = unbounded();
        let bounded = BoundedSender::new(sender);
        for round in 0..2 {
            for count in 0..LIMIT + 10 {
                bounded.send(written(count)).unwrap();
            }
            assert_eq!(Some(&Event::Lost), drained(&events).last(), "round {round}");
            bounded.send(written(0)).unwrap();
            assert_eq!(vec![written(0)], drained(&events), "round {round}");
        }
    }

    #[test]
    fn a_slow_receiver_gets_lost_before_more_events_are_dropped() {
        let (sender, events) = unbounded();
        let bounded = BoundedSender::new(sender);
        for count in 0..=LIMIT {
            bounded.send(written(count)).unwrap();
        }
        for _ in 0..LIMIT / 2 + 1 {
            events.recv().unwrap();
        }
        for count in 0..2 * LIMIT {
            bounded.send(written(count)).unwrap();
        }
        let received = drained(&events);
        assert_eq!(2, received.iter().filter(|event| **event == Event::Lost).count());
        assert_eq!(Some(&Event::Lost), received.last());
    }

    #[test]
    fn a_missing_receiver_is_an_error() {
        let (sender, events) = unbounded();
        drop(events);
        assert!(BoundedSender::new(sender).send(Event::Rescan).is_err());
    }
}
