/* Receives orders: consumer NAME_SERVERS GROUP COUNT; ends when it has handled so many. */
#include <ferromq.h>
#include <stdio.h>
#include <stdlib.h>

static void must(ferromq_error_t *error) {
    if (error != NULL) {
        fprintf(stderr, "%s: %s\n", ferromq_error_name(error), ferromq_error_message(error));
        exit(1);
    }
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: %s NAME_SERVERS GROUP COUNT\n", arguments[0]);
        return 2;
    }
    ferromq_config_t *config = ferromq_config_create();
    must(ferromq_config_set(config, "namesrvAddr", arguments[1]));
    must(ferromq_config_set(config, "consumerGroup", arguments[2]));
    must(ferromq_config_set(config, "consumeFromWhere", "CONSUME_FROM_FIRST_OFFSET"));
    ferromq_consumer_t *consumer;
    must(ferromq_consumer_create(config, "Orders", "created", 0, &consumer));
    ferromq_config_destroy(config);

    const int wanted = atoi(arguments[3]);
    for (int handled = 0; handled < wanted;) {
        ferromq_batch_t *batch;
        must(ferromq_consumer_poll(consumer, 32, 30000, &batch));
        if (ferromq_batch_count(batch) == 0) {
            fprintf(stderr, "nothing came within 30 seconds\n");
            return 1;
        }
        for (size_t at = 0; at < ferromq_batch_count(batch); at++, handled++) {
            size_t size;
            const uint8_t *body = ferromq_received_body(ferromq_batch_get(batch, at), &size);
            printf("C consumer of group %s got: %.*s\n", arguments[2], (int)size, (const char *)body);
            ferromq_batch_ack(batch, at);
        }
        ferromq_batch_destroy(batch);
    }
    /* Stores progress, and tells the broker that it leaves. */
    must(ferromq_consumer_close(consumer));
    ferromq_consumer_destroy(consumer);
    return 0;
}
