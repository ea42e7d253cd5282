/* SPDX-License-Identifier: Apache-2.0 */
/* Filling the caller's hl_error. */
#ifndef HL_HOST_ERROR_H
#define HL_HOST_ERROR_H

#include <hyperlight/types.h>

#ifdef __MINGW32__
#define ERROR_PRINTF gnu_printf /* __USE_MINGW_ANSI_STDIO is set */
#else
#define ERROR_PRINTF printf
#endif

/* Writes status and one formatted line, everything else zero, unless err is
 * NULL; returns status. Control bytes and invalid UTF-8 in the line are escaped
 * as \xNN, so that guest text given with %s is safe to print. A macro, so that
 * compilers and analyzers see that what it returns is not HL_OK. */
#define error_set(err, status, ...) \
    error_returned((status), error_write((err), (status), __VA_ARGS__))

hl_status error_write(hl_error *err, hl_status status, const char *format, ...)
    __attribute__((format(ERROR_PRINTF, 3, 4)));

static inline hl_status error_returned(hl_status status, hl_status written)
{
    (void)written;
    return status;
}

/* E_SYSTEM (E_MEMORY for ENOMEM): "WHAT: strerror". */
hl_status error_errno(hl_error *err, int number, const char *what);

/* Puts the thing that the error is in, a file, in front of its text: "WHAT:
 * text"; returns the status. A long name is cut, so that the text is not. */
hl_status error_within(hl_error *err, const char *what);

hl_status error_none(hl_error *err); /* HL_OK, "ok" */
#endif
