/* SPDX-License-Identifier: Apache-2.0
 * The code as a zip, which is what three of the platforms take. */
#include "package.h"

ai_status ai_package_zip(ai_package *p, ai_error *err)
{
    ai_package_output *output;
    ai_package_sink sink = {0};
    ai_status status = ai_package_open(p, p->out, false, &output, err);
    if (status != AI_OK)
        return status;
    sink.file = &output->file;
    status = ai_package_archive(p, &p->code, AI_ARCHIVE_ZIP, &sink, err);
    if (status == AI_OK)
        status = ai_cli_flush(&output->file, err);
    output->bytes = sink.bytes;
    return status == AI_OK ? ai_limits_check(p, AI_LIMIT_ZIP, sink.bytes, err) : status;
}
