package main

import (
	"strings"
	"testing"
)

func TestFlags(t *testing.T) {
	for args, want := range map[string]string{
		"":                                                     "-addr is missing",
		"-addr 127.0.0.1:1 extra":                              "not a flag",
		"-addr 127.0.0.1:1 -proto gopher":                      "there are line, room, msg, irc, nats",
		"-addr nonsense":                                       "HOST:PORT or unix:PATH",
		"-addr 127.0.0.1:1 -window 2 -rate 3":                  "not both",
		"-addr 127.0.0.1:1 -size 10":                           "-size must be",
		"-addr 127.0.0.1:1 -conns 10 -stalled 9":               "one speaks, one hears",
		"-addr 127.0.0.1:1 -conns 99999999":                    "open files",
		"-addr 192.0.2.1:1 -sources 2":                         "127.0.0.0/8",
		"-addr unix:/nowhere -sources 2":                       "127.0.0.0/8",
		"-addr 127.0.0.1:1 -conns 10 -senders 11":              "-senders must be",
		"-addr 127.0.0.1:1 -conns 10 -window 0 -senders 1":     "-window must be",
		"-addr 127.0.0.1:1 -rate Inf":                          "-rate between",
		"-addr 127.0.0.1:1 -rate -1":                           "-rate between",
		"-addr 127.0.0.1:1 -window 99999999":                   "-window must be",
		"-addr 127.0.0.1:1 -rate NaN":                          "-rate between",
		"-addr 127.0.0.1:1 -conns 10 -group 3":                 "groups of 3",
		"-addr 127.0.0.1:1 -conns 10 -group 0":                 "groups of 0",
		"-addr 127.0.0.1:1 -conns 10 -group 20":                "groups of 20",
		"-addr 127.0.0.1:1 -conns 10 -proto msg -group 5":      "-proto msg needs groups of 2",
		"-addr 127.0.0.1:1 -conns 9 -proto msg":                "groups of 2",
		"-addr 127.0.0.1:1 -conns 10 -group 2 -slow 1":         "one speaks, one hears",
		"-addr 127.0.0.1:1 -conns 10 -group 1 -stalled 1":      "one speaks, one hears",
		"-addr 127.0.0.1:1 -conns 0":                           "-conns must be",
		"-addr 127.0.0.1:1 -time 0":                            "-time",
		"-addr 127.0.0.1:1 -settle 1s":                         "needs -pid",
		"-addr 127.0.0.1:1 -conns 10 -slow 1 -slow-speed 0":    "-slow-speed must be",
		"-addr 127.0.0.1:1 -conns 10 -group 5 -senders 6":      "-senders must be between 1 and 5",
		"-addr 127.0.0.1:1 -conns 10 -stalled 6 -senders 5":    "-senders must be between 1 and 4",
		"-addr 127.0.0.1:1 -conns 1":                           "",
		"-addr 127.0.0.1:1 -conns 4 -group 2 -idle -stalled 1": "",
	} {
		_, _, err := parse(strings.Fields(args), t.Output())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
	var stderr strings.Builder
	if code := command([]string{"-addr", "nonsense"}, &stderr, &stderr); code != 2 || !strings.HasPrefix(stderr.String(), "chatload: -addr nonsense") {
		t.Errorf("exit status %d, %s", code, stderr.String())
	}
	var help strings.Builder
	if code := command([]string{"--help"}, &help, &help); code != 0 || !strings.Contains(help.String(), "CHATD_MAX_PER_ADDRESS=off") {
		t.Errorf("--help: exit status %d, %s", code, help.String())
	}
}

// What is not said follows from what is.
func TestFlagDefaults(t *testing.T) {
	for args, want := range map[string][3]int{ // group, window, senders
		"":                                  {100, 64, 64},
		"-window 4":                         {100, 4, 4},
		"-rate 100":                         {100, 64, 64},
		"-conns 10":                         {10, 64, 10},
		"-conns 10 -stalled 2 -slow 1":      {10, 64, 7},
		"-conns 10 -group 5":                {5, 1, 5},
		"-conns 10 -group 5 -window 3":      {5, 3, 5},
		"-conns 10 -group 1":                {1, 1, 1},
		"-conns 10 -group 10":               {10, 1, 10},
		"-conns 10 -proto msg":              {2, 1, 2},
		"-conns 2 -proto msg":               {2, 1, 2},
		"-conns 400 -group 200 -stalled 10": {200, 1, 64},
	} {
		c, _, err := parse(strings.Fields("-addr 127.0.0.1:1 "+args), t.Output())
		if got := [3]int{c.group, c.window, c.senders}; err != nil || got != want {
			t.Errorf("%q: group, window and senders are %v, want %v; %v", args, got, want, err)
		}
	}
	c, _, _ := parse([]string{"-addr", "127.0.0.1:1", "-conns", "19000", "-idle"}, t.Output())
	many, _, _ := parse([]string{"-addr", "127.0.0.1:1", "-conns", "45000", "-idle"}, t.Output())
	if c.target.sources != 0 || many.target.sources != 3 {
		t.Errorf("19,000 connections come from %d addresses, 45,000 from %d", c.target.sources, many.target.sources)
	}
}
