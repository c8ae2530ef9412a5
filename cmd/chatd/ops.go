package main

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/chatd/chatd/internal/listen"
	"github.com/chatd/chatd/internal/metrics"
	"github.com/chatd/chatd/internal/web"
)

// opsPlace is where metrics, health and profiles are shown: tcp://HOST:PORT or
// unix:///PATH. The word off is nowhere.
type opsPlace listen.Spec

func (o *opsPlace) UnmarshalText(text []byte) error {
	*o = opsPlace{}
	if isOff(text) {
		return nil
	}
	specs, err := listen.Parse(string(text))
	var wrong *listen.Error
	switch {
	case errors.As(err, &wrong):
		return errors.New(wrong.Reason)
	case len(specs) > 1:
		return errors.New("names several listeners, and there can be one; write one")
	}
	s := specs[0]
	switch {
	case s.Scheme == "http":
		return fmt.Errorf("is written otherwise here; write tcp://%s", strings.TrimPrefix(s.String(), "http://"))
	case s.Scheme != "tcp" && s.Scheme != "unix":
		return fmt.Errorf("begins with %s://, and metrics have tcp:// and unix:// only; write for example tcp://127.0.0.1:9777", s.Scheme)
	case s.Service != listen.Chat:
		return fmt.Errorf("asks for %s, and there are metrics only; remove serve", s.Service)
	}
	s.Service = listen.Ops
	*o = opsPlace(s)
	return nil
}

// wanted tells whether there is to be one.
func (o opsPlace) wanted() bool { return o.Scheme != "" }

// stage is how far a daemon has come; but for ready it is why newcomers are not served.
type stage uint32

const (
	starting stage = iota
	ready
	stopping
)

func (s stage) Error() string { return [...]string{"starting", "ready", "stopping"}[s] }

// ops shows how the daemon is. Its zero value shows nothing.
type ops struct {
	stage atomic.Uint32 // a stage
	end   func()        // nil: nothing is shown
}

// begin shows how d is to those who connect to l, until close is called. What goes wrong
// there is said in the log, and is nothing to the chat.
func (o *ops) begin(d *daemon, l *listen.Listener, others []*listen.Listener) {
	names := append(ownNames(d.cfg.listeners), ownNames([]listen.Spec{l.Spec()})...)
	policy := web.Policy{Origins: d.cfg.WebOrigins, Names: names}
	server := metrics.New(d.source(others), metrics.Guard{Host: policy.Page}, d.log)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); err != nil {
			d.log.Error().Err(err).Msg("metrics are shown no more")
		}
	}()
	o.end = func() { server.Close(); <-done }
}

// enter notes how far the daemon has come.
func (o *ops) enter(s stage) { o.stage.Store(uint32(s)) }

// close shows nothing any more.
func (o *ops) close() {
	if o.end != nil {
		o.end()
	}
}

// source is what is shown of d and its listeners.
func (d *daemon) source(listeners []*listen.Listener) metrics.Source {
	b := built()
	s := metrics.Source{
		Stats:      d.relay.Stats,
		Probe:      d.relay.Probe,
		Ready:      d.ready,
		LogDropped: d.logDropped,
		NoDescriptor: func() (n uint64) {
			for _, l := range listeners {
				n += l.Refused()
			}
			return n
		},
		Version: b.version, Commit: b.commit, GoVersion: b.goVersion,
	}
	if d.certificate != nil {
		s.CertificateExpires = func() time.Time { return d.certificate.Current().Leaf.NotAfter }
	}
	return s
}

// ready returns why newcomers are not served just now, or nil.
func (d *daemon) ready() error {
	if s := stage(d.ops.stage.Load()); s != ready {
		return s
	}
	switch st := d.relay.Stats(); {
	case st.Paused:
		return errors.New("accepting is paused")
	case st.Closed:
		return errors.New("closed to newcomers")
	}
	return nil
}

// opsFull is what is answered when no file descriptor is left.
const opsFull = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\nno file descriptor is left\n"
