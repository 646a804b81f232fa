//! Administration: topics, groups, routes, progress, single messages.

use crate::config::ClientConfig;
use crate::error::{Error, ReadAnswer};
use crate::instance::{Instance, check};
use crate::message::ReceivedMessage;
use bytes::Bytes;
use ferromq_model::{MessageQueue, names};
use ferromq_protocol::Command;
use ferromq_protocol::body::{
    ClusterInfo, ConsumeStats, ConsumerConnection, KvTable, ResetOffsetBody,
    SubscriptionGroupConfig, SubscriptionGroupTable, TopicConfig, TopicConfigList,
    TopicConfigTable, TopicList, TopicRouteData, TopicStatsTable,
};
use ferromq_protocol::code::{request as code, response};
use ferromq_protocol::fastjson;
use ferromq_protocol::headers::*;
use ferromq_protocol::message_id::parse_offset_id;
use ferromq_protocol::record::{RecordView, StoredMessage, records};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long administration waits for a server.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long for a request about many topics.
const LIST_TIMEOUT: Duration = Duration::from_secs(60);

/// Asks name servers and brokers as an administrator does; cheap to clone.
#[derive(Clone)]
pub struct Admin {
    instance: Arc<Instance>,
    closed: Arc<AtomicBool>,
}

impl Admin {
    /// Connects when first asked something.
    ///
    /// # Errors
    /// [`Error::NoNameServer`].
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        let seat = Instance::join(&config, None)?;
        let instance = seat.instance();
        instance.add_producer(names::CLIENT_INNER_PRODUCER_GROUP);
        Ok(Admin { instance, closed: Arc::default() })
    }

    /// Leaves. Closing twice, or two clones, does nothing more.
    pub async fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.instance.remove_producer(names::CLIENT_INNER_PRODUCER_GROUP).await;
    }

    async fn name_server<T: DeserializeOwned>(&self, request: Command) -> Result<T, Error> {
        let operation = code::name(request.code).unwrap_or("a request");
        let (address, answer) = self.instance.ask_name_server(|| request.clone()).await?;
        let answer = check(operation, &address, answer)?;
        fastjson::from_slice(&answer.body).sent_by(&address)
    }

    async fn broker(&self, address: &str, request: Command) -> Result<Command, Error> {
        self.instance.ask(address, request, TIMEOUT).await
    }

    async fn broker_body<T: DeserializeOwned>(
        &self,
        address: &str,
        request: Command,
    ) -> Result<T, Error> {
        let answer = self.broker(address, request).await?;
        fastjson::from_slice(&answer.body).sent_by(address)
    }

    /// Every broker of every cluster.
    ///
    /// # Errors
    /// As requests to name servers.
    pub async fn cluster_info(&self) -> Result<ClusterInfo, Error> {
        self.name_server(Command::request(code::GET_BROKER_CLUSTER_INFO)).await
    }

    /// The addresses of all master brokers, at least one.
    ///
    /// # Errors
    /// [`Error::NoBroker`]; otherwise as requests to name servers.
    pub async fn masters(&self) -> Result<Vec<String>, Error> {
        let cluster = self.cluster_info().await?;
        let brokers = cluster.broker_addr_table.into_values();
        let masters: Vec<String> =
            brokers.filter_map(|broker| broker.master().map(str::to_string)).collect();
        match masters.is_empty() {
            true => Err(Error::NoBroker { addresses: self.instance.name_servers().join(";") }),
            false => Ok(masters),
        }
    }

    /// The names of all topics.
    ///
    /// # Errors
    /// As requests to name servers.
    pub async fn topics(&self) -> Result<Vec<String>, Error> {
        let request = Command::request(code::GET_ALL_TOPIC_LIST_FROM_NAMESERVER);
        let mut topics = self.name_server::<TopicList>(request).await?.topic_list;
        topics.sort();
        Ok(topics)
    }

    /// Where a topic's queues are; `None` when no broker has it.
    ///
    /// # Errors
    /// As requests to name servers.
    pub async fn route(&self, topic: &str) -> Result<Option<TopicRouteData>, Error> {
        Ok(self.instance.refresh(topic).await?.map(|route| route.data.clone()))
    }

    async fn masters_of(&self, topic: &str) -> Result<Vec<(String, String)>, Error> {
        let route = self
            .route(topic)
            .await?
            .ok_or_else(|| Error::TopicNotFound { topic: topic.to_string() })?;
        let brokers = route.broker_datas.iter();
        Ok(brokers
            .filter_map(|broker| {
                Some((broker.broker_name.clone(), broker.any_address()?.to_string()))
            })
            .collect())
    }

    /// Creates a topic on every master broker, or changes it.
    ///
    /// # Errors
    /// The first broker's that refuses; others may have done it.
    pub async fn create_topic(&self, topic: &TopicConfig) -> Result<(), Error> {
        names::check_topic(&topic.topic_name)?;
        for address in self.masters().await? {
            self.create_topic_on(&address, topic).await?;
        }
        Ok(())
    }

    /// Creates many topics on every master broker, or changes them: in one request if the broker
    /// can (5.3 and later), otherwise one after the other.
    ///
    /// # Errors
    /// The first broker's that refuses; others may have done it, and it may have done a part.
    pub async fn create_topics(&self, topics: &[TopicConfig]) -> Result<(), Error> {
        topics.iter().try_for_each(|topic| names::check_topic(&topic.topic_name))?;
        let list = TopicConfigList { topic_config_list: topics.to_vec() };
        let body = Bytes::from(fastjson::to_vec(&list));
        for address in self.masters().await? {
            let request =
                Command::request(code::UPDATE_AND_CREATE_TOPIC_LIST).with_body(body.clone());
            let answer = self.instance.invoke(&address, request, LIST_TIMEOUT).await?;
            if answer.code != response::REQUEST_CODE_NOT_SUPPORTED {
                check("UPDATE_AND_CREATE_TOPIC_LIST", &address, answer)?;
                continue;
            }
            for topic in topics {
                self.create_topic_on(&address, topic).await?;
            }
        }
        Ok(())
    }

    async fn create_topic_on(&self, address: &str, topic: &TopicConfig) -> Result<(), Error> {
        let header = CreateTopicRequest {
            topic: &topic.topic_name,
            default_topic: Some(names::DEFAULT_TOPIC),
            read_queue_nums: topic.read_queue_nums,
            write_queue_nums: topic.write_queue_nums,
            perm: topic.perm,
            topic_filter_type: Some(&topic.topic_filter_type),
            topic_sys_flag: Some(topic.topic_sys_flag),
            order: topic.order,
            attributes: None,
        };
        let request = Command::request_with(code::UPDATE_AND_CREATE_TOPIC, &header);
        self.broker(address, request).await.map(drop)
    }

    /// Deletes a topic from every broker and every name server.
    ///
    /// # Errors
    /// The first server's that refuses.
    pub async fn delete_topic(&self, topic: &str) -> Result<(), Error> {
        for address in self.masters().await? {
            let header = TopicRequest { topic, lo: None };
            self.broker(&address, Command::request_with(code::DELETE_TOPIC_IN_BROKER, &header))
                .await?;
        }
        for address in self.instance.name_servers() {
            let header = DeleteTopicInNamesrvRequest { topic, cluster_name: None };
            let request = Command::request_with(code::DELETE_TOPIC_IN_NAMESRV, &header);
            self.instance.ask(address, request, TIMEOUT).await?;
        }
        Ok(())
    }

    /// Every topic that a broker has.
    ///
    /// # Errors
    /// As requests to brokers.
    pub async fn topic_table(&self, address: &str) -> Result<TopicConfigTable, Error> {
        self.broker_body(address, Command::request(code::GET_ALL_TOPIC_CONFIG)).await
    }

    /// The extent of each queue of a topic.
    ///
    /// # Errors
    /// [`Error::TopicNotFound`]; otherwise as requests to brokers.
    pub async fn topic_stats(&self, topic: &str) -> Result<TopicStatsTable, Error> {
        let mut all = TopicStatsTable::default();
        for (_, address) in self.masters_of(topic).await? {
            let stats = self.topic_stats_of(&address, topic).await?;
            all.offset_table.0.extend(stats.offset_table.0);
            all.topic_put_tps += stats.topic_put_tps;
        }
        Ok(all)
    }

    /// The extent of each queue that a topic has on one broker.
    ///
    /// # Errors
    /// As requests to brokers.
    pub async fn topic_stats_of(
        &self,
        address: &str,
        topic: &str,
    ) -> Result<TopicStatsTable, Error> {
        let request =
            Command::request_with(code::GET_TOPIC_STATS_INFO, &TopicRequest { topic, lo: None });
        self.broker_body(address, request).await
    }

    /// Every consumer group, by name.
    ///
    /// # Errors
    /// As requests to brokers.
    pub async fn groups(&self) -> Result<BTreeMap<String, SubscriptionGroupConfig>, Error> {
        let mut groups = BTreeMap::new();
        for address in self.masters().await? {
            let request = Command::request(code::GET_ALL_SUBSCRIPTIONGROUP_CONFIG);
            let table: SubscriptionGroupTable = self.broker_body(&address, request).await?;
            groups.extend(table.subscription_group_table);
        }
        Ok(groups)
    }

    /// Creates a consumer group on every master broker, or changes it.
    ///
    /// # Errors
    /// The first broker's that refuses.
    pub async fn create_group(&self, group: &SubscriptionGroupConfig) -> Result<(), Error> {
        names::check_group(&group.group_name)?;
        for address in self.masters().await? {
            let request = Command::request(code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP)
                .with_body(fastjson::to_vec(group));
            self.broker(&address, request).await?;
        }
        Ok(())
    }

    /// Deletes a consumer group and its progress.
    ///
    /// # Errors
    /// The first broker's that refuses.
    pub async fn delete_group(&self, group: &str) -> Result<(), Error> {
        for address in self.masters().await? {
            let header = DeleteGroupRequest {
                group_name: group,
                clean_offset: Some(true),
                remove_offset: Some(true),
            };
            self.broker(&address, Command::request_with(code::DELETE_SUBSCRIPTIONGROUP, &header))
                .await?;
        }
        Ok(())
    }

    /// A group's progress in each queue, in one topic or in all.
    ///
    /// # Errors
    /// As requests to brokers.
    pub async fn consume_stats(
        &self,
        group: &str,
        topic: Option<&str>,
    ) -> Result<ConsumeStats, Error> {
        let mut all = ConsumeStats::default();
        for address in self.masters().await? {
            let header = ConsumeStatsRequest { consumer_group: group, topic, topic_list: None };
            let request = Command::request_with(code::GET_CONSUME_STATS, &header);
            let stats: ConsumeStats = self.broker_body(&address, request).await?;
            all.consume_tps += stats.consume_tps;
            all.offset_table.0.extend(stats.offset_table.0);
        }
        Ok(all)
    }

    /// The members of a group; `None` when nobody is connected.
    ///
    /// # Errors
    /// As requests to brokers.
    pub async fn consumer_connections(
        &self,
        group: &str,
    ) -> Result<Option<ConsumerConnection>, Error> {
        for address in self.masters().await? {
            let header = ConsumerGroupRequest { consumer_group: group };
            let request = Command::request_with(code::GET_CONSUMER_CONNECTION_LIST, &header);
            let answer = self.instance.invoke(&address, request, TIMEOUT).await?;
            if answer.code != response::CONSUMER_NOT_ONLINE {
                let answer = check("GET_CONSUMER_CONNECTION_LIST", &address, answer)?;
                return fastjson::from_slice(&answer.body).sent_by(&address).map(Some);
            }
        }
        Ok(None)
    }

    /// Moves a group's progress in a topic to a time in ms; -1 is the end. Works whether or not the
    /// group is connected. Returns the new offsets.
    ///
    /// # Errors
    /// [`Error::TopicNotFound`]; otherwise as requests to brokers.
    pub async fn reset_offset(
        &self,
        group: &str,
        topic: &str,
        time: i64,
    ) -> Result<BTreeMap<MessageQueue, i64>, Error> {
        let mut all = BTreeMap::new();
        for (name, address) in self.masters_of(topic).await? {
            let header = ResetOffsetRequest {
                topic,
                group,
                timestamp: time,
                is_force: true,
                queue_id: Some(-1),
                offset: Some(-1),
            };
            let request = Command::request_with(code::INVOKE_BROKER_TO_RESET_OFFSET, &header);
            let answer = self.instance.invoke(&address, request, TIMEOUT).await?;
            if answer.code == response::CONSUMER_NOT_ONLINE {
                all.extend(self.reset_offline(group, topic, time, &name, &address).await?);
                continue;
            }
            let answer = check("INVOKE_BROKER_TO_RESET_OFFSET", &address, answer)?;
            let body: ResetOffsetBody = fastjson::from_slice(&answer.body).sent_by(&address)?;
            all.extend(body.offset_table.0);
        }
        Ok(all)
    }

    /// Moves the progress of a group that is not connected, on a broker that cannot by itself.
    async fn reset_offline(
        &self,
        group: &str,
        topic: &str,
        time: i64,
        broker: &str,
        address: &str,
    ) -> Result<BTreeMap<MessageQueue, i64>, Error> {
        let stats = self.topic_stats_of(address, topic).await?;
        let mut offsets = BTreeMap::new();
        for (queue, extent) in
            stats.offset_table.0.into_iter().filter(|(q, _)| q.broker_name == broker)
        {
            let offset = match time {
                -1 => extent.max_offset,
                time => self.search_offset(address, &queue, time).await?,
            };
            let header = UpdateConsumerOffsetRequest {
                consumer_group: group,
                topic,
                queue_id: queue.queue_id,
                commit_offset: offset,
                broker_name: None,
            };
            self.broker(address, Command::request_with(code::UPDATE_CONSUMER_OFFSET, &header))
                .await?;
            offsets.insert(queue, offset);
        }
        Ok(offsets)
    }

    /// The offset of a queue at a time in ms.
    ///
    /// # Errors
    /// As requests to brokers.
    pub async fn search_offset(
        &self,
        address: &str,
        queue: &MessageQueue,
        time: i64,
    ) -> Result<i64, Error> {
        let header = SearchOffsetRequest {
            topic: &queue.topic,
            queue_id: queue.queue_id,
            timestamp: time,
            boundary_type: None,
            broker_name: None,
        };
        let request = Command::request_with(code::SEARCH_OFFSET_BY_TIMESTAMP, &header);
        let answer = self.broker(address, request).await?;
        Ok(answer.header::<OffsetResponse>().sent_by(address)?.offset)
    }

    /// The message with an offset message id, from the broker that the id names.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the text is no such id; [`Error::Refused`] when there is no
    /// such message.
    pub async fn view_message(&self, offset_message_id: &str) -> Result<ReceivedMessage, Error> {
        let (host, offset) = parse_offset_id(offset_message_id).ok_or_else(|| {
            Error::InvalidArgument(format!("`{offset_message_id}` is no offset message id"))
        })?;
        let address = host.to_string();
        let header = ViewMessageRequest { topic: None, offset };
        let request = Command::request_with(code::VIEW_MESSAGE_BY_ID, &header);
        let answer = self.broker(&address, request).await?;
        let record =
            RecordView::parse(&answer.body).map_err(|error| Error::malformed(&address, error))?;
        Ok(read_message(&answer.body, &record))
    }

    /// Messages of a topic with a key, or with a unique message id, of all time.
    ///
    /// # Errors
    /// [`Error::TopicNotFound`]; otherwise as requests to brokers.
    pub async fn query_messages(
        &self,
        topic: &str,
        wanted: &str,
        max: i32,
    ) -> Result<Vec<ReceivedMessage>, Error> {
        let mut found = Vec::new();
        for (_, address) in self.masters_of(topic).await? {
            for unique in [false, true] {
                let header = QueryMessageRequest {
                    topic,
                    key: wanted,
                    max_num: max,
                    begin_timestamp: 0,
                    end_timestamp: i64::MAX,
                    unique_key_query: Some(unique),
                };
                let request = Command::request_with(code::QUERY_MESSAGE, &header);
                let answer = self.instance.invoke(&address, request, TIMEOUT).await?;
                if answer.code == response::QUERY_NOT_FOUND {
                    continue;
                }
                let answer = check("QUERY_MESSAGE", &address, answer)?;
                for record in records(&answer.body) {
                    let record = record.map_err(|error| Error::malformed(&address, error))?;
                    found.push(read_message(&answer.body, &record));
                }
            }
        }
        // The broker compares hashes only.
        let has_key = |message: &ReceivedMessage| {
            message.message_id == wanted
                || message.keys().is_some_and(|keys| keys.split(' ').any(|key| key == wanted))
        };
        found.retain(|message| message.topic == topic && has_key(message));
        found.sort_by_key(|message| (message.store_timestamp, message.physical_offset));
        found.dedup_by(|a, b| a.offset_message_id == b.offset_message_id);
        found.truncate(max.max(0) as usize);
        Ok(found)
    }

    /// What a broker tells about itself.
    ///
    /// # Errors
    /// As requests to brokers.
    pub async fn runtime_info(&self, address: &str) -> Result<BTreeMap<String, String>, Error> {
        let table: KvTable =
            self.broker_body(address, Command::request(code::GET_BROKER_RUNTIME_INFO)).await?;
        Ok(table.table)
    }

    /// A broker's settings, one `key=value` a line.
    ///
    /// # Errors
    /// As requests to brokers.
    pub async fn broker_config(&self, address: &str) -> Result<String, Error> {
        let answer = self.broker(address, Command::request(code::GET_BROKER_CONFIG)).await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Changes a broker's settings: `key=value` lines.
    ///
    /// # Errors
    /// As requests to brokers.
    pub async fn update_broker_config(&self, address: &str, settings: &str) -> Result<(), Error> {
        let body = Bytes::copy_from_slice(settings.as_bytes());
        self.broker(address, Command::request(code::UPDATE_BROKER_CONFIG).with_body(body))
            .await
            .map(drop)
    }
}

fn read_message(source: &Bytes, record: &RecordView<'_>) -> ReceivedMessage {
    ReceivedMessage::new(StoredMessage::decode(source, record), "")
}
