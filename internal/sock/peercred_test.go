package sock

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPeerCred(t *testing.T) {
	self := fmt.Sprint(os.Geteuid(), os.Getegid(), os.Getpid(), true)
	each(t, networks, func(t *testing.T, c *Conn, peer net.Conn) {
		want := fmt.Sprint(0, 0, 0, false)
		if c.LocalAddr().Network() == "unix" {
			want = self
		}
		if got := fmt.Sprint(c.PeerCred()); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		peer.Close() // gone, and still known
		if got := fmt.Sprint(c.PeerCred()); got != want {
			t.Errorf("after the peer's end: %s, want %s", got, want)
		}
		c.Close()
		if uid, gid, pid, ok := c.PeerCred(); ok || uid != 0 || gid != 0 || pid != 0 {
			t.Errorf("closed, and it is user %d, group %d, process %d", uid, gid, pid)
		}
	})
	t.Run("socketpair", func(t *testing.T) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fds[1])
		f := os.NewFile(uintptr(fds[0]), "pair")
		nc, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if got := fmt.Sprint(New(nc).PeerCred()); got != self {
			t.Errorf("%s, want %s", got, self)
		}
	})
}

// peerAddress is the variable that makes TestPeerCredChild the peer.
const peerAddress = "CHATD_TEST_PEER"

// TestPeerCredOfAnother: it is the peer's, not one's own.
func TestPeerCredOfAnother(t *testing.T) {
	address := fmt.Sprintf("@chatd-test-%d", os.Getpid())
	l, err := net.Listen("unix", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	child := exec.Command(os.Args[0], "-test.run=^TestPeerCredChild$")
	child.Env = append(os.Environ(), peerAddress+"="+address)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ended := make(chan error, 1)
	go func() { // a child that never connects must not be waited for
		ended <- child.Wait()
		l.Close()
	}()
	nc, err := l.Accept()
	if err != nil {
		t.Fatalf("the child did not connect: %v", <-ended)
	}
	c := New(nc)
	defer c.Close()
	var uid, gid int
	if _, err := fmt.Fscanln(c, &uid, &gid); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 && uid == 0 {
		t.Log("the peer may not be another user here: only its process is told apart")
	}
	want := fmt.Sprint(uid, gid, child.Process.Pid, true)
	if got := fmt.Sprint(c.PeerCred()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	in.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestPeerCredChild connects, as another user if it may, says as whom, and stays
// until its input ends.
func TestPeerCredChild(t *testing.T) {
	address := os.Getenv(peerAddress)
	if address == "" {
		t.Skip("is run by TestPeerCredOfAnother")
	}
	_ = syscall.Setgid(54321)
	_ = syscall.Setuid(54320)
	nc, err := net.Dial("unix", address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprintln(nc, os.Geteuid(), os.Getegid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
