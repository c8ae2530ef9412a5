package main

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/chatd/chatd/internal/terminal/tmuxtest"
	"github.com/chatd/chatd/pkg/client"
	"github.com/chatd/chatd/pkg/relay"
)

// family is an emoji of five code points, thumb one with a colour of skin.
const (
	family = "👨\u200d👩\u200d👧"
	thumb  = "👍🏽"
)

// What a conversation looks like, on a narrow terminal and on a wide one. Nothing on it
// is torn.
func TestConversation(t *testing.T) {
	for _, columns := range []int{40, 120} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			t.Parallel()
			url := serve(t, relay.Config{MOTD: func() string { return "tea at four\nbring cake" }})
			bob := someone(t, url, "bob")
			bob.says("", "is anybody up?")
			x := open(t, columns, 40, "NO_COLOR=1", "--name", "小明", url)
			x.Shows("* now:", "1 other")
			bob.says("", "看 "+family+" "+thumb+" 这是一个很长的句子，用来测试换行是否正确，没有空格")
			x.Types("一二三四五六七八九十一二三四五六七八九十 "+family+" ok", "Enter")
			bob.hears("一二三四五六七八九十一二三四五六七八九十 " + family + " ok")
			bob.says("", "read https://example.org/a/path/that/is/longer/than/the/terminal?is=wide#so it stays whole")
			bob.says("", "harmless: \x1b[31mred\x1b]0;title\a and \u202etxet desrever")
			x.Types("/me waves", "Enter")
			bob.hears("waves")
			if _, err := bob.Direct(t.Context(), "小明", "psst"); err != nil {
				t.Fatal(err)
			}
			x.Shows("小明 waves", "psst")
			x.Types("你好 "+family+" x", "Left")
			screen := x.Await("the line", func(all string) bool { return strings.HasSuffix(all, " x\n") })
			golden(t, fmt.Sprintf("conversation-%d.screen", columns), tmuxtest.Timeless(screen))
		})
	}
}

// What is typed while there is no connection waits, and is said once. The screen has
// each message once, and none is missing.
func TestServerIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kill := startServer(t, dir)
	defer func() { kill() }()
	url := "unix://" + dir + "/socket"
	bob := someone(t, url, "bob")
	x := open(t, 80, 24, "NO_COLOR=1", "--name", "ana", url)
	x.Shows("1 other")
	var want []string
	for round := range 3 {
		said := fmt.Sprintf("before %d", round)
		x.Types(said, "Enter")
		bob.hears(said)
		x.Without("… " + said)
		kill()
		x.Shows("connecting again")
		offline := []string{fmt.Sprintf("one %d", round), fmt.Sprintf("two %d", round)}
		for _, text := range offline {
			x.Types(text, "Enter")
		}
		screen := x.Drawn("… "+offline[0], "… "+offline[1])
		if round == 0 {
			golden(t, "waiting.screen", tmuxtest.Timeless(reasonOf(screen)))
		}
		kill = startServer(t, dir)
		answer := fmt.Sprintf("after %d", round)
		bob.hears(offline[1])
		bob.says("", answer)
		x.Shows("bob: "+answer, "1 other")
		want = append(want, "ana: "+said, "ana: "+offline[0], "ana: "+offline[1], "bob: "+answer)
	}
	var got []string
	for _, line := range strings.Split(x.Without("… "), "\n") {
		if tmuxtest.Clock.MatchString(line) {
			got = append(got, line[len("00:00 "):])
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the screen has %q, said was %q", got, want)
	}
}

// reasonOf makes one of all reasons why there is no connection: that depends on when it
// is looked.
func reasonOf(screen string) string {
	before, rest, _ := strings.Cut(screen, "connecting again: ")
	_, rest, _ = strings.Cut(rest, " ──")
	return before + "connecting again: WHY ──" + rest
}

