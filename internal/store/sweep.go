package store

import (
	"context"
	"math"
	"time"

	"github.com/chatd/chatd/internal/words"
	"github.com/chatd/chatd/pkg/relay"
)

// sweepStep is how many entries one commit deletes: a few milliseconds' work, for
// which the messages of the moment wait.
const sweepStep = 64

// sweepAlways deletes what need not be kept, now and once a minute, until ctx is
// done.
func (s *Store) sweepAlways(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn().Err(err).Msg("old messages cannot be deleted")
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Sweep deletes what Keep does not keep, beginning with the oldest entries of each
// room. It is done by itself once a minute.
func (s *Store) Sweep(ctx context.Context) error {
	oldest := int64(math.MinInt64)
	if s.keep.Age > 0 {
		oldest = time.Now().Add(-s.keep.Age).UnixNano()
	}
	names, err := s.r.overdue(ctx, s.keep.Count, oldest)
	for _, name := range names {
		for more := true; more && err == nil; {
			more, err = ask(ctx, s.q, func() (bool, error) { return s.sweepRoom(name, oldest) })
		}
	}
	return err
}

// overdue lists the rooms with something to delete.
func (r *Reader) overdue(ctx context.Context, count int, oldest int64) ([]string, error) {
	if count <= 0 {
		count = math.MaxInt
	}
	var names []string
	err := each(ctx, r.db, func(scan scanner) error {
		var name string
		err := scan(&name)
		names = append(names, name)
		return err
	}, `SELECT name FROM rooms
		WHERE messages > ? OR (SELECT time FROM messages WHERE room = id ORDER BY seq LIMIT 1) < ?`, count, oldest)
	return names, err
}

// victim is an entry that is to be deleted.
type victim struct {
	room int64
	seq  uint64
	kind relay.Kind
	time int64
	text []byte
}

// sweepRoom deletes some of a room's oldest entries, and tells whether there may be
// more. Called by the writer.
func (s *Store) sweepRoom(name string, oldest int64) (more bool, err error) {
	ctx := context.Background()
	var id, messages int64
	if ok, err := one(ctx, s.w.db, []any{&id, &messages}, "SELECT id, messages FROM rooms WHERE name = ?", name); !ok {
		return false, err
	}
	var excess int64
	if s.keep.Count > 0 {
		excess = messages - int64(s.keep.Count)
	}
	list, err := s.w.victims("WHERE room = ? ORDER BY seq LIMIT ?", id, sweepStep)
	if err != nil {
		return false, err
	}
	n := 0
	for n < len(list) && (excess > 0 || list[n].time < oldest) {
		if list[n].kind != relay.KindHole {
			excess--
		}
		n++
	}
	if n == 0 {
		return false, nil
	}
	if err := transact(ctx, s.w.db, func() error { return s.w.delete(list[:n]) }); err != nil {
		return false, err
	}
	return n == sweepStep, s.noteFirst(name, id)
}

// victims reads entries that are to be deleted.
func (w *writer) victims(where string, args ...any) ([]victim, error) {
	var list []victim
	err := each(context.Background(), w.db, func(scan scanner) error {
		var v victim
		err := scan(&v.room, &v.seq, &v.kind, &v.time, &v.text)
		list = append(list, v)
		return err
	}, "SELECT room, seq, kind, time, text FROM messages "+where, args...)
	return list, err
}

// delete takes entries out of the tables and out of the index, which wants to be
// told what it has of them. Called in a transaction.
func (w *writer) delete(list []victim) error {
	ctx := context.Background()
	for _, v := range list {
		if _, err := w.db.ExecContext(ctx, "DELETE FROM messages WHERE room = ? AND seq = ?", v.room, int64(v.seq)); err != nil {
			return err
		}
		if v.kind == relay.KindHole {
			continue
		}
		if _, err := w.db.ExecContext(ctx, "UPDATE rooms SET messages = messages - 1 WHERE id = ?", v.room); err != nil {
			return err
		}
		if w.index = words.Append(w.index[:0], v.text); len(w.index) == 0 {
			continue
		}
		if _, err := w.db.ExecContext(ctx, "INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)",
			row(v.room, v.seq), string(w.index)); err != nil {
			return err
		}
	}
	return nil
}

// noteFirst notes which entry is the first of a room after some were deleted.
// Called by the writer.
func (s *Store) noteFirst(name string, id int64) error {
	var first uint64
	if _, err := one(context.Background(), s.w.db, []any{&first},
		"SELECT coalesce(min(seq), 0) FROM messages WHERE room = ?", id); err != nil {
		return err
	}
	q := s.q
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.begin(name)
	for _, e := range q.waiting { // nothing is flying: this is the writer
		if first != 0 {
			break
		}
		if e.room == r {
			first = e.seq
		}
	}
	r.first = first
	return nil
}
