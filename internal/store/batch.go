package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/chatd/chatd/internal/words"
	"github.com/chatd/chatd/pkg/relay"
)

// writer is the connection that writes, and its statements. One goroutine at a
// time uses it: who opens the store, then the queue's.
type writer struct {
	db    *sql.Conn
	epoch uint64

	message *sql.Stmt
	words   *sql.Stmt
	room    *sql.Stmt

	// Used again and again.
	sorted []*entry
	index  []byte
}

// prepare makes the writer ready to save.
func (w *writer) prepare(ctx context.Context, epoch uint64) error {
	w.epoch = epoch
	for query, into := range map[string]**sql.Stmt{
		"INSERT INTO messages (room, seq, epoch, time, kind, author, text, client_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)": &w.message,
		"INSERT INTO words (rowid, text) VALUES (?, ?)":                                                                &w.words,
		`INSERT INTO rooms (id, name, last, messages) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
			SET last = max(last, excluded.last), messages = messages + excluded.messages`: &w.room,
	} {
		var err error
		if *into, err = w.db.PrepareContext(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) close() error {
	var errs []error
	for _, statement := range []*sql.Stmt{w.message, w.words, w.room} {
		if statement != nil {
			errs = append(errs, statement.Close())
		}
	}
	return errors.Join(append(errs, w.db.Close())...)
}

// row is where a message's words are in the index.
func row(room int64, seq uint64) int64 { return room<<40 | int64(seq) }

// save commits a batch, room by room: rows of the index must rise within a commit,
// or else FTS5 writes a segment for each that does not.
func (w *writer) save(batch []*entry) error {
	w.sorted = append(w.sorted[:0], batch...)
	slices.SortStableFunc(w.sorted, func(a, b *entry) int { return int(a.room.id - b.room.id) })
	defer clear(w.sorted)
	return transact(context.Background(), w.db, func() error {
		for from, e := range w.sorted {
			if from > 0 && w.sorted[from-1].room == e.room {
				continue
			}
			to := from
			for to < len(w.sorted) && w.sorted[to].room == e.room {
				to++
			}
			if err := w.saveRoom(e.room, w.sorted[from:to]); err != nil {
				return err
			}
		}
		return nil
	})
}

// saveRoom writes messages of one room.
func (w *writer) saveRoom(r *room, list []*entry) error {
	if _, err := w.room.Exec(r.id, r.name, int64(list[len(list)-1].seq), len(list)); err != nil {
		return err
	}
	for _, e := range list {
		author, id, text := e.parts()
		if _, err := w.message.Exec(r.id, int64(e.seq), int64(w.epoch), e.time, int64(e.kind),
			string(author), string(text), string(id)); err != nil {
			return err
		}
		if w.index = words.Append(w.index[:0], text); len(w.index) == 0 {
			continue
		}
		if _, err := w.words.Exec(row(r.id, e.seq), string(w.index)); err != nil {
			return err
		}
	}
	return nil
}

// mark commits entries that say what is missing.
func (w *writer) mark(holes []hole) error {
	if len(holes) == 0 {
		return nil
	}
	return transact(context.Background(), w.db, func() error {
		for _, h := range holes {
			if _, err := w.room.Exec(h.room.id, h.room.name, int64(h.loss.last), 0); err != nil {
				return err
			}
			if _, err := w.message.Exec(h.room.id, int64(h.loss.last), int64(w.epoch), h.at, int64(relay.KindHole), "", h.text(), ""); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h hole) text() string {
	if h.count == 1 {
		return fmt.Sprintf("1 message was not saved (%s)", h.reason)
	}
	return fmt.Sprintf("%d messages were not saved (%s)", h.count, h.reason)
}
