package relay

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// saving tells everybody when the journal stops keeping what is said, and when it
// goes on. Rooms are told one change after the other, by a goroutine that exists
// as long as there is something to tell: the journal that reports it never waits.
type saving struct {
	// coming is how many messages are on their way to the journal, in the inboxes of
	// all rooms.
	coming atomic.Int64

	mu      sync.Mutex
	changes []Saving
	telling bool
	paused  string // why nothing is kept now; "": it is
}

// watch is told by the journal.
func (s *Server) watch(change Saving) {
	v := &s.saving
	v.mu.Lock()
	defer v.mu.Unlock()
	v.paused = ""
	if change.Paused {
		v.paused = change.Reason
	}
	v.changes = append(v.changes, change)
	if v.telling {
		return
	}
	v.telling = true
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.running.Go(s.tellSaving)
	}
}

func (s *Server) tellSaving() {
	v := &s.saving
	for {
		v.mu.Lock()
		if len(v.changes) == 0 {
			v.telling = false
			v.mu.Unlock()
			return
		}
		change := v.changes[0]
		v.changes = v.changes[1:]
		v.mu.Unlock()
		text := change.String()
		s.log.Warn().Bool("paused", change.Paused).Str("reason", change.Reason).
			Uint64("lost", change.Lost).Msg("history")
		s.everyRoom(func(r *room) { r.notice(text) })
	}
}

// String is what people read.
func (c Saving) String() string {
	switch {
	case c.Paused:
		return fmt.Sprintf("history paused: %s; talk goes on, unsaved", c.Reason)
	case c.Lost == 0:
		return "history resumed"
	case c.Lost == 1:
		return "history resumed (1 message was not saved)"
	}
	return fmt.Sprintf("history resumed (%d messages were not saved)", c.Lost)
}

// everyRoom has do run by the broadcaster of each chat room, and waits for that.
func (s *Server) everyRoom(do func(*room)) {
	s.mu.Lock()
	var rooms []*room
	for key, r := range s.rooms {
		if !key.raw {
			r.holders++
			rooms = append(rooms, r)
		}
	}
	s.mu.Unlock()
	for _, r := range rooms {
		r.call(s.killed, func() { do(r) })
		s.release(r)
	}
}

const (
	// backlogSlow is how full the journal's queue may be before those who send most
	// are read more slowly.
	backlogSlow = 0.5
	// backlogStep is how long one of them waits before it is looked at again, and
	// backlogMost how often.
	backlogStep = 5 * time.Millisecond
	backlogMost = 400
	// comingMost is how many messages may be on their way to the journal before those
	// who send most wait: many rooms' inboxes hold more than its queue.
	comingMost = 1024
	// busySender is how many lines a second make a session one of those.
	busySender = 5
)

// yieldToJournal waits, if the session sends much, until the journal has caught up
// somewhat. It returns false if the session ends first.
func (s *session) yieldToJournal() bool {
	now := time.Now()
	if now.Sub(s.second) >= time.Second {
		s.second, s.lately = now, 0
	}
	if s.lately++; s.lately <= busySender || s.srv.keepsUp() {
		return true
	}
	s.srv.backlogWaits.Add(1)
	t := time.NewTicker(backlogStep)
	defer t.Stop()
	for range backlogMost {
		select {
		case <-t.C:
		case <-s.done:
			return false
		}
		if s.srv.keepsUp() {
			return true
		}
	}
	return true
}

// keepsUp tells whether the journal keeps up with what is said. Memory always does.
func (s *Server) keepsUp() bool {
	return s.memory != nil || s.saving.coming.Load() < comingMost && s.journal.Backlog() < backlogSlow
}

// coming notes that there are n more messages on their way to the journal.
func (r *room) coming(n int64) {
	if r.journal != nil {
		r.srv.saving.coming.Add(n)
	}
}

// discard gives up what is left in the inbox. It is for a room whose broadcaster has
// ended and that nobody holds.
func (r *room) discard() {
	for {
		select {
		case e := <-r.inbox:
			if e.do == nil {
				r.coming(-1)
			}
		default:
			return
		}
	}
}
