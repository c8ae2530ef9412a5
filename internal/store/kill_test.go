package store

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/figure"
	"github.com/chatd/chatd/pkg/relay"
)

// talkIn names the folder in which a process talks until it is killed, or until it
// has appended as many messages as talkMost says.
const (
	talkIn   = "CHATD_STORE_TALK"
	talkMost = "CHATD_STORE_TALK_MOST"
)

// talk appends to three rooms, one account in a hundred messages, and says on
// standard output what it does: "given ROOM SEQ" before a message is appended, and
// "stored ROOM SEQ" or "account N" when it is kept.
func talk(dir string) {
	ctx := context.Background()
	s, err := Open(ctx, dir, Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s.q.limit = time.Minute
	tell := func(format string, args ...any) { os.Stdout.WriteString(fmt.Sprintf(format+"\n", args...)) }
	most, err := strconv.Atoi(os.Getenv(talkMost))
	if err != nil {
		most = math.MaxInt
	}
	for n := 1; n <= most; n++ {
		room := fmt.Sprint("room", rand.IntN(3))
		seq := s.Last(room) + 1
		tell("given %s %d", room, seq)
		s.Append(&relay.Message{
			Room: room, Position: relay.Position{Seq: seq}, Time: time.Now().UnixNano(),
			Author: []byte("ana"), Text: []byte(strings.Repeat("word ", rand.IntN(60)) + fmt.Sprintf("%s-%d", room, seq)),
		}, func(err error) {
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			tell("stored %s %d", room, seq)
		})
		if s.Backlog() > 0.1 {
			s.Sync(ctx)
		}
		if n%100 == 0 {
			key := fmt.Sprint(time.Now().UnixNano())
			if err := s.SaveAccount(ctx, relay.Account{Name: key, Key: key}); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			tell("account %s", key)
		}
	}
	if err := s.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// talker is a command that runs talk.
func talker(t *testing.T, dir string, before ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(before, self)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), talkIn+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// told is what a process said before it was killed.
type told struct {
	given  map[string]uint64 // the highest number of each room
	stored map[string][]uint64
	keys   []string // of accounts
}

func (r *told) read(t *testing.T, line string) {
	var room string
	var seq uint64
	switch {
	case scan(line, "given %s %d", &room, &seq):
		if seq <= r.given[room] {
			t.Errorf("number %d is given again in %s", seq, room)
		}
		r.given[room] = max(r.given[room], seq)
	case scan(line, "stored %s %d", &room, &seq):
		r.stored[room] = append(r.stored[room], seq)
	case scan(line, "account %s", &room):
		r.keys = append(r.keys, room)
	}
}

func scan(line, format string, into ...any) bool {
	n, err := fmt.Sscanf(line, format, into...)
	return err == nil && n == len(into)
}

// TestKilled kills a process that writes, at random moments, and looks whether all
// that it called stored is there; one history after the other.
func TestKilled(t *testing.T) {
	t.Parallel()
	rounds, histories := sized(8, 20), sized(1, 10)
	all := 0
	for range histories {
		dir := t.TempDir()
		r := &told{given: make(map[string]uint64), stored: make(map[string][]uint64)}
		for round := range rounds {
			r.kill(t, dir, round%4 == 0)
			r.check(t, dir, round == rounds-1)
			if t.Failed() {
				t.Fatalf("in round %d", round+1)
			}
		}
		n := 0
		for _, stored := range r.stored {
			n += len(stored)
		}
		all += n
		t.Logf("%d kills, %d messages and %d accounts called stored", rounds, n, len(r.keys))
	}
	figure.Figure{ // what is lost ends the test
		Row: 18, Part: fmt.Sprintf("%d kills", rounds*histories), Held: all > 0, Bar: "0 lost, each file sound",
		Got: fmt.Sprintf("0 of %d called stored were lost", all),
	}.Tell(t)
}

// kill has a process talk for up to 200 ms, from when it begins to talk or, early,
// from its start, and notes what it says until it is dead.
func (r *told) kill(t *testing.T, dir string, early bool) {
	t.Helper()
	cmd := talker(t, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	alarm := func() *time.Timer {
		return time.AfterFunc(time.Duration(rand.IntN(200))*time.Millisecond, func() { cmd.Process.Kill() })
	}
	var timer *time.Timer
	if early {
		timer = alarm()
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if timer == nil {
			timer = alarm()
		}
		r.read(t, lines.Text())
	}
	if err := cmd.Wait(); timer == nil {
		t.Fatalf("the process ended by itself: %v", err)
	}
}

// check opens what a killed process left, or a copy of it, so that the next process
// finds it as it is.
func (r *told) check(t *testing.T, dir string, last bool) {
	t.Helper()
	if !last {
		dir = snapshot(t, dir)
	}
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var sound string
	if err := s.r.db.QueryRow("PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
		t.Errorf("integrity_check: %s, %v", sound, err)
	}
	for room, stored := range r.stored {
		if n := s.Last(room); n < r.given[room] {
			t.Errorf("%s goes on from %d, but %d was given", room, n, r.given[room])
		}
		list, err := s.From(t.Context(), room, 0, math.MaxInt32)
		if err != nil {
			t.Fatal(err)
		}
		there := make(map[uint64]bool)
		for _, m := range list {
			there[m.Seq] = m.Kind == relay.KindSay && strings.HasSuffix(string(m.Text), fmt.Sprintf("%s-%d", room, m.Seq))
		}
		for _, seq := range stored {
			if !there[seq] {
				t.Errorf("%d of %s was called stored and is not there", seq, room)
			}
		}
	}
	state, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	accounts := make(map[string]bool)
	for _, a := range state.Accounts {
		accounts[a.Key] = true
	}
	for _, key := range r.keys {
		if !accounts[key] {
			t.Errorf("account %s was saved and is not there", key)
		}
	}
}

// snapshot copies what a killed process left.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{fileName, fileName + "-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestSyncedBeforeStored traces the system calls of a process that writes: between
// a write to the log and the word that a message is stored lies a sync.
func TestSyncedBeforeStored(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := talker(t, t.TempDir(), strace, "-f", "--seccomp-bpf", "-y", "-s", "12", "-o", trace,
		"-e", "trace=write,pwrite64,fsync,fdatasync")
	cmd.Env = append(cmd.Env, talkMost+"=300")
	var said strings.Builder
	cmd.Stderr = &said
	if out, err := cmd.Output(); strings.Contains(said.String(), "not permitted") {
		t.Skipf("strace may not trace here: %s", said.String())
	} else if err != nil || strings.Count(string(out), "stored") != 300 {
		t.Fatalf("%v: %s%s", err, out, said.String())
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	checkTrace(t, string(b))
}

// checkTrace goes through what strace wrote, a system call a line, or two lines
// when another thread's came between its begin and its end.
func checkTrace(t *testing.T, trace string) {
	t.Helper()
	var (
		written = regexp.MustCompile(`pwrite64\(\d+<[^>]*chatd\.db-wal>`)
		begun   = regexp.MustCompile(`^(\d+) .*sync\(\d+<[^>]*chatd\.db-wal>`)
		resumed = regexp.MustCompile(`^(\d+) .*<\.\.\. f(data)?sync resumed>`)
		said    = regexp.MustCompile(`write\(1<[^>]*>, "stored`)
	)
	syncing := make(map[string]bool) // threads, of the log
	dirty, syncs, receipts := false, 0, 0
	for line := range strings.Lines(trace) {
		switch {
		case written.MatchString(line):
			dirty = true
		case begun.MatchString(line):
			thread := begun.FindStringSubmatch(line)[1]
			if syncing[thread] = strings.Contains(line, "unfinished"); !syncing[thread] {
				dirty = false
				syncs++
			}
		case resumed.MatchString(line) && syncing[resumed.FindStringSubmatch(line)[1]]:
			delete(syncing, resumed.FindStringSubmatch(line)[1])
			dirty = false
			syncs++
		case said.MatchString(line):
			if receipts++; dirty {
				t.Fatalf("a message is called stored before the log was synced: %s", line)
			}
		}
	}
	figure.Figure{ // a message that is called stored before ends the test
		Row: 18, Part: "system calls", Held: syncs >= 2 && receipts >= 300, Bar: "a sync between every write and the word",
		Got: fmt.Sprintf("%d receipts behind %d syncs", receipts, syncs),
	}.Tell(t)
	if syncs < 2 || receipts < 300 {
		t.Errorf("the trace shows %d syncs and %d receipts: the test sees nothing", syncs, receipts)
	}
}
