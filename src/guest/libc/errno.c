/* SPDX-License-Identifier: Apache-2.0 */
/* The one errno of a guest. */
#include <errno.h>

int hl__errno;
