package relay

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/sock"
)

const (
	// sessionsMost is how many connections /sessions lists.
	sessionsMost = 1000
	// pausedLeast is how long one must not have read to be shown as paused: where
	// writing can only wait, as in TLS, a write is always under way for a moment.
	pausedLeast = time.Second
)

// listSessions lists the connections there are, or those that a name, a number, an
// address or a room stands for, in pace with the reader. Meanwhile the session takes no
// input. The list is of one moment, but who ends while it is read is left out.
func (s *session) listSessions(args string) error {
	if strings.Contains(args, " ") {
		return errUsage
	}
	r := s.roll()
	all := slices.DeleteFunc(s.srv.snapshot(), func(o *session) bool { return o.why.Load() != nil })
	slices.SortFunc(all, func(a, b *session) int { return cmp.Compare(a.id, b.id) })
	total := len(all)
	if args != "" {
		all = slices.DeleteFunc(all, r.others(args))
	}
	switch {
	case len(all) == 0:
		return advise("no connection has that name, number or address, or is in that room")
	case args == "":
		s.tell(plural(uint64(total), "connection") + ":")
	default:
		s.tell(fmt.Sprintf("%d of %s:", len(all), plural(uint64(total), "connection")))
	}
	var out []byte
	for _, o := range all[:min(len(all), sessionsMost)] {
		if s.why.Load() != nil {
			return nil
		}
		if o.why.Load() == nil {
			out = append(out, s.reply(r.line(o))...)
		}
		if len(out) >= recallPiece {
			s.answer(out)
			out = nil
		}
	}
	if more := len(all) - sessionsMost; more > 0 {
		out = append(out, s.reply(fmt.Sprintf("… and %d more; /sessions NAME, ADDRESS or ROOM shows fewer", more))...)
	}
	if len(out) > 0 {
		s.answer(out)
	}
	return nil
}

// roll is who is where, at one moment.
type roll struct {
	asks   *session
	names  map[*session]string
	seats  map[*session][]seatIn
	prober sock.Prober
}

// seatIn is a session's place in a room.
type seatIn struct {
	room  roomKey
	known bool // others know of it
}

// roll asks every broadcaster who is in its room.
func (s *session) roll() *roll {
	r := &roll{asks: s, names: s.srv.names.all(), seats: make(map[*session][]seatIn)}
	s.srv.mu.Lock()
	rooms := make([]*room, 0, len(s.srv.rooms))
	for _, room := range s.srv.rooms {
		room.holders++
		rooms = append(rooms, room)
	}
	s.srv.mu.Unlock()
	slices.SortFunc(rooms, func(a, b *room) int { return cmp.Compare(a.key.name, b.key.name) })
	for _, room := range rooms {
		r.ask(room)
		s.srv.release(room)
	}
	return r
}

func (r *roll) ask(room *room) {
	type seat struct {
		s     *session
		known bool
	}
	var there []seat
	if !room.call(r.asks.done, func() {
		there = make([]seat, 0, len(room.members))
		for _, m := range room.members {
			there = append(there, seat{m.session, m.name != ""})
		}
	}) {
		return // there may still be written
	}
	for _, t := range there {
		r.seats[t.s] = append(r.seats[t.s], seatIn{room.key, t.known})
	}
}

// others tells which sessions a word does not stand for. It may stand for a name and for
// a room at once.
func (r *roll) others(word string) func(*session) bool {
	number, network := "", exactly(word)
	if digits, ok := strings.CutPrefix(word, "#"); ok {
		number = digits
	}
	named, _ := r.asks.srv.names.find(word)
	rooms := make(map[roomKey]bool) // looked at, and whether it is meant
	return func(o *session) bool {
		if o == named || number != "" && number == fmt.Sprint(o.id) || network.IsValid() && network.Contains(o.ip()) {
			return false
		}
		return !slices.ContainsFunc(r.seats[o], func(at seatIn) bool {
			meant, known := rooms[at.room]
			if !known {
				meant = sameRoom(at.room.name, word)
				rooms[at.room] = meant
			}
			return meant
		})
	}
}

// exactly is the network that is written as ADDRESS/BITS, or the one address.
func exactly(text string) netip.Prefix {
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen())
	}
	return networkOf(text)
}

// line describes a session.
func (r *roll) line(o *session) string {
	now := r.asks.srv.uptime()
	parts := []string{fmt.Sprintf("#%d %s%s", o.id, r.names[o], r.how(o)), r.where(o), "since " + r.asks.moment(o.began)}
	idle := time.Duration(now - o.heard.Load())
	parts = append(parts, "idle "+brief(idle))
	if since := o.out.Parked(); !since.IsZero() && time.Since(since) >= pausedLeast {
		text := "paused for " + brief(time.Since(since))
		if h, ok := r.prober.Probe(o.conn); ok && h.Unsent > 0 {
			text += fmt.Sprintf(" with %d bytes unread", h.Unsent)
		}
		parts = append(parts, text)
	}
	if n := o.out.Skipped(); n > 0 {
		parts = append(parts, plural(n, "message")+" skipped")
	}
	if o.operator() {
		parts = append(parts, "operator")
	}
	if o == r.asks {
		parts = append(parts, "you")
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}

// how is what a session comes over, and from where.
func (r *roll) how(o *session) string {
	text := o.conn.Transport()
	switch format(o.format.Load()) {
	case formatJSON:
		text += " json"
	case formatFrames:
		text += " websocket"
	case formatRaw:
		text += " raw"
	}
	if ip := o.ip(); ip.IsValid() {
		text += " " + ip.String()
	}
	if r.names[o] != "" {
		text = " (" + text + ")"
	}
	return text
}

// where is which rooms a session is in, and whether others know of it.
func (r *roll) where(o *session) string {
	if o.window.Load() == o {
		return "a reading window"
	}
	seats := r.seats[o]
	if len(seats) == 0 {
		return "in no room"
	}
	var rooms []string
	known := false
	for _, at := range seats {
		rooms = append(rooms, at.room.name)
		known = known || at.known || at.room.raw
	}
	text := "in " + strings.Join(rooms, " and ")
	if !known {
		text = "listening " + text
	}
	return text
}

// all are the names there are, each by the session that has it.
func (d *directory) all() map[*session]string {
	type held struct {
		by   *session
		name string
	}
	d.mu.Lock()
	list := make([]held, 0, len(d.byKey))
	for _, h := range d.byKey {
		list = append(list, held{h.session, h.name})
	}
	d.mu.Unlock()
	names := make(map[*session]string, len(list)) // which takes longer
	for _, h := range list {
		names[h.by] = h.name
	}
	return names
}

// of is the name that a session holds, or "".
func (d *directory) of(s *session) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.byKey {
		if h.session == s {
			return h.name
		}
	}
	return ""
}

// brief is a length of time in as few characters as say enough.
func brief(d time.Duration) string {
	for _, u := range []struct {
		from, of time.Duration
		name     string
	}{{48 * time.Hour, 24 * time.Hour, "d"}, {2 * time.Hour, time.Hour, "h"}, {2 * time.Minute, time.Minute, "m"}} {
		if d >= u.from {
			return fmt.Sprintf("%d%s", d/u.of, u.name)
		}
	}
	return fmt.Sprintf("%ds", max(d, 0)/time.Second)
}
