//! Attempts to send a message: which queue is next, and what an answer means (protocol §7.3).

use super::prepared::Prepared;
use super::{Inner, Permits};
use crate::error::{Error, ReadAnswer};
use crate::message::{SendReceipt, SendStatus};
use crate::route::Route;
use crate::statistics::OnTheWay;
use ferromq_model::MessageQueue;
use ferromq_protocol::Command;
use ferromq_protocol::code::response;
use ferromq_protocol::headers::SendMessageResponse;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A queue of a route.
#[derive(Clone)]
struct Chosen {
    route: Arc<Route>,
    index: usize,
}

impl Chosen {
    fn queue(&self) -> &MessageQueue {
        &self.route.writable[self.index]
    }
}

/// How an attempt failed.
enum Attempt {
    /// Another broker may do better.
    Again(Error),
    /// No other broker would.
    Final(Error),
}

/// What has been tried so far.
#[derive(Default)]
struct Tried {
    attempts: i32,
    /// The broker of the last attempt.
    broker: Option<String>,
    error: Option<Error>,
}

/// Response codes after which another broker may do better.
fn is_retried(code: i32) -> bool {
    matches!(
        code,
        response::TOPIC_NOT_EXIST
            | response::SERVICE_NOT_AVAILABLE
            | response::SYSTEM_ERROR
            | response::SYSTEM_BUSY
            | response::NO_PERMISSION
            | response::NO_BUYER_ID
            | response::NOT_IN_CURRENT_UNIT
            | response::GO_AWAY
    )
}

fn timed_out(topic: &str, given: Duration, last: impl Into<String>) -> Error {
    Error::Timeout {
        operation: format!("sending to topic `{topic}`"),
        millis: given.as_millis() as u64,
        last: last.into(),
    }
}

impl Inner {
    fn timeout(&self) -> Duration {
        Duration::from_millis(self.config.send_msg_timeout)
    }

    fn begin(&self, prepared: &Prepared) -> OnTheWay {
        self.sends.begin(prepared.count(), prepared.body.len())
    }

    /// Sends a message, and waits until a broker has it.
    pub(super) async fn send(&self, prepared: Prepared) -> Result<SendReceipt, Error> {
        let on_the_way = self.begin(&prepared);
        let start = on_the_way.start();
        let sent = self.send_somewhere(&prepared, start, Tried::default(), None).await;
        on_the_way.end(sent.is_ok());
        sent
    }

    /// Sends to this queue, and tries no other.
    pub(super) async fn send_to(
        &self,
        prepared: Prepared,
        queue: &MessageQueue,
    ) -> Result<SendReceipt, Error> {
        let on_the_way = self.begin(&prepared);
        let sent = self.send_once(&prepared, on_the_way.start(), queue).await;
        on_the_way.end(sent.is_ok());
        sent
    }

    /// Sends a message without waiting for an answer.
    pub(super) async fn send_oneway(&self, prepared: Prepared) -> Result<(), Error> {
        let chosen = self.choose(&prepared.topic, None, self.timeout()).await?;
        let queue = chosen.queue();
        let request = self.request(&prepared, queue);
        match self.instance.connected_master(&queue.broker_name) {
            Some(connection) => connection.send(request)?,
            None => {
                let address = self.instance.master(&queue.broker_name)?;
                self.instance.send(&address, request.laid_out()).await?;
            }
        }
        self.sends.sent_oneway();
        Ok(())
    }

    /// Sends a message in the background. The first attempt is made by whoever calls this and judged by
    /// the connection's task; there is a task for the message only if it has to wait for something else.
    pub(super) fn send_then(
        self: &Arc<Self>,
        prepared: Prepared,
        permits: Permits,
        done: impl FnOnce(Result<SendReceipt, Error>) + Send + 'static,
    ) {
        let on_the_way = self.begin(&prepared);
        // Shared with the request, which is written when the answer is waited for already.
        let prepared = Arc::new(prepared);
        let chosen = self.choose_known(&prepared.topic, None);
        let background = Background {
            inner: self.clone(),
            prepared: prepared.clone(),
            on_the_way,
            _permits: permits,
            done,
        };
        let broker = chosen.as_ref().map(|chosen| chosen.queue().broker_name.as_str());
        let connection = broker.and_then(|broker| self.instance.connected_master(broker));
        match (chosen, connection) {
            (Some(chosen), Some(connection)) => {
                let request = self.request(&prepared, chosen.queue());
                let tried = chosen.clone();
                connection.call(request, self.timeout(), move |answer| {
                    background.answered(tried, answer.map_err(Error::from));
                });
            }
            (chosen, _) => background.go_on(Tried::default(), chosen),
        }
    }

