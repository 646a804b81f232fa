//! Sends: a window of them on each connection, as fast as they are answered or at a rate.

use super::answer::{Answer, QUEUE_OFFSET};
use super::connection::Connection;
use super::engine::{Next, Outgoing, Work, Worker};
use super::frames::{
    Born, Queue, STAMP, SendFrame, UniqueKeys, opaque, place_and_turn, wall_clock,
};
use super::options::Load;
use super::tally::{Tally, reason, reasons};
use super::target::Broker;
use ferromq_protocol::code::response;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long answers are waited for when nothing else is to be done, in ns.
pub const PATIENCE: u64 = 10_000_000_000;

/// Between two steps of a rate, in ns at least: what has come due meanwhile is sent together. To wake for each message
/// at high rates would take the processors that the server needs, if it runs on the same machine.
const STEP: u64 = 200_000;

/// Messages that all threads have sent.
pub type Sent = AtomicU64;

/// When messages are due.
#[derive(Clone, Copy)]
enum Pace {
    /// Whenever there is room in the window.
    Window,
    Rate(Rate),
}

/// One request each `interval`, in steps of those that have come due. Times are in ns.
#[derive(Clone, Copy)]
struct Rate {
    interval: f64,
    /// The intended time of the next request.
    next: f64,
    /// Nothing is sent before.
    step: u64,
}

impl Rate {
    /// So many messages a second, in batches, as one of several threads sends them.
    fn new(messages: u64, batch: usize, thread: usize, threads: usize) -> Self {
        let apart = 1e9 * batch as f64 / messages as f64;
        Rate { interval: apart * threads as f64, next: apart * thread as f64, step: 0 }
    }

    /// When there is something to send, if nothing else keeps it waiting.
    fn wake(&self) -> u64 {
        self.step.max(self.next.ceil() as u64)
    }

    /// Gives `sent` the intended time of each request that is due, until it takes none.
    fn send(&mut self, now: u64, mut sent: impl FnMut(u64) -> bool) {
        if now < self.step {
            return;
        }
        while self.next <= now as f64 && sent(self.next as u64) {
            self.next += self.interval;
            self.step = now + STEP;
        }
    }
}

/// A request on its way.
#[derive(Clone, Copy, Default)]
struct Place {
    turn: u16,
    taken: bool,
    /// When it was sent, or was to be sent.
    at: u64,
    /// Which frame it was.
    frame: u32,
}

/// What one connection sends.
struct Lane {
    /// Its frames: those of its broker.
    frames: Range<usize>,
    next: usize,
    places: Vec<Place>,
    free: Vec<u16>,
    lost: bool,
}

/// Which offsets a queue gave, and for how many messages.
#[derive(Clone, Copy)]
pub struct Offsets {
    lowest: i64,
    highest: i64,
    messages: u64,
}

impl Default for Offsets {
    fn default() -> Self {
        Offsets { lowest: i64::MAX, highest: -1, messages: 0 }
    }
}

impl Offsets {
    fn take(&mut self, first: i64, messages: u64) {
        self.lowest = self.lowest.min(first);
        self.highest = self.highest.max(first + messages as i64 - 1);
        self.messages += messages;
    }

    fn add(&mut self, other: &Offsets) {
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
        self.messages += other.messages;
    }

    /// Messages for which there is no offset between the first and the last.
    fn missing(&self) -> u64 {
        match self.messages {
            0 => 0,
            _ => self.messages.saturating_sub((self.highest - self.lowest + 1).max(0) as u64),
        }
    }
}

/// Prepared sends to all queues, those of a broker side by side.
///
/// Whole frames for hundreds of queues would lie in no near cache, and who sends to as many would have more to do for
/// each than who sends to a few. So what they have in common is there once.
pub struct Frames {
    shapes: Vec<SendFrame>,
    all: Vec<Prepared>,
    /// The bytes of their own, one after the other.
    own: Vec<u8>,
    of_broker: Vec<Range<usize>>,
}

/// One of them.
#[derive(Clone, Copy)]
struct Prepared {
    /// The place of its shape.
    shape: u32,
    /// Where the bytes of its own begin.
    own: u32,
}

