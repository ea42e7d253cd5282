/* SPDX-License-Identifier: Apache-2.0 */
/* Calls within calls: depth, lifetimes, and what a host function may not do. */
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "../fake/fake.h"
#include "../test.h"

/* ---- A guest function that asks the host function of its argument ------------------ */

static hl_status ask_host(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)exit;
    (void)err;
    if (!guest->step)
        return fake_call(guest, 0, guest->args, guest->in.count);
    if (guest->in.kind == HL_KIND_FAIL)
        return fake_fail(guest, guest->args[0].as.i32, "the host failed");
    return fake_return(guest, guest->args[0]);
}

static hl_status echo(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)exit;
    (void)err;
    return fake_return(guest, guest->args[0]);
}

static hl_status crash(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    (void)guest;
    (void)err;
    *exit = (struct hv_exit){.kind = HV_EXIT_SHUTDOWN};
    return HL_OK;
}

static const struct fake_function exports[] = {{"ask", "i32(i32)", ask_host},
                                               {"echo", "str(str)", echo},
                                               {"crash", "void()", crash}};
static const hl_symbol imports[] = {{"h", "i32(i32)"}};

static hl_sandbox *box_with(hl_fn fn, void *user, uint32_t depth)
{
    static struct fake_program program = {
        .exports = exports, .export_count = 3, .imports = imports, .import_count = 1};
    const hl_config config = {.struct_size = sizeof config, .call_depth = depth};
    const hl_host_function function = {"h", "i32(i32)", fn, user};
    hl_sandbox *box;
    hl_host *host;
    hl_error err;

    CHECK_INT(hl_host_create(&host, &function, 1, &err), HL_OK);
    CHECK_INT(fake_create(&box, &program, host, &config, &err), HL_OK);
    hl_host_release(host);
    return box;
}

static hl_status ask(hl_value *ret, hl_sandbox *box, int32_t number, hl_error *err)
{
    const hl_value arg = hl_i32(number);

    return hl_sandbox_call(ret, box, "ask", &arg, 1, err);
}

/* ---- Depth ------------------------------------------------------------------------- */

/* Sum of the numbers down to 0, one level each. */
static hl_status sum_down(hl_call *call, const hl_value args[], hl_value *ret)
{
    const int32_t number = args[0].as.i32;
    hl_error err;

    *ret = hl_i32(0);
    if (number && ask(ret, hl_call_sandbox(call), number - 1, &err))
        return hl_fail(call, err.code ? err.code : err.status, err.text);
    CHECK_INT(args[0].as.i32, number); /* untouched by the deeper calls */
    ret->as.i32 += number;
    return HL_OK;
}

TEST(recursion_to_the_limit)
{
    static const uint32_t depths[] = {1, 2, 8, 64};
    hl_sandbox *box;
    hl_value ret;
    hl_error err;
    size_t i;
    int32_t depth;

    for (i = 0; i < 4; i++) {
        depth = (int32_t)depths[i];
        box = box_with(sum_down, NULL, depths[i]);
        CHECK_INT(ask(&ret, box, depth - 1, &err), HL_OK);
        CHECK_INT(ret.as.i32, (depth - 1) * depth / 2);
        CHECK_INT(box->depth, 0);
        CHECK_INT(fake_of(box)->depth, 0);
        CHECK_INT(ask(&ret, box, depth, &err), HL_E_FAILED); /* one too deep: an error */
        CHECK_INT(err.code, HL_E_DEPTH);
        CHECK_INT(hl_sandbox_state(box), HL_READY);
        CHECK_INT(ask(&ret, box, depth - 1, &err), HL_OK);
        hl_sandbox_destroy(box);
    }
}

static hl_status too_deep(hl_call *call, const hl_value args[], hl_value *ret)
{
    hl_error err;
    hl_value got = hl_i32(1);

    (void)args;
    CHECK_INT(ask(&got, hl_call_sandbox(call), 0, &err), HL_E_DEPTH);
    CHECK_STR(err.text, "ask: 1 calls are in progress, at most 1 may be");
    CHECK_INT(got.type, HL_VOID);
    *ret = hl_i32(5);
    return HL_OK;
}

