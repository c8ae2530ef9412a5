package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	xrate "golang.org/x/time/rate"

	"github.com/chatd/chatd/internal/cert"
	"github.com/chatd/chatd/internal/fortune"
	"github.com/chatd/chatd/internal/listen"
	"github.com/chatd/chatd/internal/small"
	"github.com/chatd/chatd/internal/store"
	"github.com/chatd/chatd/internal/web"
	"github.com/chatd/chatd/pkg/relay"
)

// daemon is one run of chatd, from its sockets to its last goodbye.
type daemon struct {
	cfg    config
	log    zerolog.Logger
	stderr io.Writer
	notify *notifier

	logDropped func() uint64 // lines of the log that nobody took

	// Set before anything is served.
	certificate *cert.Source // nil: there is no TLS

	relay   *relay.Server
	history *store.Store // nil: memory
	small   *small.Server
	web     *web.Server
	ops     ops

	// Replaced whole by reload.
	motd     atomic.Pointer[string]
	password atomic.Pointer[string]
	fortunes fortune.Teller
}

// serve runs chatd until ctx is done or a signal stops it, and returns the exit
// status. SIGTERM and SIGINT end it with a goodbye to everyone, a second one at
// once; SIGHUP reads the files again.
func serve(ctx context.Context, cfg config, log zerolog.Logger, logDropped func() uint64, stderr io.Writer) int {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP)
	defer signal.Stop(signals)

	// Until everything is open there is nobody to say goodbye to, and a signal ends
	// the start.
	starting, begun := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer begun()

	leanHeap()
	d := &daemon{cfg: cfg, log: log, stderr: stderr, notify: newNotifier(log), logDropped: logDropped}
	listeners, err := d.open(starting)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	if starting.Err() != nil {
		d.discard(listeners, signals)
		return exitOK
	}
	begun()
	if err != nil {
		d.discard(listeners, signals)
		complain(stderr, err)
		return exitFailed
	}
	for _, l := range listeners {
		fmt.Fprintln(stderr, announcement(l))
	}
	log.Info().Str("version", strings.TrimSpace(versionLine())).Int("listeners", len(listeners)).
		Str("keeps", cfg.keepsWhat()).Msg("started")

	failed := make(chan error, len(listeners))
	var serving sync.WaitGroup
	for _, l := range listeners {
		if l.Spec().Service == listen.Ops {
			d.ops.begin(d, l, listeners)
			continue
		}
		// Only stop ends it, which says why.
		serving.Go(func() { failed <- d.serveListener(context.WithoutCancel(ctx), l) })
	}
	d.ops.enter(ready)
	end := d.notify.begin(func() string { return status(d.relay.Counts()) }, d.relay.Probe)
	why := d.wait(ctx, signals, failed)
	d.notify.send("STOPPING=1")
	d.ops.enter(stopping)
	d.stop(signals)
	serving.Wait()
	if !d.closeHistory(signals) {
		why = exitFailed
	}
	end()
	d.ops.close()
	log.Info().Msg("stopped")
	return why
}

// open opens the history, makes the relay, and then opens all sockets or none.
func (d *daemon) open(ctx context.Context) ([]*listen.Listener, error) {
	rc := relayConfig(d.cfg)
	rc.Logger = &d.log
	rc.Version = version
	rc.MOTD = func() string { return *d.motd.Load() }
	d.loadMOTD()
	d.fortunes.Use(d.cfg.fortunes)
	if d.cfg.PasswordFile != "" {
		d.password.Store(&d.cfg.password)
		rc.Password = func() string { return *d.password.Load() }
	}
	if err := d.openCertificate(); err != nil {
		return nil, err
	}
	if err := d.openHistory(ctx, &rc); err != nil {
		return nil, err
	}
	d.unclaimed(rc.State.Accounts)
	d.relay = relay.New(rc)
	return d.listen(ctx)
}

// discard closes what was opened and nobody has used.
func (d *daemon) discard(listeners []*listen.Listener, signals <-chan os.Signal) {
	for _, l := range listeners {
		_ = l.Close()
	}
	if d.relay != nil {
		_ = d.relay.Close()
	}
	d.closeHistory(signals)
}

// leanHeap lets garbage be half of what is in use, not as much again. Nothing is
// allocated for a delivery, so the collector has little to do either way, and ten
// thousand idle clients take 3 MiB less. GOGC, if it is set, decides instead.
func leanHeap() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// listen opens all sockets, or none.
func (d *daemon) listen(ctx context.Context) ([]*listen.Listener, error) {
	sockets := listen.FromSystemd()
	defer sockets.Close()
	specs := d.cfg.listeners
	if d.cfg.handedOver {
		specs = append(sockets.Specs(), specs...)
		if err := d.judgeSockets(specs); err != nil {
			return nil, err
		}
	}
	places := d.places()
	refusal := fmt.Sprintf("* server full (limit %d); try again in a minute\r\n", places)
	d.small = small.New(small.Config{
		MaxClients:    int(max(1, min(places/4, smallMost))),
		MaxPerAddress: int(d.cfg.MaxPerAddress),
		Logger:        &d.log,
	})
	d.web = d.newWeb(places)
	seldom := xrate.Sometimes{Interval: time.Second} // for all listeners together
	c := listen.Config{
		Sockets: sockets,
		TLS:     d.tlsConfig(),
		Proxies: listen.Peers(d.cfg.ProxyFrom),
		Refusal: func(s listen.Service) string {
			switch s {
			case listen.HTTP:
				return webFull + refusal
			case listen.Ops:
				return opsFull
			}
			return refusal
		},
		OnError: func(err error) {
			seldom.Do(func() { d.log.Warn().Err(err).Msg("accept") })
		},
	}
	if d.cfg.OpsListen.wanted() {
		specs = append(slices.Clip(specs), listen.Spec(d.cfg.OpsListen))
	}
	listeners, err := c.Open(ctx, specs...)
	if err != nil {
		return nil, err
	}
	for _, s := range sockets.Specs() {
		d.log.Warn().Str("name", s.Name).
			Msg("systemd handed over a socket that CHATD_LISTEN does not name; nobody serves it")
	}
	return listeners, nil
}

