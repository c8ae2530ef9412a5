package listen

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		list string
		want []Spec
	}{
		{"tcp://:7777", []Spec{{Scheme: "tcp", Port: 7777, Service: Chat}}},
		{" TCP://:7777/ ,", []Spec{{Scheme: "tcp", Port: 7777, Service: Chat}}},
		{"tcp://127.0.0.1:0", []Spec{{Scheme: "tcp", Host: "127.0.0.1", Service: Chat}}},
		{"tcp://localhost:65535", []Spec{{Scheme: "tcp", Host: "localhost", Port: 65535, Service: Chat}}},
		{"tcp://[::1]:7777?backlog=16", []Spec{{Scheme: "tcp", Host: "::1", Port: 7777, Service: Chat, Backlog: 16}}},
		{"tcp://[0:0::0001]:7777", []Spec{{Scheme: "tcp", Host: "::1", Port: 7777, Service: Chat}}},
		{"tcp://[fe80::1%25eth0]:7777", []Spec{{Scheme: "tcp", Host: "fe80::1%eth0", Port: 7777, Service: Chat}}},
		{"tcp://[fe80::1%eth0]:7777", []Spec{{Scheme: "tcp", Host: "fe80::1%eth0", Port: 7777, Service: Chat}}},
		{"tcp://:7778?serve=raw&room=qt%2Cold", []Spec{{Scheme: "tcp", Port: 7778, Service: Raw, Room: "qt,old"}}},
		{
			"unix:///run/chatd/chatd.sock?mode=0660&group=adm, unix:///a%2Cb%20c",
			[]Spec{
				{Scheme: "unix", Path: "/run/chatd/chatd.sock", Service: Chat, Mode: 0o660, Group: "adm"},
				{Scheme: "unix", Path: "/a,b c", Service: Chat},
			},
		},
		{
			"fd://web,fd://raw,fd://json?serve=chat",
			[]Spec{
				{Scheme: "fd", Name: "web", Service: Chat},
				{Scheme: "fd", Name: "raw", Service: Raw},
				{Scheme: "fd", Name: "json", Service: Chat},
			},
		},
		{
			"tcp://:7?serve=echo,tcp://:17?serve=fortune&format=text,unix:///tmp/fortune?serve=fortune&format=qtlocal",
			[]Spec{
				{Scheme: "tcp", Port: 7, Service: Echo},
				{Scheme: "tcp", Port: 17, Service: Fortune},
				{Scheme: "unix", Path: "/tmp/fortune", Service: Fortune, Format: "qtlocal"},
			},
		},
		{
			"fd://echo,fd://fortune?format=qt4,fd://quotes?serve=fortune&format=qt",
			[]Spec{
				{Scheme: "fd", Name: "echo", Service: Echo},
				{Scheme: "fd", Name: "fortune", Service: Fortune, Format: "qt4"},
				{Scheme: "fd", Name: "quotes", Service: Fortune, Format: "qt"},
			},
		},
		{"tls://:7778,TLS://[::1]:7779?serve=raw&backlog=5", []Spec{
			{Scheme: "tls", Port: 7778, Service: Chat},
			{Scheme: "tls", Host: "::1", Port: 7779, Service: Raw, Backlog: 5},
		}},
		{"http://:8080,https://chat.example.org:443/,http://:8081?serve=echo,fd://http,unix:///tmp/web?serve=http", []Spec{
			{Scheme: "http", Port: 8080, Service: HTTP},
			{Scheme: "https", Host: "chat.example.org", Port: 443, Service: HTTP},
			{Scheme: "http", Port: 8081, Service: Echo},
			{Scheme: "fd", Name: "http", Service: HTTP},
			{Scheme: "unix", Path: "/tmp/web", Service: HTTP},
		}},
		{"fd://https,fd://tls?serve=json,fd://web?serve=http&tls=on,fd://TLS?tls=off,fd://plain", []Spec{
			{Scheme: "fd", Name: "https", Service: HTTP, Secure: true},
			{Scheme: "fd", Name: "tls", Service: JSON, Secure: true},
			{Scheme: "fd", Name: "web", Service: HTTP, Secure: true},
			{Scheme: "fd", Name: "TLS", Service: Chat},
			{Scheme: "fd", Name: "plain", Service: Chat},
		}},
		{"tcp://:0,tcp://:0", []Spec{{Scheme: "tcp", Service: Chat}, {Scheme: "tcp", Service: Chat}}},
	} {
		got, err := Parse(c.list)
		if err != nil {
			t.Errorf("%s: %v", c.list, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.list, diff)
		}
	}
}

