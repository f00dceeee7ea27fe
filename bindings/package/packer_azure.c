/* SPDX-License-Identifier: Apache-2.0
 * Azure Functions with a custom handler: the folder that `func azure functionapp publish` takes. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "package.h"

static char *host_json(void)
{
    return ai_package_json(json_pack("{s:s, s:{s:{s:s, s:s, s:[]}, s:b}}", "version", "2.0",
                                     "customHandler", "description", "defaultExecutablePath",
                                     "handler", "workingDirectory", "", "arguments",
                                     "enableForwardingHttpRequest", 0));
}

static char *function_json(void)
{
    return ai_package_json(json_pack("{s:[{s:s, s:s, s:s, s:s, s:[s, s]}, {s:s, s:s, s:s}]}",
                                     "bindings", "type", "httpTrigger", "direction", "in", "name",
                                     "req", "authLevel", "function", "methods", "get", "post",
                                     "type", "http", "direction", "out", "name", "res"));
}

static char *settings_json(void)
{
    return ai_package_json(json_pack("{s:b, s:{s:s, s:s}}", "IsEncrypted", 0, "Values",
                                     "FUNCTIONS_WORKER_RUNTIME", "Custom", "AzureWebJobsStorage",
                                     ""));
}

static ai_status put_code(ai_package *p, ai_package_output *folder, ai_error *err)
{
    ai_status status = AI_OK;
    for (uint32_t i = 0; i < p->code.count && status == AI_OK; i++) {
        const ai_package_entry *entry = &p->code.entry[i];
        status =
            ai_package_put(p, folder, entry->name, entry->mode, entry->data, entry->bytes, err);
    }
    return status;
}

static ai_status make(ai_package *p, ai_error *err)
{
    ai_package_output *folder;
    ai_status status = ai_package_open(p, p->out, true, &folder, err);
    if (status == AI_OK)
        status = put_code(p, folder, err);
    if (status == AI_OK)
        status = ai_package_put_text(p, folder, "host.json", host_json(), err);
    if (status == AI_OK)
        status = ai_package_put_text(p, folder, "local.settings.json", settings_json(), err);
    if (status == AI_OK) {
        char *path = ai_cli_join(p->name, "function.json");
        status = path ? ai_package_put_text(p, folder, path, function_json(), err)
                      : ai_cli_error(err, AI_E_MEMORY, "no memory for a path");
        free(path);
    }
    return status;
}

const ai_packer ai_packer_azure = {"azure", "handler", "host.json", make};
