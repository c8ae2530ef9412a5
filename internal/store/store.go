package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/chatd/chatd/pkg/relay"
)

const (
	// writerBusy is how long the writer waits while another program has locked the
	// database. It is longer than stallAfter, so that what a short lock holds up is
	// kept after all.
	writerBusy = 10 * time.Second
	// closePatience is how long Close waits for a disk that does not answer.
	closePatience = 10 * time.Second
	// sweepEvery is how often messages that need not be kept are looked for.
	sweepEvery = time.Minute
)

// Options is what Open can be told. The zero value keeps everything.
type Options struct {
	Keep   relay.Keep
	Logger *zerolog.Logger // nil: nothing is logged
}

// Store is a relay.Journal and a relay.Registry in a folder.
type Store struct {
	// Set by Open.
	dir   string
	keep  relay.Keep
	log   zerolog.Logger
	lock  *os.File
	epoch uint64
	pool  *sql.DB // the writer's, of one connection
	w     *writer // used by the goroutine of q alone
	q     *queue
	r     *Reader

	stopSweeps context.CancelFunc
	sweeps     sync.WaitGroup
}

var (
	_ relay.Journal  = (*Store)(nil)
	_ relay.Registry = (*Store)(nil)
)

// Open opens the history in a folder, or begins one; a folder that is not there is
// made. Nobody else may have it open for writing until Close. An error is a
// sentence that says what is wrong and what to do.
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	return open(ctx, dir, o, formats())
}

func open(ctx context.Context, dir string, o Options, formats []string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, folderError(dir, err)
	}
	s := &Store{dir: dir, keep: o.Keep, log: zerolog.Nop(), q: newQueue()}
	if o.Logger != nil {
		s.log = o.Logger.With().Str("history", dir).Logger()
	}
	if s.lock, err = prepare(dir); err != nil {
		return nil, err
	}
	if err := s.open(ctx, formats); err != nil {
		s.release()
		return nil, err
	}
	s.begin()
	return s, nil
}

// open opens the database, brings it up to date and begins an epoch.
func (s *Store) open(ctx context.Context, formats []string) error {
	from, err := s.look(ctx, len(formats))
	if err != nil {
		return err
	}
	if err := s.connect(ctx); err != nil {
		return openError(s.dir, err)
	}
	db := s.w.db
	if err := migrate(ctx, db, from, formats); err != nil {
		return openError(s.dir, err)
	}
	e, err := beginEpoch(ctx, db, time.Now())
	if err != nil {
		return openError(s.dir, err)
	}
	if err = s.load(ctx, e); err != nil && !e.unclean {
		_ = endEpoch(db, time.Now()) // nothing was said in it; after an unclean end, the next start looks again
	}
	return err
}

// load reads what is kept in memory.
func (s *Store) load(ctx context.Context, e epoch) error {
	var err error
	if s.r, err = newReader(s.dir); err != nil {
		return openError(s.dir, err)
	}
	if e.unclean {
		s.log.Warn().Msg("chatd ended without closing its history; the last messages may be missing")
		if err := s.r.check(ctx); err != nil {
			return err
		}
	}
	if err := s.cutAgain(ctx); err != nil {
		return openError(s.dir, err)
	}
	if err := s.w.prepare(ctx, e.epoch); err != nil {
		return openError(s.dir, err)
	}
	s.epoch, s.q.floor = e.epoch, e.floor
	if err := s.loadRooms(ctx); err != nil {
		return openError(s.dir, err)
	}
	return nil
}

// look returns the format of the database, without changing it.
func (s *Store) look(ctx context.Context, known int) (int, error) {
	r, err := newReader(s.dir)
	if err != nil {
		return 0, openError(s.dir, err)
	}
	defer r.Close()
	return format(ctx, r.db, s.dir, known)
}

