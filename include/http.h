/*
 * http: HTTP/1.1 as pure functions over bytes (RFC 9110, RFC 9112). No I/O, no clock, no globals,
 * no allocation. Strict: what is ambiguous is rejected with a reason, never repaired.
 *
 * Reading order:
 *   http/message.h  http_request_parse -> http_request_framing, and the same for responses
 *   http/chunked.h  http_chunked_scan or _decode -> http_trailers_parse
 *   http/fields.h   http_field_info says what a proxy must do with each known field
 *   http/writer.h   struct http_writer builds heads
 */
#ifndef NEXTPROXY_HTTP_H
#define NEXTPROXY_HTTP_H

#include "http/chunked.h"
#include "http/fields.h"
#include "http/message.h"
#include "http/writer.h"

#endif
