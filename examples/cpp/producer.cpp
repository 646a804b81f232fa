// Sends orders: producer NAME_SERVERS [COUNT]. They are on their way all at once; a function hears of each.
#include <ferromq.hpp>

#include <iostream>

int main(int count, char **arguments) {
    if (count < 2) {
        std::cerr << "usage: " << arguments[0] << " NAME_SERVERS [COUNT]\n";
        return 2;
    }
    const int orders = count > 2 ? std::stoi(arguments[2]) : 10;
    try {
        ferromq::Config config;
        ferromq::Producer producer(config.set("namesrvAddr", arguments[1]));
        int failures = 0;
        producer.on_completions([&](const ferromq::Completion &one) {
            if (one.error) {
                std::cerr << "order " << one.token << ": " << one.error->what() << '\n';
                failures++;
            }
        });
        for (int number = 1; number <= orders; number++) {
            ferromq::Message message("Orders", "order " + std::to_string(number));
            producer.send_async(message.tag("created"), static_cast<std::uint64_t>(number));
        }
        // Waits until all are stored, and the function has heard of them.
        producer.close();
        std::cout << "sent " << orders << " orders, " << failures << " failed\n";
        return failures > 0 ? 1 : 0;
    } catch (const ferromq::Error &error) {
        std::cerr << error.name() << ": " << error.what() << '\n';
        return 1;
    }
}
