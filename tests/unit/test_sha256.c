/* SPDX-License-Identifier: Apache-2.0
 * Tests of SHA-256 against the examples of FIPS 180-4 and NIST's test vectors. */
#include "sha256.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

static void expect(const void *data, size_t bytes, const char *wanted)
{
    uint8_t digest[32];
    char hex[65];
    ai_sha256_of(data, bytes, digest);
    for (int i = 0; i < 32; i++)
        sprintf(hex + 2 * i, "%02x", digest[i]);
    ck_assert_str_eq(hex, wanted);
}

START_TEST(test_vectors)
{
    char *a = malloc(1000000);
    memset(a, 'a', 1000000);
    expect("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    expect(a, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(a);
}
END_TEST

/* In pieces of every length the digest is the same. */
START_TEST(test_pieces)
{
    uint8_t data[300];
    uint8_t whole[32];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 31);
    ai_sha256_of(data, sizeof(data), whole);
    for (size_t piece = 1; piece <= sizeof(data); piece++) {
        uint8_t digest[32];
        ai_sha256 sha;
        ai_sha256_begin(&sha);
        for (size_t at = 0; at < sizeof(data); at += piece)
            ai_sha256_add(&sha, data + at, at + piece > sizeof(data) ? sizeof(data) - at : piece);
        ai_sha256_end(&sha, digest);
        ck_assert_mem_eq(digest, whole, sizeof(whole));
    }
}
END_TEST

Suite *sha256_suite(void)
{
    Suite *suite = suite_create("sha256");
    TCase *c = tcase_create("sha256");
    tcase_add_test(c, test_vectors);
    tcase_add_test(c, test_pieces);
    suite_add_tcase(suite, c);
    return suite;
}
