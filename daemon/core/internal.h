/* SPDX-License-Identifier: MIT */
/*
 * What the files of core/ share and nobody else sees. Each step_* function applies one kind of input: it
 * allocates first, then changes the state, and from its first change on it cannot fail.
 */
#ifndef PROCD_CORE_INTERNAL_H
#define PROCD_CORE_INTERNAL_H

#include "daemon/core/core.h"

/* signal(7): the same on all machines; <signal.h> has no place in a room without system calls */
#define NUMBER_OF_SIGKILL 9
#define NUMBER_OF_SIGTERM 15

/* ---- quota.c ---- */

/* The account of a uid, made where there is none; NULL without memory. */
struct account *account_get(struct core *core, uint32_t uid);
/* Frees an account that counts nothing any more. */
void account_trim(struct core *core, struct account *account);
/* Is there no room for one more? */
bool quota_full(const struct account *account, enum core_quota quota);
/* The same for one that is counted already. */
bool quota_exceeded(const struct account *account, enum core_quota quota);
void quota_charge(struct account *account, enum core_quota quota);
void quota_release(struct account *account, enum core_quota quota);

/* ---- record.c ---- */

/* A record of a spawn's strings with one reference; its title begins with the parent's path, and gets its own
 * number later by title_number. NULL without memory. */
struct record *record_new(struct account *account, const struct core_input *input,
                          const struct title *parent);
/* The same from its parts; the title is taken over, also on failure. */
struct record *record_make(struct account *account, struct title *title, const struct blob *argv,
                           const struct blob *cwd, const struct blob *labels);
struct record *record_ref(struct record *record);
struct record *record_unref(struct core *core, struct record *record);
/* What record_new will charge. */
size_t record_size(const struct core_input *input);

struct title *title_copy(const char *name, size_t name_size, const char *path, size_t path_size);
struct title *title_ref(struct title *title);
struct title *title_unref(struct title *title);
bool title_is_same(const struct title *a, const struct title *b);
/* Gives it its number: "3", or "PARENT:3"; and a name made of it where it has none. */
void title_number(struct title *title, uint64_t number);

/* ---- order.c ---- */

struct order *order_new(void);
/* Gives an order to the keeper: numbers it and appends it. The order is taken over. */
void order_give(struct core *core, struct order *order, enum order_kind kind, uint64_t subject);
void order_give_signal(struct core *core, struct order *order, uint64_t process, int signal, bool tree);
/* Takes a pending order out and frees it. */
void order_drop(struct core *core, struct order *order);
/* All orders up to this number were executed. */
void orders_executed(struct core *core, uint64_t number);

/* ---- eventlog.c ---- */

/* Appends an event; cannot fail. Returns its seq. */
uint64_t event_process(struct core *core, enum event_kind kind, const struct process *process);
uint64_t event_restarting(struct core *core, const struct process *process, int64_t delay);
uint64_t event_spawn_failed(struct core *core, const struct process *process, int error, uint32_t stage);
uint64_t event_client(struct core *core, enum event_kind kind, const struct client *client);
uint64_t event_daemon(struct core *core, enum event_kind kind);

/* ---- waiter.c ---- */

/* A waiter for a request, with room for link_count processes; it is counted and found by its ticket, and its
 * deadline can be set without memory. NULL without memory. */
struct waiter *waiter_new(struct core *core, const struct core_input *input, enum wait_kind kind,
                          uint32_t link_count);
/* Undoes waiter_new, for a step that fails. */
void waiter_undo(struct core *core, struct waiter *waiter);
void waiter_link(struct waiter *waiter, uint32_t index, struct process *process);
void waiter_unlink(struct wait_link *link);
void waiter_set_deadline(struct core *core, struct waiter *waiter, int64_t when);

/* Its uid waits too often, and it was answered so. */
bool waiter_refused(struct core *core, struct waiter *waiter);
/* Its time-out, if its request has one, begins. */
void waiter_start(struct core *core, struct waiter *waiter, int64_t span);
/* It waits from now on, for `span` where its request has a time-out, unless it is refused. */
void waiter_park(struct core *core, struct waiter *waiter, int64_t span);
/* Answers: the waiter leaves every queue and becomes an output (or is freed, where nobody is there to be
 * told). */
