/* The decisions of the link watch: from probes and answers to "up" and "down". No effects; times are in microseconds of a
 * clock that only goes forward. */
#ifndef LINK_H
#define LINK_H

#include <stdbool.h>
#include <stdint.h>

#define INTERVAL 500000 /* between two probes */
#define HURRY 100000    /* between two when one was missed: a full queue loses one in ten, a dead link all of them */
#define PATIENCE 500000 /* a probe counts as missed after so long; its answer may come later still */
#define DEAD 1500000    /* none answered that was sent in so long: down */
#define SETTLED 2000000 /* a probe counts as lost after so long */
#define IN_A_ROW 3      /* so many missed at the least: down; so many answered: up */
#define WINDOW 64       /* probes that are remembered */
#define SAMPLES 9       /* round-trip times that the median is taken of */

enum state { UNKNOWN, UP, DOWN };

struct link {
    enum state state;
    int64_t since;       /* when `state` began */
    int64_t last_answer; /* 0: never */
    uint16_t next;       /* number of the next probe */
    uint16_t settled;    /* number of the first probe that is not yet counted as lost or answered */
    uint16_t newest;     /* number of the newest answered probe */
    unsigned sent;       /* probes, at most WINDOW */
    unsigned run;        /* answered in a row, up to `newest` */
    unsigned long lost;
    unsigned samples;    /* all that were ever taken */
    int64_t rtt[SAMPLES];
    struct { int64_t at; bool answered; } probe[WINDOW];
};

/* A link as it is before its first probe, in a state that is known already or UNKNOWN. */
void link_begin(struct link *link, enum state state, int64_t now);
/* Notes a probe that is being sent; gives its number. */
uint16_t link_probe(struct link *link, int64_t now);
/* Notes an answer. Whether the state has changed (to UP). Late, repeated and foreign ones change nothing. */
bool link_answer(struct link *link, uint16_t number, int64_t now);
/* How long to wait after the probe of `now` for the next one. */
int64_t link_interval(const struct link *link, int64_t now);
/* To be asked before each probe, when all answers that have come are noted. Whether the state has changed (to DOWN). */
bool link_judge(struct link *link, int64_t now);
/* The median of the last round-trip times, -1 if there is none or the link is down. */
int64_t link_rtt(const struct link *link);
const char *state_name(enum state state);

#endif
