/* SPDX-License-Identifier: Apache-2.0
 * Whether the function lives and can take requests, and its counters. */
#include <stdlib.h>
#include <string.h>

#include "faas.h"

static void answer_live(ai_worker *w, ai_exchange *x)
{
    (void)w;
    ai_exchange_text(x, 200, "application/json", strdup("{\"live\":true}"));
}

/* The server listens only after the models are open. */
static void answer_ready(ai_worker *w, ai_exchange *x)
{
    (void)w;
    bool is_ready = !x->function->is_draining;
    ai_exchange_text(x, is_ready ? 200 : 503, "application/json",
                     strdup(is_ready ? "{\"ready\":true}" : "{\"ready\":false}"));
}

static void answer_metrics(ai_worker *w, ai_exchange *x)
{
    (void)w;
    ai_exchange_text(x, 200, "text/plain; version=0.0.4; charset=utf-8",
                     ai_metrics_text(x->function));
}

enum { QUIETLY = AI_ROUTE_AT_ONCE | AI_ROUTE_UNLOGGED };

static const ai_route routes[] = {
    {"GET HEAD", "/health", QUIETLY, answer_live},
    {"GET HEAD", "/_/health", QUIETLY, answer_live},
    {"GET HEAD", "/livez", QUIETLY, answer_live},
    {"GET HEAD", "/readyz", QUIETLY, answer_ready},
    {"GET HEAD", "/_/ready", QUIETLY, answer_ready},
    {"GET HEAD", "/v2/health/live", QUIETLY, answer_live},
    {"GET HEAD", "/v2/health/ready", QUIETLY, answer_ready},
    {"GET HEAD", "/metrics", QUIETLY, answer_metrics},
};

const ai_routes ai_routes_health = AI_ROUTES(routes);
