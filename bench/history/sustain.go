package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/chatd/chatd/bench/rig"
)

// sustained is what came of clients that send as fast as they are read.
type sustained struct {
	load   rig.Report
	took   time.Duration // from the first message until the last one was on the disk
	kept   kept
	said   int64   // as the server counts, with what asks who is in the room
	full   float64 // the most there was in the journal's queue; 1 is what it holds
	deep   float64 // share of the messages that found so much in it that senders are slowed
	pauses int64   // of saving
	bare   float64 // messages a second that the bare loop inserts
}

// sustain has clients send in rooms of so many, with the history in dir, and counts.
func (b *bench) sustain(ctx context.Context, dir string, group int) (s sustained, err error) {
	h, err := newHost(ctx, dir)
	if err != nil {
		return s, err
	}
	s.load, err = b.load(ctx, h.listener.Addr(), group)
	begin := time.Now()
	err = errors.Join(err, h.whole(h.journal.Sync(ctx)))
	s.took = time.Duration(s.load.Seconds*float64(time.Second)) + time.Since(begin)
	j := h.journal
	s.said, s.pauses = int64(h.relay.Counts().Messages), int64(j.pauses.Load())
	s.full = float64(j.fullest.Load()) / perMille
	s.deep = float64(j.deep.Load()) / float64(max(j.appended.Load(), 1))
	if err = errors.Join(err, h.close()); err == nil {
		s.kept, err = count(ctx, dir)
	}
	return s, err
}

const (
	// loadTime is what a load may take beside the time it sends.
	loadTime = time.Minute
	// inFlight is how many messages of all clients are under way: a few times what
	// the journal's queue and the rooms' inboxes hold, so that some always wait to be
	// read.
	inFlight = 20_000
)

// load has chatload send. There is no warm-up: what it reports is all it has said, but
// for the messages by which it asks who is in the room.
func (b *bench) load(ctx context.Context, server net.Addr, group int) (r rig.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.time+loadTime)
	defer cancel()
	rooms := b.clients / group
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, "chatload"), "-json", "-addr", server.String(),
		"-proto", "room", "-conns", fmt.Sprint(b.clients), "-group", fmt.Sprint(group), "-senders", fmt.Sprint(group),
		"-window", fmt.Sprint(inFlight/rooms), "-time", b.time.String(), "-warmup", "0s")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if len(out) == 0 {
		return r, fmt.Errorf("chatload: %w: %s", err, strings.TrimSpace(complaint.String()))
	}
	// It ends with 1 when there are faults: they are in the report.
	if r, err = rig.ReadReport(out); err == nil && r.Error != "" && r.Faults() == 0 {
		err = errors.New("chatload: " + r.Error)
	}
	return r, err
}
