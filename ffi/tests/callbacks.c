/* Callbacks, the log, statistics, administration and the finer parts of pulling. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

/* Lets other threads go on, which valgrind does not by itself: it runs one at a time. */
static void wait_a_moment(int turn) {
    CHECK(turn < 12000);
    const struct timespec moment = {0, 5000000};
    nanosleep(&moment, NULL);
}

/* Waits until a number that another thread changes is large enough. */
static void until(const atomic_int *number, int enough) {
    for (int turn = 0; atomic_load(number) < enough; turn++) {
        wait_a_moment(turn);
    }
}

/* What callbacks are called with. */
struct seen {
    atomic_int calls;
    atomic_int messages;
    atomic_int failed;
    atomic_int refusals;
    atomic_int destroyed;
    ferromq_consumer_t *consumer;
    ferromq_producer_t *producer;
    pthread_t thread;
};

static void destroyed(void *user_data) {
    struct seen *seen = (struct seen *)user_data;
    atomic_fetch_add(&seen->destroyed, 1);
}

static int lines_about_destroying;
static atomic_int lines;

static void on_line(int32_t level, const char *target, const char *text, void *user_data) {
    CHECK(level >= FERROMQ_LOG_ERROR && level <= FERROMQ_LOG_WARN);
    CHECK(strncmp(target, "ferromq", 7) == 0 && strlen(text) > 0);
    lines_about_destroying += strstr(text, "tried to destroy its own client") != NULL;
    FAILS("INVALID_ARGUMENT", ferromq_log_set(FERROMQ_LOG_OFF, NULL, NULL, NULL));
    atomic_fetch_add((atomic_int *)user_data, 1);
}

/* Handles the first message of a batch only: the others come again. Misuses whatever it can. */
static void on_messages(const ferromq_batch_t *batch, void *user_data) {
    struct seen *seen = (struct seen *)user_data;
    CHECK(ferromq_batch_count(batch) >= 1 && ferromq_batch_count(batch) <= 4);
    size_t size = 0;
    const uint8_t *body = ferromq_received_body(ferromq_batch_get(batch, 0), &size);
    CHECK(size == 1 && body[0] == 'x');
    CHECK(ferromq_batch_ack(batch, 0) == 1 && ferromq_batch_ack(batch, 0) == 0);
    if (atomic_fetch_add(&seen->calls, 1) == 0) {
        seen->thread = pthread_self();
        FAILS("INVALID_ARGUMENT", ferromq_consumer_close(seen->consumer));
        ferromq_consumer_destroy(seen->consumer);
        ferromq_batch_t *polled = NULL;
        FAILS("INVALID_ARGUMENT", ferromq_consumer_poll(seen->consumer, 1, 0, &polled));
        atomic_fetch_add(&seen->refusals, 3);
    }
    CHECK(pthread_equal(seen->thread, pthread_self()));
    /* It may call the library. */
    DO(ferromq_consumer_commit(seen->consumer));
    atomic_fetch_add(&seen->messages, 1);
}

static void on_completions(const ferromq_completions_t *completions, void *user_data) {
    struct seen *seen = (struct seen *)user_data;
    for (size_t at = 0; at < ferromq_completions_count(completions); at++) {
        const ferromq_error_t *error = ferromq_completions_error(completions, at);
        if (error != NULL) {
            fprintf(stderr, "a message failed: %s: %s\n", ferromq_error_name(error), ferromq_error_message(error));
            atomic_fetch_add(&seen->failed, 1);
        }
    }
    if (atomic_fetch_add(&seen->calls, 1) == 0) {
        FAILS("INVALID_ARGUMENT", ferromq_producer_close(seen->producer));
        ferromq_producer_destroy(seen->producer);
        ferromq_completions_t *polled = NULL;
        FAILS("INVALID_ARGUMENT", ferromq_producer_poll(seen->producer, 1, 0, &polled));
    }
    atomic_fetch_add(&seen->messages, (int)ferromq_completions_count(completions));
}

