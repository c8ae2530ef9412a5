package main

import (
	"context"
	"errors"
	"net"
	"runtime/debug"
	"sync/atomic"

	"github.com/chatd/chatd/internal/store"
	"github.com/chatd/chatd/pkg/relay"
)

// collected is how much garbage there may be beside what is in use, in percent, as
// chatd has it.
const collected = 50

// host is the server with its history.
type host struct {
	journal  *journal
	relay    *relay.Server
	listener net.Listener
	served   chan struct{} // closed when Serve has returned
}

// newHost begins a history in dir and returns when the server listens.
func newHost(ctx context.Context, dir string) (*host, error) {
	debug.SetGCPercent(collected)
	h := &host{served: make(chan struct{})}
	s, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return nil, err
	}
	h.journal = &journal{Store: s}
	if h.listener, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	h.relay = relay.New(relay.Config{
		Name: "history", Journal: h.journal, Registry: s,
		MaxClients: relay.Unlimited, MaxPerAddress: relay.Unlimited, Rate: relay.Unlimited,
	})
	go func() {
		defer close(h.served)
		_ = h.relay.Serve(context.Background(), h.listener) // close ends it
	}()
	return h, nil
}

// close ends the server, then the history, and returns when both have ended. That
// messages are missing from a history which has paused is no error: they are counted.
func (h *host) close() error {
	_ = h.relay.Close()
	<-h.served
	return h.whole(h.journal.Close())
}

// whole is err, unless it is for what was lost while saving paused.
func (h *host) whole(err error) error {
	if h.journal.pauses.Load() > 0 {
		return nil
	}
	return err
}

// journal is the store, with what is to be known of its queue. The server calls
// Append and Watch.
type journal struct {
	*store.Store

	appended atomic.Uint64
	deep     atomic.Uint64 // of appended: those that found the queue as full as slows senders
	fullest  atomic.Uint64 // the most there was in the queue, in perMille of it
	pauses   atomic.Uint64
}

const (
	perMille = 1000
	// slowing is how full a queue slows those who send most: see relay.Journal.
	slowing = 0.5
)

// Append is the store's.
func (j *journal) Append(m *relay.Message, stored func(error)) {
	j.Store.Append(m, stored)
	full := j.Backlog()
	j.appended.Add(1)
	if full >= slowing {
		j.deep.Add(1)
	}
	for now := uint64(full * perMille); ; {
		before := j.fullest.Load()
		if now <= before || j.fullest.CompareAndSwap(before, now) {
			return
		}
	}
}

// Watch is the store's.
func (j *journal) Watch(f func(relay.Saving)) {
	j.Store.Watch(func(s relay.Saving) {
		if s.Paused {
			j.pauses.Add(1)
		}
		f(s)
	})
}
