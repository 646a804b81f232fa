// The C++ layer: every class, moved about, and errors as exceptions.
#include "ferromq.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <type_traits>

using namespace std::chrono_literals;

#define CHECK(condition)                                                                            \
    do {                                                                                            \
        if (!(condition)) {                                                                         \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);            \
            std::exit(1);                                                                           \
        }                                                                                           \
    } while (0)

static_assert(!std::is_copy_constructible_v<ferromq::Producer>);
static_assert(std::is_nothrow_move_constructible_v<ferromq::Producer>);
static_assert(std::is_nothrow_move_assignable_v<ferromq::Batch>);

template <typename Work>
static std::string failure(Work work) {
    try {
        work();
    } catch (const ferromq::Error &error) {
        CHECK(error.code() != 0 && error.what()[0] != '\0');
        return error.name();
    }
    return "no failure";
}

/// A number that callbacks raise and the test waits for.
class Counter {
public:
    void add(std::size_t more) {
        const std::lock_guard<std::mutex> locked(mutex_);
        count_ += more;
        changed_.notify_all();
    }
    void wait_for(std::size_t enough) {
        std::unique_lock<std::mutex> locked(mutex_);
        CHECK(changed_.wait_for(locked, 60s, [&] { return count_ >= enough; }));
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t count_ = 0;
};

static bool has(const std::vector<std::string> &texts, const std::string &beginning) {
    return std::any_of(texts.begin(), texts.end(),
                       [&](const std::string &text) { return text.rfind(beginning, 0) == 0; });
}

static void callbacks_and_administration(ferromq::Config &config) {
    CHECK(ferromq::error_kinds().size() > 40 && ferromq::error_kinds()[0].name == "INVALID_ARGUMENT");
    Counter lines, completed, handled;
    ferromq::set_log(FERROMQ_LOG_TRACE, [&](std::int32_t, std::string_view, std::string_view text) {
        CHECK(!text.empty());
        lines.add(1);
        throw std::runtime_error("goes no further");
    });
    ferromq::Admin admin(config);
    admin.create_topic("Called", 2);
    admin.create_group("callers");
    CHECK(has(admin.topics(), "Called") && has(admin.groups(), "callers"));
    CHECK(has(admin.runtime_info(admin.brokers().at(0)), "bootTimestamp="));
    ferromq::Producer producer(config);
    CHECK(producer.queues("Called").size() == 2);
    producer.on_completions([&](const ferromq::Completion &one) {
        CHECK(one.receipt.has_value());
        completed.add(1);
    });
    ferromq::Message message("Called", "x");
    message.key("k").flag(3);
    for (std::uint64_t token = 0; token < 10; token++) producer.send_async(message, token);
    completed.wait_for(10);
    CHECK(failure([&] { producer.poll(1, 0ms); }) == "INVALID_ARGUMENT");
    CHECK(producer.stats_json().find("\"sent\":10,") != std::string::npos);
    const ferromq::Receipt receipt = producer.send(message);
    const ferromq::Batch seen = admin.view_message(receipt.offset_message_id);
    CHECK(seen[0].flag() == 3 && seen[0].offset_message_id() == receipt.offset_message_id);
    CHECK(has(seen[0].property_names(), "KEYS") && !seen[0].born_host().empty());
    while (admin.query_messages("Called", "k").empty()) {
    }
    const ferromq::Queues extent = admin.topic_stats("Called");
    CHECK(extent.max_offset(0) + extent.max_offset(1) == 11 && extent.min_offset(0) == 0);
    CHECK(admin.reset_offset("callers", "Called", 0).consumer_offset(0) == 0);
    CHECK(admin.consume_stats("callers", "Called").max_offset(0) == extent.max_offset(0));
    CHECK(admin.consume_stats("callers").size() >= 2);

    config.set("consumerGroup", "callers");
    ferromq::Consumer consumer(config, "Called");
    consumer.on_messages(4, [&](ferromq::BatchView &batch) {
        for (const ferromq::Received one : batch) CHECK(one.body() == "x");
        batch.ack_all();
        handled.add(batch.size());
        throw std::runtime_error("goes no further");
    });
    handled.wait_for(11);
    CHECK(consumer.queues().size() >= 2 && !consumer.client_id().empty());
    CHECK(consumer.stats_json().find("\"handled\":11,") != std::string::npos);
    consumer.close();

    config.set("consumerGroup", "callers-pull");
    ferromq::PullConsumer puller(config);
    ferromq::Queues one;
    one.add("Called", receipt.broker_name, 1);
    puller.assign(one);
    CHECK(puller.assignment().topic(0) == "Called");
    CHECK(puller.offset_for_timestamp(one, 0, 1) == 0 && puller.committed(one, 0).value_or(0) == 0);
    puller.pause(one);
    puller.resume(one);
    CHECK(puller.stats_json().find("\"pullConsumer\"") != std::string::npos);
    puller.close();
    config.set("consumerGroup", "callers-shared");
    ferromq::PullConsumer sharing(config);
    sharing.subscribe("Called");
    while (sharing.poll(32, 1s).empty()) {
    }
    sharing.unsubscribe("Called");
    lines.wait_for(1);
    ferromq::end_log();
    admin.delete_group("callers");
    admin.close();
}

int main() {
    ferromq::Server server;
    ferromq::Config config;
    config.set("namesrvAddr", server.address()).set("consumerGroup", "cpp");
    config.set("consumeFromWhere", "CONSUME_FROM_FIRST_OFFSET");
    CHECK(failure([&] { config.set("sendMsgTimout", "1"); }) == "INVALID_ARGUMENT");

    ferromq::Admin admin(config);
    admin.create_topic("Cpp", 2);
    ferromq::Producer first(config);
    ferromq::Producer producer = std::move(first);
    CHECK(failure([&] { first.send(ferromq::Message("Cpp", "x")); }) == "INVALID_ARGUMENT");
    const std::string zeros("a\0b", 3);
    ferromq::Message message("Cpp", zeros);
    message.tag("t").key("k").property("color", "red");
    const ferromq::Receipt receipt = producer.send(message);
    CHECK(receipt.status == FERROMQ_SEND_OK && receipt.message_id.size() == 32);
    producer.send_to(message, receipt.broker_name, receipt.queue_id);
    producer.send_ordered(message, "customer");
    producer.send_oneway(message);
    std::vector<ferromq::Message> batch;
    batch.emplace_back("Cpp", zeros);
    batch.emplace_back("Cpp", zeros);
    producer.send_batch(batch);
    producer.send_async(message, 7);
    const auto completions = producer.poll(10, 10s);
    CHECK(completions.size() == 1 && completions[0].token == 7 && completions[0].receipt);

    ferromq::Consumer consumer(config, "Cpp");
    CHECK(consumer.wakeup_fd() >= 0);
    for (std::size_t received = 0; received < 7;) {
        ferromq::Batch polled = consumer.poll(32, 10s);
        CHECK(!polled.empty());
        for (const ferromq::Received one : polled) {
            CHECK(one.body() == zeros && one.topic() == "Cpp" && one.queue_offset() >= 0);
            CHECK(!one.property("none"));
            received++;
        }
        CHECK(polled.ack(0) && !polled.ack(0));
        polled.ack_all();
    }
    CHECK(consumer.queue_count("Cpp") == 2);
    consumer.commit();
    consumer.close();
    CHECK(failure([&] { consumer.poll(1, 0ms); }) == "CLOSED");

    config.set("consumerGroup", "cpp-pull");
    ferromq::PullConsumer puller(config);
    const ferromq::Queues queues = puller.topic_queues("Cpp");
    CHECK(queues.size() == 2 && queues.queue_id(1) == 1);
    puller.assign(queues);
    for (std::size_t at = 0; at < queues.size(); at++) puller.seek(queues, at, -1);
    std::size_t pulled = 0;
    while (pulled < 7) pulled += puller.poll(32, 10s).size();
    CHECK(pulled == 7);
    puller.close();
    callbacks_and_administration(config);
    admin.delete_topic("Cpp");
    producer.close();
    server.close();
    std::puts("all is well in C++");
}
