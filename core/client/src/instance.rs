//! What producers and consumers of a process share: connections, routes, heartbeats.
//!
//! Clients of a runtime with the same name servers and instance name share an [`Instance`], unless
//! two consumers of one group meet: brokers tell members of a group apart by their connections, so
//! the second gets an instance of its own.

mod from_broker;

use crate::config::ClientConfig;
use crate::error::{Error, ReadAnswer};
use crate::route::{Route, may_be_created};
use async_trait::Boxed;
use ferromq_model::{names, perm};
use ferromq_net::{ConnectOptions, Connection, Connections};
use ferromq_protocol::Command;
use ferromq_protocol::body::{ConsumerData, HeartbeatData, ProducerData, TopicRouteData};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::{ConsumerGroupRequest, RouteRequest, UnregisterClientRequest};
use ferromq_protocol::message_id::UniqueIds;
use foldhash::fast::RandomState;
use from_broker::FromBroker;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::{self, Handle};
use tokio::task::JoinHandle;

/// A consumer as its instance sees it.
pub(crate) trait Member: Send + Sync {
    /// The group.
    fn group(&self) -> &str;
    /// What heartbeats say about it.
    fn heartbeat(&self) -> ConsumerData;
    /// The group's members or the topics' queues may have changed.
    fn rebalance(&self);
    /// Answers what a broker asks of this group's consumer.
    fn asked(self: Arc<Self>, request: Command) -> Boxed<Option<Command>>;
}

/// Small helpers for futures in trait objects.
pub(crate) mod async_trait {
    use std::pin::Pin;

    /// A future that can be stored and sent.
    pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
}

/// How long stopping waits for a broker to hear of it.
const FAREWELL: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Members {
    producers: BTreeMap<String, usize>,
    consumers: BTreeMap<String, Arc<dyn Member>>,
    /// Clients that have joined and are about to be added: the consumers' groups, empty for others.
    joining: Vec<String>,
}

impl Members {
    fn is_empty(&self) -> bool {
        self.producers.is_empty() && self.consumers.is_empty() && self.joining.is_empty()
    }

    fn has_consumer(&self, group: &str) -> bool {
        self.consumers.contains_key(group) || self.joining.iter().any(|joining| joining == group)
    }
}

/// A place in an instance for a client that is being started. While it is held the instance does
/// not stop, even when its last client leaves.
pub(crate) struct Seat {
    instance: Arc<Instance>,
    group: String,
}

impl Seat {
    pub(crate) fn instance(&self) -> Arc<Instance> {
        self.instance.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        {
            let mut members = self.instance.members.lock();
            if let Some(index) = members.joining.iter().position(|group| *group == self.group) {
                members.joining.swap_remove(index);
            }
        }
        self.instance.stop_if_unused();
    }
}

/// The shared part of clients.
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) config: ClientConfig,
    pub(crate) ids: UniqueIds,
    name_servers: Vec<String>,
    current_name_server: AtomicUsize,
    connections: Arc<Connections>,
    routes: Mutex<HashMap<String, Arc<Route>, RandomState>>,
    /// Addresses by broker name and broker id.
    brokers: Mutex<HashMap<String, BTreeMap<i64, String>, RandomState>>,
    members: Mutex<Members>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// By the runtime too: connections end with the runtime that they were made on.
type Registry = HashMap<(runtime::Id, String, String), Vec<Weak<Instance>>>;

fn registry() -> &'static Mutex<Registry> {
    static REGISTRY: OnceLock<Mutex<Registry>> = OnceLock::new();
    REGISTRY.get_or_init(Mutex::default)
}

impl Instance {
    /// An instance that has no consumer of `group` yet: a shared one, or a new one.
    pub(crate) fn join(config: &ClientConfig, consumer_group: Option<&str>) -> Result<Seat, Error> {
        let group = consumer_group.unwrap_or_default().to_string();
        let runtime = Handle::current().id();
        let key = (runtime, config.namesrv_addr.clone(), config.instance_name.clone());
        let mut registry = registry().lock();
        registry.retain(|_, instances| {
            instances.retain(|instance| instance.strong_count() > 0);
            !instances.is_empty()
        });
        let alone =
            !registry.keys().any(|(_, addresses, name)| (addresses, name) == (&key.1, &key.2));
        let instances = registry.entry(key).or_default();
        // One without clients has stopped, or is about to.
        let take_seat = |instance: &Arc<Instance>| {
            let mut members = instance.members.lock();
            let free = !members.is_empty()
                && consumer_group.is_none_or(|group| !members.has_consumer(group));
            if free {
                members.joining.push(group.clone());
            }
            free
        };
        if let Some(shared) = instances.iter().filter_map(Weak::upgrade).find(take_seat) {
            return Ok(Seat { instance: shared, group });
        }
        let instance = Instance::new(config.clone(), alone)?;
        instance.members.lock().joining.push(group.clone());
        instances.push(Arc::downgrade(&instance));
        Ok(Seat { instance, group })
    }

