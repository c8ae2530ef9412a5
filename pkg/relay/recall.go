package relay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/when"
	"github.com/chatd/chatd/internal/wire"
)

const (
	// recallTime is how long a person waits for a slow disk before being told so.
	recallTime = 5 * time.Second
	// recallMost is how many messages one command shows.
	recallMost = 1000
	// recallPage is how many messages are fetched at a time: with the longest
	// lines 4 MiB.
	recallPage = 64
	// recallPiece is how many bytes are rendered at a time.
	recallPiece = 8 << 10
)

// recalling is a context for asking the journal. An error of the journal is the
// log's; the person is told to try again.
func (s *session) recalling() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.srv.life, recallTime)
}

func (s *session) recallFailed(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return advice("the history does not answer just now; try again later")
	}
	return fmt.Errorf("journal: %w", err)
}

func (s *session) last(args string) error {
	n := 20
	if args != "" {
		var err error
		if n, err = strconv.Atoi(args); err != nil {
			return s.lastSince(args)
		}
		if n < 1 || n > recallMost {
			return advise("write /last N, with N from 1 to %d, or a time such as /last 14:30", recallMost)
		}
	}
	room := s.here.room.key.name
	newest := s.upToHere()
	first, count, err := s.back(room, newest, n)
	switch {
	case err != nil:
		return s.recallFailed(err)
	case count == 0:
		return advice("nothing has been said yet")
	case count < n:
		s.tell(fmt.Sprintf("the last %s, all that are kept:", plural(uint64(count), "message")))
	default:
		s.tell(fmt.Sprintf("the last %s:", plural(uint64(count), "message")))
	}
	return s.recall(room, first, newest, recallMost)
}

// upToHere is the number of the newest message in the session's room. What is told
// now comes after that one and before the next.
func (s *session) upToHere() (newest uint64) {
	m := s.here
	var (
		seq  uint64
		said feed.Mark
	)
	if m.room.call(s.done, func() { seq, said = m.room.seq, m.room.mark() }) {
		newest, m.said, m.unsettled = seq, said, false
	}
	return newest
}

// back is the number of the n-th newest message up to the newest, or of the oldest
// one that is kept, and how many there are from it on.
func (s *session) back(room string, newest uint64, n int) (first uint64, count int, err error) {
	ctx, cancel := s.recalling()
	defer cancel()
	first = newest + 1
	for count < n {
		page, err := s.srv.journal.Before(ctx, room, first, min(n-count, recallPage))
		if err != nil {
			return 0, 0, err
		}
		if len(page) == 0 {
			break
		}
		first = page[0].Seq
		count += len(page)
	}
	return first, count, nil
}

func (s *session) lastSince(args string) error {
	at, err := when.Moment(args, s.srv.clock().In(s.srv.cfg.Zone))
	if err != nil {
		return advice(err.Error())
	}
	room, last := s.here.room.key.name, s.upToHere()
	ctx, cancel := s.recalling()
	first, err := s.srv.journal.Since(ctx, room, at.UnixNano())
	cancel()
	switch {
	case err != nil:
		return s.recallFailed(err)
	case first > last:
		return advise("nothing has been said since %s", s.moment(at))
	}
	s.tell("since " + s.moment(at) + ":")
	return s.recall(room, first, last, recallMost)
}

func (s *session) show(args string) error {
	a, b, isRange := strings.Cut(strings.ReplaceAll(strings.ReplaceAll(args, "–", "-"), "#", ""), "-")
	if !isRange {
		b = a
	}
	first, err1 := strconv.ParseUint(strings.TrimSpace(a), 10, 64)
	last, err2 := strconv.ParseUint(strings.TrimSpace(b), 10, 64)
	if err1 != nil || err2 != nil || first == 0 || last < first {
		return errUsage
	}
	room, newest := s.here.room.key.name, s.upToHere()
	switch oldest := s.srv.journal.First(room); {
	case newest == 0:
		return advice("nothing has been said yet")
	case first > newest:
		return advise("the newest message is #%d", newest)
	case last < oldest:
		return advise("messages before #%d are no longer kept", oldest)
	case first < oldest:
		s.tell(fmt.Sprintf("messages before #%d are no longer kept; the rest:", oldest))
	case first == min(last, newest):
		s.tell(fmt.Sprintf("message #%d:", first))
	default:
		s.tell(fmt.Sprintf("messages #%d–#%d:", first, min(last, newest)))
	}
	return s.recall(room, first, min(last, newest), math.MaxInt)
}

