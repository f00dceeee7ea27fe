/* SPDX-License-Identifier: Apache-2.0
 * Apache OpenWhisk: a zip with `exec` for the runtimes that speak ActionLoop. */
#include "package.h"

const ai_packer ai_packer_openwhisk = {"openwhisk", "exec", NULL, ai_package_zip};
