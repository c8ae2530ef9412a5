package relay

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/words"
)

// What a Memory keeps of a room, unless it is told how many messages: one of 419
// bytes on average. Told so, it keeps as many bytes for each.
const (
	memoryMessages = 10_000
	memoryBytes    = 4 << 20
)

// memorySweep is how often messages that are too old are looked for.
const memorySweep = time.Minute

// searchStride is how many messages are looked through before it is asked whether
// anyone still waits.
const searchStride = 512

// errOrder refuses a message that does not come after those before it.
var errOrder = errors.New("not kept: its number is not higher than those before it in the room")

// Memory is a Journal, and a Registry, that ends with the process. A room has the
// newest messages, at most as many as Keep says, or 10,000 or 4 MiB; the oldest
// go some hundreds at a time. A room without messages takes no more than its last
// number.
//
// Its epoch is the time it was made, in microseconds, so that no earlier one was
// the same and a program that counts in doubles can keep it. To append a message
// allocates nothing but, once for many, memory to keep it in.
type Memory struct {
	// Set at the start.
	epoch  uint64
	limits feed.Limits
	age    time.Duration // 0: for ever

	mu     sync.RWMutex
	rooms  map[string]*memoryRoom
	timer  *time.Timer // sweeps; nil until there is something to sweep
	closed bool
}

// memoryRoom is what a Memory has of one room.
type memoryRoom struct {
	name string
	last atomic.Uint64 // the highest number
	ring atomic.Pointer[feed.Ring]

	mu  sync.Mutex  // held to append, and to change the ring for another
	rec feed.Record // what is appended, here so that nothing is allocated for it
}

// NewMemory returns a journal that has nothing yet.
func NewMemory(keep Keep) *Memory {
	limits := feed.Limits{Records: memoryMessages, Bytes: memoryBytes}
	if keep.Count > 0 {
		limits = feed.Limits{Records: keep.Count, Bytes: max(int64(keep.Count)*memoryBytes/memoryMessages, 64<<10)}
	}
	return &Memory{
		epoch: uint64(time.Now().UnixMicro()), limits: limits, age: keep.Age,
		rooms: make(map[string]*memoryRoom),
	}
}

// Epoch implements Journal.
func (m *Memory) Epoch() uint64 { return m.epoch }

// Last implements Journal.
func (m *Memory) Last(room string) uint64 {
	if r := m.room(room); r != nil {
		return r.last.Load()
	}
	return 0
}

// First implements Journal.
func (m *Memory) First(room string) uint64 {
	if ring := m.ring(room); ring != nil {
		for rec := range ring.Records(ring.Tail()) {
			return rec.Seq
		}
	}
	return m.Last(room) + 1
}

// Append implements Journal. It calls stored before it returns: kept for good
// means as long as the process.
func (m *Memory) Append(msg *Message, stored func(error)) {
	r := m.room(msg.Room)
	if r == nil {
		r = m.begin(msg.Room)
	}
	err := r.append(msg, m.limits)
	if stored != nil {
		stored(err)
	}
}

// room returns what there is of a room, nil if nothing was ever said in it.
func (m *Memory) room(name string) *memoryRoom {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.rooms[name]
}

func (m *Memory) begin(name string) *memoryRoom {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rooms[name]
	if r == nil {
		r = &memoryRoom{name: strings.Clone(name)}
		m.rooms[r.name] = r
	}
	if m.age > 0 && m.timer == nil && !m.closed {
		m.timer = time.AfterFunc(m.pause(), m.tick)
	}
	return r
}

func (r *memoryRoom) append(msg *Message, limits feed.Limits) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.last.Load()
	if msg.Seq <= last {
		return errOrder
	}
	ring := r.ring.Load()
	if ring == nil {
		ring = feed.NewRing(feed.Place{Seq: last}, limits, nil)
	}
	r.rec = feed.Record{Seq: msg.Seq, Time: msg.Time, Kind: uint8(msg.Kind), Name: msg.Author, Note: msg.ID, Text: msg.Text}
	ring.Append(&r.rec)
	r.rec = feed.Record{} // the bytes are the caller's
	r.ring.Store(ring)
	r.last.Store(msg.Seq)
	return nil
}

