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
	shared map[string]*shared // by key: names that somebody ignores
	guests uint64
	spare  uint32 // tags given to such names
}

// holder is a session's hold on a name.
type holder struct {
	name    string
	session *session
	tag     uint32 // of what it says
	away    string // why, in its own words; "": it is not
}

// shared is the tag of a name that somebody ignores, for whoever takes it.
type shared struct {
	tag uint32
	by  int // how many ignore it
}

func newDirectory() *directory {
	return &directory{
		byKey: make(map[string]*holder), byName: make(map[string]*holder),
		shared: make(map[string]*shared),
	}
}

// hold enters s as the holder of a name. What it was away for goes on. d.mu is held.
func (d *directory) hold(s *session, present, wanted string) (tag uint32) {
	h := &holder{name: wanted, session: s, tag: s.id}
	if was := d.take(s, present); was != nil {
		h.away = was.away
	}
	if g := d.shared[name.Key(wanted)]; g != nil {
		h.tag = g.tag
	}
	if from := d.byKey[name.Key(wanted)]; from != nil {
		delete(d.byName, from.name)
	}
	d.byKey[name.Key(wanted)], d.byName[wanted] = h, h
	return h.tag
}

// take strikes out s as the holder of a name, and returns its hold, or nil if it
// had none. d.mu is held.
func (d *directory) take(s *session, n string) *holder {
	h := d.byKey[name.Key(n)]
	if h == nil || h.session != s {
		return nil
	}
	delete(d.byKey, name.Key(n))
	delete(d.byName, h.name)
	return h
}

// guest claims the next guest name for s, and returns with it what its messages
// carry from now on.
func (d *directory) guest(s *session) (n string, tag uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		d.guests++
		n := name.Guest(d.guests)
		if _, taken := d.byKey[name.Key(n)]; !taken {
			return n, d.hold(s, "", n)
		}
	}
}

// claim gives s the name wanted in place of its present one, and returns what its
// messages carry from now on. If another session holds it or one that looks like
// it, that one's name is returned.
func (d *directory) claim(s *session, present, wanted string) (tag uint32, taken string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.byKey[name.Key(wanted)]; h != nil && h.session != s {
		return 0, h.name
	}
	return d.hold(s, present, wanted), ""
}

// seize is claim whoever holds the name, who is returned if there is one.
func (d *directory) seize(s *session, present, wanted string) (tag uint32, from *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.byKey[name.Key(wanted)]; h != nil && h.session != s {
		from = h.session
	}
	return d.hold(s, present, wanted), from
}

// release gives up the name that s holds.
func (d *directory) release(s *session, present string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.take(s, present)
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

// ignored returns what the messages of those carry who are meant by a name that
// somebody ignores: of whoever takes it from now on, and of who holds it now, also
// under another name. Each call is followed by one of heeded.
func (d *directory) ignored(n string) (tags []uint32) {
	key := name.Key(n)
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.shared[key]
	if g == nil {
		d.spare++
		g = &shared{tag: tagCrowd - d.spare}
		d.shared[key] = g
	}
	g.by++
	tags = append(tags, g.tag)
	if h := d.byKey[key]; h != nil && h.tag != g.tag {
		tags = append(tags, h.tag)
	}
	return tags
}

// heeded ends ignored, for one who ignored the name with a key.
func (d *directory) heeded(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g := d.shared[key]; g != nil {
		if g.by--; g.by == 0 {
			delete(d.shared, key)
		}
	}
}

// away is why the holder of a name is, or "".
func (d *directory) away(n string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.byKey[name.Key(n)]; h != nil {
		return h.away
	}
	return ""
}

// setAway notes why s, which holds a name, is away.
func (d *directory) setAway(s *session, n, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.byKey[name.Key(n)]; h != nil && h.session == s {
		h.away = why
	}
}
