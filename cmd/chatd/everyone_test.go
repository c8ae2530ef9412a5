package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/chatd/chatd/pkg/client"
)

// malicious is what would do something to a terminal, and what must arrive as it is.
const malicious = "\x1b]0;pwned\x07\x1b[31mred\u0085 👩‍👩‍👧 🏳️‍🌈 你好 e\u0301"

// Six people with six programs talk in one room, at the same time. Everyone sees what
// everyone says, in one order, once.
func TestEveryoneInOneRoom(t *testing.T) {
	const (
		rounds = 8
		burst  = 5 // messages that each says in a round before having seen those of the others
	)
	server := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0,http://127.0.0.1:0", "CHATD_RATE": "0", "CHATD_BURST": "0"})
	lines := server.port()
	web := "127.0.0.1:" + server.says(`^listening on http://\S*:(\d+)  `)[0]

	p := newParty(t, "서연", "bob", "明月", "Юлия", "Ελένη", "سارة")
	nc, telnet, page, robot, screen, socket := p.members[0], p.members[1], p.members[2], p.members[3], p.members[4], p.members[5]
	nc.usesNC(lines)
	telnet.usesTelnet(lines)
	page.usesBrowser("http://" + web + "/")
	robot.usesGo("tcp://127.0.0.1:" + lines)
	tmux := screen.usesTerminal("tcp://127.0.0.1:" + lines)
	socket.usesWebSocket("ws://" + web + "/ws")

	attackers := []*member{nc, robot, socket}
	for round := range rounds {
		if round == rounds/2 {
			for _, m := range attackers {
				if err := m.say(malicious); err != nil {
					t.Fatal(err)
				}
			}
		}
		p.talk(burst)
	}
	p.end()

	shown := strings.NewReplacer("\x1b", "␛", "\x07", "␇", "\u0085", "<U+0085>").Replace(malicious)
	for _, m := range p.members {
		text := shown
		switch m {
		case robot, socket:
			text = malicious // what it means is theirs to know
		case screen:
			text = withoutJoiners.Replace(shown)
		}
		var want []string
		for _, by := range attackers {
			want = append(want, by.name+": "+text)
		}
		m.sawBesides(want...)
	}
	if title, err := tmux.do(`display-message -p "#{pane_title}"`); err != nil || strings.Contains(title, "pwned") {
		t.Errorf("the title of the window is %q, %v", title, err)
	}
	server.stop()
}

// The server is killed again and again, in the midst of a conversation, and begun anew.
// Who looks at it in a browser, in a terminal or with a program of one's own has all that
// was said on the screen, once, and what was written in between is said.
func TestServerIsKilledUnderScreens(t *testing.T) {
	const (
		kills = 3
		quiet = 10 // messages that everyone has seen when it begins
		loud  = 40 // messages on their way when the server is killed
		heard = 15 // of those, at least these are said
	)
	folder := memoryDir(t)
	socket, web := "unix://"+filepath.Join(folder, "socket"), ownAddress(t)
	begin := func() *program {
		server := start(t, environment{"CHATD_LISTEN": socket + ",http://" + web, "CHATD_DATA": folder, "CHATD_RATE": "0", "CHATD_BURST": "0"})
		server.says(`^listening on http://`)
		return server
	}
	server := begin()

	// What was said to some when the server broke down, and is lost, is said again after
	// what others say then. So there is an order of each author, and not one of all.
	p := newLooseParty(t, "明月", "Юлия", "Ελένη", "talker")
	page, robot, screen, talker := p.members[0], p.members[1], p.members[2], p.members[3]
	page.usesBrowser("http://" + web + "/")
	robot.usesGo(socket)
	screen.usesTerminal(socket)
	var sendings []*client.Sending
	talking := talker.usesGo(socket)
	talker.say = func(text string) error {
		s, err := talking.Post(t.Context(), client.Draft{Text: text, UntilStored: true})
		sendings = append(sendings, s)
		return err
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range kills {
		must(talker.says(quiet))
		p.catchUp()
		var writing sync.WaitGroup
		for _, m := range []*member{page, robot, screen} {
			writing.Go(func() { // before the end of the server, and after it
				if err := m.says(4); err != nil {
					t.Error(err)
				}
			})
		}
		must(talker.says(loud))
		_, err := sendings[len(sendings)-loud+heard-1].Said(ctx)
		must(err)
		server.signal(syscall.SIGKILL)
		server.exit()
		writing.Wait()
		server = begin()
	}
	must(talker.says(quiet))
	for _, s := range sendings {
		_, err := s.Stored(ctx)
		must(err)
	}
	p.catchUp()
	p.end()
	server.stop()
}

// ownAddress is one on which nobody else listens, and from which nobody dials: another
// process does not get it while a server is begun anew.
func ownAddress(t *testing.T) string {
	t.Helper()
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.N(254), rand.N(256), 1+rand.N(254))
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// memoryDir is a folder in memory, if there is such a thing: it outlives a process, and
// nobody is told there that the disk is too slow.
func memoryDir(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "chatd")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}
