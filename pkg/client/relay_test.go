package client_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/chatd/chatd/pkg/client"
	"github.com/chatd/chatd/pkg/relay"
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// listen returns a listener that is closed when the test has ended.
func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// newServer is a relay that is closed when the test has ended.
func newServer(t *testing.T, cfg relay.Config) *relay.Server {
	t.Helper()
	cfg.Name, cfg.Rate = "test", relay.Unlimited
	s := relay.New(cfg)
	t.Cleanup(func() { s.Close() })
	return s
}

// dial connects a client that is closed when the test has ended.
func dial(t *testing.T, url string, o client.Options) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := client.Dial(ctx, url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// await takes events until one is of a type and, if that is not nil, as it should be.
func await[E client.Event](t *testing.T, c *client.Client, right func(E) bool) E {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		e, err := c.Next(ctx)
		if err != nil {
			t.Fatalf("no %T came: %v", *new(E), err)
		}
		if w, ok := e.(E); ok && (right == nil || right(w)) {
			return w
		}
	}
}

// transport is a way to reach a relay.
type transport struct {
	url   string
	serve func(context.Context, *relay.Server) error
	o     client.Options
}

func transports(t *testing.T) map[string]transport {
	tcp, json, web := listen(t, "tcp", "127.0.0.1:0"), listen(t, "tcp", "127.0.0.1:0"), listen(t, "tcp", "127.0.0.1:0")
	path := filepath.Join(t.TempDir(), "socket")
	unix := listen(t, "unix", path)
	secure := listen(t, "tcp", "127.0.0.1:0")
	server, user := certified(t)
	return map[string]transport{
		"tcp": {
			url:   "tcp://" + tcp.Addr().String(),
			serve: func(ctx context.Context, s *relay.Server) error { return s.Serve(ctx, tcp) },
		},
		"json": {
			url:   "tcp://" + json.Addr().String() + "?serve=json",
			serve: func(ctx context.Context, s *relay.Server) error { return s.ServeJSON(ctx, json) },
		},
		"unix": {
			url:   "unix://" + path,
			serve: func(ctx context.Context, s *relay.Server) error { return s.Serve(ctx, unix) },
		},
		"tls": {
			url:   "tls://" + secure.Addr().String(),
			serve: func(ctx context.Context, s *relay.Server) error { return s.Serve(ctx, tls.NewListener(secure, server)) },
			o:     client.Options{TLS: user},
		},
		"ws": {
			url:   "ws://" + web.Addr().String(),
			serve: func(ctx context.Context, s *relay.Server) error { return serveWeb(ctx, s, web) },
		},
	}
}

// serveWeb serves WebSockets.
func serveWeb(ctx context.Context, s *relay.Server, l net.Listener) error {
	for {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		u := ws.Upgrader{Protocol: func(p []byte) bool { return string(p) == "chatd.v1" }}
		if _, err := u.Upgrade(nc); err != nil {
			nc.Close()
			continue
		}
		go s.ServeWebSocketConn(ctx, nc, nil)
	}
}

// certified returns the configurations of a server with a certificate of its own, and of
// those who trust it.
func certified(t *testing.T) (server, user *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: pool}
}

// Two clients talk, over everything that a relay can be reached by.
func TestTwoTalk(t *testing.T) {
	for name, way := range transports(t) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			s := newServer(t, relay.Config{})
			go way.serve(ctx, s)
			o := way.o
			o.Name = "ana"
			ana := dial(t, way.url, o)
			o.Name = "bob"
			bob := dial(t, way.url, o)
			await[client.Live](t, ana, nil)
			await[client.Live](t, bob, nil)
			if ana.Name() != "ana" || bob.Name() != "bob" {
				t.Fatalf("they are %s and %s", ana.Name(), bob.Name())
			}
			for i := range 200 {
				text := fmt.Sprintf("%d\n<\u202e>\x1b \"é\" 🙂", i)
				at, err := ana.SendStored(ctx, "", text)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range []*client.Client{ana, bob} {
					m := await[client.Message](t, c, nil)
					if m.Text != text || m.Position != at || m.From != "ana" || m.Room != "lobby" || m.Old {
						t.Fatalf("%+v came after %q at %v", m, text, at)
					}
				}
			}
			s.Close()
			await[client.Disconnected](t, bob, nil)
		})
	}
}