// A paste of many lines is said when it was asked for, and not before.
func TestPaste(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	bob := someone(t, url, "bob")
	x := open(t, 40, 24, "NO_COLOR=1", "--name", "ana", url)
	x.Shows("1 other")

	x.Types("see: ")
	x.Pastes("func main() {\n\tprintln(\"你好\")\n}\n")
	golden(t, "paste.screen", tmuxtest.Timeless(x.Drawn("Enter says these 3 lines")))
	x.Types("", "Escape")
	x.Without("Enter says")
	x.Shows("> see:")

	x.Pastes("one\ntwo\nthree")
	x.Shows("Enter says these 3 lines")
	x.Types("", "Enter")
	for _, text := range []string{"see: one", "two", "three"} {
		bob.hears(text)
	}
	x.Pastes("four\nfive\n")
	x.Shows("Enter says these 2 lines")
	x.Types("o")
	bob.hears("four\nfive")
	x.Shows("ana: four⏎five")

	// One line is like typing. What could do harm is shown.
	x.Pastes("/etc/passwd \x01")
	x.Shows("> /etc/passwd ␁")
	x.Types("", "Enter")
	bob.hears("/etc/passwd \x01")
}

// broken is a line of letters and Han characters as it is shown in so many columns,
// without the spaces at the ends.
func broken(line string, columns int) string {
	var all, row strings.Builder
	n := 0
	for _, r := range line {
		w := 1
		if r > unicode.MaxLatin1 {
			w = 2
		}
		if n += w; n > columns {
			all.WriteString(strings.TrimRight(row.String(), " ") + "\n")
			row.Reset()
			n = w
		}
		row.WriteRune(r)
	}
	return all.String() + row.String() + "\n"
}

// Whatever size the terminal takes, there is one status line, and all that was said is
// there. Nothing is drawn here between a change of size and its notice, so that the program
// need not know of tmux that it is late with that.
func TestResize(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	bob := someone(t, url, "bob", "lobby", "kitchen", "garden")
	x := open(t, 120, 24, "TMUX=", "--name", "ana", "--room", "lobby", "--room", "kitchen", "--room", "garden", url)
	x.Shows("1 other", "kitchen", "garden")
	for i := range 20 { // what is above the screen nobody can draw over
		bob.says("lobby", fmt.Sprintf("before %d", i))
	}
	x.Shows("before 19")
	line := strings.Repeat("词 word ", 12) + "end"
	x.Types(line)
	x.Shows("word end")
	for i, columns := range []int{60, 30, 120, 45, 30, 100} {
		x.Resize(columns, 20)
		rows := broken("> "+line, columns-1)
		x.Await(fmt.Sprintf("%d columns", columns), func(all string) bool {
			return strings.HasSuffix(all, rows)
		})
		text := fmt.Sprintf("no. %d", i)
		bob.says("lobby", text)
		screen := x.Shows(text)
		if n := strings.Count(screen, "── lobby"); n != 1 {
			t.Errorf("at %d columns there are %d status lines:\n%s", columns, n, screen)
		}
		if n := strings.Count(screen, "> "); n != 1 {
			t.Errorf("at %d columns there are %d lines to type in:\n%s", columns, n, screen)
		}
		if n := strings.Count(screen, "bob: "); n != 20+i+1 {
			t.Errorf("at %d columns there are %d messages of %d:\n%s", columns, n, 20+i+1, screen)
		}
	}
}

// What is said in another room is counted, and shown when that is looked at.
func TestRooms(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	bob := someone(t, url, "bob", "lobby", "tea")
	bob.says("tea", "the kettle is on")
	x := open(t, 60, 40, "NO_COLOR=1", "--name", "ana", url)
	x.Shows("1 other")
	// What is typed before the room is there is said in it.
	x.Types("/join tea", "Enter")
	x.Types("with milk?", "Enter")
	bob.hears("with milk?")
	x.Shows("ana: with milk?")
	x.Types("", "C-n")
	x.Shows("── lobby · ana · 1 other · tea ──")
	bob.says("tea", "no milk")
	bob.says("tea", "sorry, ana")
	x.Shows("tea +2!")
	bob.says("lobby", "hello")
	golden(t, "rooms.screen", tmuxtest.Timeless(x.Drawn("bob: hello")))
	x.Types("", "C-p")
	screen := x.Shows("no milk", "sorry, ana")
	if strings.Index(screen, "no milk") < strings.Index(screen, "bob: hello") {
		t.Errorf("another room is not shown where it was looked at:\n%s", screen)
	}
	x.Types("/topic biscuits", "Enter")
	x.Shows("* ana set the topic: biscuits")
	x.Types("/rooms", "Enter")
	x.Shows("* tea: 2 people; topic: biscuits; you are in it")
	x.Types("/leave", "Enter")
	x.Shows("* you left tea", "── lobby · ana · 1 other ──")
	x.Types("/leave", "Enter")
	x.Shows("* this is where everyone begins")
}

