package relay

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/guess"
	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/passwd"
	"github.com/chatd/chatd/internal/sock"
)

// ErrServerClosed is what Serve returns after Shutdown or Close.
var ErrServerClosed = errors.New("relay: server closed")

// Server is a chat relay. New makes one; its methods may be called by any
// goroutine.
type Server struct {
	// Set by New.
	began     time.Time
	clock     func() time.Time                       // time.Now; tests set it back and forth
	peer      func(*sock.Conn) (uid uint32, ok bool) // peerUser; in tests nobody
	code      func() string                          // newCode; in tests one that is known before
	cfg       Config
	log       zerolog.Logger
	commands  []command
	names     *directory
	journal   Journal
	memory    *Memory // the journal, if it is our own
	registry  Registry
	accounts  *accounts
	hasher    *passwd.Hasher
	guesses   *guess.Limiter
	chosen    *guess.Limiter // of passwords that are to be kept
	saving    saving
	sanctions *sanctions
	tickets   *tickets
	pairs     pairs
	shut      atomic.Bool     // newcomers are turned away
	operators map[string]bool // by key of the account
	files     int             // that the process may have open
	lingers   chan struct{}   // a place for each connection that lingers
	searching chan struct{}   // a place for one who searches
	pending   chan struct{}   // a place for each connection not yet greeted, and for each accept loop; nil: no limit
	waiting   atomic.Int64    // accept loops that wait for a connection
	life      context.Context
	kill      context.CancelFunc // ends what still waits, without ceremony
	killed    <-chan struct{}

	budget   feed.Budget
	messages atomic.Uint64
	accepted atomic.Uint64
	refused  atomic.Uint64
	stats

	// Which room's broadcaster was awake last, and when last another one was.
	lastAwake  atomic.Uint32
	lastChange atomic.Int64 // uptime
	pauses     pauses

	relieved atomic.Int64 // uptime of the last call for memory
	expired  time.Time    // when sanctions that are over were last looked for; the reaper's

	// Newcomers turned away since the last line about them in the log, and when
	// that was, as uptime.
	turnedAway     atomic.Uint64
	turnedAwayTold atomic.Int64

	handshakes handshakes

	running sync.WaitGroup // broadcasters and the reaper

	mu        sync.Mutex
	closed    bool
	rooms     map[roomKey]*room
	catalog   catalog
	lastRoom  uint32
	lastID    uint32
	sessions  []*session
	perAddr   map[netip.Prefix]int
	listeners map[*listener]struct{}
	paused    chan struct{} // closed on resuming; nil: accepting
	strangers list.List     // sessions that have not spoken yet, the oldest first
	evicted   int           // sessions that have to make room, and have not ended yet
	windows   int           // sessions that are reading windows
	reaping   bool          // the reaper runs
	empty     chan struct{} // closed when the last session has ended; nil: nobody waits
}

// New returns a Server that behaves as cfg says. It does nothing until Serve or
// ServeConn.
func New(cfg Config) *Server {
	cfg = cfg.withDefaults()
	s := &Server{
		began:     time.Now(),
		clock:     time.Now,
		peer:      peerUser,
		code:      newCode,
		cfg:       cfg,
		log:       *cfg.Logger,
		names:     newDirectory(),
		hasher:    passwd.New(),
		guesses:   guess.New(),
		chosen:    guess.New(),
		lingers:   make(chan struct{}, lingersMost),
		searching: make(chan struct{}, 1),
		files:     descriptorLimit(),
		rooms:     make(map[roomKey]*room),
		catalog:   newCatalog(),
		perAddr:   make(map[netip.Prefix]int),
		listeners: make(map[*listener]struct{}),
	}
	s.stats.init()
	s.commands = commandTable()
	s.remember()
	s.budget.Limit = cfg.LogMemory
	if cfg.MaxPending > 0 {
		s.pending = make(chan struct{}, cfg.MaxPending)
	}
	s.life, s.kill = context.WithCancel(context.Background())
	s.killed = s.life.Done()
	return s
}

