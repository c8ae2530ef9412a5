package relay

import (
	"context"
	"strings"
	"time"
)

// forgetTime is how long deleting may take: a pass over all that is kept.
const forgetTime = 5 * time.Minute

// forget deletes all that somebody has said, in all rooms, beyond recovery.
func (s *session) forget(args string) error {
	who := strings.TrimSpace(args)
	if who == "" {
		return errUsage
	}
	ctx, cancel := context.WithTimeout(s.srv.life, forgetTime)
	defer cancel()
	n, err := s.srv.journal.Forget(ctx, who)
	if err != nil {
		return err
	}
	s.srv.everyRoom(func(r *room) { r.forgotten = r.ring.Head().Index })
	s.logDeed("forget", who).Int("messages", n).Msg("moderation")
	if n == 0 {
		return advise("nothing is kept that %s has said", who)
	}
	return advise("deleted %s of %s; who is here may still have them on the screen", plural(uint64(n), "message"), who)
}
