/* SPDX-License-Identifier: Apache-2.0
 * Reads of a program in ELF what packing it needs: its machine, its loader, its libraries. */
#include <elf.h>
#include <string.h>

#include "package.h"

typedef struct image { /* a file whose header has been checked */
    const char *data;
    size_t bytes;
    const Elf64_Ehdr *header;
    const Elf64_Phdr *part;
} image;

static bool holds(const image *i, uint64_t offset, uint64_t bytes)
{
    return offset <= i->bytes && bytes <= i->bytes - offset;
}

static ai_status open_image(image *i, const void *data, size_t bytes, ai_error *err)
{
    const Elf64_Ehdr *h = data;
    *i = (image){data, bytes, h, NULL};
    if (bytes < sizeof *h || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
        return ai_cli_error(err, AI_E_FORMAT, "is no program, needed is a file in ELF");
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
        (h->e_machine != EM_X86_64 && h->e_machine != EM_AARCH64))
        return ai_cli_error(err, AI_E_FORMAT,
                            "program is for machine %u, needed is a 64-bit x86 or Arm",
                            h->e_machine);
    if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
        return ai_cli_error(err, AI_E_FORMAT, "is an object file, needed is a program");
    if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phoff % 8 ||
        !holds(i, h->e_phoff, (uint64_t)h->e_phnum * sizeof(Elf64_Phdr)))
        return ai_cli_error(err, AI_E_FORMAT, "program is cut off in its header");
    i->part = (const Elf64_Phdr *)(i->data + h->e_phoff);
    return AI_OK;
}

static const Elf64_Phdr *find_part(const image *i, uint32_t type)
{
    for (int n = 0; n < i->header->e_phnum; n++) {
        if (i->part[n].p_type == type)
            return &i->part[n];
    }
    return NULL;
}

/* The text at a place of the file that ends inside it, or NULL. */
static const char *text_at(const image *i, uint64_t offset)
{
    return offset < i->bytes && memchr(i->data + offset, 0, i->bytes - offset) ? i->data + offset
                                                                               : NULL;
}

/* Where an address lies in the file; UINT64_MAX: nowhere. */
static uint64_t offset_of(const image *i, uint64_t address)
{
    for (int n = 0; n < i->header->e_phnum; n++) {
        const Elf64_Phdr *part = &i->part[n];
        if (part->p_type == PT_LOAD && address >= part->p_vaddr &&
            address - part->p_vaddr < part->p_filesz && holds(i, part->p_offset, part->p_filesz))
            return part->p_offset + (address - part->p_vaddr);
    }
    return UINT64_MAX;
}

static ai_status read_dynamic(ai_elf *elf, const image *i, const Elf64_Phdr *part, ai_error *err)
{
    const Elf64_Dyn *dyn = (const Elf64_Dyn *)(i->data + part->p_offset);
    uint64_t count = part->p_filesz / sizeof *dyn;
    uint64_t names = UINT64_MAX;
    for (uint64_t n = 0; n < count && dyn[n].d_tag != DT_NULL; n++) {
        if (dyn[n].d_tag == DT_STRTAB)
            names = offset_of(i, dyn[n].d_un.d_ptr);
    }
    for (uint64_t n = 0; n < count && dyn[n].d_tag != DT_NULL; n++) {
        uint64_t value = dyn[n].d_un.d_val;
        bool is_needed = dyn[n].d_tag == DT_NEEDED;
        if (!is_needed && dyn[n].d_tag != DT_RPATH && dyn[n].d_tag != DT_RUNPATH)
            continue;
        const char *text = names < i->bytes && value < i->bytes ? text_at(i, names + value) : NULL;
        if (!text)
            return ai_cli_error(err, AI_E_FORMAT, "program is cut off in its libraries' names");
        if (is_needed && elf->needed_count == sizeof elf->needed / sizeof elf->needed[0])
            return ai_cli_error(err, AI_E_FORMAT, "program needs more than %u libraries",
                                elf->needed_count);
        if (is_needed)
            elf->needed[elf->needed_count++] = text;
        else
            elf->run_path = text;
    }
    return AI_OK;
}

ai_status ai_elf_read(ai_elf *elf, const void *data, size_t bytes, ai_error *err)
{
    image i;
    *elf = (ai_elf){0};
    ai_status status = open_image(&i, data, bytes, err);
    if (status != AI_OK)
        return status;
    elf->machine = i.header->e_machine;
    const Elf64_Phdr *interpreter = find_part(&i, PT_INTERP);
    const Elf64_Phdr *dynamic = find_part(&i, PT_DYNAMIC);
    if (interpreter && !(elf->interpreter = text_at(&i, interpreter->p_offset)))
        return ai_cli_error(err, AI_E_FORMAT, "program is cut off in its loader's name");
    if (dynamic && (dynamic->p_offset % 8 || !holds(&i, dynamic->p_offset, dynamic->p_filesz)))
        return ai_cli_error(err, AI_E_FORMAT, "program is cut off in its dynamic part");
    return dynamic ? read_dynamic(elf, &i, dynamic, err) : AI_OK;
}

ai_status ai_package_check_static(const void *data, size_t bytes, uint16_t *machine, ai_error *err)
{
    ai_elf elf;
    ai_status status = ai_elf_read(&elf, data, bytes, err);
    if (status != AI_OK)
        return status;
    if (elf.interpreter || elf.needed_count)
        return ai_cli_error(err, AI_E_UNSUPPORTED,
                            "program needs '%.100s', which a function does not have: needed is a "
                            "static one",
                            elf.needed_count ? elf.needed[0] : elf.interpreter);
    if (((const Elf64_Ehdr *)data)->e_entry == 0)
        return ai_cli_error(err, AI_E_FORMAT, "is a library, needed is a program");
    *machine = elf.machine;
    return AI_OK;
}
