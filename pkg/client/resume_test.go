package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// after is the position that a hello gives for its first room.
func after(h fields) any {
	rooms, _ := h["rooms"].([]any)
	if len(rooms) == 0 {
		return nil
	}
	return rooms[0].(map[string]any)["after"]
}

func TestResumesWithoutGapOrRepeat(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		p.say(1, 11, "one")
		p.say(1, 12, "two")
		p.Close()
		u.wants(Message{
			Room: "lobby", Position: Position{1, 11}, From: "bob", Text: "one",
			Time: time.Date(2026, 11, 20, 9, 42, 0, 123e6, time.UTC),
		})
		u.says("two")
		u.lost(io.EOF)

		p = <-f.conns
		h := p.hello()
		if diff := cmp.Diff(map[string]any{"epoch": 1.0, "seq": 12.0}, after(h)); diff != "" {
			t.Errorf("it goes on from elsewhere (-want +got):\n%s", diff)
		}
		p.lobby(1, 11) // a server that is generous, and says again what was seen
		p.say(1, 12, "two")
		p.say(1, 13, "three")
		p.live(1, 13)
		p.say(1, 14, "four")
		u.next() // Connected
		if j := u.next().(Joined); !j.Again {
			t.Errorf("%#v does not tell that it was there before", j)
		}
		if m := u.next().(Message); m.Text != "three" || !m.Old {
			t.Errorf("%#v is not what was missed", m)
		}
		u.wants(Live{Room: "lobby", Position: Position{1, 13}})
		if m := u.next().(Message); m.Text != "four" || m.Old {
			t.Errorf("%#v is not what is new", m)
		}
		u.wantsNothing()
	})
}

// A connection that is lost before anything was said goes on from where it began.
func TestResumesFromTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, err := New("tcp://fake", Options{Dial: f.dial})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		p := <-f.conns
		if h := p.hello(); h["rooms"] != nil {
			t.Errorf("at first it asks for %v", h["rooms"])
		}
		p.Close() // before joined
		p = <-f.conns
		if h := p.hello(); h["rooms"] != nil {
			t.Errorf("not having been in a room, it asks for %v", h["rooms"])
		}
		p.lobby(1, 7)
		p.Close() // before live
		p = <-f.conns
		if diff := cmp.Diff(map[string]any{"epoch": 1.0, "seq": 7.0}, after(p.hello())); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestDiesInTheMiddleOfALine(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		p.say(1, 11, "one")
		fmt.Fprint(p, `{"type":"message","room":"lobby","epoch":1,"seq":12,"from":"bob","text":"tw"}`) // no end: it may go on
		p.Close()
		u.says("one")
		u.lost(io.EOF)
		p = <-f.conns
		p.hello()
		p.lobby(1, 11)
		p.say(1, 12, "two")
		u.next()
		u.next()
		u.says("two")
	})
}

func TestGapAndReset(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		p.send(`{"type":"gap","room":"lobby","missing":312,"first":11,"last":330,"kept":true}`)
		p.say(1, 331, "after the gap")
		u.wants(Gap{Room: "lobby", Missing: 312, First: 11, Last: 330, Kept: true})
		u.says("after the gap")
		p.send(`{"type":"gap","room":"lobby","missing":2,"first":332,"last":333}`)
		p.Close()
		u.wants(Gap{Room: "lobby", Missing: 2, First: 332, Last: 333})
		u.lost(io.EOF)

		p = <-f.conns // a gap that was told is not told again
		if diff := cmp.Diff(map[string]any{"epoch": 1.0, "seq": 333.0}, after(p.hello())); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		p.lobby(2, 320)
		reset := `{"type":"reset","room":"lobby","epoch":2,"after":{"epoch":1,"seq":320},"text":"lost"}`
		p.send(reset)
		p.Close()
		u.next()
		u.next()
		u.wants(Reset{Room: "lobby", Epoch: 2, After: Position{1, 320}, Text: "lost"})
		u.lost(io.EOF)

		p = <-f.conns // nor is a reset
		p.hello()
		p.lobby(2, 320)
		p.send(reset)
		p.say(2, 321, "a new epoch") // the number was seen before, as another message's
		p.live(2, 321)
		u.next()
		u.next()
		u.says("a new epoch")
		u.wants(Live{Room: "lobby", Position: Position{2, 321}})
	})
}

