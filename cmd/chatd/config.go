package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v10"

	"github.com/chatd/chatd/internal/listen"
	"github.com/chatd/chatd/pkg/relay"
)

// config is what the environment says: one field for each variable. The help,
// docs/configuration.md and configs/chatd.env are printed from its tags:
//
//	env, envDefault  the variable and its default
//	desc, more       what it does, in one sentence; what else there is to know
//	default          the default in words, where envDefault is empty
//	min, max         the smallest and the largest value, 0 apart
//	off              what 0 or the word off mean; without it they are mistakes
//	of               the words it can be
//	example          a value other than the default
//	group            the heading under which this and the following ones stand
type config struct {
	Listen string `env:"CHATD_LISTEN" envDefault:"tcp://:7777" group:"Listening" desc:"where to listen: tcp://HOST:PORT, tls://HOST:PORT, unix:///PATH or, for browsers, http://HOST:PORT and https://HOST:PORT, several separated by commas" more:"Without a host, all addresses are meant, and port 0 is any free one. Append ?serve=raw to pass bytes on unchanged instead of chatting (&room=NAME joins several such listeners), ?serve=echo to send back every byte, ?serve=fortune to say a fortune and close (&format=qt, qt4 or qtlocal for the clients of Qt's examples), ?backlog=N for the length of the kernel's queue, and, for a socket in the file system, ?mode=0660 and &group=NAME. When systemd gives the service a runtime directory, there is also a socket chatd.sock in it, by default for everybody on the machine, and otherwise for root, unless it is listed; when systemd hands over sockets, the default is these alone, and fd://NAME names one of them beside others (&tls=on for TLS on it)." example:"tcp://192.0.2.7:7777,http://:8080,unix:///tmp/chatd.sock?mode=0600"`

	TLSCertFile string   `env:"CHATD_TLS_CERT_FILE" default:"none" desc:"file with the certificate for tls:// and https:// listeners, in PEM" more:"Behind it in the file are those that lead from it to one that clients trust (fullchain.pem). chatd looks at it again when somebody connects, at most once a second, and at SIGHUP; those who are in stay. If the new one is no good, the old one stays and the log says so." example:"/etc/chatd/fullchain.pem"`
	TLSKeyFile  string   `env:"CHATD_TLS_KEY_FILE" default:"none" desc:"file with the key of that certificate, in PEM" more:"Nobody but its owner and group may have any access to it. It is read again whenever the certificate is." example:"/etc/chatd/privkey.pem"`
	WebOrigins  origins  `env:"CHATD_WEB_ORIGINS" default:"none" desc:"origins of pages that may chat here, such as https://chat.example.org, separated by commas" more:"The page of an http:// or https:// listener works without this when it is opened by an address of the machine, by localhost, by the machine's host name or by the host in the listener's URL. Any other name by which people reach it, and the name of a proxy in front, is written here: browsers are refused otherwise, so that no other site can use the chat in the name of those who visit it." example:"https://chat.example.org,http://chat.lan:8080"`
	ProxyFrom   proxies  `env:"CHATD_PROXY_FROM" default:"none" desc:"addresses of proxies that say for whom they speak, separated by commas" more:"Addresses or prefixes, such as 192.0.2.7 or 10.0.0.0/8. Every TCP connection from one of them, with TLS or without, has to begin with a PROXY header, version 1 or 2, and the address in it is the one that counts: for limits and bans, in the log and in /whois. Anybody else's header is a line like any other." example:"127.0.0.1,10.0.0.0/8"`
	OpsListen   opsPlace `env:"CHATD_OPS_LISTEN" default:"nowhere" desc:"where to show metrics, health and profiles over HTTP: tcp://HOST:PORT or unix:///PATH" more:"/metrics is for Prometheus, /healthz and /readyz say whether chatd is well and takes newcomers, /debug/pprof/ is for go tool pprof. Whoever reaches it reads all that, so name an address that nobody else reaches. Browsers are let in by the names that the page of the chat has. Append ?backlog=N, ?mode=0660 or &group=NAME as in CHATD_LISTEN." example:"tcp://127.0.0.1:9777"`

	Name        hostName `env:"CHATD_NAME" default:"the machine's host name" group:"What people see" desc:"what the greeting calls this server" more:"At most 64 characters." example:"lobby.example.org"`
	History     count    `env:"CHATD_HISTORY" envDefault:"20" max:"4096" off:"none" desc:"lines of earlier talk that a newcomer is shown" example:"100"`
	Echo        onOff    `env:"CHATD_ECHO" envDefault:"on" desc:"whether people get their own lines back, stamped with the time" more:"The stamped line is the receipt: others have it too. Everyone can choose with /echo." example:"off"`
	MOTDFile    string   `env:"CHATD_MOTD_FILE" default:"none" desc:"file with the message of the day, shown to every newcomer" more:"At most 64 KiB. SIGHUP reads it again." example:"/etc/chatd/motd"`
	FortuneFile string   `env:"CHATD_FORTUNE_FILE" default:"a built-in handful" desc:"file with what listeners with ?serve=fortune say, one at random" more:"Fortunes of one line or more, with a line % between two, as fortune(6) has them: UTF-8, at most 4 MiB, and each at most 16 KiB. SIGHUP reads it again." example:"/etc/chatd/fortunes"`

	Data string `env:"CHATD_DATA" default:"none; under systemd the state directory of the service" group:"What is kept" desc:"folder in which history, registered names and bans are kept" more:"It is created if the folder it is in exists, and one server at a time uses it. Without a folder everything is kept in memory and gone when the server stops; off has it so under systemd too." example:"/tmp"`
	Keep keep   `env:"CHATD_KEEP" default:"the last 1000000 messages, in memory 10000" desc:"how much is kept of each room: an age, a count of messages, or both" more:"90d,100000 keeps the last 100,000 messages unless they are older than 90 days. Ages are written 12h, 90d or 52w. What is left out has no bound, and off leaves out both; in memory never more than 10,000 messages or 4 MiB of a room are kept. Everyone is told in the greeting." example:"90d,100000"`

	PasswordFile string `env:"CHATD_PASSWORD_FILE" default:"none" group:"Who may do what" desc:"file with a password that every newcomer must give" more:"One line of at most 1 KiB; nobody but its owner and group may have any access to the file. SIGHUP reads it again; those who are in stay. Raw listeners do not ask, and neither are operators on Unix sockets asked." example:"/etc/chatd/password"`
	Operators    names  `env:"CHATD_OPERATORS" default:"none" desc:"registered names that may moderate, separated by commas" more:"Register a name (/register) before it is put here: it is the operator's as soon as anybody has registered it. Without CHATD_DATA names are registered only until the server stops. Root, and the user that the server runs as, are operators on Unix sockets in any case." example:"ana,bob"`

	MaxClients    count `env:"CHATD_MAX_CLIENTS" envDefault:"0" max:"10000000" off:"as many as open files allow, less 64" group:"Limits" desc:"most connections at a time" example:"500"`
	MaxPerAddress count `env:"CHATD_MAX_PER_ADDRESS" envDefault:"64" max:"10000000" off:"no limit" desc:"most connections at a time from one IP address" more:"For IPv6 this counts a whole /64. Unix sockets are not counted." example:"8"`
	MaxLine       size  `env:"CHATD_MAX_LINE" envDefault:"4096" min:"64" max:"64KiB" desc:"longest message, in bytes; a longer line becomes several messages" example:"1KiB"`
	Rate          rate  `env:"CHATD_RATE" envDefault:"10" min:"0.01" max:"1000000" off:"no limit" desc:"messages a second one person may send for long" more:"Who is faster loses nothing: the server reads the rest later." example:"0.5"`
	Burst         count `env:"CHATD_BURST" envDefault:"40" max:"1000000" off:"no limit, so CHATD_RATE never applies" desc:"messages one person may send at once" more:"The default lets a paste of 40 lines pass." example:"100"`
	LogMemory     size  `env:"CHATD_LOG_MEMORY" envDefault:"64MiB" min:"1MiB" max:"1024GiB" off:"no limit" desc:"memory for the latest messages of all rooms together" more:"Whoever reads slowly catches up from it; what has left it is told as skipped." example:"256MiB"`

	ReapInterval  span `env:"CHATD_REAP_INTERVAL" envDefault:"5s" min:"10ms" max:"10m" group:"Time" desc:"how often every connection is looked at" more:"A peer that is gone without a word is noticed within a few of these." example:"10s"`
	IdleTimeout   span `env:"CHATD_IDLE_TIMEOUT" envDefault:"0" min:"1s" max:"8760h" off:"never" desc:"silence after which a person is disconnected, with a warning before" example:"2h"`
	StallTimeout  span `env:"CHATD_STALL_TIMEOUT" envDefault:"15m" min:"1s" max:"8760h" off:"never" desc:"how long a connection may take no bytes before it is ended" more:"A terminal stopped with Ctrl-S takes none." example:"1h"`
	ShutdownGrace span `env:"CHATD_SHUTDOWN_GRACE" envDefault:"5s" min:"10ms" max:"1m" off:"at once" desc:"how long a stop lets people receive what was said" example:"30s"`

	LogLevel  choice `env:"CHATD_LOG_LEVEL" envDefault:"info" of:"debug,info,warn,error" group:"Logs" desc:"the least important lines to log" more:"debug also tells of connections that sent nothing." example:"debug"`
	LogFormat choice `env:"CHATD_LOG_FORMAT" envDefault:"auto" of:"auto,json,console" desc:"how log lines look on standard error" more:"auto: text on a terminal, entries with fields in the systemd journal, otherwise JSON. NO_COLOR is respected." example:"json"`

	// Set by loadConfig from other things than one variable.

	// listeners is Listen, taken apart. If handedOver it is what there is besides.
	listeners []listen.Spec
	// handedOver says that CHATD_LISTEN is not set and systemd has passed
	// sockets to this process: these, by their names, are all there is to serve.
	handedOver bool
	// password is what PasswordFile holds; empty: none is asked for.
	password string
	// certificate is what TLSCertFile and TLSKeyFile hold; nil: there is none.
	certificate *tls.Certificate
	// fortunes are what FortuneFile holds; nil: it is not set.
	fortunes []string
	// environ is the environment all this came from.
	environ environment
}

