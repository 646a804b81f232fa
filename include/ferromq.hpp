// FerroMQ for C++17: a thin layer over ferromq.h. Handles are move-only and close themselves; failures
// are exceptions of type ferromq::Error. What each call does is said in ferromq.h.
#ifndef FERROMQ_HPP
#define FERROMQ_HPP

#include "ferromq.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The C++ layer.
namespace ferromq {

using std::chrono::milliseconds;

/// Why a call failed.
class Error : public std::runtime_error {
public:
    /// A copy of an error of the C interface.
    explicit Error(const ferromq_error_t *error)
        : std::runtime_error(ferromq_error_message(error)),
          code_(ferromq_error_code(error)),
          name_(ferromq_error_name(error)),
          retryable_(ferromq_error_retryable(error) != 0) {}

    /// Negative when this side found it, else the response code of the server that refused.
    std::int32_t code() const noexcept { return code_; }
    /// The name, as in `TIMEOUT`, the same in every language.
    const std::string &name() const noexcept { return name_; }
    /// Whether the same call may succeed when it is made again.
    bool retryable() const noexcept { return retryable_; }

private:
    std::int32_t code_;
    std::string name_;
    bool retryable_;
};

/// @cond Not part of the interface.
namespace detail {

inline void check(ferromq_error_t *error) {
    if (error != nullptr) {
        const std::unique_ptr<ferromq_error_t, void (*)(ferromq_error_t *)> owned(
            error, &ferromq_error_destroy);
        throw Error(error);
    }
}

template <typename T, void (*Destroy)(T *)>
struct Destroyer {
    void operator()(T *handle) const noexcept { Destroy(handle); }
};

template <typename T, void (*Destroy)(T *)>
using Handle = std::unique_ptr<T, Destroyer<T, Destroy>>;

/// Calls what puts a handle into its last parameter.
template <typename T, typename Function, typename... Arguments>
T *made(Function function, Arguments... arguments) {
    T *handle = nullptr;
    check(function(arguments..., &handle));
    return handle;
}

/// Ends what a callback was given.
template <typename Function>
void forget(void *user_data) {
    delete static_cast<Function *>(user_data);
}

}  // namespace detail
/// @endcond

/// A kind of error.
struct ErrorKind {
    /// As ferromq_error_code.
    std::int32_t code;
    /// As ferromq_error_name.
    std::string name;
    /// As ferromq_error_retryable.
    bool retryable;
};

/// All kinds of errors.
inline std::vector<ErrorKind> error_kinds() {
    std::vector<ErrorKind> all;
    for (std::size_t at = 0; at < ferromq_error_kind_count(); at++) {
        all.push_back({ferromq_error_kind_code(at), ferromq_error_kind_name(at),
                       ferromq_error_kind_retryable(at) != 0});
    }
    return all;
}

/// @cond Not part of the interface.
namespace detail {

/// Calls what gives texts, and makes them a list.
template <typename Function, typename... Arguments>
std::vector<std::string> texts(Function function, Arguments... arguments) {
    const Handle<ferromq_texts_t, ferromq_texts_destroy> made(
        detail::made<ferromq_texts_t>(function, arguments...));
    std::vector<std::string> all;
    for (std::size_t at = 0; at < ferromq_texts_count(made.get()); at++) {
        all.emplace_back(ferromq_texts_get(made.get(), at));
    }
    return all;
}

}  // namespace detail
/// @endcond

/// Writes a line into the log of the program: one of FERROMQ_LOG_…, the part of the library that speaks, and
/// what it says.
using LogHandler = std::function<void(std::int32_t, std::string_view, std::string_view)>;

/// Hands what the library has to say to a function; see ferromq_log_set. An exception of it is swallowed.
inline void set_log(std::int32_t level, LogHandler handler) {
    const ferromq_log_callback_t call = [](std::int32_t line_level, const char *target, const char *text,
                                           void *user_data) {
        try {
            (*static_cast<LogHandler *>(user_data))(line_level, target, text);
        } catch (...) {
        }
    };
    detail::check(ferromq_log_set(level, call, new LogHandler(std::move(handler)),
                                  detail::forget<LogHandler>));
}

/// Ends what set_log began.
inline void end_log() {
    detail::check(ferromq_log_set(FERROMQ_LOG_OFF, nullptr, nullptr, nullptr));
}

/// Queues, and what was told about them. One thread at a time may use them.
class Queues {
public:
    Queues() : handle_(ferromq_queues_create()) {}
    /// Takes queues of the C interface over.
    explicit Queues(ferromq_queues_t *queues) : handle_(queues) {}