// connect opens the writer's connection.
func (s *Store) connect(ctx context.Context) error {
	var err error
	s.pool, err = sql.Open("sqlite", dsn(s.dir, "rw",
		fmt.Sprintf("busy_timeout(%d)", writerBusy.Milliseconds()),
		"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "secure_delete(1)", "temp_store(MEMORY)"))
	if err != nil {
		return err
	}
	s.pool.SetMaxOpenConns(1)
	db, err := s.pool.Conn(ctx)
	if err != nil {
		return err
	}
	s.w = &writer{db: db}
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if !strings.EqualFold(mode, "wal") {
		return errors.New("its disk has no memory that processes share; name a folder on a local disk")
	}
	return nil
}

func (s *Store) loadRooms(ctx context.Context) error {
	return each(ctx, s.w.db, func(scan scanner) error {
		r := new(room)
		err := scan(&r.id, &r.name, &r.last, &r.first)
		s.q.rooms[r.name] = r
		s.q.nextID = max(s.q.nextID, r.id+1)
		return err
	}, "SELECT id, name, last, coalesce((SELECT min(seq) FROM messages WHERE room = rooms.id), 0) FROM rooms")
}

// begin starts the writer and the sweeps.
func (s *Store) begin() {
	s.q.save, s.q.mark = s.w.save, s.w.mark
	s.q.reason = func(err error) string { return reasonFor(s.dir, err) }
	s.q.failed = s.complain()
	go s.q.run()

	var ctx context.Context
	ctx, s.stopSweeps = context.WithCancel(context.Background())
	if s.keep != (relay.Keep{}) {
		s.sweeps.Go(func() { s.sweepAlways(ctx) })
	}
}

// complain returns what logs that commits fail: once, and once a minute while they
// go on failing for the same reason.
func (s *Store) complain() func(error) {
	var last string
	var at time.Time
	return func(err error) {
		if text := err.Error(); text != last || time.Since(at) >= time.Minute {
			last, at = text, time.Now()
			s.log.Error().Err(err).Msg("messages cannot be saved")
		}
	}
}

// Close implements relay.Journal. It waits 10 s for a disk that does not answer.
func (s *Store) Close() error {
	s.stopSweeps()
	s.sweeps.Wait()
	switch err := s.q.close(closePatience); {
	case errors.Is(err, errStuck):
		// The writer may still come back. The lock stays until the process ends.
		return fmt.Errorf("history: %w", err)
	case err != nil:
		s.release()
		return fmt.Errorf("history: messages are missing, %w", err)
	}
	if err := endEpoch(s.w.db, time.Now()); err != nil {
		s.release()
		return openError(s.dir, err)
	}
	return s.release()
}

// release gives everything back: the readers first, so that the writer's end tidies
// up the files.
func (s *Store) release() error {
	var errs []error
	if s.r != nil {
		errs = append(errs, s.r.Close())
	}
	if s.w != nil {
		errs = append(errs, s.w.close())
	}
	if s.pool != nil {
		errs = append(errs, s.pool.Close())
	}
	s.lock.Truncate(0)
	return errors.Join(append(errs, s.lock.Close())...)
}

// Epoch implements relay.Journal.
func (s *Store) Epoch() uint64 { return s.epoch }

// Last implements relay.Journal, but for a room where nothing was said: after an
// end without Close, such a room goes on from the number that no message of any
// room that was lost can have had.
func (s *Store) Last(room string) uint64 {
	last, _ := s.q.number(room)
	return last
}

// First implements relay.Journal.
func (s *Store) First(room string) uint64 {
	_, first := s.q.number(room)
	return first
}

// Append implements relay.Journal. It allocates nothing; what it copies goes into
// memory of messages that are kept by now.
func (s *Store) Append(m *relay.Message, stored func(error)) { s.q.append(m, stored) }

// Backlog implements relay.Journal.
func (s *Store) Backlog() float64 { return s.q.backlog() }

// Watch implements relay.Journal.
func (s *Store) Watch(f func(relay.Saving)) {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	s.q.watcher = f
}

// Sync implements relay.Journal.
func (s *Store) Sync(ctx context.Context) error { return s.q.sync(ctx) }

// Before implements relay.Journal.
func (s *Store) Before(ctx context.Context, room string, seq uint64, n int) ([]relay.Message, error) {
	if err := s.q.settle(ctx); err != nil {
		return nil, err
	}
	return s.r.Before(ctx, room, seq, n)
}

// From implements relay.Journal.
func (s *Store) From(ctx context.Context, room string, seq uint64, n int) ([]relay.Message, error) {
	if err := s.q.settle(ctx); err != nil {
		return nil, err
	}
	return s.r.From(ctx, room, seq, n)
}

// Since implements relay.Journal. If the clock was put back, it is one of the
// entries that were said later than the one before them, and there are several.
func (s *Store) Since(ctx context.Context, room string, at int64) (uint64, error) {
	if err := s.q.settle(ctx); err != nil {
		return 0, err
	}
	seq, ok, err := s.r.since(ctx, room, at)
	if err != nil || ok {
		return seq, err
	}
	return s.Last(room) + 1, nil
}

// Search implements relay.Journal. Of what is looked for, 64 words count.
func (s *Store) Search(ctx context.Context, room, words string, seq uint64, n int) ([]relay.Message, error) {
	if err := s.q.settle(ctx); err != nil {
		return nil, err
	}
	return s.r.Search(ctx, room, words, seq, n)
}

// Ended implements relay.Journal. It knows the last 32 epochs.
func (s *Store) Ended(ctx context.Context, room string, epoch uint64) (uint64, bool, error) {
	if err := s.q.settle(ctx); err != nil {
		return 0, false, err
	}
	return s.r.ended(ctx, room, epoch)
}

// Rooms implements relay.Journal.
func (s *Store) Rooms(ctx context.Context) ([]relay.Kept, error) {
	if err := s.q.settle(ctx); err != nil {
		return nil, err
	}
	return s.r.Rooms(ctx)
}
