//! Name servers and brokers that answer as a test wants.
#![allow(dead_code)] // No test needs all of it.

use ferromq_client::{ClientConfig, ProducerConfig};
use ferromq_net::{Connection, Reply, Responder, ResponseWriter, Server, ServerOptions, Service};
use ferromq_protocol::Command;
use ferromq_protocol::body::{BrokerData, QueueData, TopicRouteData};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::{
    OffsetResponse, PullMessageResponse, RouteRequest, SendMessageRequestV2, SendMessageResponse,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

/// What becomes of a send, or of progress that is to be stored.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// Answered with this code.
    Code(i32),
    /// Never answered.
    Silence,
    /// The connection is closed.
    Hangup,
    /// Answered with success once the test lets it.
    WhenReleased,
}

/// A topic whose route cannot be read.
pub const UNREADABLE: &str = "An-unreadable-one";
/// A topic that the name server does not answer for.
pub const UNANSWERED: &str = "Unanswered";

struct Behaviour {
    name: String,
    answer: Mutex<Answer>,
    offset_answer: Mutex<Answer>,
    /// How many offsets it was asked for.
    offsets_asked: AtomicUsize,
    sends: Mutex<Vec<Command>>,
    commits: Mutex<Vec<Command>>,
    heartbeats: Mutex<Vec<Command>>,
    pulls: AtomicUsize,
    /// The broker id that it says to pull from.
    suggests: Mutex<Option<i64>>,
    routes: Arc<Mutex<HashMap<String, TopicRouteData>>>,
    released: watch::Receiver<bool>,
}

impl Service for Behaviour {
    fn handle(
        &self,
        connection: &Arc<Connection>,
        request: &Command,
        writer: &mut ResponseWriter<'_>,
    ) -> Reply {
        match request.code {
            code::GET_ROUTEINFO_BY_TOPIC => {
                let header: RouteRequest<'_> = request.header().unwrap();
                match header.topic {
                    UNREADABLE => return writer.write(request.success_body("{")),
                    UNANSWERED => return Reply::Later,
                    _ => {}
                }
                writer.write(match self.routes.lock().get(header.topic) {
                    Some(route) => request.success_body(fastjson::to_vec(route)),
                    None => request.failure(response::TOPIC_NOT_EXIST, "no such topic"),
                })
            }
            code::SEND_MESSAGE_V2 | code::SEND_BATCH_MESSAGE => {
                self.sends.lock().push(request.clone());
                self.answer(&self.answer, connection, request, stored(request), writer)
            }
            code::HEART_BEAT => {
                self.heartbeats.lock().push(request.clone());
                writer.write(request.response(response::SUCCESS))
            }
            code::UPDATE_CONSUMER_OFFSET => {
                self.commits.lock().push(request.clone());
                let success = request.response(response::SUCCESS);
                self.answer(&self.answer, connection, request, success, writer)
            }
            code::QUERY_CONSUMER_OFFSET | code::GET_MIN_OFFSET | code::GET_MAX_OFFSET => {
                self.offsets_asked.fetch_add(1, Ordering::SeqCst);
                let success = request.success(&OffsetResponse { offset: 5 });
                self.answer(&self.offset_answer, connection, request, success, writer)
            }
            // There are no messages.
            code::PULL_MESSAGE => {
                self.pulls.fetch_add(1, Ordering::SeqCst);
                let Some(broker_id) = *self.suggests.lock() else { return Reply::Later };
                let none = request.success(&PullMessageResponse {
                    suggest_which_broker_id: broker_id,
                    next_begin_offset: 5,
                    max_offset: 5,
                    min_offset: 0,
                    offset_delta: None,
                    topic_sys_flag: None,
                    group_sys_flag: None,
                    forbidden_type: None,
                });
                writer.write(Command { code: response::PULL_NOT_FOUND, ..none })
            }
            _ => writer.write(request.response(response::SUCCESS)),
        }
    }
}

impl Behaviour {
    fn answer(
        &self,
        answer: &Mutex<Answer>,
        connection: &Arc<Connection>,
        request: &Command,
        success: Command,
        writer: &mut ResponseWriter<'_>,
    ) -> Reply {
        match *answer.lock() {
            Answer::Code(code) => writer.write(Command { code, ..success }),
            Answer::Silence => Reply::Later,
            Answer::Hangup => {
                connection.close();
                Reply::Later
            }
            Answer::WhenReleased => {
                let responder = Responder::new(connection, request);
                let mut released = self.released.clone();
                tokio::spawn(async move {
                    if released.wait_for(|released| *released).await.is_ok() {
                        responder.send(success);
                    }
                });
                Reply::Later
            }
        }
    }
}

fn stored(send: &Command) -> Command {
    let header: SendMessageRequestV2<'_> = send.header().unwrap();
    send.success(&SendMessageResponse {
        msg_id: "7F00000100002A9F0000000000000000",
        queue_id: header.queue_id,
        queue_offset: 5,
        transaction_id: None,
        batch_uniq_id: None,
        recall_handle: None,
    })
}

