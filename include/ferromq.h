/* FerroMQ for C and C++: docs/c.md. Written by `scripts/ffi.sh --update` from ffi/src; do not edit. */

#ifndef FERROMQ_H
#define FERROMQ_H

#include <stddef.h>
#include <stdint.h>

/**
 * The version of this interface. It grows when something that exists changes, which is not planned.
 */
#define FERROMQ_ABI_VERSION 1

/**
 * How many messages of `ferromq_producer_send_async` may be on their way or wait to be polled for.
 */
#define FERROMQ_MAX_COMPLETIONS 65536

/**
 * Nothing is said.
 */
#define FERROMQ_LOG_OFF 0

/**
 * What went wrong for good.
 */
#define FERROMQ_LOG_ERROR 1

/**
 * What went wrong and is tried again, or needs a look.
 */
#define FERROMQ_LOG_WARN 2

/**
 * What is worth knowing.
 */
#define FERROMQ_LOG_INFO 3

/**
 * For finding mistakes.
 */
#define FERROMQ_LOG_DEBUG 4

/**
 * Everything.
 */
#define FERROMQ_LOG_TRACE 5

/**
 * The broker has stored the message.
 */
#define FERROMQ_SEND_OK 0

/**
 * The broker has stored it, but could not write it to disk in time.
 */
#define FERROMQ_SEND_FLUSH_DISK_TIMEOUT 1

/**
 * The broker has stored it, but its slave did not confirm in time.
 */
#define FERROMQ_SEND_FLUSH_SLAVE_TIMEOUT 2

/**
 * The broker has stored it, but has no slave although it should.
 */
#define FERROMQ_SEND_SLAVE_NOT_AVAILABLE 3

/**
 * Looks after topics, groups and progress. Any thread may use it at any time.
 */
typedef struct ferromq_admin_t ferromq_admin_t;

/**
 * Messages of a poll. One thread at a time may use a batch.
 */
typedef struct ferromq_batch_t ferromq_batch_t;

/**
 * What became of messages that were sent without waiting.
 */
typedef struct ferromq_completions_t ferromq_completions_t;

/**
 * Settings, under the keys of docs/configuration.md. What is made with them keeps a copy of those that
 * it has; so clients of several kinds can share them.
 */
typedef struct ferromq_config_t ferromq_config_t;

/**
 * Receives messages together with the other members of its group. Any thread may use it at any time.
 */
typedef struct ferromq_consumer_t ferromq_consumer_t;

/**
 * Why a call failed.
 */
typedef struct ferromq_error_t ferromq_error_t;

/**
 * A message to be sent; it can be sent more than once.
 */
typedef struct ferromq_message_t ferromq_message_t;

/**
 * Sends messages. Any thread may use it at any time.
 */
typedef struct ferromq_producer_t ferromq_producer_t;

/**
 * Reads queues that are assigned to it. Any thread may use it at any time.
 */
typedef struct ferromq_pull_consumer_t ferromq_pull_consumer_t;

/**
 * Queues, and what was told about them.
 */
typedef struct ferromq_queues_t ferromq_queues_t;

/**
 * Where a message went.
 */
typedef struct ferromq_receipt_t ferromq_receipt_t;

/**
 * A message as it was stored; lives as long as its batch.
 */
typedef struct ferromq_received_t ferromq_received_t;

/**
 * A name server and a broker inside the process.
 */
typedef struct ferromq_server_t ferromq_server_t;

/**
 * Some texts. They can be read by any thread.
 */
typedef struct ferromq_texts_t ferromq_texts_t;

/**
 * Handles messages. The batch is borrowed until it returns; what is not settled by then comes again.
 */
typedef void (*ferromq_batch_callback_t)(const ferromq_batch_t *batch, void *user_data);

/**
 * Ends what was given as `user_data`.
 */
typedef void (*ferromq_user_data_destroy_t)(void *user_data);

/**
 * Writes a line into the application's log: one of `FERROMQ_LOG_…`, the part of the library that speaks,
 * and what it says. Both texts are borrowed until it returns.
 */
typedef void (*ferromq_log_callback_t)(int32_t level,
                                       const char *target,
                                       const char *text,
                                       void *user_data);

