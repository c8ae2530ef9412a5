package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/chatd/chatd/internal/listen"
	ui "github.com/chatd/chatd/internal/terminal"
	"github.com/chatd/chatd/pkg/client"
)

// usualSockets are where the units that are shipped have chatd listen, the service's own
// first.
var usualSockets = []string{"/run/chatd/chatd.sock", "/run/chatd.sock"}

// seatError is why there is no seat at a running server, for the person who wanted one,
// and the exit status that says it to a script.
type seatError struct {
	status int
	text   string
}

func (e *seatError) Error() string { return e.text }

// door is a Unix socket at which a server may be.
type door struct {
	path string
	json bool // it speaks nothing but JSON
}

func (d door) url() string {
	u := url.URL{Scheme: "unix", Path: d.path}
	if d.json {
		u.RawQuery = "serve=json"
	}
	return u.String()
}

// retryCap is how long a seat waits at most before it looks whether a server that went is
// back: it is on this machine, where looking costs nothing.
const retryCap = time.Second

// doors are the sockets to try, in their order: the named one alone, or else the usual
// ones and those of CHATD_LISTEN.
func doors(environ environment, named string) []door {
	if named != "" {
		return []door{{path: named}}
	}
	var all []door
	for _, path := range usualSockets {
		all = append(all, door{path: path})
	}
	for raw := range strings.SplitSeq(environ["CHATD_LISTEN"], ",") {
		specs, _ := listen.Parse(raw) // what is wrong with it is the server's business
		for _, s := range specs {
			if s.Scheme != "unix" || s.Service != listen.Chat && s.Service != listen.JSON {
				continue
			}
			if d := (door{s.Path, s.Service == listen.JSON}); !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all
}

// attach connects to the first of some sockets at which a server is. An error is a
// *seatError.
func attach(ctx context.Context, all []door, o client.Options) (*client.Client, door, error) {
	var missing []string
	denied := ""
	for _, d := range all {
		c, err := client.Dial(ctx, d.url(), o)
		switch {
		case err == nil:
			return c, d, nil
		case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
			missing = append(missing, d.path+" is not there")
		case errors.Is(err, syscall.ECONNREFUSED):
			missing = append(missing, "nobody listens on "+d.path)
		case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
			denied = d.path
		default:
			return nil, d, notSeated(d, err)
		}
	}
	if denied != "" {
		return nil, door{}, &seatError{exitDenied, "you have no permission to use " + denied + "; be root, or of the group that it is for"}
	}
	return nil, door{}, &seatError{
		exitNoServer,
		"no chatd is running here: " + strings.Join(missing, "; ") + "; --socket PATH names another one",
	}
}

// notSeated is why a server that is there gives no seat.
func notSeated(d door, err error) error {
	switch said := ui.Refusal(err); {
	case ui.WrongPassword(err):
		return &seatError{exitDenied, fmt.Sprintf("this chat has a password, and only its operators come in without: root, and the user chatd runs as; "+
			"chat --chat-password-file FILE %s lets others in", d.url())}
	case said != "":
		return &seatError{exitFailed, "the server says: " + said}
	case errors.Is(err, context.DeadlineExceeded):
		return &seatError{exitNoAnswer, "the server on " + d.path + " does not answer; perhaps an operator has newcomers wait (/pause)"}
	case errors.Is(err, client.ErrProtocol):
		return &seatError{exitNoServer, "what answers on " + d.path + " is no chatd; --socket PATH names another one"}
	}
	return &seatError{exitNoServer, d.path + ": " + ui.Reason(err)}
}

// statusOf is the exit status that an error stands for.
func statusOf(err error) int {
	var e *seatError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.status
	}
	return exitFailed
}
