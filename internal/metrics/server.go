package metrics

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
)

const (
	// headerTime is how long a request may take to arrive.
	headerTime = 5 * time.Second
	// answerTime is how long an answer may take: the longest profile, and to be read.
	answerTime = profileMost + 10*time.Second
	// idleTime is how long a connection is kept for the next request. Prometheus asks
	// every 15 s or more, and a new connection costs it nothing.
	idleTime = 5 * time.Second
	// maxHeader is the longest head of a request in bytes, to which net/http adds 4 KiB.
	maxHeader = 12 << 10
	// connsMost is how many are served at a time. Others wait in the kernel's queue.
	connsMost = 32
)

// Guard is who may ask. Any page can have a browser connect to any address, and the name
// of the page can be made to lead here, so that it reads the answer (DNS rebinding).
type Guard struct {
	// Host returns why a server on a TCP port is not known by that Host, or nil.
	Host func(host string) error
}

// Server serves a Source over HTTP. Its methods may be called at the same time.
type Server struct {
	source  Source
	guard   Guard
	log     zerolog.Logger
	metrics http.Handler

	stop     sync.Once
	stopping chan struct{} // closed by Close
}

// New returns a Server that serves nothing yet. The logger is told, at level debug, who is
// turned away.
func New(source Source, guard Guard, logger zerolog.Logger) *Server {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{source}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Server{
		source: source, guard: guard, log: logger, stopping: make(chan struct{}),
		metrics: promhttp.HandlerFor(r, promhttp.HandlerOpts{}),
	}
}

// Serve answers those who connect to l until Close is called, or l fails. When it
// returns, l is closed and every connection accepted from it has ended. Its error is l's.
func (s *Server) Serve(l net.Listener) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var open sync.WaitGroup // connections
	hs := &http.Server{
		Handler:           s.handler(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       headerTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		Protocols:         new(http.Protocols),
		ErrorLog:          log.New(debugLog{s.log}, "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed:
				open.Done()
			}
		},
	}
	hs.Protocols.SetHTTP1(true)
	failed := make(chan error, 1)
	go func() { failed <- hs.Serve(newNarrow(l, connsMost)) }()
	var err error
	select {
	case err = <-failed:
	case <-s.stopping:
		cancel() // profiles end
		_ = hs.Close()
		<-failed
	}
	_ = hs.Close()
	open.Wait()
	return err
}

// Close makes every Serve return.
func (s *Server) Close() { s.stop.Do(func() { close(s.stopping) }) }

// handler answers requests.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", serveIndex)
	mux.Handle("GET /metrics", s.metrics)
	mux.HandleFunc("GET /healthz", s.serveHealth)
	mux.HandleFunc("GET /readyz", s.serveReady)
	mux.HandleFunc("GET /debug/pprof/{name...}", serveProfile)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if err := s.guard.refuse(r); err != nil {
			s.log.Debug().Str("peer", r.RemoteAddr).Str("host", r.Host).Str("reason", err.Error()).Msg("refused")
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

var errCrossSite = errors.New("pages of other sites may not ask here")

// refuse is why a request is not answered, or nil. No page reaches a Unix socket.
func (g Guard) refuse(r *http.Request) error {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && a.Network() == "unix" {
		return nil
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		return errCrossSite
	}
	return g.Host(r.Host)
}

const index = `/metrics       for Prometheus
/healthz       200 if every room answers within a second
/readyz        200 if newcomers are served
/debug/pprof/  profiles, for go tool pprof
`

func serveIndex(w http.ResponseWriter, _ *http.Request) {
	plain(w)
	_, _ = w.Write([]byte(index))
}

// serveHealth tells whether all rooms answer, as the watchdog asks them.
func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request) {
	_, err := s.source.probe(r.Context())
	verdict(w, err)
}

// serveReady tells whether newcomers are served.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) { verdict(w, s.source.Ready()) }

func verdict(w http.ResponseWriter, err error) {
	plain(w)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

// debugLog takes the lines of net/http about bad requests.
type debugLog struct{ log zerolog.Logger }

func (d debugLog) Write(line []byte) (int, error) {
	d.log.Debug().Bytes("detail", line).Msg("refused")
	return len(line), nil
}
