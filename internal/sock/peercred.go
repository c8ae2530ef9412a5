package sock

import (
	"net"

	"golang.org/x/sys/unix"
)

// PeerCred is who is at the other end of a Unix connection, as the kernel noted it
// when the peer connected: its effective user and group, and its process. The peer
// cannot choose them, but may have handed the connection to another process since;
// pid is 0 for a process of another container. ok is false if c is closed or no
// Unix connection.
func (c *Conn) PeerCred() (uid, gid uint32, pid int32, ok bool) {
	if _, local := c.bottom.(*net.UnixConn); !local || c.kernel == nil {
		return 0, 0, 0, false // of a TCP connection the kernel would say: process 0, user -1
	}
	var cred *unix.Ucred
	var err error
	if c.kernel.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}) != nil || err != nil {
		return 0, 0, 0, false
	}
	return cred.Uid, cred.Gid, cred.Pid, true
}