// environment is the variables of a process by name.
type environment map[string]string

// mistakes are the sentences about a bad configuration, one line each.
type mistakes []string

func (m mistakes) Error() string { return strings.Join(m, "\n") }

// loadConfig reads the configuration from environ, whose values may have spaces
// around them and count as not set when nothing else is left. It opens no socket.
// The error, if any, is of type mistakes and holds all there are.
func loadConfig(environ environment) (config, error) {
	known := settings()
	values := make(environment, len(known))
	for _, s := range known {
		values[s.name] = strings.TrimSpace(environ[s.name])
	}
	cfg, wrong := parse(values, known)
	cfg.environ = environ

	if values["CHATD_LISTEN"] == "" {
		cfg.Listen = listenDefault(environ, os.Getpid(), cfg.Listen)
		cfg.handedOver = cfg.Listen == ""
	}
	if !cfg.handedOver {
		var err error
		cfg.listeners, err = listen.Parse(cfg.Listen)
		wrong = append(wrong, prefixed("CHATD_LISTEN", err)...)
	}
	if seat, ok := ownSocket(environ, 0o600); ok {
		cfg.listeners = withSeat(cfg.listeners, seat)
	}
	if cfg.MOTDFile != "" {
		_, err := readMOTD(cfg.MOTDFile)
		wrong = append(wrong, prefixed("CHATD_MOTD_FILE", err)...)
	}
	if cfg.FortuneFile != "" {
		var err error
		cfg.fortunes, err = readFortunes(cfg.FortuneFile)
		wrong = append(wrong, prefixed("CHATD_FORTUNE_FILE", err)...)
	}
	if cfg.Data = dataFolder(environ, cfg.Data); cfg.Data != "" {
		wrong = append(wrong, prefixed("CHATD_DATA", judgeFolder(cfg.Data))...)
	}
	if cfg.PasswordFile != "" {
		var err error
		cfg.password, err = cfg.readPassword()
		wrong = append(wrong, prefixed("CHATD_PASSWORD_FILE", err)...)
	}
	wrong = append(wrong, cfg.judgeTLS()...)
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		if sentence := unknownVariable(name, environ, known); sentence != "" {
			wrong = append(wrong, sentence)
		}
	}
	if len(wrong) > 0 {
		return config{}, wrong
	}
	return cfg, nil
}

