//! Who runs a server's connections: one thread as long as it keeps up, the others when it does not.
//!
//! The runtime by itself wakes another thread as soon as two connections have something to read. Where
//! each needs some microseconds only, waking that thread costs more than it brings. So connections that are
//! ready wait in a queue, which *runners* serve, tasks of the runtime: another one is woken when
//! something is ready and nobody has begun to serve the queue for [`PATIENCE`], or when the one that
//! does is about to [wait](aside).

use async_task::Runnable;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::{JoinSet, coop};

/// How long what is ready waits before another thread is woken for it: several times what that costs.
const PATIENCE: Duration = Duration::from_micros(50);
/// The most runners of one crew, so that they do not wait for each other at their queue. More threads
/// have several crews.
const MOST: usize = 8;

thread_local! {
    /// The queue that this thread serves at present.
    static SERVES: RefCell<Option<Arc<Queue>>> = const { RefCell::new(None) };
}

/// Does what makes this thread wait, and lets the connections that are ready be served by another one
/// meanwhile.
pub fn aside<T>(wait: impl FnOnce() -> T) -> T {
    let queue = SERVES.with_borrow(Clone::clone);
    let _back = queue.as_deref().map(Queue::leave);
    wait()
}

/// The runners of a server. They end when it is dropped, and what they run with them.
pub(crate) struct Crew {
    queue: Arc<Queue>,
    _runners: JoinSet<()>,
}

impl Crew {
    /// Crews for all threads of the runtime.
    pub(crate) fn start_all() -> Vec<Crew> {
        let threads = Handle::current().metrics().num_workers();
        let crews = threads.div_ceil(MOST);
        (0..crews).map(|_| Crew::start(threads.div_ceil(crews))).collect()
    }

    /// A crew of `count` runners.
    fn start(count: usize) -> Crew {
        let state = State {
            ready: VecDeque::new(),
            idle: Vec::with_capacity(count),
            awake: count,
            begun: Instant::now(),
            closed: false,
        };
        let queue = Arc::new(Queue { state: Mutex::new(state), runtime: Handle::current() });
        let mut runners = JoinSet::new();
        for _ in 0..count {
            runners.spawn(run(queue.clone()));
        }
        Crew { queue, _runners: runners }
    }

    /// Runs `future`. It ends when what is returned is dropped.
    pub(crate) fn spawn(
        &self,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> async_task::Task<()> {
        let queue = self.queue.clone();
        let schedule = move |runnable| queue.schedule(runnable);
        let builder = async_task::Builder::new().propagate_panic(true);
        let (runnable, task) = builder.spawn(|()| future, schedule);
        runnable.schedule();
        task
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        let left = {
            let mut state = self.queue.state.lock();
            state.closed = true;
            std::mem::take(&mut state.ready)
        };
        drop(left);
    }
}

/// The connections that are ready.
struct Queue {
    state: Mutex<State>,
    runtime: Handle,
}

struct State {
    ready: VecDeque<Runnable>,
    /// The runners that sleep.
    idle: Vec<Waker>,
    /// How many runners neither sleep nor wait for anything else.
    awake: usize,
    /// When a runner last began to serve the queue.
    begun: Instant,
    /// Nobody serves it any more.
    closed: bool,
}

impl Queue {
    fn schedule(&self, ready: Runnable) {
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            return drop(ready);
        }
        state.ready.push_back(ready);
        let (first, woken) = (state.awake == 0, state.wake_if_due());
        drop(state);
        self.wake(woken, !first);
    }

    /// This runner is about to wait for something else; it is back when what is returned is dropped.
    fn leave(&self) -> Away<'_> {
        let mut state = self.state.lock();
        state.awake -= 1;
        let woken = if state.ready.is_empty() { None } else { state.wake_if_due() };
        drop(state);
        self.wake(woken, true);
        Away(self)
    }

    fn wake(&self, woken: Option<Waker>, elsewhere: bool) {
        if let Some(runner) = woken {
            runner.wake();
            if elsewhere {
                // The runtime keeps what was woken last for the thread that woke it, which may be about to
                // wait. So a runner that is to run on another one is followed by a task that does nothing: a
                // new one each time, as the last may still be kept for a thread that waits.
                drop(self.runtime.spawn(async {}));
            }
        }
    }

    /// Waits until something is ready.
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if !state.ready.is_empty() {
            return Poll::Ready(());
        }
        let waker = context.waker();
        if !state.idle.iter().any(|idle| idle.will_wake(waker)) {
            state.idle.push(waker.clone());
            state.awake -= 1;
        }
        Poll::Pending
    }

    /// Serves the queue until it is empty; `false` when the runtime has to look at sockets and timers before.
    fn turn(&self) -> bool {
        let mut state = self.state.lock();
        state.begun = Instant::now();
        // Nobody is due yet.
        let mut first = true;
        loop {
            let Some(next) = state.ready.pop_front() else { return true };
            let alone = std::mem::take(&mut first) || state.ready.is_empty();
            let woken = if alone { None } else { state.wake_if_due() };
            drop(state);
            self.wake(woken, true);
            next.run();
            if !coop::has_budget_remaining() {
                return false;
            }
            state = self.state.lock();
        }
    }
}

/// A runner that waits for something else, or panics there.
struct Away<'a>(&'a Queue);

impl Drop for Away<'_> {
    fn drop(&mut self) {
        self.0.state.lock().awake += 1;
    }
}