func TestParseMistakes(t *testing.T) {
	long := "/" + strings.Repeat("x", 107)
	for _, c := range []struct{ list, want string }{
		{"", `"": names no listener; write for example tcp://:7777`},
		{" , ", `" , ": names no listener; write for example tcp://:7777`},

		{"7777", "7777: has no scheme; write tcp://:7777"},
		{":7777", ":7777: has no scheme; write tcp://:7777"},
		{"localhost", "localhost: has no scheme; write tcp://localhost:7777"},
		{"tcp:7777", "tcp:7777: has no scheme; write tcp://:7777"},
		{"/run/x", "/run/x: has no scheme; write unix:///run/x"},
		{"unix:/run/x", "unix:/run/x: has no scheme; write unix:///run/x"},
		{"tpc://:7777", "tpc://:7777: unknown scheme tpc; did you mean tcp?"},
		{"gopher://:70", "gopher://:70: unknown scheme gopher; use tcp, tls, unix, fd, http or https"},
		{"://:70", `://:70: unknown scheme ""; use tcp, tls, unix, fd, http or https`},
		{"tls://:7778/chat", "tls://:7778/chat: has a path, which tls has not; write tls://:7778"},
		{"tls://", "tls://: has no port; write tls://:7777"},
		{"tls://::1:7778", "tls://::1:7778: has an IPv6 address without brackets; write tls://[::1]:7778"},
		{"tls://*:7778", "tls://*:7778: has * for every address; leave the host empty: tls://:7778"},
		{"tls:7778", "tls:7778: has no scheme; write tls://:7778"},
		{"tls://:7778?mode=0660", "tls://:7778?mode=0660: mode goes with unix only; remove it"},
		{"tls://:7778,tcp://:7778", "tcp://:7778: is given twice; remove one of the two"},
		{"http://:80?serve=chat", "http://:80?serve=chat: http serves the page or, with serve=echo, a WebSocket that sends back what it gets; chat goes with tcp, tls, unix and fd"},
		{"https://:443?serve=nonsense", "https://:443?serve=nonsense: unknown service nonsense; use chat, raw, json, http, echo or fortune"},
		{"http://:80?room=tea", "http://:80?room=tea: room goes with tcp, tls, unix and fd only; remove it"},
		{"http://:80/chat", "http://:80/chat: has a path, which http has not; write http://:80"},
		{"http://localhost", "http://localhost: has no port; write http://localhost:7777"},

		{"tcp://", "tcp://: has no port; write tcp://:7777"},
		{"tcp://:", "tcp://:: has no port; write tcp://:7777"},
		{"tcp://localhost", "tcp://localhost: has no port; write tcp://localhost:7777"},
		{"tcp://localhost:", "tcp://localhost:: has no port; write tcp://localhost:7777"},
		{"tcp://7000", "tcp://7000: has no port; write tcp://:7000"},
		{"tcp://[::1]", "tcp://[::1]: has no port; write tcp://[::1]:7777"},
		{"tcp://:70000", "tcp://:70000: has port 70000, which is no number from 0 to 65535"},
		{"tcp://:http", "tcp://:http: has port http, which is no number from 0 to 65535"},
		{"tcp://::1:7777", "tcp://::1:7777: has an IPv6 address without brackets; write tcp://[::1]:7777"},
		{"tcp://fd00::2", "tcp://fd00::2: has an IPv6 address without brackets; write tcp://[fd00::2]:7777"},
		{"tcp://::", "tcp://::: has an IPv6 address without brackets; write tcp://[::]:7777"},
		{"tcp://a:b:1", "tcp://a:b:1: has host a:b:1, which is neither a name nor an address"},
		{"tcp://[::1:7777", "tcp://[::1:7777: has [::1, which is no IPv6 address"},
		{"tcp://[127.0.0.1]:7777", "tcp://[127.0.0.1]:7777: has [127.0.0.1], which is no IPv6 address"},
		{"tcp://[fe80::1]:7777", "tcp://[fe80::1]:7777: has a link-local address, which needs its interface; write tcp://[fe80::1%25eth0]:7777"},
		{"tcp://300.1.1.1:7777", "tcp://300.1.1.1:7777: has 300.1.1.1, which is no IPv4 address"},
		{"tcp://*:7777", "tcp://*:7777: has * for every address; leave the host empty: tcp://:7777"},
		{"tcp://ann@host:7777", "tcp://ann@host:7777: has host ann@host, which is neither a name nor an address"},
		{"tcp://:7777/chat", "tcp://:7777/chat: has a path, which tcp has not; write tcp://:7777"},

		{"unix://", "unix://: has no path; write for example unix:///run/chatd/chatd.sock"},
		{"unix://run/x", "unix://run/x: has a path that does not begin with a slash; write three of them: unix:///run/x"},
		{"unix:///run/", "unix:///run/: names a directory; write the path of the socket in it"},
		{"unix:///a%00b", "unix:///a%00b: has a NUL byte in its path"},
		{"unix:///100%", "unix:///100%: has a % that is not followed by two hexadecimal digits; write %25 for the sign itself"},
		{"unix://" + long, "unix://" + long + ": has a path of 108 bytes; a Unix socket's has at most 107, choose a shorter one"},
		{"unix:///x?mode=0888", "unix:///x?mode=0888: mode 0888 is no octal number up to 0777; write for example mode=0660"},
		{"unix:///x?mode=1777", "unix:///x?mode=1777: mode 1777 is no octal number up to 0777; write for example mode=0660"},
		{"unix:///x?mode=0444", "unix:///x?mode=0444: mode 0444 lets nobody connect, which takes write permission; write for example mode=0660"},
		{"unix:///x?group=", "unix:///x?group=: group is empty; write group=NAME"},

		{"fd://", "fd://: has no name; write fd://NAME with the FileDescriptorName of the socket unit"},

		{"tcp://:1?serve=ecoh", "tcp://:1?serve=ecoh: unknown service ecoh; did you mean echo?"},
		{"tcp://:1?serve=rwa", "tcp://:1?serve=rwa: unknown service rwa; did you mean raw?"},
		{"tcp://:1?serve=quake", "tcp://:1?serve=quake: unknown service quake; use chat, raw, json, http, echo or fortune"},
		{"tcp://:1?serve=", `tcp://:1?serve=: unknown service ""; use chat, raw, json, http, echo or fortune`},
		{"tcp://:1?serve=chat&serve=raw", "tcp://:1?serve=chat&serve=raw: serve is given 2 times; once is enough"},
		{"tcp://:1?room=x", "tcp://:1?room=x: room goes with serve=raw only; remove it"},
		{"tcp://:1?serve=raw&room=", "tcp://:1?serve=raw&room=: room is empty; write room=NAME"},
		{"tcp://:1?serve=raw&format=qt", "tcp://:1?serve=raw&format=qt: format goes with serve=fortune only; remove it"},
		{"tcp://:1?format=text", "tcp://:1?format=text: format goes with serve=fortune only; remove it"},
		{"tcp://:7777?tls=on", "tcp://:7777?tls=on: tls goes with fd only; for TLS write tls:// instead of tcp://"},
		{"fd://web?tls=yes", "fd://web?tls=yes: tls is yes; write tls=on or tls=off"},
		{"fd://echo?format=qt", "fd://echo?format=qt: format goes with serve=fortune only; remove it"},
		{"tcp://:1?serve=fortune&format=qtlocl", "tcp://:1?serve=fortune&format=qtlocl: unknown format qtlocl; did you mean qtlocal?"},
		{"tcp://:1?serve=fortune&format=", `tcp://:1?serve=fortune&format=: unknown format ""; use text, qt, qt4 or qtlocal`},
		{"tcp://:1?serve=fortune&format=html", "tcp://:1?serve=fortune&format=html: unknown format html; use text, qt, qt4 or qtlocal"},
		{"tcp://:1?serve=fortune&room=x", "tcp://:1?serve=fortune&room=x: room goes with serve=raw only; remove it"},
		{"tcp://:1?serve=fortune&fromat=qt", "tcp://:1?serve=fortune&fromat=qt: unknown parameter fromat; did you mean format?"},
		{"tcp://:1?backlg=5", "tcp://:1?backlg=5: unknown parameter backlg; did you mean backlog?"},
		{"tcp://:1?tls=1", "tcp://:1?tls=1: tls goes with fd only; for TLS write tls:// instead of tcp://"},
		{"tcp://:1?backlog=0", "tcp://:1?backlog=0: backlog 0 is no number from 1 to 65535"},
		{"tcp://:1?backlog=many", "tcp://:1?backlog=many: backlog many is no number from 1 to 65535"},
		{"tcp://:1?mode=0660", "tcp://:1?mode=0660: mode goes with unix only; remove it"},
		{"tcp://:1?%zz", "tcp://:1?%zz: has an unreadable part after the question mark; write ?NAME=VALUE&NAME=VALUE"},
		{"tcp://:1\x1b[31m", `"tcp://:1\x1b[31m": has port "1\x1b[31m", which is no number from 0 to 65535`},

		{"tcp://:1,tcp://:1?serve=raw", "tcp://:1?serve=raw: is given twice; remove one of the two"},
		{"unix:///a/b,unix:///a//b", "unix:///a//b: is given twice; remove one of the two"},
		{"fd://x,fd://x", "fd://x: is given twice; remove one of the two"},

		{ // All mistakes, of one URL and of all.
			"tcp://:99999?serve=rwa&mod=1, tcp://:7777, udp://:1",
			"tcp://:99999?serve=rwa&mod=1: has port 99999, which is no number from 0 to 65535\n" +
				"tcp://:99999?serve=rwa&mod=1: unknown parameter mod; did you mean mode?\n" +
				"tcp://:99999?serve=rwa&mod=1: unknown service rwa; did you mean raw?\n" +
				"udp://:1: unknown scheme udp; use tcp, tls, unix, fd, http or https",
		},
	} {
		specs, err := Parse(c.list)
		if err == nil || specs != nil {
			t.Errorf("%s: parsed as %v, want the mistake %s", c.list, specs, c.want)
			continue
		}
		wantText(t, err.Error(), c.want)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"tcp://:7777", "tcp://[fe80::1%25eth0]:1?backlog=4,unix:///a%2Cb?mode=0600&group=g",
		"fd://raw?serve=chat", "fd://x?serve=raw&room=%2C+", "fd://fortune?format=qt4,tcp://:1?format=text&serve=fortune", "tcp://::1:7777", "7777", "unix:/x", "tcp://[", "tcp://:1?%", "tls://x", "fd://https?serve=chat&tls=off",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		specs, err := Parse(text)
		if err != nil {
			if specs != nil {
				t.Errorf("%q: both specs and an error", text)
			}
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.Contains(line, ": ") {
					t.Errorf("%q: a mistake of more than one line, or without a URL: %q", text, line)
				}
			}
			return
		}
		var printed []string
		for _, s := range specs {
			printed = append(printed, s.String())
		}
		again, err := Parse(strings.Join(printed, ","))
		if err != nil {
			t.Fatalf("%q was printed as %q: %v", text, printed, err)
		}
		if diff := cmp.Diff(specs, again); diff != "" {
			t.Errorf("%q was printed as %q (-first +again):\n%s", text, printed, diff)
		}
	})
}
