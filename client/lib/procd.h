/* SPDX-License-Identifier: MIT */
/*
 * libprocd: processes and synchronisation objects with the semantics of Python's multiprocessing, kept by a
 * daemon that knows who is alive.
 *
 *     #include <procd.h>
 *
 *     PROCD_TARGET(greet)
 *     {
 *         printf("hello %s\n", json_string_value(json_array_get(args, 0)));
 *         return 0;
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         procd_init(argc, argv);
 *         struct procd_options options = {.target = "greet", .args = json_pack("[s]", "alvin")};
 *         procd_process *process = procd_process_new(&options);
 *         procd_process_start(process);
 *         procd_process_join(process, PROCD_FOREVER);
 *         procd_process_free(process);
 *     }
 *
 * Results: >= 0 is fine. < 0 is -errno, or one of PROCD_E_... (all below -4096): procd_strerror(),
 * procd_last_error(). -ENOENT, -ECONNREFUSED: no daemon answers, and none could be started; -ECONNRESET: the
 * daemon died meanwhile.
 *
 * Threads: any thread may call anything, and blocks only itself; but a handle must not be freed while another
 * thread uses it. Signal handlers must not call. Interrupted system calls are continued.
 *
 * Forks: a forked child must not use its parent's handles (they answer -EINVAL); it may make and open its
 * own.
 *
 * Time-outs are seconds; PROCD_FOREVER waits without an end, <= 0 does not wait. A time-out that is no number
 * (NaN) is -EINVAL.
 *
 * Strings are bytes as the system has them; names are UTF-8. The library neither prints nor exits nor starts
 * threads nor changes signal handlers; only procd_init runs a target, and exits with it, in a process made
 * for that.
 */
#ifndef PROCD_H
#define PROCD_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PROCD_PUBLIC __attribute__((visibility("default")))

#define PROCD_FOREVER (1e300) /* a time-out that never comes */

/* ---- errors ---- */

/* The errors of the protocol, by their JSON-RPC codes. */
enum procd_error {
    PROCD_E_PARSE_ERROR = -32700,
    PROCD_E_INVALID_REQUEST = -32600,
    PROCD_E_METHOD_NOT_FOUND = -32601,
    PROCD_E_INVALID_PARAMS = -32602, /* data: param */
    PROCD_E_INTERNAL_ERROR = -32603,
    PROCD_E_NO_SUCH_PROCESS = -32001,
    PROCD_E_NO_SUCH_OBJECT = -32002,
    PROCD_E_PERMISSION_DENIED = -32003,
    PROCD_E_SPAWN_FAILED = -32004, /* data: errno ("ENOENT"), stage ("exec", "chdir", ...) */
    PROCD_E_NOT_OWNER = -32005,
    PROCD_E_TOO_MANY_RELEASES = -32006,
    PROCD_E_DEADLOCK = -32007, /* data: cycle */
    PROCD_E_BROKEN_BARRIER = -32008,
    PROCD_E_WRONG_KIND = -32009,     /* data: kind */
    PROCD_E_LIMIT_EXCEEDED = -32010, /* data: limit, value */
    PROCD_E_ALREADY_EXISTS = -32011,
    PROCD_E_STILL_RUNNING = -32012,
    PROCD_E_CANCELLED = -32013,
    PROCD_E_OBJECT_GONE = -32014,
    PROCD_E_SHUTTING_DOWN = -32015,
    PROCD_E_NOT_HELD = -32016,
    PROCD_E_NO_TERMINAL = -32017,
    PROCD_E_ALREADY_ATTACHED = -32018
};

/* What a result means, in English. Any int: "success" for >= 0. The string is static, or valid until the
 * calling thread's next call. Thread safe; never NULL. */
PROCD_PUBLIC const char *procd_strerror(int code);

/* A failure in full. */
struct procd_failure {
    int code;            /* the result that said so; 0: nothing has failed yet */
    const char *message; /* for people; never NULL */
    json_t *data;        /* what else the daemon said, an object with `name`; NULL: nothing */
};

/* The calling thread's last failure. Successes leave it as it is. Never NULL; valid, with all that it
 * points to, until the thread's next call of the library. */
PROCD_PUBLIC const struct procd_failure *procd_last_error(void);

/* ---- functions of this program as processes ---- */

