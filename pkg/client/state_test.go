package client

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// knows compares what is known of the lobby with what is wanted.
func (u user) knows(want Room) {
	u.t.Helper()
	synctest.Wait()
	got, ok := u.Room("lobby")
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		u.t.Errorf("-want +got:\n%s", diff)
	}
}

func TestKnowsARoom(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		r := Room{
			Name: "lobby", Topic: "tea", People: []Person{{Name: "ana"}, {Name: "bob", Away: true}}, Listening: 2,
			Seen: Position{1, 10}, Live: true,
		}
		u.knows(r)
		p.send(`{"type":"presence","room":"lobby","event":"joined","name":"eva","text":"eva joined"}`)
		p.send(`{"type":"presence","room":"lobby","event":"joined","name":"eva"}`) // known already
		p.send(`{"type":"presence","room":"lobby","event":"left","name":"ana"}`)
		p.send(`{"type":"presence","room":"lobby","event":"renamed","name":"bob","now":"ben"}`)
		p.send(`{"type":"presence","room":"lobby","event":"left","name":"somebody else"}`)
		r.People = []Person{{Name: "ben", Away: true}, {Name: "eva"}}
		u.knows(r)
		p.send(`{"type":"message","room":"lobby","epoch":1,"seq":11,"from":"ben","kind":"topic","text":"milk"}`)
		r.Topic, r.Seen = "milk", Position{1, 11}
		u.knows(r)
		u.wants(Presence{Room: "lobby", What: PersonJoined, Name: "eva", Text: "eva joined"})
		if names := u.Joined(); len(names) != 1 || names[0] != "lobby" {
			t.Errorf("it is in %q", names)
		}
		if w, ok := u.Server(); !ok || w.Server != "fake" {
			t.Errorf("%v, %v", w, ok)
		}
		p.send(`{"type":"left","room":"lobby","text":"the room failed"}`)
		synctest.Wait()
		if _, ok := u.Room("lobby"); ok {
			t.Error("it is still in the lobby")
		}
		p.Close()
		synctest.Wait()
		if _, ok := u.Server(); ok {
			t.Error("it is still connected")
		}
	})
}

// When too many move to be named, the client asks, once at a time.
func TestManyMove(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		many := `{"type":"presence","room":"lobby","event":"many","text":"14 joined, 9 left"}`
		event := Presence{Room: "lobby", What: ManyMoved, Text: "14 joined, 9 left"}
		p.send(many)
		p.send(many)
		p.answers(fields{"type": "who", "room": "lobby"}, `{"type":"people","room":"lobby","people":[{"name":"eva"}],"more":3,"id":%q}`)
		u.wants(event, event, People{Room: "lobby", People: []Person{{Name: "eva"}}, More: 3})
		u.knows(Room{
			Name: "lobby", Topic: "tea", People: []Person{{Name: "eva"}}, More: 3, Seen: Position{1, 10}, Live: true,
		})
		p.send(many)
		p.want("who")
		p.Close() // before the answer; the next connection tells anyway
		p = <-f.conns
		p.hello()
		p.lobby(1, 10)
		p.send(many)
		p.want("who")
	})
}

// A room of very many costs no more than a room of a thousand.
func TestManyPeople(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		go func() {
			for range 2000 {
				u.next()
			}
		}()
		for i := range 2000 {
			p.send(`{"type":"presence","room":"lobby","event":"joined","name":"p%d"}`, i)
		}
		synctest.Wait()
		r, _ := u.Room("lobby")
		if len(r.People) != peopleMost || r.More != 2002-peopleMost {
			t.Errorf("%d people and %d more", len(r.People), r.More)
		}
	})
}

// The rooms of URL and options are all asked for, and each keeps its password.
func TestManyRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, err := New("tcp://fake/One?room=two", Options{
			Dial: f.dial, History: 5, NoEcho: true,
			Rooms: []RoomOptions{{Room: "three", Password: "3", After: Position{1, 2}}, {Room: "four", History: None}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		p := <-f.conns
		h := p.hello()
		place := func(epoch, seq float64) map[string]any { return map[string]any{"epoch": epoch, "seq": seq} }
		want := []any{
			map[string]any{"room": "One", "history": 5.0},
			map[string]any{"room": "two", "history": 5.0},
			map[string]any{"room": "three", "password": "3", "after": place(1, 2)},
			map[string]any{"room": "four", "history": 0.0},
		}
		if diff := cmp.Diff(want, h["rooms"]); diff != "" || h["echo"] != false {
			t.Errorf("%v (-want +got):\n%s", h, diff)
		}
		joined := func(room string, seq int) {
			p.send(`{"type":"joined","room":%q,"after":{"epoch":1,"seq":%d},"id":%q}`, room, seq, h["id"])
		}
		joined("one", 1) // as the server calls it
		p.send(`{"type":"error","code":"locked","text":"no","room":"two","id":%q}`, h["id"])
		joined("three", 3)
		p.Close() // before it is known of the last one
		p = <-f.conns
		h = p.hello()
		want = []any{
			map[string]any{"room": "one", "after": place(1, 1)},
			map[string]any{"room": "three", "password": "3", "after": place(1, 3)},
			map[string]any{"room": "four", "history": 0.0},
		}
		if diff := cmp.Diff(want, h["rooms"]); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if names := fmt.Sprint(c.Joined()); names != "[one three]" {
			t.Errorf("it is in %v", names)
		}
	})
}

func TestNoRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, err := New("fake", Options{Dial: f.dial, Rooms: []RoomOptions{}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		h := (<-f.conns).hello()
		if rooms, ok := h["rooms"].([]any); !ok || len(rooms) != 0 {
			t.Errorf("it asks for %v", h["rooms"])
		}
	})
}
