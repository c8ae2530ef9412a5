package main

import (
	"context"

	"github.com/chatd/chatd/internal/store"
	"github.com/chatd/chatd/pkg/relay"
)

// kept is what a database holds.
type kept struct {
	messages int64 // of the load
	probes   int64 // by which it asked who is in the room
}

// page is how many messages are read at a time.
const page = 4096

// count reads all that is kept in a folder.
func count(ctx context.Context, dir string) (k kept, err error) {
	r, err := store.OpenReader(ctx, dir)
	if err != nil {
		return k, err
	}
	defer r.Close()
	rooms, err := r.Rooms(ctx)
	for _, room := range rooms {
		for next := uint64(0); err == nil; {
			var list []relay.Message
			if list, err = r.From(ctx, room.Room, next, page); len(list) == 0 {
				break
			}
			k.add(list)
			next = list[len(list)-1].Seq + 1
		}
	}
	return k, err
}

// add takes over what was read. A message of the load begins with |RRRRSSSSNNNNNNNN|,
// in hexadecimal digits the run, the sender and the number; the sender of a probe is
// ffff.
func (k *kept) add(list []relay.Message) {
	const sender, number = 5, 9
	for i := range list {
		switch m := &list[i]; {
		case m.Kind == relay.KindHole: // here messages are missing
		case len(m.Text) > number && string(m.Text[sender:number]) == "ffff":
			k.probes++
		default:
			k.messages++
		}
	}
}
