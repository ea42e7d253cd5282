/* SPDX-License-Identifier: Apache-2.0 */
/* The jobs as a guest of the library. */
#include <hyperlight/easy.h>

#include "peer.h"

HL_FUNCTION(u32, AddOne, (u32, x))
{
    return x + 1;
}

HL_FUNCTION(u32, Hash, (bytes, data))
{
    return peer_fnv(data.data, data.len);
}