impl Frames {
    /// Prepares sends to `queues` of each of `topics` on each of `brokers`.
    pub fn new(brokers: &[Broker], topics: &[String], queues: i32, load: &Load) -> Self {
        let mut random = fastrand::Rng::with_seed(load.seed);
        let body: Vec<u8> = (0..load.size).map(|_| random.alphanumeric() as u8).collect();
        let keys = UniqueKeys::new(0);
        let mut frames = Frames { shapes: vec![], all: vec![], own: vec![], of_broker: Vec::new() };
        for broker in brokers {
            let start = frames.all.len();
            for id in 0..queues {
                for topic in topics {
                    let queue =
                        Queue { topic: topic.clone(), broker_name: broker.name.clone(), id };
                    frames.add(SendFrame::new(&queue, &body, load.batch, &keys));
                }
            }
            frames.of_broker.push(start..frames.all.len());
        }
        frames
    }

    fn add(&mut self, frame: SendFrame) {
        let own = self.own.len() as u32;
        self.own.extend_from_slice(frame.own());
        let shape = self.shapes.iter().position(|shape| shape.is_like(&frame));
        let shape = shape.unwrap_or_else(|| {
            self.shapes.push(frame);
            self.shapes.len() - 1
        });
        self.all.push(Prepared { shape: shape as u32, own });
    }

    /// The one at a place: its shape, and the bytes of its own.
    fn get(&self, place: usize) -> (&SendFrame, &[u8]) {
        let Prepared { shape, own } = self.all[place];
        let shape = &self.shapes[shape as usize];
        (shape, &self.own[own as usize..][..shape.own().len()])
    }
}

/// The sends of one thread.
pub struct Sender {
    frames: Arc<Frames>,
    lanes: Vec<Lane>,
    /// The lane that is asked first for a free place.
    turn: usize,
    pace: Pace,
    batch: u64,
    size: u64,
    warm_up: u64,
    end: Option<u64>,
    /// Measured requests that are still to be sent.
    left: u64,
    stamp: bool,
    keys: UniqueKeys,
    on_their_way: usize,
    started: bool,
    born_at_start: i64,
    born: Born,
    /// Numbers of stamps begin with it.
    first_number: u64,
    sent: u64,
    /// What came of it.
    pub tally: Tally,
    /// By frame.
    offsets: Vec<Offsets>,
    /// Acknowledged messages, for those who must receive them.
    acknowledged: Option<Arc<Sent>>,
}

/// Workers that put a load on the brokers; connections are shared out over brokers and threads.
///
/// # Errors
/// When a broker cannot be reached.
pub fn senders(
    brokers: &[Broker],
    frames: Frames,
    load: &Load,
    threads: usize,
    stamp: bool,
) -> io::Result<Vec<Worker<Sender>>> {
    let frames = Arc::new(frames);
    let threads = threads.min(load.connections);
    let mut workers = Vec::new();
    for thread in 0..threads {
        let (mut connections, mut lanes) = (Vec::new(), Vec::new());
        for index in (thread..load.connections).step_by(threads) {
            let broker = index % brokers.len();
            connections.push(Connection::open(brokers[broker].address)?);
            lanes.push(Lane::new(frames.of_broker[broker].clone(), index, load.window));
        }
        let work = Sender::new(frames.clone(), lanes, load, thread, threads, stamp);
        workers.push(Worker { work, connections });
    }
    Ok(workers)
}

impl Lane {
    fn new(frames: Range<usize>, index: usize, window: usize) -> Self {
        // Connections begin with different queues.
        let next = frames.start + index % frames.len().max(1);
        let free = (0..window as u16).rev().collect();
        Lane { frames, next, places: vec![Place::default(); window], free, lost: false }
    }

    fn next_frame(&mut self) -> usize {
        let frame = self.next;
        self.next = if frame + 1 == self.frames.end { self.frames.start } else { frame + 1 };
        frame
    }
}