func (s *session) search(args string) error {
	if args == "" {
		return errUsage
	}
	ctx, cancel := s.recalling()
	defer cancel()
	room, newest := s.here.room.key.name, s.upToHere()
	found, err := s.srv.search(ctx, s.done, room, args, newest+1, searchMost)
	switch {
	case err != nil:
		return s.recallFailed(err)
	case len(found) == 0:
		return advise("nothing that is kept of %s has these words", room)
	case len(found) == searchMost:
		s.tell(fmt.Sprintf("the last %d messages with these words:", searchMost))
	default:
		s.tell(plural(uint64(len(found)), "message") + " with these words:")
	}
	var p replay
	p.begin(s)
	p.add(found)
	p.end()
	return nil
}

// searchMost is how many messages a search shows.
const searchMost = 20

// search asks the journal when no other search is under way: each may look through all
// there is, and a hundred at once would have those who talk wait for a processor.
func (s *Server) search(ctx context.Context, done <-chan struct{}, room, words string, seq uint64, n int) ([]Message, error) {
	select {
	case s.searching <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-done:
		return nil, nil
	}
	defer func() { <-s.searching }()
	return s.journal.Search(ctx, room, words, seq, n)
}

// recall shows messages first to last of a room, at most so many, in pace with the
// reader. Meanwhile the session takes no input.
func (s *session) recall(room string, first, last uint64, most int) error {
	var p replay
	p.begin(s)
	defer p.end()
	for first <= last && most > 0 && s.why.Load() == nil {
		ctx, cancel := s.recalling()
		page, err := s.srv.journal.From(ctx, room, first, min(recallPage, most))
		cancel()
		if err != nil {
			return s.recallFailed(err)
		}
		for len(page) > 0 && page[len(page)-1].Seq > last {
			page = page[:len(page)-1]
		}
		if len(page) == 0 {
			return nil
		}
		p.add(page)
		first = page[len(page)-1].Seq + 1
		most -= len(page)
	}
	if first <= last && most == 0 {
		p.flush()
		s.tell(fmt.Sprintf("… and more; /show %d-%d shows them", first, last))
	}
	return nil
}

// replay renders what was said before.
type replay struct {
	s    *session
	text wire.Text
	day  int
	out  []byte
}

func (p *replay) begin(s *session) {
	zone := s.srv.cfg.Zone
	*p = replay{
		s:    s,
		text: wire.Text{EOL: format(s.format.Load()).eol(), Zone: zone},
		day:  dayOf(s.srv.now(), zone),
	}
}

func (p *replay) add(page []Message) {
	for i := range page {
		m := &page[i]
		if p.s.ignores(string(m.Author), 0) {
			continue
		}
		if d := dayOf(m.Time, p.text.Zone); d != p.day {
			p.out = p.text.Append(p.out, wire.Day, m.Time, nil, nil)
			p.day = d
		}
		kind := wire.Kind(m.Kind)
		if m.Kind == KindHole {
			kind = wire.Notice
		}
		p.out = p.text.Append(p.out, kind, m.Time, m.Author, m.Text)
		if len(p.out) >= recallPiece {
			p.flush()
		}
	}
}

func (p *replay) flush() {
	if len(p.out) > 0 {
		p.s.answer(p.out)
	}
	p.out = nil
}

// end shows the rest, and that what comes after it is new.
func (p *replay) end() {
	now := p.s.srv.now()
	if dayOf(now, p.text.Zone) != p.day {
		p.out = p.text.Append(p.out, wire.Day, now, nil, nil)
	}
	p.out = p.text.AppendNotice(p.out, nowLine)
	p.flush()
}

func plural(n uint64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
