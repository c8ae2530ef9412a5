package main

import (
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatd/chatd/bench/rig"
	"github.com/chatd/chatd/internal/store"
	"github.com/chatd/chatd/pkg/relay"
)

func TestParse(t *testing.T) {
	b, err := parse(strings.Fields("-time 3s -clients 6 -groups 6,2"), io.Discard)
	if err != nil || b.time != 3*time.Second || b.clients != 6 || !slices.Equal(b.groups, []int{6, 2}) {
		t.Errorf("%+v, %v", b, err)
	}
	for _, args := range []string{"-groups 30", "-groups 5,x", "-groups 0", "-clients 0", "-time 0s", "7777"} {
		if b, err := parse(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%s: %+v", args, b)
		}
	}
}

// TestCount holds that what is kept is counted to the last message, by what it is.
func TestCount(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	j := &journal{Store: s}
	texts := slices.Repeat([]string{"|7f3a000200000041|was heard"}, page+1)
	texts = append(texts, "|7f3affff00000000|who is here", "short")
	for _, room := range []string{"tea", "coffee"} {
		for i, text := range texts {
			j.Append(&relay.Message{Room: room, Position: relay.Position{Seq: uint64(i + 1)}, Time: 1, Author: []byte("ana"), Text: []byte(text)}, nil)
			if i%1000 == 0 {
				if err := j.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	k, err := count(t.Context(), dir)
	if want := (kept{messages: 2 * (page + 2), probes: 2}); err != nil || k != want {
		t.Errorf("%+v, %v; want %+v", k, err, want)
	}
	if n, most := j.appended.Load(), j.fullest.Load(); n != uint64(2*len(texts)) || most == 0 || most > perMille {
		t.Errorf("%d appended, and at most %d ‰ waited", n, most)
	}
}

// TestHoleIsNoMessage: what stands in the place of messages that are missing.
func TestHoleIsNoMessage(t *testing.T) {
	var k kept
	k.add([]relay.Message{{Kind: relay.KindHole, Text: []byte("3 messages were not saved")}, {Text: []byte("x")}})
	if k.messages != 1 || k.probes != 0 {
		t.Errorf("%+v", k)
	}
}

// TestHost holds that what is said to it is kept, and that it ends.
func TestHost(t *testing.T) {
	dir := t.TempDir()
	h, err := newHost(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", h.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "/bot\none\n/quit\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	if k, err := count(t.Context(), dir); err != nil || k.messages != 1 {
		t.Errorf("%+v, %v", k, err)
	}
}

func TestBars(t *testing.T) {
	s := sustained{
		load: rig.Report{Messages: 900, Lost: 2}, took: 3 * time.Second,
		kept: kept{messages: 890, probes: 5}, said: 906, full: 0.614, deep: 0.25, pauses: 1, bare: 500,
	}
	got := s.bars(100, 5)
	work := "100 clients in 20 rooms send as fast as they are read, all is kept on disk: "
	want := []rig.Bar{{
		Name: "history-20-rate", Work: work + "messages a second ÷ those of a bare loop of inserts",
		Figure: 0.59, Unit: "x", Limit: 0.5, Better: rig.Higher,
		Note: "296 against 500, for 3 s; the queue was at most 61 % full, and senders slowed for 25 % of the messages",
	}, {
		Name: "history-20-lost", Work: work + "said and seen, but not kept",
		Figure: 13, Unit: "messages", Limit: 0, Better: rig.Lower, Note: "of 900; saving paused 1 times",
	}}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if one := s.bars(100, 100)[0]; one.Name != "history-1-rate" || !strings.Contains(one.Work, "100 clients in one room") {
		t.Errorf("%+v", one)
	}
}