    /// `alone`: no other of this process has the same name servers and the same name.
    fn new(config: ClientConfig, alone: bool) -> Result<Arc<Self>, Error> {
        let name_servers: Vec<String> = config
            .namesrv_addr
            .split([';', ','])
            .map(str::trim)
            .filter(|address| !address.is_empty())
            .map(str::to_string)
            .collect();
        let Some(first) = name_servers.first() else { return Err(Error::NoNameServer) };
        for address in &name_servers {
            let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
            if !matches!(port, Some(Ok(1..))) {
                return Err(Error::InvalidArgument(format!(
                    "namesrvAddr has `{address}`: expected host:port, as in `127.0.0.1:9876`"
                )));
            }
        }
        let ip = own_address(first);
        let (process, nanos) = (std::process::id(), nanos());
        let name = match config.instance_name.as_str() {
            // Two instances of one process must differ too.
            "DEFAULT" => format!("{process}#{nanos}{:03}", sequence()),
            // So must those that the application has given one name: brokers would take them for one member of
            // a group, and queues that are another's for this one's.
            name if alone => name.to_string(),
            name => format!("{name}#{:03}", sequence()),
        };
        let instance = Arc::new_cyclic(|weak: &Weak<Instance>| {
            let service = Arc::new(FromBroker(weak.clone()));
            let timeout = Duration::from_millis(config.connect_timeout);
            let options = ConnectOptions { timeout, ..ConnectOptions::default() };
            Instance {
                id: format!("{ip}@{name}"),
                ids: UniqueIds::new(ip, process, nanos as u32 ^ sequence() as u32),
                current_name_server: AtomicUsize::new(nanos as usize % name_servers.len()),
                name_servers,
                connections: Arc::new(Connections::new(service, options)),
                routes: Mutex::default(),
                brokers: Mutex::default(),
                members: Mutex::default(),
                tasks: Mutex::default(),
                config,
            }
        });
        instance.start();
        Ok(instance)
    }

