/* SPDX-License-Identifier: Apache-2.0
 * Files and folders that are complete before they take their names. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "package.h"

static ai_status fail_io(ai_error *err, const char *verb)
{
    return ai_cli_error(err, AI_E_IO, "cannot %s: %s", verb, strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    remove(path);
    return 0;
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool is_empty(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry = NULL;
    while (folder && (entry = readdir(folder)) &&
           (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0))
        ;
    bool is_read = folder != NULL;
    if (folder)
        closedir(folder);
    return is_read && !entry;
}

/* What is not there may be made. What is there is replaced only on demand, and a folder only if it
 * looks like one of ours: who mistypes a path must not lose what lies there. */
static ai_status check_place(const ai_package *p, const char *path, bool is_folder, ai_error *err)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? AI_OK : fail_io(err, "create");
    if (!is_folder && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return ai_cli_error(err, AI_E_IO, "is a folder, needed is the name of a file");
    if (is_folder && !S_ISDIR(st.st_mode))
        return ai_cli_error(err, AI_E_IO, "is there and no folder, needed is a new name");
    if (is_folder && is_empty(path))
        return AI_OK;
    if (!p->is_replacing)
        return ai_cli_error(err, AI_E_IO, "is there already, needed is a new name or --replace");
    char *marker = is_folder ? ai_cli_join(path, p->packer->marker) : NULL;
    bool is_ours = marker && access(marker, F_OK) == 0;
    free(marker);
    if (is_folder && !is_ours)
        return ai_cli_error(err, AI_E_IO, "is a folder without '%s': no package to replace",
                            p->packer->marker);
    return AI_OK;
}

static ai_status begin_folder(ai_package_output *output, ai_error *err)
{
    size_t bytes = strlen(output->path) + sizeof ".XXXXXX";
    output->work = malloc(bytes);
    if (!output->work)
        return ai_cli_error(err, AI_E_MEMORY, "no memory for a path");
    snprintf(output->work, bytes, "%s.XXXXXX", output->path);
    if (!mkdtemp(output->work)) {
        ai_status status = fail_io(err, "create");
        free(output->work);
        output->work = NULL;
        return status;
    }
    mode_t mask = umask(0);
    umask(mask);
    return chmod(output->work, 0777 & ~mask) < 0 ? fail_io(err, "create") : AI_OK;
}

ai_status ai_package_open(ai_package *p, const char *path, bool is_folder,
                          ai_package_output **output, ai_error *err)
{
    ai_package_about(p, path);
    ai_package_output *o = &p->outputs[p->output_count];
    *o = (ai_package_output){.file.file = -1};
    ai_status status = check_place(p, path, is_folder, err);
    if (status != AI_OK)
        return status;
    o->path = strdup(path);
    if (!o->path)
        return ai_cli_error(err, AI_E_MEMORY, "no memory for a path");
    p->output_count++;
    for (size_t end = strlen(o->path); is_folder && end > 1 && o->path[end - 1] == '/';)
        o->path[--end] = 0;
    status = is_folder ? begin_folder(o, err) : ai_cli_create(&o->file, path, err);
    *output = o;
    return status;
}

static ai_status make_folders(char *path, size_t from, ai_error *err)
{
    for (char *slash = strchr(path + from, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        bool is_there = mkdir(path, 0777) == 0 || errno == EEXIST;
        *slash = '/';
        if (!is_there)
            return fail_io(err, "create");
    }
    return AI_OK;
}

ai_status ai_package_create(ai_package *p, ai_package_output *folder, const char *name,
                            uint32_t mode, ai_cli_output *out, ai_error *err)
{
    *out = (ai_cli_output){.file = -1};
    ai_package_about(p, folder->path);
    char *path = ai_cli_join(folder->work, name);
    if (!path)
        return ai_cli_error(err, AI_E_MEMORY, "no memory for a path");
    ai_status status = make_folders(path, strlen(folder->work) + 1, err);
    if (status == AI_OK)
        status = ai_cli_create(out, path, err);
    if (status == AI_OK && fchmod(out->file, mode) < 0)
        status = fail_io(err, "write");
    free(path);
    return status;
}

ai_status ai_package_put(ai_package *p, ai_package_output *folder, const char *name, uint32_t mode,
                         const void *data, size_t bytes, ai_error *err)
{
    ai_cli_output out;
    ai_status status = ai_package_create(p, folder, name, mode, &out, err);
    if (status == AI_OK)
        status = ai_cli_write(&out, data, bytes, err);
    if (status == AI_OK)
        status = ai_cli_flush(&out, err);
    if (status == AI_OK)
        status = ai_cli_keep(&out, err);
    ai_cli_discard(&out);
    folder->bytes += bytes;
    return status;
}

ai_status ai_package_put_text(ai_package *p, ai_package_output *folder, const char *name,
                              char *text, ai_error *err)
{
    if (!text)
        return ai_cli_error(err, AI_E_MEMORY, "no memory for '%s'", name);
    ai_status status = ai_package_put(p, folder, name, AI_PACKAGE_FILE, text, strlen(text), err);
    free(text);
    return status;
}

ai_status ai_package_text(ai_package *p, const char *path, char *text, ai_error *err)
{
    ai_package_output *output;
    if (!path || !text) {
        free(text);
        return ai_cli_error(err, AI_E_MEMORY, "no memory for a file beside the package");
    }
    ai_status status = ai_package_open(p, path, false, &output, err);
    if (status == AI_OK) {
        output->bytes = strlen(text);
        status = ai_cli_write(&output->file, text, output->bytes, err);
    }
    if (status == AI_OK)
        status = ai_cli_flush(&output->file, err);
    free(text);
    return status;
}

/* The old folder changes places with the new one and is then removed. */
static ai_status keep_folder(ai_package_output *output, ai_error *err)
{
    if (rename(output->work, output->path) == 0)
        return AI_OK;
    if ((errno != ENOTEMPTY && errno != EEXIST) ||
        renameat2(AT_FDCWD, output->work, AT_FDCWD, output->path, RENAME_EXCHANGE) < 0)
        return fail_io(err, "write");
    remove_tree(output->work);
    return AI_OK;
}

ai_status ai_package_keep(ai_package *p, ai_error *err)
{
    for (uint32_t i = 0; i < p->output_count; i++) {
        ai_package_output *output = &p->outputs[i];
        ai_package_about(p, output->path);
        ai_status status =
            output->work ? keep_folder(output, err) : ai_cli_keep(&output->file, err);
        if (status != AI_OK)
            return status;
        output->is_kept = true;
    }
    return AI_OK;
}

void ai_package_discard(ai_package *p)
{
    for (uint32_t i = 0; i < p->output_count; i++) {
        ai_package_output *output = &p->outputs[i];
        if (output->work && !output->is_kept)
            remove_tree(output->work);
        ai_cli_discard(&output->file);
        free(output->work);
        free(output->path);
    }
    p->output_count = 0;
}