    /// Sends within the time given, all attempts together. An attempt may take all that is left of it,
    /// as in Apache's client: a broker that takes a message but does not answer uses up the time
    /// of the others, since whether it stored the message is not known until then.
    async fn send_somewhere(
        &self,
        prepared: &Prepared,
        start: Instant,
        mut tried: Tried,
        mut first: Option<Chosen>,
    ) -> Result<SendReceipt, Error> {
        let (given, topic) = (self.timeout(), &prepared.topic);
        while tried.attempts < self.attempts() {
            let left = given.saturating_sub(start.elapsed());
            if left.is_zero() {
                break;
            }
            let chosen = match first.take() {
                Some(chosen) => chosen,
                None => self.choose(topic, tried.broker.as_deref(), left).await?,
            };
            if tried.attempts > 0 {
                self.sends.retried();
            }
            let outcome = self.attempt(prepared, chosen.queue(), start).await;
            if let Some(sent) = self.settle(outcome, chosen.queue(), &mut tried) {
                return sent;
            }
        }
        match tried.error {
            Some(error) if start.elapsed() < given => Err(error),
            error => {
                let last = error.map_or("no broker was reached".to_string(), |e| e.to_string());
                Err(timed_out(topic, given, last))
            }
        }
    }

    async fn send_once(
        &self,
        prepared: &Prepared,
        start: Instant,
        queue: &MessageQueue,
    ) -> Result<SendReceipt, Error> {
        if self.instance.publishable_route(&prepared.topic).is_none() {
            self.route_within(&prepared.topic, self.timeout()).await?;
        }
        let sent = self.attempt(prepared, queue, start).await;
        sent.map_err(|(Attempt::Again(error) | Attempt::Final(error))| error)
    }

    fn attempts(&self) -> i32 {
        1 + self.config.retry_times_when_send_failed
    }

    /// Sends to a queue within what is left of the time since `start`.
    async fn attempt(
        &self,
        prepared: &Prepared,
        queue: &MessageQueue,
        start: Instant,
    ) -> Result<SendReceipt, Attempt> {
        let (broker, begun) = (&queue.broker_name, Instant::now());
        let left = self.timeout().saturating_sub(begun.saturating_duration_since(start));
        let request = self.request(prepared, queue);
        let answer = match self.instance.connected_master(broker) {
            Some(connection) => connection.invoke(request, left).await.map_err(Error::from),
            None => {
                let address = self.instance.master(broker).map_err(Attempt::Again)?;
                Box::pin(self.instance.invoke(&address, request.laid_out(), left)).await
            }
        };
        self.judge(prepared, queue, begun.elapsed(), answer)
    }

