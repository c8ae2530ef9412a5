package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/chatd/chatd/internal/store"
)

// forgetPerson deletes all messages of a person from the history on disk, and says how
// many those were. No server may be using it.
func forgetPerson(ctx context.Context, cfg config, who string, stdout io.Writer) error {
	if err := haveHistory(cfg); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	history, err := store.Open(ctx, cfg.Data, store.Options{Keep: cfg.kept()})
	switch {
	case errors.Is(err, store.ErrInUse):
		return fmt.Errorf("%w; an operator in that chat can type /forget %s instead", err, printable(who))
	case err != nil:
		return err
	}
	n, err := history.Forget(ctx, who)
	if closed := history.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("not all is forgotten: %w", err)
	}
	switch n {
	case 0:
		fmt.Fprintf(stdout, "nothing by %s was kept\n", printable(who))
	case 1:
		fmt.Fprintf(stdout, "1 message by %s is forgotten\n", printable(who))
	default:
		fmt.Fprintf(stdout, "%d messages by %s are forgotten\n", n, printable(who))
	}
	return nil
}
