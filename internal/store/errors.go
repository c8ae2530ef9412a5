package store

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrInUse is what an error of Open is (errors.Is) if a server, or another program that
// opened the folder for writing, is still at it.
var ErrInUse = errors.New("history is in use")

// code is SQLite's primary result code of an error, 0 if it is another's.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// reasonFor says why a commit failed, in words for people.
func reasonFor(dir string, err error) string {
	switch code(err) {
	case sqlite3.SQLITE_FULL:
		return reasonFull
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return reasonLocked
	}
	if isFull(dir) {
		return reasonFull
	}
	return reasonError
}

// isFull tells whether the disk has no room for what a commit needs at least. SQLite
// calls it an input/output error when it cannot enlarge the files beside the
// database.
func isFull(dir string) bool {
	const least = 64 << 10
	var s unix.Statfs_t
	return unix.Statfs(dir, &s) == nil && s.Bavail*uint64(s.Bsize) < least
}

// openError says why a database cannot be opened, and what to do.
func openError(dir string, err error) error {
	switch c := code(err); {
	case c == sqlite3.SQLITE_FULL, c == sqlite3.SQLITE_IOERR && isFull(dir):
		return fullError(dir, err)
	case c == sqlite3.SQLITE_NOTADB, c == sqlite3.SQLITE_CORRUPT:
		return damagedError(dir, err.Error())
	case c == sqlite3.SQLITE_CANTOPEN, c == sqlite3.SQLITE_PERM, c == sqlite3.SQLITE_READONLY:
		return fmt.Errorf("history: %s/%s cannot be opened (%w); see that its owner and mode, and those of the folder, allow it",
			dir, fileName, err)
	case c == sqlite3.SQLITE_BUSY:
		return fmt.Errorf("history: %s/%s is locked by another program (%w); end that", dir, fileName, err)
	case c == sqlite3.SQLITE_IOERR:
		return fmt.Errorf("history: the disk of %s fails (%w); see the kernel's log", dir, err)
	}
	return fmt.Errorf("history: %s/%s: %w", dir, fileName, err)
}

func damagedError(dir, how string) error {
	return fmt.Errorf("history: %[1]s/%[2]s is damaged (%[3]s); put a copy from before in its place, "+
		"or move the chatd.db files away to begin anew: sqlite3 %[2]s .recover saves what can be read", dir, fileName, how)
}