TEST(one_level_too_deep)
{
    hl_sandbox *box = box_with(too_deep, NULL, 1);
    hl_value ret;
    hl_error err;

    CHECK_INT(ask(&ret, box, 0, &err), HL_OK);
    CHECK_INT(ret.as.i32, 5);
    hl_sandbox_destroy(box);
}

/* At depth 2 a frame may reach to the end of the buffer, not as far as one of
 * depth 1. */
static uint64_t nested_size;

static hl_status fill_nested(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    static uint8_t block[1024];
    const hl_value value = hl_bytes(block, sizeof block);
    uint8_t *at;

    (void)exit;
    (void)err;
    if (guest->depth == 1 && !guest->step)
        return fake_call(guest, 0, &value, 1);
    at = fake_reply(guest);
    fake_return(guest, hl_void());
    if (guest->depth == 1)
        memcpy(at + offsetof(struct hl_frame, size), &nested_size, sizeof nested_size);
    return HL_OK;
}

static hl_status expect_large(hl_call *call, const hl_value args[], hl_value *ret)
{
    hl_sandbox *box = hl_call_sandbox(call);
    const uint64_t left = 64 * 1024 - HL_FRAME_NEXT(0, 64 + 16 + 1040);
    hl_error err;

    (void)args;
    (void)ret;
    nested_size = hl_call_user(call) ? left + 16 : left;
    CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_E_PROTOCOL);
    CHECK_STR(err.text, hl_call_user(call)
                            ? "the guest broke the protocol: frame larger than the buffer"
                            : "the guest broke the protocol: frame size does not fit its values");
    return HL_OK;
}

TEST(nested_frame_larger_than_what_is_left)
{
    static const struct fake_function fills[] = {{"f", "void()", fill_nested}};
    static const hl_symbol takes[] = {{"h", "void(bytes)"}};
    const struct fake_program program = {
        .exports = fills, .export_count = 1, .imports = takes, .import_count = 1};
    const hl_config config = {.struct_size = sizeof config, .message_size = 64 * 1024};
    hl_host_function function = {"h", "void(bytes)", expect_large, NULL};
    hl_sandbox *box;
    hl_host *host;
    hl_error err;
    int more;

    for (more = 0; more < 2; more++) {
        function.user = more ? "one more" : NULL;
        CHECK_INT(hl_host_create(&host, &function, 1, &err), HL_OK);
        CHECK_INT(fake_create(&box, &program, host, &config, &err), HL_OK);
        CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_E_PROTOCOL);
        hl_sandbox_destroy(box);
        hl_host_release(host);
    }
}

/* The replies buffer is full at depth 1: depth 2 has no room for a frame. */
static hl_status fill_replies(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    static uint8_t block[64 * 1024];
    const hl_value value = hl_bytes(block, sizeof block - 64 - 16 - 1);

    (void)exit;
    (void)err;
    return guest->depth == 1 ? fake_call(guest, 0, &value, 1) : HL_OK;
}

static hl_status call_again(hl_call *call, const hl_value args[], hl_value *ret)
{
    hl_error err;

    (void)args;
    (void)ret;
    CHECK_INT(hl_sandbox_call(NULL, hl_call_sandbox(call), "f", NULL, 0, &err), HL_E_PROTOCOL);
    CHECK_STR(err.text, "the guest broke the protocol: no room for a frame is left in its buffer");
    return HL_OK;
}

TEST(no_room_for_a_nested_frame)
{
    static const struct fake_function fills[] = {{"f", "void()", fill_replies}};
    static const hl_symbol takes[] = {{"h", "void(bytes)"}};
    const struct fake_program program = {
        .exports = fills, .export_count = 1, .imports = takes, .import_count = 1};
    const hl_host_function function = {"h", "void(bytes)", call_again, NULL};
    const hl_config config = {.struct_size = sizeof config, .message_size = 64 * 1024};
    hl_sandbox *box;
    hl_host *host;
    hl_error err;

    CHECK_INT(hl_host_create(&host, &function, 1, &err), HL_OK);
    CHECK_INT(fake_create(&box, &program, host, &config, &err), HL_OK);
    CHECK_INT(hl_sandbox_call(NULL, box, "f", NULL, 0, &err), HL_E_PROTOCOL);
    CHECK_STR(err.text, "the guest broke the protocol: no room for a frame is left in its buffer");
    hl_sandbox_destroy(box);
    hl_host_release(host);
}