typedef struct procd_process procd_process;

/* What runs in a process of its own: self is that process; args and kwargs are those of procd_options (an
 * empty array and an empty object where they were NULL), borrowed. The status is the result's lowest 8
 * bits. */
typedef int (*procd_target_function)(procd_process *self, json_t *args, json_t *kwargs);

struct procd_target {
    const char *name;
    procd_target_function function;
};

#if defined(__has_attribute)
#if __has_attribute(retain)
#define PROCD_RETAIN , retain
#endif
#endif
#ifndef PROCD_RETAIN
#define PROCD_RETAIN
#endif

/* PROCD_TARGET(f) { ... return 0; } defines static int f(self, args, kwargs) and makes it known by its
 * name. In any file that is linked into the program; names must be unique in it. */
#define PROCD_TARGET(f)                                                                                      \
    static int f(procd_process *self, json_t *args, json_t *kwargs);                                         \
    static const struct procd_target procd_target_of_##f = {#f, f};                                          \
    static const struct procd_target *const procd_entry_of_##f                                               \
        __attribute__((section("procd_targets"), used PROCD_RETAIN)) = &procd_target_of_##f;                 \
    static int f(procd_process *self __attribute__((unused)), json_t *args __attribute__((unused)),          \
                 json_t *kwargs __attribute__((unused)))

/* The bounds of the section, made by the linker; none where the program has no target. */
extern const struct procd_target *const __start_procd_targets[] __attribute__((weak, visibility("hidden")));
extern const struct procd_target *const __stop_procd_targets[] __attribute__((weak, visibility("hidden")));

/* Behind procd_init; not to be called otherwise. */
PROCD_PUBLIC void procd_init_program(int argc, char **argv, const struct procd_target *const *begin,
                                     const struct procd_target *const *end);

/*
 * Call it first in main, with main's arguments. In a process made to run a target it runs it and exits with
 * its result (exit(3): stdio is flushed); a target that the program does not have is reported on stderr, exit
 * 1. Otherwise it returns, having arranged that at exit(3) the children started here are waited for, as in
 * multiprocessing: those with the daemon flag are stopped (SIGTERM, SIGKILL after their stop_timeout), then
 * the others joined; freed handles' children are included. It waits for nobody where no daemon answers or
 * waiting would be a deadlock.
 */
static inline void procd_init(int argc, char **argv)
{
    procd_init_program(argc, argv, __start_procd_targets, __stop_procd_targets);
}

/*
 * From now on a target that is started here is a copy of a zygote: this program, begun anew by the daemon and
 * waiting in procd_init to be copied, as multiprocessing's forkserver. That takes less time than an exec. All
 * that a target is told is the same. What differs: targets share what is random in a process's memory
 * (its layout, the seeds of hashes), and have what constructors and libraries have made before procd_init;
 * those must not have begun threads.
 *
 * What cannot be a copy is started as ever (a pty, notify, files for stdio, another uid; in the system's
 * daemon, where there are cgroups, all but root's), and so is everything where the zygote is gone; it is
 * begun again then. It is a process by itself, named "zygote", with the daemon flag and stderr in its log,
 * which counts in default names, is not among procd_active_children, and ends with this one.
 *
 * 0, also where there is one already; -EINVAL: procd_init was not called; -EOPNOTSUPP: $PROCD_HOST names
 * another host; or as procd_process_start. Any thread may call. A forked child has none until it calls, nor
 * has a target.
 */
PROCD_PUBLIC int procd_zygote(void);

/* ---- processes ---- */

enum procd_daemon_flag {
    PROCD_INHERIT,   /* the creator's own flag */
    PROCD_DAEMON,    /* it ends when its creator does */
    PROCD_NOT_DAEMON /* it lives on */
};

#define PROCD_NULL (-1) /* stdio: /dev/null */
#define PROCD_LOG  (-2) /* stdio: kept by the daemon, for process.logs; not for stdin */

