/* libevent 2.0, which libprocess does its TLS with, reads OpenSSL's verdict (SSL_get_error) without having emptied the
 * thread's error queue before.  All connections of a daemon share one thread, so that an error that one of them left
 * behind was taken for a read that failed on another, which was then closed in the midst of a message: a task that was
 * never launched.  OpenSSL asks for an empty queue (SSL_get_error(3)); libevent's own cure
 * (its issue 350) is newer than this build.  The launcher's symbols come before those of libssl. */
#define _GNU_SOURCE
#include <dlfcn.h>

void ERR_clear_error(void);

#define CLEARED(name, parameters, arguments)                       \
  int name parameters {                                            \
    static int (*next) parameters; /* setting it twice is harmless */ \
    if (!next) next = (int (*) parameters)dlsym(RTLD_NEXT, #name); \
    ERR_clear_error();                                             \
    return next arguments;                                         \
  }

CLEARED(SSL_read, (void* ssl, void* to, int size), (ssl, to, size))
CLEARED(SSL_write, (void* ssl, const void* from, int size), (ssl, from, size))
CLEARED(SSL_do_handshake, (void* ssl), (ssl))
CLEARED(SSL_shutdown, (void* ssl), (ssl))
