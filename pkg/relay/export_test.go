package relay

import "github.com/chatd/chatd/internal/sock"

// Unrecognised has the server take whoever comes over a Unix socket for a stranger,
// so that conversations go as they do elsewhere, whoever runs the tests.
func Unrecognised(s *Server) { s.peer = nobodyKnown }

func nobodyKnown(*sock.Conn) (uid uint32, ok bool) { return 0, false }

// CheapHash is a hash of CheapPassword that costs as little as one may.
const (
	CheapPassword = "correct horse"
	CheapHash     = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$b6qJumA/4cblFXUKfEvM0w"
)