// readPassword returns what newcomers must give.
func (c config) readPassword() (string, error) {
	password, err := readPassword(c.PasswordFile)
	if most := int(c.MaxLine); err == nil && most > 0 && len(password) > most {
		return "", fmt.Errorf("%s holds a password longer than CHATD_MAX_LINE, which nobody can give; write a shorter one into it", c.PasswordFile)
	}
	return password, err
}

// parse fills a config from values, in which empty stands for the default, and
// judges every variable by its own tags.
func parse(values environment, known []setting) (config, mistakes) {
	var cfg config
	failed := make(map[string]error) // by name of the field
	if err := env.ParseWithOptions(&cfg, env.Options{Environment: values}); err != nil {
		var all env.AggregateError
		errors.As(err, &all)
		for _, err := range all.Errors {
			var one env.ParseError
			if !errors.As(err, &one) {
				return cfg, mistakes{err.Error()} // a tag of config is wrong
			}
			failed[one.Name] = one.Err
		}
	}
	var wrong mistakes
	for _, s := range known {
		err := failed[s.field]
		if err == nil {
			err = s.judge(reflect.ValueOf(cfg).FieldByName(s.field))
		}
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s=%s %v", s.name, quoted(values[s.name]), err))
		}
	}
	return cfg, wrong
}

