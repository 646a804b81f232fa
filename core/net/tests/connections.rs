//! Connections over real sockets.
// A test that cannot go on has failed.
#![allow(clippy::unwrap_used)]

// The test kit uses this crate, so this crate's package does not name it.
#[allow(dead_code)]
#[path = "../../testkit/src/port.rs"]
mod port;

use bytes::{Bytes, BytesMut};
use ferromq_net::*;
use ferromq_protocol::Command;
use ferromq_protocol::code::response;
use std::future::poll_fn;
use std::io::Write;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ECHO: i32 = 1001;
const LATER: i32 = 1002;
const NEVER: i32 = 1003;
const ASK_BACK: i32 = 1004;
const BIG: i32 = 1005;
const PANIC: i32 = 1006;
const FROM_A_FILE: i32 = 1007;
/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers in each of the ways a service can.
#[derive(Default)]
struct Sample {
    handled: AtomicUsize,
    closed: AtomicUsize,
}

impl Service for Sample {
    fn handle(
        &self,
        connection: &Arc<Connection>,
        request: &Command,
        writer: &mut ResponseWriter<'_>,
    ) -> Reply {
        self.handled.fetch_add(1, Ordering::SeqCst);
        match request.code {
            ECHO => {
                let body = request.body.clone();
                writer.write(request.success_body(body))
            }
            LATER => {
                let responder = Responder::new(connection, request);
                let request = request.clone();
                std::thread::spawn(move || responder.send(request.success_body(&b"later"[..])));
                Reply::Later
            }
            ASK_BACK => {
                let (responder, connection) =
                    (Responder::new(connection, request), connection.clone());
                let request = request.clone();
                tokio::spawn(async move {
                    let answer = connection
                        .invoke(Command::request(ECHO).with_body(&b"?"[..]), PATIENCE)
                        .await;
                    responder.send(request.success_body(answer.unwrap().body));
                });
                Reply::Later
            }
            BIG => writer.write(Response {
                command: request.response(response::SUCCESS),
                chunks: vec![Bytes::from(vec![1; 100_000]).into(), Bytes::from(vec![2; 10]).into()],
            }),
            FROM_A_FILE => writer.write(Response {
                command: request.response(response::SUCCESS),
                chunks: pieces_of_a_file(),
            }),
            PANIC => panic!("a handler that panics ends its connection only"),
            _ => Reply::Later,
        }
    }

    fn closed(&self, _: &Arc<Connection>) {
        self.closed.fetch_add(1, Ordering::SeqCst);
    }
}

async fn start(options: ServerOptions) -> (Arc<Sample>, Server, String) {
    let sample = Arc::new(Sample::default());
    let server = Server::bind("127.0.0.1:0", sample.clone(), options).await.unwrap();
    let address = server.address().to_string();
    (sample, server, address)
}

