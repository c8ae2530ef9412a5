package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// What is said is there when the exit status says so: to those who are there, and in the
// history on disk, over a restart. Nobody is told of who said it.
func TestSaid(t *testing.T) {
	t.Parallel()
	socket := socketIn(t)
	environ := environment{"CHATD_DATA": t.TempDir()}
	server, port := startOn(t, socket, environ)
	bob := arrive(t, port, "bob")
	bob.says("/join ops")
	bob.sees(`^\* room ops; `)
	bob.says("here I am")
	bob.sees(`bob: here I am$`)
	for _, test := range []struct {
		args  []string
		input string
		want  string // what bob sees
	}{
		{[]string{"--as", "backup", "ops", "of", "db1  is", "done"}, "", "backup: of db1  is done"},
		{[]string{"--as", "backup", "ops", "/quit --as said"}, "", "backup: /quit --as said"},
		{[]string{"--as=cron", "ops", "two\nlines"}, "", "cron: two cron: lines"},
		{[]string{"--as", "log", "ops", "-"}, "one\n\n  \n/nick two\nthree", "log: one log: /nick two log: three"},
		{[]string{"--as", "log", "ops", "-"}, "", ""},
		{[]string{"--as", "log", "ops", "harmless \x1b[2J"}, "", "log: harmless ␛[2J"},
	} {
		status, stdout, stderr := outcome(t, command(t, nil, append([]string{"say", "--socket", socket}, test.args...)...), test.input)
		if status != exitOK || stdout != "" || stderr != "" {
			t.Fatalf("say %q exits with %d, prints %q and says %q", test.args, status, stdout, stderr)
		}
		bob.says("mark")
		var got []string
		for {
			line, err := bob.line()
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(line, " bob: mark") {
				break
			}
			got = append(got, strings.TrimLeft(line, "0123456789:"))
		}
		if saw := strings.TrimSpace(strings.Join(got, "")); saw != test.want {
			t.Errorf("of %q bob sees %q", test.args, saw)
		}
	}
	server.signal(syscall.SIGKILL)
	server.exit()
	_, port = startOn(t, socket, environ)
	eve := dial(t, port)
	eve.says("/join ops")
	eve.sees(`log: harmless`)
}

// A name that cannot be had does not keep anything from being said.
func TestSayAsSomebodyElse(t *testing.T) {
	t.Parallel()
	socket := socketIn(t)
	_, port := startOn(t, socket, nil)
	bob := arrive(t, port, "bob")
	status, _, stderr := outcome(t, command(t, nil, "say", "--as", "bob", "--socket", socket, "lobby", "who is it?"), "")
	said := bob.sees(`^\d\d:\d\d (\w+): who is it\?$`)
	if want := "chatd: bob is taken; try /nick bob_; it is said by " + said[0] + "\n"; status != exitOK || stderr != want {
		t.Errorf("it exits with %d and says %q", status, stderr)
	}
}

// What the server refuses is told in its words, with status 1.
func TestSayIsRefused(t *testing.T) {
	t.Parallel()
	socket := socketIn(t)
	_, port := startOn(t, socket, environment{"CHATD_MAX_CLIENTS": "4"})
	forEveryone(t, socket)
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	refused := func(want string, nobody bool, args ...string) {
		t.Helper()
		cmd := command(t, nil, append([]string{"say", "--socket", socket}, args...)...)
		if nobody {
			cmd = asNobody(t, cmd)
		}
		if status, stdout, stderr := outcome(t, cmd, ""); status != exitFailed || stdout != "" || stderr != "chatd: "+want+"\n" {
			t.Errorf("say %q exits with %d and says %q", args, status, stderr)
		}
	}
	refused("the server says: a name has no spaces; try a_b", false, "a b", "hello")
	ana := arrive(t, port, "ana")
	ana.says("/register")
	ana.sees(`choose a password`)
	ana.says("correct horse")
	ana.sees(`once more`)
	ana.says("correct horse")
	ana.sees(`ana is yours`)
	ana.says("/join den")
	ana.sees(`^\* room den`)
	ana.says("/lock open sesame")
	ana.sees(`locked`)
	olga := dial(t, socket)
	olga.says("/mute nobody forever spam")
	olga.sees(`nobody is muted`)
	if os.Geteuid() == 0 {
		refused("the server says: den is locked; write /join den PASSWORD", true, "den", "hello")
		refused("not said: you are muted by root for ever: spam; that was not said", true, "lobby", "hello")
	}
	for _, name := range []string{"eve", "dan"} {
		arrive(t, port, name)
	}
	olga.says("I am here")
	olga.sees(`: I am here$`)
	if os.Geteuid() == 0 {
		refused("the server says: server full (limit 4); try again in a minute", true, "lobby", "hello")
	}
	if status, stdout, stderr := outcome(t, command(t, nil, "say", "--socket", socket, "lobby", "make room"), ""); status != exitOK {
		t.Errorf("an operator's say on a full server exits with %d: %s%s", status, stdout, stderr) // who has seats of their own
	}
	olga.sees(`: make room$`)
}