impl Sender {
    fn new(
        frames: Arc<Frames>,
        lanes: Vec<Lane>,
        load: &Load,
        thread: usize,
        threads: usize,
        stamp: bool,
    ) -> Self {
        let share = |all: u64| (all + threads as u64 - 1 - thread as u64) / threads as u64;
        let warm_up = load.warm_up().as_nanos() as u64;
        let pace = match load.rate {
            None => Pace::Window,
            Some(rate) => Pace::Rate(Rate::new(rate, load.batch, thread, threads)),
        };
        Sender {
            offsets: vec![Offsets::default(); frames.all.len()],
            frames,
            lanes,
            turn: 0,
            pace,
            batch: load.batch as u64,
            size: load.size as u64,
            warm_up,
            end: load.duration.map(|seconds| warm_up + (seconds * 1e9) as u64),
            left: load.count.map_or(u64::MAX, |count| share(count.div_ceil(load.batch as u64))),
            stamp: stamp && load.size >= STAMP,
            keys: UniqueKeys::new(thread),
            on_their_way: 0,
            started: false,
            born_at_start: 0,
            born: Born::default(),
            first_number: (thread as u64) << 40,
            sent: 0,
            tally: Tally::default(),
            acknowledged: None,
        }
    }

    /// Has acknowledged messages counted there too, those of the warm-up included.
    pub fn tell(&mut self, count: Arc<Sent>) {
        self.acknowledged = Some(count);
    }

    /// Whether a request of this time may be sent.
    fn may_send(&self, at: u64) -> bool {
        self.left > 0 && self.end.is_none_or(|end| at < end)
    }

    /// Puts one request of a time on a lane that has a free place.
    fn send(&mut self, lane: usize, out: &mut Vec<u8>, at: u64, now: u64) {
        let lane = &mut self.lanes[lane];
        let Some(index) = lane.free.pop() else { return };
        let frame = lane.next_frame();
        let place = &mut lane.places[usize::from(index)];
        *place = Place { turn: place.turn.wrapping_add(1), taken: true, at, frame: frame as u32 };
        self.born.set(self.born_at_start + (now / 1_000_000) as i64);
        let number = opaque(index, place.turn);
        let stamp = self.stamp.then_some((at, self.first_number + self.sent));
        let (shape, own) = self.frames.get(frame);
        shape.write(out, own, number, &self.born, &mut self.keys, stamp);
        self.on_their_way += 1;
        self.sent += self.batch;
        if at >= self.warm_up {
            self.left -= 1;
        }
    }

    fn fill(&mut self, lane: usize, out: &mut Vec<u8>, now: u64) {
        while !self.lanes[lane].free.is_empty() && self.may_send(now) {
            self.send(lane, out, now, now);
        }
    }

    /// Sends what the rate says is due, as far as there is room.
    fn send_at_rate(&mut self, outgoing: &mut Outgoing<'_>, now: u64) {
        let Pace::Rate(mut rate) = self.pace else { return };
        rate.send(now, |at| {
            let lane = if self.may_send(at) { self.lane_with_room() } else { None };
            lane.map(|lane| self.send(lane, outgoing.of(lane), at, now)).is_some()
        });
        self.pace = Pace::Rate(rate);
    }

    /// The next lane in turn that has room.
    fn lane_with_room(&mut self) -> Option<usize> {
        let count = self.lanes.len();
        let lane = (self.turn..self.turn + count)
            .map(|lane| lane % count)
            .find(|lane| !self.lanes[*lane].lost && !self.lanes[*lane].free.is_empty())?;
        self.turn = lane + 1;
        Some(lane)
    }

    /// The intended time of the next request.
    fn next_time(&self, now: u64) -> u64 {
        match self.pace {
            Pace::Window => now,
            Pace::Rate(rate) => rate.next as u64,
        }
    }

    /// Gives up what was to be sent and what is still on its way.
    fn give_up(&mut self) {
        for lane in 0..self.lanes.len() {
            self.fail_all(lane, reasons::TIMEOUT);
        }
        self.fail_unsent();
    }

