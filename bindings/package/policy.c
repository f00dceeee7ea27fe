/* SPDX-License-Identifier: Apache-2.0
 * The least a function must be allowed: to write its log, to read the objects it is called for, to
 * write its results. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "package.h"

static void end_statement(json_t *statements, const char *name, json_t *actions, json_t *resources)
{
    json_array_append_new(statements, json_pack("{s:s*, s:s, s:o, s:o}", "Sid", name, "Effect",
                                                "Allow", "Action", actions, "Resource", resources));
}

/* `bucket` may have a prefix behind a '/'; the policy is for what begins with it. */
static void allow_objects(json_t *statements, const char *name, const char *action,
                          const char *service, const char *const *buckets, uint32_t count)
{
    json_t *resources = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(resources, json_sprintf("%s%s%s*", service, buckets[i],
                                                      strchr(buckets[i], '/') ? "" : "/"));
    if (count > 0)
        end_statement(statements, name, json_pack("[s]", action), resources);
    else
        json_decref(resources);
}

char *ai_package_json(struct json_t *json)
{
    char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    size_t bytes = text ? strlen(text) : 0;
    char *ended = text ? realloc(text, bytes + 2) : NULL;
    json_decref(json);
    if (!ended) {
        free(text);
        return NULL;
    }
    strcpy(ended + bytes, "\n");
    return ended;
}

static char *finish(const char *version, json_t *statements)
{
    return ai_package_json(json_pack("{s:s, s:o}", "Version", version, "Statement", statements));
}

char *ai_package_iam_policy(const ai_package *p)
{
    json_t *statements = json_array();
    json_t *group = json_sprintf("arn:aws:logs:*:*:log-group:/aws/lambda/%s", p->name);
    json_t *streams = json_sprintf("arn:aws:logs:*:*:log-group:/aws/lambda/%s:*", p->name);
    end_statement(
        statements, "Log",
        json_pack("[s, s, s]", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
        json_pack("[o, o]", group, streams));
    allow_objects(statements, "Read", "s3:GetObject", "arn:aws:s3:::", p->read, p->read_count);
    allow_objects(statements, "Write", "s3:PutObject", "arn:aws:s3:::", p->write, p->write_count);
    return finish("2012-10-17", statements);
}

char *ai_package_ram_policy(const ai_package *p)
{
    json_t *statements = json_array();
    allow_objects(statements, NULL, "oss:GetObject", "acs:oss:*:*:", p->read, p->read_count);
    allow_objects(statements, NULL, "oss:PutObject", "acs:oss:*:*:", p->write, p->write_count);
    return finish("1", statements);
}