void waiter_answer(struct core *core, struct waiter *waiter);
void waiter_fail(struct core *core, struct waiter *waiter, enum proto_error error);
void waiter_fail_quota(struct core *core, struct waiter *waiter, enum core_quota quota);
/* The same for a value below the quota. */
void waiter_fail_limit(struct core *core, struct waiter *waiter, enum core_quota quota, int64_t value);
void waiter_answer_process(struct core *core, struct waiter *waiter, enum reply_kind kind,
                           struct process *process);
/* The slot whose bell it waits by, or 0. */
uint32_t waiter_bell(const struct waiter *waiter);
/* Has it a key to be asked for again by, and a place to keep? */
bool waiter_can_be_absent(const struct waiter *waiter);
/* Will its answer be that of others, too, who have asked the same? */
bool waiter_is_repeated(const struct waiter *waiter);
/* Its client, which was absent, has asked again: the one that repeated the request waits in its place. */
void waiter_come_back(struct core *core, struct waiter *waiter);
/* Its connection was closed. */
void waiter_abandon(struct core *core, struct waiter *waiter);
void waiter_cancel(struct core *core, struct waiter *waiter);
void waiter_free(struct core *core, struct waiter *waiter);
/* An answer to a request that was refused before anything of it happened. 0 or -ENOMEM. */
int answer_at_once(struct core *core, const struct core_input *input, enum proto_error error);

/* ---- key.c ---- */

enum key_outcome { KEY_FRESH, KEY_HANDLED };

/* Looks up the key of a request. KEY_FRESH: go on (*ret_key is a new key, or NULL without one; give it to the
 * waiter or key_undo it); KEY_HANDLED: it was asked before, and is answered or waits; or -ENOMEM. */
int key_begin(struct core *core, const struct core_input *input, struct key **ret_key);
void key_undo(struct core *core, struct key *key);
void key_attach(struct key *key, struct waiter *waiter);
/* Its waiter is about to be answered: records the answer (or forgets the key) and answers its followers. */
void key_answered(struct core *core, struct key *key, struct waiter *waiter);
/* An answer to it, or to a request without a key, is found not to have been read. Was it the last one? Where
 * the key is not known any more: not where there were more of them, ever. */
bool key_lose_answer(const struct client *client, const struct blob *text, uint64_t hold, bool is_repeated);
/* The grant that it recorded is taken back: asked again, the request is made anew. */
void key_forget(struct core *core, struct client *client, const struct blob *text, uint64_t hold);
/* Forgets the key; followers must be gone. */
void key_free(struct core *core, struct key *key);

/* ---- process.c ---- */

/* Everything that an end or a death may need is made here. NULL without memory. */
struct process *process_new(struct core *core, struct account *account, uint64_t id);
/* Removes a process for good; tell: the keeper forgets it, too. */
void process_remove(struct core *core, struct process *process, bool tell);
/* One that was to start has not begun, and never will. The key of its request is forgotten, so that who asks
 * again starts it. */
void process_undo(struct core *core, struct process *process);
/* signal to the tree, SIGKILL span later; extra: an order for it, taken over, or NULL to use the process's
 * own. Between two runs it ends here. */
void process_stop(struct core *core, struct process *process, int signal, int64_t span, struct order *extra);
void process_deadline(struct core *core, struct process *process);
/* The keeper has sent the signal with which a stop begins: its grace is at least span from now. */
void process_told(struct core *core, uint64_t id, int64_t span);
void process_watch(struct core *core, struct process *process);
/* Its end is told, for good. The oldest of those that have ended may go for it. */
void process_finish(struct core *core, struct process *process);
/* Those who wait for what it is now are answered. has_ended: for good, just now. */
void process_wake(struct core *core, struct process *process, bool has_ended);

/* ---- restart.c ---- */

/* The policy that its spawn asks for. 0 or -ENOMEM. */
int restart_plan(struct process *process, const struct input_restart *plan);
/* The policy ends, and with it a pause between two runs: then the process has ended for good. */
void restart_end(struct core *core, struct process *process);
/* What the policy counts for is given back; the keeper needs not be told. */
void restart_uncharge(struct process *process);
void restart_charge(struct process *process);
/* Its run is over. True: another one comes, as its events say from now on. */
bool restart_after_run(struct core *core, struct process *process);
/* The pause is over. */
void restart_due(struct core *core, struct process *process);
/* Is it being started again? Then the order to do so has been executed. */
bool restart_executed(struct core *core, struct process *process);
/* It could not be started again. */
void restart_failed(struct core *core, struct process *process, bool final);

/* ---- ready.c ---- */