static void callbacks(const ferromq_server_t *server) {
    DO(ferromq_log_set(FERROMQ_LOG_WARN, on_line, &lines, NULL));
    FAILS("INVALID_ARGUMENT", ferromq_log_set(6, on_line, &lines, NULL));

    static struct seen sends;
    ferromq_config_t *config = settings(server, NULL);
    DO(ferromq_producer_create(config, &sends.producer));
    ferromq_config_destroy(config);
    FAILS("INVALID_ARGUMENT", ferromq_producer_on_completions(sends.producer, NULL, &sends, destroyed));
    CHECK(atomic_load(&sends.destroyed) == 1);
    DO(ferromq_producer_on_completions(sends.producer, on_completions, &sends, destroyed));
    FAILS("INVALID_ARGUMENT",
          ferromq_producer_on_completions(sends.producer, on_completions, &sends, destroyed));
    CHECK(atomic_load(&sends.destroyed) == 2);
    ferromq_message_t *message = text_message("Calls", "x");
    for (uint64_t token = 0; token < 50; token++) {
        DO(ferromq_producer_send_async(sends.producer, message, token));
    }
    until(&sends.messages, 50);
    CHECK(atomic_load(&sends.destroyed) == 2);
    /* Closing waits until the callback has heard of all. */
    for (uint64_t token = 0; token < 50; token++) {
        DO(ferromq_producer_send_async(sends.producer, message, token));
    }
    DO(ferromq_producer_close(sends.producer));
    CHECK(atomic_load(&sends.messages) == 100);
    CHECK(atomic_load(&sends.failed) == 0);
    CHECK(atomic_load(&sends.destroyed) == 3);
    FAILS("CLOSED", ferromq_producer_on_completions(sends.producer, on_completions, &sends, NULL));
    FAILS("CLOSED", ferromq_producer_send_async(sends.producer, message, 1));
    ferromq_message_destroy(message);

    static struct seen receipts;
    config = settings(server, "calls");
    DO(ferromq_consumer_create(config, "Calls", "*", 0, &receipts.consumer));
    DO(ferromq_consumer_on_messages(receipts.consumer, 1, on_messages, &receipts, destroyed));
    FAILS("INVALID_ARGUMENT", ferromq_consumer_on_messages(receipts.consumer, 1, on_messages, &receipts, NULL));
    until(&receipts.messages, 100);
    CHECK(atomic_load(&receipts.refusals) == 3 && atomic_load(&receipts.destroyed) == 0);
    DO(ferromq_consumer_close(receipts.consumer));
    CHECK(atomic_load(&receipts.destroyed) == 1);
    FAILS("CLOSED", ferromq_consumer_on_messages(receipts.consumer, 1, on_messages, &receipts, NULL));
    ferromq_consumer_destroy(receipts.consumer);

    /* What a callback leaves unsettled comes again, and destroying without closing ends it too. */
    static struct seen again;
    DO(ferromq_config_set(config, "consumerGroup", "calls-again"));
    DO(ferromq_consumer_create(config, "Calls", "*", 0, &again.consumer));
    ferromq_config_destroy(config);
    DO(ferromq_consumer_on_messages(again.consumer, 4, on_messages, &again, destroyed));
    until(&again.messages, 25);
    ferromq_consumer_destroy(again.consumer);
    CHECK(atomic_load(&again.destroyed) == 1);
    ferromq_producer_destroy(sends.producer);

    until(&lines, 3);
    DO(ferromq_log_set(FERROMQ_LOG_OFF, NULL, NULL, NULL));
    CHECK(lines_about_destroying == 3);
}