    /// Adds a queue.
    Queues &add(const std::string &topic, const std::string &broker_name, std::int32_t queue_id) {
        detail::check(ferromq_queues_add(handle_.get(), topic.c_str(), broker_name.c_str(), queue_id));
        return *this;
    }

    /// How many there are.
    std::size_t size() const { return ferromq_queues_count(handle_.get()); }
    /// The topic of one.
    std::string topic(std::size_t at) const { return ferromq_queues_topic(handle_.get(), at); }
    /// The broker of one.
    std::string broker_name(std::size_t at) const {
        return ferromq_queues_broker_name(handle_.get(), at);
    }
    /// The number of one at its broker.
    std::int32_t queue_id(std::size_t at) const { return ferromq_queues_queue_id(handle_.get(), at); }

    /// Where Admin told them; else -1.
    std::int64_t min_offset(std::size_t at) const { return ferromq_queues_min_offset(handle_.get(), at); }
    /// As ferromq_queues_max_offset.
    std::int64_t max_offset(std::size_t at) const { return ferromq_queues_max_offset(handle_.get(), at); }
    /// As ferromq_queues_consumer_offset.
    std::int64_t consumer_offset(std::size_t at) const {
        return ferromq_queues_consumer_offset(handle_.get(), at);
    }
    /// As ferromq_queues_timestamp.
    std::int64_t timestamp(std::size_t at) const { return ferromq_queues_timestamp(handle_.get(), at); }

    /// For functions of the C interface.
    const ferromq_queues_t *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<ferromq_queues_t, ferromq_queues_destroy> handle_;
};

/// Settings under the keys of docs/configuration.md. Several kinds of clients may share them.
class Config {
public:
    Config() : handle_(ferromq_config_create()) {}

    /// Sets one; throws for a name that nothing has.
    Config &set(const std::string &key, const std::string &value) {
        detail::check(ferromq_config_set(handle_.get(), key.c_str(), value.c_str()));
        return *this;
    }

    /// For functions of the C interface.
    const ferromq_config_t *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<ferromq_config_t, ferromq_config_destroy> handle_;
};

/// A name server and a broker inside the process.
class Server {
public:
    /// Without a directory, a temporary one that goes with the server.
    explicit Server(const Config &config = Config(), const std::string &directory = {})
        : handle_(detail::made<ferromq_server_t>(
              ferromq_server_create, config.get(),
              directory.empty() ? nullptr : directory.c_str())) {}

    /// The setting `namesrvAddr` of clients.
    std::string address() const { return ferromq_server_address(handle_.get()); }
    /// The broker's address.
    std::string broker_address() const { return ferromq_server_broker_address(handle_.get()); }
    /// Ends both, after writing everything to disk.
    void close() { detail::check(ferromq_server_close(handle_.get())); }

private:
    detail::Handle<ferromq_server_t, ferromq_server_destroy> handle_;
};

/// A message to be sent; it can be sent more than once.
class Message {
public:
    /// The body may hold any bytes.
    Message(const std::string &topic, std::string_view body)
        : handle_(detail::made<ferromq_message_t>(
              ferromq_message_create, topic.c_str(),
              reinterpret_cast<const std::uint8_t *>(body.data()), body.size())) {}

    /// Sets the tag, by which consumers choose messages.
    Message &tag(const std::string &tag) {
        detail::check(ferromq_message_set_tag(handle_.get(), tag.c_str()));
        return *this;
    }

    /// Adds a key, by which a message can be found.
    Message &key(const std::string &key) {
        detail::check(ferromq_message_add_key(handle_.get(), key.c_str()));
        return *this;
    }

    /// Sets a property.
    Message &property(const std::string &name, const std::string &value) {
        detail::check(ferromq_message_set_property(handle_.get(), name.c_str(), value.c_str()));
        return *this;
    }

    /// Sets the level of delay, 1 to 18.
    Message &delay_level(std::int32_t level) {
        detail::check(ferromq_message_set_delay_level(handle_.get(), level));
        return *this;
    }

