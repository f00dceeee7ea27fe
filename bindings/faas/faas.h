/* SPDX-License-Identifier: Apache-2.0
 * ai-function: one program that answers on every function platform.
 *
 *   main.c         flags, environment, which platform
 *   platforms.def  a row a platform: to find one, read its row and open its file
 *   http.c         the HTTP server that most platforms talk to; exchange.c: a request on its way;
 *                  routes.c finds who answers a path; lines.c bounds the connections,
 *                  arrival.c reads what comes by them
 *   plain.c        POST / as it is: Cloud Run, Knative, OpenFaaS; page/: what GET / shows
 *   openwhisk.c    OpenWhisk in docker; actionloop.c: by lines; activation.c: what both answer
 *   aliyun_fc.c    Function Compute; azure.c; openfaas.c: a process a request
 *   health.c       /health, /metrics and their like; answered during an inference
 *   cloudevents.c  what comes in CloudEvents' forms; oip.c: in the Open Inference Protocol's
 *   lambda.c       AWS Lambda's Runtime API; runtime_api.c: a client of it and its like
 *   models.c       the models by name, replaced while they serve
 *   proof.c        their self-tests
 *   remote.c       models that lie in stores: a copy, and a look for a newer one
 *   store.c        objects and results, through ai-fetch
 *   worker.c       a session of each model; queue.c: threads that share a queue
 *   log.c          one line a request, and the counters
 *
 * The way of a request:
 *
 *   platform -> ai_request -> ai_handle() of ai_task.h -> ai_answer -> platform
 *
 * An adapter never looks into a picture or an event: ai_handle tells what a body is, for all
 * platforms and for host runtimes alike (bindings/task/body.c). What stores, queues and timers send
 * is a row in bindings/task/events.def and a function in an event_*.c beside it, which ends in
 * ai_handle_object, ai_handle_body or ai_reply_body.
 *
 * A platform that connects to us (OpenWhisk in docker, Function Compute, Azure): a row in
 * platforms.def, a file with `detect`, a table of routes, and a `run` that calls ai_http_serve. A
 * route's `answer` runs on a worker's thread: it unwraps x->request, calls ai_worker_answer, and
 * wraps x->answer in place; what no route answered, `dress` of ai_http wraps. One that we connect
 * to, or that speaks by pipes (Lambda, ActionLoop): `run` opens an ai_worker and loops by itself,
 * with ai_log_request at the end of each turn.
 *
 * Objects come through ai_function.fetch, which main.c sets before the platform runs; nothing else
 * knows where they lie. */
#ifndef AI_FAAS_H
#define AI_FAAS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "ai_task.h"

/* ---- The function: what all adapters share ---- */

typedef struct ai_models ai_models;

typedef struct ai_settings {
    const char *platform; /* NULL: told by the environment */
    const char **models;  /* [NAME=] and a file, a folder or a URL; none: where packages put them */
    uint32_t model_count;
    const char *address;  /* NULL: the platform's */
    int32_t port;         /* 0: any that is free; -1: the platform's */
    uint32_t workers;     /* requests answered at once */
    uint32_t threads;     /* of a session; 0: what the instance has */
    uint32_t cpu;         /* mask of ai_options */
    uint32_t queue;       /* requests that wait; beyond them 429 */
    uint32_t timeout_ms;  /* of a request, waiting included; 0: the platform's, or none */
    uint32_t arrival_ms;  /* of a request, from its first byte to its last */
    size_t most_bytes;    /* of a body */
    uint32_t recheck_s;   /* between looks for newer models in stores */
    const char *results;  /* where answers to events go; NULL: nowhere */
    bool is_quiet;        /* no line a request */
    bool is_self_testing; /* at the start, not only where the platform asks for it */
} ai_settings;

enum { AI_BUCKETS = 12 }; /* of the histogram of durations */

typedef struct ai_metrics {
    pthread_mutex_t lock;
    uint64_t by_status[6]; /* 1xx to 5xx; [0]: other */
    uint64_t refused;      /* no place in the queue */
    uint64_t bucket[AI_BUCKETS];
    uint64_t ns;
    uint64_t cpu_ns;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint32_t waiting; /* in the queue, and */
    uint32_t running; /* with a worker */
} ai_metrics;

typedef struct ai_function {
    ai_settings settings;
    ai_models *models;
    ai_metrics metrics;
    ai_fetch_fn fetch; /* NULL: no object stores */
    ai_store_fn store; /* NULL: results have no place */
    void *fetch_user;
    bool is_draining;
} ai_function;

