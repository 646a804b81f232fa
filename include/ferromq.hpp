// FerroMQ for C++17: a thin layer over ferromq.h. Handles are move-only and close themselves; failures
// are exceptions of type ferromq::Error. What each call does is said in ferromq.h.
#ifndef FERROMQ_HPP
#define FERROMQ_HPP

#include "ferromq.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ferromq {

using std::chrono::milliseconds;

/// Why a call failed.
class Error : public std::runtime_error {
public:
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

}  // namespace detail

/// Settings under the keys of docs/configuration.md. Several kinds of clients may share them.
class Config {
public:
    Config() : handle_(ferromq_config_create()) {}

    Config &set(const std::string &key, const std::string &value) {
        detail::check(ferromq_config_set(handle_.get(), key.c_str(), value.c_str()));
        return *this;
    }

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
    std::string broker_address() const { return ferromq_server_broker_address(handle_.get()); }
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

    Message &tag(const std::string &tag) {
        detail::check(ferromq_message_set_tag(handle_.get(), tag.c_str()));
        return *this;
    }

    Message &key(const std::string &key) {
        detail::check(ferromq_message_add_key(handle_.get(), key.c_str()));
        return *this;
    }

    Message &property(const std::string &name, const std::string &value) {
        detail::check(ferromq_message_set_property(handle_.get(), name.c_str(), value.c_str()));
        return *this;
    }

    Message &delay_level(std::int32_t level) {
        detail::check(ferromq_message_set_delay_level(handle_.get(), level));
        return *this;
    }

    const ferromq_message_t *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<ferromq_message_t, ferromq_message_destroy> handle_;
};

/// Where a message went.
struct Receipt {
    /// One of FERROMQ_SEND_….
    std::int32_t status;
    std::string message_id;
    std::string broker_name;
    std::int32_t queue_id;
    /// Of several messages that of the first.
    std::int64_t queue_offset;

    explicit Receipt(const ferromq_receipt_t *receipt)
        : status(ferromq_receipt_status(receipt)),
          message_id(ferromq_receipt_message_id(receipt)),
          broker_name(ferromq_receipt_broker_name(receipt)),
          queue_id(ferromq_receipt_queue_id(receipt)),
          queue_offset(ferromq_receipt_queue_offset(receipt)) {}
};

/// What became of a message that was sent without waiting: a receipt, or an error.
struct Completion {
    std::uint64_t token;
    std::optional<Receipt> receipt;
    std::optional<Error> error;
};

/// Sends messages. Any thread may use it at any time.
class Producer {
public:
    explicit Producer(const Config &config)
        : handle_(detail::made<ferromq_producer_t>(ferromq_producer_create, config.get())) {}

    Receipt send(const Message &message) {
        return receipt(ferromq_producer_send, message.get());
    }

    /// Messages of one key stay in order.
    Receipt send_ordered(const Message &message, const std::string &key) {
        return receipt(ferromq_producer_send_ordered, message.get(), key.c_str());
    }

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

    std::vector<Completion> poll(std::size_t max, milliseconds timeout) {
        const detail::Handle<ferromq_completions_t, ferromq_completions_destroy> all(
            detail::made<ferromq_completions_t>(
                ferromq_producer_poll, handle_.get(), max, std::int64_t{timeout.count()}));
        std::vector<Completion> completions;
        for (std::size_t at = 0; at < ferromq_completions_count(all.get()); at++) {
            Completion one{ferromq_completions_token(all.get(), at), {}, {}};
            const ferromq_error_t *error = ferromq_completions_error(all.get(), at);
            if (error != nullptr) {
                one.error.emplace(error);
            } else {
                one.receipt.emplace(ferromq_completions_receipt(all.get(), at));
            }
            completions.push_back(std::move(one));
        }
        return completions;
    }

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
    explicit Received(const ferromq_received_t *message) : message_(message) {}

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

    std::string_view topic() const { return ferromq_received_topic(message_); }
    std::string_view message_id() const { return ferromq_received_message_id(message_); }
    std::string_view broker_name() const { return ferromq_received_broker_name(message_); }
    std::int32_t queue_id() const { return ferromq_received_queue_id(message_); }
    std::int64_t queue_offset() const { return ferromq_received_queue_offset(message_); }
    std::int32_t reconsume_times() const { return ferromq_received_reconsume_times(message_); }
    std::int64_t born_timestamp() const { return ferromq_received_born_timestamp(message_); }
    std::int64_t store_timestamp() const { return ferromq_received_store_timestamp(message_); }

private:
    const ferromq_received_t *message_;
};

/// Messages of a poll. Those that are not settled come again when it ends.
class Batch {
public:
    explicit Batch(ferromq_batch_t *batch) : handle_(batch) {}

    class Iterator {
    public:
        Iterator(const Batch &batch, std::size_t at) : batch_(&batch), at_(at) {}
        Received operator*() const { return (*batch_)[at_]; }
        Iterator &operator++() {
            at_++;
            return *this;
        }
        bool operator!=(const Iterator &other) const { return at_ != other.at_; }

    private:
        const Batch *batch_;
        std::size_t at_;
    };