fn client() -> Connections {
    Connections::new(Arc::new(Sample::default()), ConnectOptions::default())
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(tokio::time::Instant::now() < end, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Lets a connection's task run until it waits.
async fn until_it_waits(mut run: Pin<&mut impl Future<Output = ()>>) {
    let waits = poll_fn(|context| Poll::Ready(run.as_mut().poll(context).is_pending())).await;
    assert!(waits, "it has ended");
}

/// More than a socket takes at once, some of it from memory and some from a file that says from
/// where it was taken.
fn pieces_of_a_file() -> Vec<Piece> {
    let mut file = tempfile::tempfile().unwrap();
    let bytes: Vec<u8> = (0..3_000_000u32).map(|number| (number / 7) as u8).collect();
    file.write_all(&bytes).unwrap();
    let (bytes, file) = (Bytes::from(bytes), Arc::new(file));
    let piece = |range: Range<usize>| Piece {
        bytes: Bytes::from(vec![b'm'; range.len()]),
        file: Some((file.clone(), range.start as u64)),
    };
    let ends = [bytes.slice(..1000).into(), bytes.slice(2_999_000..).into()];
    let [first, last] = ends;
    vec![first, piece(1000..1_500_000), piece(1_500_000..2_999_000), last]
}

#[tokio::test]
async fn answers_from_a_file() {
    let (_, server, address) = start(ServerOptions::default()).await;
    let client = client();
    let invoke = async || {
        let answer = client.invoke(&address, Command::request(FROM_A_FILE), PATIENCE).await;
        answer.unwrap().body
    };
    for body in [invoke().await, invoke().await] {
        let is_right = |(at, byte): (usize, &u8)| *byte == (at / 7) as u8;
        assert_eq!(body.len(), 3_000_000);
        assert_eq!(body.iter().enumerate().position(|place| !is_right(place)), None);
    }
    server.close().await;
}

#[tokio::test]
async fn answers_now_later_and_in_pieces() {
    let (_, server, address) = start(ServerOptions::default()).await;
    let client = client();
    let invoke =
        |code| client.invoke(&address, Command::request(code).with_body(&b"x"[..]), PATIENCE);
    assert_eq!(&invoke(ECHO).await.unwrap().body[..], b"x");
    assert_eq!(&invoke(LATER).await.unwrap().body[..], b"later");
    assert_eq!(&invoke(ASK_BACK).await.unwrap().body[..], b"?");
    let big = invoke(BIG).await.unwrap().body;
    assert_eq!((big.len(), big[0], big[100_009]), (100_010, 1, 2));
    server.close().await;
    assert!(matches!(invoke(ECHO).await, Err(NetError::Closed { .. } | NetError::Connect { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_at_once_each_get_their_own_answer() {
    let (sample, _server, address) = start(ServerOptions::default()).await;
    let client = Arc::new(client());
    let calls: Vec<_> = (0..2000u32)
        .map(|index| {
            let (client, address) = (client.clone(), address.clone());
            tokio::spawn(async move {
                let body = Bytes::from(vec![index as u8; index as usize]);
                let request = Command::request(ECHO).with_body(body.clone());
                assert_eq!(client.invoke(&address, request, PATIENCE).await.unwrap().body, body);
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(sample.handled.load(Ordering::SeqCst), 2000);
    assert_eq!(client.open_addresses(), [address]);
}

#[tokio::test]
async fn a_request_without_answer_times_out_and_the_connection_lives_on() {
    let (_, _server, address) = start(ServerOptions::default()).await;
    let client = client();
    let timeout = Duration::from_millis(50);
    let error = client.invoke(&address, Command::request(NEVER), timeout).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(&format!("{address} did not answer request 1003 within ")), "{text}");
    assert!(client.invoke(&address, Command::request(ECHO), PATIENCE).await.is_ok());
}

#[tokio::test]
async fn closing_fails_what_is_pending_and_one_way_requests_get_no_answer() {
    let (sample, server, address) = start(ServerOptions::default()).await;
    let client = Arc::new(client());
    client.send(&address, Command::request(ECHO)).await.unwrap();
    let pending = {
        let (client, address) = (client.clone(), address.clone());
        tokio::spawn(
            async move { client.invoke(&address, Command::request(NEVER), 3 * PATIENCE).await },
        )
    };
    until("the request", || sample.handled.load(Ordering::SeqCst) == 2).await;
    server.close().await;
    assert!(matches!(pending.await.unwrap(), Err(NetError::Closed { .. })));
    assert_eq!(sample.closed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_panicking_handler_ends_only_its_own_connection() {
    let (sample, _server, address) = start(ServerOptions::default()).await;
    let (first, second) = (client(), client());
    assert!(second.invoke(&address, Command::request(ECHO), PATIENCE).await.is_ok());
    let error = first.invoke(&address, Command::request(PANIC), PATIENCE).await.unwrap_err();
    assert!(matches!(error, NetError::Closed { .. }));
    assert_eq!(sample.closed.load(Ordering::SeqCst), 1);
    assert!(second.invoke(&address, Command::request(ECHO), PATIENCE).await.is_ok());
    assert!(first.invoke(&address, Command::request(ECHO), PATIENCE).await.is_ok(), "reconnects");
}

#[tokio::test]
async fn malformed_frames_close_the_connection() {
    let (sample, _server, address) = start(ServerOptions::default()).await;
    for bytes in [&[0xFF; 8][..], &[0, 0, 0, 4, 9, 0, 0, 0], b"GET / HTTP/1.1\r\n\r\n"] {
        let before = sample.closed.load(Ordering::SeqCst);
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
        until("the close", || sample.closed.load(Ordering::SeqCst) == before + 1).await;
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_not_read_from() {
    let limits = Limits { unwritten: 64 << 10, ..Limits::server() };
    let (sample, _server, address) = start(ServerOptions { limits, ..Default::default() }).await;
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let frame = Command::request(BIG).encode();
    // Far more answers than all buffers between here and there hold.
    let requests: BytesMut = (0..1000).flat_map(|_| frame.clone()).collect();
    stream.write_all(&requests).await.unwrap();
    let mut seen = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = sample.handled.load(Ordering::SeqCst);
        if now == seen {
            break;
        }
        seen = now;
    }
    assert!(seen < 1000, "{seen} requests were handled for a peer that reads nothing");
    let mut received = 0;
    let mut buffer = vec![0; 1 << 20];
    while received < 1000 * 100_010 {
        received += stream.read(&mut buffer).await.unwrap();
    }
    assert_eq!(sample.handled.load(Ordering::SeqCst), 1000);
}

#[tokio::test]
async fn what_one_read_brought_is_not_handled_for_a_peer_that_does_not_read_either() {
    const REQUESTS: usize = 1000;
    let address = ([127, 0, 0, 1], 1).into();
    let requests: BytesMut = (0..REQUESTS).flat_map(|_| Command::request(BIG).encode()).collect();
    let (mut near, far) = tokio::io::duplex(requests.len());
    let sample = Arc::new(Sample::default());
    let limits = Limits { unwritten: 64 << 10, ..Limits::server() };
    let (_connection, run) = open(far, address, address, sample.clone(), limits);
    let mut run = pin!(run);
    near.write_all(&requests).await.unwrap();
    for _ in 0..100 {
        until_it_waits(run.as_mut()).await;
        tokio::task::yield_now().await;
    }
    // The stream holds one, and one more is made before so much waits.
    assert_eq!(sample.handled.load(Ordering::SeqCst), 2);
    let mut answers = vec![0; REQUESTS * 100_010];
    let read = async {
        near.read_exact(&mut answers).await.unwrap();
        drop(near);
    };
    tokio::join!(read, run);
    assert_eq!(sample.handled.load(Ordering::SeqCst), REQUESTS);
}

#[tokio::test]
async fn silent_connections_are_closed() {
    let limits = Limits { idle: Duration::from_millis(100), ..Limits::server() };
    let (sample, _server, address) = start(ServerOptions { limits, ..Default::default() }).await;
    let _stream = TcpStream::connect(&address).await.unwrap();
    until("the close", || sample.closed.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (_, _server, address) = start(ServerOptions::default()).await;
    let error = Server::bind(&address, Arc::new(NoRequests), ServerOptions::default()).await;
    let text = error.err().unwrap().to_string();
    assert!(text.starts_with(&format!("cannot listen on {address}: ")), "{text}");
}

#[tokio::test]
async fn connecting_to_nobody_is_named() {
    let nobody = port::Port::free().unwrap();
    let address = nobody.address();
    let error = client().invoke(&address, Command::request(ECHO), PATIENCE).await.unwrap_err();
    assert!(error.not_sent());
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn the_task_of_a_connection_is_small() {
    let (near, _far) = tokio::io::duplex(64);
    let address = ([127, 0, 0, 1], 1).into();
    let service = std::sync::Arc::new(ferromq_net::NoRequests);
    let (_connection, run) =
        ferromq_net::open(near, address, address, service, ferromq_net::Limits::server());
    // Ten thousand idle connections are to cost less than 8 KiB each, their buffers and what the broker
    // knows about them included.
    let size = std::mem::size_of_val(&run);
    assert!(size < 2048, "{size} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_a_connection_is_closed_it_ends() {
    const ROUNDS: u32 = 5_000;
    let (address, request) = ([127, 0, 0, 1], Command::request(ECHO).oneway().encode());
    for round in 0..ROUNDS {
        let (mut near, far) = tokio::io::duplex(1 << 10);
        let sample = Arc::new(Sample::default());
        let (connection, run) =
            open(far, (address, 1).into(), (address, 2).into(), sample, Limits::server());
        let task = tokio::spawn(run);
        near.write_all(&request).await.unwrap();
        // At another moment each time: while it begins, looks for what is queued, reads, or waits.
        (0..round % 1000).for_each(|_| std::hint::spin_loop());
        connection.close();
        tokio::time::timeout(PATIENCE, task).await.expect("it ends").unwrap();
    }
}

/// Notes whether requests are handled of which it has not been said that there are no more for now.
#[derive(Default)]
struct Together {
    handled: AtomicUsize,
    begun: AtomicBool,
}

impl Service for Together {
    fn handle(&self, _: &Arc<Connection>, _: &Command, _: &mut ResponseWriter<'_>) -> Reply {
        self.handled.fetch_add(1, Ordering::SeqCst);
        self.begun.store(true, Ordering::SeqCst);
        Reply::Later
    }

    fn all_handled(&self, _: &Arc<Connection>, _: &mut Answers<'_>) {
        self.begun.store(false, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_thread_handles_nothing_else_between_requests_that_come_together() {
    // More than one read takes, several times.
    const REQUESTS: usize = 500;
    let address = ([127, 0, 0, 1], 1).into();
    let requests: BytesMut =
        (0..REQUESTS).flat_map(|_| Command::request(ECHO).oneway().encode()).collect();
    // However much others have left of what the runtime lets a task do at once.
    for used in 0..256 {
        let (mut near, far) = tokio::io::duplex(requests.len());
        let service = Arc::new(Together::default());
        let (_connection, run) = open(far, address, address, service.clone(), Limits::server());
        let mut run = pin!(run);
        near.write_all(&requests).await.unwrap();
        tokio::task::yield_now().await;
        for _ in 0..used {
            tokio::task::coop::consume_budget().await;
        }
        while service.handled.load(Ordering::SeqCst) < REQUESTS {
            until_it_waits(run.as_mut()).await;
            assert!(!service.begun.load(Ordering::SeqCst), "{used} used before");
            tokio::task::yield_now().await;
        }
    }
}
