package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/chatd/chatd/pkg/relay"
)

const (
	// jump is how many numbers are left out in every room after an end without
	// Close. Members may have seen those of messages that waited to be committed,
	// 4,096 and one batch at most, and those of messages lost in a pause that had
	// not ended: at 10 messages a second, of nearly three hours.
	jump = 100_000
	// epochsKept is how many epochs are known. Who comes back with a position of an
	// older one is told that messages may be missing, which is true of both.
	epochsKept = 32
)

// epoch is the one that a start goes on with.
type epoch struct {
	epoch   uint64
	floor   uint64 // what new rooms go on from
	unclean bool   // the last end was
}

// beginEpoch goes on with the last epoch if it was closed, and else begins another,
// named by the clock in microseconds: a history that is begun anew has another one,
// and a program that counts in doubles can keep it. Until endEpoch the epoch counts
// as not closed.
func beginEpoch(ctx context.Context, db *sql.Conn, now time.Time) (epoch, error) {
	var e epoch
	err := transact(ctx, db, func() error {
		var closed sql.NullInt64
		any, err := one(ctx, db, []any{&e.epoch, &closed, &e.floor},
			"SELECT epoch, closed, floor FROM epochs ORDER BY epoch DESC LIMIT 1")
		if err != nil {
			return err
		}
		if any && closed.Valid {
			_, err := db.ExecContext(ctx, "UPDATE epochs SET closed = NULL WHERE epoch = ?", e.epoch)
			return err
		}
		before := e.epoch
		e.epoch = max(uint64(now.UnixMicro()), before+1)
		if any {
			e.unclean = true
			e.floor += jump
			if err := leap(ctx, db, before, e.epoch, now); err != nil {
				return err
			}
		}
		_, err = db.ExecContext(ctx, "INSERT INTO epochs (epoch, began, floor) VALUES (?, ?, ?)",
			e.epoch, now.UnixNano(), e.floor)
		return err
	})
	return e, err
}

// mayMiss begins the text of the entries that leap writes.
const mayMiss = "messages after #"

// leap ends an epoch that was not closed: its last numbers are noted, every room
// goes on later, and where there are messages an entry tells why. If nothing was
// said since the last such entry, that one is moved.
func leap(ctx context.Context, db *sql.Conn, before, after uint64, now time.Time) error {
	for _, step := range []struct {
		query string
		args  []any
	}{
		{`INSERT INTO ends SELECT ?, id, last FROM rooms`, []any{before}},
		{`DELETE FROM epochs WHERE epoch NOT IN (SELECT epoch FROM epochs ORDER BY epoch DESC LIMIT ?)`, []any{epochsKept - 1}},
		{`UPDATE rooms SET last = last + ?`, []any{jump}},
		{
			`UPDATE messages SET seq = seq + ?1, epoch = ?2
			WHERE (room, seq) IN (SELECT id, last - ?1 FROM rooms) AND kind = ?3 AND text GLOB ?4`,
			[]any{jump, after, relay.KindHole, mayMiss + "*"},
		},
		{
			`INSERT INTO messages (room, seq, epoch, time, kind, author, text)
			SELECT id, last, ?2, ?3, ?4, '', ?5 || (last - ?1) || ' may be missing: chatd ended without closing its history'
			FROM rooms WHERE EXISTS (SELECT 1 FROM messages WHERE room = id)
			AND NOT EXISTS (SELECT 1 FROM messages WHERE room = id AND seq = last)`,
			[]any{jump, after, now.UnixNano(), relay.KindHole, mayMiss},
		},
	} {
		if _, err := db.ExecContext(ctx, step.query, step.args...); err != nil {
			return fmt.Errorf("to begin an epoch: %w", err)
		}
	}
	return nil
}

// endEpoch marks the epoch as closed: no number was given that is not accounted for.
func endEpoch(db *sql.Conn, now time.Time) error {
	_, err := db.ExecContext(context.Background(),
		"UPDATE epochs SET closed = ? WHERE epoch = (SELECT max(epoch) FROM epochs)", now.UnixNano())
	return err
}
