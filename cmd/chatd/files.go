package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/chatd/chatd/internal/fortune"
)

const (
	// maxMOTD is the largest message of the day in bytes: some 800 full lines, more
	// than anyone scrolls back.
	maxMOTD = 64 << 10
	// maxPassword is the largest file with a password in bytes: more than anyone
	// types.
	maxPassword = 1 << 10
	// maxFortunes is the largest file with fortunes in bytes: more than all of
	// Debian's together.
	maxFortunes = 4 << 20
)

// readMOTD returns the message of the day from a file. Its errors are whole
// sentences for the operator.
func readMOTD(path string) (string, error) {
	text, _, err := readFile(path, maxMOTD)
	if errors.Is(err, errTooLarge) {
		err = fmt.Errorf("%s is larger than 64 KiB, the most a message of the day can be", path)
	}
	return text, err
}

// readPassword returns the password that a file holds, without the end of its
// line. It refuses a file that others than its owner and group may use, and what
// nobody could type into a terminal. Its errors are whole sentences for the
// operator.
func readPassword(path string) (string, error) {
	text, mode, err := readFile(path, maxPassword)
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	switch {
	case errors.Is(err, errTooLarge):
		return "", fmt.Errorf("%s is larger than 1 KiB, the most a password can be", path)
	case err != nil:
		return "", err
	case mode&0o007 != 0:
		return "", fmt.Errorf("%s is open to everybody on this machine; chmod o= %[1]s", path)
	case text == "":
		return "", fmt.Errorf("%s is empty; write a password into it", path)
	case !utf8.ValidString(text), strings.ContainsFunc(text, unicode.IsControl):
		return "", fmt.Errorf("%s holds more than one line, or what nobody can type; write one line of text into it", path)
	}
	return text, nil
}

// readFortunes returns the fortunes that a file holds, one at least. Its errors are
// whole sentences for the operator.
func readFortunes(path string) ([]string, error) {
	text, _, err := readFile(path, maxFortunes)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, fmt.Errorf("%s is larger than 4 MiB, the most that fortunes can be", path)
	case err != nil:
		return nil, err
	}
	fortunes, err := fortune.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return fortunes, nil
}

// errTooLarge is the error of readFile that its caller puts into words.
var errTooLarge = errors.New("is too large")

// readFile returns what a plain file holds, if that is at most so many bytes, and
// its mode.
func readFile(path string, most int64) (string, fs.FileMode, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", 0, fmt.Errorf("%s does not exist", path)
	case err != nil:
		return "", 0, fmt.Errorf("%s cannot be read: %w", path, reason(err))
	case info.IsDir():
		return "", 0, fmt.Errorf("%s is a folder, not a file", path)
	case !info.Mode().IsRegular():
		return "", 0, fmt.Errorf("%s is not a plain file", path) // to open a FIFO would wait for its writer
	}
	f, err := os.Open(path)
	if err != nil {
		return "", 0, fmt.Errorf("%s cannot be read: %w", path, reason(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return "", 0, fmt.Errorf("%s cannot be read: %w", path, reason(err))
	case int64(len(text)) > most:
		return "", 0, errTooLarge
	}
	return string(text), info.Mode(), nil
}

// reason is err without the operation and the path that the sentence names.
func reason(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// groupOfRoot tells whether a file belongs to root's group.
func groupOfRoot(info fs.FileInfo) bool {
	status, ok := info.Sys().(*syscall.Stat_t)
	return ok && status.Gid == 0
}
