//! `ferromq bench echo`: what framing and sockets cost without a broker behind them.
//!
//! Every frame that arrives is answered with SUCCESS and its number. Of a request only the lengths
//! and the number are read, answers to all that arrived in one read leave in one write, and each
//! thread has an epoll of its own.

use super::answer::Answer;
use super::connection::Connection;
use crate::exit::Outcome;
use clap::Args;
use ferromq_protocol::Command;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

/// `ferromq bench echo`.
#[derive(Args, Debug)]
pub struct EchoArgs {
    /// Where to listen; port 0 is a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "HOST:PORT")]
    listen: SocketAddr,
    /// Threads [default: one per core]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

/// Answers until the program is ended.
pub fn echo(args: EchoArgs) -> Outcome {
    let listener = TcpListener::bind(args.listen)?;
    listener.set_nonblocking(true)?;
    let mut out = io::stdout().lock();
    writeln!(out, "ferromq echo ready address={}", listener.local_addr()?)?;
    out.flush()?;
    drop(out);
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let listener = Arc::new(listener);
    let mut threads = Vec::new();
    for _ in 0..args.threads.map_or_else(cores, usize::from) {
        let listener = listener.clone();
        threads.push(
            thread::Builder::new().name("ferromq-echo".into()).spawn(move || serve(&listener))?,
        );
    }
    for thread in threads {
        thread.join().map_err(|_| io::Error::other("a thread of the echo server ended"))??;
    }
    Ok(())
}

/// The event of the listener; connections count from 0.
const LISTENER: u64 = u64::MAX;

fn serve(listener: &TcpListener) -> io::Result<()> {
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &poll,
        listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN | EventFlags::EXCLUSIVE,
    )?;
    let answer = PreparedAnswer::new();
    let mut connections: HashMap<u64, Connection> = HashMap::new();
    let mut count = 0;
    let (mut events, mut scratch) = (Vec::with_capacity(256), Vec::new());
    loop {
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            let index = event.data.u64();
            if index == LISTENER {
                // Another thread may have taken it, or its peer may have left again.
                let Ok((stream, _)) = listener.accept() else { continue };
                let Ok(connection) = Connection::over(stream) else { continue };
                epoll::add(&poll, &connection, EventData::new_u64(count), EventFlags::IN)?;
                connections.insert(count, connection);
                count += 1;
            } else if let Some(connection) = connections.get_mut(&index)
                && respond(&poll, index, connection, &mut scratch, &answer).is_err()
            {
                connections.remove(&index);
            }
        }
    }
}

fn respond(
    poll: &OwnedFd,
    index: u64,
    connection: &mut Connection,
    scratch: &mut Vec<u8>,
    answer: &PreparedAnswer,
) -> io::Result<()> {
    let waited = !connection.out.is_empty();
    // Whoever does not read answers is not read from.
    if !waited {
        connection.receive(scratch, |frame, out| answer.write(frame, out))?;
    }
    let waits = !connection.flush()?;
    if waits != waited {
        let flags = if waits { EventFlags::OUT } else { EventFlags::IN };
        epoll::modify(poll, &*connection, EventData::new_u64(index), flags)?;
    }
    Ok(())
}

/// A SUCCESS response around the number of a request.
struct PreparedAnswer {
    header_before: Vec<u8>,
    header_after: Vec<u8>,
}

impl PreparedAnswer {
    fn new() -> Self {
        const NUMBER: &str = "1073741824";
        let mut request = Command::request(0);
        request.opaque = 1 << 30;
        let frame = request.response(0).encode();
        let at = memchr::memmem::find(&frame, NUMBER.as_bytes()).unwrap_or(8);
        PreparedAnswer {
            header_before: frame[8..at].to_vec(),
            header_after: frame[at + NUMBER.len()..].to_vec(),
        }
    }

    fn write(&self, frame: &[u8], out: &mut Vec<u8>) {
        // What has no number cannot be answered.
        let Some(request) = Answer::read(frame) else { return };
        let start = out.len();
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&self.header_before);
        // Writing to a Vec does not fail.
        let _ = write!(out, "{}", request.opaque);
        out.extend_from_slice(&self.header_after);
        let length = (out.len() - start - 8) as u32;
        out[start..start + 4].copy_from_slice(&(length + 4).to_be_bytes());
        out[start + 4..start + 8].copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;

    #[test]
    fn an_answer_has_the_number_of_its_request() {
        let answer = PreparedAnswer::new();
        for opaque in [0, 7, -1, i32::MAX] {
            let mut request = Command::request(310);
            request.opaque = opaque;
            let mut out = Vec::new();
            answer.write(&request.encode(), &mut out);
            let response = Command::decode(&mut BytesMut::from(&out[..])).unwrap().unwrap();
            assert_eq!((response.code, response.opaque), (0, opaque));
            assert!(response.is_response());
        }
    }
}
