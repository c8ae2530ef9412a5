package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var ctx = context.Background()

// said and stored answer a say.
func (p *peer) said(q fields, epoch, seq int) {
	p.t.Helper()
	p.send(`{"type":"said","id":%q,"room":"lobby","epoch":%d,"seq":%d}`, q["id"], epoch, seq)
}

func (p *peer) stored(q fields, epoch, seq int) {
	p.t.Helper()
	p.send(`{"type":"stored","id":%q,"room":"lobby","epoch":%d,"seq":%d}`, q["id"], epoch, seq)
}

// post is Post for tests that cannot go on without it.
func (u user) post(d Draft) *Sending {
	u.t.Helper()
	s, err := u.Post(ctx, d)
	if err != nil {
		u.t.Fatal(err)
	}
	return s
}

// wantAt compares what Said or Stored return.
func wantAt(t *testing.T, wait func(context.Context) (Position, error), want Position) {
	t.Helper()
	if at, err := wait(ctx); at != want || err != nil {
		t.Errorf("%v, %v; wanted %v", at, err, want)
	}
}

func TestSays(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		one, two := u.post(Draft{Text: `<"1">`}), u.post(Draft{Room: "lobby", Text: "2\n", Act: true, ID: "of my own, 123"})
		q := p.want("say")
		if q["text"] != `<"1">` || q["room"] != "lobby" || q["act"] != nil || len(q["id"].(string)) < 16 || q["id"] != one.ID() {
			t.Errorf("%v", q)
		}
		p.said(q, 1, 11)
		wantAt(t, one.Said, Position{1, 11})
		p.stored(q, 1, 11)
		wantAt(t, one.Stored, Position{1, 11})
		q = p.want("say")
		if q["text"] != "2\n" || q["act"] != true || q["id"] != "of my own, 123" || q["id"] != two.ID() {
			t.Errorf("%v", q)
		}
		p.said(q, 1, 12)
		p.send(`{"type":"error","code":"not-stored","text":"disk full","room":"lobby","id":%q}`, q["id"])
		wantAt(t, two.Said, Position{1, 12})
		if at, err := two.Stored(ctx); at != (Position{1, 12}) || !errors.Is(err, &Error{Code: NotStored}) {
			t.Errorf("%v, %v", at, err)
		}
		go func() {
			q := p.want("say")
			p.send(`{"type":"error","code":"muted","text":"you may only read","room":"lobby","id":%q}`, q["id"])
		}()
		_, err := u.Send(ctx, "", "3")
		var refusal *Error
		if !errors.As(err, &refusal) || *refusal != (Error{Code: Muted, Text: "you may only read", Room: "lobby"}) {
			t.Errorf("Send says %v", err)
		}
		if len(u.slots) > 0 || len(u.pending) > 0 {
			t.Errorf("%d requests are left over, %d places taken", len(u.pending), len(u.slots))
		}
	})
}

// What was not answered is sent again, in the same order and under the same ids, before
// what was posted meanwhile.
func TestSendsAgain(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		var posted []*Sending
		for i := range 3 {
			posted = append(posted, u.post(Draft{Text: fmt.Sprint(i)}))
		}
		q := p.want("say")
		p.want("say")
		p.said(q, 1, 11)
		wantAt(t, posted[0].Said, Position{1, 11})
		p.Close()
		u.lost(io.EOF)
		posted = append(posted, u.post(Draft{Text: "3"}))
		if _, err := posted[0].Stored(ctx); !errors.Is(err, ErrUnsure) || !errors.Is(err, io.EOF) {
			t.Errorf("of what was said, and is not known to be stored, Stored says %v", err)
		}
		p = <-f.conns
		p.hello()
		p.lobby(1, 10)
		for i, s := range posted[1:] {
			q := p.want("say")
			if q["id"] != s.ID() || q["text"] != fmt.Sprint(i+1) {
				t.Errorf("%v came, and not the message %d, %s", q, i+1, s.ID())
			}
			p.said(q, 1, 12+i)
			p.stored(q, 1, 12+i)
			wantAt(t, s.Stored, Position{1, uint64(12 + i)})
		}
	})
}

func TestSaysUntilStored(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		s := u.post(Draft{Text: "keep this", UntilStored: true})
		p.said(p.want("say"), 1, 11)
		wantAt(t, s.Said, Position{1, 11})
		p.Close() // the server breaks down, and has lost it
		p = <-f.conns
		p.hello()
		p.lobby(2, 10)
		q := p.want("say")
		if q["id"] != s.ID() {
			t.Errorf("%v came, and not %s", q, s.ID())
		}
		p.said(q, 2, 11)
		p.stored(q, 2, 11)
		wantAt(t, s.Stored, Position{2, 11})
		wantAt(t, s.Said, Position{1, 11})
	})
}