    /// A number that consumers see and brokers do not look at.
    Message &flag(std::int32_t flag) {
        detail::check(ferromq_message_set_flag(handle_.get(), flag));
        return *this;
    }

    /// For functions of the C interface.
    const ferromq_message_t *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<ferromq_message_t, ferromq_message_destroy> handle_;
};

/// Where a message went.
struct Receipt {
    /// One of FERROMQ_SEND_….
    std::int32_t status;
    /// The id that the producer gave the message.
    std::string message_id;
    /// For Admin::view_message.
    std::string offset_message_id;
    /// The broker that has it.
    std::string broker_name;
    /// The number of the queue that has it.
    std::int32_t queue_id;
    /// Of several messages that of the first.
    std::int64_t queue_offset;

    /// A copy of a receipt of the C interface.
    explicit Receipt(const ferromq_receipt_t *receipt)
        : status(ferromq_receipt_status(receipt)),
          message_id(ferromq_receipt_message_id(receipt)),
          offset_message_id(ferromq_receipt_offset_message_id(receipt)),
          broker_name(ferromq_receipt_broker_name(receipt)),
          queue_id(ferromq_receipt_queue_id(receipt)),
          queue_offset(ferromq_receipt_queue_offset(receipt)) {}
};

/// What became of a message that was sent without waiting: a receipt, or an error.
struct Completion {
    /// What `send_async` was given.
    std::uint64_t token;
    /// Where the message went, if it was stored.
    std::optional<Receipt> receipt;
    /// Why it was not, if it was not.
    std::optional<Error> error;
};

/// @cond Not part of the interface.
namespace detail {

inline std::vector<Completion> completions(const ferromq_completions_t *all) {
    std::vector<Completion> completions;
    for (std::size_t at = 0; at < ferromq_completions_count(all); at++) {
        Completion one{ferromq_completions_token(all, at), {}, {}};
        const ferromq_error_t *error = ferromq_completions_error(all, at);
        if (error != nullptr) {
            one.error.emplace(error);
        } else {
            one.receipt.emplace(ferromq_completions_receipt(all, at));
        }
        completions.push_back(std::move(one));
    }
    return completions;
}

}  // namespace detail
/// @endcond

/// Sends messages. Any thread may use it at any time.
class Producer {
public:
    /// Settings: those of clients and producers; `namesrvAddr` is the only one needed.
    explicit Producer(const Config &config)
        : handle_(detail::made<ferromq_producer_t>(ferromq_producer_create, config.get())) {}

    /// Waits until a broker has stored the message.
    Receipt send(const Message &message) {
        return receipt(ferromq_producer_send, message.get());
    }

    /// Messages of one key stay in order.
    Receipt send_ordered(const Message &message, const std::string &key) {
        return receipt(ferromq_producer_send_ordered, message.get(), key.c_str());
    }

    /// Sends to one queue of the message's topic.
    Receipt send_to(const Message &message, const std::string &broker_name, std::int32_t queue_id) {
        return receipt(ferromq_producer_send_to, message.get(), broker_name.c_str(), queue_id);
    }

    /// Sends several messages of one topic as one: much faster.
    Receipt send_batch(const std::vector<Message> &messages) {
        std::vector<const ferromq_message_t *> all;
        all.reserve(messages.size());
        for (const Message &message : messages) all.push_back(message.get());
        return receipt(ferromq_producer_send_batch, all.data(), all.size());
    }

    /// Waits for no answer: the message may be lost.
    void send_oneway(const Message &message) {
        detail::check(ferromq_producer_send_oneway(handle_.get(), message.get()));
    }

    /// What becomes of it is told by `poll`, under this token.
    void send_async(const Message &message, std::uint64_t token) {
        detail::check(ferromq_producer_send_async(handle_.get(), message.get(), token));
    }

    /// Up to `max` completions, waiting up to `timeout` for the first.
    std::vector<Completion> poll(std::size_t max, milliseconds timeout) {
        const detail::Handle<ferromq_completions_t, ferromq_completions_destroy> all(
            detail::made<ferromq_completions_t>(
                ferromq_producer_poll, handle_.get(), max, std::int64_t{timeout.count()}));
        return detail::completions(all.get());
    }

    /// Hears of one message.
    using CompletionHandler = std::function<void(const Completion &)>;

