/* SPDX-License-Identifier: MIT */
/*
 * A request that is being executed. A handler answers it once: reply, fail or park is the only way to make
 * the value that it must return.
 */
#ifndef PROCD_RPC_CALL_H
#define PROCD_RPC_CALL_H

#include "daemon/rpc/server.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "proto/writer.h"

/* Proof that a call was answered, or will be by an output of the core. Made in call.c alone. */
struct outcome {
    unsigned char made_by_reply_fail_or_park;
};

struct call {
    struct server *server;
    struct session *session;
    struct request request; /* params and args are there until it is answered */
    json_t *id;             /* own reference; NULL: a notification */
    uint64_t ticket;        /* 0 until parked */
    uint32_t uid;           /* in whose place */
    bool wants_pidfd, wants_terminal;
    bool has_asked; /* the keeper, to keep the uid's page */
    int terminal[2]; /* master and lease, once they have come; -1 */
    uint64_t process; /* whose descriptors `result` waits for */
    uint32_t bell;          /* the slot whose bell is rung behind the answer, or 0 */
    int fds[FRAME_FDS_MAX]; /* the request's descriptors */
    size_t fd_count;
    struct spawn_spec *spec; /* process.spawn: what the keeper gets */
    struct thread_counts *threads; /* what the keeper has counted for it */
    uint64_t creator;        /* the client that owner_pid means; else 0 until the handler sets it */
    char *result;            /* as text; it waits for its descriptors */
    TAILQ_ENTRY(call) of_session;
    char id_key[PROTO_KEY_MAX + 1]; /* of a call that waits: its id, as a key of session->pending */
    UT_hash_handle hh, hh_id;
};

/* Takes over the request (and its descriptors). NULL without memory (nothing is taken). */
struct call *call_new(struct server *server, struct session *session, struct request *request);
/* Frees it unanswered: its session is gone. Descriptors go to the closer. */
void call_free(struct call *call);

/* Answers, and frees the call. result is taken over; NULL: out of memory. */
struct outcome call_reply(struct call *call, json_t *result);
struct outcome call_reply_empty(struct call *call);
/* Shared memory has told it already: there is nothing to answer, nor to ring for. */
struct outcome call_reply_nothing(struct call *call);
/* The same with a result that is JSON already, of less than CALL_TEXT_MAX - 3 bytes: for what is answered
 * often. */
#define CALL_TEXT_MAX 256
struct outcome call_reply_text(struct call *call, const char *text);
/* The same with a result that was written; the writer is done. */
struct outcome call_reply_written(struct call *call, struct writer *result);
/* The same with descriptors, which are taken over. result is text, and taken over. */
struct outcome call_reply_with_fds(struct call *call, char *result, const int *fds, size_t count);
struct outcome call_fail(struct call *call, enum proto_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct outcome call_fail_with(struct call *call, const struct failure *failure, json_t *data);
struct outcome call_fail_limit(struct call *call, const char *limit, int64_t value);
struct outcome call_fail_param(struct call *call, const char *param, const char *wanted);

/* Whose request it is, by which connection: also what the core looks at before it decides. */
void call_address(const struct call *call, struct core_input *input);

/*
 * Gives the call's input to the core, with ticket, connection, uid and key filled in, and parks the call
 * until the core answers, which may be before this returns: the call must not be touched afterwards.
 */
struct outcome call_submit(struct call *call, struct core_input *input);

/* Parks a call that waits for something other than the core (the look-up helper). */
struct outcome call_park(struct call *call);

/* Gives the call a ticket, by which it is found, and by its id. 0 or -ENOMEM. */
int call_register(struct call *call);
/* The same for a question that somebody other than the core answers: until call_go_on nothing more that its
 * connection asks is begun. */
int call_hold(struct call *call);
/* The answer is there: the call is without a ticket again. session_resume is due on its session, once the
 * call has gone on. */
struct session *call_go_on(struct call *call);
struct call *call_find(struct server *server, uint64_t ticket);
/* The pending call with this id of a session, or NULL. */
struct call *call_by_id(struct session *session, const json_t *id);

/* Answers a request that could not become a call. id may be NULL. */
void answer_failure(struct session *session, const json_t *id, const struct failure *failure, json_t *data);

/* ---- handlers: one for each method of methods.def; a missing one is a link error ---- */

#define METHOD(id, name, flags, summary) struct outcome handle_##id(struct call *call);
#define PARAM(method, id, type, required, low, high, text)
#define RESULT(method, name, schema, text)
#define END(id)
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
#undef END

/* Runs the handler of a checked call. */
struct outcome dispatch(struct call *call);
/* Runs it again, now that the client is known that its owner_pid means. */
struct outcome dispatch_identified(struct call *call, uint64_t client);

/* The argument of a call, or NULL where it is absent: ARG(call, process_join, timeout). */
#define ARG(call, method, param) ((call)->request.args.value[PARAM_##method##_##param])

#endif