// Every request has the answer that the protocol promises.
func TestAsksARelay(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	l := listen(t, "tcp", "127.0.0.1:0")
	s := newServer(t, relay.Config{MOTD: func() string { return "tea at four" }})
	go s.Serve(ctx, l)
	url := l.Addr().String()
	ana, bob := dial(t, url, client.Options{Name: "ana"}), dial(t, url, client.Options{Name: "bob"})
	check := func(what string, ok bool, got ...any) {
		t.Helper()
		if !ok {
			t.Errorf("%s: %v", what, got)
		}
	}
	w := await[client.Connected](t, ana, nil)
	check("welcome", w.MOTD == "tea at four" && w.Room == "lobby" && w.MaxText == 4096 && w.Keeps != "" && w.Epoch > 0, w)
	await[client.Live](t, ana, nil)
	await[client.Live](t, bob, nil)

	j, err := ana.Join(ctx, client.RoomOptions{Room: "tea"})
	check("join", err == nil && j.Room == "tea", j, err)
	_, err = ana.Join(ctx, client.RoomOptions{Room: "a b"})
	check("join", errors.Is(err, &client.Error{Code: client.RoomRefused}), err)
	for i := range 10 {
		_, err = ana.Send(ctx, "tea", fmt.Sprint("cup ", i))
		check("send", err == nil, err)
	}
	_, err = ana.Send(ctx, "milk", "is there any?")
	check("send", errors.Is(err, &client.Error{Code: client.NotThere}), err)
	_, err = ana.Send(ctx, "tea", " ")
	check("send", errors.Is(err, &client.Error{Code: client.Empty}), err)

	p, err := ana.HistoryBefore(ctx, "tea", 0, 3)
	check("history", err == nil && len(p.Messages) == 3 && p.More && p.Messages[2].Text == "cup 9", p, err)
	p, err = ana.HistoryBefore(ctx, "tea", p.Messages[0].Seq, 100)
	check("history", err == nil && len(p.Messages) == 7 && !p.More && p.Messages[6].Text == "cup 6", p, err)
	p, err = ana.HistoryAfter(ctx, "tea", 0, 4)
	check("history", err == nil && len(p.Messages) == 4 && p.More && p.Messages[0].Text == "cup 0", p, err)
	p, err = ana.Search(ctx, "tea", "cup 5", 0, 0)
	check("search", err == nil && len(p.Messages) == 1 && p.Messages[0].Text == "cup 5", p, err)

	people, err := ana.Who(ctx, "lobby")
	check("who", err == nil && len(people.People) == 2, people, err)
	r, ok := ana.Room("lobby")
	check("room", ok && len(r.People) == 2 && r.Live, r)
	rooms, err := bob.Rooms(ctx)
	check("rooms", err == nil && len(rooms.Rooms) == 2, rooms, err)
	d, err := ana.Direct(ctx, "bob", "psst")
	check("direct", err == nil && d.From == "ana" && d.To == "bob" && d.Text == "psst" && !d.Time.IsZero(), d, err)
	d = await[client.Direct](t, bob, nil)
	check("direct", d.From == "ana" && d.Text == "psst", d)
	_, err = ana.Direct(ctx, "nobody", "psst")
	check("direct", errors.Is(err, &client.Error{Code: client.NoSuchPerson}), err)

	notices, err := ana.Command(ctx, "tea", "/topic milk")
	check("command", err == nil, notices, err)
	topic := await(t, ana, func(m client.Message) bool { return m.Kind == client.KindTopic })
	r, _ = ana.Room("tea")
	check("topic", topic.Text == "milk" && r.Topic == "milk", topic, r)
	_, err = ana.Command(ctx, "tea", "/join milk")
	check("command", errors.Is(err, &client.Error{Code: client.UseRequest}), err)

	err = ana.Nick(ctx, "bob")
	check("nick", errors.Is(err, &client.Error{Code: client.NameTaken}) && strings.Contains(err.Error(), "bob"), err)
	err = ana.Nick(ctx, "eva")
	check("nick", err == nil && ana.Name() == "eva", err, ana.Name())
	renamed := await(t, bob, func(p client.Presence) bool { return p.What == client.PersonRenamed })
	check("renamed", renamed.Name == "ana" && renamed.Now == "eva", renamed)
	you, err := ana.Register(ctx, "correct horse battery staple")
	check("register", err == nil && you.Registered && you.Name == "eva", you, err)
	_, err = bob.Login(ctx, "eva", "guessed")
	check("login", errors.Is(err, &client.Error{Code: client.WrongLogin}), err)
	check("ping", ana.Ping(ctx) == nil)
	check("leave", ana.Leave(ctx, "tea") == nil)
	left := await[client.Left](t, ana, nil)
	check("left", left.Room == "tea" && left.Err == nil, left)
	check("rooms", fmt.Sprint(ana.Joined()) == "[lobby]", ana.Joined())
}

// What Dial is told at the door.
func TestRelayRefuses(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	s := newServer(t, relay.Config{Password: func() string { return "open sesame" }, MaxClients: 1})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go s.Serve(ctx, l)
	url := l.Addr().String()
	if _, err := client.Dial(ctx, url, client.Options{}); !errors.Is(err, &client.Error{Code: client.WrongPassword}) {
		t.Errorf("without the password Dial says %v", err)
	}
	for ctx.Err() == nil { // until the place is free that the one without the password had
		if c, err := client.Dial(ctx, url, client.Options{ServerPassword: "open sesame"}); err == nil {
			defer c.Close()
			break
		}
	}
	var bye *client.ByeError
	if _, err := client.Dial(ctx, url, client.Options{ServerPassword: "open sesame"}); !errors.As(err, &bye) ||
		!strings.HasPrefix(bye.Text, "server full") {
		t.Errorf("of a full server Dial says %v", err)
	}
}
