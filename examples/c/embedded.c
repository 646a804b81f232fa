/* A server inside the program, a producer and a consumer. */
#include <ferromq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(ferromq_error_t *error) {
    if (error != NULL) {
        fprintf(stderr, "%s: %s\n", ferromq_error_name(error), ferromq_error_message(error));
        exit(1);
    }
}

int main(void) {
    ferromq_server_t *server;
    must(ferromq_server_create(NULL, NULL, &server));
    ferromq_config_t *config = ferromq_config_create();
    must(ferromq_config_set(config, "namesrvAddr", ferromq_server_address(server)));

    ferromq_producer_t *producer;
    must(ferromq_producer_create(config, &producer));
    for (int number = 1; number <= 3; number++) {
        char body[32];
        snprintf(body, sizeof body, "order %d", number);
        ferromq_message_t *message;
        must(ferromq_message_create("Orders", (const uint8_t *)body, strlen(body), &message));
        must(ferromq_producer_send(producer, message, NULL));
        ferromq_message_destroy(message);
    }
    ferromq_producer_destroy(producer);

    must(ferromq_config_set(config, "consumerGroup", "billing"));
    must(ferromq_config_set(config, "consumeFromWhere", "CONSUME_FROM_FIRST_OFFSET"));
    ferromq_consumer_t *consumer;
    must(ferromq_consumer_create(config, "Orders", "*", 0, &consumer));
    for (size_t received = 0; received < 3;) {
        ferromq_batch_t *batch;
        must(ferromq_consumer_poll(consumer, 32, 10000, &batch));
        for (size_t at = 0; at < ferromq_batch_count(batch); at++, received++) {
            size_t size;
            const uint8_t *body = ferromq_received_body(ferromq_batch_get(batch, at), &size);
            printf("billing got %.*s\n", (int)size, (const char *)body);
        }
        ferromq_batch_ack_all(batch);
        ferromq_batch_destroy(batch);
    }
    ferromq_consumer_destroy(consumer);
    ferromq_config_destroy(config);
    ferromq_server_destroy(server);
    return 0;
}
