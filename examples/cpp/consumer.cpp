// Receives orders: consumer NAME_SERVERS GROUP COUNT; ends when it has handled so many.
#include <ferromq.hpp>

#include <iostream>

using namespace std::chrono_literals;

int main(int count, char **arguments) {
    if (count != 4) {
        std::cerr << "usage: " << arguments[0] << " NAME_SERVERS GROUP COUNT\n";
        return 2;
    }
    try {
        ferromq::Config config;
        config.set("namesrvAddr", arguments[1]).set("consumerGroup", arguments[2]);
        config.set("consumeFromWhere", "CONSUME_FROM_FIRST_OFFSET");
        ferromq::Consumer consumer(config, "Orders", "created");
        for (int handled = 0, wanted = std::stoi(arguments[3]); handled < wanted;) {
            ferromq::Batch batch = consumer.poll(32, 30s);
            if (batch.empty()) {
                std::cerr << "nothing came within 30 seconds\n";
                return 1;
            }
            for (const ferromq::Received message : batch) {
                std::cout << "C++ consumer of group " << arguments[2] << " got: " << message.body() << '\n';
                handled++;
            }
            batch.ack_all();
        }
        // Stores progress, and tells the broker that it leaves.
        consumer.close();
    } catch (const ferromq::Error &error) {
        std::cerr << error.name() << ": " << error.what() << '\n';
        return 1;
    }
}