// remember takes over what is kept from earlier times.
func (s *Server) remember() {
	s.journal, s.registry = s.cfg.Journal, s.cfg.Registry
	memory := NewMemory(s.cfg.Keep)
	if s.journal == nil {
		s.journal, s.memory = memory, memory
	}
	if s.registry == nil {
		s.registry = memory
	}
	s.journal.Watch(s.watch)
	s.accounts = newAccounts(s.cfg.State.Accounts)
	s.sanctions = newSanctions(s.cfg.State.Sanctions)
	s.tickets = newTickets(s, s.cfg.State.Tickets)
	for _, k := range s.cfg.State.Kept {
		s.catalog.learn(RoomState{Name: k.Room}, k.Spoken)
	}
	for _, r := range s.cfg.State.Rooms {
		s.catalog.learn(r, 0)
	}
	if l := s.catalog.find(s.cfg.Room); l != nil {
		s.cfg.Room = l.Name
	}
	s.operators = make(map[string]bool)
	for _, n := range s.cfg.Operators {
		s.operators[name.Key(n)] = true
	}
}

const (
	// lingersMost is how many ended connections at once are kept until the peer
	// closes too; beyond it they are closed at once.
	lingersMost = 256
	// filesKept is how many descriptors they leave to everything else.
	filesKept = 32
)

// linger closes c, which nobody else may be reading, so that its last words can
// be read. What may take a second is done by a function that run is given.
func (s *Server) linger(c *sock.Conn, run func(func())) {
	select {
	case s.lingers <- struct{}{}:
		s.mu.Lock()
		room := s.files - filesKept - len(s.sessions) - len(s.lingers)
		s.mu.Unlock()
		if room >= 0 {
			run(func() {
				defer func() { <-s.lingers }()
				c.Linger()
			})
			return
		}
		<-s.lingers
	default:
	}
	c.Discard()
	_ = c.Close()
}

// inline is a run for linger.
func inline(do func()) { do() }

// hold returns the room with the given key, and begins it if it is not there. Of two
// names that look alike there is one room, with the name that was there first. The
// caller must release it.
func (s *Server) hold(key roomKey) *room {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !key.raw {
		key.name = s.catalog.open(key.name).Name
	}
	r := s.rooms[key]
	if r == nil {
		s.lastRoom++
		r = newRoom(s, s.lastRoom, key)
		s.rooms[key] = r
		s.running.Go(r.run)
	}
	r.holders++
	return r
}

// release gives back a room. The last one to do so ends it.
func (s *Server) release(r *room) {
	// The journal may be telling us something just now, and wait for mu.
	kept := !r.key.raw && s.journal.First(r.key.name) <= s.journal.Last(r.key.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.holders--; r.holders > 0 {
		return
	}
	if s.rooms[r.key] == r {
		delete(s.rooms, r.key)
		if !r.key.raw {
			s.catalog.close(r.key.name, kept, r.spoken.Load())
		}
	}
	close(r.stop)
	select {
	case <-r.done: // it has failed
		r.discard()
	default:
	}
}

// abandon makes room for a new one in the place of one that has failed.
func (s *Server) abandon(r *room) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms[r.key] == r {
		delete(s.rooms, r.key)
	}
}

// beside is how long after another room was busy a sweep still goes in slices.
const beside = time.Second

// awake notes that a room's broadcaster has work.
func (s *Server) awake(r *room) {
	if s.lastAwake.Load() != r.id && s.lastAwake.Swap(r.id) != r.id {
		s.lastChange.Store(s.uptime())
	}
}

// beside tells whether other rooms are busy.
func (s *Server) beside(*room) bool {
	return s.uptime()-s.lastChange.Load() < int64(beside)
}

// relievePause is how long at least lies between two calls for memory.
const relievePause = 10 * time.Millisecond

