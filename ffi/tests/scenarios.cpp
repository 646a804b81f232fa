// The scenarios of core/testkit/scenarios, run by the C library's clients; see the README there.
// Arguments: the program scenario-cluster, and the scenario files.
#include "ferromq.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <thread>

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
using ferromq::milliseconds;

static const milliseconds PATIENCE = 30s;

/// A step that did not do what it says.
struct Failed : std::runtime_error {
    using std::runtime_error::runtime_error;
};

static void check(bool condition, const std::string &otherwise) {
    if (!condition) throw Failed(otherwise);
}

/// Servers that obey lines.
class Cluster {
public:
    explicit Cluster(const char *program) {
        int there[2];
        int back[2];
        check(pipe(there) == 0 && pipe(back) == 0, "no pipes");
        process_ = fork();
        if (process_ == 0) {
            dup2(there[0], 0);
            dup2(back[1], 1);
            for (int end : {there[0], there[1], back[0], back[1]}) close(end);
            execl(program, program, static_cast<char *>(nullptr));
            _exit(127);
        }
        close(there[0]);
        close(back[1]);
        to_ = fdopen(there[1], "w");
        from_ = fdopen(back[0], "r");
    }

    Cluster(const Cluster &) = delete;

    ~Cluster() {
        fclose(to_);
        waitpid(process_, nullptr, 0);
        fclose(from_);
    }

    std::string obey(const std::string &line) {
        std::fprintf(to_, "%s\n", line.c_str());
        std::fflush(to_);
        char text[4096] = {0};
        check(std::fgets(text, sizeof text, from_) != nullptr, "the cluster is gone");
        std::string answer(text);
        answer.erase(answer.find_last_not_of("\r\n") + 1);
        check(answer.compare(0, 2, "ok") == 0, answer);
        return answer.size() > 3 ? answer.substr(3) : "";
    }

private:
    pid_t process_;
    FILE *to_;
    FILE *from_;
};

struct Step {
    std::string line;
    std::string verb;
    std::string name;
    std::map<std::string, std::string> options;

    explicit Step(const std::string &text) : line(text) {
        std::istringstream words(text);
        words >> verb;
        for (std::string word; words >> word;) {
            const std::size_t at = word.find('=');
            if (at != std::string::npos) {
                options[word.substr(0, at)] = word.substr(at + 1);
            } else if (name.empty()) {
                name = word;
            }
        }
    }

    bool has(const std::string &key) const { return options.count(key) != 0; }
    std::string get(const std::string &key, const std::string &otherwise = "") const {
        const auto found = options.find(key);
        return found == options.end() ? otherwise : found->second;
    }
    long number(const std::string &key, long otherwise = 0) const {
        return has(key) ? std::stol(get(key)) : otherwise;
    }
};

static std::vector<std::string> split(const std::string &text, char by) {
    std::vector<std::string> parts;
    std::istringstream in(text);
    for (std::string part; std::getline(in, part, by);) parts.push_back(part);
    return parts;
}

static std::vector<std::string> bodies(const Step &step) {
    std::vector<std::string> all;
    if (step.has("body")) return {step.get("body")};
    if (step.has("hex")) {
        const std::string hex = step.get("hex");
        std::string body;
        for (std::size_t at = 0; at + 1 < hex.size(); at += 2) {
            body.push_back(static_cast<char>(std::stoi(hex.substr(at, 2), nullptr, 16)));
        }
        return {body};
    }
    if (step.has("size")) {
        std::string body(static_cast<std::size_t>(step.number("size")), '\0');
        for (std::size_t at = 0; at < body.size(); at++) body[at] = static_cast<char>(at % 251);
        return {body};
    }
    const std::string numbers = step.get("numbers");
    const std::size_t dots = numbers.find("..");
    const long end = std::stol(numbers.substr(dots + 2));
    for (long number = std::stol(numbers.substr(0, dots)); number < end; number++) {
        all.push_back(std::to_string(number));
    }
    return all;
}

class Stage {
public:
    explicit Stage(const char *program) : cluster_(program) {}

    void run(const Step &step) {
        const auto start = Clock::now();
        std::optional<ferromq::Error> failure;
        try {
            act(step);
        } catch (const ferromq::Error &error) {
            failure = error;
        }
        const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - start);
        if (step.has("within")) {
            check(took.count() <= step.number("within"), "it took " + std::to_string(took.count()) + " ms");
        }
        if (!step.has("fails")) {
            if (failure) throw Failed(failure->name() + ": " + failure->what());
            return;
        }
        check(failure.has_value(), "it did not fail");
        const auto expected = split(step.get("fails"), '|');
        check(std::count(expected.begin(), expected.end(), failure->name()) > 0,
              "it failed with " + failure->name() + ": " + failure->what());
    }