/* What a process is to be. Zero is a default everywhere; exactly one of target and argv is needed. */
struct procd_options {
    const char *target;      /* a PROCD_TARGET of this program */
    const char *const *argv; /* or a program and its arguments, ended by NULL; looked for in $PATH */
    const char *name;        /* 1..255 bytes; NULL: the daemon makes one, Process-N */
    json_t *args, *kwargs;   /* for the target: an array and an object; stolen, also on failure. Objects in
                                them (procd_lock_json, ...) are open in the child from its start */
    enum procd_daemon_flag daemon;
    const char *const *env;  /* NAME=VALUE..., ended by NULL; NULL: the environment of this process */
    const char *cwd;         /* NULL: the working directory of this process */
    int stdio[3];            /* 0: this process's own descriptor; else fd + 1, PROCD_NULL or PROCD_LOG */
    json_t *extra;           /* any further member of process.spawn; stolen, also on failure. It goes before
                                what is said above. Descriptors in it (fds, exe_fd, {"fd": ...}) are numbers
                                of this process: "fds": [[5, 3]] makes our 5 its 3 */
};

/*
 * A handle for a process that is to be started. Everything but args, kwargs and extra is copied. Nothing is
 * asked of the daemon yet. NULL: procd_last_error() tells: -EINVAL (the options make no sense), -ENOENT (no
 * such target), -ENOMEM. Free it with procd_process_free.
 */
PROCD_PUBLIC procd_process *procd_process_new(const struct procd_options *options);

/* A handle for somebody else's process, by its id. Asks the daemon. NULL: procd_last_error() tells, e.g.
 * PROCD_E_NO_SUCH_PROCESS. */
PROCD_PUBLIC procd_process *procd_process_open(long id);

/*
 * Starts it: returns once it runs. Environment, directory, umask and (by default) descriptors 0 to 2 are
 * those of this process at this moment; stdout and stderr, where the child gets them, are flushed before. 0,
 * or: PROCD_E_SPAWN_FAILED; -EINVAL: it was started before, or the target cannot run because procd_init was
 * not called; -EMSGSIZE: more than 1 MiB of arguments and environment; -EMFILE; PROCD_E_NO_SUCH_OBJECT: an
 * object among the arguments is gone. A failed start may be tried again.
 */
PROCD_PUBLIC int procd_process_start(procd_process *process);

/* Waits for its end. 1: it has ended; 0: not within timeout; PROCD_E_DEADLOCK: it waits for this thread;
 * -EINVAL: not started. Any number of threads may wait. */
PROCD_PUBLIC int procd_process_join(procd_process *process, double timeout);

/* 1: it runs; 0: it has ended, or was not started. */
PROCD_PUBLIC int procd_process_is_alive(procd_process *process);

/* SIGTERM to its whole tree, SIGKILL to its whole tree, or any signal (1..64) to it alone. 0, also when it
 * has ended. -EINVAL: not started, or no signal. */
PROCD_PUBLIC int procd_process_terminate(procd_process *process);
PROCD_PUBLIC int procd_process_kill(procd_process *process);
PROCD_PUBLIC int procd_process_signal(procd_process *process, int signal);

/* 1 and exitcode: the status (0..255), or -N when ended by signal N; 0: not ended (or not started) yet;
 * -ENODATA: it has ended, but its status could not be known. exitcode may be NULL, and is untouched but
 * with 1. */
PROCD_PUBLIC int procd_process_exitcode(procd_process *process, int *exitcode);

/* Its pid and its id (never reused while the daemon lives); 0 before the start. Both are kept after its
 * end. */
PROCD_PUBLIC pid_t procd_process_pid(procd_process *process);
PROCD_PUBLIC long procd_process_id(procd_process *process);

/* Its name; before the start the one it was given, or NULL. Valid until the handle is freed or set_name is
 * called. A program that nobody started through the daemon is "MainProcess". */
PROCD_PUBLIC const char *procd_process_name(procd_process *process);

/* Before the start only: 0; later -EINVAL. NULL: the daemon makes one. */
PROCD_PUBLIC int procd_process_set_name(procd_process *process, const char *name);

/* 1: it ends when its creator does; 0: not. */
PROCD_PUBLIC int procd_process_daemon(procd_process *process);

/* Before the start only: 0; later -EINVAL. */
PROCD_PUBLIC int procd_process_set_daemon(procd_process *process, int daemon);

/* A pidfd, readable (poll) once it has ended; it belongs to the handle. -EINVAL: not started; -ESRCH: a
 * handle of procd_process_open whose process had ended before. */
PROCD_PUBLIC int procd_process_sentinel(procd_process *process);

