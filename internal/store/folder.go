package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	fileName = "chatd.db"
	lockName = "chatd.lock"
)

// prepare makes the folder and an empty database file if they are not there, for
// their owner only, and locks the folder.
func prepare(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, folderError(dir, err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	if err := makeFile(dir); err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

// makeFile makes an empty database file if there is none. SQLite gives the files
// beside it the same mode.
func makeFile(dir string) error {
	path := filepath.Join(dir, fileName)
	// It must not be opened here once SQLite has it open: to close it again would
	// drop SQLite's locks.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	switch {
	case err == nil:
		return f.Close()
	case !errors.Is(err, fs.ErrExist):
		return folderError(dir, err)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return folderError(dir, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("history: %s is not a file; move it away, or name another folder", path)
	}
	return nil
}

// lockFolder takes the lock that one process at a time has. It is given back when
// the file is closed, and when the process ends in whatever way.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, folderError(dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("history: %s cannot be locked (%w); name a folder on a local disk", dir, err)
		}
		who, _ := io.ReadAll(io.LimitReader(f, 16))
		if pid := strings.TrimSpace(string(who)); pid != "" {
			return nil, fmt.Errorf("%w by pid %s; stop that server, or name another folder than %s", ErrInUse, pid, dir)
		}
		return nil, fmt.Errorf("%w by another process; stop it, or name another folder than %s", ErrInUse, dir)
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	if err != nil {
		f.Close()
		return nil, folderError(dir, err)
	}
	return f, nil
}

// folderError says why a folder cannot be used, and what to do.
func folderError(dir string, err error) error {
	switch {
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EISDIR):
		return fmt.Errorf("history: %s is not a folder; name one that is, or that is not there yet", dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("history: user %d may not use %s; make it that user's (chown), or name another folder", os.Getuid(), dir)
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("history: %s is on a disk that is read-only; name another folder", dir)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fullError(dir, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("history: there is none in %s; name the folder that a server keeps it in", dir)
	}
	return fmt.Errorf("history: %s cannot be used: %w; name another folder", dir, err)
}

func fullError(dir string, err error) error {
	return fmt.Errorf("history: the disk of %s is full (%w); free some space and start again", dir, err)
}