// places is how many connections there can be: what the relay allows, or what the
// limit of open files does.
func (d *daemon) places() uint64 {
	const spare = 64 // what the relay leaves for other files
	most := uint64(d.cfg.MaxClients)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return most
	}
	switch files := limit.Cur; {
	case most == 0:
		return max(files, spare) - spare
	case most > files:
		d.log.Warn().Uint64("max_clients", most).Uint64("open_files", files).
			Msg("CHATD_MAX_CLIENTS is more than the limit of open files allows; raise that (LimitNOFILE)")
		return files
	}
	return most
}

// smallMost is how many can be connected to echo and fortune listeners together, if
// a quarter of the places is not less: some for everybody who tries them, and what
// chat does not miss.
const smallMost = 256

// announcement says what was bound, and how to get there.
func announcement(l *listen.Listener) string {
	line := "listening on " + l.URL()
	service, hints := l.Spec().Service, l.Hints()
	forBrowsers := len(hints) > 0 && strings.HasPrefix(hints[0], "http")
	switch {
	case forBrowsers:
		line += "  open in a browser: " + strings.Join(hints, "  or: ")
	case len(hints) > 0:
		line += "  reach it with: " + strings.Join(hints, "  or: ")
	}
	if service != listen.Chat && !forBrowsers {
		line += "  (" + strings.TrimSpace(string(service)+" "+l.Spec().Format) + ")"
	}
	return line
}

func (d *daemon) serveListener(ctx context.Context, l *listen.Listener) error {
	scheme := l.Spec().Scheme
	switch service := l.Spec().Service; {
	case service == listen.HTTP:
		return d.web.Serve(ctx, l)
	case service == listen.Echo && (scheme == "http" || scheme == "https"):
		return d.web.ServeEcho(ctx, l)
	case service == listen.Raw:
		room := l.Spec().Room
		if room == "" {
			room = l.URL() // of its own
		}
		return d.relay.ServeRaw(ctx, l, room)
	case service == listen.JSON:
		return d.relay.ServeJSON(ctx, l)
	case service == listen.Echo:
		return d.small.Serve(ctx, l, small.Echo{})
	case service == listen.Fortune:
		return d.small.Serve(ctx, l, small.Fortune{Tell: d.fortunes.Tell, Format: fortune.Format(l.Spec().Format)})
	}
	return d.relay.Serve(ctx, l)
}

// wait returns the exit status when it is time to stop.
func (d *daemon) wait(ctx context.Context, signals <-chan os.Signal, failed <-chan error) int {
	for {
		select {
		case <-ctx.Done():
			return exitOK
		case err := <-failed:
			d.log.Error().Err(err).Msg("cannot accept any more")
			return exitFailed
		case s := <-signals:
			if s != syscall.SIGHUP {
				d.log.Info().Stringer("signal", s).Msg("stopping")
				return exitOK
			}
			d.reload()
		}
	}
}

// stop says goodbye to everyone, for as long as the grace lasts or until a second
// signal.
func (d *daemon) stop(signals <-chan os.Signal) {
	grace := time.Duration(d.cfg.ShutdownGrace)
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case s := <-signals:
				if s != syscall.SIGHUP {
					cancel()
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	d.small.Close()
	d.web.Shutdown()
	err := d.relay.Shutdown(ctx)
	cancel()
	watching.Wait()
	switch {
	case err == nil || grace == 0:
	case errors.Is(err, context.Canceled):
		d.log.Warn().Msg("a second signal: some were cut off")
	default:
		d.log.Warn().Dur("grace_ms", grace).Msg("some were cut off: they did not read in time")
	}
}

// reload reads the files again. What cannot be read stays as it was.
func (d *daemon) reload() {
	d.notify.reloading()
	motd, password, fortunes, certificate := d.loadMOTD(), d.loadPassword(), d.loadFortunes(), d.loadCertificate()
	if motd && password && fortunes && certificate {
		d.log.Info().Msg("files read again")
	}
	d.notify.send("READY=1")
}

// loadMOTD reports whether the message of the day is what its file holds.
func (d *daemon) loadMOTD() bool {
	text := ""
	if d.cfg.MOTDFile != "" {
		var err error
		if text, err = readMOTD(d.cfg.MOTDFile); err != nil {
			d.log.Error().Err(err).Msg("the message of the day stays as it was")
			d.motd.CompareAndSwap(nil, &text)
			return false
		}
	}
	d.motd.Store(&text)
	return true
}

// loadPassword reports whether the password is what its file holds.
func (d *daemon) loadPassword() bool {
	if d.cfg.PasswordFile == "" {
		return true
	}
	password, err := d.cfg.readPassword()
	if err != nil {
		d.log.Error().Err(err).Msg("the password stays as it was")
		return false
	}
	d.password.Store(&password)
	return true
}

// loadFortunes reports whether the fortunes are those of their file.
func (d *daemon) loadFortunes() bool {
	if d.cfg.FortuneFile == "" {
		return true
	}
	fortunes, err := readFortunes(d.cfg.FortuneFile)
	if err != nil {
		d.log.Error().Err(err).Msg("the fortunes stay as they were")
		return false
	}
	d.fortunes.Use(fortunes)
	return true
}