/* Has it come so far that others can use it? */
bool process_ready(const struct process *process);
/* Will nothing more change the answer of a wait for readiness? */
bool ready_is_decided(const struct waiter *waiter);

/* ---- word.c ---- */

/* The memory may not have what was stored last: everything is stored anew. */
void words_store_again(struct core *core);
/* The end of a step: what has changed is stored; words of locks that nobody waits for are opened. */
void words_decide(struct core *core);

/* ---- mapping.c ---- */

/* What a client could use it can no more: it is dead. */
void words_forget_client(struct core *core, struct client *client);

/* ---- client.c ---- */

/* The client is this managed process (NULL: none). A process is one client, the first. */
void client_is_process(struct client *client, struct process *process);
/* The client has died: closes its connections, ends its daemon children, forgets it. */
void client_bury(struct core *core, struct client *client);
void connection_close(struct core *core, struct connection *connection);

/* ---- absence.c ---- */

/* The connection of one that waits with a key went down with its broker: it keeps its place without one. */
void absence_begin(struct core *core, struct waiter *waiter);
/* It is answered, or goes, or its client has asked again. */
void absence_over(struct core *core, struct waiter *waiter);
/* One that is absent is granted something of this uid's object of that name. */
void absence_grant(struct core *core, struct key *key, uint32_t uid, struct text *object);
/* Its client has asked for the grant, or the key goes. */
void absence_asked(struct core *core, struct key *key);
/* Those that are absent have ABSENCE_MAX from now on. */
void absences_begin(struct core *core);
/* Whoever is still absent is waited for no longer: its waits go, then its grants. That was due then: too long
 * ago, and they are waited for once more. */
void absences_end(struct core *core, int64_t due);
/* The same for the waits, or the grants, of a client that has died. */
void absence_end_waits(struct core *core, struct client *client);
void absence_end_grants(struct core *core, struct client *client);

/* ---- steps ---- */

int step_connect(struct core *core, const struct core_input *input);
int step_disconnect(struct core *core, const struct core_input *input);
int step_client(struct core *core, const struct core_input *input);
int step_client_dead(struct core *core, const struct core_input *input);
int step_restarted(struct core *core, const struct core_input *input);
int step_spawn(struct core *core, const struct core_input *input);
int step_join(struct core *core, const struct core_input *input);
int step_wait(struct core *core, const struct core_input *input);
int step_signal(struct core *core, const struct core_input *input);
int step_stop(struct core *core, const struct core_input *input);
int step_close(struct core *core, const struct core_input *input);
int step_cancel(struct core *core, const struct core_input *input);
int step_read(struct core *core, const struct core_input *input);
int step_shutdown(struct core *core, const struct core_input *input);
int step_object_create(struct core *core, const struct core_input *input);
int step_object_open(struct core *core, const struct core_input *input);
int step_object_close(struct core *core, const struct core_input *input);
int step_object_unlink(struct core *core, const struct core_input *input);
int step_object_break(struct core *core, const struct core_input *input);
int step_object_map(struct core *core, const struct core_input *input);
int step_acquire(struct core *core, const struct core_input *input);
int step_release(struct core *core, const struct core_input *input);
int step_event_set(struct core *core, const struct core_input *input);
int step_event_is_set(struct core *core, const struct core_input *input);
int step_event_wait(struct core *core, const struct core_input *input);
int step_condition_wait(struct core *core, const struct core_input *input);
int step_condition_notify(struct core *core, const struct core_input *input);
int step_barrier_wait(struct core *core, const struct core_input *input);
int step_barrier_done(struct core *core, const struct core_input *input);
int step_barrier_reset(struct core *core, const struct core_input *input);
int step_barrier_abort(struct core *core, const struct core_input *input);
int step_undelivered(struct core *core, const struct core_input *input);
int step_spawned(struct core *core, const struct core_input *input);
int step_spawn_failed(struct core *core, const struct core_input *input);
int step_exited(struct core *core, const struct core_input *input);
int step_stopped(struct core *core, const struct core_input *input);
int step_continued(struct core *core, const struct core_input *input);
int step_tree_gone(struct core *core, const struct core_input *input);
int step_notified(struct core *core, const struct core_input *input);
int step_executed(struct core *core, const struct core_input *input);
int step_adopt(struct core *core, const struct core_input *input);
int step_time(struct core *core, const struct core_input *input);
int step_words(struct core *core, const struct core_input *input);

#endif
