/* Completions that nobody polls for do not pile up without end. */
#include "check.h"

int main(void) {
    ferromq_server_t *server = NULL;
    DO(ferromq_server_create(NULL, NULL, &server));
    ferromq_config_t *config = ferromq_config_create();
    DO(ferromq_config_set(config, "namesrvAddr", ferromq_server_address(server)));
    ferromq_producer_t *producer = NULL;
    DO(ferromq_producer_create(config, &producer));
    ferromq_message_t *message = NULL;
    DO(ferromq_message_create("Unpolled", (const uint8_t *)"x", 1, &message));

    for (uint64_t token = 0; token < FERROMQ_MAX_COMPLETIONS; token++) {
        DO(ferromq_producer_send_async(producer, message, token));
    }
    FAILS("UNPOLLED", ferromq_producer_send_async(producer, message, 0));
    /* Each that is polled for makes room for one, whatever became of it. */
    ferromq_completions_t *completions = NULL;
    DO(ferromq_producer_poll(producer, 2, 10000, &completions));
    size_t polled = ferromq_completions_count(completions);
    CHECK(polled == 1 || polled == 2);
    ferromq_completions_destroy(completions);
    size_t accepted = FERROMQ_MAX_COMPLETIONS + polled;
    for (size_t at = FERROMQ_MAX_COMPLETIONS; at < accepted; at++) {
        DO(ferromq_producer_send_async(producer, message, at));
    }
    FAILS("UNPOLLED", ferromq_producer_send_async(producer, message, 0));

    /* All that were accepted are told of, also after the end, and each once. */
    DO(ferromq_producer_close(producer));
    FAILS("CLOSED", ferromq_producer_send_async(producer, message, 0));
    for (;;) {
        DO(ferromq_producer_poll(producer, 4096, 0, &completions));
        size_t count = ferromq_completions_count(completions);
        ferromq_completions_destroy(completions);
        if (count == 0) break;
        polled += count;
    }
    CHECK(polled == accepted);
    ferromq_message_destroy(message);
    ferromq_producer_destroy(producer);
    ferromq_config_destroy(config);
    ferromq_server_destroy(server);
    return 0;
}