    /// Hands completions to a function, on a thread of this producer, instead of `poll`; see
    /// ferromq_producer_on_completions. An exception of it goes no further.
    void on_completions(CompletionHandler handler) {
        const ferromq_completions_callback_t call = [](const ferromq_completions_t *all,
                                                       void *user_data) {
            try {
                for (const Completion &one : detail::completions(all)) {
                    (*static_cast<CompletionHandler *>(user_data))(one);
                }
            } catch (...) {
            }
        };
        detail::check(ferromq_producer_on_completions(handle_.get(), call,
                                                      new CompletionHandler(std::move(handler)),
                                                      detail::forget<CompletionHandler>));
    }

    /// The queues of a topic that can be written to.
    Queues queues(const std::string &topic) {
        return Queues(
            detail::made<ferromq_queues_t>(ferromq_producer_queues, handle_.get(), topic.c_str()));
    }
    /// See docs/statistics.md.
    std::string stats_json() const {
        return detail::texts(ferromq_producer_stats_json, handle_.get()).at(0);
    }
    /// Waits for what is on its way, and ends the producer.
    void close() { detail::check(ferromq_producer_close(handle_.get())); }

private:
    template <typename Function, typename... Arguments>
    Receipt receipt(Function function, Arguments... arguments) {
        const detail::Handle<ferromq_receipt_t, ferromq_receipt_destroy> receipt(
            detail::made<ferromq_receipt_t>(function, handle_.get(), arguments...));
        return Receipt(receipt.get());
    }

    detail::Handle<ferromq_producer_t, ferromq_producer_destroy> handle_;
};

/// A message as it was stored; lives as long as its batch.
class Received {
public:
    /// A message of a batch of the C interface.
    explicit Received(const ferromq_received_t *message) : message_(message) {}

    /// The body; it may hold any bytes.
    std::string_view body() const {
        std::size_t size = 0;
        const std::uint8_t *body = ferromq_received_body(message_, &size);
        return {reinterpret_cast<const char *>(body), size};
    }

    /// A property, if the message has it. The tag is `TAGS`, the keys are `KEYS`.
    std::optional<std::string_view> property(const std::string &name) const {
        std::size_t size = 0;
        const char *value = ferromq_received_property(message_, name.c_str(), &size);
        if (value == nullptr) return std::nullopt;
        return std::string_view(value, size);
    }

    /// The names of all properties.
    std::vector<std::string> property_names() const {
        std::vector<std::string> all;
        while (const char *name = ferromq_received_property_name(message_, all.size())) {
            all.emplace_back(name);
        }
        return all;
    }

    /// The topic.
    std::string_view topic() const { return ferromq_received_topic(message_); }
    /// The id that says where it is stored.
    std::string_view offset_message_id() const { return ferromq_received_offset_message_id(message_); }
    /// The address of its producer.
    std::string_view born_host() const { return ferromq_received_born_host(message_); }
    /// The address of the broker that stored it.
    std::string_view store_host() const { return ferromq_received_store_host(message_); }
    /// The number that its producer gave it.
    std::int32_t flag() const { return ferromq_received_flag(message_); }
    /// The id that its producer gave it.
    std::string_view message_id() const { return ferromq_received_message_id(message_); }
    /// The broker that it came from.
    std::string_view broker_name() const { return ferromq_received_broker_name(message_); }
    /// The number of its queue.
    std::int32_t queue_id() const { return ferromq_received_queue_id(message_); }
    /// Its offset in the queue.
    std::int64_t queue_offset() const { return ferromq_received_queue_offset(message_); }
    /// How often it was handled without success before.
    std::int32_t reconsume_times() const { return ferromq_received_reconsume_times(message_); }
    /// When it was sent, in ms since 1970.
    std::int64_t born_timestamp() const { return ferromq_received_born_timestamp(message_); }
    /// When it was stored, in ms since 1970.
    std::int64_t store_timestamp() const { return ferromq_received_store_timestamp(message_); }

private:
    const ferromq_received_t *message_;
};

/// Messages that belong to somebody else: of a callback, until it returns.
class BatchView {
public:
    /// Those of a batch of the C interface.
    explicit BatchView(const ferromq_batch_t *batch) : batch_(batch) {}