    /// What an answer means, which came after this time.
    fn judge(
        &self,
        prepared: &Prepared,
        queue: &MessageQueue,
        took: Duration,
        answer: Result<Command, Error>,
    ) -> Result<SendReceipt, Attempt> {
        self.latencies.note(&queue.broker_name, took, answer.is_ok());
        let answer = answer.map_err(Attempt::Again)?;
        // Only asked for when there is something to say about it.
        let address = || self.instance.master(&queue.broker_name).unwrap_or_default();
        let status = match answer.code {
            response::SUCCESS => SendStatus::Ok,
            response::FLUSH_DISK_TIMEOUT => SendStatus::FlushDiskTimeout,
            response::FLUSH_SLAVE_TIMEOUT => SendStatus::FlushSlaveTimeout,
            response::SLAVE_NOT_AVAILABLE => SendStatus::SlaveNotAvailable,
            code => {
                let (address, remark) = (address(), answer.remark().to_string());
                let error = Error::Refused { operation: "a send", address, code, remark };
                return Err(match is_retried(code) {
                    true => Attempt::Again(error),
                    false => Attempt::Final(error),
                });
            }
        };
        let header: SendMessageResponse<'_> = match answer.header() {
            Ok(header) => header,
            unreadable => unreadable.sent_by(&address()).map_err(Attempt::Final)?,
        };
        Ok(SendReceipt {
            status,
            message_id: prepared.message_id.clone(),
            offset_message_id: header.msg_id.to_string(),
            queue: MessageQueue { queue_id: header.queue_id, ..queue.clone() },
            queue_offset: header.queue_offset,
        })
    }

    /// What the message's end is; none when another attempt is to be made, if there may be any.
    fn settle(
        &self,
        outcome: Result<SendReceipt, Attempt>,
        queue: &MessageQueue,
        tried: &mut Tried,
    ) -> Option<Result<SendReceipt, Error>> {
        tried.attempts += 1;
        match outcome {
            Ok(receipt)
                if receipt.status != SendStatus::Ok
                    && self.config.retry_another_broker_when_not_store_ok
                    && tried.attempts < self.attempts() => {}
            Ok(receipt) => return Some(Ok(receipt)),
            Err(Attempt::Final(error)) => return Some(Err(error)),
            Err(Attempt::Again(error)) => {
                let attempts = tried.attempts;
                tracing::debug!(%queue, %error, attempts, "send failed; trying another broker");
                tried.error = Some(error);
            }
        }
        tried.broker = Some(queue.broker_name.clone());
        None
    }

    /// The next queue in turn, of the route that is known or found within what is `left` of the time.
    async fn choose(
        &self,
        topic: &str,
        failed: Option<&str>,
        left: Duration,
    ) -> Result<Chosen, Error> {
        if let Some(chosen) = self.choose_known(topic, failed) {
            return Ok(chosen);
        }
        let route = Box::pin(self.route_within(topic, left)).await?;
        self.select(route, failed).ok_or_else(|| no_writable_queue(topic))
    }

    fn choose_known(&self, topic: &str, failed: Option<&str>) -> Option<Chosen> {
        self.select(self.instance.publishable_route(topic)?, failed)
    }

    /// The next queue in turn, preferably not of the broker that has just failed.
    fn select(&self, route: Arc<Route>, failed: Option<&str>) -> Option<Chosen> {
        let queues = &route.writable;
        let turn = self.next_queue.fetch_add(1, Ordering::Relaxed);
        let in_turn =
            || (0..queues.len()).map(|step| (step, turn.wrapping_add(step) % queues.len()));
        let other =
            |(_, index): &(usize, usize)| Some(queues[*index].broker_name.as_str()) != failed;
        let fast = |(_, index): &(usize, usize)| {
            !self.config.send_latency_fault_enable
                || self.latencies.is_fast(&queues[*index].broker_name)
        };
        let (skipped, index) = in_turn()
            .find(|queue| other(queue) && fast(queue))
            .or_else(|| in_turn().find(other))
            .or_else(|| in_turn().next())?;
        // The turn goes on behind it: or else the first queue after a broker that is down would get
        // its share too.
        self.next_queue.fetch_add(skipped, Ordering::Relaxed);
        Some(Chosen { route, index })
    }

    /// The route to send to. Also for sends that were accepted before the producer was closed.
    pub(super) async fn route(&self, topic: &str) -> Result<Arc<Route>, Error> {
        let route =
            self.instance.publish_route(topic, self.config.default_topic_queue_nums).await?;
        match route.writable.is_empty() {
            true => Err(no_writable_queue(topic)),
            false => Ok(route),
        }
    }

    /// The route to send to, if it is known within what is `left` of the time given.
    async fn route_within(&self, topic: &str, left: Duration) -> Result<Arc<Route>, Error> {
        let late = || timed_out(topic, self.timeout(), "no name server has answered");
        tokio::time::timeout(left, self.route(topic)).await.unwrap_or_else(|_| Err(late()))
    }
}

fn no_writable_queue(topic: &str) -> Error {
    Error::NoWritableQueue { topic: topic.to_string() }
}

/// A message that is sent in the background, and who is told of its end.
struct Background<F> {
    inner: Arc<Inner>,
    prepared: Arc<Prepared>,
    on_the_way: OnTheWay,
    /// Given back after `done`: closing the producer waits until all have been told.
    _permits: Permits,
    done: F,
}

impl<F: FnOnce(Result<SendReceipt, Error>) + Send + 'static> Background<F> {
    /// The answer to the first attempt, or why there is none.
    fn answered(self, chosen: Chosen, answer: Result<Command, Error>) {
        let took = self.on_the_way.start().elapsed();
        let outcome = self.inner.judge(&self.prepared, chosen.queue(), took, answer);
        let mut tried = Tried::default();
        match self.inner.settle(outcome, chosen.queue(), &mut tried) {
            Some(sent) => self.finish(sent),
            None => self.go_on(tried, None),
        }
    }

    /// Makes the attempts that are left, in a task.
    fn go_on(self, tried: Tried, first: Option<Chosen>) {
        let runtime = self.inner.runtime.clone();
        runtime.spawn(async move {
            let start = self.on_the_way.start();
            let sent = self.inner.send_somewhere(&self.prepared, start, tried, first).await;
            self.finish(sent);
        });
    }

    fn finish(self, sent: Result<SendReceipt, Error>) {
        self.on_the_way.end(sent.is_ok());
        (self.done)(sent);
    }
}