// Backlog implements Journal. Nothing ever waits.
func (m *Memory) Backlog() float64 { return 0 }

// Watch implements Journal. Saving never pauses.
func (m *Memory) Watch(func(Saving)) {}

// Before implements Journal.
func (m *Memory) Before(_ context.Context, room string, seq uint64, n int) ([]Message, error) {
	ring := m.ring(room)
	if ring == nil || n <= 0 {
		return nil, nil
	}
	end := ring.Seek(seq).Index
	return m.collect(room, ring, ring.At(end-min(uint64(n), end)), seq, n), nil
}

// From implements Journal.
func (m *Memory) From(_ context.Context, room string, seq uint64, n int) ([]Message, error) {
	ring := m.ring(room)
	if ring == nil || n <= 0 {
		return nil, nil
	}
	return m.collect(room, ring, ring.Seek(seq), math.MaxUint64, n), nil
}

// ring is what is kept of a room, nil if that is nothing.
func (m *Memory) ring(room string) *feed.Ring {
	if r := m.room(room); r != nil {
		return r.ring.Load()
	}
	return nil
}

// collect copies at most n messages from a place on, with numbers below end.
func (m *Memory) collect(room string, ring *feed.Ring, at feed.Place, end uint64, n int) []Message {
	var list []Message
	for rec := range ring.Records(at) {
		if len(list) == n || rec.Seq >= end {
			break
		}
		list = append(list, m.message(room, rec))
	}
	return list
}

// message copies a record.
func (m *Memory) message(room string, rec *feed.Record) Message {
	b := make([]byte, 0, len(rec.Name)+len(rec.Note)+len(rec.Text))
	b = append(append(append(b, rec.Name...), rec.Note...), rec.Text...)
	author := len(rec.Name)
	id := author + len(rec.Note)
	return Message{
		Room: room, Position: Position{Epoch: m.epoch, Seq: rec.Seq},
		Time: rec.Time, Kind: Kind(rec.Kind), Author: b[:author:author], ID: b[author:id:id], Text: b[id:],
	}
}

// Since implements Journal.
func (m *Memory) Since(_ context.Context, room string, at int64) (uint64, error) {
	if ring := m.ring(room); ring != nil {
		for rec := range ring.Records(ring.Tail()) {
			if rec.Time >= at {
				return rec.Seq, nil
			}
		}
	}
	return m.Last(room) + 1, nil
}

// Search implements Journal. It looks through the room, newest messages first.
func (m *Memory) Search(ctx context.Context, room, looked string, seq uint64, n int) ([]Message, error) {
	ring, query := m.ring(room), words.Parse(looked)
	if ring == nil || n <= 0 || len(query) == 0 {
		return nil, nil
	}
	var found []Message // newest first
	var index []byte
	oldest := ring.Tail().Index
	for end := ring.Seek(seq).Index; end > oldest && len(found) < n; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		begin := end - min(searchStride, end-oldest)
		older := len(found)
		for rec := range ring.Records(ring.At(begin)) {
			if rec.Index >= end {
				break
			}
			if index = words.Append(index[:0], rec.Text); query.Match(index) {
				found = append(found, m.message(room, rec))
			}
		}
		slices.Reverse(found[older:])
		end = begin
		runtime.Gosched() // those who talk come first
	}
	found = found[:min(n, len(found))]
	slices.Reverse(found)
	return found, nil
}

// Ended implements Journal. No epoch but this one is known.
func (m *Memory) Ended(_ context.Context, room string, epoch uint64) (uint64, bool, error) {
	if epoch != m.epoch {
		return 0, false, nil
	}
	return m.Last(room), true, nil
}

// Rooms implements Journal.
func (m *Memory) Rooms(context.Context) ([]Kept, error) {
	var list []Kept
	for _, r := range m.all() {
		ring := r.ring.Load()
		if ring == nil {
			continue
		}
		list = append(list, r.kept(ring))
	}
	slices.SortFunc(list, func(a, b Kept) int { return strings.Compare(a.Room, b.Room) })
	return list, nil
}

