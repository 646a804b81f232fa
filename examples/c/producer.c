/* Sends orders: producer NAME_SERVERS [COUNT]. They are on their way all at once; a callback tells of each. */
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

static void on_completions(const ferromq_completions_t *all, void *user_data) {
    size_t *failures = user_data;
    for (size_t at = 0; at < ferromq_completions_count(all); at++) {
        const ferromq_error_t *error = ferromq_completions_error(all, at);
        if (error != NULL) {
            fprintf(stderr, "order %d: %s\n", (int)ferromq_completions_token(all, at), ferromq_error_message(error));
            (*failures)++;
        }
    }
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: %s NAME_SERVERS [COUNT]\n", arguments[0]);
        return 2;
    }
    const int orders = count > 2 ? atoi(arguments[2]) : 10;
    ferromq_config_t *config = ferromq_config_create();
    must(ferromq_config_set(config, "namesrvAddr", arguments[1]));
    ferromq_producer_t *producer;
    must(ferromq_producer_create(config, &producer));
    ferromq_config_destroy(config);

    size_t failures = 0;
    must(ferromq_producer_on_completions(producer, on_completions, &failures, NULL));
    for (int number = 1; number <= orders; number++) {
        char body[32];
        snprintf(body, sizeof body, "order %d", number);
        ferromq_message_t *message;
        must(ferromq_message_create("Orders", (const uint8_t *)body, strlen(body), &message));
        must(ferromq_message_set_tag(message, "created"));
        must(ferromq_producer_send_async(producer, message, (uint64_t)number));
        ferromq_message_destroy(message);
    }
    /* Waits until all are stored, and the callback has heard of them. */
    must(ferromq_producer_close(producer));
    ferromq_producer_destroy(producer);
    printf("sent %d orders, %d failed\n", orders, (int)failures);
    return failures > 0;
}
