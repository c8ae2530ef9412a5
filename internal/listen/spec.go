package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/chatd/chatd/internal/near"
)

// Service is what a listener's connections are served.
type Service string

// The services a listener can be asked for with ?serve=.
const (
	Chat    Service = "chat"
	Raw     Service = "raw"
	JSON    Service = "json"
	HTTP    Service = "http"
	Echo    Service = "echo"
	Fortune Service = "fortune"
)

// Ops is metrics, health and profiles over HTTP. No URL can ask for it: its listener has
// a variable of its own.
const Ops Service = "ops"

// What is served.
var (
	schemes  = []string{"tcp", "tls", "unix", "fd", "http", "https"}
	services = []string{string(Chat), string(Raw), string(JSON), string(HTTP), string(Echo), string(Fortune)}
	formats  = []string{"text", "qt", "qt4", "qtlocal"}
)

// params are the query parameters of a listener's URL. read stores the value
// and returns what is wrong with it, or nothing.
var params = []struct {
	name    string
	schemes []string
	read    func(s *Spec, value string) string
}{
	{"serve", []string{"tcp", "tls", "http", "https", "unix", "fd"}, (*Spec).readService},
	{"room", []string{"tcp", "tls", "unix", "fd"}, (*Spec).readRoom},
	{"format", []string{"tcp", "tls", "unix", "fd"}, (*Spec).readFormat},
	{"backlog", []string{"tcp", "tls", "http", "https", "unix", "fd"}, (*Spec).readBacklog},
	{"mode", []string{"unix"}, (*Spec).readMode},
	{"group", []string{"unix"}, (*Spec).readGroup},
	{"tls", []string{"fd"}, (*Spec).readTLS},
}

const (
	// maxPath is the longest path a Unix socket can have: sun_path holds 108
	// bytes and the last is a NUL.
	maxPath = 107

	// maxBacklog is a limit against slips of the finger. The kernel's own,
	// /proc/sys/net/core/somaxconn, is silently applied below it.
	maxBacklog = 65535

	// examplePort stands in the sentences that say what to write.
	examplePort = "7777"
)

// Spec is one listener, as a URL describes it:
//
//	tcp://HOST:PORT     an empty HOST is every address, IPv4 and IPv6;
//	                    0.0.0.0 is every IPv4 address; port 0 picks a free one;
//	                    a name is bound at its first IPv4 address, or IPv6 if it has none
//	tls://HOST:PORT     the same, with TLS
//	http://HOST:PORT    a TCP port for browsers, https:// with TLS; serve can be
//	                    http, which it is if nothing is said, or echo
//	unix:///PATH        a Unix stream socket, PATH at most 107 bytes
//	fd://NAME           what systemd handed over under FileDescriptorName=NAME; the
//	                    names of services, tls and https say what it is for
//
// and after it, as query parameters: serve, room (with serve=raw), format (with
// serve=fortune), backlog, mode and group (with unix), tls (with fd). Specs can be
// compared with ==.
type Spec struct {
	Scheme string // tcp, tls, http, https, unix or fd

	// Where.
	Host string // tcp, tls, http, https: name, IPv4 or IPv6 address without brackets, with zone if it has one
	Port uint16 // tcp, tls, http, https: 0 picks a free one
	Path string // unix: absolute
	Name string // fd

	// What for.
	Service Service
	Room    string // raw: the room this listener shares with others of that name; empty: one of its own
	Format  string // fortune: qt, qt4 or qtlocal; empty: text

	// How.
	Secure  bool        // fd: TLS is spoken; of others the scheme says so
	Backlog int         // connections the kernel keeps until they are accepted; 0: as many as it allows
	Mode    os.FileMode // unix: who may connect (write permission); 0: 0666, or 0660 if Group is set
	Group   string      // unix: name or number of the group the socket is given to; empty: the process's own
}

