/* SPDX-License-Identifier: Apache-2.0
 * A libFuzzer target without libFuzzer, for any compiler: runs every file of folders and seeded
 * mutations of it. usage: NAME ROUNDS FOLDER...    NAME FILE */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../random.h"

enum { MAX_SEED = 1 << 16, MAX_GROWTH = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* In memory of exactly its size: sanitizers watch its end. */
static void run_bytes(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    if (!copy)
        abort();
    memcpy(copy, data, bytes);
    LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
}

static void change_byte(uint8_t *byte, uint64_t *random)
{
    static const uint8_t values[] = {0, 1, 2, 8, 16, 0x7F, 0x80, 0xFF};
    switch (draw_random(random) % 4) {
    case 0:
        *byte = values[draw_random(random) % sizeof(values)];
        break;
    case 1:
        *byte ^= (uint8_t)(1 << draw_random(random) % 8);
        break;
    case 2:
        *byte = (uint8_t)(*byte + draw_random(random) % 9 - 4);
        break;
    default:
        *byte = (uint8_t)draw_random(random);
        break;
    }
}

/* Cuts, repeats or changes a part; returns the new size. `data` has room for MAX_GROWTH more. */
static size_t mutate(uint8_t *data, size_t bytes, uint64_t *random)
{
    size_t at = draw_random(random) % bytes;
    size_t part = draw_random(random) % MAX_GROWTH + 1;
    if (part > bytes - at)
        part = bytes - at;
    switch (draw_random(random) % 8) {
    case 0: /* the end is cut off */
        return at ? at : 1;
    case 1: /* a part is left out */
        if (part == bytes)
            return bytes;
        memmove(data + at, data + at + part, bytes - at - part);
        return bytes - part;
    case 2: /* a part comes twice */
        memmove(data + at + part, data + at, bytes - at);
        return bytes + part;
    case 3: /* a part is copied to another place */
        memmove(data + draw_random(random) % (bytes - part + 1), data + at, part);
        return bytes;
    default:
        change_byte(data + at, random);
        return bytes;
    }
}

static void run_mutations(const uint8_t *seed, size_t bytes, uint64_t rounds, uint64_t *random)
{
    static uint8_t data[MAX_SEED + 3 * MAX_GROWTH];
    for (uint64_t k = 0; k < rounds; k++) {
        size_t length = bytes;
        memcpy(data, seed, bytes);
        for (uint64_t n = draw_random(random) % 3 + 1; n > 0; n--)
            length = mutate(data, length, random);
        run_bytes(data, length);
    }
}

static bool run_file(const char *path, uint64_t rounds)
{
    static uint8_t data[MAX_SEED];
    uint64_t random = 1;
    FILE *in = fopen(path, "rb");
    if (!in) {
        fprintf(stderr, "cannot open '%s'\n", path);
        return false;
    }
    size_t bytes = fread(data, 1, sizeof(data), in);
    bool is_read = !ferror(in);
    fclose(in);
    if (!is_read || bytes == 0) {
        fprintf(stderr, "'%s' cannot be read or is empty\n", path);
        return false;
    }
    run_bytes(data, bytes);
    run_mutations(data, bytes, rounds, &random);
    return true;
}

/* The number of files that ran; 0 is a failure. */
static uint32_t run_folder(const char *path, uint64_t rounds)
{
    struct dirent **entries;
    uint32_t ran = 0;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        fprintf(stderr, "cannot read folder '%s'\n", path);
        return 0;
    }
    for (int i = 0; i < count; i++) {
        char file[4096];
        int length = snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
        bool is_file = entries[i]->d_name[0] != '.' && length < (int)sizeof(file);
        ran += is_file && run_file(file, rounds);
        free(entries[i]);
    }
    free(entries);
    return ran;
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return run_file(argv[1], 0) ? 0 : 1;
    if (argc < 3) {
        fprintf(stderr, "usage: %s ROUNDS FOLDER...    %s FILE\n", argv[0], argv[0]);
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        uint32_t ran = run_folder(argv[i], strtoull(argv[1], NULL, 10));
        printf("%s: %u files\n", argv[i], ran);
        if (ran == 0)
            return 1;
    }
    return 0;
}