    /// Goes from message to message.
    class Iterator {
    public:
        /// At a message of a batch.
        Iterator(const ferromq_batch_t *batch, std::size_t at) : batch_(batch), at_(at) {}
        /// The message.
        Received operator*() const { return Received(ferromq_batch_get(batch_, at_)); }
        /// Goes on.
        Iterator &operator++() {
            at_++;
            return *this;
        }
        /// Whether they stand at different messages.
        bool operator!=(const Iterator &other) const { return at_ != other.at_; }

    private:
        const ferromq_batch_t *batch_;
        std::size_t at_;
    };

    /// How many there are.
    std::size_t size() const { return ferromq_batch_count(batch_); }
    /// Whether there are none.
    bool empty() const { return size() == 0; }
    /// One of them.
    Received operator[](std::size_t at) const { return Received(ferromq_batch_get(batch_, at)); }
    /// The first.
    Iterator begin() const { return {batch_, 0}; }
    /// Behind the last.
    Iterator end() const { return {batch_, size()}; }

    /// The message was handled; says whether it was still to be settled.
    bool ack(std::size_t at) { return ferromq_batch_ack(batch_, at) != 0; }
    /// All messages that are not settled were handled.
    void ack_all() { ferromq_batch_ack_all(batch_); }
    /// The message was not handled and comes again.
    bool retry_later(std::size_t at, std::int32_t delay_level = 0) {
        return ferromq_batch_retry_later(batch_, at, delay_level) != 0;
    }

protected:
    /// Whose messages these are.
    const ferromq_batch_t *batch_;
};

/// Messages of a poll. Those that are not settled come again when it ends.
class Batch : public BatchView {
public:
    /// Takes a batch of the C interface over.
    explicit Batch(ferromq_batch_t *batch) : BatchView(batch), handle_(batch) {}
    /// Leaves the other empty.
    Batch(Batch &&other) noexcept
        : BatchView(std::exchange(other.batch_, nullptr)), handle_(std::move(other.handle_)) {}
    /// Leaves the other empty.
    Batch &operator=(Batch &&other) noexcept {
        batch_ = std::exchange(other.batch_, nullptr);
        handle_ = std::move(other.handle_);
        return *this;
    }

private:
    detail::Handle<ferromq_batch_t, ferromq_batch_destroy> handle_;
};

/// Receives messages together with the other members of its group. Any thread may use it at any time.
class Consumer {
public:
    /// Joins a group, and receives a topic; see ferromq_consumer_create.
    Consumer(const Config &config, const std::string &topic, const std::string &tags = "*",
             bool ordered = false)
        : handle_(detail::made<ferromq_consumer_t>(ferromq_consumer_create, config.get(),
                                                   topic.c_str(), tags.c_str(),
                                                   std::int32_t{ordered})) {}

    /// Receives another topic, or a topic with other tags.
    void subscribe(const std::string &topic, const std::string &tags = "*") {
        detail::check(ferromq_consumer_subscribe(handle_.get(), topic.c_str(), tags.c_str()));
    }

    /// Receives a topic no more.
    void unsubscribe(const std::string &topic) {
        detail::check(ferromq_consumer_unsubscribe(handle_.get(), topic.c_str()));
    }

    /// Up to `max` messages, waiting up to `timeout` for the first; none when none came.
    Batch poll(std::size_t max, milliseconds timeout) {
        return Batch(detail::made<ferromq_batch_t>(ferromq_consumer_poll, handle_.get(), max,
                                                   std::int64_t{timeout.count()}));
    }

    /// Handles messages.
    using MessageHandler = std::function<void(BatchView &)>;

    /// Hands up to `max` messages at a time to a function, on a thread of this consumer, instead of `poll`; see
    /// ferromq_consumer_on_messages. What it has not settled when it returns or throws comes again.
    void on_messages(std::size_t max, MessageHandler handler) {
        const ferromq_batch_callback_t call = [](const ferromq_batch_t *batch, void *user_data) {
            try {
                BatchView view(batch);
                (*static_cast<MessageHandler *>(user_data))(view);
            } catch (...) {
            }
        };
        detail::check(ferromq_consumer_on_messages(handle_.get(), max, call,
                                                   new MessageHandler(std::move(handler)),
                                                   detail::forget<MessageHandler>));
    }

