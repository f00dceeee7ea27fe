/* SPDX-License-Identifier: Apache-2.0
 * An OCI image layout of one layer with nothing but the code, made without a container engine:
 * image-spec 1.0, names and media types as written there. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "package.h"

#define MEDIA "application/vnd.oci.image."
/* The user that distroless images call nonroot: no /etc/passwd is needed. */
#define NONROOT "65532:65532"

typedef struct blob { /* what a descriptor says of it */
    char digest[72];  /* "sha256:..." */
    uint64_t bytes;
} blob;

typedef struct image {
    ai_package *p;
    ai_package_output *output;
    const char *folder; /* in the output, with its '/' */
    blob layer;
    blob config;
    blob manifest;
    char diff_id[72]; /* of the layer before it was compressed */
} image;

static void set_digest(char text[72], const ai_package_sink *sink)
{
    ai_sha256 sha = sink->sha;
    uint8_t digest[32];
    ai_sha256_end(&sha, digest);
    memcpy(text, "sha256:", 7);
    ai_package_hex(text + 7, digest);
}

/* Path in the output of the blob with a digest, or of one that has none yet. */
static void blob_name(char name[128], const image *i, const char *digest)
{
    snprintf(name, 128, "%sblobs/sha256/%.64s", i->folder, digest ? digest + 7 : "layer");
}

/* The folders of entries, which a layer has too; a place to write to. */
static ai_status add_folders(ai_package_list *list, ai_error *err)
{
    ai_status status = ai_package_add(list, "tmp", S_IFDIR | 01777, NULL, 0, err);
    for (uint32_t i = 0; i < list->count && status == AI_OK; i++) {
        char *name = strdup(list->entry[i].name);
        char *slash = name ? strrchr(name, '/') : NULL;
        if (!name)
            status = ai_cli_error(err, AI_E_MEMORY, "no memory for a name");
        if (slash)
            *slash = 0;
        if (slash && !ai_package_find(list, name))
            status = ai_package_add(list, name, AI_PACKAGE_FOLDER, NULL, 0, err);
        free(name);
    }
    ai_package_sort(list);
    return status;
}

static ai_status write_layer(image *i, ai_error *err)
{
    char name[128];
    ai_cli_output out;
    ai_package_sink plain = {0};
    ai_package_sink packed = {.file = &out};
    blob_name(name, i, NULL);
    ai_status status = ai_package_create(i->p, i->output, name, AI_PACKAGE_FILE, &out, err);
    if (status == AI_OK)
        status = ai_package_archive(i->p, &i->p->code, AI_ARCHIVE_TAR, &plain, err);
    if (status == AI_OK)
        status = ai_package_archive(i->p, &i->p->code, AI_ARCHIVE_TAR_GZIP, &packed, err);
    if (status == AI_OK)
        status = ai_cli_flush(&out, err);
    if (status == AI_OK) {
        set_digest(i->diff_id, &plain);
        set_digest(i->layer.digest, &packed);
        i->layer.bytes = packed.bytes;
        i->output->bytes += packed.bytes;
        status = ai_cli_keep(&out, err);
    }
    ai_cli_discard(&out);
    return status;
}

/* The layer's name is known only when it has been written. */
static ai_status name_layer(image *i, ai_error *err)
{
    char from[128];
    char to[128];
    blob_name(from, i, NULL);
    blob_name(to, i, i->layer.digest);
    char *old = ai_cli_join(i->output->work, from);
    char *new = ai_cli_join(i->output->work, to);
    bool is_named = old && new &&rename(old, new) == 0;
    free(old);
    free(new);
    return is_named ? AI_OK : ai_cli_error(err, AI_E_IO, "cannot rename the layer");
}

/* Writes JSON under a name, or as a blob under that of its digest; takes the JSON. */
static ai_status write_json(image *i, json_t *json, const char *name, blob *b, ai_error *err)
{
    char path[128];
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(json);
    if (!text)
        return ai_cli_error(err, AI_E_MEMORY, "no memory for the image's JSON");
    if (b) {
        ai_package_sink sink = {.bytes = strlen(text)};
        ai_sha256_begin(&sink.sha);
        ai_sha256_add(&sink.sha, text, sink.bytes);
        set_digest(b->digest, &sink);
        b->bytes = sink.bytes;
        blob_name(path, i, b->digest);
    } else {
        snprintf(path, sizeof path, "%s%s", i->folder, name);
    }
    return ai_package_put_text(i->p, i->output, path, text, err);
}

static json_t *descriptor(const char *media, const blob *b)
{
    return json_pack("{s:s, s:s, s:I}", "mediaType", media, "digest", b->digest, "size",
                     (json_int_t)b->bytes);
}

static json_t *config_json(const image *i)
{
    char created[32];
    time_t now = (time_t)i->p->time;
    struct tm tm;
    strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    const char *model = i->p->model_count > 1 ? "AI_MODEL=/models" : "AI_MODEL=/model.lai";
    return json_pack("{s:s, s:s, s:s, s:{s:s, s:[s], s:[s, s], s:s, s:{s:{}}}, s:{s:s, s:[s]}, "
                     "s:[{s:s, s:s}]}",
                     "architecture", i->p->machine, "os", "linux", "created", created, "config",
                     "User", NONROOT, "Entrypoint", "/ai-function", "Env", "PORT=8080", model,
                     "WorkingDir", "/", "ExposedPorts", "8080/tcp", "rootfs", "type", "layers",
                     "diff_ids", i->diff_id, "history", "created", created, "created_by",
                     "ai package");
}

static json_t *manifest_json(const image *i)
{
    return json_pack("{s:i, s:s, s:o, s:[o]}", "schemaVersion", 2, "mediaType",
                     MEDIA "manifest.v1+json", "config",
                     descriptor(MEDIA "config.v1+json", &i->config), "layers",
                     descriptor(MEDIA "layer.v1.tar+gzip", &i->layer));
}

static json_t *index_json(const image *i)
{
    json_t *manifest = descriptor(MEDIA "manifest.v1+json", &i->manifest);
    json_object_set_new(manifest, "platform",
                        json_pack("{s:s, s:s}", "architecture", i->p->machine, "os", "linux"));
    json_object_set_new(manifest, "annotations",
                        json_pack("{s:s}", "org.opencontainers.image.ref.name", "latest"));
    return json_pack("{s:i, s:s, s:[o]}", "schemaVersion", 2, "mediaType", MEDIA "index.v1+json",
                     "manifests", manifest);
}

ai_status ai_package_image(ai_package *p, ai_package_output *output, const char *folder,
                           ai_error *err)
{
    image i = {.p = p, .output = output, .folder = folder};
    ai_status status = add_folders(&p->code, err);
    if (status == AI_OK)
        status = write_layer(&i, err);
    if (status == AI_OK)
        status = name_layer(&i, err);
    if (status == AI_OK)
        status = ai_limits_check(p, AI_LIMIT_IMAGE, i.layer.bytes, err);
    if (status == AI_OK)
        status = write_json(&i, config_json(&i), NULL, &i.config, err);
    if (status == AI_OK)
        status = write_json(&i, manifest_json(&i), NULL, &i.manifest, err);
    if (status == AI_OK)
        status = write_json(&i, index_json(&i), "index.json", NULL, err);
    if (status == AI_OK)
        status = write_json(&i, json_pack("{s:s}", "imageLayoutVersion", "1.0.0"), "oci-layout",
                            NULL, err);
    return status;
}
