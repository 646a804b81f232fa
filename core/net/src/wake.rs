//! How others tell a connection's task that there is something for it.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};

/// The task runs, and looks whether it was called before it waits.
const RUNS: u8 = 0;
/// It waits, and has to be woken.
const WAITS: u8 = 1;
/// It was called, and has not noticed yet.
const CALLED: u8 = 2;

/// Remembers that the task was called until it has noticed. The task says once where it can be found, and not
/// each time that it waits. Who calls while it runs, as it does itself when it answers, wakes nobody.
#[derive(Default)]
pub(crate) struct Wake {
    state: AtomicU8,
    task: Mutex<Option<Waker>>,
}

impl Wake {
    /// Calls the task. What is done before this, it sees once it has noticed.
    pub(crate) fn call(&self) {
        if self.state.swap(CALLED, Ordering::AcqRel) == WAITS {
            // Without the lock: who wakes a task whose server is gone ends it.
            let task = self.task.lock().take();
            if let Some(task) = task {
                task.wake();
            }
        }
    }

    /// The task runs. Returns whether it was called since this was last asked.
    pub(crate) fn notice(&self) -> bool {
        self.state.load(Ordering::Relaxed) != RUNS
            && self.state.swap(RUNS, Ordering::AcqRel) == CALLED
    }

    /// Waits until the task is called.
    pub(crate) fn poll_called(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.notice() {
            return Poll::Ready(());
        }
        let mut task = self.task.lock();
        if !task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
            *task = Some(context.waker().clone());
        }
        drop(task);
        // Whoever called before that woke nobody.
        match self.state.compare_exchange(RUNS, WAITS, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Poll::Pending,
            Err(_) => {
                self.state.swap(RUNS, Ordering::AcqRel);
                Poll::Ready(())
            }
        }
    }

    /// The task has ended.
    pub(crate) fn forget(&self) {
        drop(self.task.lock().take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_call_is_noticed_once_whether_it_comes_before_the_task_waits_or_after() {
        let wake = Wake::default();
        wake.call();
        wake.call();
        assert!(wake.notice() && !wake.notice());
        wake.call();
        poll_fn(|context| wake.poll_called(context)).await;
        let mut waits = Box::pin(poll_fn(|context| wake.poll_called(context)));
        assert!(poll_fn(|context| Poll::Ready(waits.as_mut().poll(context))).await.is_pending());
        wake.call();
        waits.await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_call_is_lost() {
        const CALLS: usize = 20_000;
        let (wake, back) = (Arc::new(Wake::default()), Arc::new(Wake::default()));
        let (woken, answers) = (wake.clone(), back.clone());
        let task = tokio::spawn(async move {
            for _ in 0..CALLS {
                poll_fn(|context| woken.poll_called(context)).await;
                answers.call();
            }
        });
        for _ in 0..CALLS {
            wake.call();
            poll_fn(|context| back.poll_called(context)).await;
        }
        task.await.unwrap();
    }

    #[test]
    fn a_task_that_runs_is_not_woken() {
        struct Task(AtomicU8);
        impl std::task::Wake for Task {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let (task, wake) = (Arc::new(Task(AtomicU8::new(0))), Wake::default());
        let waker = Waker::from(task.clone());
        let mut context = Context::from_waker(&waker);
        assert!(wake.poll_called(&mut context).is_pending());
        // It runs for another reason, and answers what it was asked.
        assert!(!wake.notice());
        wake.call();
        assert_eq!(task.0.load(Ordering::SeqCst), 0);
        assert!(wake.notice());
        assert!(wake.poll_called(&mut context).is_pending());
        wake.call();
        wake.call();
        assert_eq!(task.0.load(Ordering::SeqCst), 1);
        assert!(wake.poll_called(&mut context).is_ready());
    }

    #[test]
    fn whoever_has_ended_is_held_no_longer() {
        struct Task;
        impl std::task::Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        let (task, wake) = (Arc::new(Task), Wake::default());
        let waker = Waker::from(task.clone());
        assert!(wake.poll_called(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        assert_eq!(Arc::strong_count(&task), 2);
        wake.forget();
        assert_eq!(Arc::strong_count(&task), 1);
    }
}
