package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/chatd/chatd/internal/listen"
	"github.com/chatd/chatd/internal/web"
)

// origins are pages that may connect, separated by commas: https://chat.example.org.
// The word off is none.
type origins []string

func (o *origins) UnmarshalText(text []byte) error {
	*o = nil
	if isOff(text) {
		return nil
	}
	for part := range strings.SplitSeq(string(text), ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		one, err := web.ParseOrigin(part)
		switch {
		case err != nil:
			return fmt.Errorf("holds %s, which %w", quoted(part), err)
		case slices.Contains(*o, one):
			return fmt.Errorf("holds %s twice; remove one of the two", one)
		}
		*o = append(*o, one)
	}
	if len(*o) == 0 {
		return errors.New("holds no origin; write one such as https://chat.example.org")
	}
	return nil
}

// webFull is what a browser is told when no file descriptor is left for it.
const webFull = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 60\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// newWeb makes what browsers are served with, where so many connections are possible.
func (d *daemon) newWeb(places uint64) *web.Server {
	names := ownNames(d.cfg.listeners)
	if d.certificate != nil {
		names = append(names, certifiedHosts(d.certificate.Current())...)
	}
	return web.New(web.Config{
		Relay:    d.relay,
		Policy:   web.Policy{Origins: d.cfg.WebOrigins, Names: names},
		Logger:   &d.log,
		MaxConns: int(max(1, min(places/4, webMost))),
	})
}

// webMost is how many connections of browsers can be something else than chat, if a
// quarter of the places is not less.
const webMost = 512

// ownNames are what this machine is called as far as it knows: its host name, also as
// mDNS spells it, and what listeners were told.
func ownNames(specs []listen.Spec) []string {
	var names []string
	if name, err := os.Hostname(); err == nil && name != "" {
		first, _, _ := strings.Cut(name, ".")
		names = append(names, strings.ToLower(name), strings.ToLower(first), strings.ToLower(first)+".local")
	}
	for _, s := range specs {
		if s.Host != "" {
			names = append(names, strings.ToLower(s.Host))
		}
	}
	return names
}
