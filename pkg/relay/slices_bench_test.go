package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

const (
	besideClients = 3000
	// besideWindow is how many messages the busy room has in flight: enough that the
	// server always has something to do.
	besideWindow = 64
	// loneRate is how many messages a second the room of two says, so few that each
	// is alone.
	loneRate = 200
	// besideMost bounds how long the busy room talks, whatever becomes of the rest.
	besideMost = 2 * time.Minute
)

// BenchmarkSlices is how long a message in a room of two takes beside a busy room of
// 3,000, with one and with two processors for the server (GOMAXPROCS), when the sweeps
// of the busy room go in slices and when they do not. Who talks and listens is
// cmd/chatload, on the last processor: one for the busy room, and one for the room of
// two, whose latency counts from when a message was due. It listens for 5 s, or for as
// long as CHATD_BENCH_TIME says.
func BenchmarkSlices(b *testing.B) {
	if runtime.NumCPU() < 2 {
		b.Skip("the server and the load need a processor each")
	}
	load := filepath.Join(b.TempDir(), "chatload")
	if out, err := exec.Command("go", "build", "-o", load, "github.com/chatd/chatd/cmd/chatload").CombinedOutput(); err != nil {
		b.Fatalf("chatload: %v\n%s", err, out)
	}
	for _, c := range []struct {
		name   string
		procs  int
		slices bool
	}{
		{"one/whole", 1, false},
		{"one/slices", 1, true},
		{"two/whole", 2, false},
		{"two/slices", 2, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(c.procs))
			for b.Loop() {
				l := loneBeside(b, load, c.slices)
				b.ReportMetric(l.P50/1e3, "p50-ms")
				b.ReportMetric(l.P99/1e3, "p99-ms")
				b.ReportMetric(l.Share, "processors")
				b.ReportMetric(l.beside, "busy-messages/s")
			}
			b.ReportMetric(0, "ns/op") // says nothing
		})
	}
}

// talked is what is read of chatload's report.
type talked struct {
	Messages, Lost, Repeated, Reordered, Torn, Closed int
	Error                                             string
	P50                                               float64 `json:"latency_p50_us"`
	P99                                               float64 `json:"latency_p99_us"`
	Share                                             float64 `json:"server_cpu_share"` // of a processor
	beside                                            float64 // messages a second of all rooms meanwhile
}

// loneBeside has a room of two talk beside a busy one.
func loneBeside(b *testing.B, load string, slices bool) talked {
	long := 5 * time.Second
	if s := os.Getenv("CHATD_BENCH_TIME"); s != "" {
		var err error
		if long, err = time.ParseDuration(s); err != nil {
			b.Fatal(err)
		}
	}
	s, addr, end := openBench(b)
	defer end()
	ctx, cancel := context.WithTimeout(b.Context(), besideMost)
	defer cancel()
	busy := startLoad(ctx, b, load, "-addr", addr, "-conns", fmt.Sprint(besideClients),
		"-window", fmt.Sprint(besideWindow), "-time", besideMost.String())
	awaitTalk(ctx, b, s)
	if !slices {
		// The next room has the number of the one before: the server takes what is
		// said in either for one room's, and no sweep makes way for another room.
		s.mu.Lock()
		s.lastRoom--
		s.mu.Unlock()
	}
	before, begin := s.Counts().Messages, time.Now()
	lone := startLoad(ctx, b, load, "-addr", addr, "-conns", "2", "-proto", "room", "-group", "2",
		"-rate", fmt.Sprint(loneRate), "-time", long.String(), "-pid", fmt.Sprint(os.Getpid()))
	l := lone.report(b)
	l.beside = float64(s.Counts().Messages-before) / time.Since(begin).Seconds()
	if s.beside(nil) != slices {
		b.Fatalf("sweeps have gone in slices: %v, want %v", !slices, slices)
	}
	if l.Error != "" || l.Messages == 0 {
		b.Fatalf("the room of two: %+v", l)
	}
	_ = busy.Process.Signal(os.Interrupt)
	busy.report(b)
	return l
}

// openBench serves a chat on a port until end is called.
func openBench(b *testing.B) (s *Server, addr string, end func()) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s = New(Config{MaxClients: Unlimited, MaxPerAddress: Unlimited, Rate: Unlimited})
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(context.Background(), l); !errors.Is(err, ErrServerClosed) {
			b.Errorf("Serve: %v", err)
		}
	})
	return s, l.Addr().String(), func() {
		_ = s.Close()
		serving.Wait()
	}
}

// awaitTalk returns when all of the busy room are there and talk.
func awaitTalk(ctx context.Context, b *testing.B, s *Server) {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	const talk = 20 * besideWindow
	for c := s.Counts(); c.Sessions < besideClients || c.Messages < talk; c = s.Counts() {
		select {
		case <-look.C:
		case <-ctx.Done():
			b.Fatalf("the busy room does not talk: %+v", c)
		}
	}
}

// loading is a chatload that runs.
type loading struct {
	*exec.Cmd
	out, complaint bytes.Buffer
}

// startLoad starts one on the last processor. It ends with ctx.
func startLoad(ctx context.Context, b *testing.B, program string, args ...string) *loading {
	words := append([]string{"-c", fmt.Sprint(runtime.NumCPU() - 1), program, "-json"}, args...)
	l := &loading{Cmd: exec.CommandContext(ctx, "taskset", words...)}
	l.Stdout, l.Stderr = &l.out, &l.complaint
	if err := l.Start(); err != nil {
		b.Fatal(err)
	}
	return l
}

// report returns what it says at its end. That something was lost is fatal.
func (l *loading) report(b *testing.B) (t talked) {
	_ = l.Wait() // what is wrong is in the report
	if err := json.Unmarshal(l.out.Bytes(), &t); err != nil {
		b.Fatalf("chatload: %v: %s", err, l.complaint.Bytes())
	}
	if t.Lost+t.Repeated+t.Reordered+t.Torn+t.Closed > 0 {
		b.Fatalf("chatload: %+v", t)
	}
	return t
}
