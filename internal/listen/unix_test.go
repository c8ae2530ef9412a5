package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chatd/chatd/internal/figure"
)

// stale leaves a socket at path on which nobody listens.
func stale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

func TestUnixSocketServesAndIsRemoved(t *testing.T) {
	path := socketPath(t)
	l := open(t, Config{}, "unix://"+path)[0]
	wantText(t, l.URL(), "unix://"+path)
	wantText(t, strings.Join(l.Hints(), "; "), "nc -U "+path)
	wantText(t, l.Addr().String(), path)
	_, there := reach(t, l, "unix", path)
	if _, ok := there.(*net.UnixConn); !ok {
		t.Errorf("accepted a %T", there)
	}
	l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
}

func TestCloseLeavesAnothersSocket(t *testing.T) {
	path := socketPath(t)
	l := open(t, Config{}, "unix://"+path)[0]
	os.Remove(path)
	stale(t, path)
	other := inode(t, path)
	l.Close()
	if inode(t, path) != other {
		t.Error("another socket was removed")
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := socketPath(t)
	stale(t, path)
	reach(t, open(t, Config{}, "unix://"+path)[0], "unix", path)
	figure.Figure{Row: 21, Part: "a dead server's socket", Held: true, Bar: "replaced", Got: "replaced, and reached"}.Tell(t)
}

func TestLongestPath(t *testing.T) {
	dir := shortDir(t)
	path := filepath.Join(dir, strings.Repeat("x", maxPath-len(dir)-1))
	reach(t, open(t, Config{}, "unix://"+path)[0], "unix", path)
}

func TestWhatIsNoSocketIsLeftAlone(t *testing.T) {
	alone := 0
	for what, create := range map[string]func(path string) error{
		"a regular file":  func(path string) error { return os.WriteFile(path, []byte("dear diary"), 0o600) },
		"a directory":     func(path string) error { return os.Mkdir(path, 0o700) },
		"a symbolic link": func(path string) error { return os.Symlink("elsewhere", path) },
		"no socket":       func(path string) error { return unix.Mkfifo(path, 0o600) },
	} {
		path := socketPath(t)
		if err := create(path); err != nil {
			t.Fatal(err)
		}
		before := inode(t, path)
		wantText(t, openError(t, "unix://"+path), fmt.Sprintf("unix://%s: %s is %s; remove it or choose another path", path, path, what))
		if inode(t, path) == before {
			alone++
		} else {
			t.Errorf("%s was replaced", what)
		}
	}
	figure.Figure{
		Row: 21, Part: "what is no socket", Held: alone == 4, Bar: "refused, and left alone",
		Got: fmt.Sprintf("%d of 4 left alone", alone),
	}.Tell(t)
}

// Even a link to a stale socket, which a server may replace, is not its own.
func TestLinkToStaleSocketIsLeftAlone(t *testing.T) {
	path := socketPath(t)
	stale(t, path+".old")
	if err := os.Symlink(path+".old", path); err != nil {
		t.Fatal(err)
	}
	wantPart(t, openError(t, "unix://"+path), "is a symbolic link")
	inode(t, path)
	inode(t, path+".old")
}

func TestLiveSocketIsRefusedWithItsPid(t *testing.T) {
	path := socketPath(t)
	_, program := startHolder(t, "unix", path)
	before := inode(t, path)
	wantText(t, openError(t, "unix://"+path), fmt.Sprintf("unix://%s: %s is in use by %s; choose another path with CHATD_LISTEN", path, path, program))
	isSame := inode(t, path) == before
	figure.Figure{
		Row: 21, Part: "a live server's socket", Held: isSame, Bar: "refused with its pid, and not replaced",
		Got: fmt.Sprintf("refused with its pid, the same socket: %t", isSame),
	}.Tell(t)
	if !isSame {
		t.Error("the live socket was replaced")
	}
}

// A crashed server's socket is replaced, the whole way.
func TestSocketOfAKilledServerIsReplaced(t *testing.T) {
	path := socketPath(t)
	child, _ := startHolder(t, "unix", path)
	child.cmd.Process.Kill()
	for range child.out {
	}
	inode(t, path)
	reach(t, open(t, Config{}, "unix://"+path)[0], "unix", path)
}

// Whoever does not answer because its queue is full is alive.
func TestFullQueueIsLive(t *testing.T) {
	path := socketPath(t)
	open(t, Config{}, "unix://"+path+"?backlog=1")
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range 10 {
		conn, err := net.Dial("unix", path)
		if errors.Is(err, unix.EAGAIN) {
			wantPart(t, openError(t, "unix://"+path), "is in use by another program")
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	t.Errorf("a backlog of 1 took %d connections", len(conns))
}

func TestDatagramSocketIsLive(t *testing.T) {
	path := socketPath(t)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wantPart(t, openError(t, "unix://"+path), "is in use by another program")
	inode(t, path)
}

// Many servers that start at once on the path of a dead one: one has it, and it
// is the one that others reach.
func TestStartingAtOnce(t *testing.T) {
	path := socketPath(t)
	for range 50 {
		stale(t, path)
		var (
			mu        sync.Mutex
			wg        sync.WaitGroup
			listeners []*Listener
		)
		for range 8 {
			wg.Go(func() {
				l, err := tryOpen(Config{}, "unix://"+path)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					listeners = append(listeners, l...)
				} else if !errors.Is(err, unix.EADDRINUSE) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(listeners) != 1 {
			t.Fatalf("%d servers listen at one path", len(listeners))
		}
		here, there := reach(t, listeners[0], "unix", path)
		here.Close()
		there.Close()
		listeners[0].Close()
	}
}

func TestLockedDirectory(t *testing.T) {
	path := socketPath(t)
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := flock(dir); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err = Config{}.Open(ctx, Spec{Scheme: "unix", Path: path, Service: Chat})
	wantPart(t, fmt.Sprint(err), "is locked by another program")
}

func TestModeAndGroup(t *testing.T) {
	group := os.Getgid()
	if os.Getuid() == 0 {
		group = 54321 // root may give it to any
	}
	for query, want := range map[string]struct {
		mode  fs.FileMode
		group int
	}{
		"":                                     {0o666, os.Getegid()},
		"?mode=0600":                           {0o600, os.Getegid()},
		"?mode=777":                            {0o777, os.Getegid()},
		fmt.Sprint("?group=", group):           {0o660, group},
		fmt.Sprint("?mode=0666&group=", group): {0o666, group},
	} {
		path := socketPath(t)
		open(t, Config{}, "unix://"+path+query)
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want.mode {
			t.Errorf("%s: mode %04o, want %04o", query, got, want.mode)
		}
		if got := int(info.Sys().(*syscall.Stat_t).Gid); got != want.group {
			t.Errorf("%s: group %d, want %d", query, got, want.group)
		}
	}
}

// The moment a socket is there, it is its owner's alone, even if the umask
// forbids nothing. Tests of this package do not run in parallel.
func TestSocketIsBornPrivate(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	path := socketPath(t)
	l, err := bindPrivate(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	mode := info.Mode().Perm()
	figure.Figure{
		Row: 21, Part: "a socket as soon as it is there", Held: mode == 0o600, Bar: "mode 0600",
		Got: fmt.Sprintf("mode %04o under umask 0", mode),
	}.Tell(t)
	if mode != 0o600 {
		t.Errorf("mode %04o", mode)
	}
}

// Nobody can have the mode of another file, or of another socket, changed by
// putting a link in the way.
func TestAccessDoesNotFollowLinks(t *testing.T) {
	path := socketPath(t)
	victim := path + ".victim"
	stale(t, victim)
	if err := os.Chmod(victim, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, path); err != nil {
		t.Fatal(err)
	}
	_, err := setAccess(Spec{Path: path}, -1)
	wantPart(t, fmt.Sprint(err), "was replaced by another program")
	if info, err := os.Lstat(victim); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("behind the link: %v, %v", info.Mode(), err)
	}
}

func TestUnixReasons(t *testing.T) {
	dir := shortDir(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"unix://" + dir + "/none/s":          "directory " + dir + "/none does not exist; create it or choose another path",
		"unix://" + file + "/s":              file + " is not a directory; choose another path",
		"unix://" + dir + "/s?group=nosuch-": "group nosuch- does not exist; create it (groupadd) or write another",
	} {
		wantText(t, openError(t, url), url+": "+want)
	}
	if os.Getuid() != 0 {
		url := "unix:///s"
		wantText(t, openError(t, url), url+": no file may be created in /; change its mode or choose another path")
		closed := filepath.Join(dir, "closed")
		if err := os.Mkdir(closed, 0); err != nil {
			t.Fatal(err)
		}
		url = "unix://" + closed + "/s"
		wantText(t, openError(t, url), url+": directory "+closed+" may not be read; change its mode or choose another path")
		url = "unix://" + dir + "/s?group=0"
		wantText(t, openError(t, url), url+": may not give the socket to group 0; make the server's user a member of it")
		if _, err := os.Lstat(dir + "/s"); !errors.Is(err, fs.ErrNotExist) {
			t.Error("the socket whose group could not be set is still there")
		}
	}
}
