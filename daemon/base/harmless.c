/* SPDX-License-Identifier: MIT */
#include "daemon/base/harmless.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes of a UTF-8 sequence that begins so, or 0. */
static size_t utf8_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Bytes of the well-formed UTF-8 sequence at bytes (size > 0) and its character, or 0. Unicode, table 3-7. */
static size_t utf8_decode(const unsigned char *bytes, size_t size, uint32_t *ret_character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = bytes[0];
    size_t length = utf8_length(lead);
    uint32_t character = length == 1 ? lead : lead & (0x7fU >> length);

    if (length == 0 || length > size)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (bytes[i] & 0x3f);
    }
    if (character < least[length] || character > 0x10ffff || (character >= 0xd800 && character <= 0xdfff))
        return 0;
    *ret_character = character;
    return length;
}

/* May a terminal see it? */
static bool is_harmless(uint32_t character)
{
    static const struct {
        uint32_t first, last;
    } bad[] = {
        {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},   {0x200b, 0x200f},
        {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (character >= bad[i].first && character <= bad[i].last)
            return false;
    return true;
}

size_t harmless_length(const char *bytes, size_t size)
{
    uint32_t character;
    size_t length = utf8_decode((const unsigned char *) bytes, size, &character);

    return length > 0 && is_harmless(character) ? length : 0;
}