    /// The id by which brokers know this consumer.
    std::string client_id() const { return ferromq_consumer_client_id(handle_.get()); }
    /// The queues that are this consumer's at present.
    Queues queues() const {
        return Queues(detail::made<ferromq_queues_t>(ferromq_consumer_queues, handle_.get()));
    }
    /// See docs/statistics.md.
    std::string stats_json() const {
        return detail::texts(ferromq_consumer_stats_json, handle_.get()).at(0);
    }

    /// For event loops: can be read when there are messages, until `poll`.
    int wakeup_fd() { return ferromq_consumer_wakeup_fd(handle_.get()); }
    /// How many queues of a topic are this consumer's at present.
    std::size_t queue_count(const std::string &topic) const {
        return ferromq_consumer_queue_count(handle_.get(), topic.c_str());
    }
    /// Pulls no more messages until `resume`.
    void pause() { detail::check(ferromq_consumer_pause(handle_.get())); }
    /// Pulls messages again.
    void resume() { detail::check(ferromq_consumer_resume(handle_.get())); }
    /// Stores the group's progress now, and waits until the brokers have it.
    void commit() { detail::check(ferromq_consumer_commit(handle_.get())); }
    /// Waits for the handler, stores progress and leaves the group.
    void close() { detail::check(ferromq_consumer_close(handle_.get())); }

private:
    detail::Handle<ferromq_consumer_t, ferromq_consumer_destroy> handle_;
};

/// Reads queues that are assigned to it. Any thread may use it at any time.
class PullConsumer {
public:
    /// Settings: those of clients and consumers; `namesrvAddr` and `consumerGroup` are needed.
    explicit PullConsumer(const Config &config)
        : handle_(detail::made<ferromq_pull_consumer_t>(ferromq_pull_consumer_create,
                                                        config.get())) {}

    /// The queues of a topic that can be read.
    Queues topic_queues(const std::string &topic) {
        return Queues(detail::made<ferromq_queues_t>(ferromq_pull_consumer_topic_queues,
                                                     handle_.get(), topic.c_str()));
    }
    /// Shares a topic with the group, instead of assigned queues.
    void subscribe(const std::string &topic, const std::string &tags = "*") {
        detail::check(ferromq_pull_consumer_subscribe(handle_.get(), topic.c_str(), tags.c_str()));
    }
    /// Reads a topic no more.
    void unsubscribe(const std::string &topic) {
        detail::check(ferromq_pull_consumer_unsubscribe(handle_.get(), topic.c_str()));
    }
    /// The queues that are read at present.
    Queues assignment() const {
        return Queues(detail::made<ferromq_queues_t>(ferromq_pull_consumer_assignment, handle_.get()));
    }
    /// Reads these queues, and no others.
    void assign(const Queues &queues) {
        detail::check(ferromq_pull_consumer_assign(handle_.get(), queues.get()));
    }
    /// An offset, -1 for the first message, or -2 for the next new one.
    void seek(const Queues &queues, std::size_t at, std::int64_t offset) {
        detail::check(ferromq_pull_consumer_seek(handle_.get(), queues.get(), at, offset));
    }
    /// The group's stored progress in a queue, if there is any.
    std::optional<std::int64_t> committed(const Queues &queues, std::size_t at) {
        std::int64_t offset = -1;
        detail::check(ferromq_pull_consumer_committed(handle_.get(), queues.get(), at, &offset));
        return offset < 0 ? std::nullopt : std::make_optional(offset);
    }
    /// The offset of the first message stored at a time, in ms since 1970, or later.
    std::int64_t offset_for_timestamp(const Queues &queues, std::size_t at, std::int64_t timestamp) {
        std::int64_t offset = -1;
        detail::check(ferromq_pull_consumer_offset_for_timestamp(handle_.get(), queues.get(), at,
                                                                 timestamp, &offset));
        return offset;
    }
    /// Pulls no more messages of these queues.
    void pause(const Queues &queues) {
        detail::check(ferromq_pull_consumer_pause(handle_.get(), queues.get()));
    }
    /// Pulls messages of these queues again.
    void resume(const Queues &queues) {
        detail::check(ferromq_pull_consumer_resume(handle_.get(), queues.get()));
    }
    /// See docs/statistics.md.
    std::string stats_json() const {
        return detail::texts(ferromq_pull_consumer_stats_json, handle_.get()).at(0);
    }
    /// Up to `max` messages, waiting up to `timeout` for the first; they need no settling.
    Batch poll(std::size_t max, milliseconds timeout) {
        return Batch(detail::made<ferromq_batch_t>(ferromq_pull_consumer_poll, handle_.get(), max,
                                                   std::int64_t{timeout.count()}));
    }
    /// Stores progress now, and waits until the brokers have it: what was polled counts as handled.
    void commit() { detail::check(ferromq_pull_consumer_commit(handle_.get())); }
    /// Stores progress and ends the consumer.
    void close() { detail::check(ferromq_pull_consumer_close(handle_.get())); }

private:
    detail::Handle<ferromq_pull_consumer_t, ferromq_pull_consumer_destroy> handle_;
};

/// Looks after topics, groups and progress. Any thread may use it at any time.
class Admin {
public:
    /// Settings: those of clients.
    explicit Admin(const Config &config)
        : handle_(detail::made<ferromq_admin_t>(ferromq_admin_create, config.get())) {}

