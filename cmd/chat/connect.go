package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/charmbracelet/x/term"
	"golang.org/x/sys/unix"

	"github.com/chatd/chatd/pkg/client"
)

// passwordTries is how often the chat's password is asked for.
const passwordTries = 3

// errNoDial is what noDial returns.
var errNoDial = errors.New("nothing is dialled")

// noDial is for a client that only reads an address.
func noDial(context.Context, string, string) (net.Conn, error) { return nil, errNoDial }

// connect connects for the first time, and asks for the chat's password if there is one
// and somebody who could know it. The error is a sentence.
func connect(ctx context.Context, o options, d client.Options, stdin *os.File, stderr io.Writer) (*client.Client, error) {
	person := !d.SendOnly && term.IsTerminal(stdin.Fd())
	for try := 1; ; try++ {
		c, err := client.Dial(ctx, o.url, d)
		switch {
		case err == nil:
			return c, nil
		case !wrongPassword(err) || !person || try > passwordTries:
			return nil, unreachable(o.url, err)
		case try > 1:
			fmt.Fprintln(stderr, "that is not right")
		default:
			// Before it is asked: who types ahead is not to be read either.
			defer hush(stdin)()
		}
		fmt.Fprint(stderr, "the password of this chat: ")
		text, err := term.ReadPassword(stdin.Fd())
		fmt.Fprintln(stderr)
		if err != nil {
			return nil, fmt.Errorf("reading the password: %w", err)
		}
		d.ServerPassword = string(text)
	}
}

// hush has a terminal not show what is typed, until it is told to or a signal ends the
// program.
func hush(f *os.File) (again func()) {
	was, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return func() {}
	}
	restore := func() { _ = unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, was) }
	quiet := *was
	quiet.Lflag &^= unix.ECHO
	ends, done, over := make(chan os.Signal, 1), make(chan struct{}), make(chan struct{})
	signal.Notify(ends, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	_ = unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, &quiet)
	go func() {
		defer close(over)
		select {
		case s := <-ends:
			restore()
			signal.Stop(ends)
			_ = unix.Kill(os.Getpid(), s.(syscall.Signal))
		case <-done:
		}
	}()
	return func() {
		signal.Stop(ends)
		close(done)
		<-over
		restore()
	}
}

func wrongPassword(err error) bool {
	return errors.Is(err, &client.Error{Code: client.WrongPassword})
}

// unreachable tells why a server could not be reached, and what may help.
func unreachable(url string, err error) error {
	var (
		refusal *client.Error
		bye     *client.ByeError
	)
	switch {
	case wrongPassword(err):
		return errors.New("this chat has a password and that was not it; --chat-password-file names the file that holds it")
	case errors.As(err, &refusal):
		return errors.New("the server says: " + refusal.Error())
	case errors.As(err, &bye):
		return errors.New("the server says: " + bye.Text)
	}
	return fmt.Errorf("%s: %s", url, reason(err))
}

// reason is why there is no connection, in a clause.
func reason(err error) string {
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