/**
 * Is told what became of messages of `ferromq_producer_send_async`; they are borrowed until it returns.
 */
typedef void (*ferromq_completions_callback_t)(const ferromq_completions_t *completions,
                                               void *user_data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * `FERROMQ_ABI_VERSION` of the library, as opposed to that of the header.
 */
int32_t ferromq_abi_version(void);

/**
 * The version of the library, as in `0.1.0`; lives as long as the library.
 */
const char *ferromq_version(void);

/**
 * Starts administration. Settings: those of clients.
 */
ferromq_error_t *ferromq_admin_create(const ferromq_config_t *config, ferromq_admin_t **admin);

/**
 * Makes a topic with so many queues on every master broker, or changes their number.
 */
ferromq_error_t *ferromq_admin_create_topic(const ferromq_admin_t *admin,
                                            const char *topic,
                                            int32_t queues);

/**
 * Removes a topic from every broker and name server.
 */
ferromq_error_t *ferromq_admin_delete_topic(const ferromq_admin_t *admin, const char *topic);

/**
 * The names of all topics.
 */
ferromq_error_t *ferromq_admin_topics(const ferromq_admin_t *admin, ferromq_texts_t **topics);

/**
 * The queues of a topic, and what each holds: `ferromq_queues_min_offset`, `_max_offset`, `_timestamp`.
 */
ferromq_error_t *ferromq_admin_topic_stats(const ferromq_admin_t *admin,
                                           const char *topic,
                                           ferromq_queues_t **queues);

/**
 * Makes a group on every master broker.
 */
ferromq_error_t *ferromq_admin_create_group(const ferromq_admin_t *admin, const char *group);

/**
 * Removes a group from every broker.
 */
ferromq_error_t *ferromq_admin_delete_group(const ferromq_admin_t *admin, const char *group);

/**
 * The names of all groups.
 */
ferromq_error_t *ferromq_admin_groups(const ferromq_admin_t *admin, ferromq_texts_t **groups);

/**
 * How far a group is in the queues of a topic, or of all topics when it is NULL:
 * `ferromq_queues_consumer_offset`, `_max_offset`, `_timestamp`.
 */
ferromq_error_t *ferromq_admin_consume_stats(const ferromq_admin_t *admin,
                                             const char *group,
                                             const char *topic,
                                             ferromq_queues_t **queues);

/**
 * Moves a group to the messages of a topic that were stored at a time, in ms since 1970, or later; -1 is
 * the end. Gives the new offsets: `ferromq_queues_consumer_offset`.
 */
ferromq_error_t *ferromq_admin_reset_offset(const ferromq_admin_t *admin,
                                            const char *group,
                                            const char *topic,
                                            int64_t timestamp,
                                            ferromq_queues_t **queues);

/**
 * Up to `max` messages of a topic that have a key, or a message id. They need no settling.
 */
ferromq_error_t *ferromq_admin_query_messages(const ferromq_admin_t *admin,
                                              const char *topic,
                                              const char *key,
                                              int32_t max,
                                              ferromq_batch_t **batch);

/**
 * The message with an offset message id, as a batch of one.
 */
ferromq_error_t *ferromq_admin_view_message(const ferromq_admin_t *admin,
                                            const char *offset_message_id,
                                            ferromq_batch_t **batch);

/**
 * The addresses of all master brokers.
 */
ferromq_error_t *ferromq_admin_brokers(const ferromq_admin_t *admin, ferromq_texts_t **addresses);

/**
 * What the broker at an address tells about itself, as texts of the form `key=value`.
 */
ferromq_error_t *ferromq_admin_runtime_info(const ferromq_admin_t *admin,
                                            const char *address,
                                            ferromq_texts_t **info);

/**
 * Ends its connections. Closing twice does nothing.
 */
ferromq_error_t *ferromq_admin_close(const ferromq_admin_t *admin);

/**
 * Ends administration.
 */
void ferromq_admin_destroy(ferromq_admin_t *admin);

/**
 * How many there are; 0 for NULL.
 */
uintptr_t ferromq_completions_count(const ferromq_completions_t *completions);

/**
 * The token of one.
 */
uint64_t ferromq_completions_token(const ferromq_completions_t *completions, uintptr_t index);

/**
 * The receipt of one; NULL when it failed. Borrowed from the completions.
 */
const ferromq_receipt_t *ferromq_completions_receipt(const ferromq_completions_t *completions,
                                                     uintptr_t index);

/**
 * Why one failed; NULL when it was stored. Borrowed from the completions.
 */
const ferromq_error_t *ferromq_completions_error(const ferromq_completions_t *completions,
                                                 uintptr_t index);

/**
 * Ends completions.
 */
void ferromq_completions_destroy(ferromq_completions_t *completions);

/**
 * Empty settings: everything has its default.
 */
ferromq_config_t *ferromq_config_create(void);

/**
 * Sets one, as in `ferromq_config_set(config, "sendMsgTimeout", "5000")`. Fails for a name that nothing
 * has, naming the nearest one. Both texts are copied.
 */
ferromq_error_t *ferromq_config_set(ferromq_config_t *config,
                                    const char *key,
                                    const char *value);

/**
 * How many settings were set; 0 for NULL.
 */
uintptr_t ferromq_config_count(const ferromq_config_t *config);

/**
 * Ends settings.
 */
void ferromq_config_destroy(ferromq_config_t *config);

/**
 * Joins a group, and receives a topic: `tags` is `*` for everything, or tags such as `TagA || TagB`; NULL
 * is `*`. Further topics come with `ferromq_consumer_subscribe`. Settings: those of clients and
 * consumers; `namesrvAddr` and `consumerGroup` are needed. With `ordered` other than 0, the next messages
 * of a queue come when those before them are settled.
 */
ferromq_error_t *ferromq_consumer_create(const ferromq_config_t *config,
                                         const char *topic,
                                         const char *tags,
                                         int32_t ordered,
                                         ferromq_consumer_t **consumer);

/**
 * Receives another topic, or a topic with other tags.
 */
ferromq_error_t *ferromq_consumer_subscribe(const ferromq_consumer_t *consumer,
                                            const char *topic,
                                            const char *tags);

/**
 * Receives a topic no more.
 */
ferromq_error_t *ferromq_consumer_unsubscribe(const ferromq_consumer_t *consumer,
                                              const char *topic);

/**
 * Up to `max` messages, waiting up to `timeout_ms` for the first; an empty batch when none came. Each
 * message is to be settled. Fails with `CLOSED` when the consumer is closed, also while it waits.
 */
ferromq_error_t *ferromq_consumer_poll(const ferromq_consumer_t *consumer,
                                       uintptr_t max,
                                       int64_t timeout_ms,
                                       ferromq_batch_t **batch);

/**
 * Calls a function with up to `max` messages at a time as they come, instead of `ferromq_consumer_poll`. It
 * runs on one thread of this consumer, with no lock held; it may call this library, but it may not unwind,
 * or close or destroy this consumer. Closing the consumer waits until the function returns. `user_data_destroy`,
 * which may be NULL, ends `user_data` when the function is called no more, in any case also when this fails. A
 * consumer can have one such function.
 */
ferromq_error_t *ferromq_consumer_on_messages(const ferromq_consumer_t *consumer,
                                              uintptr_t max,
                                              ferromq_batch_callback_t callback,
                                              void *user_data,
                                              ferromq_user_data_destroy_t user_data_destroy);

/**
 * A file descriptor that can be read when there are messages to poll: for event loops, which watch it
 * and call `ferromq_consumer_poll`; that makes it unreadable again. -1 when there is none. Borrowed from
 * the consumer: do not read from it and do not close it.
 */
int32_t ferromq_consumer_wakeup_fd(const ferromq_consumer_t *consumer);

/**
 * The id by which brokers know this consumer; empty for NULL. Borrowed from the consumer.
 */
const char *ferromq_consumer_client_id(const ferromq_consumer_t *consumer);

/**
 * The queues that are this consumer's at present.
 */
ferromq_error_t *ferromq_consumer_queues(const ferromq_consumer_t *consumer,
                                         ferromq_queues_t **queues);

/**
 * What this consumer has counted, and what it holds, as one text of JSON: docs/statistics.md.
 */
ferromq_error_t *ferromq_consumer_stats_json(const ferromq_consumer_t *consumer,
                                             ferromq_texts_t **json);

/**
 * How many queues of a topic are this consumer's at present.
 */
uintptr_t ferromq_consumer_queue_count(const ferromq_consumer_t *consumer, const char *topic);

/**
 * Pulls no more messages until `ferromq_consumer_resume`; those that are here can still be polled.
 */
ferromq_error_t *ferromq_consumer_pause(const ferromq_consumer_t *consumer);

/**
 * Pulls messages again.
 */
ferromq_error_t *ferromq_consumer_resume(const ferromq_consumer_t *consumer);

/**
 * Stores the group's progress now, instead of every few seconds, and waits until the brokers have it.
 */
ferromq_error_t *ferromq_consumer_commit(const ferromq_consumer_t *consumer);

/**
 * Stores progress and leaves the group. Messages that are not settled come again, to this or another
 * member; polls that wait end. Closing twice does nothing.
 */
ferromq_error_t *ferromq_consumer_close(const ferromq_consumer_t *consumer);

/**
 * Closes and frees a consumer. Its batches stay. Not from its own callback, where this does nothing but say
 * so in the log.
 */
void ferromq_consumer_destroy(ferromq_consumer_t *consumer);

/**
 * How many kinds of errors there are: for programs that list them. A refusal to which a server gives a
 * number without a name is none of them; its name is `REFUSED`.
 */
uintptr_t ferromq_error_kind_count(void);

/**
 * The number of a kind of error; 0 when there are not so many.
 */
int32_t ferromq_error_kind_code(uintptr_t index);

/**
 * The name of a kind of error; NULL when there are not so many. Lives as long as the library.
 */
const char *ferromq_error_kind_name(uintptr_t index);

/**
 * 1 when a call that fails with this kind of error may succeed when it is made again, else 0.
 */
int32_t ferromq_error_kind_retryable(uintptr_t index);

/**
 * The number: 0 for NULL, negative when this side found it, else the response code of the server that
 * refused. Numbers and names are the same in every language.
 */
int32_t ferromq_error_code(const ferromq_error_t *error);

/**
 * The name, as in `TIMEOUT`; empty for NULL. Borrowed from the error.
 */
const char *ferromq_error_name(const ferromq_error_t *error);

/**
 * What went wrong and what to do, in one line; empty for NULL. Borrowed from the error.
 */
const char *ferromq_error_message(const ferromq_error_t *error);

/**
 * 1 when the same call may succeed when it is made again, else 0.
 */
int32_t ferromq_error_retryable(const ferromq_error_t *error);

/**
 * Ends an error.
 */
void ferromq_error_destroy(ferromq_error_t *error);

/**
 * Hands what the library has to say, from `level` on, to a function, and no more to the one before it.
 * `callback` NULL or level `FERROMQ_LOG_OFF` ends it. The function runs on a thread of its own, one line at
 * a time, with no lock held; it may call this library, but not this function. When it is too slow lines are
 * lost, and their number told. `user_data_destroy`, which may be NULL, ends `user_data` when the function is
 * called no more, in any case also when this fails.
 */
ferromq_error_t *ferromq_log_set(int32_t level,
                                 ferromq_log_callback_t callback,
                                 void *user_data,
                                 ferromq_user_data_destroy_t user_data_destroy);

/**
 * A message. `body` is copied and may hold any bytes.
 */
ferromq_error_t *ferromq_message_create(const char *topic,
                                        const uint8_t *body,
                                        uintptr_t size,
                                        ferromq_message_t **message);

/**
 * Sets the tag, by which consumers choose messages.
 */
ferromq_error_t *ferromq_message_set_tag(ferromq_message_t *message, const char *tag);

/**
 * Adds a key, by which a message can be found.
 */
ferromq_error_t *ferromq_message_add_key(ferromq_message_t *message, const char *key);

/**
 * Sets a property.
 */
ferromq_error_t *ferromq_message_set_property(ferromq_message_t *message,
                                              const char *name,
                                              const char *value);

/**
 * Sets the level of delay, 1 to 18; see `messageDelayLevel` of the store.
 */
ferromq_error_t *ferromq_message_set_delay_level(ferromq_message_t *message, int32_t level);

/**
 * Sets a number that consumers see and brokers do not look at; 0 by default.
 */
ferromq_error_t *ferromq_message_set_flag(ferromq_message_t *message, int32_t flag);

/**
 * Ends a message.
 */
void ferromq_message_destroy(ferromq_message_t *message);

/**
 * One of `FERROMQ_SEND_…`; -1 for NULL.
 */
int32_t ferromq_receipt_status(const ferromq_receipt_t *receipt);

/**
 * The id that the producer gave the message. Borrowed from the receipt.
 */
const char *ferromq_receipt_message_id(const ferromq_receipt_t *receipt);

/**
 * The id that says where it is stored, for `ferromq_admin_view_message`. Borrowed from the receipt.
 */
const char *ferromq_receipt_offset_message_id(const ferromq_receipt_t *receipt);

/**
 * The broker that has it. Borrowed from the receipt.
 */
const char *ferromq_receipt_broker_name(const ferromq_receipt_t *receipt);

/**
 * The number of the queue that has it; -1 for NULL.
 */
int32_t ferromq_receipt_queue_id(const ferromq_receipt_t *receipt);

/**
 * Its offset in the queue, of several messages that of the first; -1 for NULL.
 */
int64_t ferromq_receipt_queue_offset(const ferromq_receipt_t *receipt);

/**
 * Ends a receipt.
 */
void ferromq_receipt_destroy(ferromq_receipt_t *receipt);

/**
 * Starts a producer. Settings: those of clients and producers; `namesrvAddr` is the only one needed.
 */
ferromq_error_t *ferromq_producer_create(const ferromq_config_t *config,
                                         ferromq_producer_t **producer);

/**
 * Sends a message and waits until a broker has stored it. Queues take turns; another broker is tried
 * when one fails. `receipt` may be NULL.
 */
ferromq_error_t *ferromq_producer_send(const ferromq_producer_t *producer,
                                       const ferromq_message_t *message,
                                       ferromq_receipt_t **receipt);

/**
 * As `ferromq_producer_send`, to the queue that all messages of this key go to: they stay in order.
 */
ferromq_error_t *ferromq_producer_send_ordered(const ferromq_producer_t *producer,
                                               const ferromq_message_t *message,
                                               const char *key,
                                               ferromq_receipt_t **receipt);

/**
 * As `ferromq_producer_send`, to one queue of the message's topic.
 */
ferromq_error_t *ferromq_producer_send_to(const ferromq_producer_t *producer,
                                          const ferromq_message_t *message,
                                          const char *broker_name,
                                          int32_t queue_id,
                                          ferromq_receipt_t **receipt);

/**
 * Sends a message and waits for no answer: it may be lost.
 */
ferromq_error_t *ferromq_producer_send_oneway(const ferromq_producer_t *producer,
                                              const ferromq_message_t *message);

/**
 * Sends several messages of one topic as one, to one queue: much faster. `receipt` may be NULL.
 */
ferromq_error_t *ferromq_producer_send_batch(const ferromq_producer_t *producer,
                                             const ferromq_message_t *const *messages,
                                             uintptr_t count,
                                             ferromq_receipt_t **receipt);

/**
 * Sends a message in the background. What becomes of it is told by `ferromq_producer_poll`, under this
 * token. Waits only when `backPressureForAsyncSendNum` messages are on their way. Fails with `UNPOLLED` when
 * `FERROMQ_MAX_COMPLETIONS` messages are on their way or have not been polled for.
 */
ferromq_error_t *ferromq_producer_send_async(const ferromq_producer_t *producer,
                                             const ferromq_message_t *message,
                                             uint64_t token);

/**
 * Calls a function when messages of `ferromq_producer_send_async` have been stored or have failed, instead
 * of `ferromq_producer_poll`. It runs on one thread of this producer, with no lock held; it may call this
 * library, but it may not unwind, wait for long, or close or destroy this producer. Closing the producer
 * waits until it has heard of all. `user_data_destroy`, which may be NULL, ends `user_data` when the function
 * is called no more, in any case also when this fails. A producer can have one such function.
 */
ferromq_error_t *ferromq_producer_on_completions(const ferromq_producer_t *producer,
                                                 ferromq_completions_callback_t callback,
                                                 void *user_data,
                                                 ferromq_user_data_destroy_t user_data_destroy);

/**
 * Up to `max` messages of `ferromq_producer_send_async` that have been stored or have failed, waiting up
 * to `timeout_ms` for the first. None is no error.
 */
ferromq_error_t *ferromq_producer_poll(const ferromq_producer_t *producer,
                                       uintptr_t max,
                                       int64_t timeout_ms,
                                       ferromq_completions_t **completions);

/**
 * The queues of a topic that can be written to.
 */
ferromq_error_t *ferromq_producer_queues(const ferromq_producer_t *producer,
                                         const char *topic,
                                         ferromq_queues_t **queues);

/**
 * What this producer has counted, as one text of JSON: docs/statistics.md.
 */
ferromq_error_t *ferromq_producer_stats_json(const ferromq_producer_t *producer,
                                             ferromq_texts_t **json);

/**
 * Waits for what is on its way, and ends the producer. Closing twice does nothing; sends fail then.
 */
ferromq_error_t *ferromq_producer_close(const ferromq_producer_t *producer);

/**
 * Closes and frees a producer. Not from its own callback, where this does nothing but say so in the log.
 */
void ferromq_producer_destroy(ferromq_producer_t *producer);

/**
 * Starts a pull consumer. Settings: those of clients and consumers; `namesrvAddr` and `consumerGroup`
 * are needed.
 */
ferromq_error_t *ferromq_pull_consumer_create(const ferromq_config_t *config,
                                              ferromq_pull_consumer_t **consumer);

/**
 * The queues of a topic that can be read.
 */
ferromq_error_t *ferromq_pull_consumer_topic_queues(const ferromq_pull_consumer_t *consumer,
                                                    const char *topic,
                                                    ferromq_queues_t **queues);

/**
 * Reads a topic together with the other members of the group, instead of assigned queues: `tags` is `*` for
 * everything, or tags such as `TagA || TagB`; NULL is `*`.
 */
ferromq_error_t *ferromq_pull_consumer_subscribe(const ferromq_pull_consumer_t *consumer,
                                                 const char *topic,
                                                 const char *tags);

/**
 * Reads a topic no more.
 */
ferromq_error_t *ferromq_pull_consumer_unsubscribe(const ferromq_pull_consumer_t *consumer,
                                                   const char *topic);

/**
 * The queues that are read at present.
 */
ferromq_error_t *ferromq_pull_consumer_assignment(const ferromq_pull_consumer_t *consumer,
                                                  ferromq_queues_t **queues);

/**
 * Reads these queues, and no others, from the group's progress on.
 */
ferromq_error_t *ferromq_pull_consumer_assign(const ferromq_pull_consumer_t *consumer,
                                              const ferromq_queues_t *queues);

/**
 * Goes on at an offset of the queue with this index in `queues`. -1 is its first message, -2 its next
 * new one.
 */
ferromq_error_t *ferromq_pull_consumer_seek(const ferromq_pull_consumer_t *consumer,
                                            const ferromq_queues_t *queues,
                                            uintptr_t index,
                                            int64_t offset);

/**
 * The group's stored progress in the queue with this index in `queues`; -1 when there is none.
 */
ferromq_error_t *ferromq_pull_consumer_committed(const ferromq_pull_consumer_t *consumer,
                                                 const ferromq_queues_t *queues,
                                                 uintptr_t index,
                                                 int64_t *offset);

/**
 * The offset of the first message of the queue with this index in `queues` that was stored at a time, in
 * ms since 1970, or later.
 */
ferromq_error_t *ferromq_pull_consumer_offset_for_timestamp(const ferromq_pull_consumer_t *consumer,
                                                            const ferromq_queues_t *queues,
                                                            uintptr_t index,
                                                            int64_t timestamp,
                                                            int64_t *offset);

/**
 * Pulls no more messages of these queues.
 */
ferromq_error_t *ferromq_pull_consumer_pause(const ferromq_pull_consumer_t *consumer,
                                             const ferromq_queues_t *queues);

/**
 * Pulls messages of these queues again.
 */
ferromq_error_t *ferromq_pull_consumer_resume(const ferromq_pull_consumer_t *consumer,
                                              const ferromq_queues_t *queues);

/**
 * What this consumer has counted, and what it holds, as one text of JSON: docs/statistics.md.
 */
ferromq_error_t *ferromq_pull_consumer_stats_json(const ferromq_pull_consumer_t *consumer,
                                                  ferromq_texts_t **json);

/**
 * Up to `max` messages, waiting up to `timeout_ms` for the first; an empty batch when none came. They
 * need no settling.
 */
ferromq_error_t *ferromq_pull_consumer_poll(const ferromq_pull_consumer_t *consumer,
                                            uintptr_t max,
                                            int64_t timeout_ms,
                                            ferromq_batch_t **batch);

/**
 * Stores progress now, and waits until the brokers have it: what was polled counts as handled.
 */
ferromq_error_t *ferromq_pull_consumer_commit(const ferromq_pull_consumer_t *consumer);

/**
 * Stores progress and ends the consumer. Closing twice does nothing.
 */
ferromq_error_t *ferromq_pull_consumer_close(const ferromq_pull_consumer_t *consumer);

/**
 * Closes and frees a pull consumer. Its batches stay.
 */
void ferromq_pull_consumer_destroy(ferromq_pull_consumer_t *consumer);

/**
 * No queues yet.
 */
ferromq_queues_t *ferromq_queues_create(void);

/**
 * Adds a queue. Both texts are copied.
 */
ferromq_error_t *ferromq_queues_add(ferromq_queues_t *queues,
                                    const char *topic,
                                    const char *broker_name,
                                    int32_t queue_id);

/**
 * How many there are; 0 for NULL.
 */
uintptr_t ferromq_queues_count(const ferromq_queues_t *queues);

/**
 * The topic of one; empty when there is none. Borrowed from the queues.
 */
const char *ferromq_queues_topic(const ferromq_queues_t *queues, uintptr_t index);

/**
 * The broker of one; empty when there is none. Borrowed from the queues.
 */
const char *ferromq_queues_broker_name(const ferromq_queues_t *queues, uintptr_t index);

/**
 * The number of one at its broker; -1 when there is none.
 */
int32_t ferromq_queues_queue_id(const ferromq_queues_t *queues, uintptr_t index);

/**
 * The offset of the first message of one, where `ferromq_admin_topic_stats` told it; else -1.
 */
int64_t ferromq_queues_min_offset(const ferromq_queues_t *queues, uintptr_t index);

/**
 * The offset of the next message that one will store, where `ferromq_admin_topic_stats` or
 * `ferromq_admin_consume_stats` told it; else -1.
 */
int64_t ferromq_queues_max_offset(const ferromq_queues_t *queues, uintptr_t index);

/**
 * The offset of the next message that the group will handle, where `ferromq_admin_consume_stats` or
 * `ferromq_admin_reset_offset` told it; else -1.
 */
int64_t ferromq_queues_consumer_offset(const ferromq_queues_t *queues, uintptr_t index);

/**
 * When the last message was stored, in ms since 1970: of the queue, where `ferromq_admin_topic_stats` told
 * it, of those that the group has handled, where `ferromq_admin_consume_stats` did; else -1.
 */
int64_t ferromq_queues_timestamp(const ferromq_queues_t *queues,
                                 uintptr_t index);

/**
 * Ends queues.
 */
void ferromq_queues_destroy(ferromq_queues_t *queues);

/**
 * How many messages there are; 0 for NULL.
 */
uintptr_t ferromq_batch_count(const ferromq_batch_t *of);

/**
 * A message; NULL when there are not so many. Borrowed from the batch.
 */
const ferromq_received_t *ferromq_batch_get(const ferromq_batch_t *of, uintptr_t index);

/**
 * The message was handled. Returns 1, or 0 when it was settled before or needs no settling.
 */
int32_t ferromq_batch_ack(const ferromq_batch_t *of, uintptr_t index);

/**
 * All messages that are not settled were handled.
 */
void ferromq_batch_ack_all(const ferromq_batch_t *of);

/**
 * The message was not handled and comes again: after the time of `delay_level`, or one that the broker
 * chooses when it is 0; a negative level makes a dead letter of it. Returns as `ferromq_batch_ack`.
 */
int32_t ferromq_batch_retry_later(const ferromq_batch_t *of,
                                  uintptr_t index,
                                  int32_t delay_level);

/**
 * Ends a batch. Messages that are not settled come again.
 */
void ferromq_batch_destroy(ferromq_batch_t *of);

/**
 * The body, and in `size` its length; it may hold any bytes, and nothing ends it. Borrowed.
 */
const uint8_t *ferromq_received_body(const ferromq_received_t *message, uintptr_t *size);

/**
 * A property, and in `size` its length; NULL when the message does not have it. The tag is `TAGS`, the
 * keys, separated by spaces, are `KEYS`. Nothing ends it. Borrowed.
 */
const char *ferromq_received_property(const ferromq_received_t *message,
                                      const char *name,
                                      uintptr_t *size);

/**
 * The name of a property; NULL when there are not so many. Borrowed.
 */
const char *ferromq_received_property_name(const ferromq_received_t *message, uintptr_t index);

/**
 * The topic. Borrowed.
 */
const char *ferromq_received_topic(const ferromq_received_t *message);

/**
 * The name of the broker that it came from. Borrowed.
 */
const char *ferromq_received_broker_name(const ferromq_received_t *message);

/**
 * The id that its producer gave it. Borrowed.
 */
const char *ferromq_received_message_id(const ferromq_received_t *message);

/**
 * The id that says where it is stored. Borrowed.
 */
const char *ferromq_received_offset_message_id(const ferromq_received_t *message);

/**
 * The address of its producer. Borrowed.
 */
const char *ferromq_received_born_host(const ferromq_received_t *message);

/**
 * The address of the broker that stored it. Borrowed.
 */
const char *ferromq_received_store_host(const ferromq_received_t *message);

/**
 * The number that its producer gave it.
 */
int32_t ferromq_received_flag(const ferromq_received_t *message);

/**
 * The number of its queue; -1 for NULL.
 */
int32_t ferromq_received_queue_id(const ferromq_received_t *message);

/**
 * Its offset in the queue; -1 for NULL.
 */
int64_t ferromq_received_queue_offset(const ferromq_received_t *message);

/**
 * How often it was handled without success before.
 */
int32_t ferromq_received_reconsume_times(const ferromq_received_t *message);

/**
 * When it was sent, in ms since 1970.
 */
int64_t ferromq_received_born_timestamp(const ferromq_received_t *message);

/**
 * When it was stored, in ms since 1970.
 */
int64_t ferromq_received_store_timestamp(const ferromq_received_t *message);

/**
 * Starts a name server and a broker on free ports of the loopback interface; they serve when this
 * returns. `config`: settings of brokers and stores, or NULL. `directory`: where messages are kept,
 * or NULL for a temporary one that goes with the server.
 */
ferromq_error_t *ferromq_server_create(const ferromq_config_t *config,
                                       const char *directory,
                                       ferromq_server_t **server);

/**
 * The name server's address: the setting `namesrvAddr` of clients. Borrowed from the server.
 */
const char *ferromq_server_address(const ferromq_server_t *server);

/**
 * The broker's address. Borrowed from the server.
 */
const char *ferromq_server_broker_address(const ferromq_server_t *server);

/**
 * Ends both, after writing everything to disk; a temporary directory is removed. Closing twice does
 * nothing.
 */
ferromq_error_t *ferromq_server_close(const ferromq_server_t *server);

/**
 * Closes and frees a server.
 */
void ferromq_server_destroy(ferromq_server_t *server);

/**
 * How many there are; 0 for NULL.
 */
uintptr_t ferromq_texts_count(const ferromq_texts_t *texts);

/**
 * One; NULL when there are not so many. Borrowed from the texts.
 */
const char *ferromq_texts_get(const ferromq_texts_t *texts, uintptr_t index);

/**
 * Ends texts.
 */
void ferromq_texts_destroy(ferromq_texts_t *texts);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FERROMQ_H */
