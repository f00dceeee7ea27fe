/* SPDX-License-Identifier: Apache-2.0
 * Knative Serving and Cloud Run: a folder with the service's YAML and its image. */
#include <stdlib.h>

#include "package.h"

static char *service(const ai_package *p)
{
    char *text = NULL;
    size_t bytes;
    FILE *yaml = open_memstream(&text, &bytes);
    if (!yaml)
        return NULL;
    fprintf(yaml, "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata:\n  name: %s\n",
            p->name);
    fputs("spec:\n  template:\n    spec:\n"
          "      containerConcurrency: 1\n      timeoutSeconds: 300\n"
          "      automountServiceAccountToken: false\n      enableServiceLinks: false\n"
          "      containers:\n",
          yaml);
    fprintf(yaml, "        - name: %s\n          image: ", p->name);
    ai_cli_json(yaml, p->image);
    fputs("\n          ports:\n            - name: http1\n              containerPort: 8080\n"
          "          readinessProbe:\n            httpGet:\n              path: /readyz\n"
          "              port: 8080\n",
          yaml);
    fprintf(yaml,
            "          resources:\n            requests:\n              cpu: \"1\"\n"
            "              memory: %uMi\n            limits:\n              cpu: \"1\"\n"
            "              memory: %uMi\n",
            ai_package_memory(p), ai_package_memory(p));
    fputs("          securityContext:\n            runAsNonRoot: true\n"
          "            readOnlyRootFilesystem: true\n"
          "            allowPrivilegeEscalation: false\n"
          "            capabilities:\n              drop: [\"ALL\"]\n"
          "            seccompProfile:\n              type: RuntimeDefault\n",
          yaml);
    if (p->fetch) /* objects pass through /tmp */
        fputs("          volumeMounts:\n            - name: tmp\n              mountPath: /tmp\n"
              "      volumes:\n        - name: tmp\n          emptyDir:\n"
              "            medium: Memory\n",
              yaml);
    if (fclose(yaml) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static ai_status make(ai_package *p, ai_error *err)
{
    ai_package_output *folder;
    ai_status status = ai_package_open(p, p->out, true, &folder, err);
    if (status == AI_OK)
        status = ai_package_image(p, folder, "image/", err);
    return status == AI_OK ? ai_package_put_text(p, folder, "service.yaml", service(p), err)
                           : status;
}

const ai_packer ai_packer_knative = {"knative", "ai-function", "service.yaml", make};
