/* SPDX-License-Identifier: Apache-2.0
 * ai-fetch: jobs in, objects out, until standard input ends. The protocol stands in fetch.h. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../task/task.h"
#include "fetch.h"

enum { LINE_BYTES = 1 << 16, MOST_BYTES = 1 << 30 };

static const char *text_of(const json_t *job, const char *name)
{
    const char *text = json_string_value(json_object_get(job, name));
    return text && *text ? text : NULL;
}

static void read_job(fetch_job *job, const json_t *json)
{
    json_int_t most = json_integer_value(json_object_get(json, "most"));
    json_int_t bytes = json_integer_value(json_object_get(json, "bytes"));
    const char *method = text_of(json, "method");
    *job = (fetch_job){.is_put = method && strcmp(method, "PUT") == 0,
                       .is_ours = json_is_true(json_object_get(json, "ours")),
                       .url = text_of(json, "url"),
                       .results = text_of(json, "results"),
                       .store = text_of(json, "store"),
                       .bucket = text_of(json, "bucket"),
                       .key = text_of(json, "key"),
                       .raw_key = text_of(json, "raw_key"),
                       .region = text_of(json, "region"),
                       .version = text_of(json, "version"),
                       .etag = text_of(json, "etag"),
                       .type = text_of(json, "type"),
                       .oss_key = text_of(json, "oss_key"),
                       .oss_secret = text_of(json, "oss_secret"),
                       .oss_token = text_of(json, "oss_token"),
                       .most = most > 0 && most <= MOST_BYTES ? (size_t)most : MOST_BYTES,
                       .bytes = bytes > 0 && bytes <= MOST_BYTES ? (size_t)bytes : 0,
                       .timeout_ms = (long)json_integer_value(json_object_get(json, "timeout_ms"))};
}

/* The result's line, and its bytes. */
static bool answer(fetch_result *r)
{
    ai_utf8_clean(r->message); /* a name may be cut within a character */
    bool is_good = !r->message[0];
    json_t *line =
        is_good ? json_pack("{s:I, s:I, s:s}", "status", (json_int_t)r->status, "bytes",
                            (json_int_t)r->bytes, "etag", r->etag)
                : json_pack("{s:I, s:s}", "status", (json_int_t)r->status, "error", r->message);
    char *text = line ? json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(line);
    fputs(text ? text : "{\"status\":500,\"error\":\"the answer is no UTF-8, or memory lacks\"}",
          stdout);
    putchar('\n');
    if (is_good && text && r->bytes)
        fwrite(r->data, 1, r->bytes, stdout);
    free(text);
    return fflush(stdout) == 0;
}

/* Reads the body that follows a PUT. */
static bool read_body(fetch_job *job, void **body)
{
    *body = job->is_put && job->bytes ? malloc(job->bytes) : NULL;
    job->body = *body;
    return !job->is_put || !job->bytes ||
           (*body && fread(*body, 1, job->bytes, stdin) == job->bytes);
}

/* false: the other side is gone or does not speak our protocol. */
static bool serve(const char *line)
{
    json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    fetch_job job;
    fetch_result result = {0};
    void *body = NULL;
    bool goes_on = json_is_object(json);
    if (goes_on) {
        read_job(&job, json);
        goes_on = read_body(&job, &body);
    }
    if (goes_on) {
        fetch_transfer(&result, &job);
        goes_on = answer(&result);
    }
    free(result.data);
    free(body);
    json_decref(json);
    return goes_on;
}

int main(int argc, char **argv)
{
    static char line[LINE_BYTES];
    const char *certificates = fetch_setting("SSL_CERT_FILE", NULL);
    if (argc == 3 && strcmp(argv[1], "--certificates") == 0) {
        certificates = certificates ? certificates : argv[2];
    } else if (argc != 1) {
        fputs(
            "usage: ai-fetch [--certificates FILE]\nai-function starts it; see docs/platforms.md\n",
            stderr);
        return 2;
    }
    srand((unsigned)getpid() ^ (unsigned)time(NULL));
    fetch_transfer_begin(certificates);
    while (fgets(line, sizeof line, stdin) && strchr(line, '\n') && serve(line))
        ;
    fetch_transfer_end();
    return 0;
}