/* ---- Platforms ---- */

typedef struct ai_platform {
    const char *name;           /* of --platform */
    const char *about;          /* a line of --help */
    bool (*detect)(void);       /* from the environment; NULL: only if asked for */
    int (*run)(ai_function *f); /* until the end; returns the exit status */
    void (*report_init)(
        const ai_error *err);    /* the models cannot be opened; NULL: the log says it */
    uint32_t (*memory_mb)(void); /* of the instance; NULL, or 0: not known */
    uint32_t mb_per_cpu;         /* memory that goes with one whole vCPU */
} ai_platform;

#define AI_PLATFORM(id) extern const ai_platform ai_platform_##id;
#include "platforms.def"
#undef AI_PLATFORM

/* ---- Models by name (models.c) ---- */

/* One open file. A worker holds it as long as it has a session on it. */
typedef struct ai_loaded {
    ai_model *model;
    char version[17]; /* the digest's first 16 digits */
    uint32_t users;   /* under the lock of ai_models */
} ai_loaded;

ai_status ai_models_open(ai_models **models, const ai_settings *settings, ai_error *err);
void ai_models_close(ai_models *models);
uint32_t ai_models_count(const ai_models *models);
const char *ai_models_name(const ai_models *models, uint32_t index);
/* Index of a name; NULL or empty: the first. -1: not there. */
int ai_models_find(const ai_models *models, const char *name);
/* options: of a session; NULL: does not look. Looks, at most once a second, whether a newer file
 * lies at the path; opens, verifies and tries it before it takes the old one's place. A bad one is
 * named in the log and left. Returns the current one, held for the caller. */
ai_loaded *ai_models_hold(ai_models *models, uint32_t index, const ai_options *options);
void ai_models_release(ai_models *models, ai_loaded *loaded);
/* Reloads that succeeded, and files that were refused. */
void ai_models_counts(ai_models *models, uint32_t *reloaded, uint32_t *refused);

/* Runs each model's self-test once, at the level and with the threads that answer (proof.c). One
 * that fails is named; a file without a self-test is named in the log and passes. */
ai_status ai_models_self_test(ai_models *models, const ai_settings *settings, ai_error *err);

/* ---- Workers: a session of each model; one thread uses one (worker.c) ---- */

typedef struct ai_worker ai_worker;

/* Opens the first model's session. */
ai_status ai_worker_open(ai_worker **worker, ai_function *f, ai_error *err);
void ai_worker_close(ai_worker *worker);
/* The handler of a model, its newest version, opened if need be. NULL: *answer says why. */
ai_handler *ai_worker_handler(ai_worker *worker, const char *model, ai_answer *answer);
/* ai_handle with it. model: NULL: the first. */
void ai_worker_answer(ai_worker *worker, const char *model, const ai_request *request,
                      ai_answer *answer);
/* One inference of zeros: what a first request would wait for is then done. */
void ai_worker_warm(ai_worker *worker, const char *model);
/* "name@version" of the model used last. */
const char *ai_worker_used(const ai_worker *worker);

typedef struct ai_timer { /* for answers that do not come from ai_handle */
    uint64_t ns;
    uint64_t cpu_ns;
    int clock;
} ai_timer;
ai_timer ai_timer_begin(const ai_worker *worker);
void ai_timer_end(const ai_timer *timer, ai_answer *answer);

/* ---- HTTP (http.c) ---- */

enum { AI_REPLY_HEADERS = 8 };

typedef struct ai_exchange { /* a request on its way through the server */
    ai_function *function;
    ai_request request; /* method, headers, query, body: the exchange's */
    const char *path;
    const char *rest;  /* of the path, where the route has its '*' */
    const char *model; /* asked for by the query; NULL: the first */
    char used[80];     /* name@version */
    ai_answer answer;
    uint32_t sent_status;            /* in place of the answer's; 0: the answer's */
    ai_pair reply[AI_REPLY_HEADERS]; /* beside Content-Type; values are the exchange's */
    uint32_t reply_count;
    uint64_t begin_ns;
    uint64_t end_ns; /* 0: no deadline */
    bool is_unlogged;
} ai_exchange;