// Parse reads a comma-separated list of listener URLs, in which empty places are
// skipped. If anything is wrong it returns no Spec and every mistake, each as
// an *Error, joined. A comma inside a path, name or room is written %2C.
func Parse(list string) ([]Spec, error) {
	var (
		specs    []Spec
		mistakes []error
		places   = map[string]bool{}
	)
	for raw := range strings.SplitSeq(list, ",") {
		if raw = strings.TrimSpace(raw); raw == "" {
			continue
		}
		spec, wrong := parse(raw)
		if place := spec.place(); len(wrong) == 0 && place != "" {
			if places[place] {
				wrong = append(wrong, "is given twice; remove one of the two")
			}
			places[place] = true
		}
		for _, reason := range wrong {
			mistakes = append(mistakes, &Error{URL: shown(raw), Reason: reason})
		}
		specs = append(specs, spec)
	}
	if len(specs) == 0 {
		mistakes = append(mistakes, &Error{URL: strconv.Quote(list), Reason: "names no listener; write for example tcp://:" + examplePort})
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	return specs, nil
}

// parse reads one URL and returns all that is wrong with it.
func parse(raw string) (s Spec, wrong []string) {
	complain := func(reason string) {
		if reason != "" {
			wrong = append(wrong, reason)
		}
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		complain("has no scheme; write " + shown(withScheme(raw)))
		return s, wrong
	}
	s.Scheme = strings.ToLower(scheme)
	if reason := judge("scheme", s.Scheme, schemes); reason != "" {
		complain(reason)
		return s, wrong
	}

	rest, query, _ := strings.Cut(rest, "?")
	switch s.Scheme {
	case "tcp", "tls", "http", "https":
		complain(s.readHostPort(strings.TrimSuffix(rest, "/")))
	case "unix":
		complain(s.readPath(rest))
	case "fd":
		complain(s.readName(rest))
	}

	s.Secure = s.usuallySecure()
	values, err := url.ParseQuery(query)
	if err != nil {
		complain("has an unreadable part after the question mark; write ?NAME=VALUE&NAME=VALUE")
		return s, wrong
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		complain(s.readParam(name, values[name]))
	}
	if s.Service == "" && values["serve"] == nil {
		s.Service = s.usualService()
		complain(judge("service", string(s.Service), services))
	}
	complain(s.judgeWeb())
	if s.Room != "" && s.Service != Raw {
		complain("room goes with serve=raw only; remove it")
	}
	if values["format"] != nil && s.Service != Fortune {
		complain("format goes with serve=fortune only; remove it")
	}
	return s, wrong
}

// judgeWeb says what is wrong with a service that a browser's scheme does not have.
func (s Spec) judgeWeb() string {
	if !s.web() || s.Service == HTTP || s.Service == Echo || !slices.Contains(services, string(s.Service)) {
		return ""
	}
	return fmt.Sprintf("%s serves the page or, with serve=echo, a WebSocket that sends back what it gets; %s goes with tcp, tls, unix and fd", s.Scheme, s.Service)
}

// web tells whether the scheme is one that browsers use.
func (s Spec) web() bool { return s.Scheme == "http" || s.Scheme == "https" }

// forBrowsers tells whether HTTP is spoken.
func (s Spec) forBrowsers() bool { return s.web() || s.Service == HTTP }

// usualService is what is served if the URL does not say.
func (s Spec) usualService() Service {
	if s.web() {
		return HTTP
	}
	switch {
	case s.Scheme != "fd":
	case slices.Contains(services, s.Name):
		return Service(s.Name)
	case s.Name == "https":
		return HTTP
	}
	return Chat
}

// usuallySecure tells whether TLS is spoken on a socket of systemd's if the URL does
// not say.
func (s Spec) usuallySecure() bool {
	return s.Scheme == "fd" && (s.Name == "tls" || s.Name == "https")
}

// TLS tells whether TLS is spoken.
func (s Spec) TLS() bool { return s.Scheme == "tls" || s.Scheme == "https" || s.Secure }

func (s *Spec) readHostPort(text string) string {
	if host, _, ok := strings.Cut(text, "/"); ok {
		return fmt.Sprintf("has a path, which %s has not; write %[1]s://%s", s.Scheme, shown(host))
	}
	host, port := text, ""
	bracketed := strings.HasPrefix(text, "[")
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		host, port = text[:i], text[i+1:]
	}
	if _, err := netip.ParseAddr(host); !bracketed && strings.Contains(host, ":") && err != nil {
		host, port = text, examplePort // the last colon was the address's own
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
		return "has an IPv6 address without brackets; write " + s.Scheme + "://[" + shown(host) + "]:" + shown(port)
	}
	if port == "" {
		if number(host) {
			return "has no port; write " + s.Scheme + "://:" + host
		}
		if host == "" {
			return "has no port; write " + s.Scheme + "://:" + examplePort
		}
		return "has no port; write " + s.Scheme + "://" + shown(host) + ":" + examplePort
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Sprintf("has port %s, which is no number from 0 to 65535", shown(port))
	}
	s.Port = uint16(n)

	if bracketed {
		inner, ok := strings.CutSuffix(host[1:], "]")
		addr, err := netip.ParseAddr(strings.Replace(inner, "%25", "%", 1))
		switch {
		case !ok || err != nil || !addr.Is6() || !plainName(addr.Zone()):
			return fmt.Sprintf("has %s, which is no IPv6 address", shown(host))
		case addr.IsLinkLocalUnicast() && addr.Zone() == "":
			return fmt.Sprintf("has a link-local address, which needs its interface; write %s://[%s%%25eth0]:%s", s.Scheme, addr, port)
		}
		s.Host = addr.String()
		return ""
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "":
	case err == nil:
		host = addr.String()
	case host == "*":
		return "has * for every address; leave the host empty: " + s.Scheme + "://:" + port
	case !plainName(host):
		return fmt.Sprintf("has host %s, which is neither a name nor an address", shown(host))
	case strings.Trim(host, "0123456789.") == "":
		return fmt.Sprintf("has %s, which is no IPv4 address", host)
	}
	s.Host = host
	return ""
}

