/*
 * Finding the end of a run of bytes, which is where a head's time goes. Every function returns the
 * first byte in [at, end) that does not belong to the run, or end; none reads outside [at, end).
 *
 * Most runs are short, so the first 16 bytes are looked at in line with SSE2 (always there on
 * x86-64). A value that goes on takes one indirect call to the widest version the processor has.
 * Without SSE2 everything is the table in bytes.c. All versions give the same answer
 * (tests/unit/http/test_scan.c).
 */
#ifndef NEXTPROXY_HTTP_SCAN_H
#define NEXTPROXY_HTTP_SCAN_H

#include "http/bytes.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The reference: byte by byte through the table. */
const char *http_scan_scalar(const char *at, const char *end, enum http_byte kind);

/* The first byte that can be read in more than one way in a path: '%', ';', or a '/' in front of
 * '/' or '.'. */
const char *http_scan_odd_scalar(const char *at, const char *end);

#ifdef __SSE2__
const char *http_scan_odd_sse2(const char *at, const char *end);
const char *http_scan_value_sse2(const char *at, const char *end);
const char *http_scan_name_sse2(const char *at, const char *end);
const char *http_scan_path_sse2(const char *at, const char *end);
const char *http_scan_query_sse2(const char *at, const char *end);
#endif
#if defined(__SSE2__) && defined(__x86_64__)
/* Only when http_scan_has_avx2() says so. */
const char *http_scan_value_avx2(const char *at, const char *end);
#endif
bool http_scan_has_avx2(void);

/* The version for long values; set once before main() and never again. */
extern const char *(*http_scan_value_long)(const char *at, const char *end);

#ifdef __SSE2__

/* Bit n is set when byte n of the 16 is not a field value byte: a control byte other than HTAB. */
static inline u32 http_mask_value(__m128i bytes)
{
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
    __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    return (u32)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, control), del));
}

/* low <= byte < low + count, as signed comparison after moving low to -128. */
static inline __m128i http_in_range(__m128i bytes, char low, int count)
{
    __m128i moved = _mm_sub_epi8(bytes, _mm_set1_epi8((char)(low - 128)));
    return _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(count - 128)));
}

/* Bit n is set when byte n is not one of the token bytes that names are made of in practice:
 * letters, digits, '-' and '_'. The others are valid too, and are left to the table. */
static inline u32 http_mask_name(__m128i bytes)
{
    __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    __m128i letter = http_in_range(lower, 'a', 26);
    __m128i digit = http_in_range(bytes, '0', 10);
    __m128i dash = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('-')),
                                _mm_cmpeq_epi8(bytes, _mm_set1_epi8('_')));
    __m128i usual = _mm_or_si128(_mm_or_si128(letter, digit), dash);
    return ~(u32)_mm_movemask_epi8(usual) & 0xffffu;
}

/* Bit n is set when byte n is not a query byte: up to SP, DEL, non-ASCII or '#'. */
static inline u32 http_mask_query(__m128i bytes)
{
    __m128i above_space = _mm_cmpgt_epi8(bytes, _mm_set1_epi8(0x20));
    __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)),
                                _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#')));
    return ~(u32)_mm_movemask_epi8(_mm_andnot_si128(stop, above_space)) & 0xffffu;
}

/* ... and for a path also '?', '%' and '\'. */
static inline u32 http_mask_path(__m128i bytes)
{
    __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('?')),
                                _mm_cmpeq_epi8(bytes, _mm_set1_epi8('%')));
    stop = _mm_or_si128(stop, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    return http_mask_query(bytes) | (u32)_mm_movemask_epi8(stop);
}

/* Bit n is set when byte n is one for http_scan_odd; `next` are the bytes one further on. */
static inline u32 http_mask_odd(__m128i bytes, __m128i next)
{
    /* '.' and '/' differ in the lowest bit. */
    __m128i dot_or_slash = _mm_or_si128(next, _mm_set1_epi8(1));
    __m128i pair = _mm_and_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('/')),
                                 _mm_cmpeq_epi8(dot_or_slash, _mm_set1_epi8('/')));
    __m128i single = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('%')),
                                  _mm_cmpeq_epi8(bytes, _mm_set1_epi8(';')));
    return (u32)_mm_movemask_epi8(_mm_or_si128(pair, single));
}

static inline __m128i http_load_16(const char *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

#endif

static inline const char *http_scan_value(const char *at, const char *end)
{
#ifdef __SSE2__
    if (LIKELY(end - at >= 16)) {
        u32 stop = http_mask_value(http_load_16(at));
        return stop != 0 ? at + __builtin_ctz(stop) : http_scan_value_long(at + 16, end);
    }
#endif
    return http_scan_scalar(at, end, HTTP_BYTE_VALUE);
}

static inline const char *http_scan_name(const char *at, const char *end)
{
#ifdef __SSE2__
    if (LIKELY(end - at >= 16)) {
        u32 stop = http_mask_name(http_load_16(at));
        if (LIKELY(stop != 0 && at[__builtin_ctz(stop)] == ':'))
            return at + __builtin_ctz(stop);
        return http_scan_name_sse2(at, end);
    }
#endif
    return http_scan_scalar(at, end, HTTP_BYTE_TOKEN);
}

/* Stops at '?', '%' and '\' too: the caller looks at those. */
static inline const char *http_scan_path(const char *at, const char *end)
{
#ifdef __SSE2__
    return http_scan_path_sse2(at, end);
#else
    return http_scan_scalar(at, end, HTTP_BYTE_PATH);
#endif
}

static inline const char *http_scan_odd(const char *at, const char *end)
{
#ifdef __SSE2__
    return http_scan_odd_sse2(at, end);
#else
    return http_scan_odd_scalar(at, end);
#endif
}

static inline const char *http_scan_query(const char *at, const char *end)
{
#ifdef __SSE2__
    return http_scan_query_sse2(at, end);
#else
    return http_scan_scalar(at, end, HTTP_BYTE_QUERY);
#endif
}

#endif
