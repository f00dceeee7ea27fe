/* SPDX-License-Identifier: Apache-2.0
 * Who answers a method and a path. */
#include <string.h>

#include "faas.h"

static bool has_method(const char *methods, const char *method)
{
    size_t bytes = strlen(method);
    if (strcmp(methods, "*") == 0)
        return true;
    for (const char *at = methods; (at = strstr(at, method)); at += bytes)
        if ((at == methods || at[-1] == ' ') && (at[bytes] == ' ' || !at[bytes]))
            return true;
    return false;
}

static bool has_path(const char *pattern, const char *path, const char **rest)
{
    size_t bytes = strlen(pattern);
    bool is_prefix = bytes && pattern[bytes - 1] == '*';
    bytes -= is_prefix;
    if (strncmp(pattern, path, bytes) != 0 || (!is_prefix && path[bytes]))
        return false;
    *rest = path + bytes;
    return true;
}

const ai_route *ai_route_find(const ai_http *http, const char *method, const char *path,
                              const char **rest, uint32_t *status, const char **allow)
{
    *status = 404;
    *allow = NULL;
    for (uint32_t t = 0; t < http->routes_count; t++)
        for (uint32_t i = 0; i < http->routes[t]->count; i++) {
            const ai_route *route = &http->routes[t]->route[i];
            if (!has_path(route->path, path, rest))
                continue;
            if (has_method(route->methods, method))
                return route;
            *status = 405;
            *allow = *allow ? *allow : route->methods;
        }
    return NULL;
}
