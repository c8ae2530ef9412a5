package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/words"
	"github.com/chatd/chatd/pkg/relay"
)

const (
	// readers is how many may read at once; each has a cache of 2 MB at most.
	readers = 4
	// readerIdle is how long a reader's connection is kept for the next one.
	readerIdle = time.Minute
	// readerBusy is how long a reader waits for a database that is being put in
	// order after a crash, which is all that can keep it waiting.
	readerBusy = 5 * time.Second
	// checkPatience bounds the look at all of a database after an end without
	// Close: enough for some millions of messages.
	checkPatience = 5 * time.Second
)

// Reader reads a history. What was committed before a method is called, it sees;
// it never waits for the writer, nor the writer for it.
type Reader struct {
	dir string
	db  *sql.DB
}

// OpenReader opens the history in a folder for reading only, beside a server that
// runs or without one. It needs leave to write in the folder all the same, where
// readers leave word of what they read. An error is a sentence that says what is
// wrong and what to do.
func OpenReader(ctx context.Context, dir string) (*Reader, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, folderError(dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, fileName)); err != nil {
		return nil, folderError(dir, err)
	}
	r, err := newReader(dir)
	if err != nil {
		return nil, openError(dir, err)
	}
	has, err := format(ctx, r.db, dir, len(formats()))
	switch {
	case err != nil:
	case has == 0:
		err = folderError(dir, fs.ErrNotExist)
	case has < len(formats()):
		err = fmt.Errorf("history: %s/%s was written by an older chatd (format %d, this one reads %d); start the server once",
			dir, fileName, has, len(formats()))
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func newReader(dir string) (*Reader, error) {
	db, err := sql.Open("sqlite", dsn(dir, "ro", fmt.Sprintf("busy_timeout(%d)", readerBusy.Milliseconds()), "query_only(1)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	db.SetConnMaxIdleTime(readerIdle)
	return &Reader{dir: dir, db: db}, nil
}

// dsn names the database in a folder, whatever characters the folder's name has.
func dsn(dir, mode string, pragmas ...string) string {
	u := url.URL{Scheme: "file", Path: filepath.Join(dir, fileName)}
	u.RawQuery = url.Values{"mode": {mode}, "_pragma": pragmas}.Encode()
	return u.String()
}

// Close gives everything back.
func (r *Reader) Close() error { return r.db.Close() }

// check reads the database through, as far as that goes in 5 s, and fails if it is
// damaged.
func (r *Reader) check(ctx context.Context) error {
	brief, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	var found string
	switch err := r.db.QueryRowContext(brief, "PRAGMA quick_check(1)").Scan(&found); {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return nil
	case err != nil:
		return openError(r.dir, err)
	case found != "ok":
		return damagedError(r.dir, found)
	}
	return nil
}

// entryColumns are those of a message in the order of scan.
const entryColumns = "messages.seq, messages.epoch, messages.time, messages.kind, messages.author, messages.text, messages.client_id"

// thisRoom finds a room's messages by its name.
const thisRoom = "messages.room = (SELECT id FROM rooms WHERE name = ?)"

// Before returns the newest n entries of a room with numbers below seq, oldest
// first.
func (r *Reader) Before(ctx context.Context, room string, seq uint64, n int) ([]relay.Message, error) {
	list, err := r.entries(ctx, room, n,
		"SELECT "+entryColumns+" FROM messages WHERE "+thisRoom+" AND seq < ? ORDER BY seq DESC LIMIT ?", room, bound(seq), n)
	slices.Reverse(list)
	return list, err
}

// From returns the oldest n entries of a room with numbers of seq and above.
func (r *Reader) From(ctx context.Context, room string, seq uint64, n int) ([]relay.Message, error) {
	return r.entries(ctx, room, n,
		"SELECT "+entryColumns+" FROM messages WHERE "+thisRoom+" AND seq >= ? ORDER BY seq LIMIT ?", room, bound(seq), n)
}

// bound is seq, or a number higher than all.
func bound(seq uint64) int64 { return int64(min(seq, maxSeq+1)) }

// entries reads at most n entries of a room.
func (r *Reader) entries(ctx context.Context, room string, n int, query string, args ...any) ([]relay.Message, error) {
	if n <= 0 {
		return nil, nil
	}
	var list []relay.Message
	err := each(ctx, r.db, func(scan scanner) error {
		m := relay.Message{Room: room}
		err := scan(&m.Seq, &m.Epoch, &m.Time, &m.Kind, &m.Author, &m.Text, &m.ID)
		list = append(list, m)
		return err
	}, query, args...)
	if err != nil {
		return nil, r.failed(err)
	}
	return list, nil
}

// failed says where something failed, and why in a few words.
func (r *Reader) failed(err error) error {
	if code(err) == 0 {
		return err // a context is done
	}
	return fmt.Errorf("history in %s: %s: %w", r.dir, reasonFor(r.dir, err), err)
}

// Search returns the newest n messages of a room below seq that hold all words,
// oldest first.
func (r *Reader) Search(ctx context.Context, name, looked string, seq uint64, n int) ([]relay.Message, error) {
	query := words.Parse(looked)
	if len(query) == 0 || seq == 0 {
		return nil, nil
	}
	var id int64
	if ok, err := one(ctx, r.db, []any{&id}, "SELECT id FROM rooms WHERE name = ?", name); !ok {
		return nil, r.failed(err)
	}
	// Words have no quotes in them: each phrase is an FTS5 string as it is.
	match := `"` + strings.Join(query, `" AND "`) + `"`
	list, err := r.entries(ctx, name, n,
		"SELECT "+entryColumns+` FROM words CROSS JOIN messages ON messages.room = ? AND messages.seq = words.rowid & ?
		WHERE words MATCH ? AND words.rowid BETWEEN ? AND ? ORDER BY words.rowid DESC LIMIT ?`,
		id, int64(maxSeq), match, row(id, 0), row(id, min(seq-1, maxSeq)), n)
	slices.Reverse(list)
	return list, err
}

// since returns the number of an entry of a room that was said at or after a time,
// the one before it having been said earlier. Times rise with the numbers unless
// the clock was put back, so that it need not look at all.
func (r *Reader) since(ctx context.Context, name string, at int64) (seq uint64, ok bool, err error) {
	var first, last sql.Null[uint64]
	if _, err := one(ctx, r.db, []any{&first, &last},
		"SELECT (SELECT min(seq) FROM messages WHERE room = id), (SELECT max(seq) FROM messages WHERE room = id) FROM rooms WHERE name = ?",
		name); err != nil || !first.Valid {
		return 0, false, r.failed(err)
	}
	for low, high := first.V, last.V; low <= high; {
		middle := low + (high-low)/2
		var next uint64
		var said int64
		found, err := one(ctx, r.db, []any{&next, &said},
			"SELECT seq, time FROM messages WHERE "+thisRoom+" AND seq >= ? ORDER BY seq LIMIT 1", name, middle)
		switch {
		case err != nil:
			return 0, false, r.failed(err)
		case !found: // deleted meanwhile
			high = middle - 1
		case said >= at:
			seq, ok, high = next, true, middle-1
		default:
			low = next + 1
		}
	}
	return seq, ok, nil
}

// ended returns the last number kept of an epoch in a room, and whether the epoch
// is known.
func (r *Reader) ended(ctx context.Context, name string, epoch uint64) (seq uint64, ok bool, err error) {
	if epoch > math.MaxInt64 {
		return 0, false, nil
	}
	ok, err = one(ctx, r.db, []any{&seq},
		`SELECT coalesce(CASE epoch WHEN (SELECT max(epoch) FROM epochs)
			THEN (SELECT last FROM rooms WHERE name = ?1)
			ELSE (SELECT ends.last FROM ends JOIN rooms ON rooms.id = ends.room WHERE ends.epoch = ?2 AND rooms.name = ?1)
		END, 0) FROM epochs WHERE epoch = ?2`, name, epoch)
	return seq, ok, r.failed(err)
}

// Rooms lists the rooms with anything kept, by name.
func (r *Reader) Rooms(ctx context.Context) ([]relay.Kept, error) {
	var list []relay.Kept
	err := each(ctx, r.db, func(scan scanner) error {
		var k relay.Kept
		err := scan(&k.Room, &k.Messages, &k.First, &k.Last, &k.Spoken)
		list = append(list, k)
		return err
	}, `SELECT name, messages,
			(SELECT min(seq) FROM messages WHERE room = id),
			(SELECT max(seq) FROM messages WHERE room = id),
			coalesce((SELECT time FROM messages WHERE room = id AND kind <> ? ORDER BY seq DESC LIMIT 1), 0)
		FROM rooms WHERE EXISTS (SELECT 1 FROM messages WHERE room = id) ORDER BY name`, relay.KindHole)
	return list, r.failed(err)
}