/* ---- Lifetimes --------------------------------------------------------------------- */

static hl_status nest_echo(hl_call *call, const hl_value args[], hl_value *ret)
{
    hl_sandbox *box = hl_call_sandbox(call);
    const hl_value a = hl_str("the first"), b = hl_str("the second, which is longer");
    hl_value first, second;
    hl_error err;

    CHECK_INT(hl_sandbox_call(&first, box, "echo", &a, 1, &err), HL_OK);
    CHECK_STR(first.as.str, "the first");
    CHECK_INT(hl_sandbox_call(&second, box, "echo", &b, 1, &err), HL_OK);
    CHECK_STR(second.as.str, "the second, which is longer");
    CHECK_INT(hl_sandbox_call(&first, box, "echo", &second, 1, &err), HL_OK); /* its own result */
    CHECK_STR(first.as.str, "the second, which is longer");
    CHECK_INT(args[0].as.i32, 3);
    *ret = hl_i32((int32_t)first.len);
    return HL_OK;
}

TEST(results_live_until_the_next_call_at_their_depth)
{
    hl_sandbox *box = box_with(nest_echo, NULL, 2);
    const hl_value arg = hl_str("kept");
    hl_value kept, ret;
    hl_error err;

    CHECK_INT(hl_sandbox_call(&kept, box, "echo", &arg, 1, &err), HL_OK);
    CHECK_INT(ask(&ret, box, 3, &err), HL_OK);
    CHECK_INT(ret.as.i32, 27);
    CHECK_INT(hl_sandbox_call(&kept, box, "echo", &arg, 1, &err), HL_OK);
    CHECK_STR(kept.as.str, "kept");
    CHECK_INT(hl_sandbox_call(&kept, box, "echo", &kept, 1, &err), HL_OK); /* both at once */
    CHECK_STR(kept.as.str, "kept");
    hl_sandbox_destroy(box);
}

/* ---- Failing inside ---------------------------------------------------------------- */

static hl_status call_crash(hl_call *call, const hl_value args[], hl_value *ret)
{
    hl_sandbox *box = hl_call_sandbox(call);
    hl_error err;

    CHECK_INT(hl_sandbox_call(NULL, box, "crash", NULL, 0, &err), HL_E_FAULT);
    CHECK_INT(hl_sandbox_state(box), HL_POISONED);
    CHECK_INT(hl_sandbox_call(NULL, box, "crash", NULL, 0, &err), HL_E_STATE);
    CHECK_STR(err.text, "crash: the sandbox is POISONED: triple fault: the virtual processor shut "
                        "down");
    *ret = args[0];
    return HL_OK;
}

TEST(fault_in_a_nested_call_ends_all_of_them)
{
    hl_sandbox *box = box_with(call_crash, NULL, 4);
    uint64_t runs = fake_of(box)->runs;
    hl_value ret;
    hl_error err;

    CHECK_INT(ask(&ret, box, 1, &err), HL_E_FAULT);
    CHECK_STR(err.text, "triple fault: the virtual processor shut down");
    CHECK_INT(ret.type, HL_VOID);
    CHECK_INT(fake_of(box)->runs, runs + 2); /* the guest did not resume */
    hl_sandbox_destroy(box);
}

