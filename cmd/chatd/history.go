package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/store"
	"github.com/chatd/chatd/internal/when"
	"github.com/chatd/chatd/pkg/relay"
)

const (
	// keepOnDisk is how many messages of a room are kept on disk if CHATD_KEEP does
	// not say: years of a busy room, and some hundred megabytes.
	keepOnDisk = 1_000_000
	// keepInMemory is how many the relay keeps without a disk.
	keepInMemory = 10_000
	// closeTime is how long a stop waits for the store to close, which itself gives a
	// disk 10 s to answer. With the longest CHATD_SHUTDOWN_GRACE it is less than what
	// systemd allows.
	closeTime = 12 * time.Second
)

// dataFolder is the folder of the history: what CHATD_DATA says, which can be off,
// or else the state directory that systemd gave the service. Empty is none.
func dataFolder(environ environment, said string) string {
	switch {
	case isOff([]byte(said)):
		return ""
	case said != "":
		return said
	}
	directory, _, _ := strings.Cut(environ["STATE_DIRECTORY"], ":")
	if !filepath.IsAbs(directory) {
		return ""
	}
	return directory
}

// judgeFolder says what is wrong with the folder of the history, as far as that
// can be told without opening anything. One that does not exist can be made if the
// one it is in exists.
func judgeFolder(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		path = filepath.Dir(filepath.Clean(path))
		if info, err = os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s does not exist; create it first", path)
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("%s cannot be used: %w", path, reason(err))
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", path)
	}
	const readWriteEnter = 4 | 2 | 1
	if err := syscall.Access(path, readWriteEnter); err != nil {
		return fmt.Errorf("%s cannot be written to: %w", path, err)
	}
	return nil
}

// kept is what is kept of each room. In memory the zero value is the relay's
// default.
func (c config) kept() relay.Keep {
	if !c.Keep.Said && c.Data != "" {
		return relay.Keep{Count: keepOnDisk}
	}
	return relay.Keep{Age: c.Keep.Age, Count: c.Keep.Count}
}

// keepsWhat is kept in words.
func (c config) keepsWhat() string {
	k := c.kept()
	if c.Data == "" && k.Count == 0 {
		k.Count = keepInMemory
	}
	text := "all messages of each room"
	if k.Count > 0 {
		text = fmt.Sprintf("the last %d messages of each room", k.Count)
	}
	if k.Age > 0 {
		text += " for " + when.Spell(k.Age)
	}
	if c.Data == "" {
		return text + " in memory"
	}
	return text + " in " + c.Data
}

// openHistory opens the store that the configuration names, if any, and puts it and
// all it knows into rc.
func (d *daemon) openHistory(ctx context.Context, rc *relay.Config) error {
	if d.cfg.Data == "" {
		return nil
	}
	s, err := store.Open(ctx, d.cfg.Data, store.Options{Keep: d.cfg.kept(), Logger: &d.log})
	if err != nil {
		return err
	}
	rc.Journal, rc.Registry = s, s
	if rc.State, err = relay.LoadState(ctx, s, s); err != nil {
		_ = s.Close()
		return fmt.Errorf("history in %s cannot be read: %w", d.cfg.Data, err)
	}
	d.history = s
	return nil
}

// unclaimed warns of operators whose name is nobody's yet.
func (d *daemon) unclaimed(accounts []relay.Account) {
	registered := make(map[string]bool)
	for _, a := range accounts {
		registered[a.Key] = true
	}
	for _, operator := range d.cfg.Operators {
		if !registered[name.Key(operator)] {
			d.log.Warn().Str("name", operator).Msg("an operator's name is not registered; whoever registers it first is the operator")
		}
	}
}

// closeHistory has the last messages kept. It gives up after closeTime or at a
// signal that ends the process, and then returns while the disk is still waited
// for: the process ends next. It reports whether all is kept.
func (d *daemon) closeHistory(signals <-chan os.Signal) bool {
	if d.history == nil {
		return true
	}
	closed := make(chan error, 1)
	go func() { closed <- d.history.Close() }()
	patience := time.NewTimer(closeTime)
	defer patience.Stop()
	for {
		select {
		case err := <-closed:
			if err != nil {
				d.log.Error().Err(err).Msg("the last messages are perhaps not kept")
			}
			return err == nil
		case s := <-signals:
			if s == syscall.SIGHUP {
				continue
			}
		case <-patience.C:
		}
		d.log.Error().Str("error", "the disk does not answer").Msg("the last messages are perhaps not kept")
		return false
	}
}
