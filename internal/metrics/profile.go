package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strconv"
	"time"
)

// The profiles are those of net/http/pprof, at the same paths, so that go tool pprof
// finds them. That package is not used: importing it puts them on the server that every
// other package shares.

const (
	// profileTime is how long the processor is watched, or a trace lasts, if nobody
	// says, and profileMost how long at most.
	profileTime = 30 * time.Second
	profileMost = 2 * time.Minute
)

// serveProfile serves /debug/pprof/NAME.
func serveProfile(w http.ResponseWriter, r *http.Request) {
	switch name := r.PathValue("name"); name {
	case "":
		serveProfiles(w)
	case "profile":
		during(w, r, "profile", pprof.StartCPUProfile, pprof.StopCPUProfile)
	case "trace":
		during(w, r, "trace", trace.Start, trace.Stop)
	default:
		p := pprof.Lookup(name)
		if p == nil {
			http.Error(w, "there is no profile "+strconv.Quote(name)+"; /debug/pprof/ lists them", http.StatusNotFound)
			return
		}
		serveLookup(w, r, p)
	}
}

// serveProfiles lists what there is.
func serveProfiles(w http.ResponseWriter) {
	plain(w)
	all := pprof.Profiles()
	slices.SortFunc(all, func(a, b *pprof.Profile) int { return b.Count() - a.Count() })
	for _, p := range all {
		fmt.Fprintf(w, "%8d  /debug/pprof/%s?debug=1\n", p.Count(), p.Name())
	}
	fmt.Fprintf(w, "          /debug/pprof/profile?seconds=%.0f\n          /debug/pprof/trace?seconds=1\n", profileTime.Seconds())
}

// serveLookup serves a profile as it is now: with debug=1 or 2 as text.
func serveLookup(w http.ResponseWriter, r *http.Request, p *pprof.Profile) {
	debug, _ := strconv.Atoi(r.FormValue("debug"))
	if p.Name() == "heap" && r.FormValue("gc") != "" {
		runtime.GC()
	}
	if debug > 0 {
		plain(w)
	} else {
		binary(w, p.Name())
	}
	_ = p.WriteTo(w, debug) // who has gone away does not need it
}

// during serves what is watched for some seconds, or until the client goes away.
func during(w http.ResponseWriter, r *http.Request, name string, start func(io.Writer) error, stop func()) {
	lasts, err := seconds(r.FormValue("seconds"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	binary(w, name)
	if err := start(w); err != nil {
		plain(w)
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), lasts)
	defer cancel()
	<-ctx.Done()
	stop()
}

func seconds(text string) (time.Duration, error) {
	if text == "" {
		return profileTime, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if d := time.Duration(n * float64(time.Second)); err == nil && d > 0 && d <= profileMost {
		return d, nil
	}
	return 0, errors.New("seconds is a number up to " + strconv.Itoa(int(profileMost.Seconds())))
}

func plain(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Del("Content-Disposition")
}

func binary(w http.ResponseWriter, name string) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
}
