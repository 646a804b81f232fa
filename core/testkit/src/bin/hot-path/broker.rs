//! A whole broker, from the bytes of requests to the bytes of answers; only the sockets are missing.

use crate::{Failure, frames};
use bytes::{Bytes, BytesMut};
use ferromq_broker::{Broker, BrokerConfig};
use ferromq_protocol::{Command, Serialization};
use ferromq_store::StoreConfig;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many requests arrive together.
const TOGETHER: usize = 32;
/// After so many the same requests come again.
const DIFFERENT: usize = 2048;

pub(crate) fn send(count: usize, size: usize) -> Result<(), Failure> {
    drive(|number| frames::send(number, size, Serialization::Json), count)
}

pub(crate) fn batch(count: usize) -> Result<(), Failure> {
    drive(frames::send_batch, count)
}

fn drive(request: impl Fn(usize) -> Bytes, count: usize) -> Result<(), Failure> {
    let requests = all_together(DIFFERENT, request);
    on_a_broker(async move |broker| {
        exchange(&broker, &requests, count, 0).await?;
        broker.close().await;
        Ok(())
    })
}

pub(crate) fn pull(count: usize) -> Result<(), Failure> {
    const BACKLOG: usize = 4096;
    let sends = all_together(DIFFERENT, |number| frames::send(number, 128, Serialization::Json));
    let pulls =
        all_together(DIFFERENT, |number| frames::pull(number, (number * 32 % BACKLOG) as i64));
    on_a_broker(async move |broker| {
        exchange(&broker, &sends, BACKLOG, 0).await?;
        exchange(&broker, &pulls, count, 32 * 128).await?;
        broker.close().await;
        Ok(())
    })
}

/// Requests that arrive at once.
struct Together {
    bytes: Bytes,
    count: usize,
}

fn all_together(count: usize, request: impl Fn(usize) -> Bytes) -> Vec<Together> {
    let requests: Vec<Bytes> = (0..count).map(request).collect();
    requests.chunks(TOGETHER).map(together).collect()
}

fn together(requests: &[Bytes]) -> Together {
    Together { bytes: requests.concat().into(), count: requests.len() }
}

fn on_a_broker(work: impl AsyncFnOnce(Broker) -> Result<(), Failure>) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let store = StoreConfig {
        mapped_file_size_commit_log: 256 << 20,
        // Not while it is counted: how often they come then would depend on the clock.
        flush_interval_commit_log: 60_000,
        flush_interval_consume_queue: 60_000,
        ..StoreConfig::for_directory(directory.path().to_string_lossy())
    };
    let config = BrokerConfig {
        listen_port: 0,
        bind_address: "127.0.0.1".to_string(),
        broker_ip1: "127.0.0.1".to_string(),
        ..BrokerConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let broker = Broker::start(config, store).await?;
        // The first message of a topic goes another way.
        exchange(&broker, &[together(&[frames::send(0, 1, Serialization::Json)])], 1, 0).await?;
        work(broker).await
    })
}

/// Has at least `count` requests answered, with at least so many bytes each; `requests` come in turn.
async fn exchange(
    broker: &Broker,
    requests: &[Together],
    count: usize,
    least: usize,
) -> Result<(), Failure> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let requests = requests.iter().cycle();
    let (mut input, mut sent) = (Vec::new(), 0);
    for part in requests {
        if sent >= count {
            break;
        }
        sent += part.count;
        input.push(part.bytes.clone());
    }
    let replay = Replay { input: input.into_iter(), part: Bytes::new(), sent, seen: seen.clone() };
    broker.serve(replay, ([127, 0, 0, 1], 50000).into()).await;
    let seen = std::mem::take(&mut *seen.lock().map_err(|_| "a panic")?);
    let first = Command::decode(&mut BytesMut::from(&seen.first[..]))?.ok_or("no answer")?;
    if first.code != 0 || first.body.len() < least || seen.frames != sent {
        let text = first.remark().to_string();
        return Err(format!("{} of {sent} answered, {} {text}", seen.frames, first.code).into());
    }
    Ok(())
}

/// What came back.
#[derive(Default)]
struct Seen {
    first: BytesMut,
    frames: usize,
    /// Of the frame that comes in at present, and perhaps of its length field.
    missing: usize,
    length: Vec<u8>,
}

impl Seen {
    fn add(&mut self, mut bytes: &[u8]) {
        if self.first.len() < 16_384 {
            self.first.extend_from_slice(bytes);
        }
        while !bytes.is_empty() {
            if self.missing == 0 {
                let wanted = (4 - self.length.len()).min(bytes.len());
                let (head, rest) = bytes.split_at(wanted);
                self.length.extend_from_slice(head);
                bytes = rest;
                if let Ok(length) = <[u8; 4]>::try_from(&self.length[..]) {
                    self.missing = u32::from_be_bytes(length) as usize;
                    self.length.clear();
                }
                continue;
            }
            let taken = self.missing.min(bytes.len());
            self.missing -= taken;
            bytes = &bytes[taken..];
            self.frames += usize::from(self.missing == 0);
        }
    }
}

/// A peer that sends what it has, and ends when all is answered.
struct Replay {
    input: std::vec::IntoIter<Bytes>,
    /// What is left of what is being sent.
    part: Bytes,
    /// How many requests that is in all.
    sent: usize,
    seen: Arc<Mutex<Seen>>,
}

impl AsyncRead for Replay {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.part.is_empty() {
            match self.input.next() {
                Some(part) => self.part = part,
                None if self.seen.lock().is_ok_and(|seen| seen.frames < self.sent) => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                None => return Poll::Ready(Ok(())),
            }
        }
        let taken = buffer.remaining().min(self.part.len());
        buffer.put_slice(&self.part.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Replay {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Ok(mut seen) = self.seen.lock() {
            seen.add(bytes);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut me = self;
        for slice in slices {
            let _ = me.as_mut().poll_write(context, slice);
        }
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