impl State {
    /// One more runner, if nobody else will soon serve what is ready.
    fn wake_if_due(&mut self) -> Option<Waker> {
        if self.awake > 0 && (self.idle.is_empty() || self.begun.elapsed() < PATIENCE) {
            return None;
        }
        let woken = self.idle.pop()?;
        self.awake += 1;
        // It will begin soon.
        self.begun = Instant::now();
        Some(woken)
    }
}

async fn run(queue: Arc<Queue>) {
    loop {
        poll_fn(|context| queue.poll_ready(context)).await;
        SERVES.set(Some(queue.clone()));
        let done = queue.turn();
        SERVES.set(None);
        if !done {
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Condvar;
    use std::sync::mpsc;
    use std::thread::{self, ThreadId};
    use tokio::sync::Notify;

    const LONG: Duration = Duration::from_secs(30);

    /// Runs `first` on a crew, and then, while `first` goes on, a second one, whose thread it is told.
    async fn with_a_second(
        first: impl FnOnce(Box<dyn FnOnce()>, mpsc::Receiver<ThreadId>) -> ThreadId + Send + 'static,
    ) -> ThreadId {
        let crew = Arc::new(Crew::start(2));
        let (sender, ran_on) = mpsc::channel();
        let (done, ended) = tokio::sync::oneshot::channel();
        let second = crew.clone();
        let task = crew.spawn(async move {
            let begin_second = move || {
                let told = async move {
                    let _ = sender.send(thread::current().id());
                };
                second.spawn(told).detach();
            };
            let _ = done.send(first(Box::new(begin_second), ran_on));
        });
        let other = ended.await.unwrap();
        task.await;
        other
    }

    /// Waits until none of the `count` runners is awake.
    async fn all_sleep(crew: &Crew, count: usize) {
        let asleep = async {
            while crew.queue.state.lock().idle.len() < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, asleep).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn another_thread_goes_on_while_one_waits() {
        let other = with_a_second(|begin_second, ran_on| {
            begin_second();
            let other = aside(|| ran_on.recv_timeout(LONG)).unwrap();
            assert_ne!(other, thread::current().id());
            other
        });
        other.await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn as_many_can_wait_at_once_as_there_are_threads() {
        const THREADS: usize = 4;

        /// Has the next one begin, and waits for the last.
        fn begin(number: usize, crew: &Arc<Crew>, all: &Arc<(Mutex<usize>, Condvar)>) {
            let (next, waits) = (crew.clone(), all.clone());
            let task = async move {
                if number < THREADS {
                    begin(number + 1, &next, &waits);
                }
                aside(|| {
                    let mut begun = waits.0.lock();
                    *begun += 1;
                    waits.1.notify_all();
                    waits.1.wait_while_for(&mut begun, |begun| *begun < THREADS, LONG);
                });
            };
            crew.spawn(task).detach();
        }

        let crew = Arc::new(Crew::start(THREADS));
        let all = Arc::new((Mutex::new(0), Condvar::new()));
        all_sleep(&crew, THREADS).await;
        begin(1, &crew, &all);
        let everyone = all.clone();
        let wait = tokio::task::spawn_blocking(move || {
            let mut begun = everyone.0.lock();
            let waited = everyone.1.wait_while_for(&mut begun, |begun| *begun < THREADS, LONG / 2);
            assert!(!waited.timed_out(), "only {begun} of {THREADS} have begun");
        });
        wait.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn another_thread_helps_when_one_takes_long() {
        let other = with_a_second(|begin_second, ran_on| {
            let begin = Instant::now();
            while begin.elapsed() < 2 * PATIENCE {
                std::hint::spin_loop();
            }
            begin_second();
            let other = ran_on.recv_timeout(LONG).unwrap();
            assert_ne!(other, thread::current().id());
            other
        });
        other.await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_connection_that_panics_while_it_waits_takes_no_runner_along() {
        let crew = Crew::start(2);
        for _ in 0..3 {
            let task = crew.spawn(async { aside(|| panic!("as a test wants it")) });
            assert!(tokio::spawn(task).await.unwrap_err().is_panic());
        }
        all_sleep(&crew, 2).await;
        assert_eq!(crew.queue.state.lock().awake, 0);
        crew.spawn(async {}).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sleeping_runners_are_woken_again_and_again() {
        let crew = Crew::start(2);
        for round in 0..1000 {
            let parts: Vec<_> = (0..round % 7)
                .map(|_| crew.spawn(async { tokio::task::yield_now().await }))
                .collect();
            for part in parts {
                part.await;
            }
        }
    }

    #[tokio::test]
    async fn nothing_is_left_when_a_crew_has_ended() {
        for crew_goes_first in [true, false] {
            let crew = Crew::start(2);
            let held = Arc::new(());
            let in_task = held.clone();
            let wake = Arc::new(Notify::new());
            let woken = wake.clone();
            let (begun, has_begun) = tokio::sync::oneshot::channel();
            let task = crew.spawn(async move {
                let _held = in_task;
                let _ = begun.send(());
                woken.notified().await;
                std::future::pending::<()>().await;
            });
            has_begun.await.unwrap();
            if crew_goes_first {
                drop(crew);
                wake.notify_one();
                drop(task);
            } else {
                drop(task);
                drop(crew);
            }
            assert_eq!(Arc::strong_count(&held), 1);
        }
    }
}