// A server that comes back in time is said the rest, and nothing twice.
func TestSayOverARestart(t *testing.T) {
	t.Parallel()
	socket := socketIn(t)
	environ := environment{"CHATD_DATA": t.TempDir()}
	server, _ := startOn(t, socket, environ)
	cmd := command(t, nil, "say", "--as", "log", "--socket", socket, "--timeout", "30s", "lobby", "-")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	bob := arrive(t, socket, "bob")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	say := func(line string) {
		t.Helper()
		if _, err := io.WriteString(input, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	say("one")
	bob.sees(`log: one$`)
	server.stop()
	say("two") // while nobody is there
	startOn(t, socket, environ)
	bob = dial(t, socket)
	bob.sees(`log: two$`)
	say("three")
	bob.sees(`log: three$`)
	input.Close()
	if err := cmd.Wait(); err != nil || stderr.String() != "" {
		t.Errorf("it ends with %v and says %q", err, &stderr)
	}
	bob.says("/last")
	bob.sees(`^\* the last`)
	bob.sees(`log: one$`)
	line, err := bob.line()
	if err != nil || !strings.HasSuffix(line, "log: two") {
		t.Errorf("behind the first stands %q, %v", line, err)
	}
	if line, err = bob.line(); err != nil || !strings.HasSuffix(line, "log: three") {
		t.Errorf("behind the second stands %q, %v", line, err)
	}
}

// forgetful passes on to a server all that somebody sends, up to the line with a word, and
// nothing behind it.
func forgetful(t *testing.T, server, word string) (socket string) {
	t.Helper()
	socket = socketIn(t)
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var passing sync.WaitGroup
	t.Cleanup(passing.Wait)
	t.Cleanup(func() { l.Close() })
	passing.Go(func() {
		from, err := l.Accept()
		if err != nil {
			return
		}
		defer from.Close()
		to, err := net.Dial("unix", server)
		if err != nil {
			t.Error(err)
			return
		}
		defer to.Close()
		passing.Go(func() { _, _ = io.Copy(from, to) })
		forgets := false
		for lines := bufio.NewScanner(from); lines.Scan(); {
			if forgets = forgets || strings.Contains(lines.Text(), word); !forgets {
				_, _ = fmt.Fprintln(to, lines.Text())
			}
		}
	})
	return socket
}

// A server that does not answer is waited for as long as was said, though the input goes
// on.
func TestSayWithoutAnswer(t *testing.T) {
	t.Parallel()
	server := socketIn(t)
	startOn(t, server, nil)
	cmd := command(t, nil, "say", "--as", "log", "--socket", forgetful(t, server, "two"), "--timeout", "2s", "lobby", "-")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	bob := arrive(t, server, "bob")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(input, "one\ntwo\n"); err != nil {
		t.Fatal(err)
	}
	bob.sees(`log: one$`)
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != exitNoAnswer || stderr.String() != "chatd: the server has not answered for 2s; 1 line is perhaps not said\n" {
		t.Errorf("it exits with %d and says %q", status, &stderr)
	}
}
