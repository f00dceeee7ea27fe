/* SPDX-License-Identifier: Apache-2.0
 * AWS Lambda: a zip with `bootstrap` for provided.al2023, and the policy of its role beside it. */
#include <stdlib.h>

#include "package.h"

static ai_status make(ai_package *p, ai_error *err)
{
    ai_status status = ai_package_zip(p, err);
    if (status != AI_OK)
        return status;
    char *path = ai_package_beside(p, ".policy.json");
    status = ai_package_text(p, path, ai_package_iam_policy(p), err);
    free(path);
    return status;
}

const ai_packer ai_packer_lambda = {"lambda", "bootstrap", NULL, make};
