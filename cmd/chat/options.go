package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/chatd/chatd/pkg/client"
)

// options are what the command line and the environment say.
type options struct {
	url     string
	follow  bool
	version bool
	history int // messages of before: 0 is not said, client.None none
	client  client.Options
}

const about = `chat talks to a chatd server.

  chat chat.example.org               type, Enter says it; /help tells the rest
  chat tls://chat.example.org/tea     encrypted, in the room tea
  echo done | chat chat.example.org   say each line of the input; exits with 0
                                      when all of it is stored
  chat -f chat.example.org | grep ana print what is said from now on

The server is HOST, tcp://HOST:7777, tls://HOST:7778, unix:///PATH, ws:// or
wss://HOST/ws, each with a room behind it if you like: tcp://HOST/ROOM; for the
others ?room=ROOM. Without one, CHAT_URL says where.

Without a terminal to read from, the input is said; without one to write to, or
with -f, what is said is printed: 09:42 bob: hello. Nothing is printed of who
comes and goes. NO_COLOR switches colours off.

`

const closing = `
Environment: CHAT_URL and CHAT_NAME stand for the server and --name.
Exit status: 0; 1 if something was not said, or the chat cannot be reached; 2 if
the command line makes no sense.
`

// files are the names of those that hold what must not be on a command line.
type files struct {
	password, chatPassword, ca string
	insecure                   bool
}

// list is a flag that may be given more than once.
type list []string

func (l *list) String() string { return strings.Join(*l, " ") }

func (l *list) Set(s string) error {
	*l = append(*l, s)
	return nil
}

// parse reads the command line; flags may stand before the server or behind it.
func parse(args []string, getenv func(string) string) (options, error) {
	var (
		o     options
		named files
		rooms list
		rest  []string
	)
	f := flags(&o, &named, &rooms)
	for len(args) > 0 {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return o, err
			}
			return o, fmt.Errorf("%w; chat --help lists the flags", err)
		}
		if args = f.Args(); len(args) > 0 {
			rest, args = append(rest, args[0]), args[1:]
		}
	}
	if o.version {
		return o, nil
	}
	if o.client.Name == "" {
		o.client.Name = getenv("CHAT_NAME")
	}
	switch len(rest) {
	case 0:
		o.url = getenv("CHAT_URL")
	case 1:
		o.url = rest[0]
	default:
		return o, fmt.Errorf("%q is one server too many; more rooms are named with --room", rest[1])
	}
	if o.url == "" {
		return o, errors.New("there is no server; write for example chat HOST, or set CHAT_URL")
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return o, o.finish(named, rooms, given["history"])
}

// flags declares them.
func flags(o *options, named *files, rooms *list) *flag.FlagSet {
	f := flag.NewFlagSet("chat", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.BoolVar(&o.follow, "f", false, "follow: print what is said, and read no input")
	f.StringVar(&o.client.Name, "name", "", "the `NAME` you want; a guest has a number")
	f.Var(rooms, "room", "be in this `ROOM`; may be given more than once")
	f.IntVar(&o.history, "history", 0, "show so many earlier messages, `N`; 0 is none (default: as many as\nthe server shows, none with -f)")
	f.StringVar(&named.password, "password-file", "", "`FILE` with the password of your name")
	f.StringVar(&named.chatPassword, "chat-password-file", "", "`FILE` with the password of the chat, if it has one")
	f.StringVar(&named.ca, "ca", "", "`FILE` (PEM) with the certificate that has signed the server's")
	f.BoolVar(&named.insecure, "insecure", false, "do not check the server's certificate: whoever is in between can read")
	f.BoolVar(&o.version, "version", false, "print the version")
	return f
}

// usage is the whole manual.
func usage() string {
	var out strings.Builder
	out.WriteString(about)
	flags(new(options), new(files), new(list)).VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		dashes := "--"
		if len(f.Name) == 1 {
			dashes = "-"
		}
		for i, line := range strings.Split(text, "\n") {
			head := ""
			if i == 0 {
				head = strings.TrimSpace(dashes + f.Name + " " + value)
			}
			fmt.Fprintf(&out, "  %-26s %s\n", head, line)
		}
	})
	out.WriteString(closing)
	return out.String()
}

// finish reads the files, and checks what can be checked before connecting.
func (o *options) finish(named files, rooms list, history bool) (err error) {
	switch {
	case o.history < 0 || o.history > 1000:
		return fmt.Errorf("--history %d: it is between 0 and 1000", o.history)
	case history && o.history == 0:
		o.history = client.None
	}
	if o.client.Password, err = secret("password-file", named.password); err != nil {
		return err
	}
	if o.client.ServerPassword, err = secret("chat-password-file", named.chatPassword); err != nil {
		return err
	}
	if o.client.Password != "" && o.client.Name == "" {
		return errors.New("--password-file is the password of a name; say which with --name")
	}
	o.client.History = o.history
	for _, room := range rooms {
		o.client.Rooms = append(o.client.Rooms, client.RoomOptions{Room: room, History: o.history})
	}
	if o.client.TLS, err = named.tls(o.encrypted()); err != nil {
		return err
	}
	// An address that cannot be one is a mistake of usage: whether there is somebody is
	// not asked for that.
	c, err := client.New(o.url, client.Options{Dial: noDial})
	if err != nil {
		return err
	}
	return c.Close()
}

func (o *options) encrypted() bool {
	return strings.HasPrefix(o.url, "tls://") || strings.HasPrefix(o.url, "wss://")
}

// rooms is how many rooms are named; none is the one everyone begins in.
func (o *options) rooms() int {
	n := len(o.client.Rooms)
	if !strings.Contains(o.url, "://") {
		return n + strings.Count(o.url, "/")
	}
	if u, err := url.Parse(o.url); err == nil {
		n += len(u.Query()["room"])
		if (u.Scheme == "tcp" || u.Scheme == "tls") && strings.Trim(u.Path, "/") != "" {
			n++
		}
	}
	return n
}

// setHistory has as many messages of before shown in each room.
func setHistory(rooms []client.RoomOptions, n int) {
	for i := range rooms {
		rooms[i].History = n
	}
}

// secret reads a file without the end of its line.
func secret(name, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--%s: %w", name, err)
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(text) == 0 {
		return "", fmt.Errorf("--%s: %s is empty", name, path)
	}
	return string(text), nil
}

// tls returns how the server's certificate is checked, or nil for the system's way.
func (f files) tls(encrypted bool) (*tls.Config, error) {
	switch {
	case f.ca == "" && !f.insecure:
		return nil, nil
	case !encrypted:
		return nil, errors.New("--ca and --insecure are for servers that begin with tls:// or wss://")
	case f.ca != "" && f.insecure:
		return nil, errors.New("--ca checks the certificate and --insecure does not; use one of them")
	case f.insecure:
		return &tls.Config{InsecureSkipVerify: true}, nil
	}
	text, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--ca: there is no certificate in %s; it is to be PEM", f.ca)
	}
	return &tls.Config{RootCAs: pool}, nil
}

// errNoDial is what noDial returns.
var errNoDial = errors.New("nothing is dialled")

// noDial is for a client that only reads an address.
func noDial(context.Context, string, string) (net.Conn, error) { return nil, errNoDial }