static void errors_are_listed(void) {
    int found = 0;
    for (size_t at = 0; at < ferromq_error_kind_count(); at++) {
        const char *name = ferromq_error_kind_name(at);
        found += strcmp(name, "TIMEOUT") == 0 && ferromq_error_kind_code(at) == -7 &&
                 ferromq_error_kind_retryable(at) == 1;
        found += strcmp(name, "SERVER") == 0 && ferromq_error_kind_code(at) == -102 &&
                 ferromq_error_kind_retryable(at) == 0;
        found += strcmp(name, "SYSTEM_BUSY") == 0 && ferromq_error_kind_code(at) == 2;
    }
    CHECK(found == 3 && ferromq_error_kind_name(ferromq_error_kind_count()) == NULL);

    /* A file where a directory is wanted. */
    char file[] = "/tmp/ferromq-test-XXXXXX";
    int descriptor = mkstemp(file);
    CHECK(descriptor >= 0 && close(descriptor) == 0);
    ferromq_server_t *server = NULL;
    ferromq_error_t *error = ferromq_server_create(NULL, file, &server);
    CHECK(error != NULL && server == NULL && ferromq_error_code(error) == -102);
    CHECK(strcmp(ferromq_error_name(error), "SERVER") == 0);
    ferromq_error_destroy(error);
    CHECK(unlink(file) == 0);
}

static int has(const ferromq_texts_t *texts, const char *beginning) {
    for (size_t at = 0; at < ferromq_texts_count(texts); at++) {
        if (strncmp(ferromq_texts_get(texts, at), beginning, strlen(beginning)) == 0) {
            return 1;
        }
    }
    return 0;
}

static void told(ferromq_texts_t *texts, const char *beginning) {
    CHECK(has(texts, beginning) && ferromq_texts_get(texts, ferromq_texts_count(texts)) == NULL);
    ferromq_texts_destroy(texts);
}

static void administration(const ferromq_server_t *server) {
    ferromq_config_t *config = settings(server, NULL);
    ferromq_admin_t *admin = NULL;
    DO(ferromq_admin_create(config, &admin));
    ferromq_producer_t *producer = NULL;
    DO(ferromq_producer_create(config, &producer));
    ferromq_config_destroy(config);
    DO(ferromq_admin_create_topic(admin, "Cared", 2));
    DO(ferromq_admin_create_group(admin, "carers"));
    ferromq_texts_t *texts = NULL;
    DO(ferromq_admin_topics(admin, &texts));
    told(texts, "Cared");
    DO(ferromq_admin_groups(admin, &texts));
    told(texts, "carers");
    DO(ferromq_admin_brokers(admin, &texts));
    told(texts, ferromq_server_broker_address(server));
    DO(ferromq_admin_runtime_info(admin, ferromq_server_broker_address(server), &texts));
    told(texts, "bootTimestamp=");

    ferromq_queues_t *queues = NULL;
    DO(ferromq_producer_queues(producer, "Cared", &queues));
    CHECK(ferromq_queues_count(queues) == 2 && strcmp(ferromq_queues_topic(queues, 1), "Cared") == 0);
    CHECK(ferromq_queues_max_offset(queues, 0) == -1);
    ferromq_queues_destroy(queues);
    ferromq_message_t *message = text_message("Cared", "x");
    DO(ferromq_message_add_key(message, "k1"));
    DO(ferromq_message_set_flag(message, 5));
    ferromq_receipt_t *receipt = NULL;
    for (int number = 0; number < 6; number++) {
        ferromq_receipt_destroy(receipt);
        DO(ferromq_producer_send(producer, message, &receipt));
    }
    ferromq_message_destroy(message);
    DO(ferromq_admin_topic_stats(admin, "Cared", &queues));
    for (size_t at = 0; at < 2; at++) {
        CHECK(ferromq_queues_min_offset(queues, at) == 0 && ferromq_queues_max_offset(queues, at) == 3);
        CHECK(ferromq_queues_timestamp(queues, at) > 0 && ferromq_queues_consumer_offset(queues, at) == -1);
    }
    ferromq_queues_destroy(queues);

    ferromq_batch_t *batch = NULL;
    DO(ferromq_admin_view_message(admin, ferromq_receipt_offset_message_id(receipt), &batch));
    const ferromq_received_t *found = ferromq_batch_get(batch, 0);
    CHECK(strcmp(ferromq_received_message_id(found), ferromq_receipt_message_id(receipt)) == 0);
    CHECK(strcmp(ferromq_received_offset_message_id(found), ferromq_receipt_offset_message_id(receipt)) == 0);
    CHECK(ferromq_received_flag(found) == 5);
    CHECK(strcmp(ferromq_received_store_host(found), ferromq_server_broker_address(server)) == 0);
    CHECK(strncmp(ferromq_received_born_host(found), "127.0.0.1:", 10) == 0);
    int keys = 0;
    size_t names = 0;
    for (const char *name; (name = ferromq_received_property_name(found, names)) != NULL; names++) {
        size_t size = 0;
        CHECK(ferromq_received_property(found, name, &size) != NULL);
        keys += strcmp(name, "KEYS") == 0;
    }
    CHECK(keys == 1 && names >= 2);
    ferromq_batch_destroy(batch);
    /* The index is written in the background. */
    for (int turn = 0, found_all = 0; !found_all; turn++) {
        wait_a_moment(turn);
        DO(ferromq_admin_query_messages(admin, "Cared", "k1", 32, &batch));
        found_all = ferromq_batch_count(batch) == 6;
        ferromq_batch_destroy(batch);
    }

    DO(ferromq_admin_reset_offset(admin, "carers", "Cared", 0, &queues));
    CHECK(ferromq_queues_count(queues) == 2 && ferromq_queues_consumer_offset(queues, 0) == 0);
    ferromq_queues_destroy(queues);
    DO(ferromq_admin_consume_stats(admin, "carers", NULL, &queues));
    CHECK(ferromq_queues_count(queues) >= 2);
    ferromq_queues_destroy(queues);
    DO(ferromq_admin_consume_stats(admin, "carers", "Cared", &queues));
    CHECK(ferromq_queues_count(queues) == 2 && ferromq_queues_max_offset(queues, 1) == 3);
    CHECK(ferromq_queues_consumer_offset(queues, 1) == 0);
    ferromq_queues_destroy(queues);
    DO(ferromq_admin_delete_group(admin, "carers"));
    ferromq_receipt_destroy(receipt);
    DO(ferromq_producer_stats_json(producer, &texts));
    CHECK(strstr(ferromq_texts_get(texts, 0), "\"sent\":6,") != NULL);
    told(texts, "{\"type\":\"producer\",");
    ferromq_producer_destroy(producer);
    DO(ferromq_admin_close(admin));
    DO(ferromq_admin_close(admin));
    ferromq_admin_destroy(admin);
}

