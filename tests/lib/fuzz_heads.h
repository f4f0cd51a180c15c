/* What must hold of every head the parser accepted, whatever the bytes were. */
#ifndef NEXTPROXY_TEST_FUZZ_HEADS_H
#define NEXTPROXY_TEST_FUZZ_HEADS_H

#include "http.h"

/* Ends the process with the condition's place when it does not hold. */
#define REQUIRE(condition) ASSERT(condition)

/* A copy in a block of exactly that size, so that a sanitizer sees each byte read too far. */
struct slice fuzz_copy(const u8 *data, usize size);
void fuzz_free(struct slice copy);

/* True when the slice lies inside the other, or is empty. */
bool fuzz_inside(struct slice inner, struct slice outer);

/* The field table agrees with the bytes of the head [fields->base, + head_bytes), read once more in
 * a simple way. */
void fuzz_check_fields(const struct http_fields *fields, u32 head_bytes);
/* No line of the head ends otherwise than with CRLF, and there is exactly one empty line. */
void fuzz_check_lines(struct slice head);

#endif
