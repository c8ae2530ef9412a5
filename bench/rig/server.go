package rig

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Server is one that is measured. It runs in the foreground, with all limits off,
// and listens on a port of 127.0.0.1.
type Server struct {
	Name  string
	Label string // as it is written for people
	What  string // and how to get it
	Proto string // what chatload speaks to it
	Most  int    // connections it can have; 0: as many as there are descriptors

	// build compiles it into the rig's folder; nil: it is installed.
	build func(ctx context.Context, r *Rig) error
	// command starts it; PORT stands for the port, DIR for the folder.
	command string
	env     []string // added to the environment
	config  string   // written to DIR/NAME.conf, with the port put in
	path    string   // where its program is, if not in PATH
	version string   // command that tells its version, or of what it is made with
}

// chatdCommand starts the chatd of this tree.
const chatdCommand = "DIR/chatd"

// Servers are all chat servers that are known, the floor first.
func Servers() []Server {
	return []Server{{
		Name: "floor", Label: "floor", What: "bench/floor.c; needs a C compiler (apt install gcc libc6-dev)", Proto: "line",
		build: func(ctx context.Context, r *Rig) error {
			return installed(exec.CommandContext(ctx, "cc", "-O2", "-o", filepath.Join(r.Dir, "floor"), "bench/floor.c"),
				"apt install gcc libc6-dev")
		},
		command: "DIR/floor 127.0.0.1 PORT",
		version: "cc -dumpfullversion",
	}, {
		Name: "chatd", Label: "chatd", What: "cmd/chatd of this tree, or what -chatd names", Proto: "line",
		build: func(ctx context.Context, r *Rig) error {
			if r.Chatd != "" {
				return nil
			}
			return r.Compile(ctx, "chatd", "./cmd/chatd")
		},
		command: chatdCommand,
		env: []string{
			"CHATD_LISTEN=tcp://127.0.0.1:PORT", "CHATD_MAX_PER_ADDRESS=off", "CHATD_RATE=off",
			"CHATD_MAX_CLIENTS=off", "CHATD_LOG_LEVEL=warn",
		},
		version: "go version",
	}, {
		Name: "qt", Label: "QTcpServer", What: "bench/qt: QTcpServer (apt install g++ pkg-config qt6-base-dev)", Proto: "line",
		build: func(ctx context.Context, r *Rig) error {
			const get = "apt install g++ pkg-config qt6-base-dev"
			flags, err := exec.CommandContext(ctx, "pkg-config", "--cflags", "--libs", "Qt6Network").Output()
			if err != nil {
				return fmt.Errorf("pkg-config finds no Qt 6: %s", get)
			}
			words := append([]string{"-O2", "-fPIC", "-o", filepath.Join(r.Dir, "qt"), "bench/qt/main.cpp"}, strings.Fields(string(flags))...)
			return installed(exec.CommandContext(ctx, "c++", words...), get)
		},
		command: "DIR/qt 127.0.0.1 PORT",
		version: "pkg-config --modversion Qt6Network",
	}, {
		Name: "ngircd", Label: "ngIRCd", What: "an IRC server in C (apt install ngircd)", Proto: "irc",
		Most:    3000, // it announces everybody to everybody: filling a channel takes the square of the time
		path:    "/usr/sbin/ngircd",
		command: "ngircd --nodaemon --config DIR/ngircd.conf",
		config: `[Global]
Name = bench.example
Info = bench
Listen = 127.0.0.1
Ports = PORT
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxNickLength = 16
MaxPenaltyTime = 0
PingTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
`,
		version: "ngircd --version",
	}, {
		Name: "nats", Label: "nats-server", What: "nats-server (apt install nats-server)", Proto: "nats",
		path:    "/usr/sbin/nats-server",
		command: "nats-server --addr 127.0.0.1 --port PORT",
		version: "nats-server --version",
	}, {
		Name: "ncat", Label: "ncat --broker", What: "ncat --broker (apt install ncat)", Proto: "line",
		Most:    1000, // it uses select(2)
		command: "ncat --broker --listen 127.0.0.1 PORT --max-conns 5000",
		version: "ncat --version",
	}, goServer("textbook", "bench/textbook: a channel and a goroutine for each client")}
}

// chatdAs is chatd under another name, to which more can be added.
func chatdAs(name, label string) Server {
	for _, s := range Servers() {
		if s.Name == "chatd" {
			s.Name, s.Label = name, label
			return s
		}
	}
	panic("chatd is one of them")
}

// Keeping is chatd with its history on disk, in a folder of each run's own.
func Keeping() Server {
	s := chatdAs("chatd-disk", "chatd, history on disk")
	s.env = append(s.env, "CHATD_DATA=DIR/history-PORT")
	return s
}

// Objects is chatd with clients that speak JSON, a line each.
func Objects() Server {
	s := chatdAs("chatd-json", "chatd, JSON lines")
	s.Proto = "json"
	return s
}

// WebSockets is chatd with clients that speak JSON in WebSocket frames.
func WebSockets() Server {
	s := chatdAs("chatd-ws", "chatd, WebSocket")
	s.Proto = "ws"
	s.env = append(s.env, "CHATD_LISTEN=http://127.0.0.1:PORT")
	return s
}

// Echo is no chat: it sends each line back to where it came from.
func Echo() Server {
	return goServer("echo", "bench/echo: a goroutine for each client sends back what comes in")
}

// goServer is a program of this module under bench, started with its address.
func goServer(name, what string) Server {
	return Server{
		Name: name, Label: name, What: what, Proto: "line",
		build: func(ctx context.Context, r *Rig) error {
			return r.Compile(ctx, name, "./bench/"+name)
		},
		command: "DIR/" + name + " 127.0.0.1:PORT",
		version: "go version",
	}
}

// Prepare makes a server ready, or says why it cannot be run and how to get it.
func (r *Rig) Prepare(ctx context.Context, s *Server) error {
	if s.command == chatdCommand && r.Chatd != "" {
		s.command = r.Chatd
	}
	if s.build != nil {
		if err := s.build(ctx, r); err != nil {
			return err
		}
	}
	program := strings.Fields(fill(s.command, r.Dir, 0))[0]
	if _, err := exec.LookPath(program); err == nil {
		return nil
	}
	if _, err := exec.LookPath(s.path); err != nil {
		return fmt.Errorf("%s is not installed: %s", program, s.What)
	}
	s.command = s.path + strings.TrimPrefix(s.command, program)
	s.version = s.path + strings.TrimPrefix(s.version, program)
	return nil
}

// installed runs a compiler, and says how to get it if it is not there.
func installed(cmd *exec.Cmd, get string) error {
	if cmd.Err != nil {
		return fmt.Errorf("%s is not installed: %s", cmd.Args[0], get)
	}
	return quiet(cmd)
}

var digits = regexp.MustCompile(`\d+(\.\d+)+`)

// Version is that of the server, or, if it is of this tree, that of what it is
// compiled with or linked to; empty if it cannot be found out.
func (s *Server) Version(ctx context.Context) string {
	words := strings.Fields(s.version)
	out, _ := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput() // ngircd ends with 1
	return digits.FindString(string(out))
}

// fill puts folder and port into a command or a configuration.
func fill(s, dir string, port int) string {
	return strings.NewReplacer("PORT", fmt.Sprint(port), "DIR", dir).Replace(s)
}
