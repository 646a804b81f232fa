//! Peers that are gone without a word.
#![allow(clippy::unwrap_used)]

use ferromq_net::*;
use ferromq_protocol::Command;
use ferromq_protocol::code::response;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{DuplexStream, duplex};

const ANSWERED: i32 = 1;
const UNANSWERED: i32 = 2;
const SECOND: Duration = Duration::from_secs(1);

struct Half;

impl Service for Half {
    fn handle(
        &self,
        _: &Arc<Connection>,
        request: &Command,
        writer: &mut ResponseWriter<'_>,
    ) -> Reply {
        match request.code {
            ANSWERED => writer.write(request.response(response::SUCCESS)),
            _ => Reply::Later,
        }
    }
}

fn run(stream: DuplexStream, limits: Limits) -> Arc<Connection> {
    let address = ([127, 0, 0, 1], 1).into();
    let (connection, task) = open(stream, address, address, Arc::new(Half), limits);
    tokio::spawn(task);
    connection
}

#[tokio::test(start_paused = true)]
async fn a_connection_over_which_nothing_comes_is_closed_when_requests_wait_in_vain() {
    let (near, _far) = duplex(1 << 20);
    let connection = run(near, Limits { silence: 5 * SECOND, ..Limits::client() });
    // That nobody asked for anything is no silence.
    tokio::time::sleep(60 * SECOND).await;
    let ask = || connection.invoke(Command::request(ANSWERED), 3 * SECOND);
    for still_open in [true, false] {
        let error = ask().await.unwrap_err();
        assert!(matches!(error, NetError::Timeout { .. }), "{error}");
        tokio::time::sleep(SECOND / 100).await;
        assert_eq!(connection.is_open(), still_open);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_anything_is_there() {
    let (near, far) = duplex(1 << 20);
    let connection = run(near, Limits { silence: 5 * SECOND, ..Limits::client() });
    let _peer = run(far, Limits::server());
    for _ in 0..10 {
        let error = connection.invoke(Command::request(UNANSWERED), 4 * SECOND).await.unwrap_err();
        assert!(matches!(error, NetError::Timeout { .. }), "{error}");
        connection.invoke(Command::request(ANSWERED), SECOND).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_connected_to_waits_for_its_peer() {
    let (near, _far) = duplex(1 << 20);
    let connection = run(near, Limits::server());
    for _ in 0..10 {
        connection.invoke(Command::request(UNANSWERED), 4 * SECOND).await.unwrap_err();
    }
    assert!(connection.is_open());
}