/* Forgets an ended process, here and in the daemon; the handle can then only be freed. 0;
 * PROCD_E_STILL_RUNNING. */
PROCD_PUBLIC int procd_process_close(procd_process *process);

/* Gives the handle back; the process goes on. NULL is fine. */
PROCD_PUBLIC void procd_process_free(procd_process *process);

/* The process that asks: name, pid, id (0: not one of the daemon's), daemon flag; it is alive. Everything
 * else answers -EINVAL. Not to be freed. NULL only without memory. Starts no daemon. */
PROCD_PUBLIC procd_process *procd_current_process(void);

/* The process that created this one: getppid(2) is the daemon's for everything that it started. 0: out of
 * sight. */
PROCD_PUBLIC pid_t procd_parent_pid(void);

/*
 * The processes started here that still run, in the order of their starts; joins those that have ended. Their
 * number and list (may be NULL): a new array, ended by NULL. Each handle in it is a reference of its own,
 * also where it is the one that procd_process_new made: free each, then the array with free(3).
 */
PROCD_PUBLIC int procd_active_children(procd_process ***list);

/* ---- synchronisation objects ----
 *
 * Those of multiprocessing, shared by processes: between threads of one process they work, too. The daemon
 * keeps them, and knows who is alive: what a process holds ends with it.
 *
 * A name is 1 to 255 bytes of [A-Za-z0-9._:@-], no leading '.', and means the same object to all programs
 * of the user (with a '/' in front: of all users); NULL makes one of its own. `new` finds the object of
 * that name or makes it: where it is there, its value, parties or lock stay what they are. An object lives
 * until the last process that has it open lets go of it: until its last handle there is freed, or the
 * process ends.
 *
 * Objects go to other processes as arguments: procd_KIND_json() gives {"procd": kind, "name": name}, to be
 * put into args or kwargs at any depth, and in the child procd_KIND_from_json() gives a handle. From its
 * start until then the child has the object open: the creator may free its own handle at once.
 *
 * Every function that makes a handle returns NULL where it fails; procd_last_error() tells:
 * PROCD_E_WRONG_KIND (the name is that of another kind), PROCD_E_NO_SUCH_OBJECT (from_json: it is gone),
 * PROCD_E_INVALID_PARAMS (a name or number that cannot be), -EINVAL (from_json: no such JSON), or why the
 * daemon cannot be asked. All others return an error below 0, among them PROCD_E_NO_SUCH_OBJECT where the
 * object, or the daemon that kept it, is gone, and PROCD_E_OBJECT_GONE where it was removed meanwhile.
 * Every KIND_json returns the caller's reference, or NULL. Every KIND_free closes the object with this
 * process's last handle of it, which ends what the process holds there; NULL is fine.
 *
 * Waiting: any number of threads, each for itself; first come, first served. Who wants a lock, an rlock or a
 * permit that somebody has looks for up to a millisecond whether it is let go, while others who want to run
 * have its processor, and comes to wait after that: mostly only where nobody waits yet, and never if timeout
 * is 0. Who lets go of a lock that a thread sleeps for may offer it its processor. Time-outs count from the
 * call. A wait that ends without what it was for leaves nothing behind. It goes on in its place when the
 * broker is replaced. Threads are not cancelled (pthread_cancel) inside any of these. -ETIMEDOUT: the daemon
 * itself did not answer, 10 s after the time-out; what it granted just before it died, and nobody has heard
 * of, is then this process's, as object.info tells once another answers.
 */

typedef struct procd_lock procd_lock;
typedef struct procd_rlock procd_rlock;
typedef struct procd_semaphore procd_semaphore;
typedef struct procd_event procd_event;
typedef struct procd_condition procd_condition;
typedef struct procd_barrier procd_barrier;

/* A lock: one holder at a time; any thread and process may release it. */
PROCD_PUBLIC procd_lock *procd_lock_new(const char *name);
PROCD_PUBLIC procd_lock *procd_lock_from_json(const json_t *json);
PROCD_PUBLIC json_t *procd_lock_json(procd_lock *lock);
PROCD_PUBLIC void procd_lock_free(procd_lock *lock);

/* 1: acquired; 2: acquired, and the holder before died with it: what it guards may be half done; 0: not
 * within timeout. PROCD_E_DEADLOCK: a wait without an end that is certain never to end, for every holder
 * that it leads to waits, too; procd_last_error()->data has `cycle`. */
