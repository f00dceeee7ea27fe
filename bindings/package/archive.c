/* SPDX-License-Identifier: Apache-2.0
 * Archives by libarchive: the same bytes whenever, wherever and by whomever they are written. */
#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <time.h>

#include "package.h"

enum { PIECE = 1 << 20 };

/* A failure stays in the sink. libarchive is told that all is well: it ends its entry and frees its
 * compressor, which it does not do when it fails itself. */
static la_ssize_t take(struct archive *a, void *user, const void *data, size_t bytes)
{
    ai_package_sink *sink = user;
    (void)a;
    if (sink->status != AI_OK)
        return (la_ssize_t)bytes;
    if (sink->file)
        sink->status = ai_cli_write(sink->file, data, bytes, sink->err);
    else if (ai_cli_is_stopped())
        sink->status = ai_cli_error(sink->err, AI_E_STOPPED, "stopped by a signal");
    ai_sha256_add(&sink->sha, data, bytes);
    sink->bytes += bytes;
    return (la_ssize_t)bytes;
}

static bool set_form(struct archive *a, int kind)
{
    /* One byte in the last block: no filling that depends on the filter. */
    if (archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK)
        return false;
    if (kind == AI_ARCHIVE_ZIP)
        return archive_write_set_format_zip(a) == ARCHIVE_OK &&
               archive_write_set_options(a, "zip:compression-level=9") == ARCHIVE_OK;
    if (archive_write_set_format_ustar(a) != ARCHIVE_OK)
        return false;
    return kind == AI_ARCHIVE_TAR ||
           (archive_write_add_filter_gzip(a) == ARCHIVE_OK &&
            archive_write_set_options(a, "gzip:!timestamp,gzip:compression-level=9") == ARCHIVE_OK);
}

static bool write_entry(struct archive *a, const ai_package *p, const ai_package_entry *from,
                        const ai_package_sink *sink)
{
    struct archive_entry *entry = archive_entry_new();
    if (!entry)
        return false;
    bool is_folder = S_ISDIR(from->mode);
    archive_entry_set_pathname(entry, from->name);
    archive_entry_set_filetype(entry, is_folder ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(entry, from->mode & 07777);
    archive_entry_set_size(entry, (la_int64_t)from->bytes);
    archive_entry_set_mtime(entry, (time_t)p->time, 0);
    archive_entry_set_uid(entry, 0);
    archive_entry_set_gid(entry, 0);
    bool is_good = archive_write_header(a, entry) == ARCHIVE_OK;
    for (size_t at = 0; is_good && sink->status == AI_OK && at < from->bytes; at += PIECE) {
        size_t piece = from->bytes - at < PIECE ? from->bytes - at : PIECE;
        la_ssize_t done = archive_write_data(a, (const char *)from->data + at, piece);
        is_good = done == (la_ssize_t)piece;
    }
    archive_entry_free(entry);
    return is_good;
}

ai_status ai_package_archive(const ai_package *p, const ai_package_list *list, int kind,
                             ai_package_sink *sink, ai_error *err)
{
    struct archive *a = archive_write_new();
    if (!a)
        return ai_cli_error(err, AI_E_MEMORY, "no memory for an archive");
    setenv("TZ", "UTC0", 1); /* zip has local times in it */
    tzset();
    ai_sha256_begin(&sink->sha);
    sink->bytes = 0;
    sink->status = AI_OK;
    sink->err = err;
    bool is_good = set_form(a, kind) && archive_write_open(a, sink, NULL, take, NULL) == ARCHIVE_OK;
    for (uint32_t i = 0; is_good && sink->status == AI_OK && i < list->count; i++)
        is_good = write_entry(a, p, &list->entry[i], sink);
    is_good = is_good && archive_write_close(a) == ARCHIVE_OK;
    ai_status status = sink->status;
    if (!is_good && status == AI_OK) {
        const char *why = archive_error_string(a);
        status = ai_cli_error(err, AI_E_IO, "cannot archive: %.200s", why ? why : "no memory");
    }
    archive_write_free(a);
    return status;
}

void ai_package_hex(char text[65], const uint8_t digest[32])
{
    for (int i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}
