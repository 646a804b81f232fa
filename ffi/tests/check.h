/* What the tests in C have in common. */
#ifndef CHECK_H
#define CHECK_H

#include "ferromq.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                            \
    do {                                                                                            \
        if (!(condition)) {                                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                 \
            exit(1);                                                                                \
        }                                                                                           \
    } while (0)

/* A call that must not fail. */
#define DO(call)                                                                                    \
    do {                                                                                            \
        ferromq_error_t *failure = (call);                                                          \
        if (failure != NULL) {                                                                      \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, ferromq_error_name(failure),     \
                    ferromq_error_message(failure));                                                \
            exit(1);                                                                                \
        }                                                                                           \
    } while (0)

/* A call that must fail with this name. */
#define FAILS(expected, call)                                                                       \
    do {                                                                                            \
        ferromq_error_t *failure = (call);                                                          \
        CHECK(failure != NULL);                                                                     \
        if (strcmp(ferromq_error_name(failure), (expected)) != 0) {                                 \
            fprintf(stderr, "%s:%d: %s instead of %s: %s\n", __FILE__, __LINE__,                    \
                    ferromq_error_name(failure), (expected), ferromq_error_message(failure));       \
            exit(1);                                                                                \
        }                                                                                           \
        CHECK(ferromq_error_code(failure) != 0 && strlen(ferromq_error_message(failure)) > 0);      \
        ferromq_error_destroy(failure);                                                             \
    } while (0)

/* With more patience than the default of three seconds: valgrind is slow, and so may the disk be. */
static inline ferromq_config_t *settings(const ferromq_server_t *server, const char *group) {
    ferromq_config_t *config = ferromq_config_create();
    DO(ferromq_config_set(config, "namesrvAddr", ferromq_server_address(server)));
    DO(ferromq_config_set(config, "sendMsgTimeout", "30000"));
    if (group != NULL) {
        DO(ferromq_config_set(config, "consumerGroup", group));
        DO(ferromq_config_set(config, "consumeFromWhere", "CONSUME_FROM_FIRST_OFFSET"));
    }
    return config;
}

static inline ferromq_message_t *text_message(const char *topic, const char *body) {
    ferromq_message_t *message = NULL;
    DO(ferromq_message_create(topic, (const uint8_t *)body, strlen(body), &message));
    return message;
}

#endif
