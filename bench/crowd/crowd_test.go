package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd/chatd/bench/rig"
)

func TestParseRefuses(t *testing.T) {
	for _, args := range []string{"-crowds 1", "-conns 1", "-window 0", "-time 0s", "7777"} {
		if b, err := parse(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%s: %+v", args, b)
		}
	}
	if b, err := parse(strings.Fields("-conns 50 -crowds 2 -time 1s"), io.Discard); err != nil || b.conns != 50 || b.crowds != 2 || b.time != time.Second {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestAnnounced(t *testing.T) {
	for line, want := range map[string]string{
		"listening on tcp://127.0.0.1:43211  reach it with: nc 127.0.0.1 43211": "127.0.0.1:43211",
		"listening on tcp://127.0.0.1:43211":                                    "127.0.0.1:43211",
		`{"level":"warn","message":"listening on tcp://127.0.0.1:1"}`:           "",
		"listening on unix:///run/chatd/chatd.sock":                             "",
	} {
		if got, ok := announced(line); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", line, got, ok)
		}
	}
}

func TestResident(t *testing.T) {
	n, err := resident([]byte("Name:\tchatd\nVmHWM:\t  130000 kB\nVmRSS:\t   45312 kB\nRssAnon:\t   40000 kB\n"))
	if err != nil || n != 45312<<10 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := resident([]byte("Name:\tchatd\nState:\tZ (zombie)\n")); err == nil {
		t.Error("a process that has ended has memory")
	}
}

// course is what a process holds from the moment of its making on.
func course(of func(since time.Duration) holds) look {
	begin := time.Now()
	return func() (holds, error) { return of(time.Since(begin)), nil }
}

func TestSettledWaitsUntilMemoryStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const falls = 30 * time.Second
		begin := time.Now()
		got, err := settled(t.Context(), course(func(since time.Duration) holds {
			return holds{11, 45<<20 + max(int64(falls-since), 0)}
		}))
		if err != nil || got.memory>>20 != 45 {
			t.Errorf("%v, %v", got, err)
		}
		if took := time.Since(begin); took < still || took > falls+still {
			t.Errorf("after %v", took)
		}
	})
}

func TestSettledGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := settled(t.Context(), course(func(since time.Duration) holds {
			return holds{11, 45<<20 + int64(since.Seconds())<<20}
		}))
		if err == nil {
			t.Errorf("memory that rises for ever has come to rest: %v", got)
		}
		gone := errors.New("gone")
		if _, err := settled(t.Context(), func() (holds, error) { return holds{}, gone }); !errors.Is(err, gone) {
			t.Errorf("a process that has ended: %v", err)
		}
	})
}

func TestEmptiedWaitsForTheLastDescriptor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		closing := course(func(since time.Duration) holds { return holds{11 + int(max(10-since.Seconds(), 0)), 1} })
		if err := emptied(t.Context(), 11, closing); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("after %v", took)
		}
		begin = time.Now()
		if err := emptied(t.Context(), 11, course(func(time.Duration) holds { return holds{12, 1} })); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took < settleTime {
			t.Errorf("one is left open, and it is not waited for but %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := emptied(ctx, 11, course(func(time.Duration) holds { return holds{12, 1} })); !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted: %v", err)
		}
	})
}

func TestBars(t *testing.T) {
	const mib = 1 << 20
	s := record{before: holds{11, 13 * mib}}
	for i, left := range []holds{{11, 50 * mib}, {14, 80 * mib}, {11, 52 * mib}} {
		r := rig.Report{Deliveries: 1000, Lost: int64(i)}
		r.Memory.RSS = 120 * mib
		s.add(r, left)
	}
	var figures []float64
	for _, b := range s.bars(&bench{conns: 19000, crowds: 3}) {
		if !strings.HasPrefix(b.Work, "19,000 clients join, talk and leave, 3 times over") {
			t.Errorf("%s: %s", b.Name, b.Work)
		}
		figures = append(figures, b.Figure)
	}
	if want := []float64{3, 1.04, 3}; !slices.Equal(figures, want) {
		t.Errorf("faults, memory, descriptors: %v, want %v", figures, want)
	}
}
