/* Response heads and where the bodies behind them end (RFC 9112 §4, §6.3). */
#include "vectors.h"

#define OK(fields) "HTTP/1.1 200 OK\r\n" fields "\r\n"
#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define UNTIL_CLOSE(vector_name, literal)                                                          \
    VECTOR(vector_name, literal, .body = HTTP_BODY_UNTIL_CLOSE)

static const struct vector vectors[] = {
    /* --- Status line --- */
    SIZED("ok", OK("Content-Length: 5\r\n"), 5),
    ACCEPTED("length 0", OK("Content-Length: 0\r\n")),
    ACCEPTED("no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
    ACCEPTED("no reason and no space", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
    ACCEPTED("reason of several words", "HTTP/1.1 404 Not \tFound\r\nContent-Length: 0\r\n\r\n"),
    ACCEPTED("reason outside ASCII", "HTTP/1.1 200 \303\204\r\nContent-Length: 0\r\n\r\n"),
    ACCEPTED("status 599", "HTTP/1.1 599 X\r\nContent-Length: 0\r\n\r\n"),
    UNTIL_CLOSE("version 1.0", "HTTP/1.0 200 OK\r\n\r\n"),
    UNTIL_CLOSE("a higher minor version", "HTTP/1.9 200 OK\r\n\r\n"),
    REJECTED("version 2.0", "HTTP/2.0 200 OK\r\n\r\n", VERSION),
    REJECTED("version without a minor", "HTTP/2 200 OK\r\n\r\n", VERSION_SYNTAX),
    REJECTED("version in lower case", "http/1.1 200 OK\r\n\r\n", VERSION_SYNTAX),
    REJECTED("another protocol", "ICY 200 OK\r\n\r\n", VERSION_SYNTAX),
    REJECTED("HTTP/0.9", "<html></html>", VERSION_SYNTAX),
    REJECTED("a request", "GET / HTTP/1.1\r\n\r\n", VERSION_SYNTAX),
    REJECTED("empty line in front", "\r\nHTTP/1.1 200 OK\r\n\r\n", VERSION_SYNTAX),
    REJECTED("left over body in front", "0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", VERSION_SYNTAX),
    REJECTED("white space in front", " HTTP/1.1 200 OK\r\n\r\n", VERSION_SYNTAX),
    REJECTED("no space behind the version", "HTTP/1.1200 OK\r\n\r\n", STATUS),
    REJECTED("two spaces behind the version", "HTTP/1.1  200 OK\r\n\r\n", STATUS),
    REJECTED("tab behind the version", "HTTP/1.1\t200 OK\r\n\r\n", STATUS),
    REJECTED("no status", "HTTP/1.1\r\n\r\n", STATUS),
    REJECTED("status of two digits", "HTTP/1.1 20 OK\r\n\r\n", STATUS),
    REJECTED("status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", STATUS),
    REJECTED("status 099", "HTTP/1.1 099 X\r\n\r\n", STATUS),
    REJECTED("status 600", "HTTP/1.1 600 X\r\n\r\n", STATUS),
    REJECTED("status 999", "HTTP/1.1 999 X\r\n\r\n", STATUS),
    REJECTED("status 000", "HTTP/1.1 000 X\r\n\r\n", STATUS),
    REJECTED("status with a sign", "HTTP/1.1 +20 X\r\n\r\n", STATUS),
    REJECTED("status with letters", "HTTP/1.1 2xx X\r\n\r\n", STATUS),
    REJECTED("tab behind the status", "HTTP/1.1 200\tOK\r\n\r\n", STATUS),
    REJECTED("NUL in the reason", "HTTP/1.1 200 O\000K\r\n\r\n", FIELD_VALUE),
    REJECTED("ESC in the reason", "HTTP/1.1 200 \033[1m\r\n\r\n", FIELD_VALUE),
    REJECTED("bare CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", LINE_END),
    REJECTED("bare LF behind the status line", "HTTP/1.1 200 OK\nA: b\r\n\r\n", LINE_END),
    REJECTED("bare LF behind the status", "HTTP/1.1 200\n\n", LINE_END),

    /* --- Fields, and splitting --- */
    SIZED("fields of all kinds",
          OK("Server: x\r\nSet-Cookie: a\r\nset-cookie: b\r\nDate: c\r\nDate: d\r\n"
             "Content-Length: 3\r\n"),
          3),
    REJECTED("space in front of the colon", OK("Content-Length : 5\r\n"), FIELD_NAME),
    REJECTED("obs-fold", OK("A: b\r\n c\r\nContent-Length: 5\r\n"), FOLDED),
    REJECTED("splitting with a bare LF", OK("A: b\nContent-Length: 0\n\nHTTP/1.1 200 OK\r\n"),
             LINE_END),
    REJECTED("splitting with a bare CR", OK("A: b\rSet-Cookie: c\r\n"), LINE_END),
    REJECTED("NUL in a value", OK("A: b\000\r\n"), FIELD_VALUE),
    REJECTED("NUL in a name", OK("A\000: b\r\n"), FIELD_NAME),
    REJECTED("no colon", OK("nothing\r\n"), FIELD_NAME),
    REJECTED("second status line as a field", OK("HTTP/1.1 200 OK\r\n"), FIELD_NAME),
    REJECTED("bare LF as the empty line", "HTTP/1.1 200 OK\r\nA: b\r\n\n", LINE_END),

    /* --- Framing --- */
    CHUNKED("chunked", OK("Transfer-Encoding: chunked\r\n")),
    CHUNKED("chunked in capitals", OK("transfer-encoding:CHUNKED\r\n")),
    UNTIL_CLOSE("no length", OK("")),
    UNTIL_CLOSE("no length but keep-alive", OK("Connection: keep-alive\r\n")),
    REJECTED("chunked and length", OK("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
             FRAMING_CONFLICT),
    REJECTED("chunked in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
             FRAMING_CONFLICT),
    REJECTED("gzip, chunked", OK("Transfer-Encoding: gzip, chunked\r\n"), CODING),
    REJECTED("gzip", OK("Transfer-Encoding: gzip\r\n"), TRANSFER_ENCODING),
    REJECTED("identity", OK("Transfer-Encoding: identity\r\n"), TRANSFER_ENCODING),
    REJECTED("chunked twice", OK("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
             TRANSFER_ENCODING),
    REJECTED("chunked twice in a list", OK("Transfer-Encoding: chunked, chunked\r\n"),
             TRANSFER_ENCODING),
    REJECTED("two equal lengths", OK("Content-Length: 5\r\nContent-Length: 5\r\n"), CONTENT_LENGTH),
    REJECTED("two lengths", OK("Content-Length: 5\r\nContent-Length: 6\r\n"), CONTENT_LENGTH),
    REJECTED("list of lengths", OK("Content-Length: 5, 5\r\n"), CONTENT_LENGTH),
    REJECTED("negative length", OK("Content-Length: -1\r\n"), CONTENT_LENGTH),
    REJECTED("length with a plus", OK("Content-Length: +1\r\n"), CONTENT_LENGTH),
    REJECTED("length too great", OK("Content-Length: 99999999999999999999\r\n"), CONTENT_LENGTH),
    REJECTED("length that is no number", OK("Content-Length: abc\r\n"), CONTENT_LENGTH),

    /* --- Responses without a body --- */
    VECTOR("answer to HEAD", OK("Content-Length: 5\r\n"), .method = HTTP_METHOD_HEAD,
           .body = HTTP_BODY_NONE),
    VECTOR("chunked answer to HEAD", OK("Transfer-Encoding: chunked\r\n"),
           .method = HTTP_METHOD_HEAD, .body = HTTP_BODY_NONE),
    VECTOR("answer to HEAD without a length", OK(""), .method = HTTP_METHOD_HEAD,
           .body = HTTP_BODY_NONE),
    VECTOR("answer to HEAD with both", OK("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
           .method = HTTP_METHOD_HEAD, .reject = HTTP_REJECT_FRAMING_CONFLICT),
    ACCEPTED("204", "HTTP/1.1 204 No Content\r\n\r\n"),
    ACCEPTED("204 with length 0", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
    ACCEPTED("204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
    ACCEPTED("304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    ACCEPTED("304 with chunked", "HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\n\r\n"),
    REJECTED("304 with two lengths",
             "HTTP/1.1 304 X\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", CONTENT_LENGTH),
    ACCEPTED("100", "HTTP/1.1 100 Continue\r\n\r\n"),
    ACCEPTED("103", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    ACCEPTED("205 with length 0", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"),
    UNTIL_CLOSE("205 is framed like any other", "HTTP/1.1 205 Reset Content\r\n\r\n"),

    /* --- Upgrade (RFC 9110 §7.8) --- */
    VECTOR("101", "HTTP/1.1 101 X\r\n" UPGRADE "\r\n", .upgrade_sent = true,
           .body = HTTP_BODY_TUNNEL),
    REJECTED("101 that was not asked for", "HTTP/1.1 101 X\r\n" UPGRADE "\r\n", STATUS),
    VECTOR("101 without Upgrade", "HTTP/1.1 101 X\r\nConnection: Upgrade\r\n\r\n",
           .upgrade_sent = true, .reject = HTTP_REJECT_STATUS),
    VECTOR("101 without Connection", "HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n",
           .upgrade_sent = true, .reject = HTTP_REJECT_STATUS),
    VECTOR("101 in 1.0", "HTTP/1.0 101 X\r\n" UPGRADE "\r\n", .upgrade_sent = true,
           .reject = HTTP_REJECT_STATUS),
    VECTOR("200 to an upgrade", OK(UPGRADE "Content-Length: 2\r\n"), .upgrade_sent = true,
           .body = HTTP_BODY_LENGTH, .length = 2),
};

int main(void)
{
    return vectors_run_responses("response", vectors, ARRAY_COUNT(vectors));
}
