// Chatd is a chat relay: people join with nc, telnet or a program of their own
// and hear each other.
//
// It is configured by environment variables, which chatd help lists, and judges
// them without starting anything with chatd check. chatd export and chatd forget
// read and clear the history that it keeps. chatd console and chatd say talk to the
// chatd that runs on this machine, over its Unix socket.
//
// It exits with 0 after a clean stop and when all was done, with 64 if the command line
// makes no sense, with 78 if the configuration is bad, and with 1 otherwise. The
// statuses 69, 75 and 77 are those of console and say.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/caarlos0/env/v10"
)

// Exit statuses, with the names that sysexits.h has for them.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 64 // EX_USAGE
	exitNoServer = 69 // EX_UNAVAILABLE
	exitNoAnswer = 75 // EX_TEMPFAIL
	exitDenied   = 77 // EX_NOPERM
	exitConfig   = 78 // EX_CONFIG
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
	case "console":
		return seat(ctx, args[1:], environ, os.Stdin, stdout, stderr)
	case "say":
		return say(ctx, args[1:], environ, os.Stdin, stdout, stderr)
	}
	if sentence := badArguments(args); sentence != "" {
		fmt.Fprintln(stderr, "chatd: "+sentence)
		return exitUsage
	}
	if command == "check" {
		return check(args[1:], environ, stdout, stderr)
	}
	cfg, err := loadConfig(environ)
	if err != nil {
		complain(stderr, err)
		return exitConfig
	}
	switch command {
	case "export":
		err = exportHistory(ctx, cfg, args[1:], stdout)
	case "forget":
		err = forgetPerson(ctx, cfg, args[1], stdout)
	default:
		log, sink := openLog(cfg, stderr)
		defer sink.Close()
		return serve(ctx, cfg, log, sink.Dropped, stderr)
	}
	if err != nil {
		complain(stderr, err)
		return exitFailed
	}
	return exitOK
}

// complain writes each line of err for the person who called chatd.
func complain(stderr io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(stderr, "chatd: "+strings.TrimSpace(line))
	}
}

// badArguments returns a sentence if args are neither none nor a command with what
// it takes.
func badArguments(args []string) string {
	if len(args) == 0 {
		return ""
	}
	commands := []string{"check", "console", "export", "forget", "help", "say", "version"}
	command, rest := args[0], args[1:]
	switch {
	case command == "check" && len(rest) > 1:
		return "check takes one file of variables, or none for those it is started with: chatd check [FILE]"
	case command == "check" && len(rest) == 1 && strings.HasPrefix(rest[0], "-"):
		return fmt.Sprintf("check has no option %q: chatd check [FILE]", rest[0])
	case command == "check":
		return ""
	case command == "export":
		return badExport(rest)
	case command == "forget" && len(rest) != 1:
		return "forget takes one name: chatd forget NAME"
	case command == "forget" && strings.HasPrefix(rest[0], "--"):
		return fmt.Sprintf("forget has no option %q: chatd forget NAME", rest[0])
	case command == "forget":
		return ""
	case strings.HasPrefix(command, "-"):
		return fmt.Sprintf("there is no option %q: chatd is configured by environment variables, which chatd help lists", command)
	}
	if near := nearest(command, 0, commands); near != "" {
		return fmt.Sprintf("there is no command %q; did you mean %s?", command, near)
	}
	return fmt.Sprintf("there is no command %q; there are check, console, export, forget, help, say and version, and chatd alone serves", command)
}

// badExport returns a sentence if args are not what export takes.
func badExport(args []string) string {
	rooms := 0
	for _, arg := range args {
		switch {
		case arg == "--text":
		case strings.HasPrefix(arg, "--"):
			return fmt.Sprintf("export has no option %q; it has --text", arg)
		case arg == "":
			return "a room has a name; leave it out to export all rooms"
		default:
			rooms++
		}
	}
	if rooms > 1 {
		return "export takes one room, or none for all: chatd export [--text] [ROOM]"
	}
	return ""
}
