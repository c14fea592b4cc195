#include "link.h"

#include <string.h>

void link_begin(struct link *link, enum state state, int64_t now) {
    memset(link, 0, sizeof *link);
    link->state = state;
    link->since = now;
    link->newest = UINT16_MAX; /* just before the first */
}

/* How many probes ago `number` was sent, from 1; numbers wrap around. */
static unsigned back(const struct link *link, uint16_t number) { return (uint16_t)(link->next - number); }

uint16_t link_probe(struct link *link, int64_t now) {
    uint16_t number = link->next++;
    link->probe[number % WINDOW].at = now;
    link->probe[number % WINDOW].answered = false;
    if (link->sent < WINDOW) link->sent++;
    /* Kept near, else after hours without an answer the first new one would look older than it. */
    if (back(link, link->newest) > WINDOW) link->newest = link->next - WINDOW;
    return number;
}

static bool enter(struct link *link, enum state state, int64_t now) {
    if (link->state == state) return false;
    link->state = state;
    link->since = now;
    return true;
}

bool link_answer(struct link *link, uint16_t number, int64_t now) {
    unsigned ago = back(link, number);
    if (ago == 0 || ago > link->sent || link->probe[number % WINDOW].answered) return false;
    link->probe[number % WINDOW].answered = true;
    link->rtt[link->samples++ % SAMPLES] = now - link->probe[number % WINDOW].at;
    link->last_answer = now;
    int16_t newer = (int16_t)(number - link->newest);
    if (newer > 0) {
        link->run = newer == 1 ? link->run + 1 : 1;
        link->newest = number;
    }
    return link->run >= IN_A_ROW && enter(link, UP, now);
}

/* How long ago the first probe was sent of those after the newest answered one. */
static int64_t waiting(const struct link *link, int64_t now) {
    uint16_t first = link->newest + 1;
    return first == link->next ? 0 : now - link->probe[first % WINDOW].at;
}

int64_t link_interval(const struct link *link, int64_t now) {
    return link->state != DOWN && waiting(link, now) >= PATIENCE ? HURRY : INTERVAL;
}

bool link_judge(struct link *link, int64_t now) {
    for (; back(link, link->settled) > 0; link->settled++) {
        if (!link->probe[link->settled % WINDOW].answered) {
            if (now - link->probe[link->settled % WINDOW].at < SETTLED) break;
            link->lost++;
        }
    }
    unsigned missed = 0;
    for (uint16_t number = link->newest + 1; number != link->next && missed < IN_A_ROW; number++)
        if (now - link->probe[number % WINDOW].at >= PATIENCE) missed++;
    if (missed < IN_A_ROW || waiting(link, now) < DEAD) return false;
    link->run = 0;
    /* What was measured before the loss says nothing of the way that comes after it. */
    link->samples = 0;
    return enter(link, DOWN, now);
}

int64_t link_rtt(const struct link *link) {
    unsigned count = link->samples < SAMPLES ? link->samples : SAMPLES;
    if (count == 0 || link->state == DOWN) return -1;
    for (unsigned i = 0; i < count; i++) { /* the one that half of the others are below */
        unsigned below = 0, same = 0;
        for (unsigned j = 0; j < count; j++) {
            below += link->rtt[j] < link->rtt[i];
            same += link->rtt[j] == link->rtt[i];
        }
        if (below <= (count - 1) / 2 && below + same > (count - 1) / 2) return link->rtt[i];
    }
    return -1;
}

const char *state_name(enum state state) { return state == UP ? "up" : state == DOWN ? "down" : "unknown"; }
