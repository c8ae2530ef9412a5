package client

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// flood sends messages until the connection ends, and counts those that were taken off
// it.
func (p *peer) flood(text string) (taken *atomic.Int64) {
	taken = new(atomic.Int64)
	go func() {
		for i := 11; ; i++ {
			if _, err := fmt.Fprintf(p,
				`{"type":"message","room":"lobby","epoch":1,"seq":%d,"from":"bob","text":%q}`+"\n", i, text); err != nil {
				return
			}
			taken.Add(1)
		}
	}()
	return taken
}

// Who does not take events makes the connection not be read: so many wait, and no more.
func TestSlowConsumer(t *testing.T) {
	simulate(t, Options{Buffer: 100}, func(f *fake, u user, p *peer) {
		taken := p.flood("hello")
		time.Sleep(time.Hour) // on the simulated clock: nothing moves, and the server is not taken to be gone
		if n := taken.Load(); n < 100 || n > 102 || len(u.events.ch) != 100 {
			t.Errorf("%d messages were read, %d wait", n, len(u.events.ch))
		}
		for i := range 1000 {
			if m := u.next().(Message); m.Seq != uint64(11+i) {
				t.Fatalf("message %d came after %d others", m.Seq, i)
			}
		}
		synctest.Wait()
		p.Close()
	})
}

func TestSlowConsumerOfLongMessages(t *testing.T) {
	simulate(t, Options{Buffer: 10_000}, func(f *fake, u user, p *peer) {
		p.flood(strings.Repeat("x", 64<<10))
		synctest.Wait()
		if n, size := len(u.events.ch), u.events.bytes.Load(); n > 17 || n < 15 || size > bytesMost+64<<10+1<<10 {
			t.Errorf("%d messages wait, of %d bytes", n, size)
		}
		for range 100 {
			u.next()
		}
		synctest.Wait()
		p.Close()
	})
}

// Who waits for an answer in the goroutine that should take events is told so.
func TestNobodyReads(t *testing.T) {
	simulate(t, Options{Buffer: 10}, func(f *fake, u user, p *peer) {
		began := time.Now()
		go func() {
			p.want("say")
			p.flood("hello")
		}()
		if _, err := u.Send(ctx, "", "hello"); !errors.Is(err, ErrNotReading) || !errors.Is(err, ErrUnsure) {
			t.Errorf("Send says %v", err)
		}
		if d := time.Since(began); d != patience {
			t.Errorf("after %v", d)
		}
		began = time.Now()
		if _, err := u.Who(ctx, ""); !errors.Is(err, ErrNotReading) || time.Since(began) != 0 {
			t.Errorf("after %v Who says %v", time.Since(began), err)
		}
		for range 20 {
			u.next()
			synctest.Wait()
			select {
			case <-u.events.stuckFor():
				t.Fatal("it has not noticed that events are taken again")
			default:
			}
			time.Sleep(patience)
			synctest.Wait()
			<-u.events.stuckFor() // once more
		}
		p.Close()
	})
}

// Once the last event that did not fit is in, all is well.
func TestReadsAgain(t *testing.T) {
	simulate(t, Options{Buffer: 10}, func(f *fake, u user, p *peer) {
		for i := range 11 {
			p.say(1, 11+i, "hello")
		}
		<-u.events.stuckFor()
		u.next()
		synctest.Wait()
		go p.answers(fields{"type": "ping"}, `{"type":"pong","id":%q}`)
		if err := u.Ping(ctx); err != nil {
			t.Error(err)
		}
	})
}

// A slow consumer, with another goroutine that asks, is none that does not read.
func TestSlowIsNotStuck(t *testing.T) {
	simulate(t, Options{Buffer: 1}, func(f *fake, u user, p *peer) {
		go func() {
			q := p.want("who")
			for i := range 10 {
				p.say(1, 11+i, "hello")
			}
			p.send(`{"type":"people","room":"lobby","people":[{"name":"bob"}],"id":%q}`, q["id"])
		}()
		taken := make(chan struct{})
		go func() {
			defer close(taken)
			for range 10 {
				time.Sleep(patience - time.Nanosecond)
				u.next()
			}
		}()
		if who, err := u.Who(ctx, ""); err != nil || len(who.People) != 1 {
			t.Errorf("%v, %v", who, err)
		}
		<-taken
	})
}

// Nor is one who takes small events before a long one, which is too long for another to
// be read.
func TestSlowBeforeALongOne(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		go func() {
			q := p.want("who")
			for i := range 5 {
				p.say(1, 11+i, "hello")
			}
			p.say(1, 16, strings.Repeat("x", lineMost-1000))
			p.say(1, 17, "and on")
			p.say(1, 18, "and on")
			p.send(`{"type":"people","room":"lobby","people":[{"name":"bob"}],"id":%q}`, q["id"])
		}()
		taken := make(chan struct{})
		go func() {
			defer close(taken)
			for range 8 {
				time.Sleep(patience - time.Nanosecond)
				u.next()
			}
		}()
		if who, err := u.Who(ctx, ""); err != nil || len(who.People) != 1 {
			t.Errorf("%v, %v", who, err)
		}
		<-taken
	})
}

func TestSendOnly(t *testing.T) {
	simulate(t, Options{SendOnly: true}, func(f *fake, u user, p *peer) {
		for i := range 10_000 {
			p.say(1, 11+i, "hello")
		}
		s := u.post(Draft{Text: "done"})
		p.said(p.want("say"), 1, 11_000)
		wantAt(t, s.Said, Position{1, 11_000})
		if _, err := u.Next(ctx); err != ErrSendOnly {
			t.Errorf("Next says %v", err)
		}
		p.Close()
		p = <-f.conns
		if h := p.hello(); h["bot"] != true || h["echo"] != false {
			t.Errorf("it says hello by %v", h)
		}
	})
}

// What is no object, or too long, ends the connection, and the client goes on from where
// it was.
func TestJunk(t *testing.T) {
	for name, junk := range map[string]string{
		"no JSON":          "hello",
		"half an object":   `{"type":"message","room":"lobby"`,
		"no object":        `["message"]`,
		"a wrong field":    `{"type":"message","room":"lobby","seq":"eleven"}`,
		"a negative":       `{"type":"live","room":"lobby","seq":-1}`,
		"a null byte":      "\x00",
		"a line too long":  strings.Repeat("x", 3<<20),
		"an object so big": `{"type":"notice","text":"` + strings.Repeat("x", 3<<20) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, Options{}, func(f *fake, u user, p *peer) {
				p.say(1, 11, "one")
				go func(p *peer) {
					io.WriteString(p, junk+"\n")
					p.Close()
				}(p)
				u.says("one")
				u.lost(ErrProtocol)
				p = <-f.conns
				p.hello()
				p.lobby(1, 11)
				p.say(1, 12, "two")
				u.next()
				u.next()
				u.says("two")
			})
		})
	}
}

// What a later version of the protocol may send does no harm.
func TestUnknown(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		p.send("\n \r\n{}\r\n" + `{"type":"weather","room":7,"text":["rain"],"seq":{}}` + "\n" +
			`{"type":"notice","text":"it rains","mood":{"a":[1]},"id":""}`)
		p.send(`{"type":"presence","room":"elsewhere","event":"winked","name":"bob"}`)
		u.wants(Notice{Text: "it rains"}, Presence{Room: "elsewhere", What: "winked", Name: "bob"})
		p.send(`{"type":"said","id":"never given"}`)
		p.send(`{"type":"done"}`)
		u.wantsNothing()
	})
}
