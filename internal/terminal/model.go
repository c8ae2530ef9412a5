package terminal

import (
	"context"
	"errors"
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/chatd/chatd/pkg/client"
)

// model is what a person at a terminal sees and does. It is used by Bubble Tea's
// goroutine alone; what waits for the server runs in commands, whose outcome comes back
// as a message.
type model struct {
	// Set at the beginning.
	ctx    context.Context
	client *client.Client
	look   look
	o      Options
	terse  bool // nothing is told of what one meets: greeting, rooms, who comes and goes

	// What is seen.
	out     []entry // to be printed
	days    days
	places  map[string]*place // the rooms
	here    string            // the one that is talked in
	lost    string            // why there is no connection; empty: there is one
	away    bool              // the window has not the focus
	marked  bool              // and it was marked up to where was read
	ringing bool              // BEL is due
	bell    bool              // BEL when the name is said

	// What is typed.
	line    editor
	history history
	found   completion
	known   []string // rooms that were listed
	prompt  *prompt  // what is asked, or nil
	pasted  []string // lines that were pasted and not said yet
	leaving bool     // it was said how to leave
	going   bool     // the program ends when nothing waits any more
	hint    string   // for the next key

	// What is on its way.
	waiting []*waiting
	posting bool     // a command is posting the first of them
	moving  bool     // into another room, or out of one
	later   []string // typed meanwhile

	failed error // why the program ends
}

func newModel(ctx context.Context, c *client.Client, o Options, l look) *model {
	return &model{ctx: ctx, client: c, o: o, look: l, days: newDays(), places: map[string]*place{}}
}

// place is a room as it is seen.
type place struct {
	shelf  []entry // said while another room was looked at, and not shown yet
	lost   int     // that were too many for the shelf
	unread int     // of the shelf, said by people just now
	called bool    // in one of them the reader is named
	before bool    // what was said before is being shown
	again  bool    // that is what was missed while there was no connection
	old    bool    // and there was something, and it was not missed only
	met    bool    // it was looked at
	seen   client.Position
}

// shelfMost is how many entries of a room are kept for when it is looked at.
const shelfMost = 500

// eventsMsg is what has come from the server, in order. With an error, it is the last.
type eventsMsg struct {
	events []client.Event
	err    error
}

// eventsMost is how many events are shown at once.
const eventsMost = 256

// listen waits for events, and takes all that are there.
func (m *model) listen() tea.Msg {
	e, err := m.client.Next(m.ctx)
	if err != nil {
		return eventsMsg{err: err}
	}
	all := eventsMsg{events: []client.Event{e}}
	over, cancel := context.WithCancel(m.ctx)
	cancel()
	for len(all.events) < eventsMost {
		if e, err = m.client.Next(over); err != nil {
			break // there are no others, or the next call says why
		}
		all.events = append(all.events, e)
	}
	return all
}

// outcomeMsg is what a command has led to: what is to be done in the model.
type outcomeMsg func(m *model) tea.Cmd

// update does what a message means.
func (m *model) update(msg tea.Msg) tea.Cmd {
	cmd := m.do(msg)
	if m.going && len(m.waiting)+len(m.later) == 0 {
		m.going = false
		return tea.Batch(cmd, m.quit())
	}
	return cmd
}

func (m *model) do(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case eventsMsg:
		return m.hear(msg)
	case outcomeMsg:
		return msg(m)
	case tea.KeyPressMsg:
		return m.press(msg)
	case tea.PasteMsg:
		return m.paste(msg.Content)
	case tea.BlurMsg:
		m.away, m.marked = true, false
	case tea.FocusMsg:
		m.away = false
	}
	return nil
}

// hear shows what has come from the server.
func (m *model) hear(msg eventsMsg) tea.Cmd {
	var cmds []tea.Cmd
	for _, e := range msg.events {
		cmds = append(cmds, m.event(e))
	}
	switch {
	case msg.err == nil:
		cmds = append(cmds, m.post(), m.listen)
	case m.ctx.Err() != nil || errors.Is(msg.err, client.ErrClosed):
	default:
		m.failed = Unreachable(m.o.Server, msg.err)
		cmds = append(cmds, m.quit())
	}
	return tea.Batch(cmds...)
}

// event shows one event.
func (m *model) event(e client.Event) tea.Cmd {
	switch e := e.(type) {
	case client.Connected:
		m.connected(e)
		return nil
	case client.Disconnected:
		m.disconnected(e)
		return nil
	case client.Joined:
		m.joined(e)
		return nil
	case client.Live:
		m.caughtUp(e)
		return nil
	case client.Message:
		m.message(e)
		return nil
	case client.Presence:
		if p := m.places[e.Room]; m.terse || p == nil || p.before || e.Room != m.here || e.What == client.PersonJoined && e.Name == m.client.Name() {
			return nil // it is of the past, of a room that is not looked at, or of the reader
		}
	case client.Direct:
		x := directOf(e, false)
		x.call = true
		m.ring()
		m.print(x)
		return nil
	case client.Left:
		return m.left(e)
	case client.Refused:
		m.tell(e.Err.Error())
		m.hint = "if that name is yours: /login NAME"
		return nil
	}
	if x, ok := entryOf(e); ok {
		m.show(x)
	}
	return nil
}

