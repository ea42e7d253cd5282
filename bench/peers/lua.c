/* SPDX-License-Identifier: Apache-2.0 */
/* An embedded interpreter: Lua. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "peer.h"

static const char script[] = "function AddOne(x) return x + 1 end\n"
                             "function Hash(data)\n"
                             "  local hash, byte = 0x811c9dc5, string.byte\n"
                             "  for i = 1, #data do\n"
                             "    hash = ((hash ~ byte(data, i)) * 0x01000193) & 0xffffffff\n"
                             "  end\n"
                             "  return hash\n"
                             "end\n";

static lua_State *state;

/* Only what the script needs; no files, no system. */
static lua_State *make(void)
{
    lua_State *made = luaL_newstate();

    if (!made)
        return NULL;
    luaL_requiref(made, "string", luaopen_string, 1);
    lua_pop(made, 1);
    if (!luaL_dostring(made, script))
        return made;
    lua_close(made);
    return NULL;
}

static bool open(const char *guests)
{
    (void)guests;
    state = make();
    return state || peer_fail("lua: the script does not load");
}

static void close(void)
{
    lua_close(state);
}

/* The function and its argument are on the stack. */
static bool finish(lua_State *in, uint32_t *out)
{
    if (lua_pcall(in, 1, 1, 0))
        return peer_fail("lua: %s", lua_tostring(in, -1));
    *out = (uint32_t)lua_tointeger(in, -1);
    lua_pop(in, 1);
    return true;
}

static bool call_in(lua_State *in, uint32_t x, uint32_t *out)
{
    lua_getglobal(in, "AddOne");
    lua_pushinteger(in, x);
    return finish(in, out);
}

static bool call(uint32_t x, uint32_t *out)
{
    return call_in(state, x, out);
}

static bool hash(const uint8_t data[DATA_SIZE], uint32_t *out)
{
    lua_getglobal(state, "Hash");
    lua_pushlstring(state, (const char *)data, DATA_SIZE);
    return finish(state, out);
}

static bool fresh(uint32_t x, uint32_t *out)
{
    lua_State *made = make();
    const bool ok = made && call_in(made, x, out);

    if (made)
        lua_close(made);
    return ok;
}

const struct peer peer_lua = {"Lua, in process", open, close, call, fresh, hash};
