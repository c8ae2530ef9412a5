package rig

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Main is the main function of a measurement: it runs command with the arguments,
// ends it at SIGINT and SIGTERM, and exits with 1 and a line if it fails.
func Main(name string, command func(ctx context.Context, args []string) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

// Measure has measure do its work in a folder of its own, which is gone afterwards, and
// writes its bars to standard output.
func Measure(ctx context.Context, name string, measure func(dir string) ([]Bar, error)) error {
	dir, err := os.MkdirTemp("", name)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bars, err := measure(dir)
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case err != nil:
		return err
	}
	for _, bar := range bars {
		if err := bar.Write(os.Stdout); err != nil {
			return err
		}
	}
	return nil
}
