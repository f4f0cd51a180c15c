/* Requests that were made so that two readers disagree about where they end. Not one is accepted
 * that could be read in two ways; the few that are accepted can be read in one way only. */
#include "vectors.h"

#define POST(fields) "POST / HTTP/1.1\r\nHost: a\r\n" fields "\r\n"
#define TE(value) POST("Transfer-Encoding:" value "\r\n")
#define CL_TE(line) POST("Content-Length: 4\r\n" line "\r\n") "0\r\n\r\nGET /x HTTP/1.1\r\n\r\n"

static const struct vector vectors[] = {
    /* --- CL.TE and TE.CL --- */
    REJECTED("CL.TE", CL_TE("Transfer-Encoding: chunked"), FRAMING_CONFLICT),
    REJECTED("TE.CL", POST("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n") "5c\r\nGPOST /",
             FRAMING_CONFLICT),
    REJECTED("CL.TE, space in front of the colon", CL_TE("Transfer-Encoding : chunked"),
             FIELD_NAME),
    REJECTED("CL.TE, tab in front of the colon", CL_TE("Transfer-Encoding\t: chunked"), FIELD_NAME),
    REJECTED("CL.TE, space in front of the name", CL_TE(" Transfer-Encoding: chunked"), FOLDED),
    REJECTED("CL.TE, tab behind the colon", CL_TE("Transfer-Encoding:\tchunked"), FRAMING_CONFLICT),
    REJECTED("CL.TE, vertical tab behind the colon", CL_TE("Transfer-Encoding:\013chunked"),
             FIELD_VALUE),
    REJECTED("CL.TE, form feed behind the colon", CL_TE("Transfer-Encoding:\014chunked"),
             FIELD_VALUE),
    REJECTED("CL.TE, coding on a folded line", CL_TE("Transfer-Encoding:\r\n chunked"), FOLDED),
    REJECTED("CL.TE, name on a folded line", CL_TE("X: y\r\n\tTransfer-Encoding: chunked"), FOLDED),
    REJECTED("CL.TE behind a bare LF", CL_TE("X: y\nTransfer-Encoding: chunked"), LINE_END),
    REJECTED("CL.TE behind a bare CR", CL_TE("X: y\rTransfer-Encoding: chunked"), LINE_END),
    REJECTED("CL.TE behind CR CR LF", CL_TE("X: y\r\r\nTransfer-Encoding: chunked"), LINE_END),
    REJECTED("CL.TE behind a NUL", CL_TE("X: y\000Transfer-Encoding: chunked"), FIELD_VALUE),
    REJECTED("CL.TE in quotes", CL_TE("Transfer-Encoding: \"chunked\""), FRAMING_CONFLICT),
    REJECTED("CL.TE, xchunked", CL_TE("Transfer-Encoding: xchunked"), FRAMING_CONFLICT),
    REJECTED("length named by Connection, and TE",
             POST("Connection: content-length\r\nContent-Length: 4\r\n"
                  "Transfer-Encoding: chunked\r\n"),
             FRAMING_CONFLICT),
    SIZED("length named by Connection still counts",
          POST("Connection: Content-Length\r\nContent-Length: 4\r\n"), 4),

    /* --- TE.TE: the coding hidden from one of two readers --- */
    REJECTED("xchunked", TE(" xchunked"), TRANSFER_ENCODING),
    REJECTED("chunkedx", TE(" chunkedx"), TRANSFER_ENCODING),
    REJECTED("chunked and a NUL", TE(" chunked\000"), FIELD_VALUE),
    REJECTED("chunked and a vertical tab", TE(" chunked\013"), FIELD_VALUE),
    REJECTED("chunked behind a vertical tab", TE("\013chunked"), FIELD_VALUE),
    REJECTED("chunked behind a NUL", TE("\000chunked"), FIELD_VALUE),
    REJECTED("chunked behind DEL", TE("\177chunked"), FIELD_VALUE),
    REJECTED("chunked behind obs-text", TE("\377chunked"), TRANSFER_ENCODING),
    REJECTED("chunked behind a no-break space", TE("\302\240chunked"), TRANSFER_ENCODING),
    REJECTED("chunked in single quotes", TE(" 'chunked'"), TRANSFER_ENCODING),
    REJECTED("chunked in double quotes", TE(" \"chunked\""), TRANSFER_ENCODING),
    REJECTED("chunked with a parameter", TE(" chunked;q=1"), TRANSFER_ENCODING),
    REJECTED("chunked with an empty parameter", TE(" chunked;"), TRANSFER_ENCODING),
    REJECTED("chunked twice in a list", TE(" chunked, chunked"), TRANSFER_ENCODING),
    REJECTED("chunked, identity", TE(" chunked, identity"), TRANSFER_ENCODING),
    REJECTED("chunked, gzip", TE(" chunked, gzip"), TRANSFER_ENCODING),
    REJECTED("chunked, cow", TE(" chunked, cow"), TRANSFER_ENCODING),
    REJECTED("list that begins with a comma", TE(" , chunked"), TRANSFER_ENCODING),
    REJECTED("list that ends with a comma", TE(" chunked,"), TRANSFER_ENCODING),
    REJECTED("codings without a comma", TE(" gzip chunked"), TRANSFER_ENCODING),
    REJECTED("chunked with a space inside", TE(" chun ked"), TRANSFER_ENCODING),
    REJECTED("empty coding", TE(""), TRANSFER_ENCODING),
    REJECTED("comma alone", TE(" ,"), TRANSFER_ENCODING),
    REJECTED("chunked with a folded line behind", TE(" chunked\r\n , identity"), FOLDED),
    REJECTED("chunked twice", POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
             TRANSFER_ENCODING),
    REJECTED("chunked, then another",
             POST("Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n"), TRANSFER_ENCODING),
    REJECTED("another, then chunked",
             POST("Transfer-Encoding: x\r\nX: y\r\nTransfer-Encoding: chunked\r\n"),
             TRANSFER_ENCODING),
    REJECTED("empty, then chunked", POST("Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n"),
             TRANSFER_ENCODING),
    REJECTED("name with a NUL", POST("Transfer\000-Encoding: chunked\r\n"), FIELD_NAME),
    REJECTED("name with a soft hyphen", POST("Transfer\255Encoding: chunked\r\n"), FIELD_NAME),
    REJECTED("name with an underscore", POST("Transfer_Encoding: chunked\r\n"), UNDERSCORED),
    REJECTED("length with an underscore", POST("Content_length: 3\r\n"), UNDERSCORED),
    REJECTED("address with an underscore", POST("X-Forwarded_For: ::1\r\n"), UNDERSCORED),
    ACCEPTED("an underscore in another name", POST("Content_Type: a\r\n")),
    ACCEPTED("X-Transfer-Encoding is another field", POST("X-Transfer-Encoding: chunked\r\n")),

    /* --- Lengths that one of two readers may not understand --- */
    REJECTED("length with a NUL behind", POST("Content-Length: 5\0006\r\n"), FIELD_VALUE),
    REJECTED("length behind a vertical tab", POST("Content-Length:\0135\r\n"), FIELD_VALUE),
    REJECTED("length with a space in the name", POST("Content Length: 5\r\n"), FIELD_NAME),
    REJECTED("length with a space in front of the colon", POST("Content-Length : 5\r\n"),
             FIELD_NAME),
    REJECTED("length on a folded line", POST("Content-Length:\r\n 5\r\n"), FOLDED),
    REJECTED("length continued on a folded line", POST("Content-Length: 5\r\n 6\r\n"), FOLDED),
    REJECTED("length twice, one of them empty", POST("Content-Length:\r\nContent-Length: 5\r\n"),
             CONTENT_LENGTH),
    REJECTED("length twice, one with a plus", POST("Content-Length: 5\r\nContent-Length: +5\r\n"),
             CONTENT_LENGTH),
    REJECTED("length with a comment", POST("Content-Length: 5 (five)\r\n"), CONTENT_LENGTH),
    REJECTED("length with a newline in a quoted string", POST("Content-Length: 5\n\r\n"), LINE_END),

    /* --- A request line or Host that carries another request --- */
    REJECTED("request line in the target", "GET /\r\nHost: b HTTP/1.1\r\nHost: a\r\n\r\n",
             VERSION_SYNTAX),
    REJECTED("version injected into the target", "GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n",
             VERSION_SYNTAX),
    REJECTED("field injected behind the version", "GET / HTTP/1.1\rX: y\r\nHost: a\r\n\r\n",
             LINE_END),
    REJECTED("host behind a bare LF", "GET / HTTP/1.1\r\nX: y\nHost: b\r\nHost: a\r\n\r\n",
             LINE_END),
    REJECTED("host with a space in front of the colon",
             "GET / HTTP/1.1\r\nHost: a\r\nHost : b\r\n\r\n", FIELD_NAME),
    REJECTED("host on a folded line", "GET / HTTP/1.1\r\nHost: a\r\n Host: b\r\n\r\n", FOLDED),
    REJECTED("host and another absolute target", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", HOST),
    ACCEPTED("a second request behind the head is not of the first",
             "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: b\r\n\r\n"),
};

int main(void)
{
    return vectors_run_requests("smuggling", vectors, ARRAY_COUNT(vectors));
}
