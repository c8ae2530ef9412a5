package store

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chatd/chatd/pkg/relay"
)

// example is one of everything, and something with all fields empty, in the order
// of Load.
func example() relay.State {
	at := time.Date(2026, 11, 20, 12, 0, 0, 123_456_789, time.UTC)
	return relay.State{
		Accounts: []relay.Account{
			{},
			{Name: "Änne", Key: "anne", Hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", Made: at, Seen: at.Add(time.Hour)},
		},
		Sanctions: []relay.Sanction{
			{},
			{ID: 7, Mute: true, Name: "Ben", Key: "ben", Reason: "shouting", By: "ana", Made: at},
			{ID: 8, Address: netip.MustParsePrefix("192.0.2.0/24"), Until: at, By: "ana", Made: at},
			{ID: 9, Address: netip.MustParsePrefix("2001:db8::/64"), Reason: "it's \"odd\"; --"},
		},
		Rooms: []relay.RoomState{
			{},
			{Name: "tea", Topic: "first flush\x1b", TopicBy: "ana", TopicAt: at},
			{Name: "team", Locked: true, Hash: "$argon2id$", Owner: "ana", Invited: []string{"ben", "cem"}},
		},
		Tickets: []relay.Ticket{
			{Hash: "00", Name: "ana", Account: "ana", Room: "tea", At: relay.Position{Epoch: 1 << 50, Seq: 7}, Expires: at},
			{Hash: "01"},
		},
	}
}

func save(t *testing.T, s *Store, state relay.State) {
	t.Helper()
	for _, a := range state.Accounts {
		check(t, s.SaveAccount(t.Context(), a))
	}
	for _, c := range state.Sanctions {
		check(t, s.SaveSanction(t.Context(), c))
	}
	for _, r := range state.Rooms {
		check(t, s.SaveRoom(t.Context(), r))
	}
	for _, k := range state.Tickets {
		check(t, s.SaveTicket(t.Context(), k))
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// holds fails the test unless the registry has what is wanted.
func holds(t *testing.T, s *Store, want relay.State) {
	t.Helper()
	got, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("the registry differs (-want +got):\n%s", d)
	}
}

func TestRegistry(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	holds(t, s, relay.State{})
	state := example()
	save(t, s, state)
	holds(t, s, state)
	save(t, s, state) // again: nothing is there twice
	mustClose(t, s)

	s = mustOpen(t, dir, Options{})
	holds(t, s, state)
	state.Accounts[1].Seen = time.Time{}
	state.Sanctions[1].Until = time.Now().UTC().Round(0)
	state.Rooms[2].Invited = []string{"dag"}
	state.Rooms[1].Topic = ""
	state.Tickets[0].At.Seq = 1000
	save(t, s, state)
	holds(t, s, state)

	check(t, s.DeleteAccount(t.Context(), "anne"))
	check(t, s.DeleteSanction(t.Context(), 8))
	check(t, s.DeleteRoom(t.Context(), "team"))
	check(t, s.DeleteTicket(t.Context(), "00"))
	check(t, s.DeleteTicket(t.Context(), "not there"))
	state.Accounts = state.Accounts[:1]
	state.Sanctions = append(state.Sanctions[:2], state.Sanctions[3])
	state.Rooms = state.Rooms[:2]
	state.Tickets = state.Tickets[1:]
	holds(t, s, state)
	var n int
	if err := s.r.db.QueryRow("SELECT count(*) FROM invitations").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d invitations are left of a room that is deleted, %v", n, err)
	}
}

// TestRulesOfWordsChange pretends that the index was written under other rules.
func TestRulesOfWordsChange(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for range recutStep + 10 { // more than one commit
		say(s, "tea", "ana", "common")
		if s.Backlog() > 0.5 {
			check(t, s.Sync(t.Context()))
		}
	}
	say(s, "coffee", "ana", "café crème")
	mustClose(t, s)
	query(t, dir, `UPDATE cut SET rules = 'others'; INSERT INTO words (words) VALUES ('delete-all');
		INSERT INTO words (rowid, text) VALUES (1, 'others')`)
	s = mustOpen(t, dir, Options{})
	for room, looked := range map[string]string{"tea": "common", "coffee": "creme cafe"} {
		found, err := s.Search(t.Context(), room, looked, 1<<40, 1<<20)
		if last := s.Last(room); err != nil || len(found) != int(last) {
			t.Errorf("%q is found %d times in %s, %v; want %d", looked, len(found), room, err, last)
		}
	}
	var others int
	if err := s.r.db.QueryRow("SELECT count(*) FROM words WHERE words MATCH 'others'").Scan(&others); err != nil || others > 0 {
		t.Errorf("the index still has %d of what was in it, %v", others, err)
	}
}
