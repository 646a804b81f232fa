//! What several tests of this crate need: connections over the loopback.

use ferromq_net::{ConnectOptions, Connection, Connections, Reply, Server, ServerOptions, Service};
use ferromq_protocol::Command;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

type Answer = Box<dyn Fn(&Command) -> Option<Command> + Send + Sync>;

/// Hands requests to the test, and answers them if it was told how.
pub(crate) struct Peer {
    requests: mpsc::UnboundedSender<Command>,
    connections: mpsc::UnboundedSender<Arc<Connection>>,
    answer: Answer,
    known: Mutex<Vec<u64>>,
}

impl Service for Peer {
    fn handle(&self, connection: &Arc<Connection>, request: Command) -> Reply {
        if !self.known.lock().contains(&connection.id()) {
            self.known.lock().push(connection.id());
            let _ = self.connections.send(connection.clone());
        }
        let answer = (self.answer)(&request);
        let _ = self.requests.send(request);
        answer.map_or(Reply::Later, Reply::from)
    }
}

/// The test's end of a [`Peer`].
pub(crate) struct Seen {
    pub(crate) requests: mpsc::UnboundedReceiver<Command>,
    pub(crate) connections: mpsc::UnboundedReceiver<Arc<Connection>>,
}

impl Seen {
    pub(crate) async fn request(&mut self) -> Command {
        tokio::time::timeout(PATIENCE, self.requests.recv())
            .await
            .expect("a request comes")
            .expect("the peer lives")
    }
}

pub(crate) fn peer(
    answer: impl Fn(&Command) -> Option<Command> + Send + Sync + 'static,
) -> (Arc<Peer>, Seen) {
    let (request_sender, requests) = mpsc::unbounded_channel();
    let (connection_sender, connections) = mpsc::unbounded_channel();
    let peer = Arc::new(Peer {
        requests: request_sender,
        connections: connection_sender,
        answer: Box::new(answer),
        known: Mutex::default(),
    });
    let seen = Seen {
        requests,
        connections,
    };
    (peer, seen)
}

/// A client that is connected to a server within this process.
pub(crate) struct Pair {
    /// The server's handle: what a broker has of its client.
    pub(crate) connection: Arc<Connection>,
    /// What the client is sent.
    pub(crate) client: Seen,
    _server: Server,
    _connections: Connections,
}

impl Pair {
    pub(crate) async fn new() -> Pair {
        Pair::answering(|_| None).await
    }

    /// The client answers the broker's requests with `answer`.
    pub(crate) async fn answering(
        answer: impl Fn(&Command) -> Option<Command> + Send + Sync + 'static,
    ) -> Pair {
        let (server_side, mut seen) = peer(|_| None);
        let server = Server::bind("127.0.0.1:0", server_side, ServerOptions::default())
            .await
            .expect("a free port");
        let (client_side, client) = peer(answer);
        let connections = Connections::new(client_side, ConnectOptions::default());
        connections
            .send(&server.address().to_string(), Command::request(0))
            .await
            .expect("connects");
        let connection = tokio::time::timeout(PATIENCE, seen.connections.recv())
            .await
            .expect("the request arrives")
            .expect("the server lives");
        Pair {
            connection,
            client,
            _server: server,
            _connections: connections,
        }
    }
}
