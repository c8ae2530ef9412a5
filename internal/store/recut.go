package store

import (
	"context"

	"github.com/chatd/chatd/internal/words"
)

// recutStep is how many messages are cut into words in one commit.
const recutStep = 4096

// cutAgain writes the index anew if the rules by which texts are cut into words are
// not those it was written under: with words that are cut in another way, nothing
// could be taken out of it. It takes about 30 s for a million messages.
func (s *Store) cutAgain(ctx context.Context) error {
	db := s.w.db
	var rules string
	if _, err := one(ctx, db, []any{&rules}, "SELECT rules FROM cut"); err != nil || rules == words.Version {
		return err
	}
	if rules != "" {
		s.log.Info().Msg("the index of words is written anew")
	}
	err := transact(ctx, db, func() error {
		_, err := db.ExecContext(ctx, "DELETE FROM cut; INSERT INTO words (words) VALUES ('delete-all')")
		return err
	})
	for after, more := (victim{}), true; more && err == nil; {
		err = transact(ctx, db, func() (err error) {
			after, more, err = s.w.cutSome(ctx, after)
			return err
		})
	}
	if err == nil {
		_, err = db.ExecContext(ctx, "INSERT INTO cut (rules) VALUES (?)", words.Version)
	}
	return err
}

// cutSome writes the words of the next messages, and returns the last of them.
func (w *writer) cutSome(ctx context.Context, after victim) (last victim, more bool, err error) {
	list, err := w.victims("WHERE (room, seq) > (?, ?) AND kind <> 255 ORDER BY room, seq LIMIT ?", after.room, int64(after.seq), recutStep)
	if err != nil || len(list) == 0 {
		return after, false, err
	}
	for _, v := range list {
		if w.index = words.Append(w.index[:0], v.text); len(w.index) == 0 {
			continue
		}
		if _, err := w.db.ExecContext(ctx, "INSERT INTO words (rowid, text) VALUES (?, ?)", row(v.room, v.seq), string(w.index)); err != nil {
			return after, false, err
		}
	}
	return list[len(list)-1], true, nil
}