    fn start(self: &Arc<Self>) {
        let (routes, beats) =
            (self.config.poll_name_server_interval, self.config.heartbeat_broker_interval);
        let tasks = [
            periodic(self, routes, |instance| async move { instance.refresh_routes().await }),
            periodic(self, beats, |instance| async move { instance.heartbeat_all().await }),
        ];
        self.tasks.lock().extend(tasks);
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.config.mq_client_api_timeout)
    }

    pub(crate) fn add_producer(&self, group: &str) {
        *self.members.lock().producers.entry(group.to_string()).or_default() += 1;
    }

    /// Adds a consumer; fails when another of its group is here already.
    pub(crate) fn add_consumer(&self, member: Arc<dyn Member>) -> bool {
        let mut members = self.members.lock();
        if members.consumers.contains_key(member.group()) {
            return false;
        }
        members.consumers.insert(member.group().to_string(), member);
        true
    }

    /// Takes a producer off, and tells the brokers when it was the last of its group.
    pub(crate) async fn remove_producer(&self, group: &str) {
        let last = {
            let mut members = self.members.lock();
            match members.producers.get_mut(group) {
                Some(count) if *count > 1 => {
                    *count -= 1;
                    false
                }
                Some(_) => members.producers.remove(group).is_some(),
                None => false,
            }
        };
        if last {
            self.unregister(Some(group), None).await;
        }
        self.stop_if_unused();
    }

    /// Takes a consumer off and tells the brokers.
    pub(crate) async fn remove_consumer(&self, group: &str) {
        if self.members.lock().consumers.remove(group).is_some() {
            self.unregister(None, Some(group)).await;
        }
        self.stop_if_unused();
    }

    fn stop_if_unused(&self) {
        if self.members.lock().is_empty() {
            self.tasks.lock().drain(..).for_each(|task| task.abort());
            self.connections.close();
        }
    }

    async fn unregister(&self, producer_group: Option<&str>, consumer_group: Option<&str>) {
        let header =
            UnregisterClientRequest { client_id: &self.id, producer_group, consumer_group };
        for address in self.connected_brokers() {
            let request = Command::request_with(code::UNREGISTER_CLIENT, &header);
            if let Err(error) = self.connections.invoke(&address, request, FAREWELL).await {
                tracing::debug!(address, %error, "a broker does not hear that a client leaves");
            }
        }
    }

    /// The addresses with an open connection, sorted.
    pub(crate) fn open_connections(&self) -> Vec<String> {
        let mut open = self.connections.open_addresses();
        open.sort();
        open
    }

    fn connected_brokers(&self) -> Vec<String> {
        let open: BTreeSet<String> = self.connections.open_addresses().into_iter().collect();
        let brokers = self.brokers.lock();
        let all: BTreeSet<&String> = brokers.values().flat_map(BTreeMap::values).collect();
        all.into_iter().filter(|address| open.contains(*address)).cloned().collect()
    }

    /// Sends a request and returns its answer, whatever that says.
    pub(crate) async fn invoke(
        &self,
        address: &str,
        request: Command,
        timeout: Duration,
    ) -> Result<Command, Error> {
        Ok(self.connections.invoke(address, request, timeout).await?)
    }

    /// Sends a request and returns its answer if that is a success.
    pub(crate) async fn ask(
        &self,
        address: &str,
        request: Command,
        timeout: Duration,
    ) -> Result<Command, Error> {
        let operation = code::name(request.code).unwrap_or("a request");
        let answer = self.connections.invoke(address, request, timeout).await?;
        check(operation, address, answer)
    }

    /// Sends a request that wants no answer.
    pub(crate) async fn send(&self, address: &str, request: Command) -> Result<(), Error> {
        Ok(self.connections.send(address, request).await?)
    }

    /// Asks the name servers, beginning with the one that answered last, until one answers.
    pub(crate) async fn ask_name_server(
        &self,
        request: impl Fn() -> Command,
    ) -> Result<(String, Command), Error> {
        let first = self.current_name_server.load(Ordering::Relaxed);
        let mut last = None;
        for turn in 0..self.name_servers.len() {
            let index = (first + turn) % self.name_servers.len();
            let address = &self.name_servers[index];
            let next = (index + 1) % self.name_servers.len();
            let passed_over = PassOver { current: &self.current_name_server, next };
            let answer = self.connections.invoke(address, request(), self.timeout()).await;
            drop(passed_over);
            match answer {
                Ok(answer) => {
                    self.current_name_server.store(index, Ordering::Relaxed);
                    return Ok((address.clone(), answer));
                }
                Err(error) => {
                    tracing::debug!(address, %error, "name server does not answer");
                    last = Some(error);
                }
            }
        }
        match last {
            Some(source) => {
                Err(Error::NameServersDown { addresses: self.name_servers.join(";"), source })
            }
            None => Err(Error::NoNameServer),
        }
    }

    pub(crate) fn name_servers(&self) -> &[String] {
        &self.name_servers
    }

    /// The route of a topic as the name server has it; `None` when it has none.
    async fn fetch(&self, topic: &str) -> Result<Option<TopicRouteData>, Error> {
        let header = RouteRequest {
            topic,
            accept_standard_json_only: Some(true),
            zone_name: None,
            zone_mode: None,
        };
        let request = || Command::request_with(code::GET_ROUTEINFO_BY_TOPIC, &header);
        let (address, answer) = self.ask_name_server(request).await?;
        if answer.code == response::TOPIC_NOT_EXIST {
            return Ok(None);
        }
        let answer = check("GET_ROUTEINFO_BY_TOPIC", &address, answer)?;
        fastjson::from_slice(&answer.body).sent_by(&address).map(Some)
    }

    /// The route of a topic: the one known, or else the name server's.
    pub(crate) async fn route(&self, topic: &str) -> Result<Option<Arc<Route>>, Error> {
        if let Some(route) = self.known_route(topic) {
            return Ok(Some(route));
        }
        self.refresh(topic).await
    }

    pub(crate) fn known_route(&self, topic: &str) -> Option<Arc<Route>> {
        self.routes.lock().get(topic).cloned()
    }

    /// The route of a topic that messages can be sent to, if it is known.
    pub(crate) fn publishable_route(&self, topic: &str) -> Option<Arc<Route>> {
        let routes = self.routes.lock();
        routes.get(topic).filter(|route| !route.writable.is_empty()).cloned()
    }

    /// Fetches the route of a topic; an unknown one keeps what was known before.
    pub(crate) async fn refresh(&self, topic: &str) -> Result<Option<Arc<Route>>, Error> {
        match self.fetch(topic).await? {
            Some(data) => Ok(Some(self.remember(topic, Route::new(topic, data)))),
            None => Ok(self.known_route(topic)),
        }
    }

    /// The route to send to a topic, made from the default topic's if it does not exist yet.
    pub(crate) async fn publish_route(
        &self,
        topic: &str,
        queues: i32,
    ) -> Result<Arc<Route>, Error> {
        if let Some(route) = self.publishable_route(topic) {
            return Ok(route);
        }
        if let Some(route) = self.refresh(topic).await? {
            return Ok(route);
        }
        let not_found = || Error::TopicNotFound { topic: topic.to_string() };
        if !may_be_created(topic) {
            return Err(not_found());
        }
        let default = self.fetch(names::DEFAULT_TOPIC).await?.ok_or_else(not_found)?;
        if !default.queue_datas.iter().any(|queue| perm::inheritable(queue.perm)) {
            return Err(not_found());
        }
        // Not kept: the next send asks again, and finds the topic that this one created.
        let route = Route::from_default(topic, default, queues);
        self.learn_brokers(&route);
        Ok(Arc::new(route))
    }

    fn remember(&self, topic: &str, route: Route) -> Arc<Route> {
        let mut routes = self.routes.lock();
        if let Some(known) = routes.get(topic).filter(|known| known.data == route.data) {
            return known.clone();
        }
        self.learn_brokers(&route);
        let route = Arc::new(route);
        routes.insert(topic.to_string(), route.clone());
        route
    }

    fn learn_brokers(&self, route: &Route) {
        let mut brokers = self.brokers.lock();
        for broker in route.brokers() {
            brokers.insert(broker.broker_name.clone(), broker.broker_addrs.clone());
        }
    }

    /// Fetches the routes of every topic in use, and forgets brokers that none of them has.
    pub(crate) async fn refresh_routes(&self) {
        let mut topics: BTreeSet<String> = self.routes.lock().keys().cloned().collect();
        let consumers: Vec<_> = self.members.lock().consumers.values().cloned().collect();
        for consumer in &consumers {
            let data = consumer.heartbeat();
            topics.extend(data.subscription_data_set.into_iter().map(|s| s.topic));
        }
        let mut changed = false;
        for topic in topics {
            let before = self.known_route(&topic);
            match self.refresh(&topic).await {
                Ok(after) => {
                    changed |=
                        before.map(|route| Arc::as_ptr(&route)) != after.as_ref().map(Arc::as_ptr);
                }
                Err(error) => {
                    tracing::warn!(topic, %error, "the topic's route cannot be refreshed");
                    if matches!(error, Error::NameServersDown { .. }) {
                        // The others would be waited for as long.
                        break;
                    }
                }
            }
        }
        if changed {
            self.forget_brokers();
            consumers.iter().for_each(|consumer| consumer.rebalance());
        }
    }

    fn forget_brokers(&self) {
        let routes = self.routes.lock();
        let named: BTreeSet<&str> = routes
            .values()
            .flat_map(|route| route.brokers())
            .map(|b| b.broker_name.as_str())
            .collect();
        self.brokers.lock().retain(|name, _| named.contains(name.as_str()));
    }

    /// The master of a broker group.
    pub(crate) fn master(&self, broker: &str) -> Result<String, Error> {
        let brokers = self.brokers.lock();
        let address = brokers.get(broker).and_then(|addresses| addresses.get(&0));
        address.cloned().ok_or_else(|| Error::BrokerUnknown { broker: broker.to_string() })
    }

    /// The connection to the master of a broker group, if there is one.
    pub(crate) fn connected_master(&self, broker: &str) -> Option<Arc<Connection>> {
        self.connections.open(self.brokers.lock().get(broker)?.get(&0)?)
    }

    /// A broker of a group to read from: the one with this id, or any.
    pub(crate) fn reader(&self, broker: &str, id: i64) -> Result<(String, bool), Error> {
        let brokers = self.brokers.lock();
        let unknown = || Error::BrokerUnknown { broker: broker.to_string() };
        let addresses = brokers.get(broker).ok_or_else(unknown)?;
        let found = addresses
            .get_key_value(&id)
            .or_else(|| addresses.get_key_value(&(id + 1)).filter(|_| id != 0))
            .or_else(|| addresses.first_key_value());
        found.map(|(id, address)| (address.clone(), *id == 0)).ok_or_else(unknown)
    }

    fn heartbeat_body(&self) -> Vec<u8> {
        let members = self.members.lock();
        let inner = names::CLIENT_INNER_PRODUCER_GROUP.to_string();
        let producers = members.producers.keys().cloned().chain([inner]);
        let data = HeartbeatData {
            client_id: self.id.clone(),
            consumer_data_set: members.consumers.values().map(|c| c.heartbeat()).collect(),
            heartbeat_fingerprint: 0,
            producer_data_set: producers.map(|group_name| ProducerData { group_name }).collect(),
            without_sub: false,
        };
        fastjson::to_vec(&data)
    }

    /// Tells every known broker that this client lives: masters, and slaves if anything consumes.
    pub(crate) async fn heartbeat_all(&self) {
        let consumes = !self.members.lock().consumers.is_empty();
        let addresses: BTreeSet<String> = {
            let brokers = self.brokers.lock();
            let all = brokers.values().flatten();
            all.filter(|(id, _)| **id == 0 || consumes)
                .map(|(_, address)| address.clone())
                .collect()
        };
        let body = bytes::Bytes::from(self.heartbeat_body());
        let mut beats = tokio::task::JoinSet::new();
        for address in addresses {
            let request = Command::request(code::HEART_BEAT).with_body(body.clone());
            let (connections, timeout) = (self.connections.clone(), self.timeout());
            // Side by side: a broker that cannot be reached does not keep the others waiting.
            beats.spawn(async move {
                match connections.invoke(&address, request, timeout).await {
                    Ok(answer) if answer.code == response::SUCCESS => {}
                    Ok(answer) => tracing::warn!(address, code = answer.code, "heartbeat refused"),
                    Err(error) => tracing::debug!(address, %error, "heartbeat failed"),
                }
            });
        }
        while beats.join_next().await.is_some() {}
    }

    fn consumer(&self, group: &str) -> Option<Arc<dyn Member>> {
        self.members.lock().consumers.get(group).cloned()
    }
}

