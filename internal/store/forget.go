package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// mergeStep is how many pages of the index one commit merges, and scrubStep how
	// many pages of the file one commit looks at: some milliseconds' work each.
	mergeStep = 16
	scrubStep = 256
	// truncateEvery is how often it is tried to empty the write-ahead log.
	truncateEvery = 50 * time.Millisecond
)

// Forget implements relay.Journal. Afterwards no file of the folder has a text of
// the author's, nor the words of it in the index; but blocks of the disk that the
// files gave back may. It takes about 5 s for a million messages, whosever they
// are, in steps between which others are kept; called again it finishes what an
// error or ctx interrupted. What others said of the author stays.
func (s *Store) Forget(ctx context.Context, author string) (int, error) {
	if err := s.q.settle(ctx); err != nil || author == "" {
		return 0, err
	}
	n, err := s.deleteOf(ctx, author)
	if err == nil {
		err = s.mergeIndex(ctx)
	}
	if err == nil {
		err = s.scrub(ctx)
	}
	if err == nil {
		err = s.emptyLog(ctx)
	}
	return n, err
}

// deleteOf deletes all that an author said.
func (s *Store) deleteOf(ctx context.Context, author string) (deleted int, err error) {
	ids, err := s.r.authorIDs(ctx, author)
	if err != nil {
		return 0, err
	}
	for len(ids) > 0 {
		some := ids[:min(sweepStep, len(ids))]
		ids = ids[len(some):]
		n, err := ask(ctx, s.q, func() (int, error) { return s.deleteSome(some) })
		if deleted += n; err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// messageID is a message's primary key.
type messageID struct {
	name string // of the room
	room int64
	seq  uint64
}

// authorIDs lists the messages of an author.
func (r *Reader) authorIDs(ctx context.Context, author string) ([]messageID, error) {
	spellings, err := r.spellings(ctx, author)
	if err != nil {
		return nil, err
	}
	var ids []messageID
	for _, spelling := range spellings {
		err := each(ctx, r.db, func(scan scanner) error {
			var id messageID
			err := scan(&id.name, &id.room, &id.seq)
			ids = append(ids, id)
			return err
		}, "SELECT rooms.name, room, seq FROM messages JOIN rooms ON rooms.id = room WHERE author = ?", spelling)
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// spellings lists the ways in which an author's name is written.
func (r *Reader) spellings(ctx context.Context, author string) ([]string, error) {
	var list []string
	err := each(ctx, r.db, func(scan scanner) error {
		var name string
		err := scan(&name)
		if strings.EqualFold(name, author) {
			list = append(list, name)
		}
		return err
	}, "SELECT DISTINCT author FROM messages")
	return list, err
}

// deleteSome deletes those of the messages that are still there, and returns how
// many those were. Called by the writer.
func (s *Store) deleteSome(ids []messageID) (n int, err error) {
	err = transact(context.Background(), s.w.db, func() error {
		for _, id := range ids {
			list, err := s.w.victims("WHERE room = ? AND seq = ?", id.room, int64(id.seq))
			if err != nil {
				return err
			}
			if err := s.w.delete(list); err != nil {
				return err
			}
			n += len(list)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	noted := make(map[int64]bool)
	for _, id := range ids {
		if noted[id.room] {
			continue
		}
		noted[id.room] = true
		if err := s.noteFirst(id.name, id.room); err != nil {
			return n, err
		}
	}
	return n, nil
}

// mergeIndex has FTS5 write its index anew as one segment, without the words of
// deleted messages, which till then it only marks as deleted.
func (s *Store) mergeIndex(ctx context.Context) error {
	for pages := -mergeStep; ; pages = mergeStep {
		done, err := ask(ctx, s.q, func() (bool, error) { return s.w.merge(pages) })
		if err != nil || done {
			return err
		}
	}
}

// merge merges some pages of the index, and tells whether it is through. A negative
// number begins anew with all segments there are.
func (w *writer) merge(pages int) (done bool, err error) {
	ctx := context.Background()
	var before, after int
	if err := w.db.QueryRowContext(ctx, "SELECT total_changes()").Scan(&before); err != nil {
		return false, err
	}
	if _, err := w.db.ExecContext(ctx, "INSERT INTO words (words, rank) VALUES ('merge', ?)", pages); err != nil {
		return false, err
	}
	err = w.db.QueryRowContext(ctx, "SELECT total_changes()").Scan(&after)
	return after-before < 2, err // the statement itself counts as one
}

// emptyLog takes what was deleted out of the write-ahead log, as soon as no reader
// needs it any more.
func (s *Store) emptyLog(ctx context.Context) error {
	ticker := time.NewTicker(truncateEvery)
	defer ticker.Stop()
	for {
		busy, err := ask(ctx, s.q, s.w.truncate)
		if err != nil || !busy {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(errors.New("a reader still holds the history as it was; forget again when it has ended"), ctx.Err())
		}
	}
}

// truncate brings all of the log into the database and empties it, unless a reader
// is busy with it.
func (w *writer) truncate() (busy bool, err error) {
	ctx := context.Background()
	if _, err := w.db.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return false, err
	}
	var frames, done int
	err = w.db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &done)
	if _, e := w.db.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", writerBusy.Milliseconds())); err == nil {
		err = e
	}
	return busy, err
}