// A server that broke down has lost what everybody saw, and its author's program says it
// again.
func TestSaidAgainInAnotherEpoch(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		say := func(epoch, seq int, from, text string) {
			p.send(`{"type":"message","room":"lobby","epoch":%d,"seq":%d,"from":%q,"text":%q,"id":"0123456789abcdef"}`, epoch, seq, from, text)
		}
		say(1, 11, "bob", "hello")
		p.Close()
		u.says("hello")
		u.lost(io.EOF)
		p = <-f.conns
		p.hello()
		p.lobby(2, 10)
		say(2, 11, "bob", "hello")
		say(2, 12, "eve", "hello") // another one who uses the id
		say(2, 13, "bob", "hallo")
		u.next()
		u.next()
		if m := u.next().(Message); m.From != "eve" {
			t.Errorf("%#v came, and not what eve said", m)
		}
		u.says("hallo")
		u.wantsNothing()
		if r, _ := u.Room("lobby"); r.Seen != (Position{2, 13}) {
			t.Errorf("it has seen %v", r.Seen)
		}
	})
}

func TestBackOff(t *testing.T) {
	simulate(t, Options{RetryBase: time.Second, RetryCap: 20 * time.Second}, func(f *fake, u user, p *peer) {
		f.down.Store(true)
		p.Close()
		var waits []time.Duration
		waits = append(waits, u.lost(io.EOF))
		for range 60 {
			waits = append(waits, u.lost(syscall.ECONNREFUSED))
		}
		for i, w := range waits {
			if most := min(20*time.Second, time.Second<<min(i, 30)); w < 0 || w > most {
				t.Errorf("wait %d is %v, of at most %v", i, w, most)
			}
		}
		long := waits[10:]
		slices.Sort(long)
		if long[0] > 5*time.Second || long[len(long)-1] < 15*time.Second {
			t.Errorf("50 waits of up to 20 s are between %v and %v", long[0], long[len(long)-1])
		}
		f.down.Store(false)
		p = <-f.conns
		p.hello()
		p.Close() // a server that ends what it began is not asked faster
		u.next()
		for u.lost(io.EOF) <= time.Second {
			p = <-f.conns
			p.hello()
			p.Close()
			u.next()
		}
		p = <-f.conns
		p.hello()
		u.next()
		time.Sleep(21 * time.Second) // on the simulated clock
		p.Close()
		if w := u.lost(io.EOF); w > time.Second {
			t.Errorf("after a connection that lasted, it waits %v", w)
		}
	})
}

func TestDialFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.down.Store(true)
		if _, err := Dial(context.Background(), "fake", Options{Dial: f.dial}); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial says %v", err)
		}
		f.down.Store(false)
		if _, err := Dial(context.Background(), "fake", Options{Dial: f.dial}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("of a server that does not answer Dial says %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := Dial(ctx, "fake", Options{Dial: f.dial}); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v Dial says %v", time.Since(began), err)
		}
	})
}

