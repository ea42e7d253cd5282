/* SPDX-License-Identifier: Apache-2.0 */
/* A careless guest: it keeps what it is given, and never cleans up. */
#include <hyperlight/easy.h>
#include <string.h>

static char secrets[4096];

HL_FUNCTION(u32, Handle, (str, secret))
{
    strncat(secrets, secret, sizeof secrets - strlen(secrets) - 1);
    return (uint32_t)strlen(secrets);
}
