/* See scan.h. */
#include "http/scan.h"

#if defined(__SSE2__) && defined(__x86_64__)
#define HAVE_AVX2_VERSION 1
#include <immintrin.h>
#else
#define HAVE_AVX2_VERSION 0
#endif

const char *http_scan_scalar(const char *at, const char *end, enum http_byte kind)
{
    while (at < end && http_byte_is(*at, kind))
        at++;
    return at;
}

const char *http_scan_odd_scalar(const char *at, const char *end)
{
    for (; at < end; at++) {
        bool pair = *at == '/' && end - at > 1 && (at[1] == '/' || at[1] == '.');
        if (pair || *at == '%' || *at == ';')
            return at;
    }
    return end;
}

#ifdef __SSE2__

const char *http_scan_odd_sse2(const char *at, const char *end)
{
    for (; end - at > 16; at += 16) {
        u32 stop = http_mask_odd(http_load_16(at), http_load_16(at + 1));
        if (stop != 0)
            return at + __builtin_ctz(stop);
    }
    return http_scan_odd_scalar(at, end);
}

const char *http_scan_value_sse2(const char *at, const char *end)
{
    for (; end - at >= 16; at += 16) {
        u32 stop = http_mask_value(http_load_16(at));
        if (stop != 0)
            return at + __builtin_ctz(stop);
    }
    return http_scan_scalar(at, end, HTTP_BYTE_VALUE);
}

const char *http_scan_name_sse2(const char *at, const char *end)
{
    for (; end - at >= 16; at += 16) {
        u32 stop = http_mask_name(http_load_16(at));
        if (stop != 0)
            return http_scan_scalar(at + __builtin_ctz(stop), end, HTTP_BYTE_TOKEN);
    }
    return http_scan_scalar(at, end, HTTP_BYTE_TOKEN);
}

const char *http_scan_path_sse2(const char *at, const char *end)
{
    for (; end - at >= 16; at += 16) {
        u32 stop = http_mask_path(http_load_16(at));
        if (stop != 0)
            return at + __builtin_ctz(stop);
    }
    return http_scan_scalar(at, end, HTTP_BYTE_PATH);
}

const char *http_scan_query_sse2(const char *at, const char *end)
{
    for (; end - at >= 16; at += 16) {
        u32 stop = http_mask_query(http_load_16(at));
        if (stop != 0)
            return at + __builtin_ctz(stop);
    }
    return http_scan_scalar(at, end, HTTP_BYTE_QUERY);
}

#endif

#if HAVE_AVX2_VERSION

__attribute__((target("avx2"))) const char *http_scan_value_avx2(const char *at, const char *end)
{
    const __m256i highest_control = _mm256_set1_epi8(0x1f);
    const __m256i tabs = _mm256_set1_epi8('\t');
    const __m256i dels = _mm256_set1_epi8(0x7f);
    for (; end - at >= 32; at += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)at);
        __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, highest_control), bytes);
        __m256i tab = _mm256_cmpeq_epi8(bytes, tabs);
        __m256i del = _mm256_cmpeq_epi8(bytes, dels);
        __m256i stops = _mm256_or_si256(_mm256_andnot_si256(tab, control), del);
        u32 stop = (u32)_mm256_movemask_epi8(stops);
        if (stop != 0)
            return at + __builtin_ctz(stop);
    }
    /* gcc 12 leaves this out in front of a tail call, and SSE code with dirty upper halves costs
     * several times as much. */
    _mm256_zeroupper();
    return http_scan_value_sse2(at, end);
}

bool http_scan_has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2");
}

#else

bool http_scan_has_avx2(void)
{
    return false;
}

#endif

#ifdef __SSE2__
const char *(*http_scan_value_long)(const char *at, const char *end) = http_scan_value_sse2;
#else
static const char *scan_value_scalar(const char *at, const char *end)
{
    return http_scan_scalar(at, end, HTTP_BYTE_VALUE);
}
const char *(*http_scan_value_long)(const char *at, const char *end) = scan_value_scalar;
#endif

#if HAVE_AVX2_VERSION
/* An ifunc would do the same but does not exist with musl. */
__attribute__((constructor)) static void choose_widest(void)
{
    if (http_scan_has_avx2())
        http_scan_value_long = http_scan_value_avx2;
}
#endif