// A locked room asks for its password, which is not shown.
func TestPasswords(t *testing.T) {
	t.Parallel()
	const word = "correct-horse-battery"
	url := serveOn(t, "tcp", "127.0.0.1:0", relay.Config{}) // on a socket all are operators
	bob := someone(t, url, "bob")
	if _, err := bob.Register(t.Context(), word); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Join(t.Context(), client.RoomOptions{Room: "den"}); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Command(t.Context(), "den", "/lock "+word); err != nil {
		t.Fatal(err)
	}
	x := open(t, 80, 24, "NO_COLOR=1", "--name", "ana", url)
	x.Shows("1 other")
	x.Types("/join den", "Enter")
	x.Shows("password of den")
	x.Types(word, "Enter")
	x.Shows("── den · ana")
	x.Types("/register", "Enter")
	x.Shows("a password for ana")
	x.Types(word+"2", "Enter")
	x.Shows("the same again")
	x.Types(word+"2", "Enter")
	x.Shows("you are ana, and nobody else is")
	x.Types("/login bob", "Enter")
	x.Shows("password of bob")
	x.Types("wrong", "Enter")
	screen := x.Shows("that is not right")
	for _, secret := range []string{word, "wrong"} {
		if strings.Contains(screen, secret) {
			t.Errorf("%s is on the screen:\n%s", secret, screen)
		}
	}
}

// The password of the chat is asked for, and not shown.
func TestChatPassword(t *testing.T) {
	t.Parallel()
	url := serveOn(t, "tcp", "127.0.0.1:0", relay.Config{Password: func() string { return "open sesame" }})
	x := open(t, 80, 24, "NO_COLOR=1", "--name", "ana", url)
	x.Shows("the password of this chat:")
	x.Types("open barley", "Enter")
	x.Shows("that is not right")
	x.Types("open sesame", "Enter")
	if screen := x.Shows("nobody else ──"); strings.Contains(screen, "open") {
		t.Errorf("the password is on the screen:\n%s", screen)
	}

	// Who has enough of it has a terminal that shows what is typed.
	x = openIn(t, 80, 24, "trap : INT; %s; echo It exits with $?; cat", "NO_COLOR=1", url)
	x.Shows("the password of this chat:")
	x.Types("open", "C-c")
	if screen := x.Shows("It exits with 130"); strings.Contains(screen, "open") {
		t.Errorf("the password is on the screen:\n%s", screen)
	}
	x.Types("seen")
	x.Shows("seen")
}

// Where was read up to is marked once for each time the window lost the focus.
func TestUnreadMark(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	bob := someone(t, url, "bob")
	x := open(t, 60, 24, "NO_COLOR=1", "--name", "ana", url)
	x.Shows("1 other")
	bob.says("", "seen")
	x.Shows("bob: seen")
	x.Focus(false)
	x.Types("/bell off", "Enter") // what the keys say comes after the focus
	x.Shows("the bell is off")
	bob.says("", "first")
	bob.says("", "second")
	x.Shows("bob: second")
	x.Focus(true)
	x.Types("/bell off", "Enter")
	x.Await("the bell twice", func(all string) bool { return strings.Count(all, "the bell is off") == 2 })
	bob.says("", "third")
	golden(t, "unread.screen", tmuxtest.Timeless(x.Drawn("bob: third")))
}

// Tab completes commands, names, and rooms; up brings back what was typed.
func TestCompletionAndHistory(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	someone(t, url, "bob")
	someone(t, url, "Bonnie")
	x := open(t, 60, 24, "NO_COLOR=1", "--name", "ana", url)
	x.Shows("2 others")
	x.Types("bo", "Tab")
	x.Shows("> Bonnie:", "Bonnie  bob")
	x.Types("", "Tab")
	x.Shows("> bob:")
	x.Types("hello", "Enter")
	x.Shows("ana: bob: hello")
	x.Types("/wh", "Tab")
	x.Shows("/who  /whois")
	x.Types("", "C-u", "Up")
	x.Shows("> bob: hello")
	x.Types("", "C-w")
	x.Types("bye", "Enter")
	x.Shows("ana: bob: bye")
	x.Types("drafted", "Up", "Up", "Down", "Down")
	x.Shows("> drafted")
}

