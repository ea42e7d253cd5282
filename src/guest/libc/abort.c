/* SPDX-License-Identifier: Apache-2.0 */
/* Giving up: abort and failed assertions. */
#include "abort.h"

#include <assert.h>
#include <hyperlight/guest.h>
#include <stdio.h>
#include <stdlib.h>

void abort(void)
{
    hl_abort(HL__ABORT_CALLED, "abort called");
}

void hl__assert_failed(const char *condition, const char *file, int line)
{
    char text[400];

    snprintf(text, sizeof text, "%s:%d: assertion failed: %s", file, line, condition);
    hl_abort(HL__ABORT_ASSERT, text);
}
