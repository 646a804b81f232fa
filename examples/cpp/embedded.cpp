// A server inside the program, a producer and a consumer.
#include <ferromq.hpp>

#include <iostream>

using namespace std::chrono_literals;

int main() {
    try {
        ferromq::Server server;
        ferromq::Config config;
        config.set("namesrvAddr", server.address());

        ferromq::Producer producer(config);
        for (int number = 1; number <= 3; number++) {
            ferromq::Message message("Orders", "order " + std::to_string(number));
            producer.send(message.tag("created"));
        }

        config.set("consumerGroup", "billing").set("consumeFromWhere", "CONSUME_FROM_FIRST_OFFSET");
        ferromq::Consumer consumer(config, "Orders", "created || paid");
        for (std::size_t received = 0; received < 3;) {
            ferromq::Batch batch = consumer.poll(32, 10s);
            for (const ferromq::Received message : batch) {
                std::cout << "billing got " << message.body() << '\n';
                received++;
            }
            batch.ack_all();
        }
    } catch (const ferromq::Error &error) {
        std::cerr << error.name() << ": " << error.what() << '\n';
        return 1;
    }
}