PROCD_PUBLIC int procd_lock_acquire(procd_lock *lock, double timeout);

/* 0; PROCD_E_TOO_MANY_RELEASES: it is free. */
PROCD_PUBLIC int procd_lock_release(procd_lock *lock);

/* The number of the newest acquire by this handle, for the storage that the lock guards: it rises with every
 * acquire by anybody, and one that comes late shows by a smaller number. To be asked for while it is held: it
 * is made when it is asked for first, by the daemon. 0: none yet, or it was given back before that. */
PROCD_PUBLIC uint64_t procd_lock_token(procd_lock *lock);

/* An rlock: it belongs to one thread of one process, which may acquire it again and must release it as often.
 * As for a lock, but for release: PROCD_E_NOT_OWNER: the calling thread does not own it. */
PROCD_PUBLIC procd_rlock *procd_rlock_new(const char *name);
PROCD_PUBLIC procd_rlock *procd_rlock_from_json(const json_t *json);
PROCD_PUBLIC json_t *procd_rlock_json(procd_rlock *lock);
PROCD_PUBLIC int procd_rlock_acquire(procd_rlock *lock, double timeout);
PROCD_PUBLIC int procd_rlock_release(procd_rlock *lock);
PROCD_PUBLIC uint64_t procd_rlock_token(procd_rlock *lock);
PROCD_PUBLIC void procd_rlock_free(procd_rlock *lock);

/* A semaphore: value permits to begin with. Of a bounded one (value >= 1) there are never more, and those
 * of a process that dies come back; of the other one they do not, and anybody may add some. */
PROCD_PUBLIC procd_semaphore *procd_semaphore_new(const char *name, unsigned value);
PROCD_PUBLIC procd_semaphore *procd_bounded_semaphore_new(const char *name, unsigned value);
PROCD_PUBLIC procd_semaphore *procd_semaphore_from_json(const json_t *json); /* of both */
PROCD_PUBLIC json_t *procd_semaphore_json(procd_semaphore *semaphore);
PROCD_PUBLIC void procd_semaphore_free(procd_semaphore *semaphore);

/* Takes a permit. 1: it has one; 2: one that came back from a process that died; 0: not within timeout. */
PROCD_PUBLIC int procd_semaphore_acquire(procd_semaphore *semaphore, double timeout);

/* Gives one: a hold of the calling thread ends, else one of its process, else one of anybody. 0;
 * PROCD_E_TOO_MANY_RELEASES: a bounded one has all of its permits. */
PROCD_PUBLIC int procd_semaphore_release(procd_semaphore *semaphore);

/* How many permits there are now; INT_MAX also where there are more. */
PROCD_PUBLIC int procd_semaphore_value(procd_semaphore *semaphore);

/* An event: a flag that can be waited for, clear to begin with. */
PROCD_PUBLIC procd_event *procd_event_new(const char *name);
PROCD_PUBLIC procd_event *procd_event_from_json(const json_t *json);
PROCD_PUBLIC json_t *procd_event_json(procd_event *event);
PROCD_PUBLIC int procd_event_set(procd_event *event);    /* 0; all who wait go on, come what may */
PROCD_PUBLIC int procd_event_clear(procd_event *event);  /* 0 */
PROCD_PUBLIC int procd_event_is_set(procd_event *event); /* 1 or 0 */
PROCD_PUBLIC void procd_event_free(procd_event *event);

/* 1: it is set, or was meanwhile; 0: not within timeout. */
PROCD_PUBLIC int procd_event_wait(procd_event *event, double timeout);

/* A condition: its lock, and waiting for a notify. lock NULL: an rlock of its own. lock may be freed while
 * the condition is in use. PROCD_E_ALREADY_EXISTS: the condition is there, with another lock. */
PROCD_PUBLIC procd_condition *procd_condition_new(const char *name, procd_rlock *lock);
PROCD_PUBLIC procd_condition *procd_condition_from_json(const json_t *json);
PROCD_PUBLIC json_t *procd_condition_json(procd_condition *condition);
PROCD_PUBLIC void procd_condition_free(procd_condition *condition);

/* Its lock, as for an rlock. */
PROCD_PUBLIC int procd_condition_acquire(procd_condition *condition, double timeout);
PROCD_PUBLIC int procd_condition_release(procd_condition *condition);

