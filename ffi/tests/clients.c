/* The C interface, as a program in C sees it. Also compiled as C++. */
#include "check.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

static void versions_and_settings(void) {
    CHECK(ferromq_abi_version() == FERROMQ_ABI_VERSION);
    CHECK(strlen(ferromq_version()) >= 5);
    ferromq_config_t *config = ferromq_config_create();
    DO(ferromq_config_set(config, "sendMsgTimeout", "5000"));
    DO(ferromq_config_set(config, "consumerGroup", "G"));
    DO(ferromq_config_set(config, "flushDiskType", "SYNC_FLUSH"));
    FAILS("INVALID_ARGUMENT", ferromq_config_set(config, "sendMsgTimout", "5000"));
    FAILS("INVALID_ARGUMENT", ferromq_config_set(config, "sendMsgTimeout", "soon"));
    FAILS("INVALID_ARGUMENT", ferromq_config_set(config, "namesrvAddr", "\xff"));
    CHECK(ferromq_config_count(config) == 3);
    ferromq_config_destroy(config);
}

static void sending_and_receiving(const ferromq_server_t *server) {
    ferromq_config_t *config = settings(server, NULL);
    ferromq_producer_t *producer = NULL;
    DO(ferromq_producer_create(config, &producer));
    ferromq_config_destroy(config);

    const uint8_t zeros[] = {0, 'x', 0, 255};
    ferromq_message_t *message = NULL;
    DO(ferromq_message_create("Sending", zeros, sizeof zeros, &message));
    DO(ferromq_message_set_tag(message, "created"));
    DO(ferromq_message_add_key(message, "k1"));
    DO(ferromq_message_add_key(message, "k2"));
    DO(ferromq_message_set_property(message, "color", "red"));
    ferromq_receipt_t *receipt = NULL;
    DO(ferromq_producer_send(producer, message, &receipt));
    CHECK(ferromq_receipt_status(receipt) == FERROMQ_SEND_OK);
    CHECK(strlen(ferromq_receipt_message_id(receipt)) == 32);
    CHECK(strcmp(ferromq_receipt_broker_name(receipt), "embedded") == 0);
    CHECK(ferromq_receipt_queue_offset(receipt) == 0);
    int32_t queue = ferromq_receipt_queue_id(receipt);
    DO(ferromq_producer_send_to(producer, message, "embedded", queue, NULL));
    DO(ferromq_producer_send_ordered(producer, message, "customer 5", NULL));
    DO(ferromq_producer_send_oneway(producer, message));
    const ferromq_message_t *both[] = {message, message};
    DO(ferromq_producer_send_batch(producer, both, 2, NULL));
    FAILS("INVALID_ARGUMENT", ferromq_producer_send_batch(producer, both, 0, NULL));
    for (uint64_t token = 1; token <= 10; token++) {
        DO(ferromq_producer_send_async(producer, message, token));
    }
    uint64_t tokens = 0;
    for (size_t count = 0; count < 10;) {
        ferromq_completions_t *completions = NULL;
        DO(ferromq_producer_poll(producer, 100, 10000, &completions));
        CHECK(ferromq_completions_count(completions) > 0);
        for (size_t at = 0; at < ferromq_completions_count(completions); at++, count++) {
            tokens += ferromq_completions_token(completions, at);
            CHECK(ferromq_completions_error(completions, at) == NULL);
            CHECK(ferromq_receipt_queue_offset(ferromq_completions_receipt(completions, at)) >= 0);
        }
        ferromq_completions_destroy(completions);
    }
    CHECK(tokens == 55);
    ferromq_receipt_destroy(receipt);

    config = settings(server, "sending");
    ferromq_consumer_t *consumer = NULL;
    DO(ferromq_consumer_create(config, "Sending", "created || paid", 0, &consumer));
    DO(ferromq_consumer_subscribe(consumer, "Another", NULL));
    ferromq_config_destroy(config);
    struct pollfd watched = {ferromq_consumer_wakeup_fd(consumer), POLLIN, 0};
    CHECK(watched.fd >= 0);
    size_t again = 0;
    for (size_t count = 0; count < 16;) {
        CHECK(poll(&watched, 1, 20000) == 1);
        ferromq_batch_t *batch = NULL;
        DO(ferromq_consumer_poll(consumer, 32, 1000, &batch));
        for (size_t at = 0; at < ferromq_batch_count(batch); at++) {
            const ferromq_received_t *received = ferromq_batch_get(batch, at);
            size_t size = 0;
            const uint8_t *body = ferromq_received_body(received, &size);
            CHECK(size == sizeof zeros && memcmp(body, zeros, size) == 0);
            const char *keys = ferromq_received_property(received, "KEYS", &size);
            CHECK(size == 5 && memcmp(keys, "k1 k2", 5) == 0);
            CHECK(ferromq_received_property(received, "none", &size) == NULL && size == 0);
            CHECK(strcmp(ferromq_received_topic(received), "Sending") == 0);
            CHECK(strcmp(ferromq_received_broker_name(received), "embedded") == 0);
            CHECK(strlen(ferromq_received_message_id(received)) == 32);
            CHECK(ferromq_received_queue_id(received) >= 0);
            CHECK(ferromq_received_queue_offset(received) >= 0);
            CHECK(ferromq_received_store_timestamp(received) >= ferromq_received_born_timestamp(received) - 1000);
            if (again == 0 && ferromq_received_reconsume_times(received) == 0) {
                again = 1;
                CHECK(ferromq_batch_retry_later(batch, at, 1) == 1);
                CHECK(ferromq_batch_ack(batch, at) == 0);
            } else {
                again += ferromq_received_reconsume_times(received) == 1;
                count++;
            }
        }
        ferromq_batch_ack_all(batch);
        ferromq_batch_destroy(batch);
    }
    CHECK(again == 2);
    CHECK(ferromq_consumer_queue_count(consumer, "Sending") == 4);
    DO(ferromq_consumer_pause(consumer));
    DO(ferromq_consumer_resume(consumer));
    DO(ferromq_consumer_commit(consumer));
    DO(ferromq_consumer_unsubscribe(consumer, "Sending"));

    /* Closed says so, and can be closed again. */
    DO(ferromq_consumer_close(consumer));
    DO(ferromq_consumer_close(consumer));
    ferromq_batch_t *batch = NULL;
    FAILS("CLOSED", ferromq_consumer_poll(consumer, 1, 0, &batch));
    CHECK(batch == NULL);
    ferromq_consumer_destroy(consumer);
    DO(ferromq_producer_close(producer));
    DO(ferromq_producer_close(producer));
    FAILS("CLOSED", ferromq_producer_send(producer, message, NULL));
    ferromq_message_destroy(message);
    ferromq_producer_destroy(producer);
}

