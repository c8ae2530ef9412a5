package passwd

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// phc is a hash as the PHC string format of argon2id has it:
//
//	$argon2id$v=19$m=19456,t=2,p=1$SALT$KEY
//
// with salt and key in base64 without padding.
type phc struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
	salt   []byte
	key    []byte
}

// Bounds of what is read. Strings that other programs made are welcome, but none
// may cost more than 64 MiB and half a second: they come from a file.
const (
	maxMemory = 64 << 10 // KiB
	maxPasses = 10
	maxLanes  = 4

	minSalt, maxSalt = 8, 64  // bytes
	minKey, maxKey   = 16, 64 // bytes

	maxString = 256 // bytes; the longest within these bounds has 205
)

var (
	errForm = errors.New("not an argon2id hash of the form $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH; set the password anew")
	errCost = fmt.Errorf("a password hash beyond m=%d,t=%d,p=%d, or with a salt or hash too short or too long; set the password anew",
		maxMemory, maxPasses, maxLanes)
)

// parse reads what String writes and nothing else. Its errors are errForm and
// errCost, so nothing of s gets into a log.
func parse(s string) (phc, error) {
	if len(s) > maxString {
		return phc{}, errForm
	}
	parts := strings.Split(s, "$")
	if len(parts) != 6 {
		return phc{}, errForm
	}
	var p phc
	_, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.passes, &p.lanes)
	if err != nil {
		return phc{}, errForm
	}
	if p.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return phc{}, errForm
	}
	if p.key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil {
		return phc{}, errForm
	}
	if p.String() != s { // another function or version, 07 for 7, bits to spare, line ends in base64
		return phc{}, errForm
	}
	if !p.affordable() {
		return phc{}, errCost
	}
	return p, nil
}

// affordable also refuses what RFC 9106 section 3.1 does: less than 8 KiB a lane.
func (p phc) affordable() bool {
	within := func(n, least, most int) bool { return least <= n && n <= most }
	return within(int(p.lanes), 1, maxLanes) &&
		within(int(p.passes), 1, maxPasses) &&
		within(int(p.memory), 8*int(p.lanes), maxMemory) &&
		within(len(p.salt), minSalt, maxSalt) &&
		within(len(p.key), minKey, maxKey)
}

func (p phc) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", p.memory, p.passes, p.lanes, b64(p.salt), b64(p.key))
}
