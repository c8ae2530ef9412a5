package store

import (
	"testing"
	"time"

	"github.com/chatd/chatd/internal/journaltest"
	"github.com/chatd/chatd/pkg/relay"
)

func TestStore(t *testing.T) {
	journaltest.Run(t, journaltest.Subject{
		Persists: true,
		New: func(t *testing.T) func(relay.Keep) relay.Journal {
			dir := t.TempDir()
			return func(keep relay.Keep) relay.Journal {
				s, err := Open(t.Context(), dir, Options{Keep: keep})
				if err != nil {
					t.Fatal(err)
				}
				s.q.limit = time.Minute
				return s
			}
		},
	})
}
