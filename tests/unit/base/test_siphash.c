/* SipHash against its authors' vectors. */
#include "base/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static const struct siphash_key key = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

/* From the authors' vectors (vectors_sip128): messages of the bytes 0, 1, 2, ... */
static void the_authors_vectors(void **state)
{
    static const struct {
        usize len;
        u8 hash[SIPHASH_BYTES];
    } vectors[] = {
        {0,
         {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02,
          0x93}},
        {1,
         {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc,
          0x45}},
        {2,
         {0x81, 0x77, 0x22, 0x8d, 0xa4, 0xa4, 0x5d, 0xc7, 0xfc, 0xa3, 0x8b, 0xde, 0xf6, 0x0a, 0xff,
          0xe4}},
        {15,
         {0x54, 0x93, 0xe9, 0x99, 0x33, 0xb0, 0xa8, 0x11, 0x7e, 0x08, 0xec, 0x0f, 0x97, 0xcf, 0xc3,
          0xd9}},
    };
    u8 message[64], hash[SIPHASH_BYTES];
    for (u32 i = 0; i < sizeof(message); i++)
        message[i] = (u8)i;
    for (usize i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        siphash_128(&key, message, vectors[i].len, hash);
        assert_memory_equal(hash, vectors[i].hash, SIPHASH_BYTES);
    }
}

static void every_bit_counts(void **state)
{
    u8 message[33] = {0}, first[SIPHASH_BYTES], other[SIPHASH_BYTES];
    siphash_128(&key, message, sizeof(message), first);
    for (u32 bit = 0; bit < 8 * sizeof(message); bit++) {
        message[bit / 8] ^= (u8)(1u << bit % 8);
        siphash_128(&key, message, sizeof(message), other);
        assert_false(siphash_equal(first, other));
        message[bit / 8] ^= (u8)(1u << bit % 8);
    }
    struct siphash_key another = key;
    another.bytes[7] ^= 1;
    siphash_128(&another, message, sizeof(message), other);
    assert_false(siphash_equal(first, other));
    siphash_128(&key, message, sizeof(message), other);
    assert_true(siphash_equal(first, other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_authors_vectors),
        cmocka_unit_test(every_bit_counts),
    };
    return cmocka_run_group_tests_name("siphash", tests, NULL, NULL);
}
