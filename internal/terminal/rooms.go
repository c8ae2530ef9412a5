package terminal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/chatd/chatd/internal/when"
	"github.com/chatd/chatd/pkg/client"
)

// join goes to a room: one that the person is in, or another one.
func (m *model) join(args string) tea.Cmd {
	room, password, _ := strings.Cut(args, " ")
	if room == "" {
		return m.misused("join")
	}
	for _, name := range m.client.Joined() {
		if strings.EqualFold(name, room) {
			m.place(name)
			m.turn(name)
			return nil
		}
	}
	return m.enterRoom(client.RoomOptions{Room: room, Password: strings.TrimSpace(password)})
}

// enterRoom asks for a room. What is typed meanwhile waits: it is meant for there.
func (m *model) enterRoom(o client.RoomOptions) tea.Cmd {
	m.moving = true
	return func() tea.Msg {
		j, err := m.client.Join(m.ctx, o)
		return outcomeMsg(func(m *model) tea.Cmd {
			m.moving = false
			switch {
			case errors.Is(err, &client.Error{Code: client.Locked}) && o.Password == "":
				m.complain(err)
				m.ask("password of "+Label(o.Room), func(password string) tea.Cmd {
					o.Password = password
					return m.enterRoom(o)
				})
				return m.moved(errors.New("it is locked"))
			case err != nil:
				m.complain(err)
				return m.moved(err)
			}
			m.place(j.Room)
			m.turn(j.Room)
			return m.moved(nil)
		})
	}
}

// leaveRoom leaves a room. Who leaves the last one is where everyone begins.
func (m *model) leaveRoom(args string) tea.Cmd {
	room := args
	if room == "" {
		room = m.here
	}
	server, _ := m.client.Server()
	rooms := m.client.Joined()
	last := len(rooms) == 1 && rooms[0] == room
	if last && room == server.Room {
		m.tell("this is where everyone begins; /quit leaves the chat")
		return nil
	}
	m.moving = true
	return func() tea.Msg {
		var err error
		if last {
			_, err = m.client.Join(m.ctx, client.RoomOptions{Room: server.Room})
		}
		if err == nil {
			err = m.client.Leave(m.ctx, room)
		}
		return outcomeMsg(func(m *model) tea.Cmd {
			m.moving = false
			if err != nil {
				m.complain(err)
				return m.moved(err)
			}
			m.left(client.Left{Room: room})
			return m.moved(nil)
		})
	}
}

// moved does what was typed while going to another room. If that failed it is not said:
// it was not meant for here.
func (m *model) moved(err error) tea.Cmd {
	later := m.later
	m.later = nil
	var cmds []tea.Cmd
	for _, line := range later {
		if err != nil {
			m.tell("not said: " + line)
			continue
		}
		cmds = append(cmds, m.enter(line))
	}
	return tea.Batch(cmds...)
}

// rooms lists the rooms there are.
func (m *model) rooms(string) tea.Cmd {
	return request(m, m.client.Rooms, func(m *model, l client.RoomList) tea.Cmd {
		in := m.client.Joined()
		m.known = nil
		for _, r := range l.Rooms {
			m.known = append(m.known, r.Room)
			s := r.Room + ": " + Count(r.People, "person", "people")
			if r.Topic != "" {
				s += "; topic: " + r.Topic
			}
			if r.Locked {
				s += "; locked"
			}
			if slices.Contains(in, r.Room) {
				s += "; you are in it"
			}
			m.tell(s)
		}
		if l.More > 0 {
			m.tell(fmt.Sprintf("and %d more", l.More))
		}
		return nil
	})
}

// showPage prints messages of before, between two notices.
func (m *model) showPage(title string) func(*model, client.Page) tea.Cmd {
	return func(m *model, p client.Page) tea.Cmd {
		if len(p.Messages) == 0 {
			m.tell("there is nothing")
			return nil
		}
		m.tell(title)
		for _, x := range p.Messages {
			e := messageOf(x)
			e.room = ""
			m.print(e)
		}
		m.tell("now:")
		return nil
	}
}

// lastDefault is how many messages /last shows if nothing is said, lastMost the most.
const (
	lastDefault = 20
	lastMost    = 1000
	pageMost    = 500 // that the server gives at once
)

func (m *model) last(args string) tea.Cmd {
	n, room := lastDefault, m.here
	if args != "" {
		var err error
		if n, err = number(args); err != nil {
			return m.since(args)
		}
	}
	n = min(n, lastMost)
	return request(m, func(ctx context.Context) (client.Page, error) {
		return m.backwards(ctx, room, n, time.Time{})
	}, m.showPage("the last messages:"))
}

// since shows what was said since a time.
func (m *model) since(args string) tea.Cmd {
	begin, err := when.Moment(args, time.Now())
	if err != nil {
		m.tell(err.Error())
		return nil
	}
	room := m.here
	return request(m, func(ctx context.Context) (client.Page, error) {
		return m.backwards(ctx, room, lastMost, begin)
	}, m.showPage("since "+begin.Format("15:04 on Monday 2 January 2006")+":"))
}

// backwards returns the last messages of a room, so many at most, and none that were
// said before a time.
func (m *model) backwards(ctx context.Context, room string, most int, begin time.Time) (all client.Page, err error) {
	for before := uint64(0); len(all.Messages) < most; {
		p, err := m.client.HistoryBefore(ctx, room, before, min(most-len(all.Messages), pageMost))
		if err != nil {
			return all, err
		}
		later := slices.IndexFunc(p.Messages, func(x client.Message) bool { return !x.Time.Before(begin) })
		if later < 0 {
			break
		}
		all.Messages = slices.Concat(p.Messages[later:], all.Messages)
		if later > 0 || !p.More {
			break
		}
		before = p.Messages[0].Seq
	}
	return all, nil
}

// byNumber shows messages by their numbers, such as a gap names.
func (m *model) byNumber(args string) tea.Cmd {
	from, to, is := strings.Cut(strings.NewReplacer("#", "", "–", "-").Replace(args), "-")
	if !is {
		to = from
	}
	first, err1 := number(from)
	end, err2 := number(to)
	if err1 != nil || err2 != nil || end < first {
		return m.misused("show")
	}
	room, most := m.here, min(end-first+1, pageMost)
	return request(m, func(ctx context.Context) (client.Page, error) {
		p, err := m.client.HistoryAfter(ctx, room, uint64(first-1), most)
		beyond := func(x client.Message) bool { return x.Seq > uint64(end) }
		p.Messages = slices.DeleteFunc(p.Messages, beyond)
		return p, err
	}, m.showPage(fmt.Sprintf("the messages #%d–#%d:", first, end)))
}

func (m *model) search(args string) tea.Cmd {
	if args == "" {
		return m.misused("search")
	}
	room := m.here
	return request(m, func(ctx context.Context) (client.Page, error) {
		return m.client.Search(ctx, room, args, 0, 0)
	}, m.showPage("found:"))
}

// number reads a number above 0.
func number(s string) (int, error) {
	var n int
	for _, r := range s {
		if r < '0' || r > '9' || n > 1<<52 {
			return 0, errors.New("that is no number")
		}
		n = 10*n + int(r-'0')
	}
	if n == 0 {
		return 0, errors.New("that is no number")
	}
	return n, nil
}