/* What a server with a directory of its own was sent is there when the next one takes the directory. */
static void a_given_directory(void) {
    char directory[] = "/tmp/ferromq-test-XXXXXX";
    CHECK(mkdtemp(directory) != NULL);
    for (int round = 0; round < 2; round++) {
        ferromq_server_t *server = NULL;
        DO(ferromq_server_create(NULL, directory, &server));
        ferromq_config_t *config = settings(server, NULL);
        ferromq_producer_t *producer = NULL;
        DO(ferromq_producer_create(config, &producer));
        ferromq_message_t *message = text_message("Kept", "x");
        DO(ferromq_producer_send(producer, message, NULL));
        ferromq_message_destroy(message);
        ferromq_admin_t *admin = NULL;
        DO(ferromq_admin_create(config, &admin));
        ferromq_queues_t *queues = NULL;
        DO(ferromq_admin_topic_stats(admin, "Kept", &queues));
        int64_t stored = 0;
        for (size_t at = 0; at < ferromq_queues_count(queues); at++) {
            stored += ferromq_queues_max_offset(queues, at);
        }
        CHECK(stored == round + 1);
        ferromq_queues_destroy(queues);
        ferromq_admin_destroy(admin);
        ferromq_producer_destroy(producer);
        ferromq_config_destroy(config);
        ferromq_server_destroy(server);
    }
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    CHECK(system(command) == 0);
}

