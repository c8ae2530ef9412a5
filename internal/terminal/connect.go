package terminal

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/charmbracelet/x/term"
	"golang.org/x/sys/unix"

	"github.com/chatd/chatd/pkg/client"
)

// passwordTries is how often the chat's password is asked for.
const passwordTries = 3

// IsTerminal tells whether f is one.
func IsTerminal(f *os.File) bool { return term.IsTerminal(f.Fd()) }

// Connect connects for the first time, and asks for the chat's password if there is one
// and somebody at a terminal who could know it. The error is a sentence.
func Connect(ctx context.Context, server string, o client.Options, stdin *os.File, stderr io.Writer) (*client.Client, error) {
	person := !o.SendOnly && term.IsTerminal(stdin.Fd())
	for try := 1; ; try++ {
		c, err := client.Dial(ctx, server, o)
		switch {
		case err == nil:
			return c, nil
		case !WrongPassword(err) || !person || try > passwordTries:
			return nil, Unreachable(server, err)
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
		o.ServerPassword = string(text)
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