/// Has whoever asks next begin with another name server, also when the one who asked has given up before
/// this one did not answer: sends wait no longer than requests to name servers do.
struct PassOver<'a> {
    current: &'a AtomicUsize,
    next: usize,
}

impl Drop for PassOver<'_> {
    fn drop(&mut self) {
        self.current.store(self.next, Ordering::Relaxed);
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.tasks.lock().drain(..).for_each(|task| task.abort());
    }
}

/// Turns an answer that is no success into an error.
pub(crate) fn check(
    operation: &'static str,
    address: &str,
    answer: Command,
) -> Result<Command, Error> {
    if answer.code == response::SUCCESS {
        return Ok(answer);
    }
    Err(Error::Refused {
        operation,
        address: address.to_string(),
        code: answer.code,
        remark: answer.remark().to_string(),
    })
}

fn periodic<F: Future<Output = ()> + Send>(
    instance: &Arc<Instance>,
    millis: u64,
    work: impl Fn(Arc<Instance>) -> F + Send + Sync + 'static,
) -> JoinHandle<()> {
    let instance = Arc::downgrade(instance);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            let Some(instance) = instance.upgrade() else { return };
            work(instance).await;
        }
    })
}

/// The address of this host on the way to a name server; nothing is sent.
fn own_address(name_server: &str) -> IpAddr {
    let found = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect(name_server)?;
        socket.local_addr()
    });
    found.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

fn nanos() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

fn sequence() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The members of a group, sorted; `None` when the broker knows nobody.
pub(crate) async fn group_members(
    instance: &Instance,
    address: &str,
    group: &str,
) -> Result<Option<Vec<String>>, Error> {
    let header = ConsumerGroupRequest { consumer_group: group };
    let request = Command::request_with(code::GET_CONSUMER_LIST_BY_GROUP, &header);
    let answer = instance.invoke(address, request, instance.timeout()).await?;
    if answer.code != response::SUCCESS {
        return Ok(None);
    }
    let list: ferromq_protocol::body::ConsumerIdList =
        fastjson::from_slice(&answer.body).sent_by(address)?;
    let mut ids = list.consumer_id_list;
    // By UTF-16 code units, as Java compares.
    ids.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
    Ok((!ids.is_empty()).then_some(ids))
}
