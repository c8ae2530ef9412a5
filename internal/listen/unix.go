package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lockWait is how long another server may take to start in the same
	// directory; it takes milliseconds.
	lockWait  = 5 * time.Second
	lockRetry = 10 * time.Millisecond
)

// openUnix binds spec.Path and returns its file besides, by which it is known
// again when it is to be removed.
//
// The directory is locked meanwhile, so that two servers that start at once do
// not both find a dead socket and remove each other's live one. The socket is
// bound at its own name, not renamed onto it, so that ss and lsof show the name
// that people know; nobody can connect in between, because it is born with mode
// 0600, whatever the umask.
func openUnix(ctx context.Context, spec Spec) ([]socket, os.FileInfo, error) {
	gid := -1
	if spec.Group != "" {
		var err error
		if gid, err = groupID(spec.Group); err != nil {
			return nil, nil, err
		}
	}
	dir, err := lockDir(ctx, filepath.Dir(spec.Path))
	if err != nil {
		return nil, nil, err
	}
	defer dir.Close()
	if err := makeWay(ctx, spec); err != nil {
		return nil, nil, err
	}
	l, err := bindPrivate(ctx, spec.Path)
	if err != nil {
		return nil, nil, err
	}
	file, err := setAccess(spec, gid)
	if err != nil {
		l.Close()
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false) // Listener.Close looks first whose it is
	return []socket{l}, file, nil
}

// lockDir opens a directory and locks it until it is closed.
func lockDir(ctx context.Context, path string) (*os.File, error) {
	dir, err := os.OpenFile(path, unix.O_DIRECTORY, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Error{Reason: fmt.Sprintf("directory %s does not exist; create it or choose another path", shown(path)), Err: err}
	case errors.Is(err, unix.ENOTDIR):
		return nil, &Error{Reason: fmt.Sprintf("%s is not a directory; choose another path", shown(path)), Err: err}
	case errors.Is(err, fs.ErrPermission):
		return nil, &Error{Reason: fmt.Sprintf("directory %s may not be read; change its mode or choose another path", shown(path)), Err: err}
	case err != nil:
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	retry := time.NewTicker(lockRetry)
	defer retry.Stop()
	for {
		err := flock(dir)
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			dir.Close()
			return nil, err
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			dir.Close()
			return nil, &Error{Reason: fmt.Sprintf("directory %s is locked by another program; end it or choose another path", shown(path)), Err: err}
		}
	}
}

func flock(dir *os.File) error {
	raw, err := dir.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		return err
	}
	return os.NewSyscallError("flock", failed)
}

// makeWay removes a socket that nobody answers on. Anything else at spec.Path is
// left alone and is an error.
func makeWay(ctx context.Context, spec Spec) error {
	path := spec.Path
	taken := func(reason string, err error) error {
		return &Error{Reason: fmt.Sprintf("%s %s", shown(path), reason), Err: err}
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return taken(fmt.Sprintf("is %s; remove it or choose another path", kind(info.Mode())), fs.ErrExist)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		pid := peer(conn.(*net.UnixConn))
		conn.Close()
		return taken(fmt.Sprintf("is in use by %s; choose another path with %s", program(pid), spec.variable()), unix.EADDRINUSE)
	case errors.Is(err, unix.ECONNREFUSED):
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return taken("is a socket left by another program, and may not be removed; remove it or choose another path", err)
		}
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, fs.ErrPermission):
		return taken("is a socket that may not be connected to, so whether it is in use cannot be told; remove it or choose another path", err)
	}
	// Its queue is full, or it is of another type than stream.
	return taken("is in use by another program; choose another path with "+spec.variable(), err)
}

// kind is what an error calls a file that is no socket.
func kind(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "a regular file"
	case fs.ModeDir:
		return "a directory"
	case fs.ModeSymlink:
		return "a symbolic link"
	}
	return "no socket"
}

// peer returns the process that listens at the other end, or 0.
func peer(conn *net.UnixConn) (pid int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	return pid
}

// bindPrivate makes a socket that listens at path and that only its owner can
// connect to.
func bindPrivate(ctx context.Context, path string) (*net.UnixListener, error) {
	lc := net.ListenConfig{
		// On Linux the file that bind(2) makes gets the socket's own mode.
		Control: func(_, _ string, raw syscall.RawConn) error {
			var failed error
			if err := raw.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) }); err != nil {
				return err
			}
			return os.NewSyscallError("fchmod", failed)
		},
	}
	l, err := lc.Listen(ctx, "unix", path)
	switch {
	case err == nil:
		return l.(*net.UnixListener), nil
	case errors.Is(err, fs.ErrPermission):
		return nil, &Error{Reason: fmt.Sprintf("no file may be created in %s; change its mode or choose another path", shown(filepath.Dir(path))), Err: err}
	case errors.Is(err, unix.EADDRINUSE):
		return nil, &Error{Reason: fmt.Sprintf("%s was taken by another program just now; choose another path", shown(path)), Err: err}
	}
	return nil, err
}

// setAccess gives the socket's file its group and then its mode, and returns
// the file. It does not follow symbolic links: whoever may write in the
// directory cannot have another file's mode changed.
func setAccess(spec Spec, gid int) (os.FileInfo, error) {
	file, err := os.OpenFile(spec.Path, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return nil, &Error{Reason: fmt.Sprintf("%s was replaced by another program; choose a directory that only the server may write in", shown(spec.Path))}
	}
	// A descriptor of O_PATH names the file but cannot change it; through
	// /proc it can.
	self := fmt.Sprintf("/proc/self/fd/%d", file.Fd())
	if gid >= 0 {
		if err := os.Chown(self, -1, gid); err != nil {
			return nil, &Error{Reason: fmt.Sprintf("may not give the socket to group %s; make the server's user a member of it", shown(spec.Group)), Err: err}
		}
	}
	if err := os.Chmod(self, spec.mode()); err != nil {
		return nil, err
	}
	return info, nil
}

func groupID(name string) (int, error) {
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	group, err := user.LookupGroup(name)
	if err != nil {
		return 0, &Error{Reason: fmt.Sprintf("group %s does not exist; create it (groupadd) or write another", shown(name)), Err: err}
	}
	return strconv.Atoi(group.Gid)
}

// shellWord is text as a shell takes it for one word.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return !strings.ContainsRune("/+,-.:=@_%", r) && !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r > 0x7f)
	}
	if text != "" && strings.IndexFunc(text, plain) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
