package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// server is a small chat server in this process: it writes each line to all who
// are to hear it before it takes the next one.
type server struct {
	greeting string
	prefix   string
	quiet    bool   // authors do not hear themselves
	most     int    // connections; 0: any number
	full     string // what one too many is told
	// dialect takes the input of one caller to its end; nil: each line is for all.
	dialect func(s *server, c *caller, in *bufio.Scanner)
	// spoil changes what connection i is sent as the n-th line, in the course of
	// the whole run.
	spoil func(i, n int, line string) string

	l       net.Listener
	running sync.WaitGroup

	mu      sync.Mutex
	callers []*caller
	sources map[string]int // connections by the address they come from
	lines   int
	unread  int // connections closed with input that was not read
	left    int // connections that have ended
	allLeft func()
}

// caller is one connection.
type caller struct {
	net.Conn
	i     int
	room  string
	nick  string
	ping  string // what it must answer before it hears anything
	reset bool   // guarded by server.mu: a write has found it so
}

// serve starts it and returns its address for -addr.
func (s *server) serve(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	s.l, s.sources = l, make(map[string]int)
	if s.dialect == nil {
		s.dialect = plain
	}
	s.running.Go(s.accept)
	t.Cleanup(func() { s.stop() })
	if network == "unix" {
		return "unix:" + address
	}
	return l.Addr().String()
}

// stop returns when all its connections have ended.
func (s *server) stop() {
	_ = s.l.Close()
	s.running.Wait()
}

func (s *server) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.most > 0 && len(s.callers) >= s.most {
			fmt.Fprintln(c, s.full)
			_ = c.Close()
			s.mu.Unlock()
			continue
		}
		fmt.Fprint(c, s.greeting)
		caller := &caller{Conn: c, i: len(s.callers)}
		s.callers = append(s.callers, caller)
		host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		s.sources[host]++
		s.mu.Unlock()
		s.running.Go(func() { s.attend(caller) })
	}
}

func (s *server) attend(c *caller) {
	defer c.Close()
	in := bufio.NewScanner(c)
	in.Buffer(nil, 1<<20)
	s.dialect(s, c, in)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.reset || errors.Is(in.Err(), syscall.ECONNRESET) {
		s.unread++
	}
	if s.left++; s.left == len(s.callers) && s.allLeft != nil {
		s.allLeft()
	}
}

// say writes a line, with its end, to all in the author's room.
func (s *server) say(author *caller, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines++
	for i, to := range s.callers {
		if to.room != author.room || s.quiet && to == author || to.ping != "" {
			continue
		}
		out := line
		if s.spoil != nil {
			out = s.spoil(i, s.lines, line)
		}
		if _, err := fmt.Fprint(to, out); errors.Is(err, syscall.ECONNRESET) {
			to.reset = true // who reads from it is not told again
		}
	}
}

// moves puts a caller into a room.
func (s *server) moves(c *caller, room string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.room = room
}

// plain is one message a line.
func plain(s *server, c *caller, in *bufio.Scanner) {
	for in.Scan() {
		s.say(c, s.prefix+in.Text()+"\n")
	}
}

// echo has everybody hear only itself.
func echo(s *server, c *caller, in *bufio.Scanner) {
	s.moves(c, fmt.Sprint(c.i))
	plain(s, c, in)
}

// rooms are as chatd's: /join ROOM.
func rooms(s *server, c *caller, in *bufio.Scanner) {
	for in.Scan() {
		if room, ok := strings.CutPrefix(in.Text(), "/join "); ok {
			s.moves(c, room)
			fmt.Fprintf(c, "* you are in room %s; here: nobody\n", room)
			continue
		}
		s.say(c, "12:34 guest7: "+in.Text()+"\n")
	}
}

// irc is as ngIRCd's. Who has joined is sent a PING, and hears nothing before the
// answer.
func irc(s *server, c *caller, in *bufio.Scanner) {
	for in.Scan() {
		word, rest, _ := strings.Cut(in.Text(), " ")
		switch word {
		case "NICK":
			c.nick = rest
		case "USER":
			fmt.Fprintf(c, ":irc.example 001 %s :Welcome to the Internet Relay Network %[1]s!~load@host\r\n:irc.example 376 %[1]s :End of MOTD\r\n", c.nick)
		case "JOIN":
			s.mu.Lock()
			c.room, c.ping = rest, fmt.Sprintf(":%s~%d", c.nick, c.i)
			fmt.Fprintf(c, ":%s!~load@host JOIN :%s\r\nPING %s\r\n", c.nick, rest, c.ping)
			s.mu.Unlock()
		case "PONG":
			s.mu.Lock()
			if rest == c.ping {
				c.ping = ""
			}
			s.mu.Unlock()
		case "PRIVMSG":
			to, text, _ := strings.Cut(rest, " :")
			if to == c.room {
				s.say(c, fmt.Sprintf(":%s!~load@host PRIVMSG %s :%s\r\n", c.nick, to, text))
			}
		}
	}
}

// nats is as nats-server's. Whoever subscribes is sent a PING, and hears nothing
// before the answer.
func nats(s *server, c *caller, in *bufio.Scanner) {
	fmt.Fprint(c, "INFO {\"server_id\":\"NATS~1\",\"max_payload\":1048576}\r\n")
	for in.Scan() {
		words := append(strings.Fields(in.Text()), "", "", "")
		switch words[0] {
		case "SUB":
			s.mu.Lock()
			c.room, c.ping = words[1], "PING"
			fmt.Fprint(c, "PING\r\n")
			s.mu.Unlock()
		case "PONG":
			s.mu.Lock()
			c.ping = ""
			s.mu.Unlock()
		case "PUB":
			if !in.Scan() || words[1] != c.room || fmt.Sprint(len(in.Text())) != words[2] {
				fmt.Fprint(c, "-ERR 'Parser Error'\r\n")
				return
			}
			s.say(c, fmt.Sprintf("MSG %s 1 %s\r\n%s\r\n", words[1], words[2], in.Text()))
		}
	}
}

// loaded runs chatload and returns what it reports.
func loaded(t *testing.T, wantCode int, args ...string) result {
	t.Helper()
	var out, stderr bytes.Buffer
	code := command(append(args, "-json"), &out, &stderr)
	var r result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v in %q; stderr: %s", err, out.String(), stderr.String())
	}
	if code != wantCode {
		t.Errorf("exit status %d, want %d; stderr: %s; result: %s", code, wantCode, stderr.String(), out.String())
	}
	return r
}

// text is the report for a person.
func (r *result) text() string {
	var b strings.Builder
	r.write(&b)
	return b.String()
}