static hl_status misuse_nested(hl_call *call, const hl_value args[], hl_value *ret)
{
    hl_sandbox *box = hl_call_sandbox(call);
    const hl_value arg = hl_str("x"), large = hl_bytes("", HL_LEN_MAX);
    hl_function *function;
    hl_error err;

    (void)args;
    CHECK_INT(hl_sandbox_call(NULL, box, "nothing", NULL, 0, &err), HL_E_UNKNOWN);
    CHECK_INT(hl_sandbox_call(NULL, box, "ask", NULL, 0, &err), HL_E_SIGNATURE);
    CHECK_STR(err.text, "ask: 0 arguments, wanted 1");
    CHECK_INT(hl_sandbox_call(NULL, box, "ask", &arg, 1, &err), HL_E_SIGNATURE);
    CHECK_STR(err.text, "ask: argument 1 is str, wanted i32");
    CHECK_INT(hl_sandbox_call(NULL, box, "ask", &large, 1, &err), HL_E_SIGNATURE);
    CHECK_INT(hl_sandbox_find(&function, box, "ask", &err), HL_OK);
    hl_sandbox_set_deadline(box, 0, NULL);
    CHECK(!hl_call_stopped(call));
    CHECK_INT(hl_sandbox_state(box), HL_RUNNING);
    *ret = hl_i32(6);
    return HL_OK;
}

TEST(misuse_from_a_host_function_changes_nothing)
{
    hl_sandbox *box = box_with(misuse_nested, NULL, 4);
    hl_value ret;
    hl_error err;

    CHECK_INT(ask(&ret, box, 1, &err), HL_OK);
    CHECK_INT(ret.as.i32, 6);
    hl_sandbox_destroy(box);
}

/* ---- During init ------------------------------------------------------------------- */

static hl_status init_asks(struct fake_guest *guest, struct hv_exit *exit, hl_error *err)
{
    const hl_value arg = hl_i32(1);

    (void)exit;
    (void)err;
    return guest->step ? fake_return(guest, hl_void()) : fake_call(guest, 0, &arg, 1);
}

static uint32_t visits;

static hl_status call_in_init(hl_call *call, const hl_value args[], hl_value *ret)
{
    hl_sandbox *box = hl_call_sandbox(call);
    hl_function *function = (hl_function *)box;
    hl_error err;

    visits++;
    CHECK_INT(hl_sandbox_state(box), HL_RUNNING);
    CHECK_INT(ask(NULL, box, 1, &err), HL_E_STATE);
    CHECK_STR(err.text, "ask: the guest is still in its init");
    CHECK_INT(hl_sandbox_find(&function, box, "ask", &err), HL_E_STATE);
    CHECK_STR(err.text, "ask: the guest is still in its init");
    CHECK(!function);
    *ret = args[0];
    return HL_OK;
}

static hl_status destroy_it(hl_call *call, const hl_value args[], hl_value *ret)
{
    hl_sandbox *box = hl_call_sandbox(call);
    hl_error err;

    visits++;
    hl_sandbox_destroy(box);
    CHECK_INT(ask(NULL, box, 1, &err), HL_E_STATE); /* still there, but refuses */
    CHECK_INT(fake_alive(), 1);
    *ret = args[0];
    return HL_OK;
}

static hl_status create_with_init(hl_sandbox **out, hl_fn fn, hl_error *err)
{
    static const struct fake_program program = {.exports = exports,
                                                .export_count = 3,
                                                .imports = imports,
                                                .import_count = 1,
                                                .init = init_asks};
    const hl_host_function function = {"h", "i32(i32)", fn, NULL};
    hl_status status;
    hl_host *host;

    visits = 0;
    CHECK_INT(hl_host_create(&host, &function, 1, err), HL_OK);
    status = fake_create(out, &program, host, NULL, err);
    hl_host_release(host);
    CHECK_INT(visits, 1);
    return status;
}

TEST(call_during_init_is_refused)
{
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(create_with_init(&box, call_in_init, &err), HL_OK);
    CHECK_INT(hl_sandbox_state(box), HL_READY);
    hl_sandbox_destroy(box);
}

TEST(destroy_during_init)
{
    hl_sandbox *box;
    hl_error err;

    CHECK_INT(create_with_init(&box, destroy_it, &err), HL_E_STATE);
    CHECK_STR(err.text, "the sandbox was destroyed by its host function h");
    CHECK(!box);
    CHECK_INT(fake_alive(), 0);
}

/* ---- Destroying oneself ------------------------------------------------------------ */