static void pulling(const ferromq_server_t *server) {
    ferromq_config_t *config = settings(server, "pulling");
    ferromq_admin_t *admin = NULL;
    DO(ferromq_admin_create(config, &admin));
    DO(ferromq_admin_create_topic(admin, "Pulling", 2));
    ferromq_producer_t *producer = NULL;
    ferromq_config_t *sender = settings(server, NULL);
    DO(ferromq_producer_create(sender, &producer));
    ferromq_config_destroy(sender);
    for (int number = 0; number < 4; number++) {
        ferromq_message_t *message = text_message("Pulling", "x");
        DO(ferromq_producer_send(producer, message, NULL));
        ferromq_message_destroy(message);
    }
    ferromq_pull_consumer_t *consumer = NULL;
    DO(ferromq_pull_consumer_create(config, &consumer));
    ferromq_config_destroy(config);
    ferromq_queues_t *queues = NULL;
    DO(ferromq_pull_consumer_topic_queues(consumer, "Pulling", &queues));
    CHECK(ferromq_queues_count(queues) == 2);
    CHECK(strcmp(ferromq_queues_broker_name(queues, 1), "embedded") == 0);
    CHECK(ferromq_queues_queue_id(queues, 1) == 1 && ferromq_queues_queue_id(queues, 2) == -1);
    DO(ferromq_pull_consumer_assign(consumer, queues));
    DO(ferromq_pull_consumer_seek(consumer, queues, 0, -1));
    DO(ferromq_pull_consumer_seek(consumer, queues, 1, 1));
    FAILS("INVALID_ARGUMENT", ferromq_pull_consumer_seek(consumer, queues, 2, 0));
    for (size_t count = 0; count < 3;) {
        ferromq_batch_t *batch = NULL;
        DO(ferromq_pull_consumer_poll(consumer, 32, 10000, &batch));
        CHECK(ferromq_batch_count(batch) > 0);
        count += ferromq_batch_count(batch);
        CHECK(count <= 3 && ferromq_batch_ack(batch, 0) == 0);
        ferromq_batch_destroy(batch);
    }
    DO(ferromq_pull_consumer_commit(consumer));
    ferromq_queues_destroy(queues);
    DO(ferromq_pull_consumer_close(consumer));
    ferromq_pull_consumer_destroy(consumer);
    ferromq_producer_destroy(producer);
    DO(ferromq_admin_delete_topic(admin, "Pulling"));
    ferromq_admin_destroy(admin);
}

