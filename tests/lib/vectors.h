/* Vectors: messages with the verdict that is expected of them. Each vector becomes a test of its
 * own, which parses it whole and each of its prefixes, always against a guard page. */
#ifndef NEXTPROXY_TEST_VECTORS_H
#define NEXTPROXY_TEST_VECTORS_H

#include "http.h"

struct vector {
    const char *name;
    const char *bytes;
    u32 len;
    enum http_reject reject; /* HTTP_REJECT_NONE: the message is valid */
    enum http_body body;     /* of a valid message */
    u64 length;              /* with HTTP_BODY_LENGTH */
    /* of the request that a response answers */
    enum http_method method;
    bool upgrade_sent;
};

#define VECTOR(vector_name, literal, ...)                                                          \
    {                                                                                              \
        .name = (vector_name), .bytes = "" literal, .len = sizeof(literal) - 1, __VA_ARGS__        \
    }
#define ACCEPTED(vector_name, literal) VECTOR(vector_name, literal, .body = HTTP_BODY_NONE)
#define REJECTED(vector_name, literal, reason)                                                     \
    VECTOR(vector_name, literal, .reject = HTTP_REJECT_##reason)
#define SIZED(vector_name, literal, bytes_expected)                                                \
    VECTOR(vector_name, literal, .body = HTTP_BODY_LENGTH, .length = (bytes_expected))
#define CHUNKED(vector_name, literal) VECTOR(vector_name, literal, .body = HTTP_BODY_CHUNKED)

/* The limits that vectors are parsed with. */
extern const struct http_limits vector_limits;

/* Run a table of vectors as one cmocka group; the result is main's. */
int vectors_run_requests(const char *group, const struct vector *vectors, usize count);
int vectors_run_responses(const char *group, const struct vector *vectors, usize count);

/* Checks one message in the way described above, with limits of its own. `what` names it. */
void vector_check_request(const struct vector *vector, const struct http_limits *limits);
void vector_check_response(const struct vector *vector, const struct http_limits *limits);

#endif
