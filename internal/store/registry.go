package store

import (
	"context"
	"database/sql"
	"net/netip"
	"time"

	"github.com/chatd/chatd/pkg/relay"
)

// write has the writer run statements in a transaction of their own.
func (s *Store) write(ctx context.Context, steps ...step) error {
	_, err := ask(ctx, s.q, func() (struct{}, error) {
		ctx := context.Background()
		return struct{}{}, transact(ctx, s.w.db, func() error {
			for _, step := range steps {
				if _, err := s.w.db.ExecContext(ctx, step.query, step.args...); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return s.r.failed(err)
}

// step is a statement and its arguments.
type step struct {
	query string
	args  []any
}

// stamp is a time as it is kept, NULL for the zero time.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}

func when(ns sql.NullInt64) time.Time {
	if !ns.Valid {
		return time.Time{}
	}
	return time.Unix(0, ns.Int64).UTC()
}

// SaveAccount implements relay.Registry.
func (s *Store) SaveAccount(ctx context.Context, a relay.Account) error {
	return s.write(ctx, step{
		"INSERT OR REPLACE INTO accounts (key, name, hash, made, seen) VALUES (?, ?, ?, ?, ?)",
		[]any{a.Key, a.Name, a.Hash, stamp(a.Made), stamp(a.Seen)},
	})
}

// DeleteAccount implements relay.Registry.
func (s *Store) DeleteAccount(ctx context.Context, key string) error {
	return s.write(ctx, step{"DELETE FROM accounts WHERE key = ?", []any{key}})
}

// SaveSanction implements relay.Registry.
func (s *Store) SaveSanction(ctx context.Context, c relay.Sanction) error {
	var address any
	if c.Address.IsValid() {
		address = c.Address.String()
	}
	return s.write(ctx, step{
		"INSERT OR REPLACE INTO sanctions (id, mute, name, key, address, until, reason, by, made) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		[]any{int64(c.ID), c.Mute, c.Name, c.Key, address, stamp(c.Until), c.Reason, c.By, stamp(c.Made)},
	})
}

// DeleteSanction implements relay.Registry.
func (s *Store) DeleteSanction(ctx context.Context, id uint64) error {
	return s.write(ctx, step{"DELETE FROM sanctions WHERE id = ?", []any{int64(id)}})
}

// SaveRoom implements relay.Registry.
func (s *Store) SaveRoom(ctx context.Context, r relay.RoomState) error {
	steps := []step{
		{
			`INSERT INTO room_states (name, topic, topic_by, topic_at, locked, hash, owner) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET topic = excluded.topic, topic_by = excluded.topic_by,
			topic_at = excluded.topic_at, locked = excluded.locked, hash = excluded.hash, owner = excluded.owner`,
			[]any{r.Name, r.Topic, r.TopicBy, stamp(r.TopicAt), r.Locked, r.Hash, r.Owner},
		},
		{"DELETE FROM invitations WHERE room = ?", []any{r.Name}},
	}
	for _, key := range r.Invited {
		steps = append(steps, step{"INSERT OR IGNORE INTO invitations (room, key) VALUES (?, ?)", []any{r.Name, key}})
	}
	return s.write(ctx, steps...)
}

// DeleteRoom implements relay.Registry.
func (s *Store) DeleteRoom(ctx context.Context, name string) error {
	return s.write(ctx, step{"DELETE FROM room_states WHERE name = ?", []any{name}})
}

// SaveTicket implements relay.Registry.
func (s *Store) SaveTicket(ctx context.Context, t relay.Ticket) error {
	return s.write(ctx, step{
		"INSERT OR REPLACE INTO tickets (hash, name, account, room, epoch, seq, expires) VALUES (?, ?, ?, ?, ?, ?, ?)",
		[]any{t.Hash, t.Name, t.Account, t.Room, int64(t.At.Epoch), int64(t.At.Seq), stamp(t.Expires)},
	})
}

// DeleteTicket implements relay.Registry.
func (s *Store) DeleteTicket(ctx context.Context, hash string) error {
	return s.write(ctx, step{"DELETE FROM tickets WHERE hash = ?", []any{hash}})
}

// Load implements relay.Registry. Lists are in the order of their keys.
func (s *Store) Load(ctx context.Context) (relay.State, error) { return s.r.Load(ctx) }

// Load reads what a registry holds.
func (r *Reader) Load(ctx context.Context) (relay.State, error) {
	var state relay.State
	for _, load := range []func(context.Context, *relay.State) error{
		r.loadAccounts, r.loadSanctions, r.loadRooms, r.loadInvitations, r.loadTickets,
	} {
		if err := load(ctx, &state); err != nil {
			return relay.State{}, r.failed(err)
		}
	}
	return state, nil
}

func (r *Reader) loadAccounts(ctx context.Context, state *relay.State) error {
	const query = "SELECT key, name, hash, made, seen FROM accounts ORDER BY key"
	return each(ctx, r.db, func(scan scanner) error {
		var a relay.Account
		var made, seen sql.NullInt64
		err := scan(&a.Key, &a.Name, &a.Hash, &made, &seen)
		a.Made, a.Seen = when(made), when(seen)
		state.Accounts = append(state.Accounts, a)
		return err
	}, query)
}

func (r *Reader) loadSanctions(ctx context.Context, state *relay.State) error {
	const query = "SELECT id, mute, name, key, address, until, reason, by, made FROM sanctions ORDER BY id"
	return each(ctx, r.db, func(scan scanner) error {
		var c relay.Sanction
		var id int64
		var address sql.NullString
		var until, made sql.NullInt64
		if err := scan(&id, &c.Mute, &c.Name, &c.Key, &address, &until, &c.Reason, &c.By, &made); err != nil {
			return err
		}
		c.ID, c.Until, c.Made = uint64(id), when(until), when(made)
		var err error
		if address.Valid {
			c.Address, err = netip.ParsePrefix(address.String)
		}
		state.Sanctions = append(state.Sanctions, c)
		return err
	}, query)
}

func (r *Reader) loadRooms(ctx context.Context, state *relay.State) error {
	const query = "SELECT name, topic, topic_by, topic_at, locked, hash, owner FROM room_states ORDER BY name"
	return each(ctx, r.db, func(scan scanner) error {
		var room relay.RoomState
		var at sql.NullInt64
		err := scan(&room.Name, &room.Topic, &room.TopicBy, &at, &room.Locked, &room.Hash, &room.Owner)
		room.TopicAt = when(at)
		state.Rooms = append(state.Rooms, room)
		return err
	}, query)
}

// loadInvitations adds to the rooms who is invited; both are in the order of names.
func (r *Reader) loadInvitations(ctx context.Context, state *relay.State) error {
	next := 0
	const query = "SELECT room, key FROM invitations ORDER BY room, key"
	return each(ctx, r.db, func(scan scanner) error {
		var name, key string
		if err := scan(&name, &key); err != nil {
			return err
		}
		for next < len(state.Rooms) && state.Rooms[next].Name < name {
			next++
		}
		if next < len(state.Rooms) && state.Rooms[next].Name == name {
			room := &state.Rooms[next]
			room.Invited = append(room.Invited, key)
		}
		return nil
	}, query)
}

func (r *Reader) loadTickets(ctx context.Context, state *relay.State) error {
	const query = "SELECT hash, name, account, room, epoch, seq, expires FROM tickets ORDER BY hash"
	return each(ctx, r.db, func(scan scanner) error {
		var t relay.Ticket
		var epoch, seq int64
		var expires sql.NullInt64
		err := scan(&t.Hash, &t.Name, &t.Account, &t.Room, &epoch, &seq, &expires)
		t.At = relay.Position{Epoch: uint64(epoch), Seq: uint64(seq)}
		t.Expires = when(expires)
		state.Tickets = append(state.Tickets, t)
		return err
	}, query)
}