TEST(destroy_inside_a_host_function)
{
    hl_sandbox *box = box_with(destroy_it, NULL, 4);
    hl_value ret = hl_i32(1);
    hl_error err;

    CHECK_INT(ask(&ret, box, 1, &err), HL_E_STATE);
    CHECK_STR(err.text, "the sandbox was destroyed by its host function h");
    CHECK_INT(ret.type, HL_VOID);
    CHECK_INT(fake_alive(), 0);
    box = box_with(destroy_it, NULL, 1); /* at the deepest level */
    CHECK_INT(ask(NULL, box, 1, NULL), HL_E_STATE);
    CHECK_INT(fake_alive(), 0);
}

static hl_status destroy_at_zero(hl_call *call, const hl_value args[], hl_value *ret)
{
    hl_sandbox *box = hl_call_sandbox(call);
    hl_error err;

    if (!args[0].as.i32)
        return destroy_it(call, args, ret);
    CHECK_INT(ask(ret, box, args[0].as.i32 - 1, &err), HL_E_STATE);
    CHECK_STR(err.text, "the sandbox was destroyed by its host function h");
    CHECK_INT(fake_alive(), 1); /* until the outermost call is over */
    return HL_OK;
}

TEST(destroy_inside_a_nested_host_function)
{
    hl_sandbox *box = box_with(destroy_at_zero, NULL, 8);
    hl_error err;

    CHECK_INT(ask(NULL, box, 5, &err), HL_E_STATE);
    CHECK_STR(err.text, "the sandbox was destroyed by its host function h");
    CHECK_INT(fake_alive(), 0);
}

/* ---- Other threads ----------------------------------------------------------------- */

static void *call_from_elsewhere(void *box)
{
    hl_value ret = hl_i32(1);
    hl_error err;

    CHECK_INT(ask(&ret, box, 1, &err), HL_E_STATE);
    CHECK_STR(err.text, "ask: the sandbox is RUNNING on another thread");
    CHECK_INT(ret.type, HL_VOID);
    return NULL;
}

static hl_status let_another_try(hl_call *call, const hl_value args[], hl_value *ret)
{
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, call_from_elsewhere, hl_call_sandbox(call)), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    *ret = args[0];
    return HL_OK;
}

TEST(call_from_another_thread_while_running)
{
    hl_sandbox *box = box_with(let_another_try, NULL, 4);
    hl_value ret;
    hl_error err;

    CHECK_INT(ask(&ret, box, 9, &err), HL_OK);
    CHECK_INT(ret.as.i32, 9);
    hl_sandbox_destroy(box);
}

static void *call_in_turn(void *box)
{
    hl_value ret;
    hl_error err;

    CHECK_INT(ask(&ret, box, 3, &err), HL_OK);
    CHECK_INT(ret.as.i32, 6);
    return NULL;
}

TEST(sandbox_moves_between_threads)
{
    hl_sandbox *box = box_with(sum_down, NULL, 8);
    pthread_t thread;
    int i;

    for (i = 0; i < 50; i++) {
        CHECK_INT(pthread_create(&thread, NULL, call_in_turn, box), 0);
        CHECK_INT(pthread_join(thread, NULL), 0);
        call_in_turn(box);
    }
    hl_sandbox_destroy(box);
}

/* ---- A host function that never comes back ----------------------------------------- */

static jmp_buf away;

static hl_status jump_out(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)call;
    (void)args;
    (void)ret;
    longjmp(away, 1);
}

/* Forbidden; it costs that sandbox and no other. */
TEST(longjmp_out_leaks_that_sandbox_only)
{
    hl_sandbox *lost = box_with(jump_out, NULL, 8), *box = box_with(sum_down, NULL, 8);
    hl_value ret;
    hl_error err;

    if (!setjmp(away)) {
        ask(&ret, lost, 1, &err);
        FAIL("the call returned");
    }
    CHECK_INT(hl_sandbox_state(lost), HL_RUNNING);
    CHECK_INT(ask(&ret, box, 3, &err), HL_OK);
    CHECK_INT(ret.as.i32, 6);
    hl_sandbox_destroy(lost); /* as from inside: deferred for ever */
    CHECK_INT(ask(&ret, lost, 1, &err), HL_E_STATE);
    CHECK_STR(err.text, "ask: the sandbox was destroyed");
    hl_sandbox_destroy(box);
    CHECK_INT(fake_alive(), 1);
    sandbox_free(lost);
}
