package relay

import (
	"crypto/sha256"
	"crypto/subtle"
	"os"
	"os/user"
	"strconv"
	"time"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/sock"
)

// gateTries is how often one may be wrong about the server's password.
const gateTries = 3

// gate asks for the server's password, if it has one, before anything else is
// shown. It returns false if the session joins only after the answer.
func (s *session) gate() (open bool) {
	if s.home.raw || s.srv.cfg.Password == nil || s.operator() {
		return true
	}
	if s.srv.cfg.Password() == "" {
		return true
	}
	s.knock(gateTries)
	return false
}

// knock asks for the password as often as tries says.
func (s *session) knock(tries int) {
	s.askHidden("this chat asks for a password:", func(given string) error {
		from := s.address.String()
		right, wait := s.srv.guesses.Try(s.address, "password of the chat from "+from)
		switch {
		case wait > 0:
			s.end(&cause{log: "wrong password", last: "too many wrong passwords; try again in " + spell(wait.Round(time.Second))})
		case sameSecret(given, s.srv.cfg.Password()):
			right()
			if rest, done := s.comeBack(s.ahead); done {
				s.ahead = rest
			} else {
				s.join(!s.piped && !prefaced(s.ahead))
			}
		case tries > 1:
			s.logDenied("chat")
			s.knock(tries - 1)
		default:
			s.logDenied("chat")
			s.end(endDenied)
		}
		return nil
	})
}

// sameSecret compares in a time that tells nothing of either.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// recognise asks the kernel who is at the other end of a Unix socket. Root and the
// server's own user are operators. It returns the name of the user, or "". Before a
// browser on a Unix socket stands a proxy, whose user is not the person's.
func (s *session) recognise() string {
	if s.framed() {
		return ""
	}
	uid, ok := s.srv.peer(s.conn)
	if !ok {
		return ""
	}
	if trusted(uid) {
		s.login.Store(&login{operator: true})
	}
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return ""
	}
	return u.Username
}

// trusted tells whether a user of this machine is an operator: root, and who the server
// runs as.
func trusted(uid uint32) bool { return uid == 0 || uid == uint32(os.Geteuid()) }

// trusts tells whether the kernel knows an operator at the other end.
func (s *Server) trusts(c *sock.Conn) bool {
	uid, ok := s.peer(c)
	return ok && trusted(uid)
}

// firstName gives the session the name it begins with: that of the user whom the
// kernel knows, if it can be had, or a guest's.
func (s *session) firstName() {
	s.setName(s.srv.names.guest(s))
	if s.user == "" {
		return
	}
	n, err := name.Check(s.user)
	if err != nil || name.IsGuest(n) || s.srv.accounts.has(n) || s.nameBanned(n) != nil {
		return
	}
	if tag, taken := s.srv.names.claim(s, s.name, n); taken == "" {
		s.setName(n, tag)
	}
}

// peerUser is the user at the other end of a Unix socket, as the kernel has it.
func peerUser(c *sock.Conn) (uid uint32, ok bool) {
	uid, _, _, ok = c.PeerCred()
	return uid, ok
}
