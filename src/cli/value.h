/* SPDX-License-Identifier: Apache-2.0 */
/* Values of guest functions as text: arguments parsed, results printed. */
#ifndef HL_CLI_VALUE_H
#define HL_CLI_VALUE_H

#include "text.h"
#include <hyperlight/hyperlight.h>

/* Arguments, and the memory that they borrow. */
struct arguments {
    hl_value values[HL_PARAMS_MAX];
    void *memory[HL_PARAMS_MAX]; /* NULL: none */
    uint32_t count;
    size_t most; /* bytes of a file that is one */
};

/* Parses words by a signature, "i32(str, bytes)"; or, if it is NULL, each by
 * the type in front of it: "i32:7", "str:text". Says what is wrong and returns
 * an exit status. `most` is set, all else zero. arguments_free in any case. */
int arguments_parse(struct arguments *out, const char *function, const char *signature,
                    char *const words[], uint32_t count);
void arguments_free(struct arguments *arguments);

/* One line, as an argument would be written; nothing for void. */
void value_print(const hl_value *value);
/* The bytes of str or bytes alone, of others the line. */
void value_write(const hl_value *value);
void value_json(struct json *json, const char *key, const hl_value *value);
const char *value_type(uint32_t type); /* "i32" */
#endif