func (s *Spec) readPath(text string) string {
	p, err := url.PathUnescape(text)
	switch {
	case err != nil:
		return "has a % that is not followed by two hexadecimal digits; write %25 for the sign itself"
	case p == "" || p == "/":
		return "has no path; write for example unix:///run/chatd/chatd.sock"
	case p[0] != '/':
		return "has a path that does not begin with a slash; write three of them: unix:///" + shown(text)
	case strings.HasSuffix(p, "/"):
		return "names a directory; write the path of the socket in it"
	case strings.ContainsRune(p, 0):
		return "has a NUL byte in its path"
	case len(p) > maxPath:
		return fmt.Sprintf("has a path of %d bytes; a Unix socket's has at most %d, choose a shorter one", len(p), maxPath)
	}
	s.Path = p
	return ""
}

func (s *Spec) readName(text string) string {
	name, err := url.PathUnescape(text)
	switch {
	case err != nil:
		return "has a % that is not followed by two hexadecimal digits; write %25 for the sign itself"
	case name == "":
		return "has no name; write fd://NAME with the FileDescriptorName of the socket unit"
	}
	s.Name = name
	return ""
}

func (s *Spec) readParam(name string, values []string) string {
	var names []string
	for _, p := range params {
		names = append(names, p.name)
		if p.name != name {
			continue
		}
		secure := map[string]string{"tcp": "tls", "http": "https"}[s.Scheme]
		switch {
		case name == "tls" && secure != "":
			return fmt.Sprintf("tls goes with fd only; for TLS write %s:// instead of %s://", secure, s.Scheme)
		case !slices.Contains(p.schemes, s.Scheme):
			return fmt.Sprintf("%s goes with %s only; remove it", name, list(p.schemes, "and"))
		case len(values) > 1:
			return fmt.Sprintf("%s is given %d times; once is enough", name, len(values))
		}
		return p.read(s, values[0])
	}
	return fmt.Sprintf("unknown parameter %s; %s", shown(name), advice(name, names))
}

func (s *Spec) readService(value string) string {
	s.Service = Service(value)
	return judge("service", value, services)
}

func (s *Spec) readRoom(value string) string {
	if value == "" {
		return "room is empty; write room=NAME"
	}
	s.Room = value
	return ""
}

func (s *Spec) readFormat(value string) string {
	if value != "text" { // which is the empty one
		s.Format = value
	}
	return judge("format", value, formats)
}

func (s *Spec) readBacklog(value string) string {
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil || n < 1 || n > maxBacklog {
		return fmt.Sprintf("backlog %s is no number from 1 to %d", shown(value), maxBacklog)
	}
	s.Backlog = int(n)
	return ""
}

func (s *Spec) readMode(value string) string {
	n, err := strconv.ParseUint(value, 8, 32)
	switch {
	case err != nil || n > 0o777:
		return fmt.Sprintf("mode %s is no octal number up to 0777; write for example mode=0660", shown(value))
	case n&0o222 == 0:
		return fmt.Sprintf("mode %s lets nobody connect, which takes write permission; write for example mode=0660", value)
	}
	s.Mode = os.FileMode(n)
	return ""
}

func (s *Spec) readGroup(value string) string {
	if value == "" {
		return "group is empty; write group=NAME"
	}
	s.Group = value
	return ""
}