    /// Messages whose time has come but that were never sent have failed.
    fn fail_unsent(&mut self) {
        let (Pace::Rate(Rate { interval, next, .. }), Some(end)) = (self.pace, self.end) else {
            return;
        };
        if self.may_send(next as u64) {
            let due = ((end as f64 - next.max(self.warm_up as f64)) / interval).ceil() as u64;
            self.tally.fail(reasons::NOT_SENT, due.min(self.left) * self.batch);
            self.left = 0;
        }
    }

    /// Everything on its way on a lane has failed; also tells how many requests that were.
    fn fail_all(&mut self, lane: usize, reason: &str) -> usize {
        let places = self.lanes[lane].places.iter_mut();
        let failed =
            places.filter_map(|place| std::mem::take(&mut place.taken).then_some(())).count();
        self.on_their_way -= failed;
        self.tally.fail(reason, failed as u64 * self.batch);
        failed
    }

    fn answered(&mut self, lane: usize, answer: &Answer<'_>, now: u64) -> Option<()> {
        let (index, turn) = place_and_turn(answer.opaque)?;
        let place = self.lanes[lane].places.get_mut(usize::from(index))?;
        if !place.taken || place.turn & 0x3FFF != turn {
            return None;
        }
        place.taken = false;
        let Place { at, frame, .. } = *place;
        self.lanes[lane].free.push(index);
        self.on_their_way -= 1;
        self.tally.last_answer = now;
        if answer.code != response::SUCCESS {
            self.tally.fail(&reason(answer.code), self.batch);
            return Some(());
        }
        if let Some(offset) = answer.number(&QUEUE_OFFSET) {
            self.offsets[frame as usize].take(offset, self.batch);
        }
        if at >= self.warm_up {
            self.tally.messages += self.batch;
            self.tally.bytes += self.batch * self.size;
            self.tally.requests += 1;
            self.tally.latencies.record(now - at);
        } else {
            self.tally.warm_up_messages += self.batch;
        }
        if let Some(acknowledged) = &self.acknowledged {
            acknowledged.fetch_add(self.batch, Ordering::AcqRel);
        }
        Some(())
    }
}

impl Work for Sender {
    fn due(&mut self, outgoing: &mut Outgoing<'_>, now: u64) -> Next {
        if !self.started {
            self.started = true;
            self.born_at_start = wall_clock();
            if matches!(self.pace, Pace::Window) {
                (0..self.lanes.len()).for_each(|lane| self.fill(lane, outgoing.of(lane), now));
            }
        }
        self.send_at_rate(outgoing, now);
        if self.lanes.iter().all(|lane| lane.lost) {
            self.fail_unsent();
            return Next::Done;
        }
        let over = !self.may_send(self.next_time(now));
        if over && self.on_their_way == 0 {
            return Next::Done;
        }
        // As long as answers come, and the load has not ended, there is hope.
        let patience = self.tally.last_answer.max(self.end.unwrap_or(0)) + PATIENCE;
        if now >= patience {
            self.give_up();
            return Next::Done;
        }
        match self.pace {
            Pace::Rate(rate) if !over && rate.wake() > now => Next::At(rate.wake()),
            Pace::Window if !over => Next::At(self.end.unwrap_or(patience)),
            _ => Next::At(patience),
        }
    }

    fn received(&mut self, lane: usize, frame: &[u8], out: &mut Vec<u8>, now: u64) {
        match Answer::read(frame) {
            Some(answer) if !answer.is_response => {}
            Some(answer) if self.answered(lane, &answer, now).is_some() => {
                if matches!(self.pace, Pace::Window) {
                    self.fill(lane, out, now);
                }
            }
            _ => self.tally.fail(reasons::STRANGE_ANSWER, 1),
        }
    }

    fn lost(&mut self, lane: usize, _: &io::Error, _: u64) {
        self.lanes[lane].lost = true;
        if self.fail_all(lane, reasons::CONNECTION_LOST) == 0 {
            // Nothing was on its way, and yet less is sent than was asked for.
            self.tally.fail(reasons::CONNECTION_LOST, 1);
        }
    }

    fn progress(&self) -> u64 {
        self.tally.messages
    }
}