static void nobody_there(void) {
    ferromq_config_t *config = ferromq_config_create();
    DO(ferromq_config_set(config, "namesrvAddr", "127.0.0.1:1"));
    DO(ferromq_config_set(config, "sendMsgTimeout", "500"));
    ferromq_producer_t *producer = NULL;
    DO(ferromq_producer_create(config, &producer));
    ferromq_message_t *message = text_message("T", "x");
    ferromq_receipt_t *receipt = (ferromq_receipt_t *)message;
    ferromq_error_t *error = ferromq_producer_send(producer, message, &receipt);
    CHECK(error != NULL && receipt == NULL && ferromq_error_retryable(error) == 1);
    CHECK(strstr(ferromq_error_message(error), "127.0.0.1:1") != NULL);
    ferromq_error_destroy(error);
    ferromq_message_destroy(message);
    ferromq_producer_destroy(producer);
    ferromq_config_destroy(config);
}

/* The child has none of the threads that clients need. */
static void a_forked_process_is_told(const ferromq_server_t *server) {
    fflush(NULL);
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        ferromq_config_t *config = settings(server, NULL);
        ferromq_producer_t *producer = NULL;
        ferromq_error_t *error = ferromq_producer_create(config, &producer);
        const char *name = ferromq_error_name(error);
        CHECK(write(ends[1], name, strlen(name)) > 0);
        _exit(0);
    }
    /* Not its exit status: valgrind has an opinion of its own on processes that end like this. */
    close(ends[1]);
    char name[16] = {0};
    CHECK(read(ends[0], name, sizeof name - 1) > 0 && strcmp(name, "FORKED") == 0);
    close(ends[0]);
    CHECK(waitpid(child, NULL, 0) == child);
}

/* A server that goes away while messages are written to it is an error, not a SIGPIPE for the program. */
static void a_server_that_goes_away(void) {
    for (int round = 0; round < 5; round++) {
        ferromq_server_t *server = NULL;
        DO(ferromq_server_create(NULL, NULL, &server));
        ferromq_config_t *config = settings(server, NULL);
        DO(ferromq_config_set(config, "sendMsgTimeout", "5000"));
        ferromq_producer_t *producer = NULL;
        DO(ferromq_producer_create(config, &producer));
        ferromq_message_t *message = text_message("Going", "x");
        DO(ferromq_producer_send(producer, message, NULL));
        for (uint64_t token = 0; token < 200; token++) {
            ferromq_error_destroy(ferromq_producer_send_async(producer, message, token));
            if (token == 100) {
                DO(ferromq_server_close(server));
            }
        }
        ferromq_message_destroy(message);
        ferromq_producer_destroy(producer);
        ferromq_config_destroy(config);
        ferromq_server_destroy(server);
    }
}

int main(void) {
    versions_and_settings();
    a_server_that_goes_away();
    nobody_there();
    ferromq_server_t *server = NULL;
    ferromq_server_t *other = NULL;
    DO(ferromq_server_create(NULL, NULL, &server));
    DO(ferromq_server_create(NULL, NULL, &other));
    CHECK(strcmp(ferromq_server_address(server), ferromq_server_address(other)) != 0);
    CHECK(strlen(ferromq_server_broker_address(other)) > 0);
    ferromq_server_destroy(other);
    sending_and_receiving(server);
    pulling(server);
    a_forked_process_is_told(server);
    DO(ferromq_server_close(server));
    DO(ferromq_server_close(server));
    ferromq_server_destroy(server);
    puts("all is well");
    return 0;
}
