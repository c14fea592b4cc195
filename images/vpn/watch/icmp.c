#define _GNU_SOURCE
#include "icmp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint32_t MARK = 0x41456c6b; /* "AElk": the first word after the head of ours */

struct packet {
    struct icmphdr head;
    uint32_t mark, rest; /* as long as ping's shortest with a time in it */
};

int icmp_open(uint16_t id) {
    /* X: the length of the IP head. So the kernel throws away other pings and does not wake us for them. */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_IND, 8),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARK, 0, 5),
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_ECHO, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_ECHOREPLY, 0, 2),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    const int on = 1, urgent = 6, room = 1 << 20, tos = 0xc0; /* of a full queue the probes are the last to be thrown away */
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP);
    if (fd < 0) return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room); /* of hundreds of peers, while other things are done */
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0
        && setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) == 0
        && setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos) == 0
        && setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &urgent, sizeof urgent) == 0) return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static uint16_t checksum(const void *data, size_t length) {
    const uint16_t *word = data;
    uint32_t sum = 0;
    for (size_t i = 0; i < length / 2; i++) sum += word[i];
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

union control {
    char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct cmsghdr align;
};

int icmp_send(int fd, const struct echo *echo) {
    struct packet packet = {.mark = htonl(MARK)};
    packet.head.type = echo->request ? ICMP_ECHO : ICMP_ECHOREPLY;
    packet.head.un.echo.id = htons(echo->id);
    packet.head.un.echo.sequence = htons(echo->number);
    packet.head.checksum = checksum(&packet, sizeof packet);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = echo->to};
    struct iovec part = {&packet, sizeof packet};
    union control control = {{0}};
    struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
    cmsg->cmsg_level = IPPROTO_IP;
    cmsg->cmsg_type = IP_PKTINFO;
    cmsg->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
    struct in_pktinfo info = {.ipi_ifindex = echo->interface, .ipi_spec_dst = echo->from};
    memcpy(CMSG_DATA(cmsg), &info, sizeof info);
    return sendmsg(fd, &message, 0) < 0 ? -1 : 0;
}

int icmp_receive(int fd, struct echo *echo) {
    for (;;) {
        unsigned char bytes[256];
        struct sockaddr_in from;
        struct iovec part = {bytes, sizeof bytes};
        union control control;
        struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1,
                                 .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
        ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK) continue; /* an error that was left for an earlier packet */
        if (got < 0) return 0;
        struct iphdr ip;
        struct packet packet;
        if ((size_t)got < sizeof ip) continue;
        memcpy(&ip, bytes, sizeof ip);
        if ((size_t)got < ip.ihl * 4u + sizeof packet) continue;
        memcpy(&packet, bytes + ip.ihl * 4u, sizeof packet);
        *echo = (struct echo){.request = packet.head.type == ICMP_ECHO, .from.s_addr = ip.saddr, .to.s_addr = ip.daddr,
                              .id = ntohs(packet.head.un.echo.id), .number = ntohs(packet.head.un.echo.sequence)};
        for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message); cmsg; cmsg = CMSG_NXTHDR(&message, cmsg)) {
            if (cmsg->cmsg_level != IPPROTO_IP || cmsg->cmsg_type != IP_PKTINFO) continue;
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(cmsg), sizeof info);
            echo->interface = info.ipi_ifindex;
        }
        return 1;
    }
}
