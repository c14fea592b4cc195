/* link-watch run FOLDER COMMAND...   probes the peers of FOLDER/watched and says which links are down, until SIGTERM
 * link-watch status FOLDER           a line for each peer, from the running one: INTERFACE STATE RTT-MS SECONDS LOST
 * link-watch replay                  decisions alone, for tests: see replay()
 *
 * FOLDER/watched has a line for each peer: INTERFACE PEER-ADDRESS OWN-ADDRESS.  It is read again when it is another file.
 * When a state changes, it goes to FOLDER/INTERFACE.link ("down 172.31.2.10"), and COMMAND... INTERFACE is run, again after 1 s
 * if that fails.
 *
 * Whoever connects to FOLDER/status.sock gets what `COMMAND's-program status` prints; so the machine asks without a start of a
 * process in the container, which costs more than the answer.
 *
 * A probe is a ping, so that peers without a watch answer as well.  The kernel answers a ping by its routes, which lead
 * elsewhere once the peer has taken those of the link away; so the watch answers marked pings too, by the link itself, and takes
 * answers that came by the link only.  Thus both ends find a link dead that is dead in one direction, and both find it alive. */
#define _GNU_SOURCE
#include "icmp.h"
#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct peer {
    char interface[IF_NAMESIZE];
    int index; /* of the interface, 0 while there is none */
    struct in_addr peer, own;
    struct link link;
    int64_t due;    /* the next probe */
    bool untold;    /* its state has changed since COMMAND was last started */
    int64_t not_before; /* when COMMAND may be tried again */
    pid_t telling;  /* COMMAND, while it runs */
    int64_t told_at;
    struct peer *next;
};

static struct peer *peers;
static const char *folder;
static char **command; /* COMMAND..., then room for INTERFACE, then NULL */
static int words;
static uint16_t id;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void path(char *out, size_t size, const char *interface, const char *ending) {
    snprintf(out, size, "%s/%s%s", folder, interface, ending);
}

/* The state that an earlier watch has left for this link. */
static enum state left_state(const struct peer *peer) {
    char file[512], word[16] = "", address[16] = "", mine[INET_ADDRSTRLEN];
    path(file, sizeof file, peer->interface, ".link");
    FILE *in = fopen(file, "re");
    if (!in) return UNKNOWN;
    int got = fscanf(in, "%15s %15s", word, address);
    fclose(in);
    inet_ntop(AF_INET, &peer->peer, mine, sizeof mine);
    return got == 2 && strcmp(address, mine) == 0 && strcmp(word, "down") == 0 ? DOWN : UNKNOWN;
}

/* Through a second file: a reader sees the old line or the new one. */
static void leave_state(const struct peer *peer) {
    char file[512], draft[512], address[INET_ADDRSTRLEN];
    path(file, sizeof file, peer->interface, ".link");
    path(draft, sizeof draft, peer->interface, ".link.new");
    FILE *out = fopen(draft, "we");
    inet_ntop(AF_INET, &peer->peer, address, sizeof address);
    bool written = out && fprintf(out, "%s %s\n", state_name(peer->link.state), address) > 0;
    if (!out || fclose(out) != 0 || !written || rename(draft, file) != 0)
        fprintf(stderr, "vpn: cannot write %s: %s\n", file, strerror(errno));
}

static void changed(struct peer *peer) {
    leave_state(peer);
    peer->untold = true;
    peer->not_before = 0;
}