// What is said to those who are turned away is what Dial returns.
func TestTurnedAway(t *testing.T) {
	for name, c := range map[string]struct {
		says  string
		check func(error) bool
	}{
		"password": {
			`{"type":"error","code":"password","text":"that is not the password of this chat"}` + "\n" + `{"type":"bye","text":"goodbye"}`,
			func(err error) bool { return errors.Is(err, &Error{Code: WrongPassword}) },
		},
		"version": {
			`{"type":"error","code":"version","text":"there is no version 1"}`,
			func(err error) bool {
				return errors.Is(err, &Error{Code: Version}) && err.Error() == "there is no version 1"
			},
		},
		"as people are": {
			"* server full (limit 1); try again in a minute",
			func(err error) bool {
				var bye *ByeError
				return errors.As(err, &bye) && bye.Text == "server full (limit 1); try again in a minute"
			},
		},
		"junk":         {strings.Repeat("x", 2<<20), func(err error) bool { return errors.Is(err, ErrProtocol) }},
		"endless junk": {strings.Repeat("nonsense\n", 100_000), func(err error) bool { return errors.Is(err, ErrProtocol) }},
		"nothing":      {"", func(err error) bool { return errors.Is(err, io.EOF) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				go func() {
					p := <-f.conns
					go io.Copy(io.Discard, p)
					io.WriteString(p, c.says+"\n")
					p.Close()
				}()
				if _, err := Dial(context.Background(), "fake", Options{Dial: f.dial}); !c.check(err) {
					t.Errorf("Dial says %v", err)
				}
			})
		})
	}
}

// A client that is refused for good ends, and says so once everything else is taken.
func TestEndsByItself(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		p.Close()
		u.lost(io.EOF)
		p = <-f.conns
		p.line()
		p.want("hello")
		p.send(`{"type":"error","code":"password","text":"changed"}`)
		p.Close()
		d := u.next().(Disconnected)
		if !d.Retry.IsZero() || !errors.Is(d.Err, &Error{Code: WrongPassword}) {
			t.Errorf("%#v", d)
		}
		for range 2 {
			if _, err := u.Next(context.Background()); !errors.Is(err, &Error{Code: WrongPassword}) {
				t.Errorf("Next says %v", err)
			}
		}
		if _, err := u.Send(context.Background(), "", "hello"); !errors.Is(err, &Error{Code: WrongPassword}) {
			t.Errorf("Send says %v", err)
		}
	})
}

// A greeting for people that was under way before /json was read does no harm.
func TestGreetedAsAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, err := New("fake", Options{Dial: f.dial, Name: "bob"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		u, p := user{c, t}, <-f.conns
		p.line()
		h := p.want("hello")
		p.send("* chatd on fake, room lobby; here: nobody\n09:42 bob: {")
		p.send(`{"type":"you","name":"guest7"}`)
		p.send(`{"type":"welcome","version":1,"name":"guest7"}`)
		p.send(`{"type":"error","code":"name-taken","text":"bob is taken","id":%q}`, h["id"])
		u.wants(
			Connected{Name: "guest7"},
			You{Name: "guest7"},
			Refused{Err: &Error{Code: NameTaken, Text: "bob is taken"}},
		)
		p.Close()
		p = <-f.conns
		if h := p.hello(); h["name"] != "bob" {
			t.Errorf("after that it asks for the name %v", h["name"])
		}
	})
}

// A room that cannot be had again is told, and not asked for any more.
func TestRoomIsGone(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		p.Close()
		u.lost(io.EOF)
		p = <-f.conns
		h := p.hello()
		p.send(`{"type":"error","code":"locked","text":"lobby is locked","room":"lobby","id":%q}`, h["id"])
		u.next()
		refusal := &Error{Code: Locked, Text: "lobby is locked", Room: "lobby"}
		u.wants(Left{Room: "lobby", Text: "lobby is locked", Err: refusal})
		p.Close()
		u.lost(io.EOF)
		p = <-f.conns
		if rooms, ok := p.hello()["rooms"].([]any); !ok || len(rooms) != 0 {
			t.Errorf("it asks for %v", rooms)
		}
	})
}

func TestSilentServer(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		began := time.Now()
		p.want("ping")
		if d := time.Since(began); d < pingAfter || d > pingAfter+watchEvery {
			t.Errorf("it asks after %v", d)
		}
		p.send(`{"type":"pong"}`)
		began = time.Now()
		p.want("ping")
		u.lost(ErrSilent)
		if d := time.Since(began); d > silentMost+watchEvery {
			t.Errorf("it takes %v", d)
		}
		(<-f.conns).hello()
	})
}
