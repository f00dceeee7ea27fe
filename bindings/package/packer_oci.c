/* SPDX-License-Identifier: Apache-2.0
 * An image for whatever runs containers: a folder in the layout of the Open Container Initiative.
 */
#include "package.h"

static ai_status make(ai_package *p, ai_error *err)
{
    ai_package_output *folder;
    ai_status status = ai_package_open(p, p->out, true, &folder, err);
    return status == AI_OK ? ai_package_image(p, folder, "", err) : status;
}

const ai_packer ai_packer_oci = {"oci", "ai-function", "oci-layout", make};
