package feed

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
)

// chat is a ring whose records show in a stream what they are, so that a stream
// can be checked line by line.
type chat struct {
	ring    *Ring
	all     []said
	formats []*Format
}

// mute is a tag whose records chat's second format does not show.
const mute = 7

func newChat(id int, limits Limits) *chat {
	c := &chat{ring: NewRing(Place{Seq: 10}, limits, nil)}
	for f := range 2 {
		c.formats = append(c.formats, &Format{
			Render: func(dst []byte, r *Record) []byte {
				if f == 1 && r.Tag == mute {
					return dst
				}
				return append(append(fmt.Appendf(dst, "m %d %d %d ", id, f, r.Index), r.Text...), '\n')
			},
			Gap: func(dst []byte, g Gap) []byte {
				return fmt.Appendf(dst, "g %d %d %d %d %d\n", id, f, g.Missing, g.First, g.Last)
			},
		})
	}
	return c
}

func (c *chat) append(seq uint64, tag uint32, size int) {
	r := said{Index: uint64(len(c.all)), Tag: tag, Text: strings.Repeat("x", size)}
	if n := len(c.all); n > 0 {
		r.Ordinal = c.all[n-1].Ordinal
	}
	if seq != 0 {
		r.Ordinal++
		r.Seq = seq
	}
	c.ring.Append(&Record{Seq: seq, Tag: tag, Text: []byte(r.Text)})
	c.all = append(c.all, r)
}

// never is when something happens that does not.
const never = math.MaxUint64

// follower is what a checker knows of an outlet's place in a ring. Times are
// counted in what the outlet was told, one after the other.
type follower struct {
	at, until uint64
	leaveOut  []uint32
	masks     []mask // what was left out from places on, each in the place of what was before
	format    int
	gapped    bool // since the last record shown
	begun     bool // something was shown

	order  uint64 // the outlet's number for it
	since  uint64 // when it was followed
	ending uint64 // when it was unfollowed
	lines  int    // private lines that were posted before
}

// newFollower is one that has read what lies before at and goes on for ever.
func newFollower(at uint64) *follower { return &follower{at: at, until: never, ending: never} }

// hides tells that f's reader is not to see r.
func (f *follower) hides(r *said) bool {
	hidden := slices.Contains(f.leaveOut, r.Tag)
	for _, m := range f.masks {
		now := slices.Contains(m.leaveOut, r.Tag)
		hidden = now || hidden && r.Index < m.from
	}
	return hidden || f.format == 1 && r.Tag == mute
}

// private is a private line and what it waits for.
type private struct {
	text  string
	ring  int
	after uint64 // records that come first, though not all of them may be there
	there uint64 // those of them that were there when it was posted
	time  uint64 // when it was posted; what was followed later it does not wait for
	begun int    // lines of the stream, when it was posted
}

// checker reads an outlet's stream and knows what must stand in it.
type checker struct {
	chats []*chat
	// following are the places in each ring. A second one begins where the first
	// has ended.
	following [][]*follower
	posts     []private // accepted, not seen yet
	seen      int       // private lines
	lines     int       // whole ones, of any kind
	rest      []byte    // a begun line
	gaps      int
}

// skip moves f to the record to and fails if one on the way should have been shown.
func (k *checker) skip(id int, f *follower, to uint64) error {
	c := k.chats[id]
	for ; f.at < to; f.at++ {
		r := &c.all[f.at]
		lost := r.Seq == 0 && (f.gapped || r.Index < c.ring.Feed(c.formats[f.format]).Tail().Index)
		if !f.hides(r) && !lost {
			return fmt.Errorf("ring %d: record %d (seq %d, tag %d) is missing before %d", id, r.Index, r.Seq, r.Tag, to)
		}
	}
	return nil
}

// reader returns the follower of a ring that shows something next: the first one
// that may, when those before it have come to their end.
func (k *checker) reader(id int, may func(*follower) bool) (*follower, error) {
	for len(k.following[id]) > 1 && !may(k.following[id][0]) {
		if err := k.skip(id, k.following[id][0], k.following[id][0].until); err != nil {
			return nil, err
		}
		k.following[id] = k.following[id][1:]
	}
	if len(k.following[id]) == 0 {
		return nil, fmt.Errorf("ring %d is not followed and something is shown of it", id)
	}
	f := k.following[id][0]
	return f, k.begin(id, f)
}

// begin fails if something was to come before anything that f shows.
func (k *checker) begin(id int, f *follower) error {
	if f.begun {
		return nil
	}
	f.begun = true
	if k.seen < f.lines {
		return fmt.Errorf("ring %d is begun after %d private lines, %d were posted before", id, k.seen, f.lines)
	}
	for other, fs := range k.following {
		for _, e := range fs {
			if e.ending > f.since {
				continue
			}
			if err := k.skip(other, e, e.until); err != nil {
				return fmt.Errorf("ring %d is begun before the end of another: %w", id, err)
			}
		}
	}
	return nil
}

