/* test_crc32c.c - the vectors of RFC 3720 appendix B.4. */
#include "credential/crc32c.h"
#include "tests/unit/scratch.h"

#include <string.h>

static void the_vectors_of_rfc_3720_hold(void **state)
{
    static const unsigned char read_command[48] = {
        0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18,
        0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    };
    unsigned char bytes[32];

    (void)state;
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(bearer_crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(bearer_crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(bearer_crc32c(0, bytes, sizeof bytes), 0x46dd794e);
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(31 - i);
    assert_int_equal(bearer_crc32c(0, bytes, sizeof bytes), 0x113fdb5c);
    assert_int_equal(bearer_crc32c(0, read_command, sizeof read_command), 0xd9963a56);
    assert_int_equal(bearer_crc32c(0, "123456789", 9), 0xe3069283);
}

static void nothing_has_checksum_zero(void **state)
{
    (void)state;
    assert_int_equal(bearer_crc32c(0, "", 0), 0);
    assert_int_equal(bearer_crc32c(0xe3069283, "", 0), 0xe3069283);
}

static void a_checksum_continues_wherever_it_is_cut(void **state)
{
    static const char text[] = "a checksum over two parts is that of the whole";
    size_t length = sizeof text - 1;
    uint32_t whole = bearer_crc32c(0, text, length);

    (void)state;
    for (size_t cut = 0; cut <= length; cut++)
        assert_int_equal(bearer_crc32c(bearer_crc32c(0, text, cut), text + cut, length - cut), whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_3720_hold),
        cmocka_unit_test(nothing_has_checksum_zero),
        cmocka_unit_test(a_checksum_continues_wherever_it_is_cut),
    };

    return run_group("crc32c", tests);
}
