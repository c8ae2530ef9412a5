package guess

import "time"

// most is how many entries a generation of a table has at most.
const most = 4096

// table remembers by key what was put last, in two generations. When the young one
// is full or has reached its age it becomes the old one, and what that held is
// forgotten: an entry stays for age at least, if it does not see most others come.
// Keys are hashes, so that no entry is larger for being called something long.
type table[V any] struct {
	age time.Duration

	born       time.Duration // when young began
	young, old map[uint64]V
}

func (t *table[V]) get(key uint64) V {
	if v, ok := t.young[key]; ok {
		return v
	}
	return t.old[key]
}

func (t *table[V]) put(key uint64, v V, now time.Duration) {
	if _, ok := t.young[key]; t.young == nil || !ok && len(t.young) >= most || now-t.born >= t.age {
		t.young, t.old, t.born = make(map[uint64]V), t.young, now
	}
	t.young[key] = v
}
