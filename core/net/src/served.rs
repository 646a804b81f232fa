//! The connections that a server serves at present.

use crate::connection::Connection;
use crate::crew::Crew;
use async_task::Task;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use tokio::sync::Notify;

/// Who is served. Whoever still is when this is dropped is served no longer.
#[derive(Default)]
pub(crate) struct Served(Arc<List>);

#[derive(Default)]
struct List {
    /// By the number of the connection.
    entries: Mutex<HashMap<u64, Entry>>,
    last_left: Notify,
}

struct Entry {
    connection: Arc<Connection>,
    task: Task<()>,
}

impl Served {
    /// Has `crew` run a connection, which is on the list until it has ended.
    pub(crate) fn begin(
        &self,
        crew: &Crew,
        connection: Arc<Connection>,
        run: impl Future<Output = ()> + Send + 'static,
    ) {
        let id = connection.id();
        let leave = Leave { list: Arc::downgrade(&self.0), id };
        // Boxed, as a task that awaits another future has room for it twice.
        let run = Box::pin(run);
        // Under the lock, so that it does not leave the list before it is on it.
        let mut entries = self.0.entries.lock();
        let task = crew.spawn(async move {
            let _leave = leave;
            run.await;
        });
        entries.insert(id, Entry { connection, task });
    }

    /// Lets each connection write what it has queued, and ends them.
    pub(crate) fn close(&self) {
        self.0.entries.lock().values().for_each(|entry| entry.connection.close());
    }

    /// Waits until the last one has ended.
    pub(crate) async fn ended(&self) {
        while !self.0.entries.lock().is_empty() {
            self.0.last_left.notified().await;
        }
    }
}

/// Takes a connection off the list, also when a handler panicked. It does not keep the list alive, which
/// keeps the connection's task alive.
struct Leave {
    list: Weak<List>,
    id: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let Some(list) = self.list.upgrade() else { return };
        let mut entries = list.entries.lock();
        let left = entries.remove(&self.id);
        let last = entries.is_empty();
        drop(entries);
        if let Some(Entry { connection, task }) = left {
            if std::thread::panicking() {
                tracing::error!(peer = %connection.peer(), "connection closed: a handler panicked");
            }
            task.detach();
        }
        if last {
            list.last_left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::time::Duration;
    use tokio::sync::oneshot;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn connection() -> Arc<Connection> {
        let address = ([127, 0, 0, 1], 1).into();
        Arc::new(Connection::new(address, address, 0))
    }

    async fn all_have_ended(served: &Served) {
        tokio::time::timeout(PATIENCE, served.ended()).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_has_ended_is_on_the_list_no_more() {
        let (served, crews) = (Served::default(), Crew::start_all());
        all_have_ended(&served).await;
        for _ in 0..1000 {
            served.begin(&crews[0], connection(), async {});
        }
        served.begin(&crews[0], connection(), async { panic!("as a test wants it") });
        all_have_ended(&served).await;
        let goes_on = connection();
        served.begin(&crews[0], goes_on.clone(), pending());
        served.close();
        assert!(!goes_on.is_open());
        assert_eq!(served.0.entries.lock().len(), 1);
    }

    #[tokio::test]
    async fn nothing_is_left_when_the_server_has_ended() {
        let (served, crews) = (Served::default(), Crew::start_all());
        let (list, held) = (Arc::downgrade(&served.0), Arc::new(()));
        let (begun, has_begun) = oneshot::channel();
        let in_first = held.clone();
        served.begin(&crews[0], connection(), async move {
            let _held = in_first;
            let _ = begun.send(());
            pending().await
        });
        has_begun.await.unwrap();
        // This one has no turn any more.
        let in_second = held.clone();
        served.begin(&crews[0], connection(), async move {
            let _held = in_second;
            pending().await
        });
        drop(crews);
        drop(served);
        assert!(list.upgrade().is_none());
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