// connected greets at the first time.
func (m *model) connected(e client.Connected) {
	if m.lost != "" && m.o.Seat {
		m.tell("the server is back")
	}
	m.lost = ""
	if !e.Again && !m.terse {
		m.tell("connected to " + e.Server + "; you are " + e.Name + ": /nick NAME changes it, /help lists the rest")
		for _, line := range lines(e.MOTD) {
			m.tell(line)
		}
		if e.Keeps != "" {
			m.tell(e.Keeps)
		}
	}
	if !e.Again {
		for _, note := range m.o.Notes {
			m.tell(note)
		}
	}
}

// disconnected tells the operator that the server is gone, once until it is back. Others
// have it in the status.
func (m *model) disconnected(e client.Disconnected) {
	if m.lost == "" && m.o.Seat && !e.Retry.IsZero() {
		m.tell("the server is gone (" + Reason(e.Err) + "); what you type waits until it is back")
	}
	m.lost = Label(Reason(e.Err))
}

// joined begins to show a room.
func (m *model) joined(e client.Joined) {
	p := m.place(e.Room)
	p.before, p.old, p.again = true, false, e.Again
	if e.Again {
		return
	}
	if m.here == "" {
		m.here, p.met = e.Room, true
	}
	if m.terse {
		return
	}
	x := sentence("room " + e.Room + "; " + hereText(e.People, e.More, e.Listening, m.client.Name()) + aboutTopic(e.Topic))
	x.room = e.Room
	m.show(x)
}

// caughtUp is told when all that was said before has been shown.
func (m *model) caughtUp(e client.Live) {
	p := m.place(e.Room)
	m.reach(e.Room, e.Position)
	if p.old && !m.terse {
		x := sentence("now:")
		x.room = e.Room
		m.show(x)
	}
	p.before, p.old = false, false
}

// message shows what somebody said.
func (m *model) message(e client.Message) {
	m.heard(e)
	x := messageOf(e)
	p := m.place(e.Room)
	p.old = p.old || e.Old && !p.again
	own := e.From == m.client.Name()
	fresh := !own && (!e.Old || p.again)
	x.call = fresh && calls(e.Text, m.client.Name())
	if x.call {
		m.ring()
	}
	if fresh && m.away && !m.marked && e.Room == m.here {
		m.marked = true
		m.print(entry{kind: mark, text: "── you had read up to here ──"})
	}
	m.show(x)
	if fresh && e.Room != m.here {
		p.unread++
		p.called = p.called || x.call
	}
}

// left is told when the room is no more, or cannot be come back to.
func (m *model) left(e client.Left) tea.Cmd {
	if m.places[e.Room] == nil {
		return nil
	}
	delete(m.places, e.Room)
	switch {
	case e.Err != nil:
		m.tell(e.Room + ": " + e.Err.Error())
	case e.Text != "":
		m.tell(e.Text)
	default:
		m.tell("you left " + e.Room)
	}
	if m.here != e.Room {
		return nil
	}
	m.here = ""
	if rooms := m.client.Joined(); len(rooms) > 0 {
		m.place(rooms[0])
		m.turn(rooms[0])
	}
	return nil
}

// place returns what is known of a room.
func (m *model) place(room string) *place {
	p := m.places[room]
	if p == nil {
		p = &place{}
		m.places[room] = p
	}
	return p
}

// tell shows a sentence, of the server or the program.
func (m *model) tell(s string) { m.print(sentence(s)) }

// show prints an entry, or keeps it until its room is looked at.
func (m *model) show(x entry) {
	room := x.room
	x.room = ""
	p := m.places[room]
	if room == "" || room == m.here || p == nil {
		m.print(x)
		return
	}
	p.shelf = append(p.shelf, x)
	if n := len(p.shelf) - shelfMost; n > 0 {
		p.shelf, p.lost = slices.Delete(p.shelf, 0, n), p.lost+n
	}
}

// print has an entry printed, and the day before it if that is another one.
func (m *model) print(x entry) {
	if day, ok := m.days.next(x); ok {
		m.out = append(m.out, day)
	}
	m.out = append(m.out, x)
}

// turn looks at another room: what was said there meanwhile is shown.
func (m *model) turn(room string) {
	p := m.places[room]
	if p == nil || room == m.here {
		return
	}
	m.here = room
	if r, ok := m.client.Room(room); ok && p.met {
		m.tell("room " + room + aboutTopic(r.Topic))
	}
	p.met = true
	if p.lost > 0 {
		m.tell(Count(p.lost, "line", "lines") + " before these are not shown; /last shows more")
	}
	for _, x := range p.shelf {
		m.print(x)
	}
	p.shelf, p.lost, p.unread, p.called = nil, 0, 0, false
}

// step looks at the next room, or, with -1, the one before.
func (m *model) step(by int) {
	rooms := m.client.Joined()
	if i := slices.Index(rooms, m.here); len(rooms) > 1 {
		m.turn(rooms[(i+by+len(rooms))%len(rooms)])
	} else {
		m.hint = "there is only this room; /join ROOM goes to another one"
	}
}

func (m *model) ring() { m.ringing = m.ringing || m.bell }

// takeLines returns what is to be printed, for so many columns.
func (m *model) takeLines(columns int) (all []string) {
	for _, x := range m.out {
		all = append(all, m.look.lines(x, columns)...)
	}
	m.out = nil
	if m.ringing && len(all) > 0 {
		m.ringing = false
		all[len(all)-1] += "\a"
	}
	return all
}
