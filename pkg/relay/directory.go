package relay

import (
	"sync"

	"github.com/chatd/chatd/internal/name"
)

// directory is who is here: names, and the sessions that have them. A name is
// held by one session at a time, and so are all names that look like it.
type directory struct {
	mu     sync.Mutex
	byKey  map[string]*holder
	byName map[string]*holder // the same by the names as written, which are found faster
	guests uint64
}

// holder is a session's hold on a name.
type holder struct {
	name    string
	session *session
}

func newDirectory() *directory {
	return &directory{byKey: make(map[string]*holder), byName: make(map[string]*holder)}
}

// give enters s as the holder of a name. d.mu is held.
func (d *directory) give(n string, s *session) {
	h := &holder{n, s}
	d.byKey[name.Key(n)], d.byName[n] = h, h
}

// take strikes out the holder of a name, if that is s. d.mu is held.
func (d *directory) take(n string, s *session) {
	if h := d.byKey[name.Key(n)]; h != nil && h.session == s {
		delete(d.byKey, name.Key(n))
		delete(d.byName, h.name)
	}
}

// guest claims the next guest name for s.
func (d *directory) guest(s *session) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		d.guests++
		n := name.Guest(d.guests)
		if _, taken := d.byKey[name.Key(n)]; !taken {
			d.give(n, s)
			return n
		}
	}
}

// claim gives s the name wanted in place of its present one. If another session
// holds it or one that looks like it, that one's name is returned.
func (d *directory) claim(s *session, present, wanted string) (taken string, ok bool) {
	key := name.Key(wanted)
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.byKey[key]; h != nil && h.session != s {
		return h.name, false
	}
	d.take(present, s)
	d.give(wanted, s)
	return "", true
}

// release gives up the name that s holds.
func (d *directory) release(s *session, present string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.take(present, s)
}

// find returns the session with the given name, or nil, and the name as its
// holder writes it.
func (d *directory) find(n string) (*session, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.byName[n]
	if h == nil {
		h = d.byKey[name.Key(n)]
	}
	if h == nil {
		return nil, ""
	}
	return h.session, h.name
}

// free tells whether nobody holds n.
func (d *directory) free(n string) bool {
	s, _ := d.find(n)
	return s == nil
}