private:
    ferromq::Config settings(const Step &step) {
        const std::string at = step.get("at");
        const std::string address = !step.has("at") ? addresses_["cluster"]
                                    : addresses_.count(at) != 0 ? addresses_[at]
                                                                : at;
        ferromq::Config config;
        config.set("namesrvAddr", address).set("instanceName", step.name);
        config.set("pollNameServerInterval", "200").set("heartbeatBrokerInterval", "500");
        config.set("persistConsumerOffsetInterval", "100");
        if (step.has("group")) {
            config.set("consumerGroup", step.get("group"));
            config.set("consumeFromWhere", "CONSUME_FROM_FIRST_OFFSET");
        }
        for (const auto &[key, value] : step.options) {
            if (key.compare(0, 4, "set.") != 0) continue;
            config.set(key.substr(4), value == "folder" ? addresses_["folder"] : value);
        }
        return config;
    }

    void act(const Step &step) {
        const std::string &verb = step.verb;
        const std::string &name = step.name;
        if (verb == "cluster" || verb == "deaf" || verb == "dead" || verb == "folder") {
            addresses_[verb] = cluster_.obey(step.line);
        } else if (verb == "topic" || verb == "stop" || verb == "start") {
            cluster_.obey(step.line);
        } else if (verb == "producer") {
            producers_.emplace(name, ferromq::Producer(settings(step)));
        } else if (verb == "consumer") {
            consumers_.emplace(name, ferromq::Consumer(settings(step), step.get("topic"), step.get("tags", "*"),
                                                       step.get("ordered") == "true"));
        } else if (verb == "pull") {
            ferromq::PullConsumer consumer(settings(step));
            ferromq::Queues queues = consumer.topic_queues(step.get("topic"));
            consumer.assign(queues);
            pulls_.emplace(name, std::make_pair(std::move(consumer), std::move(queues)));
        } else if (verb == "send") {
            send(step);
        } else if (verb == "spread") {
            spread(step);
        } else if (verb == "receive") {
            receive(step);
        } else if (verb == "nothing") {
            const ferromq::Batch batch = poll(name, milliseconds(step.number("for")));
            check(batch.empty(), "something came");
        } else if (verb == "queues") {
            const auto end = Clock::now() + PATIENCE;
            const auto count = static_cast<std::size_t>(step.number("count"));
            while (consumers_.at(name).queue_count(step.get("topic")) != count) {
                check(Clock::now() < end, "it has others");
                std::this_thread::sleep_for(5ms);
            }
        } else if (verb == "seek") {
            auto &[consumer, queues] = pulls_.at(name);
            for (std::size_t at = 0; at < queues.size(); at++) consumer.seek(queues, at, step.number("offset"));
        } else if (verb == "commit") {
            if (consumers_.count(name) != 0) consumers_.at(name).commit();
            if (pulls_.count(name) != 0) pulls_.at(name).first.commit();
        } else if (verb == "close") {
            if (producers_.count(name) != 0) producers_.at(name).close();
            if (consumers_.count(name) != 0) consumers_.at(name).close();
            if (pulls_.count(name) != 0) pulls_.at(name).first.close();
        } else {
            throw Failed("nobody knows " + verb);
        }
    }

    ferromq::Batch poll(const std::string &name, milliseconds timeout) {
        if (pulls_.count(name) != 0) return pulls_.at(name).first.poll(32, timeout);
        return consumers_.at(name).poll(32, timeout);
    }

    void send(const Step &step) {
        ferromq::Producer &producer = producers_.at(step.name);
        auto &receipts = receipts_[step.name];
        const std::string how = step.get("how");
        std::vector<ferromq::Message> messages;
        for (const std::string &body : bodies(step)) {
            ferromq::Message message(step.get("topic"), body);
            if (step.has("tag")) message.tag(step.get("tag"));
            if (step.has("key")) message.key(step.get("key"));
            if (step.has("property")) {
                const auto pair = split(step.get("property"), ':');
                message.property(pair.at(0), pair.at(1));
            }
            if (step.has("delay")) message.delay_level(static_cast<std::int32_t>(step.number("delay")));
            messages.push_back(std::move(message));
        }
        if (how == "batch") {
            receipts.push_back(producer.send_batch(messages));
        } else if (how == "background") {
            for (std::size_t at = 0; at < messages.size(); at++) producer.send_async(messages[at], at);
            std::set<std::uint64_t> tokens;
            const auto end = Clock::now() + PATIENCE;
            while (tokens.size() < messages.size()) {
                check(Clock::now() < end, "not everything was told");
                for (ferromq::Completion &one : producer.poll(1000, 1s)) {
                    if (one.error) throw *one.error;
                    check(tokens.insert(one.token).second, "a token came twice");
                    receipts.push_back(*one.receipt);
                }
            }
        } else {
            for (const ferromq::Message &message : messages) {
                for (;;) {
                    try {
                        if (how == "oneway") {
                            producer.send_oneway(message);
                        } else {
                            receipts.push_back(step.has("order") ? producer.send_ordered(message, step.get("order"))
                                                                 : producer.send(message));
                        }
                        break;
                    } catch (const ferromq::Error &) {
                        if (step.get("retry") != "true") throw;
                        std::this_thread::sleep_for(20ms);
                    }
                }
            }
        }
        sent_ = Clock::now();
    }

    void spread(const Step &step) {
        std::map<std::pair<std::string, std::int32_t>, long> counts;
        for (const ferromq::Receipt &receipt : std::exchange(receipts_[step.name], {})) {
            counts[{receipt.broker_name, receipt.queue_id}]++;
        }
        check(static_cast<long>(counts.size()) == step.number("queues"), std::to_string(counts.size()) + " queues");
        const long least = step.number("least", step.number("each"));
        const long most = step.number("each", 1L << 30);
        for (const auto &[queue, count] : counts) {
            check(count >= least && count <= most, std::to_string(count) + " in a queue");
        }
    }

    void receive(const Step &step) {
        std::map<std::string, int> missing;
        for (const std::string &body : bodies(step)) missing[body]++;
        std::set<std::string> known;
        for (const auto &[body, count] : missing) known.insert(body);
        std::map<std::pair<std::string, std::int32_t>, long> last;
        const auto names = split(step.name, ',');
        const auto end = Clock::now() + PATIENCE;
        for (std::size_t turn = 0; !missing.empty(); turn++) {
            const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
            check(left > 0ms, std::to_string(missing.size()) + " bodies did not come");
            ferromq::Batch batch = poll(names[turn % names.size()], names.size() == 1 ? left : 20ms);
            const std::string settle = step.get("settle", "ack");
            for (std::size_t at = 0; at < batch.size(); at++) {
                const ferromq::Received message = batch[at];
                compare(message, step);
                const std::string body(message.body());
                if (step.get("in_order") == "true") {
                    auto [queue, first] = last.try_emplace({std::string(message.broker_name()), message.queue_id()}, -1);
                    check(queue->second < std::stol(body), body + " is out of order");
                    queue->second = std::stol(body);
                }
                const auto found = missing.find(body);
                if (found == missing.end()) {
                    check(step.get("repeats") == "true" && known.count(body) != 0, body.substr(0, 50) + " came");
                } else if (--found->second == 0) {
                    missing.erase(found);
                }
                if (settle == "ack") batch.ack(at);
                if (settle == "later") batch.retry_later(at, static_cast<std::int32_t>(step.number("level")));
            }
            // Held until the end; dropped with this turn otherwise.
            if (settle == "hold") held_.push_back(std::move(batch));
        }
    }

    void compare(const ferromq::Received &message, const Step &step) {
        if (step.has("tag")) check(message.property("TAGS") == step.get("tag"), "its tag is another");
        if (step.has("key")) check(message.property("KEYS") == step.get("key"), "its key is another");
        if (step.has("property")) {
            const auto pair = split(step.get("property"), ':');
            check(message.property(pair.at(0)) == pair.at(1), "its property is another");
        }
        if (step.has("times")) check(message.reconsume_times() == step.number("times"), "its times are others");
        if (step.has("after")) {
            check(Clock::now() - sent_ >= milliseconds(step.number("after")), "it came too soon");
        }
    }

    // Clients go before the servers.
    Cluster cluster_;
    std::map<std::string, std::string> addresses_;
    std::map<std::string, ferromq::Producer> producers_;
    std::map<std::string, std::vector<ferromq::Receipt>> receipts_;
    std::map<std::string, ferromq::Consumer> consumers_;
    std::map<std::string, std::pair<ferromq::PullConsumer, ferromq::Queues>> pulls_;
    std::deque<ferromq::Batch> held_;
    Clock::time_point sent_ = Clock::now();
};

int main(int count, char **arguments) {
    int failures = 0;
    for (int at = 2; at < count; at++) {
        std::ifstream file(arguments[at]);
        const auto start = Clock::now();
        std::string line;
        int number = 0;
        try {
            Stage stage(arguments[1]);
            while (std::getline(file, line)) {
                number++;
                if (!line.empty() && line[0] != '#' && line != "also apache") stage.run(Step(line));
            }
            check(number > 0, "there is nothing in it");
            const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - start);
            std::cout << "ok     " << arguments[at] << ", " << took.count() << " ms\n";
        } catch (const std::exception &error) {
            failures++;
            std::cout << "FAILED " << arguments[at] << ':' << number << ": " << line << ": " << error.what() << '\n';
        }
        std::cout.flush();
    }
    return failures == 0 && count > 2 ? 0 : 1;
}
