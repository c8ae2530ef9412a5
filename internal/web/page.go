package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed page
var pageFiles embed.FS

// file is one of the page's, as it is sent.
type file struct {
	kind   string // Content-Type
	etag   string // without the quotes
	plain  []byte
	zipped []byte // the same by gzip
}

// kinds are the types of the page's files. The system's own table may be anything.
var kinds = map[string]string{
	".html":        "text/html; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".css":         "text/css; charset=utf-8",
	".svg":         "image/svg+xml",
	".png":         "image/png",
	".webmanifest": "application/manifest+json",
}

// embedded returns the page's files by the path that a browser asks for.
func embedded() map[string]file {
	files := make(map[string]file)
	// Neither walking nor reading what is embedded can fail.
	_ = fs.WalkDir(pageFiles, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := pageFiles.ReadFile(name)
		if err != nil {
			return err
		}
		at := strings.TrimPrefix(name, "page")
		if at == "/index.html" {
			at = "/"
		}
		files[at] = newFile(path.Ext(name), data)
		return nil
	})
	return files
}

func newFile(extension string, data []byte) file {
	sum := sha256.Sum256(data)
	var zipped bytes.Buffer
	z, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	_, _ = z.Write(data)
	_ = z.Close()
	return file{kind: kinds[extension], etag: hex.EncodeToString(sum[:8]), plain: data, zipped: zipped.Bytes()}
}

// ServeHTTP sends the file. A browser asks every time whether it has changed.
func (f file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", `"`+f.etag+`"`)
	body := f.plain
	if hasWord(r.Header["Accept-Encoding"], "gzip") {
		h.Set("ETag", `"`+f.etag+`-gzip"`)
		h.Set("Content-Encoding", "gzip")
		body = f.zipped
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// contentPolicy lets the page use its own script, style, icon and WebSocket and
// nothing else, and makes the browser refuse to turn text into anything else.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// protect sets the headers that every answer has.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

// site is what an HTTP listener has.
func (s *Server) site(u upgrades) http.Handler {
	chat := func(nc net.Conn, early []byte) error { return s.cfg.Relay.ServeWebSocketConn(u.ctx, nc, early) }
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", u.to(chat, s.upgradeAllowed))
	mux.HandleFunc("/ws/echo", u.to(u.echo, s.upgradeAllowed))
	mux.HandleFunc("/", s.page)
	return protected(mux)
}

// echoSite is what a listener has that only sends back.
func (s *Server) echoSite(u upgrades) http.Handler {
	return protected(u.to(u.echo, func(*http.Request) error { return nil }))
}

func (s *Server) upgradeAllowed(r *http.Request) error {
	return s.cfg.Policy.Upgrade(r.Host, r.Header["Origin"])
}

// page answers requests for files.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	f, found := s.files[r.URL.Path]
	err := s.cfg.Policy.Page(r.Host)
	switch {
	case err != nil:
		s.log.Debug().Str("peer", r.RemoteAddr).Str("host", r.Host).AnErr("reason", err).Msg("refused")
		forbid(w, err)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the page can only be read", http.StatusMethodNotAllowed)
	case !found:
		http.Error(w, "there is no such page; the chat is at /", http.StatusNotFound)
	default:
		f.ServeHTTP(w, r)
	}
}

// protected answers as next does, with the headers for safety. A request with a body
// is the last one of its connection: nothing here reads it.
func protected(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
