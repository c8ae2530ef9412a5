package client

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// greetingMost is how many bytes may come before the welcome: a server that has not
// read /json yet may greet a person.
const greetingMost = 256 << 10

// greet says hello and reads up to the welcome.
func (c *Client) greet(l *link) error {
	if err := l.wire.write(c.helloLine(l.hello)); err != nil {
		return ended(err)
	}
	if err := l.wire.flush(); err != nil {
		return ended(err)
	}
	var g greeting
	for {
		line, err := l.wire.read()
		if err != nil {
			return g.why(err)
		}
		o, err := decode(line)
		if err != nil || o.Type != "welcome" {
			if err = g.hear(line, o, err); err != nil {
				return err
			}
			continue
		}
		l.first = append(l.first, c.welcomed(o))
		for _, o := range g.objects {
			if e, _ := c.receive(o, l.hello); e != nil {
				l.first = append(l.first, e)
			}
		}
		return nil
	}
}

// greeting is what comes before a welcome.
type greeting struct {
	objects []*object
	notice  string // the last line that is no object and meant for people
	size    int    // of all
}

// hear notes what has come: an object, or, if it is none and wrong says so, a line. Who
// is turned away at the door is told so as people are. The error is the end.
func (g *greeting) hear(line []byte, o *object, wrong error) error {
	if g.size += len(line); g.size > greetingMost {
		return fmt.Errorf("%w: it sent %d bytes and no welcome", ErrProtocol, g.size)
	}
	switch {
	case wrong != nil:
		if text, ok := bytes.CutPrefix(line, []byte("* ")); ok {
			g.notice = string(text)
		}
	case o.Type == "bye":
		return g.why(&ByeError{Code: Bye(o.Code), Text: o.Text})
	default:
		g.objects = append(g.objects, o)
	}
	return nil
}

// why returns what the server said before it ended the connection, or else err.
func (g *greeting) why(err error) error {
	for _, o := range slices.Backward(g.objects) {
		if o.Type == "error" {
			return o.refusal()
		}
	}
	var bye *ByeError
	if g.notice != "" && !errors.As(err, &bye) {
		return &ByeError{Text: g.notice}
	}
	return err
}

// helloLine returns the first request, for all that is wanted.
func (c *Client) helloLine(id string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := hello{
		Type: "hello", ID: id, Version: 1, Name: c.state.wanted, Password: c.state.password,
		ServerPassword: c.o.ServerPassword, Session: c.o.Session, Rooms: c.state.hello(), Bot: c.o.Bot,
	}
	if h.Rooms == nil {
		h.History = historyField(c.o.History)
	}
	if c.o.NoEcho {
		h.Echo = new(bool)
	}
	return encode(h)
}

// welcomed notes that the client is connected.
func (c *Client) welcomed(o *object) Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := o.connected(c.state.welcomes > 0)
	c.state.welcomes++
	c.state.welcome, c.state.connected = e, true
	c.state.you = You{Name: o.Name, Operator: o.Operator}
	return e
}