/// What all senders counted, their queues' offsets checked.
pub fn total(senders: &[Sender]) -> Tally {
    let mut tally = Tally::of(senders.iter().map(|sender| &sender.tally));
    let mut offsets: BTreeMap<usize, Offsets> = BTreeMap::new();
    for sender in senders {
        for (frame, part) in sender.offsets.iter().enumerate() {
            offsets.entry(frame).or_default().add(part);
        }
    }
    let wrong = offsets.values().map(Offsets::missing).sum();
    tally.fail(reasons::WRONG_OFFSET, wrong);
    tally.messages = tally.messages.saturating_sub(wrong);
    tally
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::target::topic_names;
    use bytes::BytesMut;
    use ferromq_protocol::Command;
    use ferromq_protocol::headers::SendMessageRequestV2;
    use std::net::Ipv4Addr;

    /// What is written for all queues of two brokers, read again.
    fn written(topics: &[String], queues: i32, load: &Load) -> (Frames, Vec<Command>) {
        let broker = |name: &str| Broker {
            name: Some(name.to_string()),
            address: (Ipv4Addr::LOCALHOST, 1).into(),
        };
        let frames = Frames::new(&[broker("a"), broker("b")], topics, queues, load);
        let (mut keys, mut out) = (UniqueKeys::new(0), BytesMut::new());
        let mut born = Born::default();
        born.set(wall_clock());
        let commands = (0..frames.all.len()).map(|place| {
            let (shape, own) = frames.get(place);
            let mut bytes = Vec::new();
            shape.write(&mut bytes, own, opaque(place as u16, 0), &born, &mut keys, None);
            out.extend_from_slice(&bytes);
            Command::decode(&mut out).unwrap().unwrap()
        });
        let commands = commands.collect();
        assert!(out.is_empty());
        (frames, commands)
    }

    #[test]
    fn frames_that_are_kept_once_go_to_each_queue() {
        let topics = topic_names("Many", 12);
        for batch in [1, 3] {
            let load = Load { batch, ..Load::default() };
            let (frames, commands) = written(&topics, 11, &load);
            let mut commands = commands.iter();
            for broker in ["a", "b"] {
                for id in 0..11 {
                    for topic in &topics {
                        let command = commands.next().unwrap();
                        let header: SendMessageRequestV2<'_> = command.header().unwrap();
                        assert_eq!((header.topic, header.queue_id), (topic.as_str(), id));
                        assert_eq!(header.broker_name, Some(broker));
                        assert_eq!(header.batch, Some(batch > 1));
                        assert!(command.body.len() >= batch * load.size);
                    }
                }
            }
            // Of each broker those whose name and queue have two digits together, three, and four.
            assert_eq!((commands.count(), frames.shapes.len()), (0, 6));
        }
    }

    #[test]
    fn a_strange_name_is_sent_as_it_is() {
        let topics = ["say \"f\":".to_string(), "say \"b\":".to_string(), String::new()];
        let (_, commands) = written(&topics, 2, &Load::default());
        let names = commands.iter().map(|command| {
            let header: SendMessageRequestV2<'_> = command.header().unwrap();
            (header.topic.to_string(), header.queue_id)
        });
        let expected = (0..4).flat_map(|id| topics.iter().map(move |name| (name.clone(), id % 2)));
        assert!(names.eq(expected));
    }

    /// How often one of two threads wakes in a second that sends so many messages, and how long one waits at most.
    fn second_of(messages: u64) -> (usize, u64) {
        let mut rate = Rate::new(messages, 1, 1, 2);
        let (mut wakes, mut longest) = (0, 0);
        while rate.wake() < 1_000_000_000 {
            let now = rate.wake();
            rate.send(now, |at| {
                longest = longest.max(now - at);
                true
            });
            // What an answer wakes sends nothing before the next step.
            rate.send(now + 1, |_| panic!("a step is over"));
            wakes += 1;
        }
        (wakes, longest)
    }

    #[test]
    fn a_high_rate_is_sent_in_steps_and_a_low_one_at_its_times() {
        assert_eq!(second_of(2_000), (1_000, 0));
        let (wakes, longest) = second_of(40_000);
        assert!(wakes <= 5_000, "{wakes}");
        assert!(longest <= STEP, "{longest}");
    }
}
