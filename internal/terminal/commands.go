package terminal

import (
	"context"
	"errors"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/chatd/chatd/pkg/client"
)

// command is one that the program does, or asks the server for in its own way. All
// others are for the server.
type command struct {
	name, args, help string
	do               func(m *model, args string) tea.Cmd
}

func (c command) usage() string { return strings.TrimSpace("/" + c.name + " " + c.args) }

// commands returns the table of them.
func commands() []command {
	return []command{
		{"join", "ROOM [PASSWORD]", "go to a room; you stay in the one you come from", (*model).join},
		{"leave", "[ROOM]", "leave the room, or another one", (*model).leaveRoom},
		{"rooms", "", "the rooms there are", (*model).rooms},
		{"msg", "NAME TEXT", "say something to one person only", (*model).direct},
		{"me", "TEXT", "say what you do", (*model).act},
		{"nick", "NAME", "take another name", (*model).nick},
		{"login", "[NAME]", "take a name that is registered; the password is asked for", (*model).login},
		{"register", "", "make your name yours; a password is asked for", (*model).register},
		{"last", "[N], 14:30 or 2026-11-20", "the last N messages again, or those since then", (*model).last},
		{"show", "N or N-M", "messages by number", (*model).byNumber},
		{"search", "WORDS", "the last 20 messages with all of these words", (*model).search},
		{"bell", "on|off", "whether the terminal rings when your name is said", (*model).setBell},
		{"echo", "", "your own lines appear when they are said, always", (*model).echo},
		{"help", "[COMMAND]", "this, or what a command does", (*model).help},
		{"quit", "", "leave the chat", func(m *model, _ string) tea.Cmd { return m.leave() }},
	}
}

// enter does what a line means that was typed.
func (m *model) enter(line string) tea.Cmd {
	if strings.TrimSpace(line) == "" {
		return nil
	}
	if m.moving {
		m.later = append(m.later, line)
		return nil
	}
	name, args, ok := commandOf(line)
	if !ok {
		return m.say(strings.TrimPrefix(line, slashes(line)), false)
	}
	for _, c := range commands() {
		if c.name == name {
			return c.do(m, args)
		}
	}
	return request(m, func(ctx context.Context) ([]client.Notice, error) {
		return m.client.Command(ctx, m.here, line)
	}, (*model).answer)
}

// slashes is what is taken away from a text that begins with two slashes: the first.
func slashes(line string) string {
	if strings.HasPrefix(line, "//") {
		return "/"
	}
	return ""
}

// commandOf takes a command apart. A first word with a second slash is a path, and text.
func commandOf(line string) (name, args string, ok bool) {
	rest, ok := strings.CutPrefix(line, "/")
	if !ok {
		return "", "", false
	}
	name, args, _ = strings.Cut(rest, " ")
	if name == "" || strings.Contains(name, "/") {
		return "", "", false
	}
	return strings.ToLower(name), strings.TrimSpace(args), true
}

// request asks the server, and does what is due with the answer. An error is told.
func request[T any](m *model, ask func(context.Context) (T, error), done func(*model, T) tea.Cmd) tea.Cmd {
	ctx := m.ctx
	return func() tea.Msg {
		answer, err := ask(ctx)
		return outcomeMsg(func(m *model) tea.Cmd {
			if err != nil {
				m.complain(err)
				return nil
			}
			return done(m, answer)
		})
	}
}

// complain tells an error.
func (m *model) complain(err error) {
	var refusal *client.Error
	switch {
	case m.ctx.Err() != nil:
	case errors.As(err, &refusal):
		m.tell(refusal.Error())
	case errors.Is(err, client.ErrUnsure):
		m.tell("the connection was lost meanwhile; it is not known whether that was done")
	default:
		m.tell(strings.TrimPrefix(err.Error(), "client: "))
	}
}

// answer shows what the server says to a command.
func (m *model) answer(notices []client.Notice) tea.Cmd {
	for _, n := range notices {
		m.tell(n.Text)
	}
	return nil
}