/* Adds a header to the reply; copies the value. */
void ai_exchange_reply(ai_exchange *x, const char *name, const char *value);
/* The platform's own number of the request, for the log; copied. */
void ai_exchange_id(ai_exchange *x, const char *id);
/* The answer stands at the latest so many ns from now. */
void ai_exchange_limit(ai_exchange *x, uint64_t ns);
/* Sets what every request has of the function: its limits, and the way to objects. */
void ai_function_lend(const ai_function *f, ai_request *request);
/* The model that the query asks for; NULL: none. */
const char *ai_request_model(const ai_request *request);
/* A header of the request, in any case; or NULL. */
const char *ai_exchange_header(const ai_exchange *x, const char *name);
/* Answers with a text of this type; takes over `text` (from malloc; NULL: 500). */
void ai_exchange_text(ai_exchange *x, uint32_t status, const char *type, char *text);
void ai_exchange_fail(ai_exchange *x, uint32_t status, const char *fault, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

enum {
    AI_ROUTE_AT_ONCE = 1 << 0, /* answered by the server's thread, in microseconds */
    AI_ROUTE_UNLOGGED = 1 << 1
};

typedef struct ai_route {
    const char *methods; /* "GET HEAD"; "*": any */
    const char *path;    /* whole, or with a '*' at its end: any rest */
    uint32_t flags;
    void (*answer)(ai_worker *w, ai_exchange *x); /* w is NULL if AT_ONCE */
} ai_route;

typedef struct ai_routes {
    const ai_route *route;
    uint32_t count;
} ai_routes;
#define AI_ROUTES(table)                                                                           \
    {                                                                                              \
        table, sizeof(table) / sizeof((table)[0])                                                  \
    }

/* What most servers have: list them after a platform's own. */
extern const ai_routes ai_routes_health; /* /health, /readyz, /metrics, /v2/health/... */
extern const ai_routes ai_routes_oip;    /* /v2/... */
extern const ai_routes ai_routes_plain;  /* GET /, POST anything: see plain.c */

/* Of `/`: the page (page/page.c). */
void ai_page_answer(ai_worker *w, ai_exchange *x);

typedef struct ai_http {
    const char *address;
    uint32_t port;
    uint32_t idle_s;                /* that a connection is kept without a request; 0: 60 */
    const ai_routes *const *routes; /* the first that fits answers */
    uint32_t routes_count;
    /* Each may be NULL; all run on the server's thread, for every request: */
    void (*before)(const ai_exchange *x); /* lines that the platform wants around */
    void (*after)(const ai_exchange *x);  /* a request's own */
    void (*dress)(ai_exchange *x);        /* puts an answer in the platform's words */
} ai_http;

/* A number from the environment; `other` if it is not set, UINT32_MAX if it is none. */
uint32_t ai_environment_number(const char *variable, uint32_t other);
/* The same of a port: more than 65535, and a line says why, if it is none. */
uint32_t ai_environment_port(const char *variable, uint32_t other);

/* Serves until SIGTERM or SIGINT, then finishes what was begun. Settings go before `http`. */
int ai_http_serve(ai_function *f, const ai_http *http);

/* The route of a method and path; NULL: *status is 404 or 405 and *allow the methods there are. */
const ai_route *ai_route_find(const ai_http *http, const char *method, const char *path,
                              const char **rest, uint32_t *status, const char **allow);

/* Answers a body in CloudEvents' form (binary, structured, batch); false: it is none. */
bool ai_cloudevents_answer(ai_worker *w, ai_exchange *x);
/* Answers what Azure's host posts for a trigger; false: it is no such call. */
bool ai_azure_answer(ai_worker *w, ai_exchange *x);

/* ---- Lines (log.c) and counters (metrics.c) ---- */

typedef struct ai_log_entry {
    const char *id;
    const char *method; /* or the platform's word for the kind of call */
    const char *path;
    const char *model; /* name@version */
    size_t bytes_in;
    size_t bytes_out;
    uint64_t ns; /* from the arrival */
    const ai_answer *answer;
} ai_log_entry;

/* Counts it, and one JSON line on stdout. */
void ai_log_request(ai_function *f, const ai_log_entry *entry);
/* That line. */
void ai_log_answer(const ai_log_entry *entry);
/* A JSON line on stderr. severity: "INFO", "WARNING", "ERROR". */
void ai_log(const char *severity, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line of the platform's own, with its newline, of at most 511 bytes. */
void ai_log_mark(int file, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Lines that nobody has read in time. */
uint32_t ai_log_lost(void);
/* Prometheus' text; to be freed; NULL: no memory. */
char *ai_metrics_text(ai_function *f);
uint64_t ai_now(void); /* ns of the monotonic clock */

#endif