func (s *Spec) readTLS(value string) string {
	s.Secure = value == "on"
	if value != "on" && value != "off" {
		return "tls is " + shown(value) + "; write tls=on or tls=off"
	}
	return ""
}

// String returns the URL that Parse reads as s.
func (s Spec) String() string {
	where := ""
	switch s.Scheme {
	case "unix":
		// Written with an escape so that it can stand in a list.
		where = strings.ReplaceAll((&url.URL{Path: s.Path}).EscapedPath(), ",", "%2C")
	case "fd":
		where = url.PathEscape(s.Name)
	default:
		where = hostPort(s.Host, s.Port)
	}
	var query []string
	add := func(name, value string) { query = append(query, name+"="+url.QueryEscape(value)) }
	if s.Service != s.usualService() && s.Service != Ops {
		add("serve", string(s.Service))
	}
	if s.Room != "" {
		add("room", s.Room)
	}
	if s.Format != "" {
		add("format", s.Format)
	}
	if s.Backlog != 0 {
		add("backlog", strconv.Itoa(s.Backlog))
	}
	if s.Mode != 0 {
		add("mode", fmt.Sprintf("%04o", s.Mode))
	}
	if s.Group != "" {
		add("group", s.Group)
	}
	if s.Secure != s.usuallySecure() {
		add("tls", map[bool]string{true: "on", false: "off"}[s.Secure])
	}
	text := s.Scheme + "://" + where
	if len(query) > 0 {
		text += "?" + strings.Join(query, "&")
	}
	return text
}

// place is what two listeners cannot share, or empty if there is no such thing.
func (s Spec) place() string {
	switch s.Scheme {
	case "unix":
		return path.Clean(s.Path)
	case "fd":
		return "fd://" + s.Name
	}
	if s.Port == 0 {
		return ""
	}
	return hostPort(s.Host, s.Port)
}

// mode is the permission bits of the socket. Chat is for everybody on the
// machine, as it is on a TCP port; naming a group is saying that it is not. Profiles
// are for root and the server's own user.
func (s Spec) mode() fs.FileMode {
	switch {
	case s.Mode != 0:
		return s.Mode
	case s.Group != "":
		return 0o660
	case s.Service == Ops:
		return 0o600
	}
	return 0o666
}

// hostPort joins the two as a URL has them.
func hostPort(host string, port uint16) string {
	if strings.Contains(host, ":") {
		host = "[" + strings.Replace(host, "%", "%25", 1) + "]"
	}
	return host + ":" + strconv.Itoa(int(port))
}

// variable is where the operator has written the listener.
func (s Spec) variable() string {
	if s.Service == Ops {
		return "CHATD_OPS_LISTEN"
	}
	return "CHATD_LISTEN"
}

// judge says what is wrong with a scheme, service or format, or nothing.
func judge(kind, word string, known []string) string {
	if slices.Contains(known, word) {
		return ""
	}
	return fmt.Sprintf("unknown %s %s; %s", kind, shown(word), advice(word, known))
}

// advice names the known word that was probably meant, or else all of them.
func advice(word string, known []string) string {
	best, bestDistance := "", 3 // two slips at most
	for _, k := range known {
		if d := near.Distance(strings.ToLower(word), k); d < bestDistance && d < len(k)-1 {
			best, bestDistance = k, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "use " + list(known, "or")
}

// withScheme guesses what someone meant who wrote no scheme.
func withScheme(raw string) string {
	for _, scheme := range schemes {
		if rest, ok := strings.CutPrefix(raw, scheme+":"); ok {
			if number(rest) {
				rest = ":" + rest
			}
			return scheme + "://" + rest
		}
	}
	switch {
	case raw[0] == '/':
		return "unix://" + raw
	case number(raw):
		return "tcp://:" + raw
	case strings.Contains(raw, ":"):
		return "tcp://" + raw
	}
	return "tcp://" + raw + ":" + examplePort
}

// list writes words as a sentence does: a, b or c.
func list(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	end := len(words) - 1
	return strings.Join(words[:end], ", ") + " " + last + " " + words[end]
}

// shown is text as an error shows it: quoted if a terminal might not print it
// as it is, and not endless.
func shown(text string) string {
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	for _, r := range text {
		if !strconv.IsPrint(r) || r == '\uFFFD' {
			return strconv.Quote(text)
		}
	}
	if text == "" {
		return `""`
	}
	return text
}

func number(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// plainName reports whether text has only the characters of host and interface
// names, if any.
func plainName(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
	}) < 0
}