// What was said is shown again when it is asked for.
func TestLookingBack(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	bob := someone(t, url, "bob")
	for i := range 30 {
		bob.says("", fmt.Sprintf("cup %d", i))
	}
	x := open(t, 60, 60, "NO_COLOR=1", "--name", "ana", "--history", "0", url)
	screen := x.Shows("1 other")
	if strings.Contains(screen, "cup") {
		t.Errorf("with --history 0 there is history:\n%s", screen)
	}
	x.Types("/last 2", "Enter")
	screen = x.Shows("cup 28", "cup 29", "* now:")
	if strings.Contains(screen, "cup 27") {
		t.Errorf("/last 2 shows more than two:\n%s", screen)
	}
	x.Types("/search cup 7", "Enter")
	x.Shows("* found:", "cup 7")
	x.Types("/last 00:00", "Enter")
	x.Shows("* since 00:00", "cup 0", "cup 15")
	x.Types("/show x", "Enter")
	x.Shows("* write /show N or N-M")
}

// Without colours there is none; with them, a name has always the same one.
func TestColours(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	bob := someone(t, url, "bob")
	for setting, coloured := range map[string]bool{"NO_COLOR=1": false, "TERM=tmux-256color": true} {
		x := open(t, 80, 24, setting, "--history", "0", url)
		x.Shows(" other ──")
		bob.says("", "what colour?")
		x.Shows("bob: what colour?")
		raw := x.Do("capture-pane -p -e")
		if got := strings.Contains(raw, "\x1b["); got != coloured {
			t.Errorf("%s: coloured is %v:\n%q", setting, got, raw)
		}
		if want := "\x1b[38;5;131mbob"; coloured && !strings.Contains(raw, want) {
			t.Errorf("%s: bob is not %q in\n%q", setting, want, raw)
		}
	}
}

// Leaving gives the terminal back. It waits for what was not said, unless it is asked for
// twice.
func TestLeaving(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url := "unix://" + dir + "/socket"
	kill := startServer(t, dir)
	defer func() { kill() }()
	x := open(t, 80, 24, "NO_COLOR=1", "--name", "ana", url)
	x.Shows("nobody else ──")
	kill()
	x.Shows("connecting again")
	x.Types("too late", "Enter")
	x.Shows("… too late")
	x.Types("/quit", "Enter")
	x.Shows("1 line is not said yet")
	x.Types("", "C-d")
	screen := x.Shows("It exits with 0")
	if !strings.Contains(screen, "perhaps not said: too late") || strings.Contains(screen, "── lobby") {
		t.Errorf("it leaves behind\n%s", screen)
	}

	kill = startServer(t, dir)
	x = open(t, 80, 24, "NO_COLOR=1", "--name", "ana", url)
	x.Shows("nobody else ──")
	kill()
	x.Shows("connecting again")
	x.Types("in time", "Enter")
	x.Types("", "C-d")
	x.Shows("1 line is not said yet")
	kill = startServer(t, dir)
	screen = x.Shows("It exits with 0")
	if !strings.Contains(screen, "ana: in time") || strings.Contains(screen, "perhaps") {
		t.Errorf("it leaves behind\n%s", screen)
	}
}

// Ctrl-Z gives the shell the terminal as it was, and fg takes it again.
func TestSuspended(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	bob := someone(t, url, "bob")
	x := openIn(t, 80, 24, "set -m; %s; echo It is stopped; read line; echo read $line; fg >/dev/null; echo It exits with $?; cat",
		"NO_COLOR=1", "--name", "ana", url)
	x.Shows("1 other")
	x.Types("half a")
	x.Shows("> half a")
	x.Types("", "C-z")
	screen := x.Shows("It is stopped")
	if strings.Contains(screen, "half a") || strings.Contains(screen, "── lobby") {
		t.Errorf("something of it is left:\n%s", screen)
	}
	bob.says("", "meanwhile")
	x.Types("echoed", "Enter") // in the mode of a shell, what is typed is shown
	x.Shows("echoed\nread echoed", "bob: meanwhile", "> half a")
	x.Types(" line", "Enter")
	bob.hears("half a line")
	x.Types("", "C-d")
	x.Shows("It exits with 0")
}

// Help tells of all commands.
func TestHelpScreen(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	x := open(t, 100, 60, "NO_COLOR=1", "--name", "ana", url)
	x.Shows("nobody else")
	x.Types("/help", "Enter")
	golden(t, "help.screen", x.Drawn("//TEXT says"))
}
