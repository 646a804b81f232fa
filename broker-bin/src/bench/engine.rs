//! The loop that drives connections: one thread, one epoll, as few system calls as possible.

use super::connection::Connection;
use super::usage::Usage;
use indicatif::ProgressBar;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{self, PollFd, PollFlags};
use rustix::fs::Timespec;
use rustix::io::Errno;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

/// What a load does on its connections. Times are nanoseconds since the load began.
pub trait Work: Send {
    /// Adds the requests that are due, and says when it wants to be asked again at the latest.
    fn due(&mut self, outgoing: &mut Outgoing<'_>, now: u64) -> Next;

    /// Takes a whole frame that arrived on a connection, and may add requests to `out`.
    fn received(&mut self, connection: usize, frame: &[u8], out: &mut Vec<u8>, now: u64);

    /// A connection is gone, with everything that was on its way.
    fn lost(&mut self, connection: usize, error: &io::Error, now: u64);

    /// How many messages there were so far, for people who watch.
    fn progress(&self) -> u64;
}

/// Where requests go that are not sent because of an answer.
pub struct Outgoing<'a> {
    connections: &'a mut [Connection],
    touched: &'a mut Vec<usize>,
}

impl Outgoing<'_> {
    /// Takes requests for a connection.
    pub fn of(&mut self, connection: usize) -> &mut Vec<u8> {
        if self.touched.last() != Some(&connection) {
            self.touched.push(connection);
        }
        &mut self.connections[connection].out
    }
}

/// When a load wants to be asked again.
pub enum Next {
    /// At this time, or when something arrives.
    At(u64),
    /// Never: it is over.
    Done,
}

/// Work and the connections it is done on; a thread each.
pub struct Worker<W> {
    /// The work.
    pub work: W,
    /// Its connections; the work knows them by their index.
    pub connections: Vec<Connection>,
}

/// What processes used at the beginning and at the end of the measured interval.
pub struct Observed {
    /// The server, when one is watched.
    pub server: Option<(Usage, Usage)>,
    /// This process.
    pub client: (Usage, Usage),
}

/// A measured interval that begins so long after the load.
pub fn after(warm_up: Duration) -> impl FnOnce(Instant) {
    move |begin| thread::sleep(warm_up.saturating_sub(begin.elapsed()))
}

/// Does all work to its end, each on a thread of its own; the measured interval begins when
/// `interval` returns, which is told when the load began.
///
/// # Errors
/// When the system refuses threads or epolls, or the server's figures.
pub fn run<W: Work>(
    workers: Vec<Worker<W>>,
    interval: impl FnOnce(Instant),
    server: Option<i32>,
    bar: &ProgressBar,
) -> io::Result<(Vec<W>, Observed)> {
    let look = || server.map(Usage::of).transpose();
    // A wrong number is told before the load, not after it.
    look()?;
    let begin = Instant::now();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for worker in workers {
            let bar = bar.clone();
            let run = move || drive(worker, begin, &bar);
            threads.push(
                thread::Builder::new().name("ferromq-bench".into()).spawn_scoped(scope, run)?,
            );
        }
        interval(begin);
        let (client, server) = (Usage::own(), look()?);
        let mut done = Vec::new();
        for thread in threads {
            let ended = thread.join().map_err(|_| io::Error::other("the load ended early"))?;
            done.push(ended?);
        }
        // A server that ended meanwhile has no figures.
        let server = server.and_then(|before| Some((before, look().ok().flatten()?)));
        Ok((done, Observed { server, client: (client, Usage::own()) }))
    })
}

/// How often people are told, in ns.
const TELL: u64 = 100_000_000;

