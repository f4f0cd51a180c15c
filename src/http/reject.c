/* Why a message is refused: one row per reason. The status is what a client is answered whose
 * request is refused; a refused response is always answered with 502 by the proxy. */
#include "http.h"

static const struct http_reject_info reject_infos[HTTP_REJECT_COUNT] = {
    [HTTP_REJECT_NONE] = {200, "none", "The message is valid."},
    [HTTP_REJECT_METHOD] = {400, "bad_method",
                            "The method is not a token followed by a single space."},
    [HTTP_REJECT_TARGET] = {400, "bad_target", "The request target is malformed."},
    [HTTP_REJECT_TARGET_LENGTH] = {414, "target_too_long",
                                   "The request target is longer than allowed."},
    [HTTP_REJECT_DOT_SEGMENT] = {400, "dot_segment",
                                 "The path has a segment that is, or may be read as, . or .."},
    [HTTP_REJECT_VERSION_SYNTAX] = {400, "bad_version", "The protocol version is malformed."},
    [HTTP_REJECT_VERSION] = {505, "unsupported_version",
                             "The protocol version is not HTTP/1.0 or HTTP/1.1."},
    [HTTP_REJECT_LINE_END] = {400, "bad_line_end",
                              "A line does not end with CR LF, or holds one of them alone."},
    [HTTP_REJECT_FIELD_NAME] = {400, "bad_field_name",
                                "A field name is not a token directly followed by a colon."},
    [HTTP_REJECT_FIELD_VALUE] = {400, "bad_field_value",
                                 "A field value or reason phrase holds a control character."},
    [HTTP_REJECT_FOLDED] = {400, "folded_field", "A field line begins with white space."},
    [HTTP_REJECT_HEAD_LENGTH] = {431, "head_too_long", "The head is longer than allowed."},
    [HTTP_REJECT_FIELD_COUNT] = {431, "too_many_fields",
                                 "The head has more fields or Connection options than allowed."},
    [HTTP_REJECT_HOST] = {400, "bad_host",
                          "Host is missing, repeated, malformed, or unlike the target's."},
    [HTTP_REJECT_CONTENT_LENGTH] = {400, "bad_content_length",
                                    "Content-Length is repeated or not a plain number."},
    [HTTP_REJECT_TRANSFER_ENCODING] = {400, "bad_transfer_encoding",
                                       "Transfer-Encoding is repeated or does not end the body."},
    [HTTP_REJECT_CODING] = {501, "unsupported_coding",
                            "Transfer-Encoding names a coding other than chunked."},
    [HTTP_REJECT_FRAMING_CONFLICT] = {400, "framing_conflict",
                                      "Transfer-Encoding stands beside Content-Length, or in an "
                                      "HTTP/1.0 message."},
    [HTTP_REJECT_CONNECT] = {501, "connect", "CONNECT is not supported."},
    [HTTP_REJECT_EXPECT] = {417, "bad_expect", "The only expectation that is met is 100-continue."},
    [HTTP_REJECT_STATUS] = {400, "bad_status",
                            "The status is not 100 to 599, or is a 101 that was not asked for."},
    [HTTP_REJECT_CHUNK] = {400, "bad_chunk", "The chunked coding of the body is malformed."},
    [HTTP_REJECT_TRAILER] = {400, "bad_trailer", "The trailer section is malformed."},
    [HTTP_REJECT_UNDERSCORED] = {400, "underscored_field",
                                 "A field is named like one of the proxy's, with _ for -."},
    [HTTP_REJECT_SINGLE] = {400, "repeated_field", "A field that may come once came twice."},
    [HTTP_REJECT_MAX_FORWARDS] = {400, "bad_max_forwards",
                                  "Max-Forwards is repeated or not a plain number."},
};

const struct http_reject_info *http_reject_info(enum http_reject reject)
{
    ASSERT((u32)reject < HTTP_REJECT_COUNT);
    return &reject_infos[reject];
}
