package main

import (
	"bufio"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
			x.shows("* now:", "1 other")
			bob.says("", "看 "+family+" "+thumb+" 这是一个很长的句子，用来测试换行是否正确，没有空格")
			x.types("一二三四五六七八九十一二三四五六七八九十 "+family+" ok", "Enter")
			bob.hears("一二三四五六七八九十一二三四五六七八九十 " + family + " ok")
			bob.says("", "read https://example.org/a/path/that/is/longer/than/the/terminal?is=wide#so it stays whole")
			bob.says("", "harmless: \x1b[31mred\x1b]0;title\a and \u202etxet desrever")
			x.types("/me waves", "Enter")
			bob.hears("waves")
			if _, err := bob.Direct(t.Context(), "小明", "psst"); err != nil {
				t.Fatal(err)
			}
			x.shows("小明 waves", "psst")
			x.types("你好 "+family+" x", "Left")
			screen := x.await("the line", func(all string) bool { return strings.HasSuffix(all, " x\n") })
			golden(t, fmt.Sprintf("conversation-%d.screen", columns), timeless(screen))
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
	x.shows("1 other")
	var want []string
	for round := range 3 {
		said := fmt.Sprintf("before %d", round)
		x.types(said, "Enter")
		bob.hears(said)
		x.without("… " + said)
		kill()
		x.shows("connecting again")
		offline := []string{fmt.Sprintf("one %d", round), fmt.Sprintf("two %d", round)}
		for _, text := range offline {
			x.types(text, "Enter")
		}
		screen := x.drawn("… "+offline[0], "… "+offline[1])
		if round == 0 {
			golden(t, "waiting.screen", timeless(reasonOf(screen)))
		}
		kill = startServer(t, dir)
		answer := fmt.Sprintf("after %d", round)
		bob.hears(offline[1])
		bob.says("", answer)
		x.shows("bob: "+answer, "1 other")
		want = append(want, "ana: "+said, "ana: "+offline[0], "ana: "+offline[1], "bob: "+answer)
	}
	var got []string
	for _, line := range strings.Split(x.without("… "), "\n") {
		if clock.MatchString(line) {
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
	x.shows("1 other")

	x.types("see: ")
	x.pastes("func main() {\n\tprintln(\"你好\")\n}\n")
	golden(t, "paste.screen", timeless(x.drawn("Enter says these 3 lines")))
	x.types("", "Escape")
	x.without("Enter says")
	x.shows("> see:")

	x.pastes("one\ntwo\nthree")
	x.shows("Enter says these 3 lines")
	x.types("", "Enter")
	for _, text := range []string{"see: one", "two", "three"} {
		bob.hears(text)
	}
	x.pastes("four\nfive\n")
	x.shows("Enter says these 2 lines")
	x.types("o")
	bob.hears("four\nfive")
	x.shows("ana: four⏎five")

	// One line is like typing. What could do harm is shown.
	x.pastes("/etc/passwd \x01")
	x.shows("> /etc/passwd ␁")
	x.types("", "Enter")
	bob.hears("/etc/passwd \x01")
}

// Whatever size the terminal takes, there is one status line, and all that was said is
// there. Nothing is drawn here between a change of size and its notice, so that the program
// need not know of tmux that it is late with that.
func TestResize(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	bob := someone(t, url, "bob", "lobby", "kitchen", "garden")
	x := open(t, 120, 24, "TMUX=", "--name", "ana", "--room", "lobby", "--room", "kitchen", "--room", "garden", url)
	x.shows("1 other", "kitchen", "garden")
	for i := range 20 { // what is above the screen nobody can draw over
		bob.says("lobby", fmt.Sprintf("before %d", i))
	}
	x.shows("before 19")
	line := editor{text: strings.Repeat("词 word ", 12) + "end"}
	x.types(line.text)
	x.shows("word end")
	for i, columns := range []int{60, 30, 120, 45, 30, 100} {
		x.resize(columns, 20)
		rows, _, _ := line.rows("> ", columns-1)
		for i := range rows {
			rows[i] = strings.TrimRight(rows[i], " ")
		}
		x.await(fmt.Sprintf("%d columns", columns), func(all string) bool {
			return strings.HasSuffix(all, strings.Join(rows, "\n")+"\n")
		})
		text := fmt.Sprintf("no. %d", i)
		bob.says("lobby", text)
		screen := x.shows(text)
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
	x.shows("1 other")
	// What is typed before the room is there is said in it.
	x.types("/join tea", "Enter")
	x.types("with milk?", "Enter")
	bob.hears("with milk?")
	x.shows("ana: with milk?")
	x.types("", "C-n")
	x.shows("── lobby · ana · 1 other · tea ──")
	bob.says("tea", "no milk")
	bob.says("tea", "sorry, ana")
	x.shows("tea +2!")
	bob.says("lobby", "hello")
	golden(t, "rooms.screen", timeless(x.drawn("bob: hello")))
	x.types("", "C-p")
	screen := x.shows("no milk", "sorry, ana")
	if strings.Index(screen, "no milk") < strings.Index(screen, "bob: hello") {
		t.Errorf("another room is not shown where it was looked at:\n%s", screen)
	}
	x.types("/topic biscuits", "Enter")
	x.shows("* ana set the topic: biscuits")
	x.types("/rooms", "Enter")
	x.shows("* tea: 2 people; topic: biscuits; you are in it")
	x.types("/leave", "Enter")
	x.shows("* you left tea", "── lobby · ana · 1 other ──")
	x.types("/leave", "Enter")
	x.shows("* this is where everyone begins")
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
	x.shows("1 other")
	x.types("/join den", "Enter")
	x.shows("password of den")
	x.types(word, "Enter")
	x.shows("── den · ana")
	x.types("/register", "Enter")
	x.shows("a password for ana")
	x.types(word+"2", "Enter")
	x.shows("the same again")
	x.types(word+"2", "Enter")
	x.shows("you are ana, and nobody else is")
	x.types("/login bob", "Enter")
	x.shows("password of bob")
	x.types("wrong", "Enter")
	screen := x.shows("that is not right")
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
	x.shows("the password of this chat:")
	x.types("open barley", "Enter")
	x.shows("that is not right")
	x.types("open sesame", "Enter")
	if screen := x.shows("nobody else ──"); strings.Contains(screen, "open") {
		t.Errorf("the password is on the screen:\n%s", screen)
	}

	// Who has enough of it has a terminal that shows what is typed.
	x = openIn(t, 80, 24, "trap : INT; %s; echo It exits with $?; cat", "NO_COLOR=1", url)
	x.shows("the password of this chat:")
	x.types("open", "C-c")
	if screen := x.shows("It exits with 130"); strings.Contains(screen, "open") {
		t.Errorf("the password is on the screen:\n%s", screen)
	}
	x.types("seen")
	x.shows("seen")
}

// Where was read up to is marked once for each time the window lost the focus.
func TestUnreadMark(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	bob := someone(t, url, "bob")
	x := open(t, 60, 24, "NO_COLOR=1", "--name", "ana", url)
	x.shows("1 other")
	bob.says("", "seen")
	x.shows("bob: seen")
	x.focus(false)
	x.types("/bell off", "Enter") // what the keys say comes after the focus
	x.shows("the bell is off")
	bob.says("", "first")
	bob.says("", "second")
	x.shows("bob: second")
	x.focus(true)
	x.types("/bell off", "Enter")
	x.await("the bell twice", func(all string) bool { return strings.Count(all, "the bell is off") == 2 })
	bob.says("", "third")
	golden(t, "unread.screen", timeless(x.drawn("bob: third")))
}

// Tab completes commands, names, and rooms; up brings back what was typed.
func TestCompletionAndHistory(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	someone(t, url, "bob")
	someone(t, url, "Bonnie")
	x := open(t, 60, 24, "NO_COLOR=1", "--name", "ana", url)
	x.shows("2 others")
	x.types("bo", "Tab")
	x.shows("> Bonnie:", "Bonnie  bob")
	x.types("", "Tab")
	x.shows("> bob:")
	x.types("hello", "Enter")
	x.shows("ana: bob: hello")
	x.types("/wh", "Tab")
	x.shows("/who  /whois")
	x.types("", "C-u", "Up")
	x.shows("> bob: hello")
	x.types("", "C-w")
	x.types("bye", "Enter")
	x.shows("ana: bob: bye")
	x.types("drafted", "Up", "Up", "Down", "Down")
	x.shows("> drafted")
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
	screen := x.shows("1 other")
	if strings.Contains(screen, "cup") {
		t.Errorf("with --history 0 there is history:\n%s", screen)
	}
	x.types("/last 2", "Enter")
	screen = x.shows("cup 28", "cup 29", "* now:")
	if strings.Contains(screen, "cup 27") {
		t.Errorf("/last 2 shows more than two:\n%s", screen)
	}
	x.types("/search cup 7", "Enter")
	x.shows("* found:", "cup 7")
	x.types("/last 00:00", "Enter")
	x.shows("* since 00:00", "cup 0", "cup 15")
	x.types("/show x", "Enter")
	x.shows("* write /show N or N-M")
}

// Without colours there is none; with them, a name has always the same one.
func TestColours(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	bob := someone(t, url, "bob")
	for setting, coloured := range map[string]bool{"NO_COLOR=1": false, "TERM=tmux-256color": true} {
		x := open(t, 80, 24, setting, "--history", "0", url)
		x.shows(" other ──")
		bob.says("", "what colour?")
		x.shows("bob: what colour?")
		raw := x.do("capture-pane -p -e")
		if got := strings.Contains(raw, "\x1b["); got != coloured {
			t.Errorf("%s: coloured is %v:\n%q", setting, got, raw)
		}
		if want := (look{names: names256}).name("bob", "bob"); coloured && !strings.Contains(raw, strings.TrimSuffix(want, plainAgain)) {
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
	x.shows("nobody else ──")
	kill()
	x.shows("connecting again")
	x.types("too late", "Enter")
	x.shows("… too late")
	x.types("/quit", "Enter")
	x.shows("1 line is not said yet")
	x.types("", "C-d")
	screen := x.shows("It exits with 0")
	if !strings.Contains(screen, "perhaps not said: too late") || strings.Contains(screen, "── lobby") {
		t.Errorf("it leaves behind\n%s", screen)
	}

	kill = startServer(t, dir)
	x = open(t, 80, 24, "NO_COLOR=1", "--name", "ana", url)
	x.shows("nobody else ──")
	kill()
	x.shows("connecting again")
	x.types("in time", "Enter")
	x.types("", "C-d")
	x.shows("1 line is not said yet")
	kill = startServer(t, dir)
	screen = x.shows("It exits with 0")
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
	x.shows("1 other")
	x.types("half a")
	x.shows("> half a")
	x.types("", "C-z")
	screen := x.shows("It is stopped")
	if strings.Contains(screen, "half a") || strings.Contains(screen, "── lobby") {
		t.Errorf("something of it is left:\n%s", screen)
	}
	bob.says("", "meanwhile")
	x.types("echoed", "Enter") // in the mode of a shell, what is typed is shown
	x.shows("echoed\nread echoed", "bob: meanwhile", "> half a")
	x.types(" line", "Enter")
	bob.hears("half a line")
	x.types("", "C-d")
	x.shows("It exits with 0")
}

// The program knows every command that the server has: it does it, passes it on, or it is
// for others.
func TestEveryCommand(t *testing.T) {
	t.Parallel()
	url := serve(t, relay.Config{})
	known := append([]string{"/bot", "/json", "/pair", "/resume"}, passedOn()...)
	for _, c := range commands() {
		known = append(known, "/"+c.name)
	}
	conn, err := net.Dial("unix", strings.TrimPrefix(url, "unix://")) // on a socket all are operators
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, "/help")
	var theirs []string
	for lines := bufio.NewScanner(conn); lines.Scan() && !strings.Contains(lines.Text(), "/help COMMAND says more"); {
		if !strings.HasPrefix(lines.Text(), "* you are") {
			theirs = append(theirs, regexp.MustCompile(`\B/[a-z]+`).FindAllString(lines.Text(), -1)...)
		}
	}
	for _, all := range []*[]string{&known, &theirs} {
		slices.Sort(*all)
		*all = slices.Compact(*all)
	}
	if diff := cmp.Diff(theirs, known); diff != "" {
		t.Errorf("-of the server +known:\n%s", diff)
	}

	x := open(t, 100, 60, "NO_COLOR=1", "--name", "ana", url)
	x.shows("nobody else")
	x.types("/help", "Enter")
	golden(t, "help.screen", x.drawn("//TEXT says"))
}