/// A name server and brokers `a`, `b` and so on, each with four queues of every topic.
pub struct Cluster {
    name_server: Server,
    brokers: Vec<(Server, Arc<Behaviour>)>,
    routes: Arc<Mutex<HashMap<String, TopicRouteData>>>,
    release: watch::Sender<bool>,
}

async fn serve(behaviour: Arc<Behaviour>) -> Server {
    Server::bind("127.0.0.1:0", behaviour, ServerOptions::default()).await.unwrap()
}

impl Cluster {
    /// A cluster that has the topic `T`; its brokers give these answers.
    pub async fn start(answers: &[Answer]) -> Cluster {
        let routes: Arc<Mutex<HashMap<String, TopicRouteData>>> = Arc::default();
        let (release, released) = watch::channel(false);
        let behaviour = |name: String, answer| {
            Arc::new(Behaviour {
                name,
                answer: Mutex::new(answer),
                offset_answer: Mutex::new(Answer::Code(response::SUCCESS)),
                offsets_asked: AtomicUsize::new(0),
                sends: Mutex::default(),
                commits: Mutex::default(),
                heartbeats: Mutex::default(),
                pulls: AtomicUsize::new(0),
                suggests: Mutex::default(),
                routes: routes.clone(),
                released: released.clone(),
            })
        };
        let name_server = serve(behaviour(String::new(), Answer::Silence)).await;
        let mut brokers = Vec::new();
        for (index, answer) in answers.iter().enumerate() {
            let broker = behaviour(char::from(b'a' + index as u8).to_string(), *answer);
            brokers.push((serve(broker.clone()).await, broker));
        }
        let cluster = Cluster { name_server, brokers, routes, release };
        cluster.add_topic("T", 4);
        cluster
    }

    /// Gives every broker `queues` queues of a topic.
    pub fn add_topic(&self, topic: &str, queues: i32) {
        let mut route = TopicRouteData::default();
        for (server, broker) in &self.brokers {
            route.queue_datas.push(QueueData {
                broker_name: broker.name.clone(),
                read_queue_nums: queues,
                write_queue_nums: queues,
                perm: 7,
                ..QueueData::default()
            });
            route.broker_datas.push(BrokerData {
                broker_name: broker.name.clone(),
                broker_addrs: [(0, server.address().to_string())].into(),
                ..BrokerData::default()
            });
        }
        self.routes.lock().insert(topic.to_string(), route);
    }

    /// Gives a broker a slave that a topic can be read from, and has the broker say so to whoever pulls.
    pub fn add_slave(&self, topic: &str, broker: usize, address: String) {
        let mut routes = self.routes.lock();
        let brokers = &mut routes.get_mut(topic).unwrap().broker_datas;
        brokers[broker].broker_addrs.insert(1, address);
        *self.brokers[broker].1.suggests.lock() = Some(1);
    }

    /// How often a broker was asked for messages.
    pub fn pulls(&self, broker: usize) -> usize {
        self.brokers[broker].1.pulls.load(Ordering::SeqCst)
    }

    pub fn remove_topic(&self, topic: &str) {
        self.routes.lock().remove(topic);
    }

    pub fn address(&self) -> String {
        self.name_server.address().to_string()
    }

    pub fn client(&self) -> ClientConfig {
        ClientConfig { namesrv_addr: self.address(), ..ClientConfig::default() }
    }

    pub fn answer(&self, broker: usize, answer: Answer) {
        *self.brokers[broker].1.answer.lock() = answer;
    }

    /// What becomes from now on of questions for an offset.
    pub fn answer_offsets(&self, broker: usize, answer: Answer) {
        *self.brokers[broker].1.offset_answer.lock() = answer;
    }

    /// How many offsets a broker was asked for.
    pub fn offsets_asked(&self, broker: usize) -> usize {
        self.brokers[broker].1.offsets_asked.load(Ordering::SeqCst)
    }

    /// Lets [`Answer::WhenReleased`] go.
    pub fn release(&self) {
        self.release.send_replace(true);
    }

    /// The sends that a broker got.
    pub fn sends(&self, broker: usize) -> Vec<Command> {
        self.brokers[broker].1.sends.lock().clone()
    }

    /// The progress that a broker was to store.
    pub fn commits(&self, broker: usize) -> Vec<Command> {
        self.brokers[broker].1.commits.lock().clone()
    }

    /// Forgets the heartbeats that a broker got, and returns them.
    pub fn take_heartbeats(&self, broker: usize) -> Vec<Command> {
        std::mem::take(&mut self.brokers[broker].1.heartbeats.lock())
    }

    /// How many sends each broker got.
    pub fn counts(&self) -> Vec<usize> {
        self.brokers.iter().map(|(_, broker)| broker.sends.lock().len()).collect()
    }
}

/// Settings with which a test that fails does not take long.
pub fn patient(millis: u64) -> ProducerConfig {
    ProducerConfig { send_msg_timeout: millis, ..ProducerConfig::default() }
}
