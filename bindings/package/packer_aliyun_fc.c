/* SPDX-License-Identifier: Apache-2.0
 * Alibaba Cloud Function Compute 3.0, custom runtime: a zip with `bootstrap`, and beside it the
 * s.yaml that deploys it by Serverless Devs. */
#include <stdlib.h>
#include <string.h>

#include "package.h"

/* As much of a processor as the memory allows: up to one vCPU a GB, in twentieths. */
static double cpu_of(uint32_t mib)
{
    uint32_t twentieths = mib * 20 / 1024;
    return (double)(twentieths ? twentieths : 1) / 20;
}

static char *deployment(const ai_package *p)
{
    char *text = NULL;
    size_t bytes;
    FILE *yaml = open_memstream(&text, &bytes);
    const char *slash = strrchr(p->out, '/');
    uint32_t mib = ai_package_memory(p);
    if (!yaml)
        return NULL;
    fprintf(yaml, "# Deploys the function: s deploy\n"
                  "edition: 3.0.0\n");
    fprintf(yaml, "name: %s\naccess: default\n", p->name);
    fprintf(yaml, "vars:\n  region: cn-hangzhou\n");
    fprintf(yaml, "resources:\n  %s:\n    component: fc3\n    props:\n", p->name);
    fprintf(yaml, "      region: ${vars.region}\n      functionName: %s\n", p->name);
    fprintf(yaml, "      runtime: custom.debian10\n      handler: index.handler\n      code: ");
    ai_cli_json(yaml, slash ? slash + 1 : p->out);
    fprintf(yaml, "\n      memorySize: %u\n      cpu: %.2f\n      diskSize: 512\n", mib,
            cpu_of(mib));
    fprintf(yaml, "      timeout: 60\n      instanceConcurrency: 1\n"
                  "      customRuntimeConfig:\n        command:\n          - /code/bootstrap\n"
                  "        port: 9000\n"
                  "      instanceLifecycleConfig:\n        initializer:\n"
                  "          handler: index.initialize\n          timeout: 60\n");
    if (fclose(yaml) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* The tool looks for s.yaml in the folder that it is called in. */
static char *path_of_yaml(const ai_package *p)
{
    const char *slash = strrchr(p->out, '/');
    size_t folder = slash ? (size_t)(slash - p->out) + 1 : 0;
    char *path = malloc(folder + sizeof "s.yaml");
    if (path) {
        memcpy(path, p->out, folder);
        strcpy(path + folder, "s.yaml");
    }
    return path;
}

static ai_status make(ai_package *p, ai_error *err)
{
    ai_status status = ai_package_zip(p, err);
    if (status == AI_OK) {
        char *path = path_of_yaml(p);
        status = ai_package_text(p, path, deployment(p), err);
        free(path);
    }
    if (status == AI_OK && p->read_count + p->write_count) {
        char *path = ai_package_beside(p, ".policy.json");
        status = ai_package_text(p, path, ai_package_ram_policy(p), err);
        free(path);
    }
    return status;
}

const ai_packer ai_packer_aliyun_fc = {"aliyun-fc", "bootstrap", NULL, make};
