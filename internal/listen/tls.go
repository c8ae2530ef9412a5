package listen

import "crypto/tls"

// recordHandshake is the first byte of all that speaks TLS (RFC 8446, section 5.1).
const recordHandshake = 22

// fullAlert is a TLS record with the fatal alert internal_error (RFC 8446, section
// 6): what a newcomer without a descriptor can be told in its own language before
// any keys are agreed on.
const fullAlert = "\x15\x03\x03\x00\x02\x02\x50"

// forChat is config as connections of lines use it. A sweep goes out in one record
// of up to 16 KiB and one system call: records of a packet's size would help a
// browser that waits for the first byte of a page. And there are no tickets to
// come back with, as people stay for hours.
func forChat(config *tls.Config) *tls.Config {
	if config == nil {
		return nil
	}
	config = config.Clone()
	config.DynamicRecordSizingDisabled = true
	config.SessionTicketsDisabled = true
	return config
}
