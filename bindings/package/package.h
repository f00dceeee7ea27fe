/* SPDX-License-Identifier: Apache-2.0
 * What the parts of `ai package` share: the files of a package, the platforms, their limits, and
 * how a package comes to the disk. */
#ifndef AI_PACKAGE_H
#define AI_PACKAGE_H

#include <sys/stat.h>

#include "../cli/cli.h"
#include "ai.h"
#include "../../lib/sha256.h"

enum { AI_PACKAGE_FILE = 0644, AI_PACKAGE_PROGRAM = 0755, AI_PACKAGE_FOLDER = S_IFDIR | 0755 };

/* ---- Entries: files of a package under the names they have there (entries.c) ---- */

typedef struct ai_package_entry {
    char *name; /* "models/poem.lai"; of a folder without the last '/' */
    uint32_t mode;
    bool is_mapped;
    char *source; /* path of the file that is mapped; NULL: the data is a copy */
    void *data;
    size_t bytes;
} ai_package_entry;

typedef struct ai_package_list {
    ai_package_entry *entry;
    uint32_t count;
    uint32_t room;
} ai_package_list;

/* A copy of `data`. */
ai_status ai_package_add(ai_package_list *list, const char *name, uint32_t mode, const void *data,
                         size_t bytes, ai_error *err);
/* A file of the disk, mapped; *entry, unless NULL, holds until the next one is added. */
ai_status ai_package_add_file(ai_package_list *list, const char *name, uint32_t mode,
                              const char *path, ai_package_entry **entry, ai_error *err);
const ai_package_entry *ai_package_find(const ai_package_list *list, const char *name);
void ai_package_sort(ai_package_list *list); /* by name, bytewise */
uint64_t ai_package_list_bytes(const ai_package_list *list);
void ai_package_list_free(ai_package_list *list);

/* ---- Packers: one file a platform, with a row in packers.def ---- */

typedef struct ai_package ai_package;

typedef struct ai_packer {
    const char *name;
    const char *program; /* what the handler is called in the package */
    const char *marker;  /* a file that a folder made for it has; NULL: it makes no folder */
    ai_status (*make)(ai_package *p, ai_error *err);
} ai_packer;

#define AI_PACKER(id) extern const ai_packer ai_packer_##id;
#include "packers.def"
#undef AI_PACKER

/* NULL: there is none of that name. */
const ai_packer *ai_packer_find(const char *name);
/* "lambda, openwhisk, ..." */
const char *ai_packer_names(char text[128]);

/* ---- Limits (limits.c) ---- */

enum {
    AI_LIMIT_ZIP,      /* bytes of the archive */
    AI_LIMIT_UNPACKED, /* bytes of the files in it */
    AI_LIMIT_IMAGE,    /* bytes of the compressed layer */
    AI_LIMIT_MEMORY,   /* bytes that an instance can have */
    AI_LIMIT_COUNT
};

typedef struct ai_limits {
    uint64_t given[AI_LIMIT_COUNT]; /* by --limit; 0: as in limits.def */
} ai_limits;

/* Takes "zip=250MiB". */
bool ai_limits_take(ai_limits *limits, const char *text);
/* Refuses what is larger than the platform takes, and says what would fit. */
ai_status ai_limits_check(const ai_package *p, int limit, uint64_t bytes, ai_error *err);

/* ---- The package that is made (package.c, contents.c) ---- */

typedef struct ai_package_output { /* a file, or a folder of files */
    char *path;
    char *work;         /* the folder while it is made; NULL: a file */
    ai_cli_output file; /* of a file */
    uint64_t bytes;
    bool is_kept;
} ai_package_output;

enum { AI_PACKAGE_MAX_OUTPUTS = 4 };

struct ai_package {
    const ai_packer *packer;
    const char *out;
    const char *name;    /* of the function */
    const char *handler; /* path */
    const char *fetch;   /* path of the program that fetches objects, or NULL */
    const char *certificates;
    const char *image; /* reference that a service's YAML names */
    const char **models;
    const char **read; /* buckets or BUCKET/PREFIX that the policy allows */
    const char **write;
    uint32_t model_count;
    uint32_t read_count;
    uint32_t write_count;
    uint32_t memory_mib; /* 0: what the models need */
    bool is_replacing;
    ai_limits limits;

