package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/chatd/chatd/internal/listen"
)

// maxVariables is the largest file of variables in bytes.
const maxVariables = 1 << 20

// Where the service may write, as configs/chatd.service has it.
const (
	serviceState   = "/var/lib/chatd"
	serviceRuntime = "/run/chatd"
)

// check judges the variables it is started with, or with a file those in it, which
// are the service's.
func check(files []string, environ environment, stdout, stderr io.Writer) int {
	var wrong mistakes
	if len(files) == 1 {
		var err error
		if environ, wrong, err = serviceEnvironment(files[0]); err != nil {
			complain(stderr, err)
			return exitConfig
		}
	}
	cfg, err := loadConfig(environ)
	if err != nil {
		wrong = append(wrong, err.Error())
	}
	if len(wrong) > 0 {
		complain(stderr, wrong)
		return exitConfig
	}
	var notes []string
	if len(files) == 1 {
		notes = cfg.serviceNotes()
	}
	if len(notes) == 0 {
		fmt.Fprintln(stdout, "configuration is good")
	} else {
		fmt.Fprintln(stdout, "configuration is good, but the service as it is shipped cannot do all of it")
	}
	fmt.Fprint(stdout, verdict(cfg))
	for _, note := range notes {
		fmt.Fprintln(stdout, "note: "+note)
	}
	if len(notes) > 0 {
		return exitFailed
	}
	return exitOK
}

// serviceEnvironment is what the service's environment is with a file of variables, and
// what is wrong with its lines.
func serviceEnvironment(path string) (environment, mistakes, error) {
	text, _, err := readFile(path, maxVariables)
	if err != nil {
		return nil, nil, err
	}
	environ, wrong := parseEnvironmentFile(text)
	for i := range wrong {
		wrong[i] = path + ": " + wrong[i]
	}
	environ["RUNTIME_DIRECTORY"] = serviceRuntime
	if os.Geteuid() == 0 { // nobody else can look at it
		environ["STATE_DIRECTORY"] = serviceState
	}
	return environ, wrong, nil
}

// serviceNotes say what of a good configuration the service can do nothing with, which
// is another user than who asks and is kept from much of the machine.
func (c config) serviceNotes() (notes []string) {
	for _, f := range []struct{ variable, path string }{
		{"CHATD_MOTD_FILE", c.MOTDFile},
		{"CHATD_FORTUNE_FILE", c.FortuneFile},
		{"CHATD_TLS_CERT_FILE", c.TLSCertFile},
		{"CHATD_TLS_KEY_FILE", c.TLSKeyFile},
		{"CHATD_PASSWORD_FILE", c.PasswordFile},
	} {
		if why := keptFromService(f.path); f.path != "" && why != "" {
			notes = append(notes, fmt.Sprintf("%s: %s %s", f.variable, f.path, why))
		}
	}
	for _, l := range c.listeners {
		switch {
		case l.Scheme == "unix" && !below(l.Path, serviceRuntime) && !below(l.Path, serviceState):
			notes = append(notes, fmt.Sprintf("CHATD_LISTEN: %s: others reach a socket of the service in %s only; choose a path in it", l, serviceRuntime))
		case l.Scheme != "unix" && l.Scheme != "fd" && l.Port > 0 && l.Port < 1024:
			notes = append(notes, fmt.Sprintf("CHATD_LISTEN: %s: the service may not open a port below 1024; let systemd open it, with a socket unit", l))
		}
	}
	switch folder := unseen(c.Data); {
	case c.Data == "" || below(c.Data, serviceState):
	case folder != "":
		notes = append(notes, fmt.Sprintf("CHATD_DATA: %s is below %s, which the service does not see; choose another folder, or none for %s", c.Data, folder, serviceState))
	default:
		notes = append(notes, fmt.Sprintf("CHATD_DATA: the service may write to %s only if the unit has ReadWritePaths=%[1]s, and its user may", c.Data))
	}
	return notes
}

// keptFromService says why the service cannot read a file, or nothing if it can, or if
// it may be in a group that can.
func keptFromService(path string) string {
	if folder := unseen(path); folder != "" {
		return "is below " + folder + ", which the service does not see; put it elsewhere, such as into /etc/chatd"
	}
	const read, enter = 0o4, 0o1
	if !forOthers(path, read) {
		return "can be read by its owner alone, and the service is another user; let others or a group of its own read it (SupplementaryGroups=)"
	}
	for dir := filepath.Dir(path); dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		if !forOthers(dir, enter) {
			return fmt.Sprintf("is in %s, which nobody but its owner may enter, and the service is another user", dir)
		}
	}
	return ""
}

// unseen is the folder that a path is in and that the service does not see, or nothing.
func unseen(path string) string {
	for _, hidden := range []string{"/home", "/root", "/run/user", "/tmp", "/var/tmp"} {
		if below(path, hidden) {
			return hidden
		}
	}
	return ""
}

// forOthers tells whether others than the owner and root's group may do something.
func forOthers(path string, bit fs.FileMode) bool {
	info, err := os.Stat(path)
	if err != nil {
		return true // somebody else says so
	}
	return info.Mode()&bit != 0 || info.Mode()&(bit<<3) != 0 && !groupOfRoot(info)
}

// below tells whether path is folder or in it.
func below(path, folder string) bool {
	path = filepath.Clean(path)
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// verdict is what chatd check says that a good configuration does.
func verdict(cfg config) string {
	var b strings.Builder
	if cfg.handedOver {
		fmt.Fprintln(&b, "would serve the sockets that systemd hands over")
	}
	for _, l := range cfg.listeners {
		fmt.Fprintf(&b, "would listen on %s\n", l)
	}
	if cfg.OpsListen.wanted() {
		fmt.Fprintf(&b, "would show metrics on %s\n", listen.Spec(cfg.OpsListen))
	}
	if cfg.certificate != nil {
		names, until := certified(cfg.certificate)
		fmt.Fprintf(&b, "would speak TLS as %s until %s", names, until)
		if !cfg.handedOver && !slices.ContainsFunc(cfg.listeners, listen.Spec.TLS) {
			fmt.Fprint(&b, ", and no listener does: CHATD_LISTEN has no tls:// or https://")
		}
		fmt.Fprintln(&b)
	}
	fmt.Fprintf(&b, "would keep %s\n", cfg.keepsWhat())
	if cfg.password != "" {
		fmt.Fprintln(&b, "would ask newcomers for a password")
	}
	return b.String()
}