fn drive<W: Work>(worker: Worker<W>, begin: Instant, bar: &ProgressBar) -> io::Result<W> {
    // Wake up when asked to, not up to 50 µs later, which is what the kernel would do.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let Worker { mut work, mut connections } = worker;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    for (index, connection) in connections.iter().enumerate() {
        epoll::add(&poll, connection, EventData::new_u64(index as u64), EventFlags::IN)?;
    }
    let now = || begin.elapsed().as_nanos() as u64;
    let mut blocked = vec![false; connections.len()];
    let mut events = Vec::with_capacity(1024);
    let (mut scratch, mut touched) = (Vec::new(), Vec::new());
    let (mut told, mut told_at) = (0, 0);
    loop {
        let time = now();
        let mut outgoing = Outgoing { connections: &mut connections, touched: &mut touched };
        let Next::At(next) = work.due(&mut outgoing, time) else { break };
        for index in touched.drain(..) {
            let connection = &mut connections[index];
            if connection.is_open && !blocked[index] {
                write(&mut work, &poll, index, connection, &mut blocked[index], now);
            }
        }
        if time - told_at > TELL {
            let progress = work.progress();
            bar.inc(progress - told);
            (told, told_at) = (progress, time);
        }
        wait(&poll, &mut events, next.saturating_sub(now()))?;
        for event in events.drain(..) {
            let index = event.data.u64() as usize;
            let connection = &mut connections[index];
            if !connection.is_open {
                continue;
            }
            let flags = event.flags;
            if flags.intersects(EventFlags::IN | EventFlags::ERR | EventFlags::HUP) {
                // The time after the read: another thread may have stamped what it brings while it was under way.
                let mut time = None;
                let each = |frame: &[u8], out: &mut Vec<u8>| {
                    work.received(index, frame, out, *time.get_or_insert_with(now))
                };
                if let Err(error) = connection.receive(&mut scratch, each) {
                    lose(&mut work, &poll, index, connection, &error, now());
                    continue;
                }
            }
            let may_write = !blocked[index] || flags.contains(EventFlags::OUT);
            if may_write && (!connection.out.is_empty() || blocked[index]) {
                write(&mut work, &poll, index, connection, &mut blocked[index], now);
            }
        }
    }
    bar.inc(work.progress() - told);
    Ok(work)
}

/// Writes what a connection has, and asks for word when it takes more if it does not take all.
fn write<W: Work>(
    work: &mut W,
    poll: &OwnedFd,
    index: usize,
    connection: &mut Connection,
    blocked: &mut bool,
    now: impl Fn() -> u64,
) {
    let result = connection.flush().and_then(|all| {
        if *blocked == all {
            let mut flags = EventFlags::IN;
            flags.set(EventFlags::OUT, !all);
            epoll::modify(poll, &*connection, EventData::new_u64(index as u64), flags)?;
            *blocked = !all;
        }
        Ok(())
    });
    if let Err(error) = result {
        lose(work, poll, index, connection, &error, now());
    }
}

fn lose<W: Work>(
    work: &mut W,
    poll: &OwnedFd,
    index: usize,
    connection: &mut Connection,
    error: &io::Error,
    now: u64,
) {
    let _ = epoll::delete(poll, &*connection);
    connection.is_open = false;
    connection.out.clear();
    work.lost(index, error, now);
}

/// Waits longer than this begin with one that is told in milliseconds, in ns.
const COARSE: u64 = 10_000_000;

/// Waits for events, at most so many nanoseconds; a long wait may end a little early.
fn wait(poll: &OwnedFd, events: &mut Vec<epoll::Event>, nanos: u64) -> io::Result<()> {
    let mut at_most = Duration::from_nanos(nanos);
    if nanos > COARSE {
        // The system is told milliseconds, rounded up, so the last bit is waited for by itself.
        at_most -= Duration::from_millis(1);
    } else if nanos > 0 {
        match event::poll(&mut [PollFd::new(poll, PollFlags::IN)], Some(&timespec(at_most))) {
            Ok(_) | Err(Errno::INTR) => at_most = Duration::ZERO,
            Err(error) => return Err(error.into()),
        }
    }
    match epoll::wait(poll, rustix::buffer::spare_capacity(events), Some(&timespec(at_most))) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: duration.subsec_nanos().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However busy the machine is, one of so many is not late.
    #[test]
    fn a_short_wait_is_not_rounded_up_to_a_millisecond() {
        let poll = epoll::create(CreateFlags::CLOEXEC).unwrap();
        let mut events = Vec::with_capacity(1);
        let is_short = |_| {
            let begin = Instant::now();
            wait(&poll, &mut events, 50_000).unwrap();
            (50_000..1_000_000).contains(&(begin.elapsed().as_nanos() as u64))
        };
        assert!((0..10_000).any(is_short));
    }
}