    int64_t time;         /* of every file, s since 1970 */
    const char *machine;  /* "amd64", "arm64": the handler's */
    uint16_t elf_machine; /* the same as ELF has it */
    uint64_t f32_bytes;   /* weights of the models, by type */
    uint64_t f16_bytes;
    uint64_t memory_bytes; /* that the models need */
    ai_package_list code;  /* handler, models, ai-fetch with what it needs */
    ai_package_output outputs[AI_PACKAGE_MAX_OUTPUTS];
    uint32_t output_count;
    char about[4096]; /* the path that an error is about */
};

/* Makes all that the platform wants under names of its own and puts it in place last. On failure
 * nothing new is there and p->about names what it is about. Free with ai_package_free. */
ai_status ai_package_make(ai_package *p, ai_error *err);
void ai_package_free(ai_package *p);

ai_status ai_package_collect(ai_package *p, ai_error *err); /* fills code: contents.c */
void ai_package_about(ai_package *p, const char *path);
/* `out` with another ending than .zip; to be freed; NULL: no memory. */
char *ai_package_beside(const ai_package *p, const char *ending);

/* ---- Programs: static, or with the libraries they need (program.c, closure.c) ---- */

/* Refuses what is no program for Linux on a 64-bit x86 or Arm that runs by itself; tells which. */
ai_status ai_package_check_static(const void *data, size_t bytes, uint16_t *machine, ai_error *err);

typedef struct ai_elf { /* what is needed of a dynamic file; the strings lie in it */
    uint16_t machine;
    const char *interpreter; /* NULL: none */
    const char *run_path;    /* NULL: none */
    const char *needed[64];
    uint32_t needed_count;
} ai_elf;

ai_status ai_elf_read(ai_elf *elf, const void *data, size_t bytes, ai_error *err);
/* Adds the program under fetch/, its loader and shared libraries under fetch/lib/, and the
 * certificates. */
ai_status ai_package_add_closure(ai_package *p, ai_error *err);

/* ---- Archives, the same bytes from the same files (archive.c) ---- */

typedef struct ai_package_sink { /* where an archive goes */
    ai_cli_output *file;         /* NULL: nowhere, it is only counted and summed */
    ai_sha256 sha;
    uint64_t bytes;
    ai_status status;
    ai_error *err;
} ai_package_sink;

enum { AI_ARCHIVE_ZIP, AI_ARCHIVE_TAR, AI_ARCHIVE_TAR_GZIP };

/* Files and folders in the order of the list, all owned by 0 and of p->time. */
ai_status ai_package_archive(const ai_package *p, const ai_package_list *list, int kind,
                             ai_package_sink *sink, ai_error *err);
void ai_package_hex(char text[65], const uint8_t digest[32]);

/* ---- Outputs (outputs.c) ---- */

/* Begins a file or a folder that takes its name only when all are complete. */
ai_status ai_package_open(ai_package *p, const char *path, bool is_folder,
                          ai_package_output **output, ai_error *err);
/* Begins a file in a folder; folders of its name are made. */
ai_status ai_package_create(ai_package *p, ai_package_output *folder, const char *name,
                            uint32_t mode, ai_cli_output *out, ai_error *err);
/* Writes a whole one. */
ai_status ai_package_put(ai_package *p, ai_package_output *folder, const char *name, uint32_t mode,
                         const void *data, size_t bytes, ai_error *err);
/* The same for text of a file of its own; frees `text`, which may be NULL: no memory. */
ai_status ai_package_text(ai_package *p, const char *path, char *text, ai_error *err);
ai_status ai_package_put_text(ai_package *p, ai_package_output *folder, const char *name,
                              char *text, ai_error *err);
ai_status ai_package_keep(ai_package *p, ai_error *err);
void ai_package_discard(ai_package *p);

/* ---- Parts that platforms share ---- */

/* The code as a zip under p->out, within the platform's limits (zip.c). */
ai_status ai_package_zip(ai_package *p, ai_error *err);
/* The code as an OCI image layout in `folder` of an output; folder: "" or "image/" (image.c). */
ai_status ai_package_image(ai_package *p, ai_package_output *output, const char *folder,
                           ai_error *err);
/* JSON for people, with a line's end; takes the JSON, which may be NULL: no memory; to be freed
 * (policy.c). */
struct json_t;
char *ai_package_json(struct json_t *json);
/* Policies that allow what the function needs and nothing else; to be freed (policy.c). */
char *ai_package_iam_policy(const ai_package *p);
char *ai_package_ram_policy(const ai_package *p);
/* MiB an instance should have: as given, or what the models need. */
uint32_t ai_package_memory(const ai_package *p);

#endif