// misused tells how a command is written.
func (m *model) misused(name string) tea.Cmd {
	for _, c := range commands() {
		if c.name == name {
			m.tell("write " + c.usage())
		}
	}
	return nil
}

func (m *model) act(args string) tea.Cmd {
	if args == "" {
		return m.misused("me")
	}
	return m.say(args, true)
}

func (m *model) direct(args string) tea.Cmd {
	to, text, _ := strings.Cut(args, " ")
	if text = strings.TrimSpace(text); text == "" {
		return m.misused("msg")
	}
	return request(m, func(ctx context.Context) (client.Direct, error) {
		return m.client.Direct(ctx, to, text)
	}, func(m *model, d client.Direct) tea.Cmd {
		m.print(directOf(d, true))
		return nil
	})
}

func (m *model) nick(args string) tea.Cmd {
	if args == "" {
		return m.misused("nick")
	}
	return request(m, func(ctx context.Context) (string, error) {
		err := m.client.Nick(ctx, args)
		return m.client.Name(), err
	}, func(*model, string) tea.Cmd { return nil })
}

func (m *model) login(args string) tea.Cmd {
	if args == "" {
		args = m.client.Name()
	}
	m.ask("password of "+Label(args), func(password string) tea.Cmd {
		return request(m, func(ctx context.Context) (client.You, error) {
			return m.client.Login(ctx, args, password)
		}, (*model).loggedIn)
	})
	return nil
}

func (m *model) register(string) tea.Cmd {
	m.ask("a password for "+Label(m.client.Name()), func(password string) tea.Cmd {
		m.ask("the same again", func(again string) tea.Cmd {
			if again != password {
				m.tell("these were two passwords; try /register again")
				return nil
			}
			return request(m, func(ctx context.Context) (client.You, error) {
				return m.client.Register(ctx, password)
			}, (*model).loggedIn)
		})
		return nil
	})
	return nil
}

func (m *model) loggedIn(y client.You) tea.Cmd {
	s := "you are " + y.Name + ", and nobody else is"
	if y.Operator {
		s += "; you are an operator"
	}
	m.tell(s)
	return nil
}

func (m *model) setBell(args string) tea.Cmd {
	if args != "on" && args != "off" {
		return m.misused("bell")
	}
	m.bell = args == "on"
	m.tell("the bell is " + args)
	return nil
}

func (m *model) echo(string) tea.Cmd {
	m.tell("your own lines appear here as soon as they are said, so that you see in which order")
	return nil
}

// help lists the commands, the server's too, or says what one of them does.
func (m *model) help(args string) tea.Cmd {
	wanted := strings.ToLower(strings.TrimLeft(args, "/"))
	for _, c := range commands() {
		if wanted == "" {
			m.tell(fmt.Sprintf("%-33s %s", c.usage(), c.help))
		} else if c.name == wanted {
			m.tell(c.usage() + ": " + c.help)
			return nil
		}
	}
	if wanted == "" {
		m.tell("Tab completes names and commands; up and down bring back what you typed; Ctrl-N and Ctrl-P change the room")
		m.tell("of the server, each explained by /help COMMAND: " + strings.Join(passedOn(), " "))
		m.tell("//TEXT says a text that begins with a slash")
		return nil
	}
	return request(m, func(ctx context.Context) ([]client.Notice, error) {
		return m.client.Command(ctx, m.here, "/help "+wanted)
	}, (*model).answer)
}

// passedOn are commands that the server knows and the program passes on.
func passedOn() []string {
	return []string{
		"/away", "/ignore", "/invite", "/lock", "/quiet", "/takeover", "/topic", "/unlock", "/who", "/whois",
		"/announce", "/ban", "/bans", "/close", "/forget", "/kick", "/mute", "/open", "/pause", "/resume-accepting",
		"/sessions", "/stats", "/unannounced", "/unban", "/unmute",
	}
}
