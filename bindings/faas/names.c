/* SPDX-License-Identifier: Apache-2.0
 * Names to addresses, in the C library's place: numbers and "localhost" alone. The platforms name
 * their APIs by numbers; in a static program the C library would look for shared objects of its own
 * version, and a tenth of the file would be for that. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

typedef struct found {
    struct addrinfo info;
    struct sockaddr_storage address;
} found;

static int read_address(found *f, const char *node)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&f->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&f->address;
    if (!node || strcmp(node, "localhost") == 0)
        node = "127.0.0.1";
    if (inet_pton(AF_INET, node, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        f->info.ai_addrlen = sizeof *v4;
    } else if (inet_pton(AF_INET6, node, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        f->info.ai_addrlen = sizeof *v6;
    } else {
        return EAI_NONAME;
    }
    f->info.ai_family = f->address.ss_family;
    return 0;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    found *f = calloc(1, sizeof *f);
    if (!f)
        return EAI_MEMORY;
    uint16_t port = htons(service ? (uint16_t)strtoul(service, NULL, 10) : 0);
    if (read_address(f, node) != 0) {
        free(f);
        return EAI_NONAME;
    }
    if (f->info.ai_family == AF_INET6)
        ((struct sockaddr_in6 *)&f->address)->sin6_port = port;
    else
        ((struct sockaddr_in *)&f->address)->sin_port = port;
    f->info.ai_socktype = hints ? hints->ai_socktype : SOCK_STREAM;
    f->info.ai_protocol = hints ? hints->ai_protocol : 0;
    f->info.ai_addr = (struct sockaddr *)&f->address;
    *result = &f->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *result)
{
    free(result);
}

struct protoent *getprotobynumber(int number)
{
    (void)number;
    return NULL;
}

struct servent *getservbyname(const char *name, const char *protocol)
{
    (void)name;
    (void)protocol;
    return NULL;
}
