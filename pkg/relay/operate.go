package relay

import (
	"strconv"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/when"
)

const (
	// pauseTime is how long newcomers wait after /pause if nothing else is said.
	pauseTime = 10 * time.Minute
	// pauseMost is how long they wait at most: the pause holds for every listener, and
	// an operator who loses the connection could not come in to end it.
	pauseMost = time.Hour
)

// pause has newcomers wait in the kernel's queue for a time.
func (s *session) pause(args string) error {
	length := pauseTime
	if args != "" {
		var err error
		if length, err = when.Span(args); err != nil {
			return advice(err.Error())
		}
		if length == when.Forever || length > pauseMost {
			return advice("a pause has an hour at most; nothing was done")
		}
	}
	if !s.srv.pauseFor(length) {
		return advice("newcomers wait already; /resume-accepting ends that")
	}
	s.logDeed("pause", "newcomers").Str("until", s.srv.clock().Add(length).UTC().Format(time.RFC3339)).Msg("moderation")
	return advise("newcomers wait for %s, or until /resume-accepting", spell(length))
}

// resumeAccepting ends a pause, of whoever made it.
func (s *session) resumeAccepting(string) error {
	s.srv.mu.Lock()
	waiting := s.srv.paused != nil
	s.srv.mu.Unlock()
	if !waiting {
		return advice("newcomers are let in already")
	}
	s.srv.ResumeAccepting()
	s.logDeed("resume-accepting", "newcomers").Msg("moderation")
	return advice("newcomers are let in")
}

// pauseFor pauses accepting for a time. It returns false if accepting is paused, or the
// server is closed. It may be called as long as there is a session.
func (s *Server) pauseFor(length time.Duration) bool {
	if s.pausing() != nil {
		return false
	}
	s.PauseAccepting()
	over := s.pausing()
	if over == nil {
		return false
	}
	s.running.Go(func() { s.endPause(over, length) })
	return true
}

// pausing is closed when the pause that is under way ends; nil: there is none.
func (s *Server) pausing() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused
}

// endPause ends a pause after a time, unless it has ended before. It ends with the
// server.
func (s *Server) endPause(over <-chan struct{}, length time.Duration) {
	t := time.NewTimer(length)
	defer t.Stop()
	select {
	case <-t.C:
	case <-over:
		return
	case <-s.killed:
		return
	}
	if s.pausing() != over {
		return
	}
	s.ResumeAccepting()
	s.log.Warn().Str("act", "resume-accepting").Str("by", "the end of the pause").Str("whom", "newcomers").Msg("moderation")
}

// unannounced has others not be told that the session comes and goes: a script says
// its line, and no more is seen of it. It comes before anybody knows of the session.
func (s *session) unannounced(string) error {
	if s.present && !s.piped {
		return advice("others know of you already; connect again and write it before you speak")
	}
	s.piped = true
	return advice("others are not told that you come and go")
}

// kickWhom is kick for a name, or for a connection by its number, such as #17: who has
// not spoken has no name that anybody knows.
func (s *session) kickWhom(args string) error {
	number, reason, _ := strings.Cut(args, " ")
	digits, ok := strings.CutPrefix(number, "#")
	if !ok {
		return s.kick(args)
	}
	id, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return errUsage
	}
	other := s.srv.withID(uint32(id))
	switch {
	case other == nil:
		return advise("there is no connection #%d; /sessions lists them", id)
	case other == s:
		return advice("that is you")
	case other.operator():
		return advise("#%d is an operator", id)
	}
	as := number
	if n := s.srv.names.of(other); n != "" {
		as += " (" + n + ")"
	}
	reason = strings.TrimSpace(reason)
	s.logDeed("kick", as).Str("address", other.from()).Str("reason", harmless(reason)).Msg("moderation")
	if reason != "" {
		reason = ": " + reason
	}
	other.end(endSentAway("kicked by " + s.name + reason))
	return advise("%s is out", as)
}

// withID is the session with a number, or nil if there is none that goes on. No number is
// given twice.
func (s *Server) withID(id uint32) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sess := range s.sessions {
		if sess.id == id && sess.why.Load() == nil {
			return sess
		}
	}
	return nil
}