// relieve gives memory back when all feeds together hold too much: the rooms that
// have been quiet for longest drop what they can do without, and so does the room
// that asks if there is no other. Only r's broadcaster may call it.
func (s *Server) relieve(r *room) {
	now := s.uptime()
	if last := s.relieved.Load(); now-last < int64(relievePause) || !s.relieved.CompareAndSwap(last, now) {
		return
	}
	s.mu.Lock()
	others := make([]*room, 0, len(s.rooms))
	for _, o := range s.rooms {
		if o != r && o.held.Load() > relieveWorth {
			others = append(others, o)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(others, func(a, b *room) int { return cmp.Compare(a.said.Load(), b.said.Load()) })
	over := s.budget.Used() - s.budget.Limit
	for _, o := range others {
		if over <= 0 {
			return
		}
		over -= o.held.Load()
		o.nudge(o.relieve)
	}
	if over > 0 {
		r.relieve()
	}
}

// relieveWorth is how much a room must hold, in bytes, to be asked for some.
const relieveWorth = 64 << 10

// now is the time as messages carry it: nanoseconds since 1970.
func (s *Server) now() int64 { return s.clock().UnixNano() }

// uptime is how long the server has been there, in nanoseconds, by a clock that
// nobody sets.
func (s *Server) uptime() int64 { return int64(time.Since(s.began)) }

// ref is a short random word by which a person and a log line find each other.
func (s *Server) ref() string { return fmt.Sprintf("%04x", rand.Uint32()&0xffff) }

// Counts is how much goes on.
type Counts struct {
	Sessions int    // connections
	People   int    // those of them that have spoken or taken a name, without reading windows
	Rooms    int    // rooms with somebody in them
	Messages uint64 // said since New
	Accepted uint64 // connections since New
	Refused  uint64 // connections turned away since New
	LogBytes int64  // held by all feeds
}

// Counts returns how much goes on now.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := Counts{
		Sessions: len(s.sessions),
		People:   len(s.sessions) - s.strangers.Len() - s.windows,
		Rooms:    len(s.rooms),
		Messages: s.messages.Load(),
		Accepted: s.accepted.Load(),
		Refused:  s.refused.Load(),
		LogBytes: s.budget.Used(),
	}
	return c
}

// Probe sends a message through every broadcaster, one that nobody sees, and
// returns when all have answered. An error names a room that has not, before ctx
// was done: a watchdog should not be fed then.
func (s *Server) Probe(ctx context.Context) error {
	s.mu.Lock()
	rooms := make([]*room, 0, len(s.rooms))
	for _, r := range s.rooms {
		r.holders++
		rooms = append(rooms, r)
	}
	s.mu.Unlock()
	var err error
	for _, r := range rooms {
		if err == nil && !r.call(ctx.Done(), func() {}) && ctx.Err() != nil {
			err = fmt.Errorf("relay: room %q does not answer: %w", r.key.name, context.Cause(ctx))
		}
		s.release(r)
	}
	return err
}

// Shutdown stops accepting, tells everyone, writes what is due and ends every
// connection. When ctx is done it ends what is left at once and returns ctx's
// error. When it returns, every goroutine of the server has ended but those
// inside Serve and ServeConn, which are about to return.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopListening()
	empty := s.endAll(endStopping)
	var err error
	select {
	case <-empty:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	s.kill()
	for _, sess := range s.snapshot() {
		sess.end(endKilled)
		sess.conn.Abort()
	}
	<-empty
	s.running.Wait()
	s.pauses.close()
	if s.memory != nil {
		err = errors.Join(err, s.memory.Close())
	}
	return err
}

// Close is Shutdown without grace.
func (s *Server) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Shutdown(ctx)
	return nil
}

// endAll ends every session and returns a channel that is closed when all have.
func (s *Server) endAll(c *cause) <-chan struct{} {
	s.mu.Lock()
	if s.empty == nil {
		s.empty = make(chan struct{})
		if len(s.sessions) == 0 {
			close(s.empty)
		}
	}
	empty := s.empty
	s.mu.Unlock()
	for _, sess := range s.snapshot() {
		sess.end(c)
	}
	return empty
}

func (s *Server) snapshot() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*session(nil), s.sessions...)
}

// stopListening closes the listeners and lets nobody in any more.
func (s *Server) stopListening() {
	s.mu.Lock()
	s.closed = true
	open := make([]net.Listener, 0, len(s.listeners))
	for l := range s.listeners {
		open = append(open, l.Listener)
	}
	if s.paused != nil {
		close(s.paused)
		s.paused = nil
	}
	s.mu.Unlock()
	for _, l := range open {
		_ = l.Close()
	}
}
