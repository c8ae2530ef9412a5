// Chatd is a chat relay: people join with nc, telnet or a program of their own
// and hear each other.
//
// It is configured by environment variables, which chatd help lists, and judges
// them without starting anything with chatd check. It exits with 0 after a clean
// stop, with 78 if the configuration is bad, and with 1 otherwise.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/caarlos0/env/v10"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitConfig = 78 // EX_CONFIG of sysexits.h
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], env.ToMap(os.Environ()), os.Stdout, os.Stderr))
}

// run does what args, without the program's name, ask for, and returns the exit
// status. Results go to stdout, messages and logs to stderr.
func run(ctx context.Context, args []string, environ environment, stdout, stderr io.Writer) int {
	command := "serve"
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "help", "--help", "-h":
		fmt.Fprint(stdout, help())
		return exitOK
	case "version", "--version":
		fmt.Fprint(stdout, versionLine())
		return exitOK
	}
	if sentence := badArguments(args); sentence != "" {
		fmt.Fprintln(stderr, "chatd: "+sentence)
		return exitFailed
	}
	cfg, err := loadConfig(environ)
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(stderr, "chatd: "+strings.TrimSpace(line))
		}
		return exitConfig
	}
	if command == "check" {
		fmt.Fprint(stdout, verdict(cfg))
		return exitOK
	}
	log, stop := openLog(cfg, stderr)
	defer stop()
	return serve(ctx, cfg, log, stderr)
}

// badArguments returns a sentence if args are neither none nor a command alone.
func badArguments(args []string) string {
	commands := []string{"check", "help", "version"}
	switch {
	case len(args) == 0, len(args) == 1 && args[0] == "check":
		return ""
	case args[0] == "check":
		return fmt.Sprintf("check takes no arguments, and here is %q", args[1])
	case strings.HasPrefix(args[0], "-"):
		return fmt.Sprintf("there is no option %q: chatd is configured by environment variables, which chatd help lists", args[0])
	}
	if near := nearest(args[0], 0, commands); near != "" {
		return fmt.Sprintf("there is no command %q; did you mean %s?", args[0], near)
	}
	return fmt.Sprintf("there is no command %q; there are check, help and version, and chatd alone serves", args[0])
}

// verdict is what chatd check says of a good configuration.
func verdict(cfg config) string {
	var b strings.Builder
	fmt.Fprintln(&b, "configuration is good")
	if cfg.handedOver {
		fmt.Fprintln(&b, "would serve the sockets that systemd hands over")
	}
	for _, l := range cfg.listeners {
		fmt.Fprintf(&b, "would listen on %s\n", l)
	}
	return b.String()
}