static void tell(struct peer *peer, int64_t at) {
    if (!peer->untold || peer->telling || at < peer->not_before) return;
    command[words] = peer->interface;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execvp(command[0], command);
        fprintf(stderr, "vpn: cannot run %s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    peer->not_before = at + 1000000;
    if (pid < 0) return;
    peer->untold = false;
    peer->telling = pid;
    peer->told_at = at;
}

static void told(struct peer *peer, int status, int64_t at) {
    const struct link *link = &peer->link;
    char answer[64] = "never an answer";
    peer->telling = 0;
    if (status != 0) {
        printf("vpn: %s: link %s, and its routes cannot be set: tried again\n", peer->interface, state_name(link->state));
        peer->untold = true;
        return;
    }
    if (peer->untold) return; /* it has changed again meanwhile */
    if (link->state == DOWN && link->last_answer)
        snprintf(answer, sizeof answer, "last answer %.2f s before", (link->since - link->last_answer) / 1e6);
    if (link->state == UP) snprintf(answer, sizeof answer, "%.2f ms", link_rtt(link) / 1e3);
    printf("vpn: %s: link %s (%s), routes set %.3f s later\n", peer->interface, state_name(link->state), answer,
           (at - link->since) / 1e6);
}

/* Takes in FOLDER/watched if it is another file than before. Links that stay are kept. */
static void reload(int64_t at) {
    static struct timespec last;
    static ino_t inode;
    char file[512], line[256];
    struct stat found;
    path(file, sizeof file, "watched", "");
    if (stat(file, &found) != 0
        || (found.st_ino == inode && found.st_mtim.tv_sec == last.tv_sec && found.st_mtim.tv_nsec == last.tv_nsec)) return;
    FILE *in = fopen(file, "re");
    if (!in) return;
    inode = found.st_ino;
    last = found.st_mtim;
    struct peer *old = peers, *peer;
    peers = NULL;
    for (int number = 0; fgets(line, sizeof line, in); number++) {
        char interface[IF_NAMESIZE], there[16], here[16];
        struct in_addr peer_address, own;
        if (sscanf(line, "%15s %15s %15s", interface, there, here) != 3 || inet_pton(AF_INET, there, &peer_address) != 1
            || inet_pton(AF_INET, here, &own) != 1) {
            fprintf(stderr, "vpn: no line of a link: %s", line);
            continue;
        }
        struct peer **at_old = &old;
        while (*at_old && (strcmp((*at_old)->interface, interface) != 0 || (*at_old)->peer.s_addr != peer_address.s_addr
                           || (*at_old)->own.s_addr != own.s_addr))
            at_old = &(*at_old)->next;
        if ((peer = *at_old)) {
            *at_old = peer->next;
        } else if ((peer = calloc(1, sizeof *peer))) {
            strcpy(peer->interface, interface);
            peer->peer = peer_address;
            peer->own = own;
            link_begin(&peer->link, left_state(peer), at);
            /* Not all at once: their answers would wait for each other. */
            peer->due = at + (int64_t)number * 7919 % INTERVAL;
            leave_state(peer);
        } else {
            break;
        }
        peer->next = peers;
        peers = peer;
    }
    fclose(in);
    while (old) {
        peer = old;
        old = peer->next;
        free(peer);
    }
}

static void receive(int fd) {
    struct echo echo;
    while (icmp_receive(fd, &echo)) {
        struct peer *peer = peers;
        while (peer && (peer->index != echo.interface || peer->peer.s_addr != echo.from.s_addr
                        || peer->own.s_addr != echo.to.s_addr))
            peer = peer->next;
        if (!peer) continue;
        if (echo.request) {
            struct in_addr asker = echo.from;
            echo.request = false;
            echo.from = echo.to;
            echo.to = asker;
            (void)icmp_send(fd, &echo); /* lost, like a ping */
        } else if (link_answer(&peer->link, echo.number, now())) {
            changed(peer);
        }
    }
}

static void probe(int fd, struct peer *peer, int64_t at) {
    if (link_judge(&peer->link, at)) changed(peer);
    /* An interface that was made anew has another number. */
    peer->index = (int)if_nametoindex(peer->interface);
    uint16_t number = link_probe(&peer->link, at);
    struct echo echo = {true, peer->index, peer->own, peer->peer, id, number};
    if (peer->index) (void)icmp_send(fd, &echo); /* what cannot be sent is not answered */
    peer->due = at + link_interval(&peer->link, at);
}

static int socket_at(struct sockaddr_un *address, const char *name) {
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path, sizeof address->sun_path, "%s/%s", folder, name);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* Listens there, in the place of an earlier one; -1 if it cannot. */
static int listen_at(struct sockaddr_un *address, const char *name) {
    int server = socket_at(address, name);
    unlink(address->sun_path);
    if (server >= 0 && bind(server, (struct sockaddr *)address, sizeof *address) == 0 && listen(server, 16) == 0) return server;
    fprintf(stderr, "vpn: the link watch cannot listen at %s: %s\n", address->sun_path, strerror(errno));
    return -1;
}

/* Nobody waits for this process: its end is the end of the answer. */
static void answer_all(int server) {
    int fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    fflush(stdout);
    if (fork() == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        dup2(fd, STDOUT_FILENO);
        execlp(command[0], command[0], "status", (char *)NULL);
        fprintf(stderr, "vpn: cannot run %s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    close(fd);
}

static void answer_status(int server) {
    int fd = accept4(server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out) return;
    for (struct peer *peer = peers; peer; peer = peer->next) {
        int64_t rtt = link_rtt(&peer->link);
        fprintf(out, "%s %s ", peer->interface, state_name(peer->link.state));
        if (rtt < 0) fprintf(out, "null");
        else fprintf(out, "%.2f", rtt / 1e3);
        fprintf(out, " %ld %lu\n", (long)((now() - peer->link.since) / 1000000), peer->link.lost);
    }
    fclose(out);
}

static int status(void) {
    struct sockaddr_un address;
    char bytes[4096];
    ssize_t got;
    int fd = socket_at(&address, "watch.sock");
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        fprintf(stderr, "vpn: the link watch does not run: %s\n", strerror(errno));
        return 1;
    }
    while ((got = read(fd, bytes, sizeof bytes)) > 0) fwrite(bytes, 1, (size_t)got, stdout);
    return got < 0;
}

static volatile sig_atomic_t finished;
static void on_signal(int signal) {
    if (signal == SIGTERM) finished = 1;
}

static int run(void) {
    struct sockaddr_un address, all_address;
    sigset_t blocked, open;
    struct sigaction action = {.sa_handler = on_signal};
    setvbuf(stdout, NULL, _IOLBF, 0);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, &open);
    sigdelset(&open, SIGTERM);
    sigdelset(&open, SIGCHLD);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGCHLD, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    id = (uint16_t)(getpid() ^ now());
    int fd = icmp_open(id);
    if (fd < 0) {
        fprintf(stderr, "vpn: the link watch cannot ping: %s%s\n", strerror(errno),
                errno == EPERM ? ", the container needs NET_RAW" : "");
        return 1;
    }
    int server = listen_at(&address, "watch.sock"), all = listen_at(&all_address, "status.sock");
    if (server < 0 || all < 0) return 1;
    int64_t looked = 0;
    while (!finished) {
        int64_t at = now(), wake = looked + INTERVAL;
        if (at >= wake) {
            reload(at);
            looked = at;
            wake = at + INTERVAL;
        }
        for (struct peer *peer = peers; peer; peer = peer->next) {
            if (at >= peer->due) probe(fd, peer, at);
            tell(peer, at);
            if (peer->due < wake) wake = peer->due;
        }
        int64_t wait = wake - now();
        struct timespec pause = {wait > 0 ? wait / 1000000 : 0, wait > 0 ? wait % 1000000 * 1000 : 0};
        struct pollfd ready[] = {{fd, POLLIN, 0}, {server, POLLIN, 0}, {all, POLLIN, 0}};
        (void)ppoll(ready, 3, &pause, &open);
        receive(fd); /* always, and before any judgement: what has come counts, however late we are */
        if (ready[1].revents & POLLIN) answer_status(server);
        if (ready[2].revents & POLLIN) answer_all(all);
        int ended;
        for (pid_t pid; (pid = waitpid(-1, &ended, WNOHANG)) > 0;)
            for (struct peer *peer = peers; peer; peer = peer->next)
                if (peer->telling == pid) told(peer, ended, now());
    }
    unlink(address.sun_path);
    unlink(all_address.sun_path);
    return 0;
}

/* Reads lines "probe MS", "answer NUMBER MS" and "judge MS", in order; prints "MS STATE" when the state changes, and at the end
 * the state, the round-trip time in microseconds, how many were lost, and ms to the next probe. "down MS" begins anew with
 * a link known to be down. */
static int replay(void) {
    struct link link;
    char line[64];
    long number, ms = 0;
    link_begin(&link, UNKNOWN, 0);
    while (fgets(line, sizeof line, stdin)) {
        bool change = false;
        if (sscanf(line, "probe %ld", &ms) == 1) link_probe(&link, ms * 1000);
        else if (sscanf(line, "answer %ld %ld", &number, &ms) == 2) change = link_answer(&link, (uint16_t)number, ms * 1000);
        else if (sscanf(line, "judge %ld", &ms) == 1) change = link_judge(&link, ms * 1000);
        else if (sscanf(line, "down %ld", &ms) == 1) link_begin(&link, DOWN, ms * 1000);
        else return 2;
        if (change) printf("%ld %s\n", ms, state_name(link.state));
    }
    printf("%s %ld %lu %ld\n", state_name(link.state), (long)link_rtt(&link), link.lost,
           (long)link_interval(&link, ms * 1000) / 1000);
    return 0;
}

int main(int argc, char **argv) {
    folder = argc > 2 ? argv[2] : "";
    if (argc == 2 && strcmp(argv[1], "replay") == 0) return replay();
    if (argc == 3 && strcmp(argv[1], "status") == 0) return status();
    if (argc > 3 && strcmp(argv[1], "run") == 0) {
        words = argc - 3;
        command = calloc((size_t)words + 2, sizeof *command);
        if (!command) return 1;
        memcpy(command, argv + 3, (size_t)words * sizeof *command);
        return run();
    }
    fprintf(stderr, "usage: link-watch run FOLDER COMMAND... | status FOLDER | replay\n");
    return 2;
}
