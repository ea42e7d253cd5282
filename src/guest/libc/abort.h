/* SPDX-License-Identifier: Apache-2.0 */
/* The hl_abort codes of the runtime itself: negative, so that guests have the rest. */
#ifndef HL_GUEST_LIBC_ABORT_H
#define HL_GUEST_LIBC_ABORT_H

enum {
    HL__ABORT_CALLED = -1, /* abort() */
    HL__ABORT_ASSERT = -2, /* a failed assert */
    HL__ABORT_HEAP = -3    /* double free or damaged heap */
};

#endif