// quoted is value in quotes on one line of reasonable length.
func quoted(value string) string {
	const most = 60
	if r := []rune(value); len(r) > most {
		value = string(r[:most]) + "…"
	}
	return strconv.Quote(value)
}

// prefixed makes one sentence about the variable of each error joined in err.
func prefixed(variable string, err error) []string {
	if err == nil {
		return nil
	}
	var sentences []string
	for line := range strings.Lines(err.Error()) {
		sentences = append(sentences, variable+": "+strings.TrimSpace(line))
	}
	return sentences
}

// listenDefault is where to listen when CHATD_LISTEN does not say: nowhere ("")
// if systemd has passed sockets to the process pid, because these then take the
// place of all others; fallback, and a socket that everyone on the machine may
// use in the runtime directory if systemd gave the service one.
func listenDefault(environ environment, pid int, fallback string) string {
	if n, err := strconv.Atoi(environ["LISTEN_FDS"]); err == nil && n > 0 && environ["LISTEN_PID"] == strconv.Itoa(pid) {
		return ""
	}
	if socket, ok := ownSocket(environ, 0o666); ok {
		return fallback + "," + socket.String()
	}
	return fallback
}

// ownSocket is the socket in the runtime directory, if systemd gave the service one.
func ownSocket(environ environment, mode fs.FileMode) (socket listen.Spec, ok bool) {
	directory, _, _ := strings.Cut(environ["RUNTIME_DIRECTORY"], ":")
	socket = listen.Spec{Scheme: "unix", Path: filepath.Join(directory, "chatd.sock"), Service: listen.Chat, Mode: mode}
	return socket, filepath.IsAbs(directory)
}

// withSeat adds the operator's seat, a socket for root and the service's own user, to
// listeners that do not have it: there is a way in whatever they are.
func withSeat(listeners []listen.Spec, seat listen.Spec) []listen.Spec {
	for _, l := range listeners {
		if l.Scheme == "unix" && filepath.Clean(l.Path) == seat.Path {
			return listeners
		}
	}
	return append(listeners, seat)
}

// unknownVariable returns a sentence if name looks like a variable of chatd and
// is none, with the nearest that is.
func unknownVariable(name string, environ environment, known []setting) string {
	if !strings.HasPrefix(strings.ToUpper(name), "CHATD_") {
		return ""
	}
	names := make([]string, len(known))
	for i, s := range known {
		names[i] = s.name
	}
	switch {
	case slices.Contains(names, name):
		return ""
	case environ["KUBERNETES_SERVICE_HOST"] != "" && serviceVariable.MatchString(name):
		return ""
	}
	if near := nearest(strings.ToUpper(name), len("CHATD_"), names); near != "" {
		return fmt.Sprintf("%s is not known to this version; did you mean %s?", name, near)
	}
	return name + " is not known to this version; chatd help lists those that are"
}

// serviceVariable matches what Kubernetes puts into the environment of every
// container when a service is called chatd.
var serviceVariable = regexp.MustCompile(`^CHATD_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// relayConfig is cfg as the relay takes it, where 0 would be the default. The
// caller adds what lives longer than a configuration: files, history and logger.
func relayConfig(cfg config) relay.Config {
	limit := func(n int) int {
		if n == 0 {
			return relay.Unlimited
		}
		return n
	}
	rc := relay.Config{
		Name:          string(cfg.Name),
		History:       limit(int(cfg.History)), // which is none
		LogMemory:     int64(limit(int(cfg.LogMemory))),
		NoEcho:        !bool(cfg.Echo),
		Keep:          cfg.kept(),
		Operators:     cfg.Operators,
		MaxClients:    int(cfg.MaxClients), // 0 is what open files allow, there too
		MaxPerAddress: limit(int(cfg.MaxPerAddress)),
		MaxLine:       int(cfg.MaxLine),
		Rate:          float64(cfg.Rate),
		Burst:         limit(int(cfg.Burst)),
		ReapInterval:  time.Duration(cfg.ReapInterval),
		IdleTimeout:   time.Duration(cfg.IdleTimeout), // 0 is never, there too
		StallTimeout:  time.Duration(cfg.StallTimeout),
	}
	if cfg.Rate == 0 || cfg.Burst == 0 {
		rc.Rate, rc.Burst = relay.Unlimited, relay.Unlimited
	}
	if cfg.StallTimeout == 0 {
		rc.StallTimeout = relay.Unlimited
	}
	return rc
}
