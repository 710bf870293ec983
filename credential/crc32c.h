/* crc32c.h - the Castagnoli checksum, RFC 3720 appendix B.4: tells a torn write from a whole one. */
#ifndef BEARER_CRC32C_H
#define BEARER_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues a checksum (0 to begin) over length bytes. */
uint32_t bearer_crc32c(uint32_t crc, const void *bytes, size_t length);

#endif