/* Messages of the topic Cared. */
static void pulling(const ferromq_server_t *server) {
    ferromq_config_t *config = settings(server, "pullers");
    ferromq_pull_consumer_t *consumer = NULL;
    DO(ferromq_pull_consumer_create(config, &consumer));
    ferromq_queues_t *one = ferromq_queues_create();
    DO(ferromq_queues_add(one, "Cared", "embedded", 1));
    FAILS("INVALID_ARGUMENT", ferromq_queues_add(one, NULL, "embedded", 1));
    DO(ferromq_pull_consumer_assign(consumer, one));
    int64_t offset = 5;
    /* Brokers say 0 for a group that they do not know, while the queue still has its first message. */
    DO(ferromq_pull_consumer_committed(consumer, one, 0, &offset));
    CHECK(offset == 0);
    DO(ferromq_pull_consumer_offset_for_timestamp(consumer, one, 0, 1, &offset));
    CHECK(offset == 0);
    FAILS("INVALID_ARGUMENT", ferromq_pull_consumer_committed(consumer, one, 1, &offset));
    DO(ferromq_pull_consumer_seek(consumer, one, 0, -1));
    ferromq_queues_t *assigned = NULL;
    DO(ferromq_pull_consumer_assignment(consumer, &assigned));
    CHECK(ferromq_queues_count(assigned) == 1 && ferromq_queues_queue_id(assigned, 0) == 1);
    ferromq_queues_destroy(assigned);
    DO(ferromq_pull_consumer_pause(consumer, one));
    DO(ferromq_pull_consumer_resume(consumer, one));
    for (size_t count = 0; count < 3;) {
        ferromq_batch_t *batch = NULL;
        DO(ferromq_pull_consumer_poll(consumer, 32, 10000, &batch));
        CHECK(ferromq_batch_count(batch) > 0);
        count += ferromq_batch_count(batch);
        ferromq_batch_destroy(batch);
    }
    DO(ferromq_pull_consumer_commit(consumer));
    for (int turn = 0; offset != 3; turn++) {
        wait_a_moment(turn);
        DO(ferromq_pull_consumer_committed(consumer, one, 0, &offset));
    }
    ferromq_texts_t *texts = NULL;
    DO(ferromq_pull_consumer_stats_json(consumer, &texts));
    CHECK(strstr(ferromq_texts_get(texts, 0), "\"handled\":3,") != NULL);
    told(texts, "{\"type\":\"pullConsumer\",");
    ferromq_queues_destroy(one);
    FAILS("INVALID_ARGUMENT", ferromq_pull_consumer_assign(consumer, NULL));
    ferromq_pull_consumer_destroy(consumer);

    DO(ferromq_config_set(config, "consumerGroup", "sharers"));
    DO(ferromq_pull_consumer_create(config, &consumer));
    DO(ferromq_pull_consumer_subscribe(consumer, "Cared", NULL));
    for (size_t count = 0; count < 6;) {
        ferromq_batch_t *batch = NULL;
        DO(ferromq_pull_consumer_poll(consumer, 32, 10000, &batch));
        CHECK(ferromq_batch_count(batch) > 0);
        count += ferromq_batch_count(batch);
        ferromq_batch_destroy(batch);
    }
    DO(ferromq_pull_consumer_unsubscribe(consumer, "Cared"));
    ferromq_pull_consumer_destroy(consumer);

    ferromq_consumer_t *member = NULL;
    DO(ferromq_consumer_create(config, "Cared", "*", 0, &member));
    ferromq_config_destroy(config);
    CHECK(strchr(ferromq_consumer_client_id(member), '@') != NULL);
    size_t count = 0;
    for (int turn = 0; count < 2; turn++) {
        wait_a_moment(turn);
        ferromq_queues_t *queues = NULL;
        DO(ferromq_consumer_queues(member, &queues));
        count = 0;
        for (size_t at = 0; at < ferromq_queues_count(queues); at++) {
            count += strcmp(ferromq_queues_topic(queues, at), "Cared") == 0;
        }
        ferromq_queues_destroy(queues);
    }
    DO(ferromq_consumer_stats_json(member, &texts));
    told(texts, "{\"type\":\"consumer\",");
    ferromq_consumer_destroy(member);
}

int main(void) {
    errors_are_listed();
    ferromq_server_t *server = NULL;
    DO(ferromq_server_create(NULL, NULL, &server));
    callbacks(server);
    administration(server);
    pulling(server);
    ferromq_server_destroy(server);
    a_given_directory();
    puts("all is well with callbacks");
    return 0;
}
