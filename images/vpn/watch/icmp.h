/* Echo requests and answers with a mark of ours, on one raw socket for all interfaces. */
#ifndef ICMP_H
#define ICMP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct echo {
    bool request;
    int interface; /* number of the interface that it came in by */
    struct in_addr from, to;
    uint16_t id, number;
};

/* A socket that gets marked requests of anybody and marked answers with this id, nothing else; -1 and errno if it cannot be. */
int icmp_open(uint16_t id);
/* Sends one by that interface, whatever the routes say. 0, or -1 and errno. */
int icmp_send(int fd, const struct echo *echo);
/* The next one that is there: 1; none: 0. */
int icmp_receive(int fd, struct echo *echo);

#endif
