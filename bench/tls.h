/* What bench/floor.c needs to encrypt, with OpenSSL. */
#include <openssl/err.h>
#include <openssl/ssl.h>

static SSL_CTX *tls_ctx;

/* cert and key are files in PEM. */
static void tls_start(const char *cert, const char *key) {
	tls_ctx = SSL_CTX_new(TLS_server_method());
	if (!tls_ctx || SSL_CTX_use_certificate_chain_file(tls_ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls_ctx, key, SSL_FILETYPE_PEM) != 1)
		errx(1, "TLS: %s", ERR_error_string(ERR_get_error(), 0));
	SSL_CTX_set_num_tickets(tls_ctx, 0); /* nobody comes back */
	SSL_CTX_set_options(tls_ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* What the kernel does not take is offered again, and more with it. */
	SSL_CTX_set_mode(tls_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static SSL *tls_new(int fd) {
	SSL *s = SSL_new(tls_ctx);
	if (!s || SSL_set_fd(s, fd) != 1) errx(1, "SSL_new");
	SSL_set_accept_state(s);
	return s;
}

/* result is what recv and send return. */
static ssize_t tls_result(SSL *s, int n) {
	if (n > 0) return n;
	switch (SSL_get_error(s, n)) {
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	}
	errno = EPROTO;
	return -1;
}

/* The handshake is made by the first reads. */
static ssize_t tls_recv(SSL *s, void *p, size_t n) {
	ERR_clear_error();
	return tls_result(s, SSL_read(s, p, n));
}

static ssize_t tls_send(SSL *s, const void *p, size_t n) {
	ERR_clear_error();
	return tls_result(s, SSL_write(s, p, n));
}
