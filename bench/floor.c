/* The floor: what passing lines on costs at least. One thread, epoll, no names,
 * no stamps, no history.
 *
 *     cc -O2 -o floor bench/floor.c && ./floor 127.0.0.1 7777
 *     cc -O2 -DTLS -o tlsfloor bench/floor.c -lssl -lcrypto && ./tlsfloor 127.0.0.1 7777 cert.pem key.pem
 *
 * Lines from all clients go, in order, into one buffer that all share; a client
 * is a place in it. In each round everything that is ready is read first, then
 * each client is sent all that is new to it with one system call. A client whose
 * kernel buffer is full is left alone until it has room; one that falls behind by
 * the whole buffer is closed. With TLS, what is new to a client is one record, or
 * several if it is more than 16 KiB. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef TLS
#include "tls.h"
#define TAKE(c, p, n) tls_recv((c)->tls, p, n)
#define GIVE(c, p, n) tls_send((c)->tls, p, n)
#define AHEAD(c) SSL_has_pending((c)->tls) /* there is more, of which epoll does not know */
#define SHAKING(c) (!SSL_is_init_finished((c)->tls))
#else
#define TAKE(c, p, n) recv((c)->fd, p, n, MSG_DONTWAIT)
#define GIVE(c, p, n) send((c)->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL)
#define AHEAD(c) 0
#define SHAKING(c) 0
#endif

enum { SHARED = 4 << 20, CHUNK = 4096, SNDBUF = 64 << 10, EVENTS = 1024 };

struct client {
	int fd, full;    /* full: waits for room */
	uint64_t offset; /* next byte it is owed */
	size_t npart;    /* the line that has begun to come in from it */
	char part[CHUNK];
#ifdef TLS
	SSL *tls;
#endif
};

static char *shared; /* mapped twice in a row: any place has SHARED bytes after it */
static uint64_t head;
static struct client **clients; /* dense, the first n of them */
static int *slot, n, most, ep;

static void watch(struct client *c, uint32_t events, int op) {
	struct epoll_event e = {.events = events, .data.fd = c->fd};
	if (epoll_ctl(ep, op, c->fd, &e) < 0) err(1, "epoll_ctl");
}

static void begin(int fd) {
	if (fd >= most) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){SNDBUF}, sizeof(int));
	struct client *c = malloc(sizeof *c);
	if (!c) err(1, "malloc");
	c->fd = fd, c->full = 0, c->offset = head, c->npart = 0;
#ifdef TLS
	c->tls = tls_new(fd);
#endif
	watch(c, EPOLLIN, EPOLL_CTL_ADD);
	slot[fd] = n, clients[n++] = c;
}

static void end(struct client *c) {
	int i = slot[c->fd];
	clients[i] = clients[--n], slot[clients[i]->fd] = i;
#ifdef TLS
	SSL_free(c->tls);
#endif
	close(c->fd);
	free(c);
}

/* 0: the client has ended. */
static int input(struct client *c) {
	char *to = shared + head % SHARED;
	memcpy(to, c->part, c->npart);
	ssize_t got = TAKE(c, to + c->npart, CHUNK);
	if (got <= 0) return got < 0 && errno == EAGAIN;
	size_t all = c->npart + got;
	char *nl = memrchr(to + c->npart, '\n', got);
	size_t whole = nl ? nl + 1 - to : 0;
	if (all - whole > CHUNK) return 0;
	memcpy(c->part, to + whole, c->npart = all - whole);
	head += whole;
	return AHEAD(c) ? input(c) : 1;
}

static int output(struct client *c) {
	uint64_t due = head - c->offset;
	if (due > SHARED - 2 * CHUNK) return 0;
	if (SHAKING(c)) return 1;
	ssize_t sent = GIVE(c, shared + c->offset % SHARED, due);
	if (sent < 0 && errno != EAGAIN) return 0;
	if (sent > 0) c->offset += sent;
	int full = c->offset < head;
	if (full != c->full) watch(c, full ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
	c->full = full;
	return 1;
}

int main(int argc, char **argv) {
#ifdef TLS
	if (argc != 5) errx(2, "usage: tlsfloor ADDRESS PORT CERTIFICATE KEY");
	signal(SIGPIPE, SIG_IGN);
	tls_start(argv[3], argv[4]);
#else
	if (argc != 3) errx(2, "usage: floor ADDRESS PORT");
#endif
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
	if (inet_pton(AF_INET, argv[1], &a.sin_addr) != 1) errx(2, "%s is no address", argv[1]);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(l, (void *)&a, sizeof a) || listen(l, 4096)) err(1, "listen");

	int m = memfd_create("shared", 0);
	shared = mmap(0, 2 * SHARED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ftruncate(m, SHARED) || shared == MAP_FAILED) err(1, "memory");
	for (int i = 0; i < 2; i++)
		if (mmap(shared + i * SHARED, SHARED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, m, 0) == MAP_FAILED)
			err(1, "mmap");
	struct rlimit r;
	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
	most = r.rlim_cur > 1 << 20 ? 1 << 20 : r.rlim_cur;
	clients = calloc(most, sizeof *clients), slot = calloc(most, sizeof *slot);

	ep = epoll_create1(0);
	watch(&(struct client){.fd = l}, EPOLLIN, EPOLL_CTL_ADD);
	for (;;) {
		static struct epoll_event events[EVENTS];
		int ready = epoll_wait(ep, events, EVENTS, -1);
		uint64_t before = head;
		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.fd;
			if (fd == l) {
				while ((fd = accept4(l, 0, 0, SOCK_NONBLOCK)) >= 0) begin(fd);
				continue;
			}
			struct client *c = clients[slot[fd]];
			if (events[i].events & ~EPOLLOUT && !input(c)) end(c);
			else if (c->full && events[i].events & EPOLLOUT && !output(c)) end(c);
		}
		if (head != before)
			for (int i = 0; i < n; i++)
				while (i < n && !clients[i]->full && !output(clients[i])) end(clients[i]);
	}
}
