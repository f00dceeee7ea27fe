/* SPDX-License-Identifier: Apache-2.0
 * Signals that end `ai` while files are being written: it tidies up first, and then dies of them.
 */
#include <signal.h>
#include <string.h>

#include "cli.h"

static const int caught[] = {SIGHUP, SIGINT, SIGTERM};

enum { CAUGHT = sizeof caught / sizeof caught[0], PATIENCE = 3 };

static volatile sig_atomic_t stopped_by;
static volatile sig_atomic_t times;

/* Who asks again and again is not kept waiting until the work looks at the flag. */
static void on_signal(int number)
{
    stopped_by = number;
    if (++times < PATIENCE)
        return;
    signal(number, SIG_DFL);
    raise(number);
}

void ai_cli_hold_signals(void)
{
    for (int i = 0; i < CAUGHT; i++) {
        struct sigaction old;
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_handler = on_signal;
        action.sa_flags = SA_RESTART;
        sigemptyset(&action.sa_mask);
        /* nohup and the like ignore one for good. */
        if (sigaction(caught[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(caught[i], &action, NULL);
    }
}

bool ai_cli_is_stopped(void)
{
    return stopped_by != 0;
}

void ai_cli_release_signals(void)
{
    for (int i = 0; i < CAUGHT; i++) {
        struct sigaction old;
        if (sigaction(caught[i], NULL, &old) == 0 && old.sa_handler == on_signal)
            signal(caught[i], SIG_DFL);
    }
    if (stopped_by != 0)
        raise(stopped_by);
}