// What the caller gave up is said only if it was sent already, and never sent again.
func TestGivesUp(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		short, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		sent := make(chan error)
		go func() {
			_, err := u.Send(short, "", "sent")
			sent <- err
		}()
		p.want("say")
		if err := <-sent; !errors.Is(err, ErrUnsure) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("of what was sent, Send says %v", err)
		}
		f.down.Store(true)
		p.Close()
		u.lost(io.EOF)
		short, cancel = context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := u.Send(short, "", "not sent"); errors.Is(err, ErrUnsure) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("of what was not sent, Send says %v", err)
		}
		if _, err := u.Send(short, "", "not even queued"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send says %v", err)
		}
		f.down.Store(false)
		p = <-f.conns
		p.hello()
		p.lobby(1, 10)
		go u.Ping(ctx)
		p.send(`{"type":"pong","id":%q}`, p.want("ping")["id"]) // and nothing before
	})
}

func TestQueueIsBounded(t *testing.T) {
	simulate(t, Options{Queue: 2}, func(f *fake, u user, p *peer) {
		u.post(Draft{Text: "1"})
		u.post(Draft{Text: "2"})
		short, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if _, err := u.Post(short, Draft{Text: "3"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Post says %v", err)
		}
		q := p.want("say")
		p.said(q, 1, 11)
		p.stored(q, 1, 11)
		u.post(Draft{Text: "4"})
		for _, text := range []string{"2", "4"} {
			if q := p.want("say"); q["text"] != text {
				t.Errorf("%v came, and not %s", q, text)
			}
		}
	})
}

// A text that the server would refuse without saying which one it was is not sent.
func TestTooLongToSend(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		for _, text := range []string{strings.Repeat("x", 4097), strings.Repeat("\x1b", 4000)} {
			if _, err := u.Send(ctx, "", text); !errors.Is(err, &Error{Code: TooLong}) {
				t.Errorf("of %d bytes Send says %v", len(text), err)
			}
		}
		for _, id := range []string{strings.Repeat("x", 65), "\xff0123456789abcdef"} {
			if _, err := u.Post(ctx, Draft{Text: "hello", ID: id}); !errors.Is(err, &Error{Code: Invalid}) {
				t.Errorf("of the id %q Post says %v", id, err)
			}
		}
		s := u.post(Draft{Text: strings.Repeat("\"", 4096)})
		p.said(p.want("say"), 1, 11)
		wantAt(t, s.Said, Position{1, 11})
	})
}

func TestClose(t *testing.T) {
	simulate(t, Options{Queue: 2}, func(f *fake, u user, p *peer) {
		s := u.post(Draft{Text: "1"})
		p.want("say")
		errs := make(chan error)
		go func() {
			_, err := u.Next(ctx)
			errs <- err
		}()
		go func() {
			_, err := s.Said(ctx)
			errs <- err
		}()
		go func() { errs <- u.Close() }()
		p.want("quit")
		p.send(`{"type":"bye","text":"goodbye"}`)
		for range 3 {
			if err := <-errs; err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
		if _, err := s.Said(ctx); !errors.Is(err, ErrUnsure) || !errors.Is(err, ErrClosed) {
			t.Errorf("of what was sent, Said says %v", err)
		}
		if _, err := u.Send(ctx, "", "2"); err != ErrClosed {
			t.Errorf("Send says %v", err)
		}
		if _, err := u.Next(ctx); err != ErrClosed {
			t.Errorf("Next says %v", err)
		}
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A server that does nothing holds Close up for a second; one that is being waited for,
// not at all.
func TestCloseDoesNotWait(t *testing.T) {
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		began := time.Now()
		u.Close()
		if d := time.Since(began); d > closePatience {
			t.Errorf("it took %v", d)
		}
	})
	simulate(t, Options{}, func(f *fake, u user, p *peer) {
		f.down.Store(true)
		p.Close()
		u.lost(io.EOF)
		synctest.Wait()
		began := time.Now()
		u.Close()
		if d := time.Since(began); d > 0 {
			t.Errorf("while there was no connection, it took %v", d)
		}
	})
	simulate(t, Options{Buffer: 3}, func(f *fake, u user, p *peer) {
		go func() {
			for i := range 1000 {
				fmt.Fprintf(p, `{"type":"notice","text":"%d"}`+"\n", i)
			}
		}()
		synctest.Wait()
		began := time.Now()
		u.Close() // while events wait
		if d := time.Since(began); d > closePatience {
			t.Errorf("while nobody took events, it took %v", d)
		}
		p.Close()
	})
}