// feed takes bytes of the stream.
func (k *checker) feed(p []byte) error {
	k.rest = append(k.rest, p...)
	for {
		i := bytes.IndexByte(k.rest, '\n')
		if i < 0 {
			return nil
		}
		if err := k.line(string(k.rest[:i+1])); err != nil {
			return err
		}
		k.rest, k.lines = k.rest[i+1:], k.lines+1
	}
}

func (k *checker) line(line string) error {
	if strings.HasPrefix(line, "p ") {
		return k.private(line)
	}
	var id, format int
	var g Gap
	if n, _ := fmt.Sscanf(line, "g %d %d %d %d %d\n", &id, &format, &g.Missing, &g.First, &g.Last); n == 5 {
		return k.gap(id, format, g)
	}
	var index uint64
	if n, _ := fmt.Sscanf(line, "m %d %d %d", &id, &format, &index); n != 3 {
		return fmt.Errorf("not a whole line: %.80q", line)
	}
	c := k.chats[id]
	if index >= uint64(len(c.all)) {
		return fmt.Errorf("ring %d has no record %d", id, index)
	}
	if want := fmt.Sprintf("m %d %d %d %s\n", id, format, index, c.all[index].Text); line != want {
		return fmt.Errorf("%.80q is not %.80q", line, want)
	}
	return k.record(id, format, &c.all[index])
}

func (k *checker) private(line string) error {
	if len(k.posts) == 0 || k.posts[0].text != line {
		return fmt.Errorf("private line %.40q is not the next one", line)
	}
	p := k.posts[0]
	k.posts, k.seen = k.posts[1:], k.seen+1
	for _, f := range k.following[p.ring] {
		if f.since > p.time {
			continue
		}
		if err := k.skip(p.ring, f, min(p.there, f.until)); err != nil {
			return fmt.Errorf("%.40q is early: %w", line, err)
		}
	}
	return nil
}

func (k *checker) record(id, format int, r *said) error {
	f, err := k.reader(id, func(f *follower) bool {
		return f.at <= r.Index && r.Index < f.until && f.format == format && !f.hides(r)
	})
	switch {
	case err != nil:
		return err
	case format != f.format:
		return fmt.Errorf("ring %d: record %d is in format %d, not %d", id, r.Index, format, f.format)
	case r.Index < f.at:
		return fmt.Errorf("ring %d: record %d is shown again or late, %d was due", id, r.Index, f.at)
	case r.Index >= f.until:
		return fmt.Errorf("ring %d: record %d is shown, the end was %d", id, r.Index, f.until)
	case f.hides(r):
		return fmt.Errorf("ring %d: record %d has tag %d and is shown", id, r.Index, r.Tag)
	}
	if err := k.late(id, f, r.Index); err != nil {
		return err
	}
	if err := k.skip(id, f, r.Index); err != nil {
		return err
	}
	f.at, f.gapped = r.Index+1, false
	return nil
}

// late fails if a private line should have come before the record that f shows.
func (k *checker) late(id int, f *follower, index uint64) error {
	if len(k.posts) == 0 || k.lines < k.posts[0].begun {
		return nil
	}
	if p := k.posts[0]; p.ring == id && f.since <= p.time && f.at < p.after && p.after <= index {
		return fmt.Errorf("ring %d: record %d is shown before %.40q, which waits for %d", id, index, p.text, p.after)
	}
	return nil
}

func (k *checker) gap(id, format int, g Gap) error {
	k.gaps++
	c := k.chats[id]
	if g.Missing == 0 || g.First > g.Last {
		return fmt.Errorf("ring %d: gap %+v", id, g)
	}
	var n, first, after uint64
	for i := range c.all {
		if seq := c.all[i].Seq; seq >= g.First && seq <= g.Last {
			if n++; n == 1 {
				first = uint64(i)
			}
			after = uint64(i) + 1
		}
	}
	if n != g.Missing {
		return fmt.Errorf("ring %d: %d are said to be missing within #%d–#%d, where there are %d", id, g.Missing, g.First, g.Last, n)
	}
	f, err := k.reader(id, func(f *follower) bool {
		return f.at <= first && after <= f.until && f.format == format
	})
	switch {
	case err != nil:
		return err
	case f.format != format:
		return fmt.Errorf("ring %d: a gap is told in format %d, not %d", id, format, f.format)
	case after > f.until:
		return fmt.Errorf("ring %d: record %d counts as missing, the end was %d", id, after-1, f.until)
	case f.at > first:
		return fmt.Errorf("ring %d: record %d counts as missing and was shown", id, first)
	}
	f.gapped = true
	if err := k.skip(id, f, first); err != nil {
		return err
	}
	f.at = after
	return nil
}

// done fails if something is due that was not seen.
func (k *checker) done() error {
	if len(k.posts) > 0 {
		return fmt.Errorf("%d private lines were not written, the first is %.40q", len(k.posts), k.posts[0].text)
	}
	if len(k.rest) > 0 {
		return fmt.Errorf("a line was begun and not ended: %.80q", k.rest)
	}
	for id, c := range k.chats {
		for _, f := range k.following[id] {
			if err := k.skip(id, f, min(f.until, uint64(len(c.all)))); err != nil {
				return err
			}
		}
	}
	return nil
}
