package web

// Host is a case of the table of who may open a WebSocket.
type Host struct {
	Host, Origin string
	Allowed      bool
}

// Hosts is that table, for tests that ask a whole server.
var Hosts = func() (all []Host) {
	for _, h := range hosts {
		all = append(all, Host{h.host, h.origin, h.allowed})
	}
	return all
}()
