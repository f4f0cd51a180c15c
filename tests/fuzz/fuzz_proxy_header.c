/*
 * Arbitrary bytes as a PROXY protocol header: nothing is read behind their end, the verdict on a
 * header is the same however much of what follows is there, and it never comes back from bad.
 */
#include <stdlib.h>

#include "proxy/proxy_internal.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* A copy of exactly `len` bytes, so that AddressSanitizer sees the first one too many. */
static enum proxy_header parse_prefix(const u8 *data, u32 len, struct proxy_header_info *info)
{
    char *copy = malloc(len > 0 ? len : 1);
    require(copy != NULL);
    memcpy(copy, data, len);
    enum proxy_header verdict = proxy_header_parse(slice_of(copy, len), info);
    free(copy);
    return verdict;
}

static void check_info(const struct proxy_header_info *info, u32 len)
{
    char text[64];
    require(info->bytes > 0 && info->bytes <= len && info->bytes <= PROXY_HEADER_BYTES_MAX);
    if (!info->known)
        return;
    require(info->source.any.sa_family == AF_INET || info->source.any.sa_family == AF_INET6);
    u32 text_len = address_format_ip(&info->source, text);
    require(text_len > 0 && text_len < sizeof(text));
}

int LLVMFuzzerTestOneInput(const u8 *data, usize size)
{
    enum { INPUT_BYTES_MAX = PROXY_HEADER_BYTES_MAX + 64 };
    u32 total = (u32)min_u64(size, INPUT_BYTES_MAX);
    struct proxy_header_info first, info;
    enum proxy_header before = PROXY_HEADER_PARTIAL;
    for (u32 len = 0; len <= total; len++) {
        enum proxy_header verdict = parse_prefix(data, len, &info);
        require(before == PROXY_HEADER_PARTIAL || verdict == before);
        require(verdict != PROXY_HEADER_PARTIAL || len < PROXY_HEADER_BYTES_MAX);
        if (verdict == PROXY_HEADER_DONE) {
            check_info(&info, len);
            if (before == PROXY_HEADER_PARTIAL)
                first = info;
            require(info.bytes == first.bytes && info.known == first.known);
        }
        before = verdict;
    }
    return 0;
}