    /// Makes a topic on every master broker, or changes its number of queues.
    void create_topic(const std::string &topic, std::int32_t queues = 4) {
        detail::check(ferromq_admin_create_topic(handle_.get(), topic.c_str(), queues));
    }
    /// Removes a topic from every broker and name server.
    void delete_topic(const std::string &topic) {
        detail::check(ferromq_admin_delete_topic(handle_.get(), topic.c_str()));
    }
    /// The names of all topics.
    std::vector<std::string> topics() { return detail::texts(ferromq_admin_topics, handle_.get()); }
    /// The queues of a topic, with `min_offset`, `max_offset` and `timestamp`.
    Queues topic_stats(const std::string &topic) {
        return queues(ferromq_admin_topic_stats, topic.c_str());
    }
    /// Makes a group on every master broker.
    void create_group(const std::string &group) {
        detail::check(ferromq_admin_create_group(handle_.get(), group.c_str()));
    }
    /// Removes a group from every broker.
    void delete_group(const std::string &group) {
        detail::check(ferromq_admin_delete_group(handle_.get(), group.c_str()));
    }
    /// The names of all groups.
    std::vector<std::string> groups() { return detail::texts(ferromq_admin_groups, handle_.get()); }
    /// How far a group is in a topic, or in all: `consumer_offset`, `max_offset` and `timestamp`.
    Queues consume_stats(const std::string &group, const std::string &topic = {}) {
        const char *one = topic.empty() ? nullptr : topic.c_str();
        return queues(ferromq_admin_consume_stats, group.c_str(), one);
    }
    /// Moves a group to messages stored at a time, in ms since 1970, or later; gives `consumer_offset`.
    Queues reset_offset(const std::string &group, const std::string &topic, std::int64_t timestamp) {
        return queues(ferromq_admin_reset_offset, group.c_str(), topic.c_str(), timestamp);
    }
    /// Up to `max` messages that have a key, or a message id.
    Batch query_messages(const std::string &topic, const std::string &key, std::int32_t max = 32) {
        return Batch(detail::made<ferromq_batch_t>(ferromq_admin_query_messages, handle_.get(),
                                                   topic.c_str(), key.c_str(), max));
    }
    /// The message with this id, as a batch of one.
    Batch view_message(const std::string &offset_message_id) {
        return Batch(detail::made<ferromq_batch_t>(ferromq_admin_view_message, handle_.get(),
                                                   offset_message_id.c_str()));
    }
    /// The addresses of all master brokers.
    std::vector<std::string> brokers() { return detail::texts(ferromq_admin_brokers, handle_.get()); }
    /// What a broker tells about itself, as `key=value`.
    std::vector<std::string> runtime_info(const std::string &broker) {
        return detail::texts(ferromq_admin_runtime_info, handle_.get(), broker.c_str());
    }
    /// Ends its connections.
    void close() { detail::check(ferromq_admin_close(handle_.get())); }

private:
    template <typename Function, typename... Arguments>
    Queues queues(Function function, Arguments... arguments) {
        return Queues(detail::made<ferromq_queues_t>(function, handle_.get(), arguments...));
    }

    detail::Handle<ferromq_admin_t, ferromq_admin_destroy> handle_;
};

}  // namespace ferromq

#endif  // FERROMQ_HPP