func (r *memoryRoom) kept(ring *feed.Ring) Kept {
	k := Kept{Room: r.name}
	for rec := range ring.Records(ring.Back(1)) {
		k.Messages, k.Last, k.Spoken = rec.Index+1, rec.Seq, rec.Time
	}
	for rec := range ring.Records(ring.Tail()) {
		k.Messages -= rec.Index
		k.First = rec.Seq
		break
	}
	return k
}

func (m *Memory) all() []*memoryRoom {
	m.mu.RLock()
	defer m.mu.RUnlock()
	list := make([]*memoryRoom, 0, len(m.rooms))
	for _, r := range m.rooms {
		list = append(list, r)
	}
	return list
}

// Forget implements Journal.
func (m *Memory) Forget(_ context.Context, author string) (int, error) {
	forgotten := 0
	for _, r := range m.all() {
		forgotten += r.drop(m.limits, func(rec *feed.Record) bool {
			return strings.EqualFold(string(rec.Name), author)
		})
	}
	return forgotten, nil
}

// drop takes out of a room what gone says is to go, and returns how much that was.
func (r *memoryRoom) drop(limits feed.Limits, gone func(*feed.Record) bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	ring := r.ring.Load()
	if ring == nil {
		return 0
	}
	dropped := 0
	for rec := range ring.Records(ring.Tail()) {
		if gone(rec) {
			dropped++
		}
	}
	if dropped == 0 {
		return 0
	}
	rest := feed.NewRing(feed.Place{}, limits, nil)
	for rec := range ring.Records(ring.Tail()) {
		if !gone(rec) {
			r.rec = *rec
			rest.Append(&r.rec)
		}
	}
	r.rec = feed.Record{}
	if rest.Head().Index == 0 {
		rest = nil
	}
	r.ring.Store(rest)
	return dropped
}

// Sweep deletes messages that are too old to be kept. It is done by itself once a
// minute.
func (m *Memory) Sweep(context.Context) error {
	if m.age <= 0 {
		return nil
	}
	oldest := time.Now().Add(-m.age).UnixNano()
	for _, r := range m.all() {
		if ring := r.ring.Load(); ring == nil || !begins(ring, oldest) {
			continue
		}
		r.drop(m.limits, func(rec *feed.Record) bool { return rec.Time < oldest })
	}
	return nil
}

// begins tells whether the oldest message of a ring is from before at.
func begins(ring *feed.Ring, at int64) bool {
	for rec := range ring.Records(ring.Tail()) {
		return rec.Time < at
	}
	return false
}

func (m *Memory) tick() {
	m.Sweep(context.Background())
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.timer.Reset(m.pause())
	}
}

// pause is how long it is until the next sweep.
func (m *Memory) pause() time.Duration { return max(min(m.age, memorySweep), time.Second) }

// Sync implements Journal.
func (m *Memory) Sync(context.Context) error { return nil }

// Close implements Journal.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.timer != nil {
		m.timer.Stop()
	}
	m.rooms = nil
	return nil
}

// Load implements Registry: it begins with nothing.
func (m *Memory) Load(context.Context) (State, error) { return State{}, nil }

// The rest of Registry has nothing to do: the server answers from its own memory.

// SaveAccount implements Registry.
func (m *Memory) SaveAccount(context.Context, Account) error { return nil }

// DeleteAccount implements Registry.
func (m *Memory) DeleteAccount(context.Context, string) error { return nil }

// SaveSanction implements Registry.
func (m *Memory) SaveSanction(context.Context, Sanction) error { return nil }

// DeleteSanction implements Registry.
func (m *Memory) DeleteSanction(context.Context, uint64) error { return nil }

// SaveRoom implements Registry.
func (m *Memory) SaveRoom(context.Context, RoomState) error { return nil }

// DeleteRoom implements Registry.
func (m *Memory) DeleteRoom(context.Context, string) error { return nil }

// SaveTicket implements Registry.
func (m *Memory) SaveTicket(context.Context, Ticket) error { return nil }

// DeleteTicket implements Registry.
func (m *Memory) DeleteTicket(context.Context, string) error { return nil }
