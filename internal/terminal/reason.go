package terminal

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/chatd/chatd/pkg/client"
)

// WrongPassword tells whether a server was not reached because the chat has a password
// and that was not it.
func WrongPassword(err error) bool {
	return errors.Is(err, &client.Error{Code: client.WrongPassword})
}

// Unreachable tells why a server could not be reached, and what may help.
func Unreachable(server string, err error) error {
	if WrongPassword(err) {
		return errors.New("this chat has a password and that was not it; --chat-password-file names the file that holds it")
	}
	if said := Refusal(err); said != "" {
		return errors.New("the server says: " + said)
	}
	return fmt.Errorf("%s: %s", server, Reason(err))
}

// Refusal is the server's own sentence in an error, or "".
func Refusal(err error) string {
	var (
		refusal *client.Error
		bye     *client.ByeError
	)
	switch {
	case errors.As(err, &refusal):
		return refusal.Error()
	case errors.As(err, &bye):
		return bye.Text
	}
	return ""
}

// Reason is why there is no connection, in a clause.
func Reason(err error) string {
	var (
		name    *net.DNSError
		host    x509.HostnameError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		header  tls.RecordHeaderError
	)
	text := strings.TrimPrefix(err.Error(), "client: ")
	switch {
	case errors.As(err, &name):
		return "there is no host " + name.Name + "; check how it is spelt"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there; check the port, and whether chatd runs"
	case errors.Is(err, syscall.ENOENT):
		return "there is no such socket; check the path, and whether chatd runs"
	case errors.As(err, &host) && host.Certificate != nil && len(host.Certificate.DNSNames) > 0:
		return fmt.Sprintf("the certificate there is for %s and not for %s; write the name that it is for", strings.Join(host.Certificate.DNSNames, " and "), host.Host)
	case errors.As(err, &host), errors.As(err, &unknown), errors.As(err, &invalid):
		return strings.TrimPrefix(text, "tls: failed to verify certificate: ") + "; --ca FILE names the certificate to trust"
	case errors.As(err, &header):
		return "that port does not speak TLS; try tcp://"
	case errors.Is(err, client.ErrProtocol):
		return "what answers there is no chatd; check the port, and tcp:// or tls://"
	case errors.Is(err, client.ErrSilent):
		return "the server is silent"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "the server closed the connection"
	}
	return text
}
