/* SPDX-License-Identifier: Apache-2.0
 * HTTP as it is: POST a body, get the answer. For Cloud Run, Knative, OpenFaaS's of-watchdog,
 * KServe and a developer's machine. */
#include "faas.h"

static void answer_post(ai_worker *w, ai_exchange *x)
{
    if (!ai_cloudevents_answer(w, x))
        ai_worker_answer(w, x->model, &x->request, &x->answer);
}

static void answer_model(ai_worker *w, ai_exchange *x)
{
    ai_worker_answer(w, x->rest, &x->request, &x->answer);
}

static const ai_route routes[] = {
    {"GET HEAD", "/", AI_ROUTE_AT_ONCE | AI_ROUTE_UNLOGGED, ai_page_answer},
    {"POST PUT", "/", 0, answer_post},
    {"POST PUT GET", "/write", 0, answer_post},
    {"POST PUT GET", "/models/*", 0, answer_model},
};

const ai_routes ai_routes_plain = AI_ROUTES(routes);

/* ---- The platform ---- */

static int run(ai_function *f)
{
    static const ai_routes *const tables[] = {&ai_routes_health, &ai_routes_oip, &ai_routes_plain};
    ai_http http = {.address = "0.0.0.0",
                    .port = ai_environment_port("PORT", 8080),
                    .routes = tables,
                    .routes_count = 3};
    return ai_http_serve(f, &http);
}

static bool detect(void)
{
    return true; /* the last row: where there is no platform */
}

const ai_platform ai_platform_http = {
    .name = "http",
    .about = "Cloud Run, Knative, OpenFaaS, KServe: port PORT, else 8080",
    .detect = detect,
    .run = run,
};
