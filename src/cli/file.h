/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files. */
#ifndef HL_CLI_FILE_H
#define HL_CLI_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Reads a file of at most `most` bytes, or standard input ("-", and once alone),
 * into malloc'd memory with a NUL behind it. False after it has said what is
 * wrong, as cli_usage does: "WHAT: ...". */
bool file_read(char **out, size_t *size, const char *what, const char *path, size_t most);
#endif
