/* Sends through the C library: client NAMESRV TOPIC SIZE WINDOW WARM_UP SECONDS
 * Prints `begin` after the warm-up and `end N` when N more messages have been acknowledged. */
#include "ferromq.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void must(ferromq_error_t *error) {
    if (error != NULL) {
        fprintf(stderr, "%s: %s\n", ferromq_error_name(error), ferromq_error_message(error));
        exit(1);
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Takes what has been acknowledged; how many that is. */
static unsigned long acknowledged(const ferromq_producer_t *producer) {
    ferromq_completions_t *completions = NULL;
    must(ferromq_producer_poll(producer, 256, 10000, &completions));
    size_t count = ferromq_completions_count(completions);
    if (count == 0) {
        fprintf(stderr, "no acknowledgement in 10 seconds\n");
        exit(1);
    }
    for (size_t at = 0; at < count; at++) {
        const ferromq_error_t *error = ferromq_completions_error(completions, at);
        if (error != NULL) {
            fprintf(stderr, "%s: %s\n", ferromq_error_name(error), ferromq_error_message(error));
            exit(1);
        }
    }
    ferromq_completions_destroy(completions);
    return count;
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: client NAMESRV TOPIC SIZE WINDOW WARM_UP SECONDS\n");
        return 2;
    }
    const char *topic = argv[2];
    size_t size = strtoul(argv[3], NULL, 10);
    unsigned long window = strtoul(argv[4], NULL, 10);
    uint8_t *body = malloc(size + 1);
    if (body == NULL) {
        return 1;
    }
    memset(body, 'x', size);
    ferromq_config_t *config = ferromq_config_create();
    must(ferromq_config_set(config, "namesrvAddr", argv[1]));
    ferromq_producer_t *producer = NULL;
    must(ferromq_producer_create(config, &producer));
    ferromq_config_destroy(config);

    double begin = now() + strtod(argv[5], NULL), end = begin + strtod(argv[6], NULL);
    unsigned long on_their_way = 0, sent = 0;
    int begun = 0;
    for (double time = now(); time < end || on_their_way > 0; time = now()) {
        for (; time < end && on_their_way < window; on_their_way++) {
            ferromq_message_t *message = NULL;
            must(ferromq_message_create(topic, body, size, &message));
            must(ferromq_producer_send_async(producer, message, 0));
            ferromq_message_destroy(message);
        }
        unsigned long count = acknowledged(producer);
        on_their_way -= count;
        if (begun) {
            sent += count;
        } else if (time >= begin) {
            begun = 1;
            puts("begin");
            fflush(stdout);
        }
    }
    printf("end %lu\n", sent);
    fflush(stdout);
    must(ferromq_producer_close(producer));
    ferromq_producer_destroy(producer);
    free(body);
    return 0;
}
