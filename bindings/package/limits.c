/* SPDX-License-Identifier: Apache-2.0
 * What a platform takes, and what would fit if a package is too large for it. */
#include <string.h>

#include "package.h"

typedef struct row {
    const char *platform;
    int limit;
    uint64_t bytes;
    const char *source;
    const char *date;
    const char *remedy;
} row;

static const row rows[] = {
#define AI_LIMIT(platform, limit, mib, source, date, remedy)                                       \
    {platform, AI_LIMIT_##limit, (uint64_t)(mib) << 20, source, date, remedy},
#include "limits.def"
#undef AI_LIMIT
};

static const char *const names[AI_LIMIT_COUNT] = {"zip", "unpacked", "image", "memory"};
static const char *const subjects[AI_LIMIT_COUNT] = {"zip has", "unpacked it has", "image has",
                                                     "it needs"};

static bool take_size(const char *text, uint64_t *bytes)
{
    static const char *const unit[] = {"", "KiB", "MiB", "GiB"};
    size_t digits = strspn(text, "0123456789");
    uint64_t value = 0;
    if (digits == 0 || digits > 12)
        return false;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    for (int i = 0; i < 4; i++) {
        if (strcmp(text + digits, unit[i]) == 0) {
            *bytes = value << 10 * i;
            return value > 0 && *bytes >> 10 * i == value;
        }
    }
    return false;
}

bool ai_limits_take(ai_limits *limits, const char *text)
{
    for (int i = 0; i < AI_LIMIT_COUNT; i++) {
        size_t length = strlen(names[i]);
        if (strncmp(text, names[i], length) == 0 && text[length] == '=')
            return take_size(text + length + 1, &limits->given[i]);
    }
    return false;
}

/* How many bytes of an archive a byte of the weights takes. Static programs and shared libraries
 * are packed to about 0.45 of their size (ai-function, libcurl's 33 libraries); the rest are
 * models. */
static double share_of_weights(const ai_package *p, int limit, uint64_t bytes)
{
    uint64_t weights = p->f32_bytes + p->f16_bytes;
    uint64_t others = ai_package_list_bytes(&p->code) - weights;
    if ((limit != AI_LIMIT_ZIP && limit != AI_LIMIT_IMAGE) || weights == 0)
        return 1;
    double share = ((double)bytes - 0.45 * (double)others) / (double)weights;
    return share < 0.5 ? 0.5 : share > 1 ? 1 : share;
}

/* "f16 weights would fit (about 31.0 MiB)" */
static void say_what_fits(char text[128], const ai_package *p, int limit, uint64_t bytes,
                          uint64_t most)
{
    static const char *const type[2] = {"f16", "int8"};
    uint64_t saved[2] = {p->f32_bytes / 2, p->f32_bytes / 4 * 3 + p->f16_bytes / 2};
    double share = share_of_weights(p, limit, bytes);
    snprintf(text, 128, "; neither f16 nor int8 weights would fit");
    for (int i = 0; i < 2; i++) {
        char size[32];
        uint64_t less = (uint64_t)((double)saved[i] * share);
        if (less > 0 && less < bytes && bytes - less <= most) {
            snprintf(text, 128, "; %s weights would fit (about %s)", type[i],
                     ai_cli_bytes(size, bytes - less));
            return;
        }
    }
}

static ai_status refuse(const ai_package *p, int limit, const row *r, uint64_t bytes, uint64_t most,
                        ai_error *err)
{
    char size[3][32];
    char fits[128];
    char where[80] = "--limit";
    char remedy[100] = "";
    say_what_fits(fits, p, limit, bytes, most);
    if (!p->limits.given[limit]) {
        snprintf(where, sizeof where, "%s, %s", r->source, r->date);
        snprintf(remedy, sizeof remedy, "%s%s", r->remedy ? "; " : "", r->remedy ? r->remedy : "");
    }
    return ai_cli_error(err, AI_E_UNSUPPORTED, "%s %s, %s over %s's limit of %s (%s)%s%s",
                        subjects[limit], ai_cli_bytes(size[0], bytes),
                        ai_cli_bytes(size[1], bytes - most), p->packer->name,
                        ai_cli_bytes(size[2], most), where, fits, remedy);
}

ai_status ai_limits_check(const ai_package *p, int limit, uint64_t bytes, ai_error *err)
{
    const row *r = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].limit == limit && strcmp(rows[i].platform, p->packer->name) == 0)
            r = &rows[i];
    }
    uint64_t most = p->limits.given[limit] ? p->limits.given[limit] : r ? r->bytes : UINT64_MAX;
    return bytes > most ? refuse(p, limit, r, bytes, most, err) : AI_OK;
}