/* With the lock held: lets go of it, however deep, waits for a notify, and has it again. 1: notified; 2:
 * notified, and the lock's holder before died with it; 0: not within timeout, which does not count the wait
 * for the lock. After an error the lock is not held: PROCD_E_NOT_HELD: it was not before. */
PROCD_PUBLIC int procd_condition_wait(procd_condition *condition, double timeout);

/* With the lock held: waits until predicate(arg), which is called with the lock held, is not 0. 1: it is;
 * 0: not within timeout, which is for all its waits together. Errors as procd_condition_wait. */
PROCD_PUBLIC int procd_condition_wait_for(procd_condition *condition, int (*predicate)(void *), void *arg,
                                          double timeout);

/* With the lock held: wakes n (>= 1) of those who wait, or all. How many were woken; PROCD_E_NOT_HELD. */
PROCD_PUBLIC int procd_condition_notify(procd_condition *condition, int n);
PROCD_PUBLIC int procd_condition_notify_all(procd_condition *condition);

/* A barrier: where parties (>= 1) meet. When the last comes one of them runs action(arg), which may be NULL,
 * while the others wait; where it does not return 0, the barrier is broken. Functions cannot be sent: who has
 * the barrier from JSON sets the action again. Any of them may have to run it, so all must have it. */
PROCD_PUBLIC procd_barrier *procd_barrier_new(const char *name, unsigned parties, int (*action)(void *),
                                              void *arg);
PROCD_PUBLIC procd_barrier *procd_barrier_from_json(const json_t *json);
PROCD_PUBLIC json_t *procd_barrier_json(procd_barrier *barrier);
PROCD_PUBLIC int procd_barrier_set_action(procd_barrier *barrier, int (*action)(void *), void *arg); /* 0 */
PROCD_PUBLIC void procd_barrier_free(procd_barrier *barrier);

/* Waits for the others. 0 and index (may be NULL): 0 to parties - 1, each once. PROCD_E_BROKEN_BARRIER: the
 * barrier is broken: somebody's time-out passed (this one's, too) or somebody died while waiting, the action
 * failed, or it was aborted or reset. */
PROCD_PUBLIC int procd_barrier_wait(procd_barrier *barrier, double timeout, int *index);

/* Empty and whole again; breaks it for all until then. Who waits gets PROCD_E_BROKEN_BARRIER. 0. */
PROCD_PUBLIC int procd_barrier_reset(procd_barrier *barrier);
PROCD_PUBLIC int procd_barrier_abort(procd_barrier *barrier);

/* How many meet, how many wait now; 1: it is broken, 0: not. */
PROCD_PUBLIC int procd_barrier_parties(procd_barrier *barrier);
PROCD_PUBLIC int procd_barrier_waiting(procd_barrier *barrier);
PROCD_PUBLIC int procd_barrier_broken(procd_barrier *barrier);

/* ---- events, and anything else ---- */

typedef struct procd_events procd_events;

#define PROCD_EVENTS_NEW UINT64_MAX /* since: only what happens from now on */

/* A stream of events behind number since (0: all that are kept). kinds: NULL for all, else "process.*",
 * ... ended by NULL. What is no longer kept shows as an event of kind "gap". NULL: procd_last_error()
 * tells. Goes on by itself when the broker is replaced. */
PROCD_PUBLIC procd_events *procd_events_open(uint64_t since, const char *const *kinds);

/* For poll or epoll: readable when procd_events_next may have something. The same for the life of the stream,
 * and its own. */
PROCD_PUBLIC int procd_events_fd(procd_events *events);

/* The next event: 1 and event (an object: seq, time, kind, ...; the caller's reference); 0: none within
 * timeout. Threads take turns. -ECONNRESET: the daemon is gone. */
PROCD_PUBLIC int procd_events_next(procd_events *events, double timeout, json_t **event);

/* NULL is fine. */
PROCD_PUBLIC void procd_events_free(procd_events *events);

/* Any method of the protocol. params (an object, or NULL) is borrowed. 0 and result (the caller's
 * reference; may be NULL), or the error. Waits as long as the method does. */
PROCD_PUBLIC int procd_call(const char *method, json_t *params, json_t **result);

#ifdef __cplusplus
}
#endif

#endif
