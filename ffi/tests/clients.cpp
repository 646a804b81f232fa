// The C++ layer: every class, moved about, and errors as exceptions.
#include "ferromq.hpp"

#include <cstdio>
#include <cstdlib>
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
    admin.delete_topic("Cpp");
    producer.close();
    server.close();
    std::puts("all is well in C++");
}