    std::size_t size() const { return ferromq_batch_count(handle_.get()); }
    bool empty() const { return size() == 0; }
    Received operator[](std::size_t at) const { return Received(ferromq_batch_get(handle_.get(), at)); }
    Iterator begin() const { return {*this, 0}; }
    Iterator end() const { return {*this, size()}; }

    /// The message was handled; says whether it was still to be settled.
    bool ack(std::size_t at) { return ferromq_batch_ack(handle_.get(), at) != 0; }
    void ack_all() { ferromq_batch_ack_all(handle_.get()); }
    /// The message was not handled and comes again.
    bool retry_later(std::size_t at, std::int32_t delay_level = 0) {
        return ferromq_batch_retry_later(handle_.get(), at, delay_level) != 0;
    }

private:
    detail::Handle<ferromq_batch_t, ferromq_batch_destroy> handle_;
};

/// Receives messages together with the other members of its group. Any thread may use it at any time.
class Consumer {
public:
    Consumer(const Config &config, const std::string &topic, const std::string &tags = "*",
             bool ordered = false)
        : handle_(detail::made<ferromq_consumer_t>(ferromq_consumer_create, config.get(),
                                                   topic.c_str(), tags.c_str(),
                                                   std::int32_t{ordered})) {}

    void subscribe(const std::string &topic, const std::string &tags = "*") {
        detail::check(ferromq_consumer_subscribe(handle_.get(), topic.c_str(), tags.c_str()));
    }

    void unsubscribe(const std::string &topic) {
        detail::check(ferromq_consumer_unsubscribe(handle_.get(), topic.c_str()));
    }

    Batch poll(std::size_t max, milliseconds timeout) {
        return Batch(detail::made<ferromq_batch_t>(ferromq_consumer_poll, handle_.get(), max,
                                                   std::int64_t{timeout.count()}));
    }

    /// For event loops: can be read when there are messages, until `poll`.
    int wakeup_fd() { return ferromq_consumer_wakeup_fd(handle_.get()); }
    std::size_t queue_count(const std::string &topic) const {
        return ferromq_consumer_queue_count(handle_.get(), topic.c_str());
    }
    void pause() { detail::check(ferromq_consumer_pause(handle_.get())); }
    void resume() { detail::check(ferromq_consumer_resume(handle_.get())); }
    void commit() { detail::check(ferromq_consumer_commit(handle_.get())); }
    void close() { detail::check(ferromq_consumer_close(handle_.get())); }

private:
    detail::Handle<ferromq_consumer_t, ferromq_consumer_destroy> handle_;
};

/// Queues of a topic.
class Queues {
public:
    explicit Queues(ferromq_queues_t *queues) : handle_(queues) {}

    std::size_t size() const { return ferromq_queues_count(handle_.get()); }
    std::string broker_name(std::size_t at) const {
        return ferromq_queues_broker_name(handle_.get(), at);
    }
    std::int32_t queue_id(std::size_t at) const { return ferromq_queues_queue_id(handle_.get(), at); }
    const ferromq_queues_t *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<ferromq_queues_t, ferromq_queues_destroy> handle_;
};

/// Reads queues that are assigned to it. Any thread may use it at any time.
class PullConsumer {
public:
    explicit PullConsumer(const Config &config)
        : handle_(detail::made<ferromq_pull_consumer_t>(ferromq_pull_consumer_create,
                                                        config.get())) {}

    Queues topic_queues(const std::string &topic) {
        return Queues(detail::made<ferromq_queues_t>(ferromq_pull_consumer_topic_queues,
                                                     handle_.get(), topic.c_str()));
    }
    void assign(const Queues &queues) {
        detail::check(ferromq_pull_consumer_assign(handle_.get(), queues.get()));
    }
    /// An offset, -1 for the first message, or -2 for the next new one.
    void seek(const Queues &queues, std::size_t at, std::int64_t offset) {
        detail::check(ferromq_pull_consumer_seek(handle_.get(), queues.get(), at, offset));
    }
    Batch poll(std::size_t max, milliseconds timeout) {
        return Batch(detail::made<ferromq_batch_t>(ferromq_pull_consumer_poll, handle_.get(), max,
                                                   std::int64_t{timeout.count()}));
    }
    void commit() { detail::check(ferromq_pull_consumer_commit(handle_.get())); }
    void close() { detail::check(ferromq_pull_consumer_close(handle_.get())); }

private:
    detail::Handle<ferromq_pull_consumer_t, ferromq_pull_consumer_destroy> handle_;
};

/// Looks after topics.
class Admin {
public:
    explicit Admin(const Config &config)
        : handle_(detail::made<ferromq_admin_t>(ferromq_admin_create, config.get())) {}

    void create_topic(const std::string &topic, std::int32_t queues = 4) {
        detail::check(ferromq_admin_create_topic(handle_.get(), topic.c_str(), queues));
    }
    void delete_topic(const std::string &topic) {
        detail::check(ferromq_admin_delete_topic(handle_.get(), topic.c_str()));
    }

private:
    detail::Handle<ferromq_admin_t, ferromq_admin_destroy> handle_;
};

}  // namespace ferromq

#endif  // FERROMQ_HPP
