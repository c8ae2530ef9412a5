package terminal

import (
	"crypto/rand"
	"errors"

	tea "charm.land/bubbletea/v2"

	"github.com/chatd/chatd/pkg/client"
)

// waiting is a text that was typed and has not been seen among what was said. It waits
// here, however long there is no connection.
type waiting struct {
	id, room, text string
	act            bool
	posted         bool            // the client has it, and says it once
	said           client.Position // zero: not yet
}

// say has a text be said in the room that is looked at, in as many messages as it needs.
func (m *model) say(text string, act bool) tea.Cmd {
	server, _ := m.client.Server()
	for _, piece := range pieces(text, limit(server.MaxText)) {
		m.waiting = append(m.waiting, &waiting{id: rand.Text(), room: m.here, text: piece, act: act})
	}
	return m.post()
}

// post hands the texts that wait to the client, in order. The client takes some ahead,
// and no more until they are said.
func (m *model) post() tea.Cmd {
	if m.posting {
		return nil
	}
	for _, w := range m.waiting {
		if w.posted {
			continue
		}
		m.posting = true
		d := client.Draft{Room: w.room, Text: w.text, Act: w.act, ID: w.id, UntilStored: true}
		return func() tea.Msg {
			s, err := m.client.Post(m.ctx, d)
			return outcomeMsg(func(m *model) tea.Cmd {
				m.posting = false
				switch {
				case errors.Is(err, client.ErrNotReading):
					return nil // the next event that comes is the occasion to try again
				case err != nil:
					m.notSaid(d.ID, err)
					return m.post()
				}
				w.posted = true
				return tea.Batch(m.receipt(s), m.post())
			})
		}
	}
	return nil
}

// receipt waits until a text is said.
func (m *model) receipt(s *client.Sending) tea.Cmd {
	return func() tea.Msg {
		at, err := s.Said(m.ctx)
		return outcomeMsg(func(m *model) tea.Cmd {
			switch i := m.indexOf(s.ID()); {
			case errors.Is(err, client.ErrNotReading) || i < 0:
				// It is seen when it comes.
			case err != nil:
				m.notSaid(s.ID(), err)
			case past(m.place(m.waiting[i].room).seen, at):
				m.drop(i) // it has come, or a gap in its place
			default:
				m.waiting[i].said = at
			}
			return nil
		})
	}
}

// notSaid gives a text up.
func (m *model) notSaid(id string, err error) {
	i := m.indexOf(id)
	if i < 0 || m.ctx.Err() != nil {
		return
	}
	m.tell("not said: " + m.waiting[i].text)
	m.tell(err.Error())
	m.drop(i)
}

// heard notes that a message has come: one's own waits no longer.
func (m *model) heard(e client.Message) {
	if i := m.indexOf(e.ID); i >= 0 {
		m.drop(i)
	}
	m.reach(e.Room, e.Position)
}

// reach notes up to where a room has come. What was said before that and has not come is
// in a gap.
func (m *model) reach(room string, p client.Position) {
	m.place(room).seen = p
	for i := len(m.waiting) - 1; i >= 0; i-- {
		if w := m.waiting[i]; w.room == room && !w.said.IsZero() && past(p, w.said) {
			m.drop(i)
		}
	}
}

// past tells whether a room that has come to seen has come to p.
func past(seen, p client.Position) bool {
	return seen.Epoch > p.Epoch || seen.Epoch == p.Epoch && seen.Seq >= p.Seq
}

func (m *model) indexOf(id string) int {
	for i, w := range m.waiting {
		if id != "" && w.id == id {
			return i
		}
	}
	return -1
}

func (m *model) drop(i int) { m.waiting = append(m.waiting[:i], m.waiting[i+1:]...) }
