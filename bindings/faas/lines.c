/* SPDX-License-Identifier: Apache-2.0
 * How many connections the server takes: evhttp takes all, and when descriptors have run out it
 * finds the same caller again and again, with a whole processor. */
#include "lines.h"

#include <event2/event.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "arrival.h"

enum { OTHER_FILES = 32 }; /* models, their successors, ai-fetch */

/* The lowest descriptor that is free tells how many there are at least. */
static bool has_place(const ai_lines *lines)
{
    struct rlimit files = {AI_MOST_LINES, AI_MOST_LINES};
    getrlimit(RLIMIT_NOFILE, &files);
    int most = AI_MOST_LINES;
    if (files.rlim_cur < AI_MOST_LINES + OTHER_FILES)
        most = (int)files.rlim_cur - OTHER_FILES;
    int next = fcntl(evconnlistener_get_fd(lines->listener), F_DUPFD_CLOEXEC, 0);
    if (next >= 0)
        close(next);
    return next >= 0 && next < most;
}

static void wait_for_place(ai_lines *lines)
{
    struct timeval pause = {0, 50000};
    evconnlistener_disable(lines->listener);
    evtimer_add(lines->pause, &pause);
}

static void on_time(evutil_socket_t fd, short what, void *user)
{
    ai_lines *lines = user;
    (void)fd;
    (void)what;
    if (has_place(lines))
        evconnlistener_enable(lines->listener);
    else
        wait_for_place(lines);
}

static struct bufferevent *on_line(struct event_base *base, void *user)
{
    if (!has_place(user))
        wait_for_place(user);
    return ai_arrivals_line(base); /* NULL: evhttp makes its own */
}

static void on_fault(struct evconnlistener *listener, void *user)
{
    (void)listener;
    wait_for_place(user);
}

bool ai_lines_watch(ai_lines *lines, struct evhttp *evhttp, struct evhttp_bound_socket *bound)
{
    lines->listener = evhttp_bound_socket_get_listener(bound);
    lines->pause = evtimer_new(evconnlistener_get_base(lines->listener), on_time, lines);
    if (!lines->pause)
        return false;
    evhttp_set_bevcb(evhttp, on_line, lines);
    evconnlistener_set_error_cb(lines->listener, on_fault);
    return true;
}

void ai_lines_end(ai_lines *lines)
{
    if (lines->pause)
        event_free(lines->pause);
    lines->pause = NULL;
}
